//! Turns an operation as it stands in TOML into its typed form.

use toml::Spanned;

use super::parse::with_version;
use super::raw::{
    RawBody, RawBreadth, RawCurrent, RawDryRun, RawEnvelope, RawField, RawIds, RawNames, RawOperation,
    RawOperationAnswer, RawPartShape, RawPresence, RawResource, RawSearch, RawSteps,
};
use super::text::Source;
use super::{
    BodyKind, Breadth, Current, DefinitionError, DryRun, Envelope, FieldSource, IdPlace, Named, Names, Operation,
    PartAnswers, PartBody, PartShape, PathRules, PathTemplate, Presence, ReadShape, ResourceSource, Search,
    StepMembers,
};
use crate::canonical::Method;
use crate::plugin::Effect;

/// Converts one operation.
pub(super) fn operation(
    source: &Source<'_>,
    raw: Spanned<RawOperation>,
    rules: &PathRules,
    version: &str,
) -> Result<Operation, DefinitionError> {
    let raw = raw.into_inner();
    let key = |part: &str| format!("operations.{}.{part}", raw.name);
    let method = Method::parse(raw.method.get_ref()).ok_or_else(|| {
        source
            .at(raw.method.span(), key("method"), format!("`{}` is not a method", raw.method.get_ref()))
            .hint("GET, HEAD, POST, PUT, PATCH or DELETE")
    })?;
    let path = PathTemplate::parse(&with_version(raw.path.get_ref(), version), rules)
        .map_err(|problem| source.at(raw.path.span(), key("path"), problem))?;
    let effect = Effect::from(raw.effect);
    Ok(Operation {
        summary: raw.summary,
        method,
        path,
        host: raw.host,
        effect,
        refused: raw.refused,
        destructive_with: raw.destructive_with.into_iter().map(presence).collect(),
        query: raw.query,
        headers: raw.headers,
        resources: raw.resources.into_iter().map(resource).collect(),
        fields: raw.fields.into_iter().map(field).collect(),
        fields_known: raw.fields_known,
        breadth: breadth(raw.breadth),
        body: body(raw.body),
        answer_is_json: raw.answer == RawOperationAnswer::Json,
        // GET reads change nothing, so repeating one is safe; everything else must say so.
        replay_safe: raw.replay_safe.unwrap_or(method == Method::Get && effect == Effect::Read),
        scopes: raw.scopes,
        dry_run: raw.dry_run.and_then(dry_run),
        current: raw.current.map(|raw| current(raw, version)),
        envelope: raw.envelope.map(envelope),
        name: raw.name,
    })
}

fn current(raw: RawCurrent, version: &str) -> Current {
    let steps = raw.steps.map(|RawSteps { at, create, update, remove, mask }| Named::Steps {
        pointer: at,
        members: StepMembers { create, update, remove, mask },
    });
    let named = match raw.records.map(Named::Records).or(steps) {
        Some(named) => named,
        None if raw.ids.is_empty() => Named::Path,
        None => Named::Ids(raw.ids.into_iter().map(id_place).collect()),
    };
    Current {
        read: ReadShape { request: with_version(&raw.request, version), body: raw.body, found: raw.found },
        named,
        id_in_path: raw.id_in_path,
        id: raw.id,
        not_fields: raw.not_fields,
        names: match raw.names {
            RawNames::AsWritten => Names::AsWritten,
            RawNames::Gaql => Names::Gaql,
        },
        search: raw.search.map(|RawSearch { by, request, found }| Search {
            by,
            read: ReadShape { request: with_version(&request, version), body: None, found },
        }),
    }
}

fn id_place(raw: RawIds) -> IdPlace {
    match raw {
        RawIds::Query(name) => IdPlace::Query(name),
        RawIds::Body(pointer) => IdPlace::Body(pointer),
    }
}

