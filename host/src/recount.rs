//! What writes have touched today, counted once more from the audit: a row of `state.db` that was deleted or lowered while nobody
//! watched brings nothing back. What plugins took of their quotas is counted from the same rows (`quotas`).

mod quotas;

use std::collections::BTreeMap;
use std::sync::Arc;

use wardlock_audit::{Audit, AuditError, Filter, Kind, LIST_ITEMS, Row};
use wardlock_core::connection::Connection;
use wardlock_core::plugin::{Effect, OperationView};
use wardlock_state::State;

use self::quotas::Taken;
use crate::loaded::{self, Loaded};

/// How many rows are read at once.
const PAGE: usize = 1000;

/// Counts the day of every connection that bounds one, at a start. What is known already is never lowered; a day that cannot be read is
/// used up, so that its writes wait for a person.
pub async fn all(audit: &Audit, state: &State, loaded: &Arc<Loaded>) {
    let (audit, state, loaded) = (audit.clone(), state.clone(), Arc::clone(loaded));
    if let Err(error) = tokio::task::spawn_blocking(move || days(&audit, &state, &loaded)).await {
        tracing::error!(%error, "a day's records were not counted from the audit");
    }
}

fn days(audit: &Audit, state: &State, loaded: &Loaded) {
    let today = state.day();
    let mut taken = Taken::default();
    for found in loaded.connections() {
        let loaded::State::Open(open) = &found.state else { continue };
        let connection = &open.connection;
        if !connection.write_rules.bound_days() && !quotas::counts(connection) {
            continue;
        }
        let (workspace, name) = (connection.workspace.as_str(), connection.name.as_str());
        let counted = day(audit, connection, today.began_ms(), &mut taken).unwrap_or_else(|error| {
            tracing::error!(%error, workspace, connection = name, "the day's writes cannot be read, so it counts as used up");
            taken.unread(workspace);
            used_up(connection)
        });
        for (what, records) in counted {
            state.recall(today, [workspace, name, &what], records);
        }
    }
    taken.recall(state, audit);
}

/// As many records under every bound as none allows.
fn used_up(connection: &Connection) -> BTreeMap<String, u64> {
    let every: Vec<String> = connection.write_rules.limits.keys().cloned().collect();
    let views = [view("", &every, None)];
    let bounds = connection.write_rules.a_day(views.iter());
    bounds.into_iter().map(|bound| (bound.what.to_owned(), u64::from(u32::MAX))).collect()
}

/// Returns how many records were about to be touched since then, by what bounds them.
fn day(
    audit: &Audit,
    connection: &Connection,
    since_ms: u64,
    taken: &mut Taken,
) -> Result<BTreeMap<String, u64>, AuditError> {
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
        taken.add(&rows);
        for row in &rows {
            let views = writes(row, connection);
            for bound in connection.write_rules.a_day(views.iter()) {
                *counted.entry(bound.what.to_owned()).or_default() += u64::from(bound.known);
            }
        }
        match rows.last() {
            // By place from here on: to find a time's first row walks all of that time.
            Some(last) if rows.len() == PAGE => (filter.after, filter.since_ms) = (Some(last.sequence), None),
            _ => return Ok(counted),
        }
    }
}

/// Returns what a row's request writes: itself, or those that it carries. Where the row may not hold all of them, it counts
/// under every bound.
fn writes(row: &Row, connection: &Connection) -> Vec<OperationView> {
    let (Some(request), Some(effect)) = (&row.detail.request, row.effect.as_deref()) else { return Vec::new() };
    if effect == Effect::Read.as_str() {
        return Vec::new();
    }
    let name = row.operation.as_deref().unwrap_or_default();
    if request.parts.len().max(request.resources.len()) >= LIST_ITEMS {
        let every: Vec<String> = connection.write_rules.limits.keys().cloned().collect();
        return vec![view(name, &every, request.breadth)];
    }
    if request.parts.is_empty() {
        return vec![view(name, &request.resources, request.breadth)];
    }
    let parts = request.parts.iter().filter(|part| part.effect != Effect::Read.as_str());
    parts.map(|part| view(&part.operation, &part.resources, part.breadth)).collect()
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
