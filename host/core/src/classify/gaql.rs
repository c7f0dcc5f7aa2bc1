//! GAQL, the query language of ad accounts: which resources and fields a query touches, what it compares, how many rows it
//! may give.
//!
//! ```text
//! query     = "select" field {"," field} "from" resource ["where" condition {"and" condition}]
//!             ["order" "by" field ["asc" | "desc"] {"," …}] ["limit" number] ["parameters" name "=" value {"," …}]
//! condition = field (comparison value | ["not"] "in" "(" values ")" | ["not"] ("like" | "regexp_match") text
//!             | "contains" ("any" | "all" | "none") "(" values ")" | "between" value "and" value
//!             | "during" name | "is" ["not"] "null")
//! ```
//!
//! What is outside the grammar is not understood, and the caller then treats it as touching everything. A backslash in
//! a text is not understood either: it would have two readings.

use super::coql::lexer::{Token, tokens};
use super::names::Touched;
use super::unread::{Unread, check_select};
use crate::plugin::FieldUse;

/// The longest query that is read.
const MAX_LENGTH: usize = 64 * 1024;

/// What is selected beside resources, and belongs to none.
const NO_RESOURCES: [&str; 2] = ["metrics", "segments"];

/// Something in the query is outside the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NotUnderstood;

/// What a query says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Query {
    pub(super) touched: Touched,
    /// Its comparisons.
    pub(super) compared: Vec<Comparison>,
    /// The most rows, where it says.
    pub(super) limit: Option<u32>,
}

/// A field and what it is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Comparison {
    pub(super) field: String,
    /// Whether only rows pass in which the field is one of the values.
    pub(super) is_equality: bool,
    pub(super) values: Vec<String>,
}

/// Reads a query.
pub(super) fn read(text: &str) -> Result<Query, Unread> {
    check_select(text)?;
    if text.len() > MAX_LENGTH || text.contains('\\') {
        return Err(Unread::SOMEWHERE);
    }
    let tokens = tokens(text, false).map_err(|_| Unread::uncut(text, false))?;
    let mut reader = Reader { rest: &tokens, query: Query::default() };
    let is_read = reader.query().is_ok() && reader.rest.is_empty();
    let stopped = tokens.len() - reader.rest.len();
    if is_read { Ok(reader.query) } else { Err(Unread::behind(text, false, stopped)) }
}

struct Reader<'a> {
    rest: &'a [Token],
    query: Query,
}

type Read<T> = Result<T, NotUnderstood>;

impl<'a> Reader<'a> {
    fn query(&mut self) -> Read<()> {
        self.expect("select")?;
        loop {
            let field = self.word()?;
            self.touch(field, FieldUse::Read)?;
            if !self.symbol(",") {
                break;
            }
        }
        self.expect("from")?;
        let resource = self.word()?;
        if resource.contains('.') || NO_RESOURCES.contains(&resource) {
            return Err(NotUnderstood);
        }
        self.query.touched.resources.insert(resource.to_owned());
        if self.keyword("where") {
            self.condition()?;
            while self.keyword("and") {
                self.condition()?;
            }
        }
        if self.keyword("order") {
            self.order()?;
        }
        if self.keyword("limit") {
            self.query.limit = Some(self.number()?);
        }
        if self.keyword("parameters") {
            self.parameters()?;
        }
        Ok(())
    }

    fn order(&mut self) -> Read<()> {
        self.expect("by")?;
        loop {
            let field = self.word()?;
            self.touch(field, FieldUse::Filter)?;
            if !self.keyword("asc") {
                self.keyword("desc");
            }
            if !self.symbol(",") {
                return Ok(());
            }
        }
    }

    fn parameters(&mut self) -> Read<()> {
        loop {
            self.word()?;
            if !self.symbol("=") {
                return Err(NotUnderstood);
            }
            self.value()?;
            if !self.symbol(",") {
                return Ok(());
            }
        }
    }

    fn condition(&mut self) -> Read<()> {
        let field = self.word()?;
        self.touch(field, FieldUse::Filter)?;
        let (is_equality, values) = self.compared()?;
        self.query.compared.push(Comparison { field: field.to_ascii_lowercase(), is_equality, values });
        Ok(())
    }

    fn compared(&mut self) -> Read<(bool, Vec<String>)> {
        if self.symbol("=") {
            return Ok((true, vec![self.value()?]));
        }
        if ["!=", "<>", "<=", ">=", "<", ">"].into_iter().any(|symbol| self.symbol(symbol)) {
            return Ok((false, vec![self.value()?]));
        }
        if self.keyword("between") {
            let low = self.value()?;
            self.expect("and")?;
            return Ok((false, vec![low, self.value()?]));
        }
        if self.keyword("during") {
            return Ok((false, vec![self.value()?]));
        }
        if self.keyword("is") {
            self.keyword("not");
            self.expect("null")?;
            return Ok((false, Vec::new()));
        }
        if self.keyword("contains") {
            if !["any", "all", "none"].into_iter().any(|word| self.keyword(word)) {
                return Err(NotUnderstood);
            }
            return Ok((false, self.values()?));
        }
        let not = self.keyword("not");
        if self.keyword("in") {
            return Ok((!not, self.values()?));
        }
        if self.keyword("like") || self.keyword("regexp_match") {
            return Ok((false, vec![self.value()?]));
        }
        Err(NotUnderstood)
    }

