//! What writes have touched today, counted once more from the audit: a row of `state.db` that was deleted or lowered while nobody
//! watched brings nothing back.

use std::collections::BTreeMap;
use std::sync::Arc;

use wardlock_audit::{Audit, Filter, Kind, Row};
use wardlock_core::connection::Connection;
use wardlock_core::plugin::{Effect, OperationView};
use wardlock_state::State;

use crate::admin::Failure;
use crate::loaded::{self, Loaded};

/// How many rows are read at once.
const PAGE: usize = 1000;

/// Counts the day of every connection that bounds one. What is known already is never lowered.
pub async fn all(audit: &Audit, state: &State, loaded: &Arc<Loaded>) -> Result<(), Failure> {
    let (audit, state, loaded) = (audit.clone(), state.clone(), Arc::clone(loaded));
    let counted = tokio::task::spawn_blocking(move || days(&audit, &state, &loaded)).await;
    counted.map_err(|error| Failure::no(format!("a worker thread failed: {error}")))?
}

fn days(audit: &Audit, state: &State, loaded: &Loaded) -> Result<(), Failure> {
    for found in loaded.connections() {
        let loaded::State::Open(open) = &found.state else { continue };
        let connection = &open.connection;
        if !connection.write_rules.bound_days() {
            continue;
        }
        let (workspace, name) = (connection.workspace.as_str(), connection.name.as_str());
        for (what, records) in day(audit, connection, state.day_began_ms())? {
            state.recall(workspace, name, &what, records);
        }
    }
    Ok(())
}

/// Returns how many records were about to be touched since then, by what bounds them.
fn day(audit: &Audit, connection: &Connection, since_ms: u64) -> Result<BTreeMap<String, u64>, Failure> {
    let mut filter = Filter {
        workspace: Some(connection.workspace.to_string()),
        connection: Some(connection.name.to_string()),
        kind: Some(Kind::Intent),
        since_ms: Some(since_ms),
        after: Some(0),
        ..Filter::newest(PAGE)
    };
    let mut counted = BTreeMap::new();
    loop {
        let rows = audit.list(&filter)?;
        for row in &rows {
            let views = writes(row, connection);
            for bound in connection.write_rules.a_day(views.iter()) {
                *counted.entry(bound.what.to_owned()).or_default() += u64::from(bound.known);
            }
        }
        match rows.last() {
            Some(last) if rows.len() == PAGE => filter.after = Some(last.sequence),
            _ => return Ok(counted),
        }
    }
}

/// Returns what a row's request writes: itself, or those that it carries. Where the row does not hold all of them, the whole counts
/// under every bound, too.
fn writes(row: &Row, connection: &Connection) -> Vec<OperationView> {
    let (Some(request), Some(effect)) = (&row.detail.request, row.effect.as_deref()) else { return Vec::new() };
    if effect == Effect::Read.as_str() {
        return Vec::new();
    }
    let parts = request.parts.iter().filter(|part| part.effect != Effect::Read.as_str());
    let mut views: Vec<_> = parts.map(|part| view(&part.operation, &part.resources, part.breadth)).collect();
    let name = row.operation.as_deref().unwrap_or_default();
    if request.cut {
        let every: Vec<String> = connection.write_rules.limits.keys().cloned().collect();
        views.push(view(name, &every, request.breadth));
    } else if request.parts.is_empty() {
        views.push(view(name, &request.resources, request.breadth));
    }
    views
}

fn view(name: &str, resources: &[String], breadth: Option<u32>) -> OperationView {
    OperationView {
        service: String::new(),
        name: name.to_owned(),
        effect: Effect::Write,
        resources: resources.to_vec(),
        fields: None,
        breadth,
        attributes: Vec::new(),
    }
}
