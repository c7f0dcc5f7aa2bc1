//! What can go wrong with the audit. Every one of them means: the request is not sent.

use std::path::PathBuf;
use std::sync::Arc;

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
    /// It is no mirror of an audit.
    #[error("it is no mirror of an audit, and nothing else may stand in it")]
    NotMirror,
    /// Others may read or write it.
    #[error("others may read or write it: mode {mode:o}")]
    Exposed {
        /// Its permission bits.
        mode: u32,
    },
}

/// Why the audit could not be opened, written or read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuditError {
    /// The file is not fit to hold the audit.
    #[error("failed to use the audit file {path:?}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        problem: Arc<FileProblem>,
    },
    /// The file is a database of something else.
    #[error("{path:?} is not a Wardlock audit database")]
    NotAudit {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a newer Wardlock.
    #[error("the audit is in format {found}, and this Wardlock knows formats up to {known}")]
    NewerFormat {
        /// Its format.
        found: u32,
        /// The newest known here.
        known: u32,
    },
    /// `SQLite` could not open or migrate it.
    #[error("failed to open the audit")]
    Open(#[source] Arc<rusqlite::Error>),
    /// The row is not on the disk.
    #[error("failed to write the audit")]
    Write(#[source] Arc<rusqlite::Error>),
    /// The mirror is not fit to be one.
    #[error("failed to use the audit's mirror {path:?}")]
    MirrorFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        problem: Arc<FileProblem>,
    },
    /// The mirror cannot be written.
    #[error("failed to write the audit's mirror {path:?}")]
    Mirror {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: rustix::io::Errno,
    },
    /// The folder of the log cannot be read, or a file of it not removed.
    #[error("failed to use the folder of the audit {path:?}")]
    Folder {
        /// The log's first file.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: rustix::io::Errno,
    },
    /// Too many requests are under way or waiting to be recorded.
    #[error("too many requests are waiting to be recorded")]
    Full,
    /// The writing thread has ended.
    #[error("the audit is closed")]
    Closed,
    /// Rows could not be read.
    #[error("failed to read the audit")]
    Read(#[source] Arc<rusqlite::Error>),
    /// A row does not hold what a row holds.
    #[error("audit row {sequence} cannot be read: {what}")]
    Damaged {
        /// The row.
        sequence: u64,
        /// What is wrong.
        what: String,
    },
    /// The writing thread could not be started.
    #[error("failed to start the audit's thread")]
    Thread(#[source] Arc<std::io::Error>),
}

impl AuditError {
    /// Returns what the operator can do.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::MirrorFile { problem, .. } if matches!(**problem, FileProblem::Open(_)) => {
                "the mirror's folder must exist and be writable; is its disk there?"
            }
            Self::File { problem, .. } | Self::MirrorFile { problem, .. } => match **problem {
                FileProblem::Open(rustix::io::Errno::ROFS) => "the disk is read-only: mount it for writing",
                FileProblem::Open(_) => "the home's `state` folder must exist and be writable by Wardlock's user",
                FileProblem::NotRegular => "move it away; a new one is created at the next start",
                FileProblem::Foreign { .. } => "run Wardlock as the user that owns its home",
                FileProblem::Cut { .. } => {
                    "put a backup in its place; moved away, a new one is created, without what it held"
                }
                FileProblem::NotMirror => "name another file in `audit.mirror`, or move this one away",
                FileProblem::Exposed { .. } => "take the rights away with `chmod 600`, and ask who read it",
            },
            Self::NotAudit { .. } => "move it away; a new one is created at the next start",
            Self::NewerFormat { .. } => "run the newer Wardlock that wrote it; an older one must not touch it",
            Self::Write(error) => match error.sqlite_error_code() {
                Some(rusqlite::ErrorCode::DiskFull) => {
                    "the disk is full: free some space, and it goes on by itself; nothing is sent until then"
                }
                Some(rusqlite::ErrorCode::ReadOnly) => {
                    "the disk is read-only: mount it for writing; nothing is sent until then"
                }
                _ => "look at the disk: full, read-only or failing; nothing is sent until rows can be written",
            },
            Self::Mirror { .. } => {
                "look at the mirror's disk: full, read-only, failing or gone; nothing is sent until it can be written"
            }
            Self::Folder { .. } => "the folder must be readable and writable by Wardlock's user",
            Self::Full => "send fewer requests at a time; if this stays, the disk is too slow",
            Self::Damaged { .. } => "run `wardlock audit verify`",
            Self::Open(_) | Self::Closed | Self::Read(_) | Self::Thread(_) => return None,
        })
    }

    pub(crate) fn open(error: rusqlite::Error) -> Self {
        Self::Open(Arc::new(error))
    }

    pub(crate) fn read(error: rusqlite::Error) -> Self {
        Self::Read(Arc::new(error))
    }
}
