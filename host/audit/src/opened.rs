//! What opening the log found.

use std::time::Duration;

use crate::head::PublicKey;
use crate::mirror::MirrorFound;
use crate::tail::ForeignRows;

/// What the last run left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// How many requests it left without an outcome; they were closed as `unknown`.
    pub closed_as_unknown: u64,
    /// The key that signed the newest head, where it is not the vault's: the vault was replaced, or the log was.
    pub other_key: Option<PublicKey>,
    /// Whether the newest head does not fit the rows: some were cut off or changed while nobody watched.
    pub is_broken: bool,
    /// The rows after the newest head that are not of this vault's making: somebody appended them while nobody watched, or a version
    /// wrote them that authenticated none.
    pub foreign: Option<ForeignRows>,
    /// How the mirror compared with the log, where there is one.
    pub mirror: Option<MirrorFound>,
    /// How long the log's disk takes to make one page durable; `None` where that could not be measured.
    pub sync_time: Option<Duration>,
}
