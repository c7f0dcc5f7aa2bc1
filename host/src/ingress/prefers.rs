//! `Prefer` (RFC 7240): how a client would have a request answered that is held for a person.

use std::time::Duration;

/// The longest wait in seconds: many clients give up after a minute.
const LONGEST: u64 = 55;

/// What a client prefers. A preference that is not understood is none (RFC 7240 section 2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Prefers {
    /// It takes 202 for a held request (`respond-async`).
    pub respond_async: bool,
    /// So long it waits for a person's word and the answer (`wait=N`, seconds).
    pub wait: Option<Duration>,
}

impl Prefers {
    /// Reads the header's value; of a preference that stands twice the first counts.
    pub fn parse(value: &[u8]) -> Self {
        let mut prefers = Self::default();
        for preference in String::from_utf8_lossy(value).split(',') {
            // Parameters of a preference stand behind a semicolon; none of ours has any.
            let preference = preference.split(';').next().unwrap_or_default();
            let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "respond-async" => prefers.respond_async = true,
                "wait" => {
                    prefers.wait = prefers.wait.or(wait(value.trim().trim_matches('"')));
                }
                _ => {}
            }
        }
        prefers
    }
}

/// Reads seconds; so many that no number holds them are the most.
fn wait(seconds: &str) -> Option<Duration> {
    let is_number = !seconds.is_empty() && seconds.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| Duration::from_secs(seconds.parse().unwrap_or(LONGEST).min(LONGEST)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_read_as_rfc_7240_has_them() {
        let wait = |seconds| Some(Duration::from_secs(seconds));
        for (value, respond_async, expected) in [
            ("", false, None),
            ("respond-async", true, None),
            ("respond-async, wait=10", true, wait(10)),
            ("Wait = \"10\" ; x=y", false, wait(10)),
            ("wait=10, wait=20", false, wait(10)),
            ("wait=600", false, wait(55)),
            ("wait=99999999999999999999", false, wait(55)),
            ("wait=soon", false, None),
            ("wait=", false, None),
            ("wait=-1", false, None),
            ("return=minimal, RESPOND-ASYNC", true, None),
        ] {
            let expected = Prefers { respond_async, wait: expected };
            assert_eq!(Prefers::parse(value.as_bytes()), expected, "{value}");
        }
    }
}
