//! What a person is shown before they confirm something: its digest is a part of the word that stands for it, which is what they confirm
//! and an operator signs. So whatever answers at the admin socket cannot show one thing and have another confirmed.

use serde_json::{Map, Value};
use wardlock_core::id::Digest;

/// Returns the word for what is confirmed, `what` by the host's own name for it, with what was shown of it.
pub fn naming(what: &str, shown: &Value) -> String {
    format!("{what}-{}", digest(shown))
}

/// Returns whether a word stands for what is shown here.
pub fn is_named(word: &str, shown: &Value) -> bool {
    word.rsplit_once('-').is_some_and(|(_, of)| of == digest(shown).to_string())
}

/// Returns these members, in their order.
pub fn only(of: &Value, names: &[&str]) -> Value {
    members(of, |name| names.contains(&name))
}

/// Returns all others, in their order. What has no members (a list, a word) has none of these either, and stays as it is.
pub fn without(of: &Value, names: &[&str]) -> Value {
    if of.is_object() { members(of, |name| !names.contains(&name)) } else { of.clone() }
}

fn members(of: &Value, is_wanted: impl Fn(&str) -> bool) -> Value {
    let wanted = of.as_object().into_iter().flatten().filter(|(name, _)| is_wanted(name));
    wanted.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>().into()
}

fn digest(shown: &Value) -> Digest {
    // Strings and numbers always render, and members keep their order over the socket.
    Digest::of(&serde_json::to_vec(shown).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_word_stands_for_what_was_shown_and_nothing_else() {
        let shown = json!({ "writes": "draft", "will_be_able_to": ["a", 1, null] });
        let word = naming("3-ab", &shown);
        let again: Value = serde_json::from_str(&shown.to_string()).expect("JSON");
        assert!(word.starts_with("3-ab-") && is_named(&word, &again), "{word}");
        let milder = json!({ "writes": "draft", "will_be_able_to": [] });
        assert!(!is_named(&word, &milder) && !is_named("3", &shown) && !is_named("", &Value::Null));
        assert_ne!(naming("4-ab", &shown), word);
        assert_eq!(without(&json!({ "b": 1, "a": 2, "c": 3 }), &["a"]).to_string(), r#"{"b":1,"c":3}"#);
        assert_eq!(only(&json!({ "b": 1, "a": 2 }), &["a", "z"]).to_string(), r#"{"a":2}"#);
    }

    #[test]
    fn a_list_loses_nothing_by_what_members_are_left_out() {
        let rows = json!([{ "a": 1 }, { "b": 2 }]);
        assert_eq!((without(&rows, &["a"]), without(&json!([]), &["a"])), (rows.clone(), json!([])));
        assert_eq!(only(&rows, &["a"]), json!({}), "nothing is shown that is not named");
    }
}
