//! Parses the tokens of a COQL query: recursive descent, bounded depth. What is not in the grammar is an error.
//!
//! ```text
//! select    = "select" ["distinct"] item {"," item} "from" source {("," | join) source ["on" condition]}
//!             ["where" condition] ["group" "by" column {"," column}] ["having" condition]
//!             ["order" "by" column ["asc" | "desc"] {"," …}] ["limit" number ["," number]] ["offset" number]
//! item      = expression [["as"] alias]        source = module [["as"] alias]
//! expression= column | aggregate "(" ["distinct"] (column | "*") ")"
//! condition = term {("and" | "or") term}       term = ["not"] ("(" condition ")" | predicate)
//! predicate = expression (comparison operand | ["not"] "like" operand | ["not"] "in" "(" (select | operands) ")"
//!             | ["not"] "between" operand "and" operand | "is" ["not"] "null")
//! operand   = text | number | "true" | "false" | "null" | expression | "(" select ")"
//! ```
//!
//! A quoted text is a column where only a column can stand (Zoho quotes column names), else a value.

use super::NotUnderstood;
use super::lexer::Token;

/// How deep conditions and subqueries may be nested.
const MAX_DEPTH: usize = 40;

const AGGREGATES: [&str; 5] = ["count", "sum", "avg", "min", "max"];

const KEYWORDS: [&str; 34] = [
    "select", "distinct", "from", "where", "and", "or", "not", "in", "like", "between", "is", "null", "as",
    "group", "order", "by", "having", "limit", "offset", "asc", "desc", "join", "left", "right", "inner", "outer",
    "full", "cross", "on", "union", "exists", "true", "false", "case",
];

type Parsed<T> = Result<T, NotUnderstood>;

/// One `select`, with the columns as they are written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Select {
    /// Columns whose values are in the answer, with their aliases.
    pub(super) columns: Vec<(String, Option<String>)>,
    /// Modules, with their aliases.
    pub(super) sources: Vec<(String, Option<String>)>,
    /// Columns that decide or order the answer.
    pub(super) filters: Vec<String>,
    /// The most rows; `None` where it does not say.
    pub(super) limit: Option<u32>,
    /// Queries within.
    pub(super) inner: Vec<Select>,
}

/// Parses a whole query; an error is behind how many tokens it stopped.
pub(super) fn parse(tokens: &[Token]) -> Result<Select, usize> {
    let mut parser = Parser { rest: tokens };
    let parsed = parser.select(0);
    let stopped = tokens.len() - parser.rest.len();
    parsed.ok().filter(|_| parser.rest.is_empty()).ok_or(stopped)
}

struct Parser<'a> {
    rest: &'a [Token],
}

