//! Proofs and write levels: kept as they are, the newest of each connection.

use wardlock_core::connection::WriteMode;
use wardlock_core::id::Digest;

use super::{Home, acme};
use crate::{Basis, Proof, WriteLevel};

const CRM: &str = "crm";

fn basis(generation: u64) -> Basis {
    Basis { generation, rules: Digest::of(b"rules") }
}

#[test]
fn the_newest_proof_of_a_connection_is_kept() {
    let home = Home::new();
    let proof = |generation, passed| Proof {
        at_ms: 5,
        basis: basis(generation),
        passed,
        who: "ada".to_owned(),
        report: "[]".to_owned(),
        mac: [7; 32],
    };
    let state = home.open();
    assert_eq!(state.proof(&acme(), CRM).expect("read"), None);
    state.keep_proof(&acme(), CRM, &proof(1, true)).expect("kept");
    state.keep_proof(&acme(), CRM, &proof(2, false)).expect("kept");
    drop(state);
    assert_eq!(home.open().proof(&acme(), CRM).expect("read"), Some(proof(2, false)));
}

#[test]
fn a_level_outlives_a_restart_and_off_takes_it_away() {
    let home = Home::new();
    let level = |level| WriteLevel { level, since_ms: 5, basis: basis(1), who: "ada".to_owned(), mac: [7; 32] };
    let state = home.open();
    assert_eq!(state.write_level(&acme(), CRM), None);
    for mode in [WriteMode::Draft, WriteMode::On] {
        state.set_write_level(&acme(), CRM, &level(mode)).expect("set");
        assert_eq!(state.write_level(&acme(), CRM), Some(level(mode)));
    }
    drop(state);
    let state = home.open();
    assert_eq!(state.write_level(&acme(), CRM), Some(level(WriteMode::On)));
    state.set_write_level(&acme(), CRM, &level(WriteMode::Off)).expect("set");
    assert_eq!(state.write_level(&acme(), CRM), None);
    drop(state);
    assert_eq!(home.open().write_level(&acme(), CRM), None);
}
