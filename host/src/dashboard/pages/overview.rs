//! The overview: what serves, what waits, what happened last.

use std::sync::Arc;

use askama::Template;
use serde_json::Value;

use super::audit::{Seen, newest};
use super::{Frame, Mark, page, rows, word};
use crate::admin::{Command, Failure};
use crate::dashboard::ask::ask;
use crate::dashboard::visit::Answer;
use crate::dashboard::visitors::Visitor;
use crate::gate::Gate;
use crate::host::Host;
use crate::ops;

/// Of how many connections the whole list of what must be true is shown: each costs some reads.
const IN_FULL: usize = 25;
/// How many of the newest rows of the audit are shown.
const NEWEST: u32 = 8;

#[derive(Template)]
#[template(path = "dashboard/overview.html")]
struct Overview {
    frame: Frame,
    agents: String,
    version: String,
    frozen: Vec<(String, String)>,
    all_frozen: bool,
    audit: Vec<Mark>,
    audit_rows: String,
    connections: Vec<ConnectionView>,
    seen: Vec<Seen>,
}

/// A connection, and whether it can be relied on.
struct ConnectionView {
    name: String,
    label: String,
    state: Mark,
    verified: Option<Mark>,
    readiness: Vec<(String, Mark)>,
    facts: Vec<(&'static str, String)>,
    stale: Option<String>,
}

/// Shows the overview.
pub(in crate::dashboard) async fn overview(gate: &Arc<Gate>, host: &Arc<Host>, visitor: &Visitor) -> Answer {
    match gathered(gate, host, visitor).await {
        Ok(overview) => page(200, &overview),
        Err(failure) => super::failed(&failure),
    }
}

async fn gathered(gate: &Arc<Gate>, host: &Arc<Host>, visitor: &Visitor) -> Result<Overview, Failure> {
    let status = ask(gate, Command::Status).await?;
    let frozen = super::frozen(host);
    let standing = ops::audit_standing(host).await?;
    let listed = ask(gate, Command::ConnectionsList).await?;
    let mut connections = Vec::new();
    for (at, row) in rows(&listed).enumerate() {
        connections.push(connection(gate, row, at < IN_FULL).await);
    }
    Ok(Overview {
        frame: Frame::of(gate, visitor, "overview", "Overview").await,
        agents: word(&status["agents"]),
        version: word(&status["version"]),
        all_frozen: frozen.iter().any(|(name, _)| name == "all"),
        frozen,
        audit: audit_marks(&standing),
        audit_rows: word(&standing["rows"]),
        connections,
        seen: newest(gate, NEWEST).await?,
    })
}

fn audit_marks(standing: &Value) -> Vec<Mark> {
    let mut marks = vec![if standing["fits_its_head"] == true {
        Mark::good("as its newest signed head said when the vault was opened")
    } else {
        Mark::bad("not as its newest signed head says: rows were cut off or changed")
    }];
    if standing["mirror_fits"] == false {
        marks.push(Mark::bad("the mirror does not say the same"));
    }
    if !standing["other_key"].is_null() {
        marks.push(Mark::bad("signed under another key: the vault or the log was replaced"));
    }
    if standing["closed_as_unknown"].as_u64().is_some_and(|count| count > 0) {
        let count = word(&standing["closed_as_unknown"]);
        marks.push(Mark::waits(format!("requests whose outcome nobody knows, since the last start: {count}")));
    }
    marks
}

async fn connection(gate: &Arc<Gate>, row: &Value, in_full: bool) -> ConnectionView {
    let name = row["connection"].as_str().unwrap_or_default();
    let shown = match name.split_once('/').filter(|_| in_full) {
        Some((workspace, connection)) => {
            let (workspace, connection) = (workspace.to_owned(), connection.to_owned());
            ask(gate, Command::ConnectionsShow { workspace, connection, agent: None }).await.unwrap_or_default()
        }
        None => Value::Null,
    };
    let readiness = &shown["readiness"];
    let items = rows(&readiness["items"]).map(|item| {
        let words = word(&item["words"]);
        let mark = if item["holds"] == true { Mark::good(words) } else { Mark::bad(words) };
        (word(&item["item"]), mark)
    });
    let state = row["state"].as_str().unwrap_or_default();
    let mark: fn(String) -> Mark = match state {
        "serves" | "each agent's own" => Mark::good,
        "not connected" | "frozen" => Mark::waits,
        _ => Mark::bad,
    };
    ConnectionView {
        name: word(&row["connection"]),
        label: word(&row["label"]),
        state: mark(word(&row["state"])),
        verified: match &readiness["verified"] {
            Value::Bool(true) => Some(Mark::good("verified")),
            Value::Bool(false) => Some(Mark::waits("not verified")),
            _ => None,
        },
        readiness: items.collect(),
        facts: vec![
            ("Service", format!("{} in {}", word(&row["service"]), word(&row["region"]))),
            ("Account", word(&row["tenant"])),
            ("Grant", word(&row["grant"])),
            ("Writes", writes(row)),
        ],
        stale: super::maybe(&row["stale"]),
    }
}

/// How far writes are enabled now; where consents are each agent's own, for each of them.
fn writes(row: &Value) -> String {
    let own: Vec<String> = rows(&row["agents"])
        .map(|agent| format!("{}: {}", word(&agent["agent"]), word(&agent["writes"])))
        .collect();
    if own.is_empty() { word(&row["writes"]) } else { own.join(", ") }
}
