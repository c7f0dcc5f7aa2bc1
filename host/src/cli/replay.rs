//! `wardlock audit replay`: recorded decisions, asked again, and what differs.

use std::process::ExitCode;

use serde_json::Value;

use super::args::Cli;
use super::audit_args::AuditReplayArgs;
use super::{remote, talk};
use crate::admin::{Brought, Command, Failure};
use crate::text::for_terminal;

pub(super) async fn run(cli: &Cli, args: &AuditReplayArgs) -> Result<ExitCode, Failure> {
    let (workspace, request_id) = (args.workspace.clone(), args.request.clone());
    let command = Command::AuditReplay { workspace, request_id, limit: args.limit };
    let told = remote::ask(cli, command, Brought::Nothing).await?;
    if cli.json {
        talk::data(&told);
    } else {
        tell(&told, args.workspace.as_deref());
    }
    Ok(ExitCode::from(u8::from(told["ok"] != true)))
}

fn tell(told: &Value, workspace: Option<&str>) {
    for row in told["rows"].as_array().into_iter().flatten() {
        talk::text(&for_terminal(&line(row)));
        lines(&row["differences"]);
        let now = &row["now"];
        if !now.is_null() {
            talk::text(&for_terminal(&format!("  {}", stands_now(now))));
            lines(&now["differences"]);
        }
    }
    let count = |name: &str| told[name].as_u64().unwrap_or(0);
    if count("requests") == 0 && count("unreadable") == 0 {
        let recording = told["recording"].as_array().map(Vec::as_slice).unwrap_or_default();
        let records = match workspace {
            Some(workspace) => recording.iter().any(|name| name == workspace),
            None => !recording.is_empty(),
        };
        let why =
            if records { "nothing is recorded yet" } else { "nothing is recorded: there is no `[recorder]`" };
        talk::text(why);
        return;
    }
    let (same, decisions, requests) = (count("same"), count("decisions"), count("requests"));
    let counted = [
        ("defects", "say something else, which is a defect"),
        ("unreadable", "records do not open"),
        ("not_replayed", "could not be replayed"),
        ("otherwise_now", "would be decided otherwise now"),
    ];
    let others = counted.iter().filter(|(name, _)| count(name) > 0);
    let others: String = others.map(|(name, says)| ["; ", &count(name).to_string(), " ", says].concat()).collect();
    talk::text(&format!("{same} of {decisions} decisions in {requests} requests say the same{others}"));
}

fn line(row: &Value) -> String {
    let text = |name: &str| row[name].as_str().unwrap_or_default();
    match text("result") {
        "unreadable" => format!("UNREADABLE {} of {}: {}", text("request"), text("workspace"), text("why")),
        result => {
            let word = if result == "defect" { "DEFECT" } else { result };
            let why = if text("why").is_empty() { String::new() } else { format!(": {}", text("why")) };
            let (request, place, plugin) = (text("request"), text("connection"), text("plugin"));
            format!("{word} {request} {place} `{plugin}`, recorded `{}`{why}", text("recorded"))
        }
    }
}

/// What stands in the place now, in words.
fn stands_now(now: &Value) -> String {
    let changed: Vec<&str> = now["changed"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if changed == ["gone"] {
        return "now: the chain has no such plugin".to_owned();
    }
    let says = match (now["says"].as_str(), now["why"].as_str()) {
        (Some(says), _) => format!("says `{says}`"),
        (None, why) => format!("not known: {}", why.unwrap_or_default()),
    };
    let changed: Vec<String> = changed.into_iter().map(other).collect();
    format!("now with {}: {says}", changed.join(", "))
}

/// What is another one now, or others.
fn other(what: &str) -> String {
    let article = if ["settings", "capabilities"].contains(&what) { "other" } else { "another" };
    let what = if what == "memory" { "memory limit" } else { what };
    format!("{article} {what}")
}

fn lines(differences: &Value) {
    for difference in differences.as_array().into_iter().flatten().filter_map(Value::as_str) {
        talk::text(&for_terminal(&format!("    {difference}")));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_stands_in_the_place_now_is_said_in_words() {
        let now = json!({ "changed": ["component", "settings", "memory"], "says": "deny" });
        assert_eq!(
            stands_now(&now),
            "now with another component, other settings, another memory limit: says `deny`"
        );
    }
}
