//! Rewrites what a case expects, in its file: everything else stays as it is, comments too.

use toml_edit::{Array, Decor, DocumentMut, Item, Table, TableLike, Value};

use crate::config::TextError;

use super::{Case, Expected, Found, Said};

/// The keys of `[expect]`, in the order in which new ones are written.
const KEYS: [&str; 5] = ["verdict", "code", "retry_after_seconds", "edits", "problems"];

/// Returns the case's text with what was found as what is expected; `None` where the plugin gave no answer, or one
/// that the host refuses: no case can expect that.
pub fn update(case: &Case, found: &Found) -> Result<Option<String>, TextError> {
    let expected = match found {
        Found::Said(said, _) => Expected::Said(said.clone()),
        Found::Problems(found) => Expected::Problems(found.keys().cloned().collect()),
        Found::Fault(_) | Found::Refused(_) => return Ok(None),
    };
    let mut document: DocumentMut = match case.text.parse() {
        Ok(document) => document,
        // It was read already, so this tells only where the two readers differ.
        Err(_) => {
            return Err(crate::config::Document::parse(&case.file(), &case.text).map_or_else(
                |error| error,
                |document| document.error_at(&["expect"], "this cannot be rewritten; write it as a plain table"),
            ));
        }
    };
    let table = document.entry("expect").or_insert_with(|| Item::Table(Table::new()));
    match table {
        Item::Value(Value::InlineTable(table)) => {
            rewrite(table, &expected);
            // On one line there is no comment to lose.
            table.fmt();
        }
        table => {
            if let Some(table) = table.as_table_like_mut() {
                rewrite(table, &expected);
            }
        }
    }
    Ok(Some(document.to_string()))
}

pub(super) fn rewrite(table: &mut dyn TableLike, expected: &Expected) {
    let mut orphaned = String::new();
    for (key, value) in KEYS.into_iter().zip(values(expected)) {
        match (value, table.get_mut(key)) {
            (None, _) => orphaned.push_str(&remove(table, key)),
            (Some(value), Some(item)) => replace(item, value),
            (Some(value), None) => {
                table.insert(key, Item::Value(value));
            }
        }
    }
    let first = KEYS.into_iter().find(|key| table.contains_key(key));
    if let (false, Some(mut key)) = (orphaned.is_empty(), first.and_then(|key| table.key_mut(key))) {
        // A comment above a key that is gone goes to the first that is left.
        let old = prefix(key.leaf_decor());
        key.leaf_decor_mut().set_prefix(format!("{orphaned}{old}"));
    }
}

fn values(expected: &Expected) -> [Option<Value>; 5] {
    match expected {
        Expected::Said(Said { verdict, code, retry_after_seconds, edits }) => [
            Some((*verdict).into()),
            code.clone().map(Into::into),
            retry_after_seconds.map(|seconds| i64::from(seconds).into()),
            edits.as_ref().map(|edits| {
                let list: Array = edits.iter().map(|edit| Value::from(edit.iter().collect::<Array>())).collect();
                list.into()
            }),
            None,
        ],
        Expected::Problems(paths) => {
            let list: Array = paths.iter().collect();
            [None, None, None, None, Some(list.into())]
        }
    }
}

/// Replaces a value that differs; what stands around it stays.
fn replace(item: &mut Item, mut value: Value) {
    if let Item::Value(old) = item {
        if same(old, &value) {
            return;
        }
        *value.decor_mut() = old.decor().clone();
    }
    *item = Item::Value(value);
}

/// Whether two values say the same, however they are written.
fn same(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::String(old), Value::String(new)) => old.value() == new.value(),
        (Value::Integer(old), Value::Integer(new)) => old.value() == new.value(),
        (Value::Array(old), Value::Array(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same(old, new))
        }
        _ => false,
    }
}

/// Removes a key, and returns the comment above it.
fn remove(table: &mut dyn TableLike, key: &str) -> String {
    let above = table.key(key).map(|key| prefix(key.leaf_decor())).unwrap_or_default();
    table.remove(key);
    if above.contains('#') { above } else { String::new() }
}

fn prefix(decor: &Decor) -> String {
    decor.prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default().to_owned()
}
