//! Members that stand in a body under two spellings of one name. Rules read the one that the definition names; Go and .NET take a name in any
//! case, and protobuf takes `customer_id` for `customerId`, so others may read the other.

use serde_json::Value;

use super::places;
use crate::service::{Breadth, Current, FieldSource, IdPlace, Named, Operation, Presence, ResourceSource};

/// Returns the place that an operation reads in a body and that stands there in another spelling, too: a JSON pointer of the definition's.
/// One that stands there in another spelling only is not read, and what is not read counts as the widest.
pub(super) fn place(operation: &Operation, json: &Value) -> Option<String> {
    read_by(operation).into_iter().find(|pointer| places::is_respelt(json, pointer))
}

/// Returns every place in the body that says what an operation touches, how much of it, and what of it a person is shown.
fn read_by(operation: &Operation) -> Vec<String> {
    let resources = operation.resources.iter().filter_map(of_resource);
    let fields = operation.fields.iter().filter_map(of_field);
    let dry_run = operation.dry_run.iter().filter_map(|dry_run| match &dry_run.place {
        Presence::Body(pointer) | Presence::BodyIs { pointer, .. } => Some(pointer.clone()),
        Presence::Query(_) => None,
    });
    let shown = operation.current.iter().flat_map(of_current);
    resources.chain(fields).chain(of_breadth(&operation.breadth)).chain(dry_run).chain(shown).collect()
}

fn of_resource(source: &ResourceSource) -> Option<String> {
    match source {
        ResourceSource::Body(pointer) | ResourceSource::BodyKeys(pointer) => Some(pointer.clone()),
        ResourceSource::Coql(member) | ResourceSource::Gaql(member) => Some(member_at(member)),
        ResourceSource::Fixed(_)
        | ResourceSource::Path(_)
        | ResourceSource::Related(_)
        | ResourceSource::Query(_)
        | ResourceSource::QueryIs { .. } => None,
    }
}

fn of_field(source: &FieldSource) -> Option<String> {
    match source {
        FieldSource::BodyRecords { pointer, .. } | FieldSource::BodyList { pointer, .. } => Some(pointer.clone()),
        FieldSource::Coql(member) | FieldSource::Gaql(member) => Some(member_at(member)),
        FieldSource::QueryList { .. }
        | FieldSource::QueryCriteria { .. }
        | FieldSource::QueryOpaque { .. }
        | FieldSource::Header { .. } => None,
    }
}

fn of_current(current: &Current) -> Vec<String> {
    let search = current.search.iter().map(|search| search.by.clone());
    let named = match &current.named {
        Named::Path => Vec::new(),
        Named::Records(pointer) => vec![pointer.clone()],
        Named::Ids(places) => {
            let in_body = |place: &IdPlace| match place {
                IdPlace::Body(pointer) => Some(pointer.clone()),
                IdPlace::Query(_) => None,
            };
            places.iter().filter_map(in_body).collect()
        }
        Named::Steps { pointer, members } => {
            let id = format!("{}{}", member_at(&members.update), member_at(&current.id));
            let all = [id, member_at(&members.create), member_at(&members.remove), member_at(&members.mask)];
            all.into_iter().map(|member| format!("{pointer}{member}")).collect()
        }
    };
    named.into_iter().chain(search).collect()
}

fn of_breadth(breadth: &Breadth) -> Option<String> {
    match breadth {
        Breadth::BodyCount(pointer) => Some(pointer.clone()),
        Breadth::Coql { member, .. } | Breadth::Gaql { member, .. } => Some(member_at(member)),
        Breadth::Fixed(_) | Breadth::Query { .. } | Breadth::QueryCount(_) | Breadth::Unbounded => None,
    }
}

/// Writes a member of the body as a pointer (RFC 6901 section 3).
fn member_at(member: &str) -> String {
    format!("/{}", member.replace('~', "~0").replace('/', "~1"))
}
