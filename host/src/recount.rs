//! What writes have touched today, counted once more from the audit: a row of `state.db` that was deleted or lowered while nobody
//! watched brings nothing back. What plugins took of their quotas is counted from the same rows (`quotas`). Rows are read without an index,
//! and where any of the day may be missing, the day is used up.

mod quotas;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use wardlock_audit::{Audit, AuditError, Kind, LIST_ITEMS, Reach, Row};
use wardlock_core::connection::{Connection, WriteRules};
use wardlock_core::plugin::{Effect, OperationView};
use wardlock_state::State;

use self::quotas::Taken;
use crate::loaded::{self, Loaded, LoadedConnection};

/// A day, milliseconds.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Counts the day of every connection that bounds one, at a start and where a load brings new bounds. What is known already is never lowered; a day that cannot be read is
/// used up, so that its writes wait for a person.
pub async fn all(audit: &Audit, state: &State, loaded: &Arc<Loaded>) {
    let (audit, state, loaded) = (audit.clone(), state.clone(), Arc::clone(loaded));
    if let Err(error) = tokio::task::spawn_blocking(move || days(&audit, &state, &loaded)).await {
        tracing::error!(%error, "a day's records were not counted from the audit");
    }
}

/// Returns whether a load brings bounds on a day that were not counted before it.
pub fn is_wanted(before: &Loaded, loaded: &Loaded) -> bool {
    let rules = |of: &Loaded, connection: &Connection| {
        let found = of.connection(connection.workspace.as_str(), connection.name.as_str())?;
        match &found.state {
            loaded::State::Open(open) => Some(open.connection.write_rules.clone()),
            loaded::State::Closed { .. } => None,
        }
    };
    loaded.connections().any(|found| {
        let new = rules(loaded, &found.connection);
        new.as_ref().is_some_and(WriteRules::bound_days) && new != rules(before, &found.connection)
    })
}

fn days(audit: &Audit, state: &State, loaded: &Loaded) {
    let today = state.day();
    let open = loaded.connections().filter_map(|found| match &found.state {
        loaded::State::Open(open) => Some(&*open.connection),
        loaded::State::Closed { .. } => None,
    });
    let counts = |connection: &&Connection| connection.write_rules.bound_days() || quotas::counts(connection);
    let bounded: Vec<&Connection> = open.filter(counts).collect();
    // What is closed may be mended and count then.
    let is_closed = |found: &LoadedConnection| matches!(found.state, loaded::State::Closed { .. });
    if bounded.is_empty() && !loaded.connections().any(is_closed) && loaded.closed().next().is_none() {
        return;
    }
    let mut taken = Taken::default();
    let counted = count(audit, &bounded, today.began_ms(), &mut taken);
    if let Err(error) = &counted {
        tracing::error!(%error, "the day's writes cannot be read, so the day counts as used up where one is bounded");
        taken.unread();
    }
    for (at, connection) in bounded.iter().enumerate() {
        let (workspace, name) = (connection.workspace.as_str(), connection.name.as_str());
        let of_day = counted.as_ref().map_or_else(|_| used_up(connection), |counted| counted[at].clone());
        for (what, records) in of_day {
            state.recall(today, [workspace, name, &what], records);
        }
    }
    taken.recall(state, audit);
}

/// Why a day cannot be counted.
#[derive(Debug, thiserror::Error)]
enum Uncounted {
    /// The audit cannot be read.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// Rows of the day are missing, or are not as they were written.
    #[error("the audit does not hold together at row {sequence}")]
    Broken { sequence: u64 },
    /// Rows of the day were removed with their file.
    #[error("the rows before row {before} were removed, and some of them were the day's")]
    Removed { before: u64 },
}

/// As many records under every bound as none allows.
fn used_up(connection: &Connection) -> BTreeMap<String, u64> {
    let every: Vec<String> = connection.write_rules.limits.keys().cloned().collect();
    let views = [view("", &every, None)];
    let bounds = connection.write_rules.a_day(views.iter());
    bounds.into_iter().map(|bound| (bound.what.to_owned(), u64::from(u32::MAX))).collect()
}

/// Returns how many records each connection was about to touch since then, by what bounds them. A row counts whoever wrote it: it can
/// only take from the day.
fn count(
    audit: &Audit,
    connections: &[&Connection],
    since_ms: u64,
    taken: &mut Taken,
) -> Result<Vec<BTreeMap<String, u64>>, Uncounted> {
    let mut counted = vec![BTreeMap::new(); connections.len()];
    let mut unreadable = None;
    // A window of a day may have begun yesterday.
    let from_ms = since_ms.saturating_sub(DAY_MS);
    let reach = audit.walk_back(Some(from_ms), |step| {
        if step.kind != Some(Kind::Intent) || step.at_ms < from_ms {
            return ControlFlow::Continue(());
        }
        match step.read() {
            Ok(row) => {
                taken.add(&row);
                if step.at_ms >= since_ms {
                    add(&row, connections, &mut counted);
                }
                ControlFlow::Continue(())
            }
            Err(error) => {
                unreadable = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = unreadable {
        return Err(error.into());
    }
    match reach {
        Reach::Enough | Reach::Whole => Ok(counted),
        Reach::Removed { before } => Err(Uncounted::Removed { before }),
        Reach::Broken { sequence } => Err(Uncounted::Broken { sequence }),
    }
}

/// Adds what a row's request was about to touch to the connections that it is of.
fn add(row: &Row, connections: &[&Connection], counted: &mut [BTreeMap<String, u64>]) {
    for (connection, counted) in connections.iter().zip(counted) {
        let is_of = row.workspace.as_deref() == Some(connection.workspace.as_str())
            && row.connection.as_deref() == Some(connection.name.as_str());
        if !is_of {
            continue;
        }
        let views = writes(row, connection);
        for bound in connection.write_rules.a_day(views.iter()) {
            *counted.entry(bound.what.to_owned()).or_default() += u64::from(bound.known);
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
