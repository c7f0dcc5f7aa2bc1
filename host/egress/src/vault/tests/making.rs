//! Making and opening: the right key, and nothing else; never a fresh start.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use super::*;
use crate::vault::KeyKind;

fn hint(error: &VaultError) -> String {
    error.hint().unwrap_or_default()
}

#[test]
fn a_vault_is_opened_again_with_its_key_file() {
    let home = Home::new();
    drop(home.create());
    let vault = home.open().expect("opened");
    assert_eq!(vault.opened_with(), KeyKind::File);
    drop(vault);
    assert_eq!(Vault::key_kind(&home.state()).expect("a kind"), KeyKind::File);
}

#[test]
fn a_key_file_of_raw_bytes_will_do() {
    let home = Home::new();
    drop(home.create());
    let line = fs::read(home.key()).expect("read");
    let raw = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, line.trim_ascii());
    fs::write(home.key(), raw.expect("base64")).expect("written");
    home.open().expect("opened");
}

#[test]
fn l1_everything_is_closed_to_others() {
    let home = Home::new();
    let vault = home.create();
    vault.add_registration(new_registration("agency")).expect("stored");
    for file in fs::read_dir(home.state()).expect("a folder") {
        let file = file.expect("a file");
        assert_eq!(file.metadata().expect("metadata").mode() & 0o7777, 0o600, "{:?}", file.path());
    }
    assert_eq!(fs::metadata(home.state()).expect("metadata").mode() & 0o7777, 0o700);
}

#[test]
fn l1_a_vault_that_others_could_read_is_not_opened() {
    let home = Home::new();
    drop(home.create());
    for path in [home.db(), home.key(), home.state()] {
        let before = fs::metadata(&path).expect("metadata").permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(before.mode() | 0o044)).expect("chmod");
        let error = home.open().expect_err("refused");
        assert!(matches!(error, VaultError::Unsafe { .. }), "{error}");
        assert!(hint(&error).contains("chmod"), "{}", hint(&error));
        fs::set_permissions(&path, before).expect("chmod");
    }
    home.open().expect("opened");
}

#[test]
fn a_symlink_in_the_place_of_the_database_is_not_followed() {
    let home = Home::new();
    drop(home.create());
    let elsewhere = home.state().join("elsewhere.db");
    fs::rename(home.db(), &elsewhere).expect("moved");
    symlink(&elsewhere, home.db()).expect("link");
    assert!(matches!(home.open(), Err(VaultError::Unsafe { .. })));
}

#[test]
fn a_missing_key_is_not_a_fresh_start() {
    let home = Home::new();
    drop(home.create());
    fs::remove_file(home.key()).expect("removed");
    let error = home.open().expect_err("refused");
    assert!(error.to_string().starts_with("vault key missing"), "{error}");
    assert!(matches!(Vault::create(&home.state(), &home.by_file()), Err(VaultError::VaultExists { .. })));
    assert!(!home.key().exists());
}

#[test]
fn a_missing_database_is_not_a_fresh_start() {
    let home = Home::new();
    drop(home.create());
    fs::remove_file(home.db()).expect("removed");
    let key = fs::read(home.key()).expect("read");
    for error in [home.open(), Vault::create(&home.state(), &home.by_file())] {
        let error = error.expect_err("refused");
        assert!(matches!(error, VaultError::VaultMissing { .. }), "{error}");
        assert!(hint(&error).contains("backup"));
    }
    assert_eq!(fs::read(home.key()).expect("read"), key);
}

#[test]
fn no_vault_at_all_is_said_plainly() {
    let home = Home::new();
    let error = home.open().expect_err("refused");
    assert!(matches!(error, VaultError::NoVault { .. }) && hint(&error).contains("wardlock init"), "{error}");
    fs::create_dir(home.state()).expect("made");
    fs::set_permissions(home.state(), fs::Permissions::from_mode(0o700)).expect("chmod");
    assert!(matches!(home.open(), Err(VaultError::NoVault { .. })));
    assert!(matches!(Vault::key_kind(&home.state()), Err(VaultError::NoVault { .. })));
}

