//! `[audit]` in `wardlock.toml`: what records survive, where they stand once more, and how long they are kept.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use wardlock_audit::{Durabilities, Durability, RotateAfter, Rotation};

use super::text_error::{Document, TextError};
use super::units::{Bytes, lifetime};
use crate::drafts::KNOWN_MS;

/// The smallest file that a log goes on after: below it there would be more files than use.
const LEAST_BYTES: u64 = 1 << 20;
/// The shortest time after which it goes on.
const LEAST_TIME: Duration = Duration::from_hours(1);
/// The shortest time that files are kept: as long as a draft that was decided can be put back ([`KNOWN_MS`]), and a day, since what
/// was sent by it is looked up here, and so are a day's records.
const LEAST_KEPT: Duration = Duration::from_millis(KNOWN_MS + 24 * 60 * 60 * 1000);

/// The table as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AuditFile {
    reads: DurabilityWord,
    writes: DurabilityWord,
    pub(super) mirror: Option<String>,
    pub(super) rotate: Option<Rotate>,
    pub(super) keep: Option<Keep>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DurabilityWord {
    Crash,
    Power,
}

impl From<DurabilityWord> for Durability {
    fn from(word: DurabilityWord) -> Self {
        match word {
            DurabilityWord::Crash => Self::Crash,
            DurabilityWord::Power => Self::Power,
        }
    }
}

impl Default for AuditFile {
    fn default() -> Self {
        let (reads, writes) = (DurabilityWord::Crash, DurabilityWord::Power);
        Self { reads, writes, mirror: None, rotate: None, keep: None }
    }
}

/// When the log goes on in another file: a size, or a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Rotate(RotateAfter);

impl TryFrom<String> for Rotate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Ok(time) = lifetime(&text) {
            let long_enough = time >= LEAST_TIME;
            return if long_enough {
                Ok(Self(RotateAfter::Time(time)))
            } else {
                Err(format!("`{text}` is shorter than an hour"))
            };
        }
        let bad = || {
            format!("`{}` is neither a size such as \"100MiB\" nor a time such as \"30d\"", text.escape_debug())
        };
        let Bytes(bytes) = Bytes::try_from(text.clone()).map_err(|_| bad())?;
        if bytes < LEAST_BYTES {
            return Err(format!("`{text}` is less than 1MiB"));
        }
        Ok(Self(RotateAfter::Bytes(bytes)))
    }
}

/// How long files are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Keep(Duration);

impl TryFrom<String> for Keep {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let time = lifetime(&text)?;
        if time < LEAST_KEPT {
            let days = LEAST_KEPT.as_secs() / (24 * 60 * 60);
            return Err(format!(
                "`{text}` is shorter than {days} days: drafts and a day's records are looked up for so long"
            ));
        }
        Ok(Self(time))
    }
}

impl AuditFile {
    /// Checks what no key can say alone.
    pub(super) fn check(&self, document: &Document<'_>) -> Result<(), TextError> {
        if self.keep.is_some() && self.rotate.is_none() {
            let problem = "only whole files are removed, and there is one as long as `rotate` is missing";
            return Err(document.error_at(&["audit", "keep"], problem).hint("set `rotate = \"100MiB\"`, too"));
        }
        if self.mirror.as_deref() == Some("") {
            return Err(document.error_at(&["audit", "mirror"], "a path is wanted"));
        }
        Ok(())
    }

    pub(super) fn durabilities(&self) -> Durabilities {
        Durabilities { reads: self.reads.into(), writes: self.writes.into() }
    }

    pub(super) fn rotation(&self) -> Rotation {
        Rotation { after: self.rotate.map(|rotate| rotate.0), keep: self.keep.map(|keep| keep.0) }
    }

    pub(super) fn mirror(&self) -> Option<PathBuf> {
        self.mirror.as_ref().map(PathBuf::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_goes_on_after_a_size_or_a_time() {
        let rotate = |text: &str| Rotate::try_from(text.to_owned()).map(|rotate| rotate.0);
        assert_eq!(rotate("100MiB"), Ok(RotateAfter::Bytes(100 << 20)));
        assert_eq!(rotate("30d"), Ok(RotateAfter::Time(Duration::from_hours(30 * 24))));
        for bad in ["", "100", "1KiB", "10min", "100MB", "-1d", "0d", "x"] {
            assert!(rotate(bad).is_err(), "{bad}");
        }
        let least = Keep::try_from("15d".to_owned()).map(|keep| keep.0);
        assert_eq!(least, Ok(Duration::from_hours(15 * 24)));
        for short in ["1h", "14d", "359h"] {
            assert!(Keep::try_from(short.to_owned()).is_err_and(|told| told.contains("15 days")), "{short}");
        }
        assert_eq!(Keep::try_from("1y".to_owned()).map(|keep| keep.0), Ok(Duration::from_hours(365 * 24)));
    }
}
