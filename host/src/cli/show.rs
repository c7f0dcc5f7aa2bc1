//! Data for people: lists as tables, one thing as lines. What others wrote is the JSON that it is.

use serde_json::{Map, Value};
use wardlock_audit::escape_json;

use super::talk;
use crate::text::for_terminal;

/// Members that hold what an agent sends, a provider keeps or a plugin declares: its names and values must not be taken for words of
/// ours.
const DATA: [&str; 4] = ["body", "current", "proposed", "schema"];

/// Shows a result to a person.
pub fn show(result: &Value) {
    match result {
        Value::Array(rows) if rows.is_empty() => talk::line("(none)"),
        result => talk::text(&rendered(result)),
    }
}

/// Shows rows of workspaces' connections: why a workspace is stale stands once below them, and not in a cell of each.
pub fn show_with_stale(listed: &Value) {
    let (rows, sentences) = stale_below(listed.clone());
    show(&rows);
    sentences.iter().for_each(|sentence| talk::text(&format!("\nstale: {}", for_terminal(sentence))));
}

/// Says of stale rows only that they are, and returns why, each sentence once.
fn stale_below(mut listed: Value) -> (Value, Vec<String>) {
    let mut sentences: Vec<String> = Vec::new();
    for row in listed.as_array_mut().into_iter().flatten() {
        let Some(sentence) = row["stale"].as_str().map(str::to_owned) else { continue };
        row["stale"] = true.into();
        if !sentences.contains(&sentence) {
            sentences.push(sentence);
        }
    }
    (listed, sentences)
}

/// Shows to a person what they are asked about: it is no result yet.
pub fn show_before(shown: &Value) {
    talk::line(&rendered(shown));
}

/// Says in words why nothing stands in `changes`, in its place: for people, who would take a dash for "nothing".
pub fn changes_in_words(shown: &mut Value) {
    if let Some(note) = shown.as_object_mut().and_then(|shown| shown.shift_remove("changes_note"))
        && note.is_string()
    {
        shown["changes"] = note;
    }
}

/// Shows rows that are too wide for a table one below the other, without what is not there.
pub fn show_blocks(rows: &Value) {
    let blocks = rows.as_array().map(Vec::as_slice).unwrap_or_default().iter().map(|row| rendered(&present(row)));
    talk::text(&blocks.collect::<Vec<_>>().join("\n\n"));
}

fn rendered(result: &Value) -> String {
    let mut out = Vec::new();
    match result {
        Value::Array(rows) => table(&mut out, rows),
        Value::Object(members) => lines(&mut out, members, 0),
        other => out.push(plain(other)),
    }
    out.join("\n")
}

/// Leaves out of a value what is null or empty.
fn present(value: &Value) -> Value {
    let is_there = |value: &Value| match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => true,
    };
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (name.clone(), present(value)));
            Value::Object(members.filter(|(_, value)| is_there(value)).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(present).collect()),
        other => other.clone(),
    }
}

fn table(out: &mut Vec<String>, rows: &[Value]) {
    if !rows.iter().all(Value::is_object) {
        out.extend(rows.iter().map(plain));
        return;
    }
    let columns = columns(rows);
    let cells: Vec<Vec<String>> =
        rows.iter().map(|row| columns.iter().map(|column| plain(&row[*column])).collect()).collect();
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
        padded.join("  ").trim_end().to_owned()
    };
    out.push(line(columns.iter().map(|column| column.to_uppercase().replace('_', " ")).collect()));
    out.extend(cells.into_iter().map(line));
}

/// The members of all rows, in the order in which they come.
fn columns(rows: &[Value]) -> Vec<&str> {
    let mut columns = Vec::new();
    for name in rows.iter().filter_map(Value::as_object).flat_map(Map::keys) {
        if !columns.contains(&name.as_str()) {
            columns.push(name.as_str());
        }
    }
    columns
}

