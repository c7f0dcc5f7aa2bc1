//! The words, literals and symbols of a COQL query.

use serde_json::json;

use crate::wire::Reply;

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Word(String),
    Text(String),
    Symbol(&'static str),
}

const SYMBOLS: [&str; 10] = ["!=", "<>", "<=", ">=", "(", ")", ",", "=", "<", ">"];

/// Splits a query.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, Reply> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '\'' {
            let (value, length) = quoted(rest).ok_or_else(|| syntax("literal"))?;
            tokens.push(Token::Text(value));
            rest = &rest[length..];
        } else if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
            tokens.push(Token::Symbol(symbol));
            rest = &rest[symbol.len()..];
        } else {
            let is_part = |character: char| character.is_alphanumeric() || "_.$-+:*{}".contains(character);
            let end = rest.find(|character: char| !is_part(character)).unwrap_or(rest.len());
            if end == 0 {
                return Err(syntax("select"));
            }
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

/// Reads a quoted literal; a quote is written `\'` or `''`.
fn quoted(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((index, character)) = characters.next() {
        match character {
            '\\' => value.push(characters.next()?.1),
            '\'' if characters.peek().is_some_and(|(_, next)| *next == '\'') => {
                characters.next();
                value.push('\'');
            }
            '\'' => return Some((value, index + 1)),
            other => value.push(other),
        }
    }
    None
}

/// Returns the error of a clause that cannot be read.
pub(crate) fn syntax(clause: &str) -> Reply {
    Reply::error(400, "SYNTAX_ERROR", "error occurred while parsing the query", json!({"clause": clause}))
}
