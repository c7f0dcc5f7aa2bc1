//! The text of a definition: where something stands in it, and what is wrong with its spelling.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::DefinitionError;

/// Keys whose values may begin or end with a space, because a space is what they mean.
const SPACE_IS_MEANT: [&str; 3] = ["inject.prefix", "oauth.scope_separator", "oauth.scope_separators_in_answer"];

/// A definition's text and name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) text: &'a str,
    pub(super) file: &'a str,
}

impl Source<'_> {
    /// Makes an error at a place. What it quotes can be seen: TOML can spell any character, and so can a key.
    pub(super) fn error(&self, at: usize, key: impl Into<String>, problem: impl Into<String>) -> DefinitionError {
        let before = self.text.as_bytes().iter().take(at);
        let line = 1 + before.filter(|&&byte| byte == b'\n').count();
        let (key, problem) = (visible(key.into()), visible(problem.into()));
        DefinitionError { file: self.file.to_owned(), line, key, problem, hint: None }
    }

    /// Makes an error at a span.
    pub(super) fn at(
        &self,
        span: Range<usize>,
        key: impl Into<String>,
        problem: impl Into<String>,
    ) -> DefinitionError {
        self.error(span.start, key, problem)
    }

    /// Turns the TOML parser's error into ours, with the nearest valid key.
    pub(super) fn toml_error(&self, error: &toml::de::Error, document: Option<&DeTable<'_>>) -> DefinitionError {
        let at = error.span().map_or(0, |span| span.start);
        let key = document.and_then(|table| locate(table, at)).unwrap_or_default();
        let mut quoted = error.message().split('`').skip(1).step_by(2);
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        let unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
        let hint = match quoted.next() {
            Some(given) if unknown => nearest(given, quoted).map(|word| format!("did you mean `{word}`?")),
            _ => None,
        };
        DefinitionError { hint, ..self.error(at, key, message) }
    }

    /// Refuses characters that nobody sees, anywhere in the text.
    pub(super) fn check_visible(&self) -> Result<(), DefinitionError> {
        match self.text.char_indices().find(|&(_, c)| is_invisible(c) && !"\n\r\t".contains(c)) {
            Some((at, c)) => Err(invisible(self.error(at, "", ""), c)),
            None => Ok(()),
        }
    }

    /// Refuses keys and values that begin or end with a space or hold a character that nobody sees.
    pub(super) fn check_strings(&self, table: &DeTable<'_>) -> Result<(), DefinitionError> {
        self.check_table(table, "")
    }

    fn check_table(&self, table: &DeTable<'_>, path: &str) -> Result<(), DefinitionError> {
        for (key, value) in table {
            let path = join(path, key.get_ref());
            self.check_string(key.get_ref(), key.span(), &path)?;
            self.check_value(value, &path)?;
        }
        Ok(())
    }

    fn check_value(&self, value: &Spanned<DeValue<'_>>, path: &str) -> Result<(), DefinitionError> {
        match value.get_ref() {
            DeValue::String(text) => self.check_string(text, value.span(), path),
            DeValue::Array(items) => items.iter().try_for_each(|item| self.check_value(item, path)),
            DeValue::Table(table) => self.check_table(table, path),
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => Ok(()),
        }
    }

    fn check_string(&self, text: &str, span: Range<usize>, path: &str) -> Result<(), DefinitionError> {
        if let Some(c) = text.chars().find(|&c| is_invisible(c)) {
            return Err(invisible(self.at(span, path, ""), c));
        }
        if text.trim() != text && !SPACE_IS_MEANT.contains(&path) {
            return Err(self.at(span, path, format!("`{text}` begins or ends with a space")).hint("take it away"));
        }
        Ok(())
    }
}

fn invisible(error: DefinitionError, c: char) -> DefinitionError {
    let problem = format!("an invisible character, U+{:04X}", u32::from(c));
    DefinitionError { problem, ..error }.hint("type the line anew")
}

/// Returns the candidate that is most like a word, if any is like it at all.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = word.to_lowercase();
    let scored = candidates.into_iter().map(|candidate| {
        let score = strsim::jaro_winkler(&folded, &candidate.to_lowercase());
        (candidate, score)
    });
    let best = scored.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    (best.1 > 0.75).then_some(best.0)
}

/// Returns whether a character cannot be seen: controls, spaces that are not U+0020, zero-width characters, and
/// those that turn the direction of text (`Trojan Source`, CVE-2021-42574).
fn is_invisible(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(u32::from(c), 0xAD | 0x61C | 0x180E | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F
            | 0xFEFF | 0xFFF9..=0xFFFB | 0xE0000..=0xE007F)
}

/// Returns a text with what nobody sees spelled as Rust does: `\u{7}`.
pub(super) fn visible(text: String) -> String {
    if !text.contains(is_invisible) {
        return text;
    }
    let spelled = |c: char| if is_invisible(c) { c.escape_unicode().collect() } else { c.to_string() };
    text.chars().map(spelled).collect()
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Returns the dotted key of what stands at a place.
fn locate(table: &DeTable<'_>, at: usize) -> Option<String> {
    table
        .iter()
        .find_map(|(key, value)| {
            if key.span().contains(&at) {
                return Some(key.get_ref().to_string());
            }
            let inner = locate_value(value, at)?;
            Some(join(key.get_ref(), &inner))
        })
        .map(|path| path.trim_end_matches('.').to_owned())
}

fn locate_value(value: &Spanned<DeValue<'_>>, at: usize) -> Option<String> {
    let inner = match value.get_ref() {
        DeValue::Table(table) => locate(table, at),
        DeValue::Array(items) => items.iter().find_map(|item| locate_value(item, at)),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => None,
    };
    inner.or_else(|| value.span().contains(&at).then(String::new))
}
