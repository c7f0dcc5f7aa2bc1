//! Cuts a COQL query into tokens.
//!
//! Inside quotes, a doubled quote is one quote (Zoho documents it). Whether a backslash takes the next character's
//! meaning is documented nowhere, so a query can be cut both ways, and the caller judges both.

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::classify) enum Token {
    /// A name, perhaps dotted, or a keyword.
    Word(String),
    /// A text in quotes: a value or a column, depending on its place.
    Quoted(String),
    /// A number.
    Number(String),
    /// `,`, `(`, `)`, `*` or a comparison.
    Symbol(&'static str),
}

/// Why a text is not tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::classify) enum LexError {
    /// No server can read it so: a quote stays open, or a backslash stands outside quotes.
    Impossible,
    /// It holds something that is not known here.
    Unknown,
}

/// Longer ones first.
const SYMBOLS: [&str; 10] = ["!=", "<>", "<=", ">=", "=", "<", ">", ",", "(", ")"];

/// What may stand between tokens.
const SPACES: [char; 4] = [' ', '\t', '\n', '\r'];

/// Cuts a query into tokens. `escapes`: whether a backslash takes the next character's meaning.
pub(in crate::classify) fn tokens(text: &str, escapes: bool) -> Result<Vec<Token>, LexError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some((token, after)) = next(rest, escapes)? {
        tokens.push(token);
        rest = after;
    }
    Ok(tokens)
}

/// Returns whether a text begins with a word, however it is written.
pub(in crate::classify) fn begins_with_word(text: &str, word: &str) -> bool {
    matches!(next(text, false), Ok(Some((Token::Word(found), _))) if found.eq_ignore_ascii_case(word))
}

/// Returns at which character the token behind so many begins, or what is no token before it; the first character is 1.
pub(in crate::classify) fn place_of(text: &str, escapes: bool, behind: usize) -> usize {
    let mut rest = text;
    for _ in 0..behind {
        let Ok(Some((_, after))) = next(rest, escapes) else { break };
        rest = after;
    }
    let rest = rest.trim_start_matches(SPACES);
    text[..text.len() - rest.len()].chars().count() + 1
}

/// Cuts off the next token; `None`: there is no more.
fn next(text: &str, escapes: bool) -> Result<Option<(Token, &str)>, LexError> {
    let rest = text.trim_start_matches(SPACES);
    let Some(first) = rest.chars().next() else { return Ok(None) };
    let cut = match first {
        '\'' | '"' => quoted(&rest[1..], first, escapes)?,
        '0'..='9' | '-' | '+' => number(rest)?,
        'a'..='z' | 'A'..='Z' | '_' | '$' => word(rest),
        '*' => (Token::Symbol("*"), &rest[1..]),
        '\\' => return Err(LexError::Impossible),
        _ => symbol(rest)?,
    };
    Ok(Some(cut))
}

fn quoted(text: &str, quote: char, escapes: bool) -> Result<(Token, &str), LexError> {
    let mut value = String::new();
    let mut characters = text.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        if c == '\\' && escapes {
            let (_, next) = characters.next().ok_or(LexError::Impossible)?;
            value.push(next);
        } else if c != quote {
            value.push(c);
        } else if characters.peek().is_some_and(|&(_, next)| next == quote) {
            characters.next();
            value.push(quote);
        } else {
            return Ok((Token::Quoted(value), &text[at + 1..]));
        }
    }
    Err(LexError::Impossible)
}

fn number(text: &str) -> Result<(Token, &str), LexError> {
    let sign = usize::from(text.starts_with(['-', '+']));
    let length = text[sign..].bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    if length == 0 {
        return Err(LexError::Unknown);
    }
    let (number, rest) = text.split_at(sign + length);
    Ok((Token::Number(number.to_owned()), rest))
}

fn word(text: &str) -> (Token, &str) {
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'$');
    let (word, rest) = text.split_at(text.bytes().take_while(is_part).count());
    (Token::Word(word.to_owned()), rest)
}

fn symbol(text: &str) -> Result<(Token, &str), LexError> {
    let symbol = SYMBOLS.into_iter().find(|symbol| text.starts_with(symbol)).ok_or(LexError::Unknown)?;
    Ok((Token::Symbol(symbol), &text[symbol.len()..]))
}
