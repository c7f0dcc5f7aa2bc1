//! Plugins: the chain of each connection, and whether what stands in it runs.

use std::sync::Arc;

use askama::Template;
use serde_json::Value;

use super::{Frame, Mark, failed, maybe, page, rows, word};
use crate::admin::Command;
use crate::dashboard::ask::ask;
use crate::dashboard::visit::Answer;
use crate::dashboard::visitors::Visitor;
use crate::gate::Gate;

#[derive(Template)]
#[template(path = "dashboard/plugins.html")]
struct PluginsPage {
    frame: Frame,
    chains: Vec<Chain>,
}

struct Chain {
    connection: String,
    closed: Option<String>,
    stale: Option<String>,
    plugins: Vec<PluginRow>,
}

struct PluginRow {
    place: String,
    name: String,
    version: String,
    mode: Mark,
    health: Mark,
    faults: String,
    capabilities: String,
    signature: String,
    digest: String,
}

/// Shows every chain.
pub(in crate::dashboard) async fn plugins(gate: &Arc<Gate>, visitor: &Visitor) -> Answer {
    let listed = match ask(gate, Command::PluginList).await {
        Ok(listed) => listed,
        Err(failure) => return failed(&failure),
    };
    let mut chains: Vec<Chain> = Vec::new();
    for row in rows(&listed) {
        let connection = word(&row["connection"]);
        if chains.last().is_none_or(|chain| chain.connection != connection) {
            chains.push(Chain { connection, closed: None, stale: maybe(&row["stale"]), plugins: Vec::new() });
        }
        if let Some(chain) = chains.last_mut() {
            if row["plugin"].is_null() {
                chain.closed = Some(word(&row["health"]));
            } else {
                chain.plugins.push(plugin(row));
            }
        }
    }
    page(200, &PluginsPage { frame: Frame::of(gate, visitor, "plugins", "Plugins").await, chains })
}

fn plugin(row: &Value) -> PluginRow {
    let health = word(&row["health"]);
    let mode = word(&row["mode"]);
    PluginRow {
        place: word(&row["place"]),
        name: word(&row["plugin"]),
        version: word(&row["version"]),
        mode: if mode == "enforce" { Mark::good("enforced") } else { Mark::waits("watched only") },
        health: if health == "runs" { Mark::good(health) } else { Mark::bad(health) },
        faults: word(&row["faults"]),
        capabilities: word(&row["capabilities"]),
        signature: word(&row["signature"]),
        digest: word(&row["sha256"]),
    }
}