#[test]
fn another_key_is_a_wrong_key() {
    let (home, other) = (Home::new(), Home::new());
    drop((home.create(), other.create()));
    fs::copy(other.key(), home.key()).expect("copied");
    assert!(matches!(home.open(), Err(VaultError::WrongKey { given: KeyKind::File })));
    for bad in [b"".as_slice(), b"short", &[b'A'; 44], &[0; 33], &[b'!'; 200]] {
        fs::write(home.key(), bad).expect("written");
        assert!(matches!(home.open(), Err(VaultError::BadKeyFile { .. })), "{bad:?}");
    }
}

#[test]
fn a_passphrase_opens_and_another_does_not() {
    let home = Home::new();
    drop(create_by_passphrase(&home.state(), "correct horse battery").expect("made"));
    assert_eq!(Vault::key_kind(&home.state()).expect("a kind"), KeyKind::Passphrase);
    let vault = Vault::open(&home.state(), &by_passphrase("correct horse battery")).expect("opened");
    assert_eq!(vault.opened_with(), KeyKind::Passphrase);
    drop(vault);
    let wrong = Vault::open(&home.state(), &by_passphrase("correct horse batterz"));
    assert!(matches!(wrong, Err(VaultError::WrongKey { given: KeyKind::Passphrase })));
    fs::write(home.key(), [7; 32]).expect("written");
    fs::set_permissions(home.key(), fs::Permissions::from_mode(0o600)).expect("chmod");
    assert!(matches!(home.open(), Err(VaultError::OtherKeyKind { .. })));
}

#[test]
fn a_short_passphrase_is_refused_for_a_new_vault() {
    let home = Home::new();
    assert!(matches!(create_by_passphrase(&home.state(), "elevenchars"), Err(VaultError::ShortPassphrase)));
    assert!(!home.db().exists());
}

#[test]
fn l7_one_vault_is_open_once() {
    let home = Home::new();
    let vault = home.create();
    let error = home.open().expect_err("refused");
    assert!(matches!(error, VaultError::InUse), "{error}");
    drop(vault);
    home.open().expect("opened");
}

#[test]
fn an_interrupted_making_is_finished() {
    let home = Home::new();
    drop(home.create());
    // As if the process had died between writing the key and giving the database its name.
    fs::rename(home.db(), home.state().join("vault.db.new")).expect("renamed");
    assert!(matches!(home.open(), Err(VaultError::VaultMissing { .. })));
    drop(home.create());
    home.open().expect("opened");
    // As if it had died before the key was written.
    let home = Home::new();
    drop(home.create());
    fs::remove_file(home.key()).expect("removed");
    fs::rename(home.db(), home.state().join("vault.db.new")).expect("renamed");
    drop(home.create());
    home.open().expect("opened");
}

#[test]
fn a_vault_of_a_newer_version_is_left_alone() {
    let home = Home::new();
    drop(home.create());
    home.tamper("PRAGMA user_version = 7");
    let before = home.bytes();
    let error = home.open().expect_err("refused");
    assert!(matches!(error, VaultError::Newer { found: 7, known: 1 }), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("newer `wardlock`")), "{:?}", error.hint());
    assert_eq!(home.bytes(), before);
}

#[test]
fn a_vault_of_every_earlier_format_opens_and_has_everything_in_it() {
    let home = Home::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/vault/tests/fixtures/format-1");
    drop(home.create());
    for name in ["vault.key", "vault.revision"] {
        let content = fs::read(folder.join(name)).expect("a fixture");
        let path = home.state().join(name);
        fs::write(&path, content).expect("in the place of the new one");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("changed");
    }
    fs::write(home.db(), b"").expect("emptied");
    home.tamper(&fs::read_to_string(folder.join("vault.sql")).expect("a fixture"));
    let vault = home.open().expect("opened");
    assert_eq!(vault.admitted().expect("read"), None, "nobody told it yet");
    let registrations = vault.registrations().expect("read");
    assert_eq!(registrations.iter().map(|info| info.client_id.as_str()).collect::<Vec<_>>(), ["1000.CLIENTID"]);
    let of = |text| vault.client_material(&registration_name("agency"), &region(text)).expect("stored");
    assert!(holds(of("in").secrets.client_secret.as_ref(), "canary-client-secret-india"));
    let material = vault.refresh_material(&grant_name("acme-zoho")).expect("stored");
    assert!(holds(material.refresh_token.as_ref(), "1000.fixture-refresh-token"));
    assert!(holds(material.secrets.client_secret.as_ref(), "canary-client-secret-common"));
}
