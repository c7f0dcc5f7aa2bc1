//! Exports and imports, and the vault in a backup.

use std::fs;

use age::secrecy::ExposeSecret as _;
use wardlock_core::service::Budget;

use super::*;
use crate::vault::{Begun, Condition, Copied, CopyError, Existing, Opening, Recipients, SealedKey, Settled};

const NOW: u64 = 1_700_000_100_000;
const PHRASE: &str = "correct horse battery";

/// Somebody who can open copies, with the identity in a file as `age-keygen` leaves it.
struct Holder {
    folder: tempfile::TempDir,
    recipients: Recipients,
}

impl Holder {
    fn new() -> Self {
        let identity = age::x25519::Identity::generate();
        let folder = tempfile::tempdir().expect("a folder");
        let recipients = Recipients::keys(&[identity.to_public().to_string()]).expect("a recipient");
        let text = format!("# created: today\n{}\n", identity.to_string().expose_secret());
        crate::vault::files::create(&folder.path().join("identity"), text.as_bytes()).expect("written");
        Self { folder, recipients }
    }

    fn opening(&self) -> Opening {
        Opening::identity_file(&self.folder.path().join("identity")).expect("an identity")
    }
}

fn phrase(text: &str) -> Passphrase {
    Passphrase::from_bytes(Zeroizing::new(text.into())).expect("a passphrase")
}

/// A vault with one registration and two grants: one that was refreshed, one that the provider has given up.
fn filled() -> (Home, Vault) {
    let home = Home::new();
    let vault = home.create();
    vault.add_registration(new_registration("agency")).expect("stored");
    vault.put_grant(new_grant("acme", "1000.canary-refresh-acme")).expect("stored");
    let generation = vault.put_grant(new_grant("beta", "1000.canary-refresh-beta")).expect("stored");
    vault.note_token_call(&grant_name("acme"), NOW - 1000).expect("noted");
    let condition = Condition::Reconnect { code: "invalid_code".to_owned(), at_ms: NOW, interrupted_ms: None };
    let settled = Settled { answered: true, rotated: None, condition: Some(condition) };
    vault.settle_refresh(&grant_name("beta"), generation, settled).expect("settled");
    (home, vault)
}

#[test]
fn an_export_goes_on_in_another_vault_as_it_was() {
    let (_from, vault) = filled();
    let holder = Holder::new();
    let exported = vault.export(&holder.recipients, NOW).expect("exported");
    assert_eq!((exported.registrations, exported.grants), (1, 2));
    let clear = String::from_utf8_lossy(&exported.bytes).into_owned();
    assert!(clear.starts_with("age-encryption.org/v1\n"), "others can open it, too");
    assert!(!clear.contains("canary") && !clear.contains("acme"), "nothing stands in the clear");

    let home = Home::new();
    let other = home.create();
    let imported = other.import(&exported.bytes, &holder.opening(), Existing::Refuse, NOW + 5).expect("imported");
    assert_eq!(imported.grants, ["acme", "beta"]);
    assert_eq!(imported.made_ms, NOW);
    let (was, is) = (vault.grants().expect("read"), other.grants().expect("read"));
    for (was, is) in was.iter().zip(&is) {
        assert!(is.generation > was.generation, "{is:?}");
        assert_eq!(is.copied, Some(Copied { made_ms: NOW, brought_ms: NOW + 5 }));
        assert_eq!(is.access_expires_ms, None, "access tokens stay behind");
        let same = crate::vault::GrantInfo {
            generation: was.generation,
            copied: None,
            access_expires_ms: was.access_expires_ms,
            ..is.clone()
        };
        assert_eq!(*was, same, "conditions, tenants and all else");
    }
    let (was, is) = (vault.registrations().expect("read"), other.registrations().expect("read"));
    assert_eq!(was, is);
    let material = other.refresh_material(&grant_name("acme")).expect("material");
    assert!(holds(material.refresh_token.as_ref(), "1000.canary-refresh-acme"));
    assert!(holds(material.secrets.client_secret.as_ref(), "canary-client-secret-common"));
    assert_eq!(other.token_calls_since(&grant_name("acme"), 0).expect("read"), [NOW - 1000]);
    drop(other);
    home.open().expect("durable and sound");
}

