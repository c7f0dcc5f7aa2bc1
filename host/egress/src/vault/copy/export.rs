//! `vault export`: every registration and grant, as one document.
//!
//! The document holds the rows as the vault itself writes them, so what a record gains later is exported, too. Access
//! tokens stay behind: they are minted anew where they are needed.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::super::error::VaultError;
use super::super::grants;
use super::super::kept::to_bytes;
use super::super::record::{GrantRow, RegistrationRow};
use super::super::registrations;
use super::super::rows::Kind;
use super::super::store::{Vault, content};
use super::envelope::{Content, Recipients};
use super::error::CopyError;

/// The largest document: thousands of grants.
pub(super) const LARGEST: u64 = 32 << 20;

/// How far back a grant's token calls are told: longer than any provider's window.
const CALLS_MS: u64 = 60 * 60 * 1000;

/// An export, encrypted.
#[derive(Debug)]
pub struct Exported {
    /// The file's bytes.
    pub bytes: Vec<u8>,
    /// How many registrations it holds.
    pub registrations: usize,
    /// How many grants it holds.
    pub grants: usize,
}

/// What an export holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    /// The versions of the rows in it; see [`Kind::version`].
    pub(super) registration_version: i64,
    pub(super) grant_version: i64,
    /// When it was made.
    pub(super) made_ms: u64,
    pub(super) registrations: Vec<RegistrationEntry>,
    pub(super) grants: Vec<GrantEntry>,
}

/// The first two members of a document, whatever else it holds.
#[derive(Deserialize)]
pub(super) struct Versions {
    pub(super) registration_version: i64,
    pub(super) grant_version: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RegistrationEntry {
    pub(super) name: String,
    pub(super) row: RegistrationRow,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantEntry {
    pub(super) name: String,
    pub(super) generation: u64,
    /// When its token endpoint was called lately, so that the provider's budget is kept across the move.
    pub(super) calls_ms: Vec<u64>,
    pub(super) row: GrantRow,
}

impl Vault {
    /// Encrypts every registration and grant for the recipients.
    pub fn export(&self, recipients: &Recipients, now_ms: u64) -> Result<Exported, CopyError> {
        let document = self.document(now_ms)?;
        let plaintext = to_bytes(&document).ok_or(VaultError::NotWritten)?;
        if plaintext.len() as u64 > LARGEST {
            return Err(CopyError::TooLarge { limit: LARGEST });
        }
        let bytes = encrypted(&plaintext, recipients)?;
        Ok(Exported { bytes, registrations: document.registrations.len(), grants: document.grants.len() })
    }

    fn document(&self, now_ms: u64) -> Result<Document, CopyError> {
        let mut registrations = Vec::new();
        let mut grants = Vec::new();
        // One look at the database for both, so that they belong together.
        let connection = self.connection();
        self.rows.read_head(&connection)?;
        for row in self.rows.read_all(&connection, Kind::Registration)? {
            registrations::info(&row)?;
            registrations.push(RegistrationEntry { name: row.id.clone(), row: content(&row)? });
        }
        for row in self.rows.read_all(&connection, Kind::Grant)? {
            let name = grants::info(&row)?.name;
            let mut grant: GrantRow = content(&row)?;
            grant.access = None;
            let calls_ms = grants::token_calls(&connection, &name, now_ms.saturating_sub(CALLS_MS))?;
            grants.push(GrantEntry { name: row.id.clone(), generation: row.generation, calls_ms, row: grant });
        }
        let [registration_version, grant_version] = [Kind::Registration, Kind::Grant].map(Kind::version);
        Ok(Document { registration_version, grant_version, made_ms: now_ms, registrations, grants })
    }
}

fn encrypted(plaintext: &Zeroizing<Vec<u8>>, recipients: &Recipients) -> Result<Vec<u8>, CopyError> {
    use std::io::Write as _;

    let mut sealing = recipients.seal(Content::Export, Vec::new())?;
    sealing.write_all(plaintext).map_err(CopyError::Io)?;
    sealing.finish().map_err(CopyError::Io)
}