    fn values(&mut self) -> Read<Vec<String>> {
        if !self.symbol("(") {
            return Err(NotUnderstood);
        }
        let mut values = vec![self.value()?];
        while self.symbol(",") {
            values.push(self.value()?);
        }
        if self.symbol(")") { Ok(values) } else { Err(NotUnderstood) }
    }

    fn value(&mut self) -> Read<String> {
        match self.next() {
            Some(Token::Word(text) | Token::Quoted(text) | Token::Number(text)) => Ok(text.clone()),
            Some(Token::Symbol(_)) | None => Err(NotUnderstood),
        }
    }

    fn number(&mut self) -> Read<u32> {
        match self.next() {
            Some(Token::Number(text)) => text.parse().ok().filter(|&rows| rows > 0).ok_or(NotUnderstood),
            _ => Err(NotUnderstood),
        }
    }

    fn word(&mut self) -> Read<&'a str> {
        match self.next() {
            Some(Token::Word(text)) => Ok(text),
            _ => Err(NotUnderstood),
        }
    }

    /// Adds a dotted name: its first part is the resource.
    fn touch(&mut self, field: &str, how: FieldUse) -> Read<()> {
        let (of, name) = field.split_once('.').ok_or(NotUnderstood)?;
        if of.is_empty() || name.is_empty() || field.contains('$') || field.contains("..") {
            return Err(NotUnderstood);
        }
        if !NO_RESOURCES.contains(&of) {
            self.query.touched.resources.insert(of.to_owned());
        }
        self.query.touched.field(of, name, how);
        Ok(())
    }

    fn next(&mut self) -> Option<&'a Token> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn keyword(&mut self, word: &str) -> bool {
        match self.rest.split_first() {
            Some((Token::Word(text), rest)) if text.eq_ignore_ascii_case(word) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn expect(&mut self, word: &str) -> Read<()> {
        if self.keyword(word) { Ok(()) } else { Err(NotUnderstood) }
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        match self.rest.split_first() {
            Some((Token::Symbol(text), rest)) if *text == symbol => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &str) {
        let got = read(text).map_or_else(
            |_| "?".to_owned(),
            |query| {
                let resources: Vec<&str> = query.touched.resources.iter().map(String::as_str).collect();
                let fields: Vec<String> =
                    query.touched.fields.iter().map(|field| format!("{}.{}", field.of, field.name)).collect();
                let compared: Vec<String> = query
                    .compared
                    .iter()
                    .map(|one| {
                        format!("{}{}{}", one.field, if one.is_equality { "=" } else { "~" }, one.values.join("/"))
                    })
                    .collect();
                let limit = query.limit.map_or("-".to_owned(), |limit| limit.to_string());
                format!("{} | {} | {} | {limit}", resources.join(" "), fields.join(" "), compared.join(" "))
            },
        );
        assert_eq!(got, expect, "{text}");
    }

    #[test]
    fn queries_are_read() {
        check(
            "SELECT campaign.id, metrics.clicks FROM campaign WHERE campaign.status = 'ENABLED' AND segments.date DURING \
             LAST_7_DAYS ORDER BY metrics.clicks DESC LIMIT 50 PARAMETERS include_drafts=true",
            "campaign | campaign.id campaign.status metrics.clicks metrics.clicks segments.date | \
             campaign.status=ENABLED segments.date~LAST_7_DAYS | 50",
        );
        check(
            "select customer.id from ad_group where customer.id in (1, '2') and campaign.id not in (3) and ad_group.name \
             like '%x%' and campaign.labels contains any ('a','b') and segments.date between '2026-01-01' and '2026-01-02'",
            "ad_group campaign customer | ad_group.name campaign.id campaign.labels customer.id customer.id segments.date | \
             customer.id=1/2 campaign.id~3 ad_group.name~%x% campaign.labels~a/b segments.date~2026-01-01/2026-01-02 | -",
        );
    }

    #[test]
    fn what_is_outside_the_grammar_is_not_understood() {
        for odd in [
            "",
            "select",
            "select * from campaign",
            "select campaign.id from campaign where campaign.name = 'a\\'b'",
            "select campaign.id from campaign where campaign.id = 1 or campaign.id = 2",
            "select campaign.id from campaign, ad_group",
            "select campaign.id from metrics",
            "select id from campaign",
            "select campaign.id from campaign; select 1",
            "select campaign.id from campaign where (campaign.id = 1)",
            "select campaign.id from campaign limit 0",
            "select campaign..id from campaign",
        ] {
            check(odd, "?");
        }
    }
}
