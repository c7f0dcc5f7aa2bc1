//! What of an answer can say how it went. A list of records is mostly data that no rule looks at: it is skipped, not kept, so that
//! reading an answer costs a fraction of it in time and next to nothing in memory.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::pointer;
use crate::service::AnswerRules;

/// Returns the JSON of a body without what [`read_answer`](super::read_answer) never looks at; `None` where it is no JSON.
///
/// Kept whole are members of the top object, or of the objects in a top list, that a rule names; of every other list the objects,
/// with their code and status. What is skipped is checked for its form only: numbers that are too large for any type, half surrogates
/// (providers cut texts) and any depth of nesting do not make the whole no JSON there.
pub(super) fn outline(rules: &AnswerRules, body: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(body).ok()?;
    let looked_at = &rules.looked_at;
    let place = if looked_at.everything { Place::Whole } else { Place::Top };
    let mut reader = serde_json::Deserializer::from_str(text);
    let outline = At { place, looked_at }.deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(outline)
}

/// Which members of an answer some rule looks at. It follows from the rules, and is made once with them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LookedAt {
    /// Of objects in lists.
    of_items: Vec<String>,
    /// At the top.
    of_top: Vec<String>,
    /// A pointer is the whole answer, or begins with a place in a list.
    everything: bool,
}

impl LookedAt {
    /// Finds them.
    pub(crate) fn by(rules: &AnswerRules) -> Self {
        let of_items: Vec<String> = [&rules.code_field].into_iter().chain(&rules.status_field).cloned().collect();
        let code_pointer = Some(&rules.code_field).filter(|code| code.starts_with('/'));
        let pointers = [&rules.error_pointers, &rules.partial_pointers, &rules.retry_after_pointers];
        let pointers = pointers.into_iter().flatten().chain(code_pointer);
        let first_steps: Vec<Option<String>> = pointers.map(|pointer| pointer::steps(pointer).next()).collect();
        let is_place_in_list = |step: &String| step.bytes().all(|byte| byte.is_ascii_digit());
        let everything = first_steps.iter().any(|step| step.as_ref().is_none_or(is_place_in_list));
        let of_top = of_items.iter().cloned().chain(first_steps.into_iter().flatten()).collect();
        Self { of_items, of_top, everything }
    }
}

/// Where in the answer a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is the answer.
    Top,
    /// It is an item of the list that is the answer.
    TopItem,
    /// It is a member of the top object that no rule names: results, if it is a list.
    Member,
    /// It is an item of a list below.
    Item,
    /// It is kept as it is.
    Whole,
}

/// Reads a value at its place.
#[derive(Clone, Copy)]
struct At<'a> {
    place: Place,
    looked_at: &'a LookedAt,
}

impl At<'_> {
    /// Returns the place of a member of an object here; `None`: it is skipped.
    fn of_member(self, name: &str) -> Option<Place> {
        let is_of_items = || self.looked_at.of_items.iter().any(|member| member == name);
        let is_of_top = || self.looked_at.of_top.iter().any(|member| member == name);
        match self.place {
            Place::Top if is_of_top() => Some(Place::Whole),
            Place::Top => Some(Place::Member),
            Place::TopItem => is_of_top().then_some(Place::Whole),
            Place::Item => is_of_items().then_some(Place::Whole),
            Place::Member | Place::Whole => None,
        }
    }
}

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        match self.place {
            Place::Whole => serde::Deserialize::deserialize(reader),
            _ => reader.deserialize_any(self),
        }
    }
}

/// A value that is neither list nor object says nothing where it is not named.
impl<'de> Visitor<'de> for At<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let place = if self.place == Place::Top { Place::TopItem } else { Place::Item };
        let item = At { place, ..self };
        let mut items = Vec::new();
        while let Some(value) = seq.next_element_seed(item)? {
            items.push(value);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(member) = map.next_key_seed(Name(self))? {
            match member {
                // Of a name that stands twice, the last counts, as in any map.
                Some((name, place)) => drop(members.insert(name, map.next_value_seed(At { place, ..self })?)),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Value::Object(members))
    }
}