impl Parser<'_> {
    fn select(&mut self, depth: usize) -> Parsed<Select> {
        if depth > MAX_DEPTH {
            return Err(NotUnderstood);
        }
        let mut select = Select::default();
        self.expect("select")?;
        self.keyword("distinct");
        self.items(&mut select)?;
        self.expect("from")?;
        self.sources(&mut select, depth)?;
        if self.keyword("where") {
            self.condition(&mut select, depth + 1)?;
        }
        if self.keyword("group") {
            self.columns_by(&mut select)?;
        }
        if self.keyword("having") {
            self.condition(&mut select, depth + 1)?;
        }
        if self.keyword("order") {
            self.columns_by(&mut select)?;
        }
        self.limit(&mut select)?;
        Ok(select)
    }

    fn items(&mut self, select: &mut Select) -> Parsed<()> {
        loop {
            let columns_before = select.columns.len();
            if let Some(column) = self.expression()? {
                select.columns.push((column, None));
            }
            let alias = self.alias()?;
            if let Some((_, place)) = select.columns.get_mut(columns_before) {
                *place = alias;
            }
            if !self.symbol(",") {
                return Ok(());
            }
        }
    }

    fn sources(&mut self, select: &mut Select, depth: usize) -> Parsed<()> {
        loop {
            let Some(module) = self.column() else {
                return Err(NotUnderstood);
            };
            let alias = self.alias()?;
            select.sources.push((module, alias));
            if self.keyword("on") {
                self.condition(select, depth + 1)?;
            }
            if !self.symbol(",") && !self.join()? {
                return Ok(());
            }
        }
    }

    fn join(&mut self) -> Parsed<bool> {
        let kind = ["left", "right", "inner", "full", "cross"].into_iter().any(|word| self.keyword(word));
        let outer = kind && self.keyword("outer");
        let join = self.keyword("join");
        if (kind || outer) && !join { Err(NotUnderstood) } else { Ok(join) }
    }

    fn alias(&mut self) -> Parsed<Option<String>> {
        let said = self.keyword("as");
        match self.column() {
            Some(alias) => Ok(Some(alias)),
            None if said => Err(NotUnderstood),
            None => Ok(None),
        }
    }

    fn columns_by(&mut self, select: &mut Select) -> Parsed<()> {
        self.expect("by")?;
        loop {
            select.filters.extend(self.expression()?);
            if !self.keyword("asc") {
                self.keyword("desc");
            }
            if !self.symbol(",") {
                return Ok(());
            }
        }
    }

    fn limit(&mut self, select: &mut Select) -> Parsed<()> {
        if self.keyword("limit") {
            let first = self.number()?;
            // `limit a, b` is offset and count for some servers and count and offset for others.
            let most = if self.symbol(",") { first.max(self.number()?) } else { first };
            if most == 0 {
                return Err(NotUnderstood);
            }
            select.limit = Some(most);
        }
        if self.keyword("offset") {
            self.number()?;
        }
        Ok(())
    }

    fn condition(&mut self, select: &mut Select, depth: usize) -> Parsed<()> {
        if depth > MAX_DEPTH {
            return Err(NotUnderstood);
        }
        loop {
            self.keyword("not");
            if self.symbol("(") {
                self.condition(select, depth + 1)?;
                self.close()?;
            } else {
                self.predicate(select, depth)?;
            }
            if !self.keyword("and") && !self.keyword("or") {
                return Ok(());
            }
        }
    }

    fn predicate(&mut self, select: &mut Select, depth: usize) -> Parsed<()> {
        select.filters.extend(self.expression()?);
        if self.keyword("is") {
            self.keyword("not");
            return self.expect("null");
        }
        if ["=", "!=", "<>", "<=", ">=", "<", ">"].into_iter().any(|symbol| self.symbol(symbol)) {
            return self.operand(select, depth);
        }
        self.keyword("not");
        if self.keyword("like") {
            return self.operand(select, depth);
        }
        if self.keyword("between") {
            self.operand(select, depth)?;
            self.expect("and")?;
            return self.operand(select, depth);
        }
        self.expect("in")?;
        self.list(select, depth)
    }

    fn list(&mut self, select: &mut Select, depth: usize) -> Parsed<()> {
        self.open()?;
        if self.at("select") {
            select.inner.push(self.select(depth + 1)?);
            return self.close();
        }
        loop {
            self.operand(select, depth)?;
            if !self.symbol(",") {
                return self.close();
            }
        }
    }

    fn operand(&mut self, select: &mut Select, depth: usize) -> Parsed<()> {
        if let [Token::Quoted(_) | Token::Number(_), rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(());
        }
        if ["true", "false", "null"].into_iter().any(|word| self.keyword(word)) {
            return Ok(());
        }
        if self.symbol("(") {
            select.inner.push(self.select(depth + 1)?);
            return self.close();
        }
        select.filters.extend(self.expression()?);
        Ok(())
    }

    /// Returns the column of an expression; `count(*)` has none.
    fn expression(&mut self) -> Parsed<Option<String>> {
        if let [Token::Word(function), Token::Symbol("("), rest @ ..] = self.rest {
            if !AGGREGATES.iter().any(|known| known.eq_ignore_ascii_case(function)) {
                return Err(NotUnderstood);
            }
            self.rest = rest;
            let column = if self.symbol("*") {
                None
            } else {
                self.keyword("distinct");
                Some(self.column().ok_or(NotUnderstood)?)
            };
            self.close()?;
            return Ok(column);
        }
        self.column().map(Some).ok_or(NotUnderstood)
    }

    fn column(&mut self) -> Option<String> {
        let (first, rest) = self.rest.split_first()?;
        let column = match first {
            Token::Word(word) if !KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(word)) => word,
            Token::Quoted(text) => text,
            Token::Word(_) | Token::Number(_) | Token::Symbol(_) => return None,
        };
        self.rest = rest;
        Some(column.clone())
    }

    fn number(&mut self) -> Parsed<u32> {
        let [Token::Number(digits), rest @ ..] = self.rest else {
            return Err(NotUnderstood);
        };
        self.rest = rest;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotUnderstood);
        }
        digits.parse().map_err(|_| NotUnderstood)
    }

    fn at(&self, keyword: &str) -> bool {
        matches!(self.rest.first(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword))
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let is_there = self.at(keyword);
        if is_there {
            self.rest = &self.rest[1..];
        }
        is_there
    }

    fn expect(&mut self, keyword: &str) -> Parsed<()> {
        if self.keyword(keyword) { Ok(()) } else { Err(NotUnderstood) }
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let is_there = matches!(self.rest.first(), Some(Token::Symbol(found)) if *found == symbol);
        if is_there {
            self.rest = &self.rest[1..];
        }
        is_there
    }

    fn open(&mut self) -> Parsed<()> {
        if self.symbol("(") { Ok(()) } else { Err(NotUnderstood) }
    }

    fn close(&mut self) -> Parsed<()> {
        if self.symbol(")") { Ok(()) } else { Err(NotUnderstood) }
    }
}
