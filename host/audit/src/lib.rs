//! The append-only, hash-chained, two-phase audit log. Steps 10 and 13 of a request's path.
//!
//! An INTENT row is durable before anything is sent, an OUTCOME row follows, and a refusal is one row; what cannot
//! be recorded is refused, never dropped. No row holds a header value, a body, or a path or query value that the
//! service does not mark safe: such values stand as keyed hashes, so that they can still be searched for.
//!
//! A second opener of the same file is kept out by the home's lock, not here. In reading order:
//!
//! - `audit`: [`Audit`], the handle; [`Receipt`] and [`OutcomeGuard`], what an intent gives.
//! - `refused` and `act`: what callers hand in beside a permit.
//! - `described`: what a row says of a request, and which of its values are keyed.
//! - `taken`: what a row says of plugins' quotas.
//! - `detail`: the JSON inside a row, with its version.
//! - `entry`: a row before it has its place in the chain.
//! - `chain`, `hashed` and `authentic`: how a row's hash and its MAC are computed.
//! - `head` and `heads`: the end of a chain, signed; the lines that are kept elsewhere.
//! - `log`: the end of the log, where rows are appended and heads signed.
//! - `tail`: rows of somebody else after the newest head.
//! - `files`, `rotate` and `removed`: going on in another file, and what stays of one that is removed.
//! - `mirror`: every row once more, in another file.
//! - `wal`: syncs that fail, and moving the write-ahead log into the file; `mover`: most of it, beside the writing thread;
//!   `restore`: what may be on no disk is put there again.
//! - `limits`, `opened` and `disk`: how much may wait; what opening found; how fast the disk syncs.
//! - `writer`: the one thread that writes, many rows to a commit.
//! - `store` and `private_file`: the database file, its settings and its format.
//! - [`schema`]: whether a database is made as this program makes it.
//! - `terms`, `index`, `postings`, `search`: what rows are found by, and how that stays fast however many there are.
//! - `row`, `query` and `escape`: reading rows, and showing them.
//! - `back`: reading what safety stands on, without any index.
//! - [`failpoint`]: where the crash suites may end the process.
//! - `verify`: walks the chain and says where it is broken, and how.

mod act;
mod audit;
mod authentic;
mod back;
mod chain;
mod described;
mod detail;
mod disk;
mod entry;
mod error;
mod escape;
pub mod failpoint;
mod files;
mod hashed;
mod head;
mod heads;
mod index;
mod limits;
mod log;
mod mirror;
mod mover;
mod opened;
mod outcome;
mod postings;
mod private_file;
mod query;
mod refused;
mod removed;
mod restore;
mod rotate;
mod row;
pub mod schema;
mod search;
mod store;
mod tail;
mod taken;
mod terms;
mod verify;
mod wal;
mod writer;

pub use act::{Act, ActKind};
pub use audit::{Audit, Clock, Commit, Receipt, Settings, Watch};
pub use back::{Reach, Step};
pub use described::Described;
pub use detail::{
    ActDetail, AnswerDetail, Detail, PartDetail, PartOutcome, PluginDetail, RefusalDetail, RequestDetail,
    TakenDetail, Value,
};
pub use entry::{Durabilities, Durability, Kind, LIST_ITEMS, Separation};
pub use error::{AuditError, FileProblem};
pub use escape::{escape, escape_json, misleading, misleads};
pub use files::is_of_log;
pub use head::{KeptHead, NotAHead, NotAKey, PublicKey, SignedHead, Signer};
pub use mirror::MirrorFound;
pub use opened::Opened;
pub use outcome::{Finished, OutcomeGuard};
pub use query::Filter;
pub use refused::{Refused, RefusedDecision};
pub use removed::Removed;
pub use rotate::{RotateAfter, Rotation};
pub use row::{Escaped, Row};
pub use tail::ForeignRows;
pub use taken::Took;
pub use verify::{Against, Fault, FaultKind, Head, KeptFound, KeptState, Verified, verify_copies};

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at the files from outside")]
mod tests;
