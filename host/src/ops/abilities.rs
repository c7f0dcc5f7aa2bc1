//! What a connection's agents may do at a write level, in plain words: for whoever enables it.

use serde_json::{Value, json};
use wardlock_core::connection::{Connection, WriteLimit, WriteMode};
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

/// Says what the grant allows at the provider, whatever the rules here say. Where the provider does not tell what it granted, that is what
/// it was asked for.
pub(super) fn scopes(connection: &Connection, grant: Option<&GrantStatus>) -> Vec<Value> {
    if grant.is_some_and(|grant| grant.scopes.is_empty()) {
        let asked = wardlock_egress::scopes_for(connection);
        let told = |scope: &String| {
            let allows = format!(
                "{} (asked for: the provider does not tell what it granted)",
                connection.service.scope_display(scope)
            );
            json!({ "scope": scope, "allows": allows })
        };
        return asked.iter().map(told).collect();
    }
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
        return plainly;
    }
    let parts: Vec<String> = operation.destructive_with.iter().map(part).collect();
    let then = match level {
        WriteMode::On if unattended => "it destroys, and passes all the same",
        WriteMode::Off | WriteMode::Draft | WriteMode::On => "it destroys, and is held for a person",
    };
    format!("{plainly}; with {} {then}", parts.join(" or "))
}

/// What becomes of it where nothing in the request makes it destructive.
fn plainly(connection: &Connection, operation: &Operation, level: WriteMode) -> String {
    let unattended = connection.write_rules.unattended.contains(&operation.name);
    let carries = operation.envelope.is_some();
    let bounds = Bounds::of(connection, operation);
    let said = match (level, operation.effect) {
        (_, Effect::Read) if !carries => "passes, as a read",
        (WriteMode::Off, _) => "refused",
        (WriteMode::Draft, _) if carries => "held for a person, where it carries a write",
        (WriteMode::Draft, _) => "held for a person",
        (_, _) if carries => "as what it carries, and by the records of all its writes",
        (_, Effect::Destructive) if !unattended => "held for a person: it destroys",
        // A bound that cannot be checked holds: its own, and of the connection's those that count it.
        (_, _) if operation.breadth == Breadth::Unbounded && (!unattended || bounds.always) => {
            "held for a person: nobody can tell how many records it touches"
        }
        (_, _) if unattended => return format!("passes, {}", bounds.in_words(operation)),
        (_, _) => "passes, up to the limit of records",
    };
    said.to_owned()
}

/// What bounds an operation that needs no person otherwise.
struct Bounds {
    /// The fewest records of its own bounds.
    most: Option<u32>,
    /// Whether a day, or the operation itself, is bounded.
    always: bool,
    /// Resources that have bounds of their own.
    resources: Vec<String>,
}

impl Bounds {
    fn of(connection: &Connection, operation: &Operation) -> Self {
        let rules = &connection.write_rules;
        let is_own = |what: &str| operation.name.eq_ignore_ascii_case(what);
        let own: Vec<WriteLimit> = rules.limits_named(is_own).map(|(_, limit)| limit).collect();
        let all = connection.resources.contains("*");
        let may_touch =
            |what: &str| all || connection.resources.iter().any(|known| known.eq_ignore_ascii_case(what));
        let is_resource = |what: &str| connection.service.operation(what).is_none() && may_touch(what);
        Self {
            most: own.iter().filter_map(|limit| limit.max_records).min(),
            always: rules.max_records_a_day.is_some() || !own.is_empty(),
            resources: rules.limits_named(is_resource).map(|(what, _)| format!("`{what}`")).collect(),
        }
    }

    fn in_words(&self, operation: &Operation) -> String {
        let most = self.most.map_or("however many records".to_owned(), |most| format!("up to {most} records"));
        if self.resources.is_empty() {
            return most;
        }
        let resources = self.resources.join(", ");
        if operation.breadth == Breadth::Unbounded {
            return format!(
                "{most}; held for a person on {resources}: nobody can tell how many records it touches"
            );
        }
        format!("{most}; up to the limits of {resources} on those")
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
