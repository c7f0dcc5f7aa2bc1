//! What Wardlock remembers: agents, quotas, proofs and small facts, none of them secret; drafts and recordings, sealed.
//!
//! No token is stored, only its SHA-256. A second opener of the same file is kept out by the home's lock.
//! In reading order:
//!
//! - `state`: [`State`], the handle, and the small facts.
//! - `agents`: adding, revoking and listing agents, and telling one by its token.
//! - `frozen`: workspaces whose every request is denied.
//! - `quotas`: what plugins have taken of their quotas.
//! - `writes`: proofs, and how far writes are enabled.
//! - `drafts`: held requests, sealed, and what became of them.
//! - `approvals`: several people's words on one draft, sealed.
//! - `touched`: how many records writes have touched in a day.
//! - `recordings`: what plugins were asked and said, sealed, in a file of its own.
//! - `token`: the token's form; shown once, never stored.
//! - `store` and `private_file`: the database file, its settings and its format.
//! - `error`: what can go wrong.

mod agents;
mod approvals;
mod drafts;
mod error;
mod frozen;
mod private_file;
mod quotas;
mod recordings;
mod state;
mod store;
mod token;
mod touched;
mod writes;

pub use agents::{Agent, AuthenticatedAgent};
pub use drafts::{Draft, DraftBounds, DraftState, EARLIER_VERSION, Kept, Released};
pub use error::{FileProblem, StateError};
pub use frozen::Frozen;
pub use quotas::{Counting, Reservation};
pub use recordings::{Bounds, RecordPlace, RecordQuery, RecordedOf, Recordings, SealedRecord};
pub use state::{Clock, State};
pub use token::AgentToken;
pub use touched::{Day, DayLimit};
pub use writes::{Basis, Proof, WriteLevel};

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at the files from outside")]
mod tests;
