//! Audit rows as comma-separated values (RFC 4180), harmless in a spreadsheet.

use wardlock_audit::{Row, escape};

use crate::text::time;

const COLUMNS: [&str; 40] = [
    "sequence",
    "time",
    "kind",
    "request",
    "workspace",
    "connection",
    "agent",
    "service",
    "operation",
    "effect",
    "resources",
    "breadth",
    "region",
    "tenant",
    "decision",
    "outcome",
    "closes",
    "method",
    "path",
    "body_bytes",
    "body_sha256",
    "purpose",
    "plugins",
    "code",
    "rule",
    "plugin",
    "separation",
    "upstream_host",
    "upstream_status",
    "attempts",
    "redactions",
    "decided_micros",
    "upstream_micros",
    "total_micros",
    "who",
    "act",
    "target",
    "result",
    "prev",
    "hash",
];

/// Returns the names of the columns.
pub(super) fn csv_head() -> String {
    COLUMNS.join(",")
}

/// Returns one row.
pub(super) fn csv_line(row: &Row) -> String {
    let cells = cells(row);
    cells.into_iter().map(|value| cell(&value.unwrap_or_default())).collect::<Vec<_>>().join(",")
}

fn cells(row: &Row) -> [Option<String>; COLUMNS.len()] {
    let request = row.detail.request.clone().unwrap_or_default();
    let refusal = row.detail.refusal.as_ref();
    let answer = row.detail.answer.as_ref();
    let act = row.detail.act.as_ref();
    let plugins = request.plugins.iter().map(|plugin| format!("{} {}", plugin.name, plugin.verdict));
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    [
        Some(row.sequence.to_string()),
        Some(time(row.at_ms)),
        Some(row.kind.as_str().to_owned()),
        row.request_id.clone(),
        row.workspace.clone(),
        row.connection.clone(),
        row.agent.clone(),
        request.service.clone(),
        row.operation.clone(),
        row.effect.clone(),
        Some(request.resources.join(" ")),
        number(request.breadth.map(u64::from)),
        request.region.clone(),
        request.tenant.clone(),
        row.decision.clone(),
        row.outcome.clone(),
        number(row.closes),
        request.method.clone(),
        request.path.clone(),
        number(request.body_bytes),
        request.body_sha256.clone(),
        request.purpose.clone(),
        Some(plugins.collect::<Vec<_>>().join("; ")),
        refusal.map(|refusal| refusal.code.clone()),
        refusal.and_then(|refusal| refusal.rule.clone()),
        refusal.and_then(|refusal| refusal.plugin.clone()),
        request.separation.clone(),
        answer.and_then(|answer| answer.upstream_host.clone()),
        number(answer.and_then(|answer| answer.upstream_status.map(u64::from))),
        number(answer.map(|answer| answer.attempts.into())),
        number(answer.map(|answer| answer.redactions.into())),
        number(request.decided_micros),
        number(answer.map(|answer| answer.upstream_micros)),
        number(answer.and_then(|answer| answer.total_micros)),
        act.map(|act| act.who.clone()),
        act.map(|act| act.what.clone()),
        act.map(|act| act.target.clone()),
        act.map(|act| act.result.clone()),
        Some(row.prev.to_string()),
        Some(row.hash.to_string()),
    ]
}

/// A cell that begins like a formula gets an apostrophe, which spreadsheets take for \"text\" and do not show; the
/// full-width forms count in some of them, too.
fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let text = escape(text);
    let text = if is_formula { format!("'{text}") } else { text };
    if text.contains([',', '\"', '\n', '\r', ';', '\'']) {
        return format!("\"{}\"", text.replace('\"', "\"\""));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &str) {
        assert_eq!(cell(text), expect);
    }

    #[test]
    fn a26_no_cell_is_a_formula_or_speaks_to_a_terminal() {
        check("=HYPERLINK(\"http://evil\")", "\"'=HYPERLINK(\"\"http://evil\"\")\"");
        check("+1", "\"'+1\"");
        check("-1", "\"'-1\"");
        check("@SUM(A1)", "\"'@SUM(A1)\"");
        check("\t=1", "\"'\\t=1\"");
        check("\r=1", "\"'\\r=1\"");
        check("＝1", "\"'＝1\"");
        check("a\u{1b}[31m\u{202e}\0", "a\\u{1b}[31m\\u{202e}\\u{0}");
        check("<script>alert(1)</script>", "<script>alert(1)</script>");
        check("a,b\nc", "\"a,b\\nc\"");
        check("plain", "plain");
    }
}