#[test]
fn a_passphrase_opens_what_it_closed_and_no_other_does() {
    let (_from, vault) = filled();
    assert!(matches!(Recipients::passphrase(&phrase("too short")), Err(CopyError::ShortPassphrase)));
    let by_phrase = Recipients::passphrase(&phrase(PHRASE)).expect("a passphrase");
    let exported = vault.export(&by_phrase, NOW).expect("exported").bytes;
    let home = Home::new();
    let other = home.create();
    let import = |opening: Opening| other.import(&exported, &opening, Existing::Refuse, NOW);
    let error = import(Opening::passphrase(&phrase("correct horse batterie"))).expect_err("refused");
    assert!(matches!(error, CopyError::WrongPassphrase), "{error}");
    let error = import(Holder::new().opening()).expect_err("refused");
    assert!(matches!(error, CopyError::PassphraseWanted), "{error}");
    assert!(other.grants().expect("read").is_empty());
    import(Opening::passphrase(&phrase(PHRASE))).expect("imported");
}

#[test]
fn what_is_cut_changed_foreign_or_for_others_is_told_and_imports_nothing() {
    let (_from, vault) = filled();
    let holder = Holder::new();
    let good = vault.export(&holder.recipients, NOW).expect("exported").bytes;
    let home = Home::new();
    let other = home.create();
    let import = |bytes: &[u8], opening: Opening| {
        let error = other.import(bytes, &opening, Existing::Refuse, NOW).expect_err("refused");
        assert!(other.grants().expect("read").is_empty() && other.registrations().expect("read").is_empty());
        error
    };
    assert!(matches!(import(&good, Holder::new().opening()), CopyError::WrongIdentity));
    assert!(matches!(import(b"{\"registrations\":[]}", holder.opening()), CopyError::Foreign));
    assert!(matches!(import(b"", holder.opening()), CopyError::Foreign));
    for cut in (1..good.len()).step_by(97).chain([good.len() - 1]) {
        let error = import(&good[..cut], holder.opening());
        assert!(matches!(error, CopyError::Cut | CopyError::Damaged | CopyError::Foreign), "{cut}: {error}");
    }
    for at in (0..good.len()).step_by(53).chain([good.len() - 1]) {
        let mut flipped = good.clone();
        flipped[at] ^= 1;
        let error = import(&flipped, holder.opening());
        let told = matches!(error, CopyError::Damaged | CopyError::Foreign | CopyError::WrongIdentity);
        assert!(told, "byte {at}: {error}");
    }
    let key = vault.seal_key(&holder.recipients).expect("sealed").0;
    assert!(matches!(import(&key, holder.opening()), CopyError::OtherContent { .. }));
    assert!(holder.opening().open_backup(good.as_slice()).is_err(), "an export opens in the vault only");
    assert!(holder.opening().open_backup(key.as_slice()).is_err(), "so does a key");
}

#[test]
fn names_in_use_are_refused_by_name_unless_they_shall_be_replaced() {
    let (_from, vault) = filled();
    let holder = Holder::new();
    let exported = vault.export(&holder.recipients, NOW).expect("exported").bytes;
    let home = Home::new();
    let other = home.create();
    other.add_registration(new_registration("agency")).expect("stored");
    let before = other.put_grant(new_grant("acme", "1000.canary-refresh-before")).expect("stored");
    let error =
        other.import(&exported, &holder.opening(), Existing::Refuse, NOW).expect_err("refused").to_string();
    assert!(error.contains("registration `agency`") && error.contains("grant `acme`"), "{error}");
    assert_eq!(other.grants().expect("read").len(), 1, "all or nothing");
    let imported = other.import(&exported, &holder.opening(), Existing::Replace, NOW).expect("imported");
    assert_eq!(imported.replaced, ["registration `agency`", "grant `acme`"]);
    assert!(other.grant_info(&grant_name("acme")).expect("read").generation > before);
    let material = other.refresh_material(&grant_name("acme")).expect("material");
    assert!(holds(material.refresh_token.as_ref(), "1000.canary-refresh-acme"));
    let needles = other.all_needles().expect("needles");
    for looked_for in ["1000.canary-refresh-before", "1000.canary-refresh-acme", "1000.canary-access-first"] {
        assert!(needles.find_in(looked_for.as_bytes()), "{looked_for}");
    }
}

