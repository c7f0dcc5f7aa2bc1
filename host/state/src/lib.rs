//! What Wardlock remembers that is not secret: agents and small facts; later drafts, quotas and proofs.
//!
//! No token is stored, only its SHA-256. A second opener of the same file is kept out by the home's lock.
//! In reading order:
//!
//! - `state`: [`State`], the handle, and the small facts.
//! - `agents`: adding, revoking and listing agents, and telling one by its token.
//! - `frozen`: workspaces whose every request is denied.
//! - `token`: the token's form; shown once, never stored.
//! - `store` and `private_file`: the database file, its settings and its format.
//! - `error`: what can go wrong.

mod agents;
mod error;
mod frozen;
mod private_file;
mod state;
mod store;
mod token;

pub use agents::{Agent, AuthenticatedAgent};
pub use error::{FileProblem, StateError};
pub use frozen::Frozen;
pub use state::{Clock, State};
pub use token::AgentToken;

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at the files from outside")]
mod tests;
