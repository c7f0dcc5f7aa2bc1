//! The Google Ads Query Language: the part of it that is played, and an error for the rest.

use super::failure::AdsError;

/// A query.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    pub fields: Vec<String>,
    pub from: Option<String>,
    pub conditions: Vec<Condition>,
    /// Each with whether it descends.
    pub order: Vec<(String, bool)>,
    pub limit: Option<usize>,
}

/// One condition of `WHERE`; all must hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub field: String,
    pub operator: Operator,
    pub values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Between,
    During,
    Equals,
    Greater,
    GreaterOrEqual,
    In,
    IsNotNull,
    IsNull,
    Less,
    LessOrEqual,
    Like,
    NotEquals,
    NotIn,
    NotLike,
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Symbol(String),
}

/// Reads a query.
pub(crate) fn parse(text: &str) -> Result<Query, AdsError> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0 };
    let query = parser.query()?;
    match parser.tokens.get(parser.next) {
        None => Ok(query),
        Some(token) => Err(bad("UNEXPECTED_INPUT", &format!("unexpected input {token:?}"))),
    }
}

pub(crate) fn bad(code: &'static str, message: &str) -> AdsError {
    AdsError::new("queryError", code, format!("Error in query: {message}."))
}

fn tokens(text: &str) -> Result<Vec<Token>, AdsError> {
    let mut tokens = Vec::new();
    let mut characters = text.chars().peekable();
    while let Some(first) = characters.next() {
        match first {
            character if character.is_whitespace() => {}
            '\'' | '"' => {
                let mut inner = String::new();
                loop {
                    match characters.next() {
                        None => return Err(bad("BAD_SYMBOL", "a string does not end")),
                        Some('\\') => inner.extend(characters.next()),
                        Some(character) if character == first => break,
                        Some(character) => inner.push(character),
                    }
                }
                tokens.push(Token::Text(inner));
            }
            ',' | '(' | ')' => tokens.push(Token::Symbol(first.to_string())),
            '=' | '<' | '>' | '!' => {
                let mut symbol = first.to_string();
                symbol.extend(characters.next_if_eq(&'='));
                tokens.push(Token::Symbol(symbol));
            }
            character if is_word(character) => {
                let mut word = character.to_string();
                while let Some(next) = characters.next_if(|next| is_word(*next)) {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
            other => return Err(bad("BAD_SYMBOL", &format!("unexpected character {other}"))),
        }
    }
    Ok(tokens)
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '-' | '/' | '~' | '%')
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
}

impl Parser {
    fn query(&mut self) -> Result<Query, AdsError> {
        let mut query = Query::default();
        if !self.keyword("SELECT") {
            return Err(bad("EXPECTED_SELECT", "a query starts with SELECT"));
        }
        query.fields = self.list(Parser::word)?;
        if self.keyword("FROM") {
            query.from = Some(self.word()?);
        }
        if self.keyword("WHERE") {
            query.conditions.push(self.condition()?);
            while self.keyword("AND") {
                query.conditions.push(self.condition()?);
            }
        }
        if self.keyword("ORDER") {
            if !self.keyword("BY") {
                return Err(bad("EXPECTED_BY", "ORDER needs BY"));
            }
            query.order = self.list(Parser::order)?;
        }
        if self.keyword("LIMIT") {
            let limit = self.word()?.parse().ok().filter(|limit| *limit > 0);
            query.limit = Some(limit.ok_or_else(|| bad("BAD_LIMIT_VALUE", "a limit is a number above zero"))?);
        }
        // `PARAMETERS include_drafts=true` and the like change nothing that is played.
        if self.keyword("PARAMETERS") {
            self.next = self.tokens.len();
        }
        Ok(query)
    }

    fn order(&mut self) -> Result<(String, bool), AdsError> {
        let field = self.word()?;
        let descends = self.keyword("DESC");
        if !descends {
            self.keyword("ASC");
        }
        Ok((field, descends))
    }

    fn condition(&mut self) -> Result<Condition, AdsError> {
        let field = self.word()?;
        let operator = self.operator()?;
        let values = match operator {
            Operator::IsNull | Operator::IsNotNull => Vec::new(),
            Operator::In | Operator::NotIn => {
                self.symbol("(")?;
                let values = self.list(Parser::value)?;
                self.symbol(")")?;
                values
            }
            Operator::Between => {
                let low = self.value()?;
                if !self.keyword("AND") {
                    return Err(bad("EXPECTED_AND", "BETWEEN needs AND"));
                }
                vec![low, self.value()?]
            }
            Operator::During
            | Operator::Equals
            | Operator::Greater
            | Operator::GreaterOrEqual
            | Operator::Less
            | Operator::LessOrEqual
            | Operator::Like
            | Operator::NotEquals
            | Operator::NotLike => vec![self.value()?],
        };
        Ok(Condition { field, operator, values })
    }

    fn operator(&mut self) -> Result<Operator, AdsError> {
        let no_such = || bad("BAD_OPERATOR", "no such operator");
        if let Some(Token::Symbol(symbol)) = self.tokens.get(self.next) {
            let operator = match symbol.as_str() {
                "=" => Operator::Equals,
                "!=" => Operator::NotEquals,
                "<" => Operator::Less,
                "<=" => Operator::LessOrEqual,
                ">" => Operator::Greater,
                ">=" => Operator::GreaterOrEqual,
                _ => return Err(no_such()),
            };
            self.next += 1;
            return Ok(operator);
        }
        if self.keyword("IS") {
            let not = self.keyword("NOT");
            if !self.keyword("NULL") {
                return Err(no_such());
            }
            return Ok(if not { Operator::IsNotNull } else { Operator::IsNull });
        }
        let not = self.keyword("NOT");
        let known = [
            ("IN", Operator::In, Some(Operator::NotIn)),
            ("LIKE", Operator::Like, Some(Operator::NotLike)),
            ("DURING", Operator::During, None),
            ("BETWEEN", Operator::Between, None),
        ];
        let found = known.into_iter().find(|(word, _, _)| self.keyword(word));
        let (_, plain, negated) = found.ok_or_else(no_such)?;
        if not { negated.ok_or_else(no_such) } else { Ok(plain) }
    }

    fn list<T>(&mut self, item: fn(&mut Parser) -> Result<T, AdsError>) -> Result<Vec<T>, AdsError> {
        let mut items = vec![item(self)?];
        while self.tokens.get(self.next) == Some(&Token::Symbol(",".to_owned())) {
            self.next += 1;
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn keyword(&mut self, word: &str) -> bool {
        let here =
            matches!(self.tokens.get(self.next), Some(Token::Word(text)) if text.eq_ignore_ascii_case(word));
        self.next += usize::from(here);
        here
    }

    fn symbol(&mut self, symbol: &str) -> Result<(), AdsError> {
        match self.tokens.get(self.next) {
            Some(Token::Symbol(text)) if text == symbol => {
                self.next += 1;
                Ok(())
            }
            _ => Err(bad("EXPECTED_LIST", &format!("expected {symbol}"))),
        }
    }

    fn word(&mut self) -> Result<String, AdsError> {
        match self.tokens.get(self.next) {
            Some(Token::Word(text)) => {
                self.next += 1;
                Ok(text.clone())
            }
            Some(token) => Err(bad("UNEXPECTED_INPUT", &format!("unexpected input {token:?}"))),
            None => Err(bad("UNEXPECTED_END_OF_QUERY", "the query ends early")),
        }
    }

    fn value(&mut self) -> Result<String, AdsError> {
        if let Some(Token::Text(text)) = self.tokens.get(self.next) {
            self.next += 1;
            return Ok(text.clone());
        }
        self.word()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str, code: &str) {
        assert_eq!(parse(text).unwrap_err().code, ("queryError", code), "{text}");
    }

    #[test]
    fn a_query_is_read_in_all_its_parts() {
        let text = "select campaign.id, campaign.name FROM campaign WHERE campaign.status != 'REMOVED' \
            AND campaign.id IN (1, 2) AND campaign.name NOT LIKE \"%a, b%\" ORDER BY campaign.id DESC, \
            campaign.name LIMIT 5";
        let query = parse(text).unwrap();
        assert_eq!(query.fields, ["campaign.id", "campaign.name"]);
        assert_eq!(query.from.as_deref(), Some("campaign"));
        let operators: Vec<Operator> = query.conditions.iter().map(|condition| condition.operator).collect();
        assert_eq!(operators, [Operator::NotEquals, Operator::In, Operator::NotLike]);
        assert_eq!(query.conditions[1].values, ["1", "2"]);
        assert_eq!(query.conditions[2].values, ["%a, b%"]);
        assert_eq!(query.order, [("campaign.id".to_owned(), true), ("campaign.name".to_owned(), false)]);
        assert_eq!(query.limit, Some(5));
    }

    #[test]
    fn what_is_no_query_is_refused() {
        refused("campaign.id FROM campaign", "EXPECTED_SELECT");
        refused("SELECT campaign.id FROM", "UNEXPECTED_END_OF_QUERY");
        refused("SELECT campaign.id FROM campaign WHERE campaign.id ~ 1", "BAD_OPERATOR");
        refused("SELECT campaign.id FROM campaign WHERE campaign.id = 1 OR campaign.id = 2", "UNEXPECTED_INPUT");
        refused("SELECT campaign.id FROM campaign LIMIT 0", "BAD_LIMIT_VALUE");
        refused("SELECT campaign.id FROM campaign; DROP", "BAD_SYMBOL");
    }
}
