//! Takes places out of a JSON text. Every other value stays as it stands, byte for byte; the lists and objects on the
//! way there are written anew, without their white space.
//!
//! Nothing is parsed further than a place leads, and a name that stands twice is met twice: so there is no second
//! reading in which something that was to be taken away is still there.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::plugin::ResponseEdit;
use crate::pointer;

/// What stands where a string was.
const REDACTED: &str = "\"[REDACTED]\"";

/// Why nothing is taken out of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CutError {
    /// It is no JSON: nothing can be found in it.
    #[error("the body is not JSON, so nothing can be taken out of it")]
    NotJson,
    /// A pointer leads into a list by a number with leading zeros: that is no place in it, and some other one is meant.
    #[error("a pointer leads into a list by a number with leading zeros, which is no place in it")]
    Index,
}

/// Returns a JSON text without what the edits take out of it; edits of headers are not looked at.
pub fn cut(body: &[u8], edits: &[ResponseEdit]) -> Result<Vec<u8>, CutError> {
    let text: &RawValue = serde_json::from_slice(body).map_err(|_| CutError::NotJson)?;
    let pointers: Vec<_> = edits.iter().filter_map(pointer).collect();
    let places: Vec<Place<'_>> = pointers.iter().map(|(steps, action)| Place { steps, action: *action }).collect();
    let mut out = String::with_capacity(body.len());
    match here(&places) {
        Some(action) => out.push_str(action.leaves(text.get()).unwrap_or("null")),
        None => below(text.get(), &places, &mut out)?,
    }
    Ok(out.into_bytes())
}

/// Returns a pointer's steps, and what happens where they lead.
fn pointer(edit: &ResponseEdit) -> Option<(Vec<String>, Action)> {
    let (pointer, action) = match edit {
        ResponseEdit::RedactJson(pointer) => (pointer, Action::Redact),
        ResponseEdit::RemoveJson(pointer) => (pointer, Action::Remove),
        ResponseEdit::RemoveHeader(_) => return None,
    };
    Some((pointer::steps(pointer).collect(), action))
}

/// What happens to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    Redact,
    Remove,
}

impl Action {
    /// Returns what is left of a value: nothing at all, where its member goes with it.
    fn leaves(self, value: &str) -> Option<&'static str> {
        match self {
            Self::Redact if value.starts_with('"') => Some(REDACTED),
            Self::Redact => Some("null"),
            Self::Remove => None,
        }
    }
}

/// Where something happens: what is left of a pointer on the way down to it.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    steps: &'a [String],
    action: Action,
}

impl Place<'_> {
    /// Returns whether the next step is a number as no list has it.
    fn is_odd(&self) -> bool {
        self.steps.first().is_some_and(|step| pointer::is_odd_index(step))
    }

    /// Returns the place as it is seen from one step below; `None` where it does not lead there.
    fn below(self, name: &str) -> Option<Self> {
        let (first, rest) = self.steps.split_first()?;
        (first == "*" || first == name).then_some(Self { steps: rest, action: self.action })
    }
}

