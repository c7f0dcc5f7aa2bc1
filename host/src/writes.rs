//! How far writes are enabled: what the state says, if the vault made it, and if it still is about this grant and these rules.
//!
//! Whoever can write `state.db` can make rows; only the vault can mark them. So an agent under the operator's own uid that edits the
//! file, or the workspace's TOML, enables nothing.

use wardlock_core::connection::{Connection, Owner, WriteMode};
use wardlock_core::id::{AgentName, Digest};
use wardlock_egress::vault::{Keys, Purpose};
use wardlock_state::{Basis, Proof, WriteLevel};

/// Returns the name under which a connection's proof and level are kept: where consents are each agent's own, one for each agent.
pub fn key_of(connection: &Connection) -> String {
    match connection.grant.agent() {
        Some(agent) => format!("{}@{agent}", connection.name),
        None => connection.name.to_string(),
    }
}

/// Returns the connection as an agent uses it, for a proof and a level.
pub fn for_agent(connection: &Connection, agent: Option<&AgentName>) -> Option<Connection> {
    match (connection.owner, agent) {
        (Owner::Workspace, _) => Some(connection.clone()),
        (Owner::Agent, Some(agent)) => Some(connection.of_agent(agent)),
        (Owner::Agent, None) => None,
    }
}

/// Returns what a proof made now would hold for.
pub fn basis(connection: &Connection, generation: u64) -> Basis {
    Basis { generation, rules: connection.rules_digest() }
}

/// Returns how far writes are enabled now. What has lapsed, or was not marked by this vault, enables nothing.
pub fn level(
    keys: &Keys,
    connection: &Connection,
    generation: Option<u64>,
    found: Option<WriteLevel>,
) -> WriteMode {
    let (Some(generation), Some(found)) = (generation, found) else {
        return WriteMode::Off;
    };
    let holds = found.basis == basis(connection, generation) && is_marked_level(keys, connection, &found);
    if holds { found.level } else { WriteMode::Off }
}

/// Marks a level.
pub fn mark_level(keys: &Keys, connection: &Connection, level: &mut WriteLevel) {
    level.mac = keys.mac(Purpose::Writes, &[&of_level(connection, level)]);
}

fn is_marked_level(keys: &Keys, connection: &Connection, level: &WriteLevel) -> bool {
    keys.is_mac(Purpose::Writes, &[&of_level(connection, level)], &level.mac)
}

fn of_level(connection: &Connection, level: &WriteLevel) -> [u8; 32] {
    of("level", connection, &level.basis, level.since_ms, &[level.level.as_str(), &level.who])
}

/// Marks a proof.
pub fn mark_proof(keys: &Keys, connection: &Connection, proof: &mut Proof) {
    proof.mac = keys.mac(Purpose::Writes, &[&of_proof(connection, proof)]);
}

/// Returns whether a proof passed, was made by this vault, and holds for the connection as it is now.
pub fn is_current(keys: &Keys, connection: &Connection, generation: u64, proof: &Proof) -> bool {
    proof.passed
        && proof.basis == basis(connection, generation)
        && keys.is_mac(Purpose::Writes, &[&of_proof(connection, proof)], &proof.mac)
}

fn of_proof(connection: &Connection, proof: &Proof) -> [u8; 32] {
    let passed = if proof.passed { "passed" } else { "failed" };
    of("proof", connection, &proof.basis, proof.at_ms, &[passed, &proof.who, &proof.report])
}

fn of(what: &str, connection: &Connection, basis: &Basis, at_ms: u64, words: &[&str]) -> [u8; 32] {
    let key = key_of(connection);
    let numbers = [basis.generation.to_be_bytes(), at_ms.to_be_bytes()].concat();
    let fixed = [what.as_bytes(), connection.workspace.as_str().as_bytes(), key.as_bytes(), &numbers];
    let words = words.iter().map(|word| word.as_bytes());
    let all = fixed.into_iter().chain([basis.rules.as_bytes().as_slice()]).chain(words);
    *Digest::of_fields(all).as_bytes()
}
