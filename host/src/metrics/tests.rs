//! The page that lists the metrics lists these, and their names are as Prometheus wants them.

use std::fmt::Write as _;

use super::Metrics;

#[test]
fn the_page_lists_every_metric_as_it_is() {
    let mut table = String::from("| metric | type | labels | what |\n|---|---|---|---|\n");
    for metric in &Metrics::new().described {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, kind, help) = (&metric.name, metric.kind, metric.help);
        writeln!(table, "| `{name}` | {kind} | {} | {help} |", labels.join(", ")).expect("a String takes all");
    }
    let page = include_str!("../../../docs/observability.md");
    let (_, section) = page.split_once("\n## Metrics\n").expect("the section");
    let section = section.split("\n## ").next().expect("its text");
    let written: String =
        section.lines().filter(|line| line.starts_with('|')).flat_map(|line| [line, "\n"]).collect();
    assert_eq!(written, table, "docs/observability.md: replace the table of metrics by this one:\n{table}");
}

#[test]
fn names_end_as_prometheus_wants_them_and_labels_are_of_the_closed_list() {
    const LABELS: [&str; 12] = [
        "workspace",
        "connection",
        "plugin",
        "grant",
        "effect",
        "decision",
        "code",
        "outcome",
        "status",
        "verdict",
        "kind",
        "result",
    ];
    for metric in &Metrics::new().described {
        let name = metric.name.as_str();
        assert!(name.starts_with("wardlock_") || name == "process_start_time_seconds", "{name}");
        assert_eq!(name.ends_with("_total"), metric.kind == "counter", "{name}");
        assert!(!name.contains("milli") && !name.contains("micro"), "base units: {name}");
        let own = ["condition", "severity", "version"];
        assert!(metric.labels.iter().all(|label| LABELS.contains(label) || own.contains(label)), "{name}");
        assert!(!metric.help.ends_with('.'), "the library ends it: {name}");
    }
}
