//! What a definition may say, and seldom means: each finding with its line and how to mend it.
//!
//! What cannot be right is an error of [`mod@super::parse`]; here stands what goes wrong in practice, at the provider's
//! page or months later.

mod credentials;
mod hosts;
mod operations;
mod scopes;
mod texts;

use std::ops::Range;

use super::DefinitionError;
use super::raw::RawService;
use super::text::Source;

pub(super) use scopes::{IDENTITY, OFFLINE};

/// Finds what is seldom meant in a definition that parses.
pub(super) fn lint(source: &Source<'_>, raw: &RawService) -> Vec<DefinitionError> {
    let mut lint = Lint { source, found: Vec::new() };
    if let Some(oauth) = &raw.oauth {
        lint.refresh_tokens(oauth.get_ref(), &oauth.span());
        lint.errors(raw, oauth);
    }
    lint.injection(raw);
    lint.extra_secrets(raw);
    lint.all_scopes(raw);
    lint.hosts(raw);
    lint.operations(raw);
    lint.texts(raw);
    lint.found.sort_by_key(|finding| finding.line);
    lint.found
}

struct Lint<'a> {
    source: &'a Source<'a>,
    found: Vec<DefinitionError>,
}

impl Lint<'_> {
    /// Notes something at a place.
    fn note(&mut self, at: usize, key: impl Into<String>, problem: impl Into<String>, mend: impl Into<String>) {
        self.found.push(self.source.error(at, key, problem).hint(mend));
    }

    /// Notes something at a key of a table that begins at a place; where the key does not stand there, at the table.
    fn find(
        &mut self,
        at: &Range<usize>,
        key: impl Into<String>,
        problem: impl Into<String>,
        mend: impl Into<String>,
    ) {
        let key = key.into();
        let start = key.rsplit('.').next().and_then(|name| self.line_of(at.start, name)).unwrap_or(at.start);
        self.note(start, key, problem, mend);
    }

    /// Returns where a table stands that the types keep no place of; the whole text where it is written in another way.
    fn table_at(&self, header: &str) -> Range<usize> {
        let lines = self.source.text.split_inclusive('\n');
        let starts = lines.scan(0, |at, line| {
            let start = *at;
            *at += line.len();
            Some((start, line))
        });
        let start = starts.into_iter().find(|(_, line)| line.trim_end() == header).map_or(0, |(start, _)| start);
        start..self.source.text.len()
    }

    /// Returns where the line of a key begins in the table that begins at a place.
    fn line_of(&self, table: usize, name: &str) -> Option<usize> {
        let mut at = table;
        for (number, line) in self.source.text.get(table..)?.split_inclusive('\n').enumerate() {
            if number > 0 && line.starts_with('[') {
                return None;
            }
            if line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('=')) {
                return Some(at);
            }
            at += line.len();
        }
        None
    }
}
