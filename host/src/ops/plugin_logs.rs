//! `wardlock plugin logs`: the newest lines that plugins logged, out of memory.

use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_sandbox::{LogFilter, LogLine};

use super::connections;
use crate::admin::{Failure, PluginLogFilter};
use crate::host::Host;
use crate::loaded::{LoadedConnection, State};
use crate::text::for_terminal;

/// The most lines of one answer, so that neither side holds many at once.
const PAGE: u32 = 500;

/// Returns one page. Where there is neither a line nor a connection of that name, says which connections there are; likewise of plugins.
pub(super) fn page(host: &Arc<Host>, asked: PluginLogFilter, json: bool) -> Result<Value, Failure> {
    let limit = asked.limit.min(PAGE) as usize;
    let place = asked.workspace.clone().zip(asked.connection.clone());
    let filter = LogFilter {
        workspace: asked.workspace,
        connection: asked.connection,
        plugin: asked.plugin,
        request_id: asked.request,
    };
    let logs = host.sandbox().logs();
    let page = match asked.after {
        Some(number) => logs.after(number, &filter, limit),
        None => logs.newest(&filter, limit),
    };
    if let (Some((workspace, connection)), true) = (place, page.lines.is_empty()) {
        known(connections::find(&host.loaded(), &workspace, &connection)?, filter.plugin.as_deref())?;
    }
    let lines = page.lines.iter().map(|line| if json { row(line).to_string() } else { told(line) });
    Ok(json!({
        "lines": lines.collect::<Vec<_>>(),
        "last": page.last,
        "full": page.lines.len() == limit,
        "dropped": page.dropped,
    }))
}

/// Refuses a plugin that a connection's chain does not have. Where the connection is closed, nobody knows its chain.
fn known(found: &LoadedConnection, plugin: Option<&str>) -> Result<(), Failure> {
    let (Some(plugin), State::Open(open)) = (plugin, &found.state) else { return Ok(()) };
    let names: Vec<&str> = open.connection.chain.iter().map(|link| link.name.as_str()).collect();
    if names.contains(&plugin) {
        return Ok(());
    }
    let place = format!("{}/{}", found.connection.workspace, found.connection.name);
    let plugin = for_terminal(plugin);
    Err(Failure::no(format!("there is no plugin `{plugin}` in the chain of {place}"))
        .hint(format!("plugins there: {}", names.join(", "))))
}

fn row(line: &LogLine) -> Value {
    json!({
        "number": line.number,
        "time": crate::text::time(line.at_ms),
        "workspace": line.source.workspace,
        "connection": line.source.connection,
        "plugin": line.source.plugin,
        "request": &*line.request_id,
        "level": line.level.as_str(),
        "text": line.text,
    })
}

fn told(line: &LogLine) -> String {
    let source = &line.source;
    for_terminal(&format!(
        "{} {:5} {}/{}/{} {} {}",
        crate::text::time(line.at_ms),
        line.level.as_str(),
        source.workspace,
        source.connection,
        source.plugin,
        line.request_id,
        line.text
    ))
}