/// Returns the strictest of what happens right here.
fn here(places: &[Place<'_>]) -> Option<Action> {
    places.iter().filter(|place| place.steps.is_empty()).map(|place| place.action).max()
}

/// Writes a value without what is taken out below it. How deep this goes, the places bound.
fn below(text: &str, places: &[Place<'_>], out: &mut String) -> Result<(), CutError> {
    let parts = match text.as_bytes().first() {
        _ if places.is_empty() => None,
        Some(b'{') => Some(serde_json::from_str::<Members<'_>>(text).map_err(|_| CutError::NotJson)?.0),
        Some(b'[') => Some(serde_json::from_str::<Items<'_>>(text).map_err(|_| CutError::NotJson)?.0),
        _ => None,
    };
    let Some(parts) = parts else {
        out.push_str(text);
        return Ok(());
    };
    let is_object = text.starts_with('{');
    if !is_object && places.iter().any(Place::is_odd) {
        return Err(CutError::Index);
    }
    out.push(if is_object { '{' } else { '[' });
    let mut is_first = true;
    for (name, value) in parts {
        let led: Vec<Place<'_>> = places.iter().filter_map(|place| place.below(&name)).collect();
        let action = here(&led);
        let left = action.map(|action| action.leaves(value.get()));
        if left == Some(None) {
            continue;
        }
        if !std::mem::take(&mut is_first) {
            out.push(',');
        }
        if is_object {
            out.push_str(&serde_json::to_string(&name).map_err(|_| CutError::NotJson)?);
            out.push(':');
        }
        match left.flatten() {
            Some(left) => out.push_str(left),
            None => below(value.get(), &led, out)?,
        }
    }
    out.push(if is_object { '}' } else { ']' });
    Ok(())
}

/// The members of an object as they stand, doubled names too.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// The elements of a list, each under its place's number.
struct Items<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Items<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push((items.len().to_string(), item));
                }
                Ok(Items(items))
            }
        }
        deserializer.deserialize_seq(Reader)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn edits(words: &[&str]) -> Vec<ResponseEdit> {
        let edit = |word: &&str| match word.split_once(' ').expect("an action and a place") {
            ("redact", place) => ResponseEdit::RedactJson(place.to_owned()),
            ("remove", place) => ResponseEdit::RemoveJson(place.to_owned()),
            other => panic!("{other:?}"),
        };
        words.iter().map(edit).collect()
    }

    #[track_caller]
    fn check(body: &str, words: &[&str], expect: &str) {
        let left = cut(body.as_bytes(), &edits(words)).expect("JSON");
        assert_eq!(String::from_utf8(left).expect("text"), expect, "{words:?}");
    }

    #[test]
    fn a_place_is_taken_out_and_every_other_value_stays_as_it_is() {
        let body = r#" {"data": [{"id":12345678901234567890123,"Email":"a@b.c","n": 1.50}, {"Email":null}] ,"info":{ "x" : [ ] }}"#;
        check(
            body,
            &["redact /data/*/Email"],
            r#"{"data":[{"id":12345678901234567890123,"Email":"[REDACTED]","n":1.50},{"Email":null}],"info":{ "x" : [ ] }}"#,
        );
        check(
            body,
            &["remove /data/*/Email", "remove /info"],
            r#"{"data":[{"id":12345678901234567890123,"n":1.50},{}]}"#,
        );
        check(body, &["remove /data/0"], r#"{"data":[{"Email":null}],"info":{ "x" : [ ] }}"#);
        check(
            body,
            &["redact /*/*/n", "redact /*/*/*"],
            r#"{"data":[{"id":null,"Email":"[REDACTED]","n":null},{"Email":null}],"info":{"x":[]}}"#,
        );
        check(
            body,
            &["redact /nowhere/at"],
            r#"{"data":[{"id":12345678901234567890123,"Email":"a@b.c","n": 1.50}, {"Email":null}],"info":{ "x" : [ ] }}"#,
        );
    }

    #[test]
    fn the_whole_body_and_members_with_odd_names_are_places_too() {
        check(r#"{"a":1}"#, &["redact "], "null");
        check(r#""a""#, &["redact "], r#""[REDACTED]""#);
        check("7", &["remove "], "null");
        check(r#"{"a/b":1,"c~d":2,"":3}"#, &["remove /a~1b", "remove /c~0d", "remove /"], "{}");
        check(r#"{"*":1,"b":2}"#, &["remove /*"], "{}");
    }

    #[test]
    fn removing_wins_over_redacting() {
        check(r#"{"a":"x","b":"y"}"#, &["redact /a", "remove /a", "redact /b"], r#"{"b":"[REDACTED]"}"#);
    }

    #[test]
    fn a_name_that_stands_twice_or_is_escaped_is_met_every_time() {
        check(r#"{"Email":"1","\u0045mail":"2","Email":{"Email":"3"}}"#, &["remove /Email"], "{}");
        check(
            r#"{"d":{"Email":"1"},"d":{"Email":"2"}}"#,
            &["redact /d/Email"],
            r#"{"d":{"Email":"[REDACTED]"},"d":{"Email":"[REDACTED]"}}"#,
        );
    }

    #[test]
    fn in_what_is_no_json_nothing_is_found() {
        for body in ["", "<html>", "{", r#"{"a":1} {"a":2}"#, "{\"a\":1}\n{\"a\":2}", "\u{feff}{}", "NaN"] {
            assert_eq!(cut(body.as_bytes(), &edits(&["redact /a"])), Err(CutError::NotJson), "{body}");
        }
        assert_eq!(cut(b"{\"a\":\"\xff\"}", &edits(&["redact /a"])), Err(CutError::NotJson));
    }

    #[test]
    fn number_with_leading_zeros_is_no_place_in_a_list_and_a_name_in_an_object() {
        let cut_of = |body: &str, place: &str| cut(body.as_bytes(), &edits(&[place]));
        for (body, place) in [
            (r#"{"data":[{"Email":"a"}]}"#, "redact /data/00/Email"),
            (r#"{"data":[]}"#, "remove /data/01"),
            (r#"{"x":{"data":[1]}}"#, "redact /*/data/000"),
        ] {
            assert_eq!(cut_of(body, place), Err(CutError::Index), "{place}");
        }
        check(r#"{"data":{"00":{"Email":"a"}}}"#, &["remove /data/00/Email"], r#"{"data":{"00":{}}}"#);
        check(r#"{"data":"a"}"#, &["remove /data/00/Email"], r#"{"data":"a"}"#);
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<i64>().prop_map(Into::into),
            "[a-c/~\"\\\\]{0,4}".prop_map(Into::into)
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::Array),
                prop::collection::vec(("[a-c]", inner), 0..4)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// What was to go is gone, by the reading that every other part of the host has of such a pointer.
        #[test]
        fn what_is_taken_out_is_gone_and_the_rest_is_json(
            value in json(),
            steps in prop::collection::vec(prop_oneof![Just("*"), Just("a"), Just("b"), Just("0")], 1..4),
        ) {
            let pointer = format!("/{}", steps.join("/"));
            let gone = cut(value.to_string().as_bytes(), &[ResponseEdit::RedactJson(pointer.clone())]).expect("JSON");
            let left: serde_json::Value = serde_json::from_slice(&gone).expect("JSON");
            for found in crate::classify::places::at(&left, &pointer) {
                prop_assert!(found.is_null() || found == "[REDACTED]", "{found} at {pointer}");
            }
        }
    }
}