#[test]
fn a_grant_that_stays_keeps_its_oauth_client() {
    let (_from, vault) = filled();
    let holder = Holder::new();
    let exported = vault.export(&holder.recipients, NOW).expect("exported").bytes;
    let home = Home::new();
    let other = home.create();
    let client = NewRegistration { client_id: "1000.OTHER".to_owned(), ..new_registration("agency") };
    other.add_registration(client).expect("stored");
    other.put_grant(new_grant("gamma", "1000.canary-refresh-gamma")).expect("stored");
    let error = other.import(&exported, &holder.opening(), Existing::Replace, NOW).expect_err("refused");
    assert!(matches!(&error, CopyError::OtherClient { grants, .. } if grants == "gamma"), "{error}");
    other.remove_grant(&grant_name("gamma")).expect("removed");
    other.import(&exported, &holder.opening(), Existing::Replace, NOW).expect("imported");
}

#[test]
fn the_mark_of_a_copy_goes_with_a_rotated_token_and_stays_without() {
    let (_from, vault) = filled();
    let holder = Holder::new();
    let exported = vault.export(&holder.recipients, NOW).expect("exported").bytes;
    let home = Home::new();
    let other = home.create();
    other.import(&exported, &holder.opening(), Existing::Refuse, NOW).expect("imported");
    let name = grant_name("acme");
    let generation = other.grant_info(&name).expect("read").generation;
    let budget = Budget { calls: 10, window_seconds: 600 };
    let begun = other.begin_refresh(&name, generation, budget, NOW).expect("begun");
    assert!(matches!(begun, Begun::Call(_)));
    let store = |token: &str, rotated: Option<&str>| {
        let rotated = rotated.map(|text| secret(text).into());
        other.store_access_token(&name, generation, &secret(token).into(), NOW, rotated, None).expect("stored");
        other.grant_info(&name).expect("read").copied
    };
    assert!(store("1000.canary-access-second", None).is_some(), "the original may still be in use");
    assert!(store("1000.canary-access-third", Some("1000.canary-refresh-rotated")).is_none());
}

