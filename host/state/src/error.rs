//! What can go wrong with the state.

use std::path::PathBuf;

use wardlock_core::id::AgentName;

/// Why a database file may not be used.
#[derive(Debug, thiserror::Error)]
pub enum FileProblem {
    /// It could not be opened or created.
    #[error("the file cannot be opened")]
    Open(#[source] rustix::io::Errno),
    /// It is a link, a directory, a device or the like.
    #[error("it is not a regular file")]
    NotRegular,
    /// It belongs to another user.
    #[error("it belongs to another user: {uid}")]
    Foreign {
        /// Its owner.
        uid: u32,
    },
    /// Too short to be a database, and not empty.
    #[error("it is {bytes} bytes long, which is no whole database")]
    Cut {
        /// Its length.
        bytes: i64,
    },
    /// Others may read or write it.
    #[error("others may read or write it: mode {mode:o}")]
    Exposed {
        /// Its permission bits.
        mode: u32,
    },
}

/// Why the state could not be opened, read or changed.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file is not fit to hold the state.
    #[error("failed to use the state file {path:?}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        problem: FileProblem,
    },
    /// The file is a database of something else.
    #[error("{path:?} is not a Wardlock state database")]
    NotState {
        /// The file.
        path: PathBuf,
    },
    /// The file holds tables, views, triggers, indexes or statistics that Wardlock did not make.
    #[error("{path:?} was tampered with: it is not made of the tables and indexes that Wardlock makes")]
    OtherSchema {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a newer Wardlock.
    #[error("the state is in format {found}, and this Wardlock knows formats up to {known}")]
    NewerFormat {
        /// Its format.
        found: u32,
        /// The newest known here.
        known: u32,
    },
    /// `SQLite` could not open or migrate it.
    #[error("failed to open the state")]
    Open(#[source] rusqlite::Error),
    /// The change is not on the disk.
    #[error("failed to write the state")]
    Write(#[source] rusqlite::Error),
    /// Rows could not be read.
    #[error("failed to read the state")]
    Read(#[source] rusqlite::Error),
    /// A row does not hold what a row holds.
    #[error("the state's row of agent token `{token_id}` cannot be read: {what}")]
    Damaged {
        /// The public part of its token.
        token_id: String,
        /// What is wrong.
        what: String,
    },
    /// There is an agent of that name.
    #[error("there is an agent `{name}` already")]
    AgentExists {
        /// The name.
        name: AgentName,
    },
    /// There is none.
    #[error("there is no agent `{name}`, or it is revoked already")]
    NoAgent {
        /// The name.
        name: AgentName,
    },
    /// It stands in the state, and nobody admitted it.
    #[error("agent `{name}` stands in `state.db` and not in the vault, so it counts for nothing")]
    Unconfirmed {
        /// The name.
        name: AgentName,
    },
    /// The operating system gave no random bytes.
    #[error("failed to make a token")]
    Random(#[source] getrandom::Error),
}

impl StateError {
    /// Returns what the operator can do.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::File { problem, .. } => match problem {
                FileProblem::Open(_) => "the home's `state` folder must exist and be writable by Wardlock's user",
                FileProblem::NotRegular => "move it away; a new one is created at the next start",
                FileProblem::Foreign { .. } => "run Wardlock as the user that owns its home",
                FileProblem::Cut { .. } => {
                    "put a backup in its place; moved away, a new one is created, without what it held"
                }
                FileProblem::Exposed { .. } => "take the rights away with `chmod 600`, and ask who read it",
            },
            Self::NotState { .. } => "move it away; a new one is created at the next start",
            Self::OtherSchema { .. } => "put a backup in its place, and ask who changed it",
            Self::NewerFormat { .. } => "run the newer Wardlock that wrote it; an older one must not touch it",
            Self::Write(_) => "look at the disk: full, read-only or failing",
            Self::AgentExists { .. } => "choose another name, or revoke that agent first",
            Self::NoAgent { .. } => "`wardlock agent list` shows those known",
            Self::Unconfirmed { .. } => "revoke it and add it anew, and ask who wrote it there",
            Self::Open(_) | Self::Read(_) | Self::Damaged { .. } | Self::Random(_) => return None,
        })
    }
}
