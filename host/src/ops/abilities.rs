//! What a connection's agents may do at a write level, in plain words: for whoever enables it.

use serde_json::{Value, json};
use wardlock_core::connection::{Connection, WriteMode};
use wardlock_core::plugin::Effect;
use wardlock_core::service::{Breadth, Operation, Presence};
use wardlock_egress::GrantStatus;

/// Lists the operations that write, or that do with a certain part of the request: on what, how many records, and who says yes.
pub(super) fn abilities(connection: &Connection, level: WriteMode) -> Vec<Value> {
    let service = &connection.service;
    let listed = connection.operations.iter().filter_map(|name| service.operation(name));
    let writing = listed.filter(|operation| {
        let may_write = operation.effect != Effect::Read || !operation.destructive_with.is_empty();
        may_write && operation.refused.is_none()
    });
    let rows = writing.map(|operation| {
        json!({
            "operation": operation.name,
            "what": operation.summary,
            "effect": operation.effect.as_str(),
            "on": connection.resources,
            "records": records(operation),
            "how": how(connection, operation, level),
        })
    });
    rows.collect()
}

/// Says what the grant allows at the provider, whatever the rules here say.
pub(super) fn scopes(connection: &Connection, grant: Option<&GrantStatus>) -> Vec<Value> {
    let granted = grant.into_iter().flat_map(|grant| &grant.scopes);
    let told = |scope: &String| json!({ "scope": scope, "allows": connection.service.scope_display(scope) });
    granted.map(told).collect()
}

/// How many records one request of an operation touches.
fn records(operation: &Operation) -> String {
    if operation.envelope.is_some() {
        return "those of what it carries".to_owned();
    }
    match &operation.breadth {
        Breadth::Fixed(count) => count.to_string(),
        Breadth::Query { max, .. } => format!("as many as it asks for, {max} at most"),
        Breadth::QueryCount(_) | Breadth::BodyCount(_) => "as many as it names".to_owned(),
        Breadth::Coql { .. } | Breadth::Gaql { .. } => "as many as its query asks for".to_owned(),
        Breadth::Unbounded => "nobody can tell".to_owned(),
    }
}

fn how(connection: &Connection, operation: &Operation, level: WriteMode) -> String {
    let plainly = plainly(connection, operation, level);
    let unattended = connection.write_rules.unattended.contains(&operation.name);
    if operation.destructive_with.is_empty() || operation.effect == Effect::Destructive {
        return plainly.to_owned();
    }
    let parts: Vec<String> = operation.destructive_with.iter().map(part).collect();
    let then = match level {
        WriteMode::On if unattended => "it destroys, and passes all the same",
        WriteMode::Off | WriteMode::Draft | WriteMode::On => "it destroys, and is held for a person",
    };
    format!("{plainly}; with {} {then}", parts.join(" or "))
}

/// What becomes of it where nothing in the request makes it destructive.
fn plainly(connection: &Connection, operation: &Operation, level: WriteMode) -> &'static str {
    let rules = &connection.write_rules;
    let unattended = rules.unattended.contains(&operation.name);
    let carries = operation.envelope.is_some();
    // A bound that cannot be checked holds: its own, and of the connection's those that count it.
    let is_bounded =
        !unattended || rules.max_records_a_day.is_some() || rules.limits.contains_key(&operation.name);
    match (level, operation.effect) {
        (_, Effect::Read) if !carries => "passes, as a read",
        (WriteMode::Off, _) => "refused",
        (WriteMode::Draft, _) if carries => "held for a person, where it carries a write",
        (WriteMode::Draft, _) => "held for a person",
        (_, _) if carries => "as what it carries, and by the records of all its writes",
        (_, Effect::Destructive) if !unattended => "held for a person: it destroys",
        (_, _) if operation.breadth == Breadth::Unbounded && is_bounded => {
            "held for a person: nobody can tell how many records it touches"
        }
        (_, _) if unattended => "passes, however many records",
        (_, _) => "passes, up to the limit of records",
    }
}

/// A part of a request that makes it destructive, as its author would call it.
fn part(presence: &Presence) -> String {
    match presence {
        Presence::Query(name) => format!("the query parameter `{name}`"),
        Presence::Body(pointer) => format!("`{}` in its body", pointer.trim_start_matches('/')),
        Presence::BodyIs { pointer, values } => {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            format!("`{}` in its body as {}", pointer.trim_start_matches('/'), values.join(" or "))
        }
    }
}