#[test]
fn recipients_are_checked_with_a_sentence() {
    let secret_half = age::x25519::Identity::generate().to_string();
    let error = Recipients::check(secret_half.expose_secret()).expect_err("refused");
    assert!(matches!(error, CopyError::IdentityForRecipient), "{error}");
    assert!(!error.to_string().contains("AGE-SECRET"), "{error}");
    for word in ["", "age1", "age1qqqq", "ssh-ed25519 AAAA", "age1pq1xyz"] {
        let error = Recipients::check(word).expect_err(word);
        assert!(error.hint().expect("a hint").contains("age-keygen"), "{error}");
    }
    let home = Home::new();
    fs::create_dir(home.state()).expect("made");
    fs::set_permissions(home.state(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("closed");
    let path = home.state().join("identity");
    crate::vault::files::create(&path, b"no identity\n").expect("written");
    assert!(matches!(Opening::identity_file(&path), Err(CopyError::BadIdentity { .. })));
}

/// Puts a snapshot of a vault into a new folder, as a restore does.
fn snapshot(vault: &Vault, recipients: &Recipients) -> (Home, SealedKey) {
    let home = Home::new();
    crate::vault::files::make_folder(&home.state()).expect("made");
    vault.snapshot(&home.db()).expect("a snapshot");
    (home, vault.seal_key(recipients).expect("sealed"))
}

fn restore(home: &Home, key: &SealedKey, by: &Opening, source: &KeySource, older: bool) -> Result<(), CopyError> {
    let copied = Copied { made_ms: NOW, brought_ms: NOW + 9 };
    Vault::restore_with(&home.state(), key, by, source, copied, older, Stretch::QUICK).map(|restored| {
        assert_eq!(restored.grants, ["acme", "beta"]);
    })
}

#[test]
fn a_backed_up_vault_opens_elsewhere_with_a_new_key_of_any_kind() {
    let (from, vault) = filled();
    let holder = Holder::new();
    for by_file in [true, false] {
        let (home, key) = snapshot(&vault, &holder.recipients);
        let source = || if by_file { home.by_file() } else { by_passphrase(PHRASE) };
        let stranger = Holder::new().opening();
        assert!(matches!(restore(&home, &key, &stranger, &source(), false), Err(CopyError::WrongIdentity)));
        restore(&home, &key, &holder.opening(), &source(), false).expect("restored");
        let other = Vault::open(&home.state(), &source()).expect("opened");
        let grant = other.grant_info(&grant_name("acme")).expect("read");
        assert_eq!(grant.copied, Some(Copied { made_ms: NOW, brought_ms: NOW + 9 }));
        assert_eq!(
            other.keys().mac(crate::vault::Purpose::AuditPaths, &[b"x"]),
            vault.keys().mac(crate::vault::Purpose::AuditPaths, &[b"x"])
        );
        if by_file {
            assert_ne!(
                fs::read(home.key()).expect("read"),
                fs::read(from.key()).expect("read"),
                "a key of its own"
            );
        }
    }
    vault.put_grant(new_grant("acme", "1000.canary-refresh-later")).expect("the original is as it was");
}

#[test]
fn an_older_backup_where_newer_was_used_is_restored_on_purpose_only() {
    let (_from, vault) = filled();
    let holder = Holder::new();
    let (home, key) = snapshot(&vault, &holder.recipients);
    let line = format!("{} 999\n", hex_id(&home));
    crate::vault::files::create(&home.key().with_extension("revision"), line.as_bytes()).expect("written");
    let refused = restore(&home, &key, &holder.opening(), &home.by_file(), false).expect_err("refused");
    assert!(matches!(refused, CopyError::Vault(VaultError::RolledBack { known: 999, .. })), "{refused}");
    assert!(!home.key().exists(), "nothing was made");
    restore(&home, &key, &holder.opening(), &home.by_file(), true).expect("restored");
    home.open().expect("it is the newest from here on");
}

#[test]
fn a_key_that_is_there_is_used_if_it_opens_the_vault_and_never_replaced() {
    let (from, vault) = filled();
    let holder = Holder::new();
    let (home, key) = snapshot(&vault, &holder.recipients);
    fs::copy(from.key(), home.key()).expect("copied");
    restore(&home, &key, &holder.opening(), &home.by_file(), false).expect("restored");
    assert_eq!(fs::read(home.key()).expect("read"), fs::read(from.key()).expect("read"));
    home.open().expect("opened");

    let (home, key) = snapshot(&vault, &holder.recipients);
    let foreign = Home::new();
    drop(foreign.create());
    fs::copy(foreign.key(), home.key()).expect("copied");
    let error = restore(&home, &key, &holder.opening(), &home.by_file(), false).expect_err("refused");
    assert!(matches!(error, CopyError::KeyTaken), "{error}");
    assert_eq!(fs::read(home.key()).expect("read"), fs::read(foreign.key()).expect("read"));
}

/// Reads the vault's id off its lock, as it stands in the clear.
fn hex_id(home: &Home) -> String {
    let connection = rusqlite::Connection::open(home.db()).expect("open");
    let lock: Vec<u8> =
        connection.query_row("SELECT value FROM meta WHERE name = 'lock'", [], |row| row.get(0)).expect("a lock");
    let lock: serde_json::Value = serde_json::from_slice(&lock).expect("json");
    lock["vault"].as_str().expect("an id").to_owned()
}
