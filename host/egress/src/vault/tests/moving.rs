//! Moving the key to another source, and an older database in the newer one's place.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;

use super::*;
use crate::vault::KeyKind;

#[test]
fn l6_an_older_database_is_noticed_and_taken_only_on_purpose() {
    let home = Home::new();
    let vault = home.create();
    vault.add_registration(new_registration("agency")).expect("stored");
    drop(vault);
    let older = fs::read(home.db()).expect("read");
    let vault = home.open().expect("opened");
    vault.put_grant(new_grant("acme", "1000.canary-refresh")).expect("stored");
    let newest = vault.revision().expect("read");
    drop(vault);
    fs::write(home.db(), older).expect("put back");
    let error = home.open().expect_err("refused");
    let VaultError::RolledBack { found, known } = error else { panic!("{error}") };
    assert!(found < known && known == newest, "{found} {known} {newest}");
    assert!(VaultError::RolledBack { found, known }.hint().expect("a hint").contains("accept-older"));
    home.open().expect_err("refused each time");
    let vault = Vault::open_older(&home.state(), &home.by_file()).expect("on purpose");
    assert!(vault.grants().expect("read").is_empty());
    drop(vault);
    home.open().expect("it is the newest now");
}

#[test]
fn l6_a_changed_vault_without_its_revision_is_as_suspect_as_an_older_one() {
    let home = Home::new();
    let vault = home.create();
    vault.add_registration(new_registration("agency")).expect("stored");
    let end = format!(" {}\n", vault.revision().expect("read"));
    drop(vault);
    let revision = home.key().with_extension("revision");
    for content in [None, Some("not a revision\n"), Some("ffff 99999999\n")] {
        match content {
            None => fs::remove_file(&revision).expect("removed"),
            Some(content) => fs::write(&revision, content).expect("written"),
        }
        let error = home.open().expect_err("refused");
        assert!(matches!(error, VaultError::RevisionMissing { .. }), "{error}");
        assert!(error.hint().expect("a hint").contains("accept-older"));
        home.open().expect_err("refused each time");
        drop(Vault::open_older(&home.state(), &home.by_file()).expect("on purpose"));
        assert!(fs::read_to_string(&revision).expect("written anew").ends_with(&end));
        drop(home.open().expect("opened"));
    }
}

#[test]
fn a_revision_that_is_behind_raises_no_alarm() {
    let home = Home::new();
    let vault = home.create();
    let revision = home.key().with_extension("revision");
    let first = fs::read_to_string(&revision).expect("it is there before the first change");
    vault.add_registration(new_registration("agency")).expect("stored");
    drop(vault);
    fs::write(&revision, first).expect("written");
    drop(home.open().expect("a crash left it behind"));
    let new = Home::new();
    drop(new.create());
    fs::remove_file(new.key().with_extension("revision")).expect("removed");
    drop(new.open().expect("there is nothing older than a vault that was never changed"));
}

#[test]
fn where_nothing_can_be_written_beside_the_key_the_revision_stands_in_the_vault_s_folder() {
    let home = Home::new();
    let mounted = home.state().join("mounted");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&mounted).expect("made");
    let source = || KeySource::File { path: mounted.join("vault.key") };
    // As good as a folder that is read only, for whoever runs the tests.
    let vault = Vault::create(&home.state(), &source()).expect("made");
    fs::remove_file(mounted.join("vault.revision")).expect("removed");
    fs::DirBuilder::new().mode(0o700).create(mounted.join("vault.new")).expect("made");
    vault.add_registration(new_registration("agency")).expect("stored");
    let newest = vault.revision().expect("read");
    drop(vault);
    assert!(!mounted.join("vault.revision").exists());
    let noted = fs::read_to_string(home.state().join("vault.revision")).expect("written");
    assert!(noted.ends_with(&format!(" {newest}\n")), "{noted}");
    let before = fs::read(home.db()).expect("its bytes");
    let vault = Vault::open(&home.state(), &source()).expect("opened");
    vault.add_registration(new_registration("another")).expect("stored");
    drop(vault);
    fs::write(home.db(), before).expect("put back");
    let error = Vault::open(&home.state(), &source()).expect_err("older");
    assert!(matches!(error, VaultError::RolledBack { .. }), "{error}");
    // Where the key's folder can be written again, the older one that is taken on purpose stands behind no other place.
    fs::remove_dir(mounted.join("vault.new")).expect("removed");
    drop(Vault::open_older(&home.state(), &source()).expect("on purpose"));
    assert!(!home.state().join("vault.revision").exists());
    drop(Vault::open(&home.state(), &source()).expect("it is the newest now"));
    // A newer number that cannot be replaced stands in its way, and is named.
    let newer = noted.split_once(' ').expect("two words").0.to_owned() + " 999\n";
    fs::write(mounted.join("vault.revision"), newer).expect("written");
    fs::DirBuilder::new().mode(0o700).create(mounted.join("vault.new")).expect("made");
    let error = Vault::open_older(&home.state(), &source()).expect_err("it stands there");
    assert!(error.to_string().contains("mounted/vault.revision"), "{error}");
}

