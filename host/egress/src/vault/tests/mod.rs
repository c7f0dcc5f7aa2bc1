//! The vault as a whole: what it promises of its file, its key and its records.

mod admitted;
mod copies;
mod making;
mod marks;
mod moving;
mod operators;
mod records;
mod tampering;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wardlock_core::id::{GrantName, Region, RegistrationName, ServiceName};
use zeroize::Zeroizing;

use super::key::Stretch;
use super::secret::tests::secret;
use super::{KeySource, NewAccess, NewGrant, NewRegistration, Passphrase, Vault, VaultError};

/// A folder that is removed at the end, closed to others.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn db(&self) -> PathBuf {
        self.state().join("vault.db")
    }

    fn key(&self) -> PathBuf {
        self.state().join("vault.key")
    }

    fn by_file(&self) -> KeySource {
        KeySource::File { path: self.key() }
    }

    fn create(&self) -> Vault {
        Vault::create(&self.state(), &self.by_file()).expect("a new vault")
    }

    fn open(&self) -> Result<Vault, VaultError> {
        Vault::open(&self.state(), &self.by_file())
    }

    /// Changes the closed database from outside.
    fn tamper(&self, sql: &str) {
        let connection = rusqlite::Connection::open(self.db()).expect("open");
        connection.execute_batch(sql).expect(sql);
    }

    /// Returns every byte of the database and its companions.
    fn bytes(&self) -> Vec<u8> {
        let parts = ["vault.db", "vault.db-wal", "vault.db-shm", "vault.db-journal"];
        parts.iter().filter_map(|part| std::fs::read(self.state().join(part)).ok()).flatten().collect()
    }
}

fn by_passphrase(text: &str) -> KeySource {
    KeySource::Passphrase(Passphrase::from_bytes(Zeroizing::new(text.into())).expect("a passphrase"))
}

fn create_by_passphrase(folder: &Path, text: &str) -> Result<Vault, VaultError> {
    Vault::create_with(folder, &by_passphrase(text), Stretch::QUICK)
}

fn grant_name(text: &str) -> GrantName {
    GrantName::parse(text).expect("a name")
}

fn registration_name(text: &str) -> RegistrationName {
    RegistrationName::parse(text).expect("a name")
}

fn region(text: &str) -> Region {
    Region::parse(text).expect("a region")
}

/// Returns whether a stored secret is there and is this one.
fn holds(stored: Option<&std::sync::Arc<super::Secret>>, text: &str) -> bool {
    stored.is_some_and(|stored| stored.same(&secret(text)))
}

fn new_registration(name: &str) -> NewRegistration {
    NewRegistration {
        name: registration_name(name),
        service: ServiceName::parse("zoho-crm").expect("a name"),
        client_id: "1000.CLIENTID".to_owned(),
        redirect_uri: "http://127.0.0.1:7421/callback".to_owned(),
        secret: Some(secret("canary-client-secret-common")),
        program: Vec::new(),
        region_secrets: BTreeMap::from([(region("in"), secret("canary-client-secret-india"))]),
        created_ms: 1_700_000_000_000,
    }
}

fn new_grant(name: &str, refresh_token: &str) -> NewGrant {
    NewGrant {
        name: grant_name(name),
        registration: registration_name("agency"),
        service: ServiceName::parse("zoho-crm").expect("a name"),
        region: region("eu"),
        environment: "production".to_owned(),
        scopes: vec!["ZohoCRM.modules.READ".to_owned()],
        refresh_token: Some(secret(refresh_token).into()),
        access: Some(NewAccess { token: secret("1000.canary-access-first").into(), expires_ms: 42 }),
        api_host: Some("www.zohoapis.eu".to_owned()),
        tenant: None,
        accounts: BTreeMap::new(),
        user: None,
        created_ms: 1_700_000_000_001,
    }
}
