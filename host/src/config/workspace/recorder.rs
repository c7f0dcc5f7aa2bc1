//! `[recorder]`: how long, and how many requests, what a workspace's plugins see is kept.

use std::time::Duration;

use super::check::{Checker, count};
use super::raw::RecorderFile;
use crate::config::units::lifetime;

/// The shortest and the longest time that records may be kept: what they hold is agents' own business, and recorded to be replayed,
/// not to be archived.
const KEEP: [Duration; 2] = [Duration::from_mins(1), Duration::from_hours(90 * 24)];
/// The most requests of a workspace.
const MOST: i64 = 10_000;

/// How long and how much a workspace records, as its file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keeping {
    /// How long a record stays.
    pub keep: Duration,
    /// How many there are at most.
    pub requests: u32,
    /// Whether what plugins see of providers' answers is recorded, too.
    pub answers: bool,
}

impl Checker<'_, '_> {
    /// Checks the table; `None` where something is wrong with it.
    pub(super) fn recorder(&mut self, raw: &RecorderFile) -> Option<Keeping> {
        let keep = match lifetime(&raw.keep) {
            Ok(keep) if (KEEP[0]..=KEEP[1]).contains(&keep) => Some(keep),
            Ok(_) => {
                let problem = format!("`{}` is not between 1min and 90d", raw.keep);
                let hint = "to record nothing, take the table out; what was recorded goes with it";
                self.wrong(&["recorder", "keep"], problem, Some(hint.to_owned()));
                None
            }
            Err(problem) => {
                self.wrong(&["recorder", "keep"], problem, None);
                None
            }
        };
        if !(1..=MOST).contains(&raw.requests) {
            let hint = "to record nothing, take the table out; what was recorded goes with it";
            let problem = format!("a number from 1 to {MOST} is wanted");
            self.wrong(&["recorder", "requests"], problem, Some(hint.to_owned()));
            return None;
        }
        Some(Keeping { keep: keep?, requests: count(raw.requests), answers: raw.answers })
    }
}