#[test]
fn a_removal_counts_as_a_change() {
    let home = Home::new();
    let vault = home.create();
    vault.add_registration(new_registration("agency")).expect("stored");
    let before = vault.revision().expect("read");
    vault.remove_registration(&registration_name("agency")).expect("removed");
    assert!(vault.revision().expect("read") > before);
}

#[test]
fn the_key_moves_and_everything_stays() {
    let home = Home::new();
    let vault = home.create();
    vault.add_registration(new_registration("agency")).expect("stored");
    let revision = vault.revision().expect("read");
    drop(vault);
    let phrase = || by_passphrase("correct horse battery");
    Vault::rekey(&home.state(), &home.by_file(), &phrase()).expect("moved");
    assert!(!home.key().exists(), "the old key is gone");
    assert!(home.state().join("vault.revision").exists(), "and the revision stands beside the new one");
    assert_eq!(Vault::key_kind(&home.state()).expect("a kind"), KeyKind::Passphrase);
    assert!(matches!(home.open(), Err(VaultError::KeyMissing { .. } | VaultError::OtherKeyKind { .. })));
    let vault = Vault::open(&home.state(), &phrase()).expect("opened");
    assert_eq!(vault.registrations().expect("read").len(), 1);
    assert_eq!(vault.revision().expect("read"), revision);
    drop(vault);
    Vault::rekey(&home.state(), &phrase(), &home.by_file()).expect("moved back");
    assert_eq!(home.open().expect("opened").registrations().expect("read").len(), 1);
    Vault::open(&home.state(), &phrase()).expect_err("the passphrase opens nothing any more");
}

#[test]
fn a_key_file_is_replaced_in_place_and_a_crash_in_between_is_mended() {
    let home = Home::new();
    drop(home.create());
    let before = fs::read(home.key()).expect("read");
    Vault::rekey(&home.state(), &home.by_file(), &home.by_file()).expect("replaced");
    let after = fs::read(home.key()).expect("read");
    assert_ne!(before, after);
    drop(home.open().expect("opened"));
    // As if the crash came after the lock was changed and before the new file took the old one's name.
    fs::rename(home.key(), home.key().with_extension("rekey")).expect("renamed");
    fs::copy(home.key().with_extension("rekey"), home.key()).expect("copied");
    fs::write(home.key(), &before).expect("the old one");
    drop(home.open().expect("mended"));
    assert_eq!(fs::read(home.key()).expect("read"), after);
    // As if it came before the lock was changed.
    fs::write(home.key().with_extension("rekey"), &before).expect("written");
    fs::set_permissions(home.key().with_extension("rekey"), std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .expect("closed");
    drop(home.open().expect("the old one still opens"));
    Vault::rekey(&home.state(), &home.by_file(), &home.by_file())
        .expect("the rest of the last try is in nobody's way");
}

#[test]
fn a_wrong_old_key_moves_nothing() {
    let home = Home::new();
    drop(home.create());
    let before = fs::read(home.db()).expect("read");
    let error = Vault::rekey(&home.state(), &by_passphrase("a wrong passphrase"), &home.by_file());
    assert!(matches!(error, Err(VaultError::OtherKeyKind { .. })), "{error:?}");
    assert_eq!(fs::read(home.db()).expect("read"), before);
    home.open().expect("opened");
}

#[test]
fn a_credential_of_systemd_opens_the_vault() {
    use std::os::unix::fs::PermissionsExt as _;

    let home = Home::new();
    let path = home.folder.path().join("wardlock-key");
    fs::write(&path, [7_u8; 32]).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).expect("as systemd does");
    let source = KeySource::Credential { path: path.clone() };
    drop(Vault::create(&home.state(), &source).expect("made"));
    assert_eq!(Vault::open(&home.state(), &source).expect("opened").opened_with(), KeyKind::Credential);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).expect("opened to others");
    assert!(matches!(Vault::open(&home.state(), &source), Err(VaultError::Unsafe { .. })));
}
