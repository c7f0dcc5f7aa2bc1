//! Search criteria: `((Last_Name:equals:Weber)and(City:starts_with:Ber))`.

use serde_json::json;

use super::compare::{Check, Test};
use crate::wire::Reply;

/// Reads criteria.
pub(crate) fn parse(criteria: &str) -> Result<Test, Reply> {
    let mut reader = Reader { rest: criteria.trim() };
    let test = reader.expression()?;
    if reader.rest.is_empty() { Ok(test) } else { Err(invalid()) }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn expression(&mut self) -> Result<Test, Reply> {
        let mut any = Vec::new();
        let mut all = vec![self.term()?];
        loop {
            if self.take_word("and") {
                all.push(self.term()?);
            } else if self.take_word("or") {
                any.push(join_all(all));
                all = vec![self.term()?];
            } else {
                any.push(join_all(all));
                return Ok(if any.len() == 1 { any.remove(0) } else { Test::Any(any) });
            }
        }
    }

    fn term(&mut self) -> Result<Test, Reply> {
        self.rest = self.rest.trim_start().strip_prefix('(').ok_or_else(invalid)?;
        let test = if self.rest.trim_start().starts_with('(') { self.expression()? } else { self.condition()? };
        self.rest = self.rest.trim_start().strip_prefix(')').ok_or_else(invalid)?.trim_start();
        Ok(test)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let head = self.rest.get(..word.len()).filter(|head| head.eq_ignore_ascii_case(word));
        let follows = head.is_some() && self.rest[word.len()..].trim_start().starts_with('(');
        if follows {
            self.rest = self.rest[word.len()..].trim_start();
        }
        follows
    }

    /// Reads `Field:operator:value` up to the closing parenthesis; a backslash keeps the next character.
    fn condition(&mut self) -> Result<Test, Reply> {
        let (path, rest) = self.rest.split_once(':').ok_or_else(invalid)?;
        let (operator, rest) = rest.split_once(':').ok_or_else(invalid)?;
        let mut values = vec![String::new()];
        let mut characters = rest.char_indices();
        let end = loop {
            let (index, character) = characters.next().ok_or_else(invalid)?;
            let last = values.len() - 1;
            match character {
                ')' => break index,
                '\\' => values[last].extend(characters.next().map(|(_, kept)| kept)),
                ',' => values.push(String::new()),
                other => values[last].push(other),
            }
        };
        self.rest = &rest[end..];
        Ok(Test::Field { path: path.trim().to_owned(), check: check(operator.trim(), values)? })
    }
}

fn check(operator: &str, values: Vec<String>) -> Result<Check, Reply> {
    let one = values.join(",");
    let two = || match values.as_slice() {
        [low, high] => Ok((low.clone(), high.clone())),
        _ => Err(invalid()),
    };
    Ok(match operator {
        "equals" => Check::In(vec![one]),
        "not_equal" | "not_equals" => Check::NotIn(vec![one]),
        "in" => Check::In(values),
        "not_in" => Check::NotIn(values),
        "starts_with" => Check::StartsWith(one),
        "ends_with" => Check::EndsWith(one),
        "contains" => Check::Contains(one),
        "less_than" => Check::Less(one),
        "less_equal" => Check::LessOrEqual(one),
        "greater_than" => Check::Greater(one),
        "greater_equal" => Check::GreaterOrEqual(one),
        "between" => two().map(|(low, high)| Check::Between(low, high))?,
        _ => return Err(invalid()),
    })
}

fn join_all(mut tests: Vec<Test>) -> Test {
    if tests.len() == 1 { tests.remove(0) } else { Test::All(tests) }
}

fn invalid() -> Reply {
    Reply::error(400, "INVALID_QUERY", "Invalid query formed", json!({"param_name": "criteria"}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equals(path: &str, value: &str) -> Test {
        Test::Field { path: path.into(), check: Check::In(vec![value.into()]) }
    }

    #[test]
    fn criteria_nest() {
        let parsed = parse("((A:equals:1)and((B:equals:2)or(C:equals:x\\)y)))").ok();
        let inner = Test::Any(vec![equals("B", "2"), equals("C", "x)y")]);
        assert_eq!(parsed, Some(Test::All(vec![equals("A", "1"), inner])));
        assert_eq!(parse("(A:equals:1)").ok(), Some(equals("A", "1")));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "A:equals:1", "(A:equals:1", "(A:like:1)", "(A:equals:1)and", "((A:equals:1)"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
