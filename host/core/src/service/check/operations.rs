//! What operations and their groups must hold together.

use std::collections::BTreeSet;

use toml::Spanned;

use super::{Checked, check_header, hint_nearest};
use crate::service::raw::{
    RawBody, RawBreadth, RawEffect, RawField, RawOperation, RawPresence, RawResource, RawService,
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
        let template = PathTemplate::parse(path.get_ref(), &path_rules)
            .map_err(|problem| source.at(path.span(), place.key("path"), problem))?;
        place.check_name(&mut names)?;
        place.check_host(roles)?;
        place.check_effect()?;
        place.check_sources(&template)?;
        place.check_scopes(raw)?;
        for header in &operation.get_ref().headers {
            check_header(source, header, &operation.span(), &place.key("headers"))?;
        }
        templates.push((template, operation));
    }
    check_overlaps(source, &templates, &path_rules)?;
    check_parameters(source, &path_rules, &templates)?;
    check_groups(source, raw, &names)?;
    check_query_names(source, raw)
}

struct Place<'a> {
    source: &'a Source<'a>,
    operation: &'a Spanned<RawOperation>,
}

impl<'a> Place<'a> {
    fn key(&self, part: &str) -> String {
        format!("operations.{}.{part}", self.operation.get_ref().name)
    }

    fn fail(&self, part: &str, problem: impl Into<String>) -> Checked {
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
            return self.fail("effect", "a DELETE is not a read");
        }
        if matches!(method, "GET" | "HEAD") && operation.body != RawBody::None {
            return self.fail("body", format!("a {method} request carries no body"));
        }
        if operation.resources.is_empty() && operation.refused.is_none() {
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
        if !pointers.is_empty() && operation.body != RawBody::Json {
            return self.fail("body", "a body is read, so `body` must be \"json\"");
        }
        for pointer in pointers.into_iter().filter(|place| !place.is_member) {
            if !pointer.text.starts_with('/') {
                return self
                    .fail("body", format!("`{}` is not a JSON pointer; one begins with `/`", pointer.text));
            }
        }
        if let RawBreadth::Query(query) = &operation.breadth
            && query.default > query.max
        {
            return self.fail("breadth", "the default is larger than the maximum");
        }
        Ok(())
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

struct BodyPlace<'a> {
    text: &'a str,
    is_member: bool,
}

fn body_places(operation: &RawOperation) -> Vec<BodyPlace<'_>> {
    let pointer = |text| Some(BodyPlace { text, is_member: false });
    let member = |text| Some(BodyPlace { text, is_member: true });
    let resources = operation.resources.iter().filter_map(|resource| match resource {
        RawResource::Coql(name) => member(name.as_str()),
        RawResource::Body(text) => pointer(text.as_str()),
        RawResource::Fixed(_)
        | RawResource::Path(_)
        | RawResource::Related(_)
        | RawResource::Query(_)
        | RawResource::QueryIs(_) => None,
    });
    let fields = operation.fields.iter().filter_map(|field| match field {
        RawField::Coql(name) => member(name.as_str()),
        RawField::BodyRecords(body) | RawField::BodyList(body) => pointer(body.pointer.as_str()),
        RawField::QueryList(_) | RawField::QueryCriteria(_) | RawField::QueryOpaque(_) | RawField::Header(_) => {
            None
        }
    });
    let breadth = match &operation.breadth {
        RawBreadth::BodyCount(text) => pointer(text.as_str()),
        RawBreadth::Coql(coql) => member(coql.member.as_str()),
        RawBreadth::Fixed(_) | RawBreadth::Query(_) | RawBreadth::QueryCount(_) | RawBreadth::Unbounded => None,
    };
    let presence = operation.destructive_with.iter().filter_map(|presence| match presence {
        RawPresence::Body(text) => pointer(text.as_str()),
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
    let known: BTreeSet<&str> = request
        .query
        .iter()
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

fn source_queries(operation: &RawOperation) -> impl Iterator<Item = &str> {
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
    resources.chain(fields).chain(breadth)
}
