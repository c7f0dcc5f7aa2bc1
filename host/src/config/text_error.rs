//! A TOML text with its places: errors in it as sentences, with file, line, column, key and the line itself.

use std::fmt;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

use super::secrets;
use super::wording::{Wording, translate};

/// Longest part of a line that is shown.
const SHOWN: usize = 120;

/// What is wrong in a text, where, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextError {
    /// The file's name within the home.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The key, dotted; empty at the top.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What is meant, or how to mend it.
    pub hint: Option<String>,
    /// The line and how many characters the caret underlines; `None` where it may hold a secret.
    shown: Option<Box<(String, usize)>>,
}

impl TextError {
    /// Adds how to mend it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(plain(hint.into()));
        self
    }

    /// Adds how to mend it, if that is known.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.map(plain);
        self
    }

    /// Returns the line itself, where it may be shown.
    pub fn line_shown(&self) -> Option<&str> {
        self.shown.as_deref().map(|(line, _)| line.as_str())
    }

    /// Returns the error on one line, without its hint: file, line, key, problem.
    pub fn summary(&self) -> String {
        let mut text = format!("{}:{}: ", self.file, self.line);
        if !self.key.is_empty() {
            text.extend(["`", &self.key, "`: "]);
        }
        text.push_str(&self.problem);
        text
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, "`{}`: ", self.key)?;
        }
        f.write_str(&self.problem)?;
        if let Some((line, length)) = self.shown.as_deref() {
            let number = self.line.to_string();
            let (margin, indent) = (" ".repeat(number.len()), " ".repeat(self.column - 1));
            write!(f, "\n{number} | {line}\n{margin} | {indent}{}", "^".repeat(*length))?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n{hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for TextError {}

/// A TOML text that parses and holds no secret.
#[derive(Debug)]
pub struct Document<'a> {
    file: &'a str,
    text: &'a str,
    table: DeTable<'a>,
}

impl<'a> Document<'a> {
    /// Parses a text. `file` is its name in messages.
    pub fn parse(file: &'a str, text: &'a str) -> Result<Self, TextError> {
        let source = Source { file, text };
        if let Some(found) = secrets::in_text(text) {
            return Err(source.secret(&found));
        }
        let table = match DeTable::parse(text) {
            Ok(table) => table.into_inner(),
            Err(error) => return Err(source.malformed(&error)),
        };
        if let Some(found) = secrets::in_table(&table) {
            return Err(source.secret(&found));
        }
        Ok(Self { file, text, table })
    }

    /// Reads the text as a structure; an unknown key is an error.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, TextError> {
        let parsed = toml::de::Deserializer::parse(self.text);
        parsed.and_then(|deserializer| T::deserialize(deserializer)).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            let key = key_at(&self.table, span.start).unwrap_or_default();
            self.source().error(span, key.join("."), translate(error.message()))
        })
    }

    /// Makes an error about the value at a path of keys and list positions.
    pub fn error_at(&self, path: &[&str], problem: impl Into<String>) -> TextError {
        let (span, found) = locate(&self.table, path);
        let wording = Wording { problem: problem.into(), hint: None };
        // List positions are told by the line that is shown.
        let key: Vec<&str> = path[..found].iter().copied().filter(|part| part.parse::<usize>().is_err()).collect();
        self.source().error(span, key.join("."), wording)
    }

    /// Returns the value at a path of keys and list positions.
    pub fn value(&self, path: &[&str]) -> Option<&DeValue<'a>> {
        let (first, rest) = path.split_first()?;
        let (_, value) = self.table.iter().find(|(key, _)| key.get_ref() == first)?;
        rest.iter().try_fold(value.get_ref(), |value, part| match value {
            DeValue::Table(table) => Some(table.iter().find(|(key, _)| key.get_ref() == part)?.1.get_ref()),
            DeValue::Array(items) => Some(items.get(part.parse::<usize>().ok()?)?.get_ref()),
            _ => None,
        })
    }

    fn source(&self) -> Source<'a> {
        Source { file: self.file, text: self.text }
    }
}

/// A file's name and text.
#[derive(Clone, Copy)]
struct Source<'a> {
    file: &'a str,
    text: &'a str,
}

