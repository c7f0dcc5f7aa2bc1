//! What operations and their groups must hold together.

use std::collections::BTreeSet;

use toml::Spanned;

use super::{Checked, check_header, hint_nearest};
use crate::service::parse::with_version;
use crate::service::raw::{
    RawBody, RawBreadth, RawEffect, RawField, RawOperation, RawPin, RawPresence, RawResource, RawService,
};
use crate::service::template::{Overlap, PathRules, PathTemplate};
use crate::service::text::Source;

/// Checks every operation, then what they share.
pub(super) fn check(source: &Source<'_>, raw: &RawService, roles: &BTreeSet<&str>) -> Checked {
    let path_rules = PathRules { names: raw.paths.names.clone(), reserved: raw.paths.reserved.clone() };
    let mut templates = Vec::new();
    let mut names = BTreeSet::new();
    for operation in &raw.operations {
        let place = Place { source, operation };
        let path = &operation.get_ref().path;
        let template = PathTemplate::parse(&with_version(path.get_ref(), &raw.version), &path_rules)
            .map_err(|problem| source.at(path.span(), place.key("path"), problem))?;
        place.check_name(&mut names)?;
        place.check_host(roles)?;
        place.check_effect()?;
        place.check_sources(&template)?;
        place.check_scopes(raw)?;
        place.check_dry_run()?;
        place.check_current()?;
        place.check_body_is_judged(raw)?;
        place.check_envelope(raw)?;
        for header in
            operation.get_ref().headers.iter().map(String::as_str).chain(source_headers(operation.get_ref()))
        {
            check_header(source, header, &operation.span(), &place.key("headers"))?;
        }
        templates.push((template, operation));
    }
    check_overlaps(source, &templates, &path_rules)?;
    check_pins(source, raw, &templates)?;
    check_parameters(source, &path_rules, &templates)?;
    check_groups(source, raw, &names)?;
    check_query_names(source, raw)
}

pub(super) struct Place<'a> {
    source: &'a Source<'a>,
    pub(super) operation: &'a Spanned<RawOperation>,
}

impl<'a> Place<'a> {
    fn key(&self, part: &str) -> String {
        format!("operations.{}.{part}", self.operation.get_ref().name)
    }

    pub(super) fn fail(&self, part: &str, problem: impl Into<String>) -> Checked {
        Err(self.source.at(self.operation.span(), self.key(part), problem))
    }

    fn check_name(&self, names: &mut BTreeSet<&'a str>) -> Checked {
        let name = self.operation.get_ref().name.as_str();
        let is_part = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        if !name.split('.').all(is_part) || name == "unknown" {
            return self
                .fail("name", "a name is lower-case words with dots between (`records.list`), and not `unknown`");
        }
        if !names.insert(name) {
            return self.fail("name", "two operations have this name");
        }
        Ok(())
    }

    fn check_host(&self, roles: &BTreeSet<&str>) -> Checked {
        let host = self.operation.get_ref().host.as_str();
        if roles.contains(host) {
            return Ok(());
        }
        self.fail("host", format!("no region has a host for `{host}`"))
            .map_err(|error| hint_nearest(error, host, roles.iter().copied()))
    }

    fn check_effect(&self) -> Checked {
        let operation = self.operation.get_ref();
        let method = operation.method.get_ref().as_str();
        if method == "DELETE" && operation.effect == RawEffect::Read {
            return self
                .fail("effect", "a DELETE is not a read")
                .map_err(|error| error.hint("write \"destructive\""));
        }
        if matches!(method, "GET" | "HEAD") && operation.body != RawBody::None {
            return self.fail("body", format!("a {method} request carries no body"));
        }
        if operation.resources.is_empty() && operation.refused.is_none() && operation.envelope.is_none() {
            return self.fail("resources", "an operation names what it touches");
        }
        Ok(())
    }

