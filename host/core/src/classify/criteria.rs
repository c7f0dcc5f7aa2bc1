//! Reads the field names out of a search criteria expression: `((Last_Name:equals:Burns\, B)and(Email:starts_with:m))`.
//!
//! Grammar: a condition is `field:comparator:value` in parentheses; conditions are joined by `and` or `or` and may be
//! nested. In a value, `(` and `)` stand only behind a backslash. A bare one has another meaning for a server that
//! knows no escapes, so it is not understood here, and what is not understood counts as "cannot tell".

/// How deep expressions may be nested.
const MAX_DEPTH: usize = 32;
/// The longest expression that is read.
const MAX_LENGTH: usize = 16 * 1024;

/// The expression is outside the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotUnderstood;

/// Returns every field name of an expression, dotted names as they stand.
pub(super) fn fields(text: &str) -> Result<Vec<String>, NotUnderstood> {
    // A server that decodes the query twice would see parentheses in `%28` and `%29`.
    if text.len() > MAX_LENGTH || holds_escape(text) {
        return Err(NotUnderstood);
    }
    let mut reader = Reader { rest: text, fields: Vec::new() };
    reader.sequence(0)?;
    reader.skip_spaces();
    if reader.rest.is_empty() { Ok(reader.fields) } else { Err(NotUnderstood) }
}

fn holds_escape(text: &str) -> bool {
    text.as_bytes().windows(3).any(|w| w[0] == b'%' && w[1].is_ascii_hexdigit() && w[2].is_ascii_hexdigit())
}

struct Reader<'a> {
    rest: &'a str,
    fields: Vec<String>,
}

impl Reader<'_> {
    /// `group (("and" | "or") group)*`
    fn sequence(&mut self, depth: usize) -> Result<(), NotUnderstood> {
        self.group(depth)?;
        loop {
            self.skip_spaces();
            if !self.joiner() {
                return Ok(());
            }
            self.group(depth)?;
        }
    }

    /// `"(" (sequence | condition) ")"`
    fn group(&mut self, depth: usize) -> Result<(), NotUnderstood> {
        if depth > MAX_DEPTH {
            return Err(NotUnderstood);
        }
        self.skip_spaces();
        self.take('(')?;
        self.skip_spaces();
        if self.rest.starts_with('(') {
            self.sequence(depth + 1)?;
            self.skip_spaces();
        } else {
            self.condition()?;
        }
        self.take(')')
    }

    /// `field ":" comparator ":" value`, up to the closing parenthesis.
    fn condition(&mut self) -> Result<(), NotUnderstood> {
        let (field, rest) = self.rest.split_once(':').ok_or(NotUnderstood)?;
        let (comparator, rest) = rest.split_once(':').ok_or(NotUnderstood)?;
        let comparator = comparator.trim();
        let is_word = !comparator.is_empty() && comparator.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !is_word {
            return Err(NotUnderstood);
        }
        super::names::parts(field.trim()).ok_or(NotUnderstood)?;
        self.fields.push(field.trim().to_owned());
        self.rest = rest;
        self.value()
    }

    fn value(&mut self) -> Result<(), NotUnderstood> {
        let mut escaped = false;
        for (at, c) in self.rest.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '(' => return Err(NotUnderstood),
                ')' => {
                    self.rest = &self.rest[at..];
                    return Ok(());
                }
                _ => {}
            }
        }
        Err(NotUnderstood)
    }

    fn joiner(&mut self) -> bool {
        for word in ["and", "or"] {
            let Some((head, rest)) = self.rest.split_at_checked(word.len()) else {
                continue;
            };
            if head.eq_ignore_ascii_case(word) {
                self.rest = rest;
                return true;
            }
        }
        false
    }

    fn take(&mut self, c: char) -> Result<(), NotUnderstood> {
        self.rest = self.rest.strip_prefix(c).ok_or(NotUnderstood)?;
        Ok(())
    }

    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start_matches(' ');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &str) {
        let got = fields(text).map_or("not understood".to_owned(), |fields| fields.join(" "));
        assert_eq!(got, expect, "{text}");
    }

    #[test]
    fn field_names_are_found() {
        check("(Last_Name:equals:Burns)", "Last_Name");
        check(r"((Last_Name:equals:Burns\, B)and(First_Name:starts_with:M))", "Last_Name First_Name");
        check("(A:equals:1)and(B:equals:2)or(C:in:3,4)", "A B C");
        check("( ( A:equals:1 ) AND ( (B:equals:2) Or (C:between:3,4) ) )", "A B C");
        check("(Account_Name.Phone:equals:1)", "Account_Name.Phone");
        check("(Modified_Time:greater_than:2026-01-01T10:00:00+05:30)", "Modified_Time");
        check(r"(Company:equals:Foo \(UK\))", "Company");
        check("(Company:equals:)", "Company");
        check("(((A:equals:é)))", "A");
    }

    #[test]
    fn what_has_another_reading_is_not_understood() {
        for bad in [
            "",
            "A:equals:1",
            "()",
            "(A)",
            "(A:equals)",
            "(A::1)",
            "(A:equals:1",
            "(A:equals:1))",
            "((A:equals:1)",
            "(A:equals:Foo (UK))",
            r"(A:equals:x\)or(Email:starts_with:a)",
            "(A:equals:1)xor(B:equals:2)",
            "(A:equals:1)(B:equals:2)",
            "(A:equals:1)and",
            "(A b:equals:1)",
            "(A:eq uals:1)",
            "(A:equals:1%29or%28B:equals:2)",
            "(A:equals:1)\u{a0}and(B:equals:2)",
        ] {
            check(bad, "not understood");
        }
        check(&"(".repeat(100_000), "not understood");
        check(&format!("{}A:equals:1{}", "(".repeat(60), ")".repeat(60)), "not understood");
    }

    proptest! {
        #[test]
        fn never_panics(text in "[()A-Ca-z:\\\\, é%0-9]{0,60}") {
            let _ = fields(&text);
        }

        #[test]
        fn every_unescaped_condition_is_seen(names in proptest::collection::vec("[A-Z][a-z_]{0,8}", 1..6)) {
            let text: Vec<String> = names.iter().map(|name| format!("({name}:equals:x)")).collect();
            prop_assert_eq!(fields(&format!("({})", text.join("and"))), Ok(names));
        }
    }
}
