//! The edits of a shape.

use crate::{Edit, Header, Parameter};

/// Replaces every header of that name.
pub fn set_header(name: impl Into<String>, value: impl Into<Vec<u8>>) -> Edit {
    Edit::SetHeader(Header { name: name.into(), value: value.into() })
}

/// Removes every header of that name.
pub fn remove_header(name: impl Into<String>) -> Edit {
    Edit::RemoveHeader(name.into())
}

/// Replaces every query parameter of that name.
pub fn set_query(name: impl Into<String>, value: impl Into<String>) -> Edit {
    Edit::SetQuery(Parameter { name: name.into(), value: value.into() })
}

/// Removes every query parameter of that name.
pub fn remove_query(name: impl Into<String>) -> Edit {
    Edit::RemoveQuery(name.into())
}

/// Puts a JSON value at a JSON pointer (RFC 6901) of the body.
pub fn set_json(pointer: impl Into<String>, value: impl Into<String>) -> Edit {
    Edit::SetJson((pointer.into(), value.into()))
}

/// Replaces the whole body.
pub fn replace_body(content: impl Into<Vec<u8>>) -> Edit {
    Edit::ReplaceBody(content.into())
}

/// Reads an edit as golden cases spell it: `["set-query", "fields", "Last_Name"]`.
pub fn from_words(words: &[String]) -> Option<Edit> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match *words {
        ["set-header", name, value] => Some(set_header(name, value)),
        ["remove-header", name] => Some(remove_header(name)),
        ["set-query", name, value] => Some(set_query(name, value)),
        ["remove-query", name] => Some(remove_query(name)),
        ["set-json", pointer, value] => Some(set_json(pointer, value)),
        ["replace-body", content] => Some(replace_body(content)),
        _ => None,
    }
}

/// Spells an edit as golden cases do. Bytes that are not UTF-8 show as U+FFFD.
pub fn to_words(edit: &Edit) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match edit {
        Edit::SetHeader(header) => vec!["set-header".into(), header.name.clone(), text(&header.value)],
        Edit::RemoveHeader(name) => vec!["remove-header".into(), name.clone()],
        Edit::SetQuery(parameter) => {
            vec!["set-query".into(), parameter.name.clone(), parameter.value.clone()]
        }
        Edit::RemoveQuery(name) => vec!["remove-query".into(), name.clone()],
        Edit::SetJson((pointer, value)) => vec!["set-json".into(), pointer.clone(), value.clone()],
        Edit::ReplaceBody(content) => vec!["replace-body".into(), text(content)],
    }
}
