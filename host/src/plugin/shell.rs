//! Splits a line into words as bash does. What bash would put in the place of something (`$ID`, `$(…)`), nobody knows here: that is
//! refused. Its operators (`&`, `;`, `|`) are taken as they stand, so that an address with `&` is read although nobody quoted it.

use std::iter::Peekable;
use std::str::Chars;

/// Why a line has no words that are known here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShellError {
    /// A quote is not closed.
    #[error("the line ends within a quote")]
    Quote,
    /// The shell would have replaced it.
    #[error("`{what}` stands outside single quotes, where a shell would have replaced it")]
    Replaced {
        /// What stands there.
        what: String,
    },
    /// An escape in `$'…'` that is not read, or stands for no character.
    #[error("`{escape}` within `$'…'` is not read here")]
    Escape {
        /// The escape.
        escape: String,
    },
    /// The escapes of a word make up no text.
    #[error("the escapes within a `$'…'` are no UTF-8 text")]
    NotText,
}

impl ShellError {
    /// Returns how to mend it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Quote => "quote the whole line for your shell, and close every quote in it",
            Self::Replaced { .. } => {
                "write what it stands for, or put it in single quotes if it is meant as it stands"
            }
            Self::Escape { .. } | Self::NotText => {
                r"read are \n, \t, \r, \a, \b, \e, \f, \v, \\, \', \x and two digits, \u and four, \U and eight, and octal digits"
            }
        }
    }
}

/// Returns the words of a line.
pub fn words(line: &str) -> Result<Vec<String>, ShellError> {
    let mut reading = Reading { chars: line.chars().peekable(), word: None, words: Vec::new() };
    while let Some(c) = reading.chars.next() {
        reading.plain(c)?;
    }
    reading.end()?;
    Ok(reading.words)
}

/// Where a character stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Plain,
    Quoted,
}

/// A line half read.
struct Reading<'a> {
    chars: Peekable<Chars<'a>>,
    /// What was read of a word: bytes, because escapes make up bytes.
    word: Option<Vec<u8>>,
    words: Vec<String>,
}

impl Reading<'_> {
    /// Takes a character outside quotes.
    fn plain(&mut self, c: char) -> Result<(), ShellError> {
        match c {
            ' ' | '\t' | '\n' => self.end()?,
            '#' if self.word.is_none() => while self.chars.next_if(|&c| c != '\n').is_some() {},
            '\'' => self.single()?,
            '"' => self.double()?,
            '\\' => match self.chars.next() {
                Some('\n') => {}
                Some(c) => self.push(c),
                None => return Err(ShellError::Quote),
            },
            '$' if self.chars.next_if_eq(&'\'').is_some() => self.ansi()?,
            '$' | '`' => self.dollar(c, Place::Plain)?,
            c => self.push(c),
        }
        Ok(())
    }

    fn single(&mut self) -> Result<(), ShellError> {
        self.begun();
        loop {
            match self.chars.next().ok_or(ShellError::Quote)? {
                '\'' => return Ok(()),
                c => self.push(c),
            }
        }
    }

    fn double(&mut self) -> Result<(), ShellError> {
        self.begun();
        loop {
            match self.chars.next().ok_or(ShellError::Quote)? {
                '"' => return Ok(()),
                '\\' => match self.chars.next().ok_or(ShellError::Quote)? {
                    '\n' => {}
                    c @ ('$' | '`' | '"' | '\\') => self.push(c),
                    c => {
                        self.push('\\');
                        self.push(c);
                    }
                },
                c @ ('$' | '`') => self.dollar(c, Place::Quoted)?,
                c => self.push(c),
            }
        }
    }

    /// Takes a `$` that may begin what a shell replaces, or a backquote, which always does.
    fn dollar(&mut self, c: char, place: Place) -> Result<(), ShellError> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let rest: String = self.chars.clone().collect();
        let Some(next) = rest.chars().next().filter(|_| c == '$') else {
            if c == '`' {
                return Err(ShellError::Replaced { what: "`…`".to_owned() });
            }
            self.push(c);
            return Ok(());
        };
        let what = match next {
            next if is_name(next) => format!("${}", rest.chars().take_while(|&c| is_name(c)).collect::<String>()),
            '(' => "$(…)".to_owned(),
            '{' => "${…}".to_owned(),
            // Within double quotes that `"` is the closing one.
            '"' if place == Place::Plain => "$\"".to_owned(),
            '[' | '@' | '*' | '#' | '?' | '-' | '$' | '!' => format!("${next}"),
            _ => {
                self.push(c);
                return Ok(());
            }
        };
        Err(ShellError::Replaced { what })
    }

    /// Takes what stands in `$'…'` (bash's manual, section 3.1.2.4).
    fn ansi(&mut self) -> Result<(), ShellError> {
        self.begun();
        loop {
            match self.chars.next().ok_or(ShellError::Quote)? {
                '\'' => return Ok(()),
                '\\' => self.escape()?,
                c => self.push(c),
            }
        }
    }

    fn escape(&mut self) -> Result<(), ShellError> {
        let letter = self.chars.next().ok_or(ShellError::Quote)?;
        match letter {
            'n' => self.push('\n'),
            't' => self.push('\t'),
            'r' => self.push('\r'),
            'a' => self.push('\u{7}'),
            'b' => self.push('\u{8}'),
            'e' | 'E' => self.push('\u{1b}'),
            'f' => self.push('\u{c}'),
            'v' => self.push('\u{b}'),
            '\\' | '\'' | '"' | '?' => self.push(letter),
            'x' => {
                let (digits, number) = self.digits(String::new(), 2, 16);
                let byte = u8::try_from(number).ok().filter(|byte| *byte != 0 && !digits.is_empty());
                self.byte(byte.ok_or_else(|| of(letter, &digits))?);
            }
            'u' | 'U' => {
                let (digits, number) = self.digits(String::new(), if letter == 'u' { 4 } else { 8 }, 16);
                let c = char::from_u32(number).filter(|c| *c != '\0' && !digits.is_empty());
                self.push(c.ok_or_else(|| of(letter, &digits))?);
            }
            '0'..='7' => {
                let (digits, number) = self.digits(letter.to_string(), 3, 8);
                let escape = || ShellError::Escape { escape: format!("\\{digits}") };
                // Three octal digits may be more than a byte: no shell agrees with another about them.
                self.byte(u8::try_from(number).ok().filter(|byte| *byte != 0).ok_or_else(escape)?);
            }
            other => return Err(of(other, "")),
        }
        Ok(())
    }

    /// Takes digits, as many as there are and as may be.
    fn digits(&mut self, mut digits: String, most: usize, radix: u32) -> (String, u32) {
        while digits.len() < most
            && let Some(digit) = self.chars.next_if(|c| c.is_digit(radix))
        {
            digits.push(digit);
        }
        let number = u32::from_str_radix(&digits, radix).unwrap_or(0);
        (digits, number)
    }

    fn begun(&mut self) -> &mut Vec<u8> {
        self.word.get_or_insert_default()
    }

    fn push(&mut self, c: char) {
        let mut bytes = [0; 4];
        let text = c.encode_utf8(&mut bytes).to_owned();
        self.begun().extend_from_slice(text.as_bytes());
    }

    fn byte(&mut self, byte: u8) {
        self.begun().push(byte);
    }

    /// Ends a word, where one was begun.
    fn end(&mut self) -> Result<(), ShellError> {
        if let Some(word) = self.word.take() {
            self.words.push(String::from_utf8(word).map_err(|_| ShellError::NotText)?);
        }
        Ok(())
    }
}

