//! Who may come in: agents whose tokens the state and the vault know alike. Frozen is what either of both says.
//!
//! Whoever can write `state.db` can make a row of an agent there, take a revocation back, move an agent to another workspace or
//! lift a freeze; in the vault a row that is made or changed from outside is noticed. So an agent under the operator's own uid that edits
//! the file lets nobody in.

use wardlock_audit::Act;
use wardlock_egress::vault::Vault;
use wardlock_state::State;

use crate::admin::Failure;

/// How many names are told of more.
const TOLD: usize = 16;

/// Opens the door to whom the vault knows, too. A vault that was never told, of a home from before, takes over what stands in the
/// state, once. Returns what the audit is told of it.
pub fn settle(state: &State, vault: &Vault, now_ms: u64) -> Result<Vec<Act>, Failure> {
    let mut acts = Vec::new();
    let admitted = if let Some(admitted) = vault.admitted()? {
        admitted
    } else {
        let found = state.as_written()?;
        vault.take_over(&found, now_ms)?;
        if !found.tokens.is_empty() || !found.frozen.is_empty() {
            let told = format!("tokens: {}, freezes: {}", found.tokens.len(), found.frozen.len());
            tracing::info!(told, "the vault knows from here on who may come in and what is frozen");
            acts.push(Act::admin("wardlock", "agents.taken_over", "state.db", told));
        }
        found
    };
    vault.forget_tokens(&state.admit(&admitted)?)?;
    let unconfirmed = unconfirmed(state)?;
    if !unconfirmed.is_empty() {
        let names = some_of(&unconfirmed);
        tracing::warn!(
            agents = names,
            "the state says of agents what the vault does not know; it counts for nothing"
        );
        acts.push(Act::admin("wardlock", "agents.left_out", names, "unconfirmed"));
    }
    let frozen = state.frozen_without_row()?;
    if !frozen.is_empty() {
        let names = some_of(&frozen);
        tracing::warn!(frozen = names, "freezes were taken out of the state; they hold");
        acts.push(Act::admin("wardlock", "freezes.kept", names, "unconfirmed"));
    }
    Ok(acts)
}

/// Returns the agents of whom the state says what the vault does not know, by name.
pub fn unconfirmed(state: &State) -> Result<Vec<String>, Failure> {
    let agents = state.list()?.into_iter().filter(|agent| !agent.confirmed);
    let mut names: Vec<String> = agents.map(|agent| agent.name.to_string()).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// Writes names, and how many there are besides.
pub fn some_of(names: &[String]) -> String {
    let told = names[..names.len().min(TOLD)].join(", ");
    match names.len().saturating_sub(TOLD) {
        0 => told,
        more => format!("{told} and {more} more"),
    }
}
