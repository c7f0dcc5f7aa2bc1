//! The text of a COQL query, read into its parts.

use super::compare::{Check, Test};
use super::tokens::{Token, syntax, tokens};
use crate::wire::Reply;

/// A query.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Query {
    pub columns: Vec<Column>,
    pub module: String,
    pub test: Test,
    /// Subqueries of `in (select …)`, by the path that they stand for.
    pub subqueries: Vec<(String, Query)>,
    pub group_by: Vec<String>,
    /// Path, and whether descending.
    pub order_by: Vec<(String, bool)>,
    pub limit: usize,
    pub offset: usize,
}

/// A selected column, perhaps aggregated.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub path: String,
    /// `count`, `sum`, `avg`, `min` or `max`.
    pub aggregate: Option<String>,
    pub alias: String,
}

/// Reads a query.
pub(crate) fn parse(text: &str) -> Result<Query, Reply> {
    let mut reader = Reader { tokens: tokens(text)?, next: 0, subqueries: Vec::new() };
    let query = reader.query()?;
    if reader.next == reader.tokens.len() { Ok(query) } else { Err(syntax("end")) }
}

struct Reader {
    tokens: Vec<Token>,
    next: usize,
    subqueries: Vec<(String, Query)>,
}

impl Reader {
    fn query(&mut self) -> Result<Query, Reply> {
        let outer = std::mem::take(&mut self.subqueries);
        self.expect("select")?;
        let columns = self.columns()?;
        self.expect("from")?;
        let module = self.word("from")?;
        self.expect("where")?;
        let test = self.any()?;
        let mut query = Query {
            columns,
            module,
            test,
            subqueries: std::mem::replace(&mut self.subqueries, outer),
            group_by: Vec::new(),
            order_by: Vec::new(),
            limit: 200,
            offset: 0,
        };
        self.tail(&mut query)?;
        Ok(query)
    }

    fn tail(&mut self, query: &mut Query) -> Result<(), Reply> {
        if self.take("group") {
            self.expect("by")?;
            query.group_by.push(self.word("group by")?);
            while self.symbol(",") {
                query.group_by.push(self.word("group by")?);
            }
        }
        if self.take("order") {
            self.expect("by")?;
            loop {
                let path = self.word("order by")?;
                let descending = self.take("desc");
                if !descending {
                    self.take("asc");
                }
                query.order_by.push((path, descending));
                if !self.symbol(",") {
                    break;
                }
            }
        }
        if self.take("limit") {
            query.limit = self.number("limit")?;
            // `limit a, b` skips a and takes b.
            if self.symbol(",") {
                query.offset = query.limit;
                query.limit = self.number("limit")?;
            }
        }
        if self.take("offset") {
            query.offset = self.number("offset")?;
        }
        Ok(())
    }

    fn columns(&mut self) -> Result<Vec<Column>, Reply> {
        let mut columns = Vec::new();
        loop {
            let mut path = self.word("select")?;
            let mut aggregate = None;
            if self.symbol("(") {
                aggregate = Some(path.to_ascii_lowercase());
                path = self.word("select")?;
                self.need_symbol(")")?;
            }
            let default =
                aggregate.as_ref().map_or_else(|| path.clone(), |name| format!("{}({path})", name.to_uppercase()));
            let alias = if self.take("as") { self.word("alias")? } else { default };
            columns.push(Column { path, aggregate, alias });
            if !self.symbol(",") {
                return Ok(columns);
            }
        }
    }

    fn any(&mut self) -> Result<Test, Reply> {
        let mut tests = vec![self.all()?];
        while self.take("or") {
            tests.push(self.all()?);
        }
        Ok(if tests.len() == 1 { tests.remove(0) } else { Test::Any(tests) })
    }

    fn all(&mut self) -> Result<Test, Reply> {
        let mut tests = vec![self.one()?];
        while self.take("and") {
            tests.push(self.one()?);
        }
        Ok(if tests.len() == 1 { tests.remove(0) } else { Test::All(tests) })
    }

    fn one(&mut self) -> Result<Test, Reply> {
        if self.symbol("(") {
            let test = self.any()?;
            self.need_symbol(")")?;
            return Ok(test);
        }
        let path = self.word("where")?;
        let check = self.check(&path)?;
        Ok(Test::Field { path, check })
    }

    fn check(&mut self, path: &str) -> Result<Check, Reply> {
        if self.take("is") {
            let negated = self.take("not");
            self.expect("null")?;
            return Ok(if negated { Check::IsNotNull } else { Check::IsNull });
        }
        if self.take("not") {
            return Ok(Check::Not(Box::new(self.check(path)?)));
        }
        if self.take("in") {
            return self.members(path);
        }
        if self.take("between") {
            let low = self.literal()?;
            self.expect("and")?;
            return Ok(Check::Between(low, self.literal()?));
        }
        if self.take("like") {
            return Ok(like(&self.literal()?));
        }
        let Some(Token::Symbol(symbol)) = self.tokens.get(self.next).cloned() else {
            return Err(syntax("where"));
        };
        self.next += 1;
        let value = self.literal()?;
        Ok(match symbol {
            "=" => Check::In(vec![value]),
            "!=" | "<>" => Check::NotIn(vec![value]),
            "<" => Check::Less(value),
            "<=" => Check::LessOrEqual(value),
            ">" => Check::Greater(value),
            ">=" => Check::GreaterOrEqual(value),
            _ => return Err(syntax("where")),
        })
    }

    fn members(&mut self, path: &str) -> Result<Check, Reply> {
        self.need_symbol("(")?;
        if self.peek("select") {
            let query = self.query()?;
            self.need_symbol(")")?;
            let mark = format!("\u{0}subquery {}", self.subqueries.len());
            self.subqueries.push((path.to_owned(), query));
            return Ok(Check::In(vec![mark]));
        }
        let mut values = vec![self.literal()?];
        while self.symbol(",") {
            values.push(self.literal()?);
        }
        self.need_symbol(")")?;
        Ok(Check::In(values))
    }

    fn peek(&self, word: &str) -> bool {
        matches!(self.tokens.get(self.next), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word))
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.peek(word);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, word: &str) -> Result<(), Reply> {
        if self.take(word) { Ok(()) } else { Err(syntax(word)) }
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.tokens.get(self.next), Some(Token::Symbol(found)) if *found == symbol);
        self.next += usize::from(found);
        found
    }

    fn need_symbol(&mut self, symbol: &str) -> Result<(), Reply> {
        if self.symbol(symbol) { Ok(()) } else { Err(syntax(symbol)) }
    }

    fn word(&mut self, clause: &str) -> Result<String, Reply> {
        match self.tokens.get(self.next) {
            Some(Token::Word(word)) => {
                self.next += 1;
                Ok(word.clone())
            }
            _ => Err(syntax(clause)),
        }
    }

    fn literal(&mut self) -> Result<String, Reply> {
        let Some(Token::Word(value) | Token::Text(value)) = self.tokens.get(self.next) else {
            return Err(syntax("where"));
        };
        self.next += 1;
        Ok(value.clone())
    }

    fn number(&mut self, clause: &str) -> Result<usize, Reply> {
        self.word(clause)?.parse().map_err(|_| syntax(clause))
    }
}

fn like(pattern: &str) -> Check {
    let (starts, ends) = (pattern.starts_with('%'), pattern.ends_with('%'));
    let text = pattern.trim_matches('%').to_owned();
    match (starts, ends) {
        (true, true) => Check::Contains(text),
        (true, false) => Check::EndsWith(text),
        (false, true) => Check::StartsWith(text),
        (false, false) => Check::In(vec![text]),
    }
}
