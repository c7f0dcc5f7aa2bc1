//! How far writes are enabled: what the state says, if the vault made it and has not taken it back, and if it still is about this
//! grant and these rules.
//!
//! Whoever can write `state.db` can make rows; only the vault can mark them, and it knows which mark is the newest. So an agent under
//! the operator's own uid that edits the file, or puts an older one back, or edits the workspace's TOML, enables nothing.

use wardlock_core::connection::{Connection, Owner};
use wardlock_core::id::{AgentName, Digest};
use wardlock_egress::vault::{Keys, Purpose};
use wardlock_state::{Basis, Proof, WriteLevel};

use crate::admin::Failure;

/// Returns the name under which a connection's proof and level are kept: where consents are each agent's own, one for each agent.
pub fn key_of(connection: &Connection) -> String {
    match connection.grant.agent() {
        Some(agent) => format!("{}@{agent}", connection.name),
        None => connection.name.to_string(),
    }
}

/// Returns the name under which the vault knows of them.
pub fn place_of(workspace: &str, key: &str) -> String {
    format!("{workspace}/{key}")
}

/// Returns the connection as an agent uses it, for a proof and a level; or why no agent, or one, must be named.
pub fn for_agent(connection: &Connection, agent: Option<&AgentName>) -> Result<Connection, Failure> {
    match (connection.owner, agent) {
        (Owner::Workspace, None) => Ok(connection.clone()),
        (Owner::Agent, Some(agent)) => Ok(connection.of_agent(agent)),
        (Owner::Workspace, Some(_)) => {
            Err(Failure::usage("consents of this connection are the workspace's, and not an agent's own")
                .hint("leave `--agent` out: what is done here is done for every agent"))
        }
        (Owner::Agent, None) => {
            Err(Failure::usage("consents of this connection are each agent's own")
                .hint("say whose: `--agent NAME`"))
        }
    }
}

/// Returns what a proof made now would hold for.
pub fn basis(connection: &Connection, generation: u64) -> Basis {
    Basis { generation, rules: connection.rules_digest() }
}

/// Writes a basis as one word, for whoever confirms what they were shown.
pub fn word_of(basis: &Basis) -> String {
    format!("{}-{}", basis.generation, basis.rules)
}

/// Marks a level, as the one that is set for the `settings`th time.
pub fn mark_level(keys: &Keys, place: &str, level: &mut WriteLevel, settings: u64) {
    level.mac = keys.mac(Purpose::Writes, &[&of_level(place, level, settings)]);
}

/// Returns whether a level is the vault's own, and the one that was set last.
pub fn is_marked_level(keys: &Keys, place: &str, level: &WriteLevel, settings: u64) -> bool {
    keys.is_mac(Purpose::Writes, &[&of_level(place, level, settings)], &level.mac)
}

fn of_level(place: &str, level: &WriteLevel, settings: u64) -> [u8; 32] {
    let numbers = [level.basis.generation, level.since_ms, settings];
    of("level", place, &numbers, &level.basis.rules, &[level.level.as_str(), &level.who])
}

/// Marks a proof.
pub fn mark_proof(keys: &Keys, place: &str, proof: &mut Proof) {
    proof.mac = keys.mac(Purpose::Writes, &[&of_proof(place, proof)]);
}

/// Returns whether a proof passed, is the newest that this vault made, and holds for the connection as it is now.
pub fn is_current(keys: &Keys, connection: &Connection, generation: u64, proof: &Proof, newest: &str) -> bool {
    let place = place_of(connection.workspace.as_str(), &key_of(connection));
    proof.passed
        && proof.basis == basis(connection, generation)
        && mark_word(&proof.mac) == newest
        && keys.is_mac(Purpose::Writes, &[&of_proof(&place, proof)], &proof.mac)
}

/// Writes a mark as the vault keeps it.
pub fn mark_word(mac: &[u8; 32]) -> String {
    hex::encode(mac)
}

fn of_proof(place: &str, proof: &Proof) -> [u8; 32] {
    let passed = if proof.passed { "passed" } else { "failed" };
    let numbers = [proof.basis.generation, proof.at_ms];
    of("proof", place, &numbers, &proof.basis.rules, &[passed, &proof.who, &proof.report])
}

fn of(what: &str, place: &str, numbers: &[u64], rules: &Digest, words: &[&str]) -> [u8; 32] {
    let numbers: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
    let fixed = [what.as_bytes(), place.as_bytes(), &numbers, rules.as_bytes()];
    *Digest::of_fields(fixed.into_iter().chain(words.iter().map(|word| word.as_bytes()))).as_bytes()
}
