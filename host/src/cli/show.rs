//! Data for people: lists as tables, one thing as lines.

use serde_json::{Map, Value};

use super::talk;
use crate::text::for_terminal;

/// Shows a result to a person.
pub fn show(result: &Value) {
    match result {
        Value::Array(rows) if rows.is_empty() => talk::line("(none)"),
        Value::Array(rows) => table(rows),
        Value::Object(members) => lines(members, 0),
        other => talk::text(&plain(other)),
    }
}

fn table(rows: &[Value]) {
    let columns: Vec<&String> = match rows.first() {
        Some(Value::Object(first)) => first.keys().collect(),
        _ => {
            rows.iter().for_each(|row| talk::text(&plain(row)));
            return;
        }
    };
    let cells: Vec<Vec<String>> =
        rows.iter().map(|row| columns.iter().map(|column| plain(&row[column.as_str()])).collect()).collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let widest = cells.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
            widest.max(column.chars().count())
        })
        .collect();
    let line = |cells: Vec<String>| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        talk::text(padded.join("  ").trim_end());
    };
    line(columns.iter().map(|column| column.to_uppercase().replace('_', " ")).collect());
    cells.into_iter().for_each(line);
}

fn lines(members: &Map<String, Value>, depth: usize) {
    let indent = "  ".repeat(depth);
    for (name, value) in members {
        let name = name.replace('_', " ");
        match value {
            Value::Object(inner) => {
                talk::text(&format!("{indent}{name}:"));
                lines(inner, depth + 1);
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                talk::text(&format!("{indent}{name}:"));
                for item in items {
                    match item {
                        Value::Object(inner) => {
                            lines(inner, depth + 1);
                            talk::text("");
                        }
                        other => talk::text(&format!("{indent}  {}", plain(other))),
                    }
                }
            }
            value => talk::text(&format!("{indent}{name}: {}", plain(value))),
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => for_terminal(text),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(_) => for_terminal(&value.to_string()),
    }
}