    fn check_sources(&self, template: &PathTemplate) -> Checked {
        let operation = self.operation.get_ref();
        for resource in &operation.resources {
            if let RawResource::Path(name) | RawResource::Related(name) = resource
                && !template.has_parameter(name)
            {
                return self.fail("resources", format!("the path has no parameter `{{{name}}}`"));
            }
        }
        let pointers = body_places(operation);
        if !pointers.is_empty() && !operation.body.is_read() {
            return self.fail("body", "a body is read, so `body` must be \"json\", \"form\" or \"json_or_form\"");
        }
        for pointer in pointers.into_iter().filter(|place| !place.is_member) {
            if !pointer.text.starts_with('/') {
                return self
                    .fail("body", format!("`{}` is not a JSON pointer; one begins with `/`", pointer.text));
            }
            if !pointer.takes_star && pointer.text.split('/').any(|step| step == "*") {
                return self
                    .fail("body", format!("`*` in `{}` stands for nothing", pointer.text))
                    .map_err(|error| error.hint("only `body_records` and `destructive_with` take it"));
            }
        }
        if let RawBreadth::Query(query) = &operation.breadth
            && query.default > query.max
        {
            return self.fail("breadth", "the default is larger than the maximum");
        }
        Ok(())
    }

    fn check_dry_run(&self) -> Checked {
        let operation = self.operation.get_ref();
        let Some(dry_run) = &operation.dry_run else {
            return Ok(());
        };
        match (&dry_run.query, &dry_run.body) {
            (Some(name), None) if operation.query.contains(name) && dry_run.value.is_string() => Ok(()),
            (Some(name), None) if operation.query.contains(name) => self
                .fail("dry_run", format!("the query's `{name}` holds a text, and `value` is none"))
                .map_err(|error| error.hint("write it in quotes, as in `value = \"true\"`")),
            (Some(name), None) => self.fail("dry_run", format!("`{name}` is not in the operation's `query`")),
            (None, Some(pointer)) if pointer.starts_with('/') && operation.body.is_read() => Ok(()),
            (None, Some(_)) => self.fail("dry_run", "a JSON pointer into a body of type \"json\" is wanted"),
            (Some(_), Some(_)) | (None, None) => {
                self.fail("dry_run", "the parameter stands in one place: `query` or `body`")
            }
        }
    }

    /// What the definition says of every body holds only of those that are read.
    fn check_body_is_judged(&self, raw: &RawService) -> Checked {
        let operation = self.operation.get_ref();
        let is_read_by = |pin: &RawPin| matches!(pin, RawPin::Body(_) | RawPin::Text(_) | RawPin::Gaql(_));
        let judged = if raw.tenant.get_ref().pins.iter().any(|pin| is_read_by(pin.get_ref())) {
            "tenant.pins"
        } else if raw.request.get_ref().deny_body.is_empty() {
            return Ok(());
        } else {
            "request.deny_body"
        };
        if operation.refused.is_some() || !matches!(operation.body, RawBody::Multipart | RawBody::Any) {
            return Ok(());
        }
        self.fail("body", format!("nobody reads this body, and `{judged}` speaks of what bodies hold")).map_err(
            |error| error.hint("write \"json\" or \"form\", or say under `refused` why nobody may send it"),
        )
    }

    fn check_scopes(&self, raw: &RawService) -> Checked {
        for scope in self.operation.get_ref().scopes.iter().flatten() {
            if scope.is_empty() || scope.contains([',', ' ']) {
                return self.fail("scopes", format!("`{scope}` is not one scope"));
            }
            let named = raw.scope_names.others.is_some() || !raw.scope_names.known.is_empty();
            if scope.contains('{') && !(scope.matches('{').count() == 1 && scope.contains("{module}") && named) {
                return self.fail("scopes", format!("`{scope}`: only `{{module}}`, and with `[scope_names]`"));
            }
        }
        if self.operation.get_ref().scopes.iter().any(Vec::is_empty) {
            return self.fail("scopes", "an empty alternative would mean that no scope is needed");
        }
        Ok(())
    }
}