fn of(letter: char, digits: &str) -> ShellError {
    ShellError::Escape { escape: format!("\\{}{digits}", letter.escape_debug()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_bash() {
        for (line, expected) in [
            ("a  b\tc\nd", vec!["a", "b", "c", "d"]),
            (r#"'a b'"c d"e\ f '' "" # g"#, vec!["a bc de f", "", ""]),
            ("a \\\n b\\\nc", vec!["a", "bc"]),
            (r#"'$a `b` $(c)' "\$a \q \\" a$ "a$ b""#, vec!["$a `b` $(c)", r"$a \q \", "a$", "a$ b"]),
            (r#"$'a\nb\tc\r\\\'\"' x$'\x41\u00e9\U0001f600\101\e'"#, vec!["a\nb\tc\r\\'\"", "xAé😀A\u{1b}"]),
            (r"$'\xc3\xa9\303\251 $a' $'!'", vec!["éé $a", "!"]),
            (r"$'\x4g\u41' $'\0661'", vec!["\u{4}gA", "61"]),
        ] {
            assert_eq!(words(line), Ok(expected.into_iter().map(str::to_owned).collect()), "{line}");
        }
    }

    #[test]
    fn what_a_shell_would_replace_and_what_is_not_read_is_told() {
        let replaced = |what: &str| ShellError::Replaced { what: what.to_owned() };
        let escape = |escape: &str| ShellError::Escape { escape: escape.to_owned() };
        for (line, error) in [
            ("a 'b", ShellError::Quote),
            ("a \"b", ShellError::Quote),
            ("$'a", ShellError::Quote),
            (r"$'a\", ShellError::Quote),
            ("a\\", ShellError::Quote),
            ("a/$ID/b", replaced("$ID")),
            (r#""Bearer $TOKEN_1""#, replaced("$TOKEN_1")),
            ("$(cat a)", replaced("$(…)")),
            ("\"${A}\"", replaced("${…}")),
            ("`id`", replaced("`…`")),
            ("\"`id`\"", replaced("`…`")),
            ("$1 $?", replaced("$1")),
            ("a$?", replaced("$?")),
            (r#"$"a""#, replaced("$\"")),
            (r"$'\q'", escape(r"\q")),
            (r"$'\cA'", escape(r"\c")),
            (r"$'\x'", escape(r"\x")),
            (r"$'\x00'", escape(r"\x00")),
            (r"$'\ud83d'", escape(r"\ud83d")),
            (r"$'\777'", escape(r"\777")),
            (r"$'\xff'", ShellError::NotText),
        ] {
            assert_eq!(words(line), Err(error), "{line}");
        }
    }
}
