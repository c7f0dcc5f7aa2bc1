//! Strict JSON: what parsers read in different ways is refused.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Why a text is not JSON with one reading.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the body is not JSON with one reading: {0}")]
pub struct JsonProblem(String);

/// The most digits that two readers of a double agree about (IEEE 754-2019 section 5.12.2: 17 tell each of them apart).
const MOST_DIGITS: usize = 17;

/// Parses JSON and refuses duplicate keys, numbers out of range or with more digits than readers keep, a byte order mark, trailing
/// bytes and nesting beyond 128 levels (`serde_json`'s limit).
pub fn parse_strict(bytes: &[u8]) -> Result<Value, JsonProblem> {
    let parsed = serde_json::from_slice::<Strict>(bytes).map_err(|error| {
        // `serde_json` names line and column, never the text; our own messages name no value either.
        JsonProblem(error.to_string())
    })?;
    if numbers(bytes).any(|number| !is_kept(number)) {
        // Who approves it would be shown another one, and a provider may well read the one that was written (RFC 8259 section 6).
        return Err(JsonProblem(
            "a number has more digits than every reader keeps: send it as a string".to_owned(),
        ));
    }
    Ok(parsed.0)
}

/// Returns the numbers in a text that is JSON, as they are written.
fn numbers(json: &[u8]) -> impl Iterator<Item = &str> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(&byte) = json.get(at) {
            let from = at;
            at += 1;
            match byte {
                b'"' => at = end_of_string(json, at),
                b'-' | b'0'..=b'9' => {
                    let is_part = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
                    at += json[at..].iter().take_while(is_part).count();
                    return std::str::from_utf8(&json[from..at]).ok();
                }
                _ => {}
            }
        }
        None
    })
}

/// Returns where a string ends whose first character is at `at`.
fn end_of_string(json: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = json.get(at) {
        at += if byte == b'\\' { 2 } else { 1 };
        if byte == b'"' {
            break;
        }
    }
    at
}

/// Returns whether a number is the same one after it was read: as an integer of 64 bits, or in the digits of a double.
fn is_kept(number: &str) -> bool {
    if number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok() {
        return true;
    }
    let written = significant(number);
    let Ok(double) = number.parse::<f64>() else { return false };
    // As the shortest text that is read as the same double, which writers make; or rounded to as many digits.
    let shortest = significant(&format!("{double:e}"));
    let rounded = || significant(&format!("{:.*e}", written.len().saturating_sub(1), double));
    written == shortest || (written.len() <= MOST_DIGITS && written == rounded())
}

/// Returns a number's digits without sign, point, exponent, and the zeros around them.
fn significant(number: &str) -> String {
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').to_owned()
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        serde_json::Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let Strict(value) = entries.next_value()?;
            if map.insert(key, value).is_some() {
                return Err(A::Error::custom("a key stands twice in one object"));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a20_duplicate_keys_depth_and_oddities_are_refused() {
        let deep = "[".repeat(100_000);
        for bad in
            [r#"{"a":1,"a":2}"#, r#"{"a":{"b":1,"\u0062":2}}"#, "\u{feff}{}", "{} x", "NaN", "1e999", "", &deep]
        {
            assert!(parse_strict(bad.as_bytes()).is_err(), "accepted {}", &bad[..bad.len().min(40)]);
        }
        for bad in [
            "5033330000000400109.0",
            "9007199254740993.0",
            "18446744073709551616",
            "1e-400",
            "0.12345678901234567890",
        ] {
            let body = format!(r#"{{"a":["x\\",{bad}]}}"#);
            let problem = parse_strict(body.as_bytes()).expect_err(bad);
            assert!(problem.to_string().contains("send it as a string"), "{problem}");
        }
        let good = r#"{"1e999\"2":[18446744073709551615,-9223372036854775808,0,-0,0.10000000000000001,5.684341886080802e-14,1.50,12e300,1E-5,100000000000000000000000]}"#;
        assert_eq!(parse_strict(good.as_bytes()).expect("json")["1e999\"2"][0], u64::MAX);
        assert_eq!(parse_strict(br#"{"a":[1,2.5,null,true,"x"]}"#).expect("json")["a"][0], 1);
    }
}
