//! What an agent wants instead of having its request sent.

use wardlock_core::refusal::Refusal;

use super::admit::bad;

/// Whether a request is only looked at, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DryRun {
    /// It is meant.
    #[default]
    No,
    /// This host says what it would do.
    Here,
    /// So does the provider, where it can check a request without carrying it out.
    Provider,
}

impl DryRun {
    /// Reads the header's value.
    pub fn parse(value: Option<&[u8]>) -> Result<Self, Refusal> {
        match value {
            None | Some(b"false") => Ok(Self::No),
            Some(b"true") => Ok(Self::Here),
            Some(b"provider") => Ok(Self::Provider),
            // Whoever writes `TRUE` or `1` wants nothing sent.
            Some(_) => Err(bad("`Wardlock-Dry-Run` is `true`, `provider` or `false`, and nothing was sent")
                .hint("write `true` to be told what would happen, or `provider` to have the provider asked, too; in small letters")),
        }
    }

    /// Returns whether the request itself is not sent.
    pub fn is_asked(self) -> bool {
        self != Self::No
    }
}