impl Source<'_> {
    fn malformed(self, error: &toml::de::Error) -> TextError {
        let wording = translate(error.message());
        let problem = format!("this is not TOML: {}", wording.problem);
        self.error(error.span().unwrap_or(0..0), String::new(), Wording { problem, ..wording })
    }

    fn secret(self, found: &secrets::Found) -> TextError {
        let hint = format!("take it out; {}. What stood in a file may have been seen: revoke it", found.hint);
        let wording = Wording { problem: found.what.clone(), hint: Some(hint) };
        let error = self.error(found.offset..found.offset, String::new(), wording);
        TextError { shown: None, ..error }
    }

    fn error(self, span: Range<usize>, key: String, wording: Wording) -> TextError {
        let start = floor(self.text, span.start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |at| start + at);
        let line = self.text[line_start..line_end].trim_end();
        let column = self.text[line_start..start].chars().count() + 1;
        let end = floor(self.text, span.end).clamp(start, line_start + line.len().max(start - line_start));
        let length = self.text[start..end].chars().count().max(1);
        TextError {
            file: self.file.to_owned(),
            line: self.text[..start].matches('\n').count() + 1,
            column,
            key: plain(key),
            problem: plain(wording.problem),
            hint: wording.hint.map(plain),
            shown: show(line, column, length),
        }
    }
}

/// Returns what may be shown of a line: nothing where a secret may stand, and no terminal escapes.
fn show(line: &str, column: usize, length: usize) -> Option<Box<(String, usize)>> {
    if !secrets::is_showable(line) || column > SHOWN {
        return None;
    }
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let line = line.chars().take(SHOWN).map(clean).collect();
    Some(Box::new((line, length.min(SHOWN + 1 - column))))
}

/// Escapes what would reach a terminal as more than text: names come from the file.
fn plain(text: String) -> String {
    if !text.contains(char::is_control) {
        return text;
    }
    let escape = |c: char| if c.is_control() { c.escape_default().collect() } else { c.to_string() };
    text.chars().map(escape).collect()
}

fn floor(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at.min(text.len()))
}

/// Returns the span of the value at a path, or of the nearest thing above it, and how much of the path was found.
/// A table is pointed at by its key.
fn locate(table: &DeTable<'_>, path: &[&str]) -> (Range<usize>, usize) {
    let Some((first, rest)) = path.split_first() else { return (0..0, 0) };
    let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == first) else { return (0..0, 0) };
    let (span, found) = locate_in(value.get_ref(), value.span(), key.span(), rest);
    (span, found + 1)
}

fn locate_in(value: &DeValue<'_>, own: Range<usize>, key: Range<usize>, path: &[&str]) -> (Range<usize>, usize) {
    let here = if matches!(value, DeValue::Table(_)) { key.clone() } else { own };
    let Some((first, rest)) = path.split_first() else { return (here, 0) };
    match value {
        DeValue::Table(table) => match locate(table, path) {
            (_, 0) => (here, 0),
            found => found,
        },
        DeValue::Array(items) => match first.parse().ok().and_then(|at: usize| items.get(at)) {
            Some(item) => {
                let (span, found) = locate_in(item.get_ref(), item.span(), item.span(), rest);
                (span, found + 1)
            }
            None => (here, 0),
        },
        _ => (here, 0),
    }
}

/// Returns the path of keys to the innermost key or value that stands at an offset.
fn key_at(table: &DeTable<'_>, offset: usize) -> Option<Vec<String>> {
    table.iter().find_map(|(key, value)| {
        let name = || key.get_ref().to_string();
        if let Some(mut inner) = key_in(value.get_ref(), offset) {
            inner.insert(0, name());
            return Some(inner);
        }
        (key.span().contains(&offset) || value.span().contains(&offset)).then(|| vec![name()])
    })
}

fn key_in(value: &DeValue<'_>, offset: usize) -> Option<Vec<String>> {
    match value {
        DeValue::Table(table) => key_at(table, offset),
        DeValue::Array(items) => items.iter().find_map(|item| key_in(item.get_ref(), offset)),
        _ => None,
    }
}