/// A pin on a path parameter that no path has would pin nothing.
fn check_pins(
    source: &Source<'_>,
    raw: &RawService,
    templates: &[(PathTemplate, &Spanned<RawOperation>)],
) -> Checked {
    for pin in &raw.tenant.get_ref().pins {
        if let RawPin::Path(name) = pin.get_ref()
            && !templates.iter().any(|(template, _)| template.has_parameter(name))
        {
            return Err(source.at(pin.span(), "tenant.pins", format!("no path has a parameter `{{{name}}}`")));
        }
    }
    Ok(())
}

struct BodyPlace<'a> {
    text: &'a str,
    is_member: bool,
    takes_star: bool,
}

/// Returns the body members, by name or JSON pointer, that an operation names.
pub(in crate::service) fn body_pointers(operation: &RawOperation) -> impl Iterator<Item = &str> {
    body_places(operation).into_iter().map(|place| place.text)
}

fn body_places(operation: &RawOperation) -> Vec<BodyPlace<'_>> {
    let place = |text, is_member, takes_star| Some(BodyPlace { text, is_member, takes_star });
    let pointer = |text| place(text, false, false);
    let pattern = |text| place(text, false, true);
    let member = |text| place(text, true, false);
    let resources = operation.resources.iter().filter_map(|resource| match resource {
        RawResource::Coql(name) | RawResource::Gaql(name) => member(name.as_str()),
        RawResource::Body(text) | RawResource::BodyKeys(text) => pointer(text.as_str()),
        RawResource::Fixed(_)
        | RawResource::Path(_)
        | RawResource::Related(_)
        | RawResource::Query(_)
        | RawResource::QueryIs(_) => None,
    });
    let fields = operation.fields.iter().filter_map(|field| match field {
        RawField::Coql(name) | RawField::Gaql(name) => member(name.as_str()),
        RawField::BodyRecords(body) => pattern(body.pointer.as_str()),
        RawField::BodyList(body) => pointer(body.pointer.as_str()),
        RawField::QueryList(_) | RawField::QueryCriteria(_) | RawField::QueryOpaque(_) | RawField::Header(_) => {
            None
        }
    });
    let breadth = match &operation.breadth {
        RawBreadth::BodyCount(text) => pointer(text.as_str()),
        RawBreadth::Coql(query) | RawBreadth::Gaql(query) => member(query.member.as_str()),
        RawBreadth::Fixed(_) | RawBreadth::Query(_) | RawBreadth::QueryCount(_) | RawBreadth::Unbounded => None,
    };
    let presence = operation.destructive_with.iter().filter_map(|presence| match presence {
        RawPresence::Body(text) => pattern(text.as_str()),
        RawPresence::BodyIs(is) => pattern(is.pointer.as_str()),
        RawPresence::Query(_) => None,
    });
    resources.chain(fields).chain(breadth).chain(presence).collect()
}

fn check_overlaps(
    source: &Source<'_>,
    templates: &[(PathTemplate, &Spanned<RawOperation>)],
    rules: &PathRules,
) -> Checked {
    for (at, (later, operation)) in templates.iter().enumerate() {
        for (earlier, other) in &templates[..at] {
            if operation.get_ref().method.get_ref() != other.get_ref().method.get_ref() {
                continue;
            }
            let how = match later.overlap(earlier, rules) {
                Overlap::None | Overlap::Narrower | Overlap::Wider => continue,
                Overlap::Same => "fits the same paths as",
                Overlap::Ambiguous => "fits some paths of, and neither is the narrower:",
            };
            let key = format!("operations.{}.path", operation.get_ref().name);
            let problem = format!("`{later}` {how} `{earlier}` of `{}`", other.get_ref().name);
            return Err(source
                .at(operation.get_ref().path.span(), key, problem)
                .hint("a word under `paths.reserved` is never taken by a parameter"));
        }
    }
    Ok(())
}