fn lines(out: &mut Vec<String>, members: &Map<String, Value>, depth: usize) {
    let indent = "  ".repeat(depth);
    for (member, value) in members {
        let name = member.replace('_', " ");
        match value {
            value if DATA.contains(&member.as_str()) => data(out, &name, value, &indent),
            Value::Object(inner) => {
                out.push(format!("{indent}{name}:"));
                lines(out, inner, depth + 1);
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                out.push(format!("{indent}{name}:"));
                blocks(out, items, depth + 1);
            }
            value => out.push(format!("{indent}{name}: {}", plain(value))),
        }
    }
}

fn blocks(out: &mut Vec<String>, items: &[Value], depth: usize) {
    for item in items {
        match item {
            Value::Object(inner) => {
                lines(out, inner, depth);
                out.push(String::new());
            }
            other => out.push(format!("{}{}", "  ".repeat(depth), plain(other))),
        }
    }
}

/// A value as the JSON that it is, behind its name where it has one line, else below it.
fn data(out: &mut Vec<String>, name: &str, value: &Value, indent: &str) {
    let text = escape_json(&serde_json::to_string_pretty(value).unwrap_or_default());
    if !text.contains('\n') {
        out.push(format!("{indent}{name}: {text}"));
        return;
    }
    out.push(format!("{indent}{name}:"));
    out.extend(text.lines().map(|line| format!("{indent}  {line}")));
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(shown: &Value, expect: &str) {
        assert_eq!(rendered(shown), expect);
    }

    #[test]
    fn what_others_wrote_is_shown_as_the_json_that_it_is() {
        let body = json!({ "a_b": null, "a b": "-", "yes": true, "none": [], "\u{202e}": "\u{1b}" });
        check(
            &json!({ "would_send": { "body_sha256": "ab", "body": body } }),
            "would send:\n  body sha256: ab\n  body:\n    {\n      \"a_b\": null,\n      \"a b\": \"-\",\n      \"yes\": \
             true,\n      \"none\": [],\n      \"\\u202e\": \"\\u001b\"\n    }",
        );
        check(&json!({ "body": "a\nb" }), r#"body: "a\nb""#);
        let schema = json!({ "properties": { "min_length": {} } });
        check(
            &json!({ "schema": schema }),
            "schema:\n  {\n    \"properties\": {\n      \"min_length\": {}\n    }\n  }",
        );
    }

    #[test]
    fn marks_in_what_others_wrote_are_not_drawn_over_other_lines() {
        let value = format!("a{}", "\u{300}".repeat(500));
        let row = json!({ "purpose": value, "body": { "data": [{ "Last_Name": value }] }, "proposed": value });
        for line in rendered(&row).lines() {
            assert!(line.matches('\u{300}').count() <= 4, "{line}");
        }
    }

    #[test]
    fn null_a_dash_and_what_was_not_read_are_told_apart() {
        let field = |current: Value| json!({ "field": "a_b", "current": current, "proposed": null });
        check(&field(json!("-")), "field: a_b\ncurrent: \"-\"\nproposed: null");
        check(&field(Value::Null), "field: a_b\ncurrent: null\nproposed: null");
    }

    #[test]
    fn a_table_has_the_columns_of_all_its_rows() {
        check(&json!([{ "a": 1 }, { "b_c": true, "a": null }]), "A  B C\n1  -\n-  yes");
        check(&json!(["x", 1]), "x\n1");
    }

    #[test]
    fn why_rows_are_stale_is_said_once() {
        let listed =
            json!([{ "a": 1, "stale": "so it is" }, { "a": 2, "stale": "so it is" }, { "a": 3, "stale": null }]);
        let (rows, sentences) = stale_below(listed);
        check(&rows, "A  STALE\n1  yes\n2  yes\n3  -");
        assert_eq!(sentences, ["so it is"]);
    }

    #[test]
    fn what_is_not_there_is_left_out_of_a_block() {
        let row = json!({ "a": null, "b": { "c": [] }, "d": { "e": 1, "f": null }, "advice": "look" });
        check(&present(&row), "d:\n  e: 1\nadvice: look");
    }
}
