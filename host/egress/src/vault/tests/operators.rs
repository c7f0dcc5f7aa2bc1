//! Operators and their passkeys.

use std::collections::BTreeSet;

use wardlock_core::id::OperatorName;

use super::Home;
use crate::vault::{Accepted, Operator, Passkey, PasskeyKind, Role, VaultError};

fn operator(name: &str) -> Operator {
    let public_key = format!("ssh-ed25519 {name}");
    Operator { name: named(name), role: Role::Admin, public_key, passkeys: Vec::new(), added_ms: 1 }
}

fn named(name: &str) -> OperatorName {
    OperatorName::parse(name).expect("a name")
}

fn passkey(id: &str, counter: u32) -> Passkey {
    Passkey { id: id.to_owned(), kind: PasskeyKind::Es256, public_key: "BA".to_owned(), counter, added_ms: 2 }
}

#[test]
fn a_passkey_stays_with_its_operator_and_goes_with_it() {
    let home = Home::new();
    let vault = home.create();
    for name in ["ada", "bob"] {
        vault.add_operator(&operator(name)).expect("added");
    }
    vault.add_passkey(&named("ada"), &passkey("a", 0)).expect("added");
    for name in ["ada", "bob"] {
        let again = vault.add_passkey(&named(name), &passkey("a", 0));
        assert!(matches!(again, Err(VaultError::PasskeyExists)), "one passkey is one person's");
    }
    assert!(matches!(vault.add_passkey(&named("eve"), &passkey("e", 0)), Err(VaultError::NoOperator(_))));
    drop(vault);
    let vault = home.open().expect("opened");
    let operators = vault.operators().expect("operators");
    assert_eq!(operators[0].passkeys, [passkey("a", 0)]);
    assert_eq!((operators[1].passkeys.len(), operators[0].public_key.as_str()), (0, "ssh-ed25519 ada"));
    vault.remove_operator(&named("ada")).expect("removed");
    vault.add_passkey(&named("bob"), &passkey("a", 0)).expect("it is nobody's now");
}

#[test]
fn a_passkey_that_counts_never_counts_backwards() {
    let home = Home::new();
    let vault = home.create();
    vault.add_operator(&operator("ada")).expect("added");
    vault.add_passkey(&named("ada"), &passkey("counts", 3)).expect("added");
    vault.add_passkey(&named("ada"), &passkey("never", 0)).expect("added");
    let used = |id: &str, counter| vault.note_passkey_use(&named("ada"), id, counter).expect("noted");
    assert!(used("never", 0) && used("never", 0), "a synced passkey does not count");
    assert!(
        !used("counts", 3) && !used("counts", 0) && used("counts", 5) && !used("counts", 5) && used("counts", 6)
    );
    assert!(!used("other", 9));
    assert!(used("never", 1) && !used("never", 0), "one that began to count goes on");
}

#[test]
fn one_operator_has_a_few_passkeys() {
    let home = Home::new();
    let vault = home.create();
    vault.add_operator(&operator("ada")).expect("added");
    for at in 0..16 {
        vault.add_passkey(&named("ada"), &passkey(&at.to_string(), 0)).expect("added");
    }
    let more = vault.add_passkey(&named("ada"), &passkey("more", 0));
    assert!(matches!(more, Err(VaultError::TooManyPasskeys { most: 16, .. })));
}

#[test]
fn only_one_is_the_first() {
    let vault = Home::new().create();
    assert_eq!(vault.accepted_recipients().expect("read"), None, "whoever stands in the settings");
    let recipients = BTreeSet::from(["age1x".to_owned()]);
    vault.add_first_operator(&operator("ada"), &Accepted::new(), &recipients).expect("nobody was before");
    let second = vault.add_first_operator(&operator("eve"), &Accepted::new(), &BTreeSet::new());
    assert_eq!(vault.accepted_recipients().expect("read"), Some(recipients));
    assert!(matches!(second, Err(VaultError::OperatorExists(first)) if first == "ada"));
    assert_eq!(vault.operators().expect("operators").len(), 1);
    assert_eq!(vault.accepted().expect("read"), Some(Accepted::new()));
}
