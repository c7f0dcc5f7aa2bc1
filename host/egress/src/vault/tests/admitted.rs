//! Who may come in, in the vault.

use wardlock_core::admitted::{Admission, Admitted, AdmittedToken};
use wardlock_core::id::{AgentName, Digest, WorkspaceName};

use super::Home;
use crate::vault::Vault;

fn named(name: &str) -> AgentName {
    AgentName::parse(name).expect("a name")
}

fn token(agent: &str, expires_ms: Option<u64>) -> AdmittedToken {
    AdmittedToken {
        digest: Digest::of(agent.as_bytes()),
        agent: named(agent),
        workspace: WorkspaceName::parse("acme").expect("a name"),
        created_ms: 5,
        expires_ms,
    }
}

fn known(vault: &Vault) -> Admitted {
    vault.admitted().expect("read").expect("it was told")
}

fn admit(vault: &Vault, id: &str, token: AdmittedToken, others_end_ms: u64) {
    vault.admit(&Admission { token_id: id.to_owned(), token, others_end_ms }).expect("admitted");
}

/// Each token's end, by its id.
fn ends(vault: &Vault) -> Vec<(String, Option<u64>)> {
    known(vault).tokens.into_iter().map(|(id, token)| (id, token.expires_ms)).collect()
}

#[test]
fn what_stood_there_before_is_taken_over_once() {
    let home = Home::new();
    let vault = home.create();
    assert_eq!(vault.admitted().expect("read"), None);
    let found = Admitted {
        tokens: [("a".to_owned(), token("ada", None))].into(),
        frozen: [("acme".to_owned(), 7)].into(),
    };
    vault.take_over(&found, 10).expect("taken over");
    assert_eq!(known(&vault), found);
    let later = Admitted { tokens: [("e".to_owned(), token("eve", None))].into(), ..Admitted::default() };
    vault.take_over(&later, 20).expect("done before");
    drop(vault);
    assert_eq!(known(&home.open().expect("open")), found);
}

#[test]
fn a_new_token_ends_its_agents_others_and_nobody_elses() {
    let vault = Home::new().create();
    vault.take_over(&Admitted::default(), 1).expect("taken over");
    admit(&vault, "a1", token("ada", Some(50)), 0);
    admit(&vault, "b1", token("bob", None), 0);
    admit(&vault, "a2", token("ada", None), 60);
    admit(&vault, "a3", token("ada", Some(90)), 70);
    let told = [("a1", Some(50)), ("a2", Some(70)), ("a3", Some(90)), ("b1", None)];
    assert_eq!(ends(&vault), told.map(|(id, end)| (id.to_owned(), end)));
    assert!(vault.dismiss(&named("ada")).expect("dismissed"));
    assert!(!vault.dismiss(&named("ada")).expect("nobody is left"));
    assert_eq!(ends(&vault), [("b1".to_owned(), None)]);
    vault.forget_tokens(&["b1".to_owned(), "none".to_owned()]).expect("forgotten");
    assert!(ends(&vault).is_empty());
}

#[test]
fn a_freeze_stays_as_it_began_until_it_is_lifted() {
    let vault = Home::new().create();
    vault.take_over(&Admitted::default(), 1).expect("taken over");
    vault.freeze("acme", 10).expect("frozen");
    vault.freeze("acme", 20).expect("frozen already");
    vault.freeze("*", 30).expect("frozen");
    assert_eq!(known(&vault).frozen, [("*".to_owned(), 30), ("acme".to_owned(), 10)].into());
    assert!(vault.thaw("acme").expect("thawed") && !vault.thaw("acme").expect("nothing is left"));
    assert_eq!(known(&vault).frozen.len(), 1);
}