fn presence(raw: RawPresence) -> Presence {
    match raw {
        RawPresence::Query(name) => Presence::Query(name),
        RawPresence::Body(pointer) => Presence::Body(pointer),
        RawPresence::BodyIs(is) => Presence::BodyIs {
            pointer: is.pointer,
            values: is.values.iter().map(|value| value.to_lowercase()).collect(),
        },
    }
}

fn envelope(raw: RawEnvelope) -> Envelope {
    let RawPartShape { id, method, uri, relative, version_of_call, query, headers, body, form } = raw.part;
    Envelope {
        list: raw.list,
        most: raw.most,
        switches: raw.switches,
        all_or_nothing: raw.all_or_nothing,
        references: raw.references,
        part: PartShape {
            id,
            method,
            uri,
            is_relative: relative,
            takes_version: version_of_call,
            query,
            headers,
            // `check` saw to it that there is one of the two at most.
            body: body.map(PartBody::Json).or(form.map(PartBody::Form)),
        },
        answer: PartAnswers { list: raw.answer.list, status: raw.answer.status, body: raw.answer.body },
    }
}

/// `check` saw to it that it has one place.
fn dry_run(raw: RawDryRun) -> Option<DryRun> {
    let place = raw.query.map(Presence::Query).or(raw.body.map(Presence::Body))?;
    Some(DryRun { place, value: raw.value })
}

fn resource(raw: RawResource) -> ResourceSource {
    match raw {
        RawResource::Fixed(name) => ResourceSource::Fixed(name),
        RawResource::Path(name) => ResourceSource::Path(name),
        RawResource::Related(name) => ResourceSource::Related(name),
        RawResource::Query(name) => ResourceSource::Query(name),
        RawResource::Coql(member) => ResourceSource::Coql(member),
        RawResource::Gaql(member) => ResourceSource::Gaql(member),
        RawResource::Body(pointer) => ResourceSource::Body(pointer),
        RawResource::BodyKeys(pointer) => ResourceSource::BodyKeys(pointer),
        RawResource::QueryIs(is) => {
            ResourceSource::QueryIs { name: is.name, value: is.value, then: is.then, otherwise: is.otherwise }
        }
    }
}

fn field(raw: RawField) -> FieldSource {
    match raw {
        RawField::QueryList(list) => {
            FieldSource::QueryList { name: list.name, how: list.how.into(), required: list.required }
        }
        RawField::QueryCriteria(name) => FieldSource::QueryCriteria { name },
        RawField::QueryOpaque(name) => FieldSource::QueryOpaque { name },
        RawField::Header(name) => FieldSource::Header { name },
        RawField::Coql(member) => FieldSource::Coql(member),
        RawField::Gaql(member) => FieldSource::Gaql(member),
        RawField::BodyRecords(body) => FieldSource::BodyRecords { pointer: body.pointer, how: body.how.into() },
        RawField::BodyList(body) => FieldSource::BodyList { pointer: body.pointer, how: body.how.into() },
    }
}

fn breadth(raw: RawBreadth) -> Breadth {
    match raw {
        RawBreadth::Fixed(count) => Breadth::Fixed(count),
        RawBreadth::Query(query) => Breadth::Query { name: query.name, default: query.default, max: query.max },
        RawBreadth::QueryCount(name) => Breadth::QueryCount(name),
        RawBreadth::BodyCount(pointer) => Breadth::BodyCount(pointer),
        RawBreadth::Coql(coql) => Breadth::Coql { member: coql.member, default: coql.default },
        RawBreadth::Gaql(gaql) => Breadth::Gaql { member: gaql.member, default: gaql.default },
        RawBreadth::Unbounded => Breadth::Unbounded,
    }
}

fn body(raw: RawBody) -> BodyKind {
    match raw {
        RawBody::None => BodyKind::None,
        RawBody::Json => BodyKind::Json,
        RawBody::Form => BodyKind::Form,
        RawBody::JsonOrForm => BodyKind::JsonOrForm,
        RawBody::Multipart => BodyKind::Multipart,
        RawBody::Any => BodyKind::Any,
    }
}