fn check_parameters(
    source: &Source<'_>,
    rules: &PathRules,
    templates: &[(PathTemplate, &Spanned<RawOperation>)],
) -> Checked {
    let unused = rules.names.iter().find(|name| !templates.iter().any(|(path, _)| path.has_parameter(name)));
    match unused {
        Some(name) => Err(source.error(0, "paths.names", format!("no path has a parameter `{{{name}}}`"))),
        None => Ok(()),
    }
}

fn check_groups(source: &Source<'_>, raw: &RawService, names: &BTreeSet<&str>) -> Checked {
    for (group, members) in &raw.groups {
        let key = format!("groups.{group}");
        let Some(first) = members.first() else {
            return Err(source.error(0, key, "the group is empty"));
        };
        if names.contains(group.as_str()) {
            return Err(source.at(first.span(), key, "an operation has this name"));
        }
        for member in members {
            if !names.contains(member.get_ref().as_str()) {
                let problem = format!("no operation is called `{}`", member.get_ref());
                let error = source.at(member.span(), key, problem);
                return Err(hint_nearest(error, member.get_ref(), names.iter().copied()));
            }
        }
    }
    Ok(())
}

/// A query name that may stand in the audit must be one that passes; the agent's token may not be one.
fn check_query_names(source: &Source<'_>, raw: &RawService) -> Checked {
    let request = raw.request.get_ref();
    let pins = raw.tenant.get_ref().pins.iter().filter_map(|pin| match pin.get_ref() {
        RawPin::Query(name) => Some(name),
        _ => None,
    });
    let known: BTreeSet<&str> = request
        .query
        .iter()
        .chain(pins)
        .chain(raw.operations.iter().flat_map(|operation| &operation.get_ref().query))
        .map(String::as_str)
        .chain(raw.operations.iter().flat_map(|operation| source_queries(operation.get_ref())))
        .collect();
    let place = raw.request.span();
    if let Some(name) = request.audit_safe_query.iter().find(|name| !known.contains(name.as_str())) {
        let error = source.at(place, "request.audit_safe_query", format!("no operation takes `{name}`"));
        return Err(hint_nearest(error, name, known.iter().copied()));
    }
    match &request.token_query {
        Some(name) if known.contains(name.as_str()) => {
            Err(source.at(place, "request.token_query", format!("an operation takes `{name}` itself")))
        }
        Some(_) | None => Ok(()),
    }
}

/// Returns the headers that an operation's sources take from agents.
pub(super) fn source_headers(operation: &RawOperation) -> impl Iterator<Item = &str> {
    operation.fields.iter().filter_map(|field| match field {
        RawField::Header(name) => Some(name.as_str()),
        _ => None,
    })
}

/// Returns the query names that an operation's sources take from agents.
pub(super) fn source_queries(operation: &RawOperation) -> impl Iterator<Item = &str> {
    let resources = operation.resources.iter().filter_map(|resource| match resource {
        RawResource::Query(name) => Some(name.as_str()),
        RawResource::QueryIs(is) => Some(is.name.as_str()),
        _ => None,
    });
    let fields = operation.fields.iter().filter_map(|field| match field {
        RawField::QueryList(list) => Some(list.name.as_str()),
        RawField::QueryCriteria(name) | RawField::QueryOpaque(name) => Some(name.as_str()),
        _ => None,
    });
    let breadth = match &operation.breadth {
        RawBreadth::Query(query) => Some(query.name.as_str()),
        RawBreadth::QueryCount(name) => Some(name.as_str()),
        _ => None,
    };
    let presence = operation.destructive_with.iter().filter_map(|presence| match presence {
        RawPresence::Query(name) => Some(name.as_str()),
        RawPresence::Body(_) | RawPresence::BodyIs(_) => None,
    });
    let dry_run = operation.dry_run.iter().filter_map(|dry_run| dry_run.query.as_deref());
    resources.chain(fields).chain(breadth).chain(presence).chain(dry_run)
}