/// Reads a member's name, and keeps it where its value is looked at.
struct Name<'a>(At<'a>);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<(String, Place)>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<(String, Place)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.of_member(name).map(|place| (name.to_owned(), place)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::answer::read;
    use crate::service::parse;

    /// The rules of services that name their places each in another way, and some with pointers that lead anywhere.
    fn rules() -> &'static [AnswerRules] {
        static RULES: LazyLock<Vec<AnswerRules>> = LazyLock::new(|| {
            let texts = [
                include_str!("../../../services/zoho-crm.toml"),
                include_str!("../../../services/zoho-workdrive.toml"),
                include_str!("../../../services/google-ads.toml"),
                include_str!("../../../services/meta-ads.toml"),
            ];
            let named: Vec<_> = texts.map(|text| parse(text, "a service").expect("the definition").answer).into();
            let anywhere = ["", "/0/error", "/*/error"].map(|pointer| {
                let mut rules = named[0].clone();
                rules.error_pointers = vec![pointer.to_owned()];
                AnswerRules { looked_at: LookedAt::by(&rules), ..rules }
            });
            named.into_iter().chain(anywhere).collect()
        });
        &RULES
    }

    #[test]
    fn of_records_nothing_is_kept_but_what_says_how_it_went() {
        let body = json!({
            "data": [{"id": "1", "status": "open", "Owner": {"code": "x", "name": "y"}}, ["a", {"code": "A"}], 7, "b"],
            "info": {"count": 2, "code": "z"},
            "code": {"whole": [1, 2]},
            "message": "a sentence",
        });
        let kept = outline(&rules()[0], body.to_string().as_bytes()).expect("JSON");
        let expect = json!({
            "data": [{"status": "open"}, [null, {"code": "A"}], null, null],
            "info": {},
            "code": {"whole": [1, 2]},
            "message": null,
        });
        assert_eq!(kept, expect);
    }

    #[test]
    fn what_is_no_json_has_no_outline() {
        for body in ["", "<html>", "{", r#"{"a":1} {"a":2}"#, r#"{"a":01}"#, "[1,]", "NaN"] {
            assert_eq!(outline(&rules()[0], body.as_bytes()), None, "{body}");
        }
        assert_eq!(outline(&rules()[0], b"{\"data\":\"\xff\"}"), None);
        // Only its form is looked at where it is skipped.
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        for skipped in ["1e999", r#""cut off \ud83d""#, &deep] {
            let body = format!(r#"{{"data":[{{"n":{skipped}}}]}}"#);
            assert_eq!(outline(&rules()[0], body.as_bytes()), Some(json!({"data": [{}]})), "{skipped}");
        }
    }

    fn name() -> impl Strategy<Value = String> {
        let names = [
            "code",
            "status",
            "error",
            "errors",
            "data",
            "results",
            "partialFailureError",
            "details",
            "id",
            "0",
            "*",
            "/error/code",
            "",
        ];
        prop::sample::select(names.to_vec()).prop_map(str::to_owned)
    }

    /// JSON texts, since a map could not have a name twice.
    fn text() -> impl Strategy<Value = String> {
        let words = ["success", "error", "SUCCESS", "SCHEDULED", "INVALID_TOKEN", "30s", "x"];
        let leaf = prop_oneof![
            Just("null".to_owned()),
            (-3_i64..500).prop_map(|number| number.to_string()),
            prop::sample::select(words.to_vec()).prop_map(|word| format!("{word:?}")),
        ];
        leaf.prop_recursive(5, 64, 5, |inner| {
            let member = (name(), inner.clone()).prop_map(|(name, value)| format!("{name:?}:{value}"));
            prop_oneof![
                prop::collection::vec(inner, 0..5).prop_map(|items| format!("[{}]", items.join(","))),
                prop::collection::vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(","))),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Whatever an answer is, it is read as if all of it were kept.
        #[test]
        fn an_outline_says_what_the_whole_says(text in text(), status in 200_u16..500) {
            let whole: Option<Value> = serde_json::from_str(&text).ok();
            for rules in rules() {
                let by_whole = read(rules, status, whole.as_ref(), || whole.clone());
                let by_outline = read(rules, status, outline(rules, text.as_bytes()).as_ref(), || whole.clone());
                prop_assert_eq!(by_outline, by_whole, "{}", text);
            }
        }
    }
}
