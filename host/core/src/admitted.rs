//! Who may come in, as the state and the vault both know it: agents by tokens that live, and workspaces that are frozen.
//!
//! Whoever can write the state's file can write rows of it; what the vault does not know, too, counts for nothing.

use std::collections::BTreeMap;

use crate::id::{AgentName, Digest, WorkspaceName};

/// All that is known of it in one place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admitted {
    /// Tokens, by their public ids.
    pub tokens: BTreeMap<String, AdmittedToken>,
    /// What is frozen, and since when, milliseconds since 1970-01-01T00:00:00Z: names, or `*` for all.
    pub frozen: BTreeMap<String, u64>,
}

/// An agent's token, without what only the agent has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmittedToken {
    /// Digest of the token.
    pub digest: Digest,
    /// The agent.
    pub agent: AgentName,
    /// The one workspace to which it is bound.
    pub workspace: WorkspaceName,
    /// When it was made, milliseconds since 1970-01-01T00:00:00Z.
    pub created_ms: u64,
    /// When it ends by itself.
    pub expires_ms: Option<u64>,
}

/// A new token, and what becomes of its agent's others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// The public part of the token.
    pub token_id: String,
    /// The token.
    pub token: AdmittedToken,
    /// When every other token of the agent ends, unless it ends before.
    pub others_end_ms: u64,
}

/// Returns the earlier of two ends; `None`: it never comes.
pub fn earlier(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}
