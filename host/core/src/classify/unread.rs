//! Why a query in a body is not read, and where its reader stopped.

use super::coql::lexer::{begins_with_word, place_of};

/// Why a query is not read. No text of it: who is told has sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// It does not begin with `select`, so it is none that only reads.
    NotASelect,
    /// A `select` outside the grammar.
    Stopped {
        /// The character at which the reader stopped; the first is 1. `None`: no single place is at fault.
        at: Option<usize>,
    },
}

impl Unread {
    /// A `select` that is outside the grammar as a whole.
    pub(super) const SOMEWHERE: Self = Self::Stopped { at: None };

    /// Says that a query was read up to a token.
    pub(super) fn behind(text: &str, escapes: bool, tokens: usize) -> Self {
        Self::Stopped { at: Some(place_of(text, escapes, tokens)) }
    }

    /// Says that a query cannot be cut into tokens.
    pub(super) fn uncut(text: &str, escapes: bool) -> Self {
        Self::behind(text, escapes, usize::MAX)
    }
}

/// Refuses what is no `select` before anything else is asked about it.
pub(super) fn check_select(text: &str) -> Result<(), Unread> {
    if begins_with_word(text, "select") { Ok(()) } else { Err(Unread::NotASelect) }
}
