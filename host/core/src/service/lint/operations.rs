//! What operations do, and how that is classed.

use toml::Spanned;

use super::Lint;
use crate::service::check::body_pointers;
use crate::service::parse::with_version;
use crate::service::raw::{
    RawEffect, RawField, RawOperation, RawPin, RawPresence, RawResource, RawService, RawTenantOf, RawUse,
};
use crate::service::template::{Overlap, PathRules, PathTemplate, Segment};

/// Words that an operation which only reads has no use for.
const TAKING: [&str; 8] = ["delete", "remove", "destroy", "purge", "revoke", "cancel", "erase", "unlink"];

/// Words of operations that only ask how such a thing went.
const ASKING: [&str; 4] = ["status", "job", "jobs", "history"];

/// Words of parameters and members that take something away.
const TAKING_PARTS: [&str; 5] = ["delete", "remove", "destroy", "purge", "erase"];

/// An operation with its path read.
struct Routed<'a> {
    at: &'a Spanned<RawOperation>,
    path: PathTemplate,
}

impl Routed<'_> {
    fn is(&self, method: &str) -> bool {
        self.at.get_ref().method.get_ref() == method
    }

    fn effect(&self) -> RawEffect {
        self.at.get_ref().effect
    }
}

impl Lint<'_> {
    pub(super) fn operations(&mut self, raw: &RawService) {
        for operation in &raw.operations {
            self.operation(operation, raw);
            self.taking_parts(operation);
        }
        self.groups(raw);
        let rules = PathRules { names: raw.paths.names.clone(), reserved: raw.paths.reserved.clone() };
        let routed = raw.operations.iter().filter_map(|at| {
            let path =
                PathTemplate::parse(&with_version(at.get_ref().path.get_ref(), &raw.version), &rules).ok()?;
            Some(Routed { at, path })
        });
        let routed: Vec<Routed<'_>> = routed.collect();
        self.effects(&routed, &rules);
        self.shadows(&routed, &rules);
        if matches!(raw.tenant.get_ref().of, RawTenantOf::Connection) {
            self.unpinned(raw, &routed);
        }
    }

    fn operation(&mut self, operation: &Spanned<RawOperation>, raw: &RawService) {
        let (at, operation) = (operation.span(), operation.get_ref());
        let key = |part: &str| format!("operations.{}.{part}", operation.name);
        let path = operation.path.get_ref();
        let words = |text: &str| {
            text.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_ascii_lowercase).collect::<Vec<_>>()
        };
        let mut said = words(&operation.name);
        said.extend(path.rsplit('/').find(|segment| !segment.starts_with('{')).map(words).unwrap_or_default());
        let asking = said.iter().any(|word| ASKING.contains(&word.as_str()));
        let taking = said.iter().find(|word| !asking && TAKING.contains(&word.as_str()));
        if let (Some(word), RawEffect::Read, None) = (taking, operation.effect, &operation.refused) {
            let problem = format!("`{word}` is classed as a read");
            self.find(&at, key("effect"), problem, "write \"destructive\", unless it is the name of what is read");
        }
        let any_scopes = raw.operations.iter().any(|other| !other.get_ref().scopes.is_empty());
        if operation.scopes.is_empty() && any_scopes && operation.refused.is_none() {
            let mend =
                "list what the provider's documentation says it needs; without it a consent may not cover it";
            self.find(&at, key("scopes"), "it names no scope, and others do", mend);
        }
    }

    fn groups(&mut self, raw: &RawService) {
        for (group, members) in &raw.groups {
            if !group
                .split(|c: char| !c.is_ascii_alphanumeric())
                .any(|word| matches!(word, "read" | "reading" | "readonly"))
            {
                continue;
            }
            for member in members {
                let named = raw
                    .operations
                    .iter()
                    .map(Spanned::get_ref)
                    .find(|operation| operation.name == *member.get_ref());
                if named.is_some_and(|operation| operation.effect != RawEffect::Read) {
                    let problem =
                        format!("`{}` is no read, and the group's name says that all are", member.get_ref());
                    self.find(&member.span(), format!("groups.{group}"), problem, "give it a group of its own");
                }
            }
        }
    }

    /// A parameter or member that takes something away, and does not make the request destructive.
    fn taking_parts(&mut self, operation: &Spanned<RawOperation>) {
        let (at, operation) = (operation.span(), operation.get_ref());
        if operation.effect == RawEffect::Destructive || operation.refused.is_some() {
            return;
        }
        let destructive = |part: &str| {
            operation.destructive_with.iter().any(|presence| match presence {
                RawPresence::Query(name) => name == part,
                RawPresence::Body(pointer) => last(pointer) == part,
                RawPresence::BodyIs(is) => last(&is.pointer) == part,
            })
        };
        let takes = |part: &str| words(part).iter().any(|word| TAKING_PARTS.contains(&word.as_str()));
        let query = operation
            .query
            .iter()
            .filter(|name| takes(name))
            .map(|name| (name.as_str(), format!("query = \"{name}\"")));
        let body = body_pointers(operation).filter_map(|pointer| {
            let part = pointer.split('/').find(|part| takes(part))?;
            let until = pointer.find(part)? + part.len();
            Some((part, format!("body = \"/{}\"", pointer[..until].trim_start_matches('/'))))
        });
        for (part, place) in query.chain(body).filter(|(part, _)| !destructive(part)) {
            let problem = format!("`{part}` takes something away, and does not make the request destructive");
            let mend = format!("add `destructive_with = [{{ {place} }}]`, or class all of it as destructive");
            self.find(&at, format!("operations.{}.destructive_with", operation.name), problem, mend);
        }
    }

    /// Effects that no API has: a change that is called a read, and two that were swapped.
    fn effects(&mut self, routed: &[Routed<'_>], rules: &PathRules) {
        for operation in routed {
            let found = operation.at.get_ref();
            let key = format!("operations.{}.effect", found.name);
            let same = |other: &&Routed<'_>| operation.path.overlap(&other.path, rules) == Overlap::Same;
            let reads = operation.effect() == RawEffect::Read && found.refused.is_none();
            if reads && (operation.is("PUT") || operation.is("PATCH")) {
                let problem = format!("a {} is classed as a read", found.method.get_ref());
                self.find(
                    &operation.at.span(),
                    key,
                    problem,
                    "write \"write\", or \"destructive\" if it cannot be undone",
                );
            } else if reads && found.fields.iter().any(writes) {
                let problem = "it writes fields, and is classed as a read";
                let mend = "write \"write\", or `how = \"read\"` at the fields";
                self.find(&operation.at.span(), key, problem, mend);
            } else if operation.is("GET") && operation.effect() == RawEffect::Write {
                let swapped = routed.iter().filter(same).find(|other| other.effect() == RawEffect::Read);
                if let Some(other) = swapped {
                    let name = &other.at.get_ref().name;
                    let problem = format!("a GET is classed as a write, and `{name}` of the same path as a read");
                    self.find(&operation.at.span(), key, problem, "were the two effects swapped?");
                }
            }
        }
    }

    /// A word that destroys when it is posted to, and by another method is taken for the id of something harmless: many servers
    /// look at the path alone.
    fn shadows(&mut self, routed: &[Routed<'_>], rules: &PathRules) {
        let acts = |operation: &&Routed<'_>| operation.is("POST") && operation.effect() == RawEffect::Destructive;
        for action in routed.iter().filter(acts) {
            for method in ["GET", "PUT", "PATCH", "DELETE"] {
                let covers = |other: &&Routed<'_>| {
                    let how = action.path.overlap(&other.path, rules);
                    other.is(method) && matches!(how, Overlap::Narrower | Overlap::Same)
                };
                let meant = routed
                    .iter()
                    .filter(covers)
                    .reduce(|best, other| if other.path.beats(&best.path) { other } else { best });
                let harmless = meant.filter(|meant| meant.effect() != RawEffect::Destructive);
                let Some((meant, word)) = harmless.and_then(|meant| Some((meant, taken(action, meant)?))) else {
                    continue;
                };
                let name = &meant.at.get_ref().name;
                let problem =
                    format!("{method} of `{}` counts as `{name}`, whose parameter takes `{word}`", action.path);
                let mend = format!("add `{word}` to `paths.reserved`, which no parameter takes");
                let key = format!("operations.{}.path", action.at.get_ref().name);
                self.find(&action.at.span(), key, problem, mend);
            }
        }
    }

    /// An operation that names no tenant reaches all that the login reaches.
    fn unpinned(&mut self, raw: &RawService, routed: &[Routed<'_>]) {
        let pins = || raw.tenant.get_ref().pins.iter().map(Spanned::get_ref);
        for operation in routed.iter().filter(|operation| operation.at.get_ref().refused.is_none()) {
            let found = operation.at.get_ref();
            let is_no_record =
                |resource: &RawResource| matches!(resource, RawResource::Fixed(name) if name.starts_with('$'));
            let reads_body = found.body.is_read();
            let pinned = pins().any(|pin| match pin {
                // The host sets these by itself.
                RawPin::Query(_) | RawPin::Header(_) => true,
                RawPin::Path(name) => operation.path.has_parameter(name),
                RawPin::Body(_) | RawPin::Gaql(_) => reads_body,
                RawPin::Text(text) => reads_body || operation.path.to_string().contains(text.as_str()),
            });
            if !pinned && !found.resources.iter().all(is_no_record) {
                let mend = "put the tenant into its path, or refuse it with `refused`";
                let key = format!("operations.{}", found.name);
                self.find(
                    &operation.at.span(),
                    key,
                    "no pin touches it, so it reaches every tenant of the login",
                    mend,
                );
            }
        }
    }
}

/// Returns whether fields are written.
fn writes(field: &RawField) -> bool {
    match field {
        RawField::QueryList(list) => matches!(list.how, RawUse::Write),
        RawField::BodyRecords(body) | RawField::BodyList(body) => matches!(body.how, RawUse::Write),
        RawField::QueryCriteria(_)
        | RawField::QueryOpaque(_)
        | RawField::Header(_)
        | RawField::Coql(_)
        | RawField::Gaql(_) => false,
    }
}

/// Returns the first literal of a path that a parameter of another one takes.
fn taken<'a>(narrow: &'a Routed<'_>, wide: &Routed<'_>) -> Option<&'a str> {
    let mut pairs = narrow.path.segments().iter().zip(wide.path.segments());
    pairs.find_map(|pair| match pair {
        (Segment::Literal(word), Segment::Any(_) | Segment::Name(_)) => Some(word.as_str()),
        _ => None,
    })
}

fn last(pointer: &str) -> &str {
    pointer.rsplit('/').find(|part| *part != "*").unwrap_or_default()
}

/// Returns the words of a name in lower case: `removeIds` and `remove_ids` have two.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for c in name.chars() {
        if !c.is_ascii_alphanumeric() || c.is_ascii_uppercase() {
            words.push(String::new());
        }
        if let (true, Some(word)) = (c.is_ascii_alphanumeric(), words.last_mut()) {
            word.push(c.to_ascii_lowercase());
        }
    }
    words
}
