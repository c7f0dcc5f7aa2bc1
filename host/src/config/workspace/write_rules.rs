//! Which writes pass without a person, and how many people the others want.

use std::collections::{BTreeMap, BTreeSet};

use wardlock_core::connection::{MAX_RECORDS, WriteLimit, WriteRules};
use wardlock_core::plugin::Effect;
use wardlock_core::service::{Operation, ServiceDefinition};

use super::check::{Checker, count};
use super::names::{ResourceName, known_resources, operation_names, resource_name};
use super::raw::{ConnectionFile, WriteLimitFile};
use crate::config::wording::{nearest, suggestion};

/// The most people that one draft can want: more would be a committee.
const MOST_APPROVALS: i64 = 5;

impl Checker<'_, '_> {
    /// Checks what bounds the writes of a connection.
    pub(super) fn write_rules(
        &mut self,
        key: &str,
        raw: &ConnectionFile,
        service: &ServiceDefinition,
        operations: &BTreeSet<String>,
        resources: &BTreeSet<String>,
    ) -> WriteRules {
        let unattended =
            self.unattended(&["connections", key, "unattended"], service, operations, &raw.unattended);
        let approvals = raw.approvals.unwrap_or(1);
        if !(1..=MOST_APPROVALS).contains(&approvals) {
            let problem = format!("a number of people from 1 to {MOST_APPROVALS} is wanted");
            let hint = "to let a write pass without anybody, see `unattended` and `max_records`";
            self.wrong(&["connections", key, "approvals"], problem, Some(hint.to_owned()));
        }
        let max_records = raw.max_records.unwrap_or(MAX_RECORDS);
        let limits = self.limits(key, &raw.limits, service, operations, resources);
        self.idle_limits(key, max_records, &limits, |name| match service.operation(name) {
            Some(_) => unattended.contains(name),
            None => !unattended.is_empty(),
        });
        WriteRules {
            max_records,
            max_records_a_day: raw.max_records_a_day,
            limits,
            unattended,
            approvals: count(approvals),
        }
    }

    /// Checks the tighter bounds: each is of an operation or a resource of this connection.
    fn limits(
        &mut self,
        key: &str,
        given: &BTreeMap<String, WriteLimitFile>,
        service: &ServiceDefinition,
        operations: &BTreeSet<String>,
        resources: &BTreeSet<String>,
    ) -> BTreeMap<String, WriteLimit> {
        for (name, limit) in given {
            let path = ["connections", key, "limits", name.as_str()];
            match bounded(name, service, operations, resources) {
                Bounded::Known => {}
                Bounded::Own => {
                    let problem = format!("`{name}` is taken for a resource of the account's own");
                    let hint =
                        "nobody here can tell; where it is one, name it in `resources`, beside `*`, and this ends";
                    self.note(&path, problem, hint);
                }
                Bounded::Nothing { problem, hint } => self.wrong(&path, problem, hint),
            }
            if service.operation(name).is_some_and(|operation| operation.envelope.is_some()) {
                let hint = "bound the operations or resources of those";
                let problem =
                    format!("`{name}` carries other requests, and each of those is bounded by its own name");
                self.wrong(&path, problem, Some(hint.to_owned()));
            }
            if limit.max_records.is_none() && limit.max_records_a_day.is_none() {
                let hint = "write `max_records`, `max_records_a_day`, or both";
                self.wrong(&path, "this bounds nothing", Some(hint.to_owned()));
            }
        }
        let limits = given.iter().map(|(name, limit)| {
            let WriteLimitFile { max_records, max_records_a_day } = *limit;
            (name.clone(), WriteLimit { max_records, max_records_a_day })
        });
        limits.collect()
    }

    /// Notes bounds that can never be reached, because the connection's own comes first; `alone` tells where that one is not asked.
    fn idle_limits(
        &mut self,
        key: &str,
        max_records: u32,
        limits: &BTreeMap<String, WriteLimit>,
        alone: impl Fn(&str) -> bool,
    ) {
        for (name, limit) in limits.iter().filter(|(name, _)| !alone(name)) {
            let Some(own) = limit.max_records.filter(|own| *own > max_records) else { continue };
            let problem = format!(
                "{own} is above the connection's `max_records` of {max_records}, which holds all the same"
            );
            let path = ["connections", key, "limits", name.as_str(), "max_records"];
            self.note(&path, problem, "lower it, or raise the connection's");
        }
    }

    /// Checks the operations that need no person although they destroy or are broad. Each is named by itself: a group may grow.
    fn unattended(
        &mut self,
        path: &[&str],
        service: &ServiceDefinition,
        allowed: &BTreeSet<String>,
        listed: &[String],
    ) -> BTreeSet<String> {
        self.no_duplicates(path, listed);
        for (position, given) in listed.iter().enumerate() {
            let position = position.to_string();
            let path: Vec<&str> = path.iter().copied().chain([position.as_str()]).collect();
            if let Some(operation) = service.operation(given).filter(|operation| !is_write(operation)) {
                let hint = match operation.envelope {
                    Some(_) => "name the operations that it may carry",
                    None => "take it out: it needs no person anyway",
                };
                self.note(&path, format!("`{given}` is no write by itself, so this changes nothing"), hint);
            }
            if !allowed.contains(given) {
                let problem = format!("`{given}` is no operation of this connection; groups are not taken here");
                self.wrong(&path, problem, suggestion(given, allowed.iter().map(String::as_str)));
            }
        }
        listed.iter().cloned().collect()
    }
}

/// What the name of a limit bounds.
enum Bounded {
    /// An operation of the connection, or a resource that it names or its service's definition does.
    Known,
    /// A resource that nobody here knows, of a connection with every resource.
    Own,
    /// Nothing, so that whoever wrote it would trust in a bound that is none.
    Nothing { problem: String, hint: Option<String> },
}

/// What the name of a limit is known as.
pub(crate) enum KnownAs {
    /// An operation of the connection.
    Operation,
    /// A resource that the connection names, or its service's definition does where it names all.
    Resource,
}

/// Says what the name of a limit is known as.
pub(crate) fn known_as(
    name: &str,
    service: &ServiceDefinition,
    operations: &BTreeSet<String>,
    resources: &BTreeSet<String>,
) -> Option<KnownAs> {
    let is_resource =
        || resources.contains(name) || (resources.contains("*") && known_resources(service).contains(name));
    match name {
        "*" => None,
        _ if operations.contains(name) => Some(KnownAs::Operation),
        _ => is_resource().then_some(KnownAs::Resource),
    }
}

/// Says what the name of a limit bounds.
fn bounded(
    name: &str,
    service: &ServiceDefinition,
    operations: &BTreeSet<String>,
    resources: &BTreeSet<String>,
) -> Bounded {
    if known_as(name, service, operations, resources).is_some() {
        return Bounded::Known;
    }
    let known = known_resources(service);
    let every = resources.contains("*");
    if let Some(group) = service.groups.get(name) {
        let problem = format!("`{name}` is a group, and a limit is of one operation");
        let names: Vec<String> = group.iter().map(|name| format!("`{name}`")).collect();
        let hint = format!("write a limit for each that shall have one: {}", names.join(", "));
        return Bounded::Nothing { problem, hint: Some(hint) };
    }
    if service.operation(name).is_some() {
        let problem = format!("`{name}` is no operation of this connection, so this bounds nothing");
        return Bounded::Nothing {
            problem,
            hint: Some("name it in `operations`, or take the limit out".to_owned()),
        };
    }
    let problem = format!("`{name}` is no operation and no resource of this connection");
    let names = operations.iter().chain(resources).map(String::as_str);
    if name == "*" || !every {
        return Bounded::Nothing { problem, hint: suggestion(name, names) };
    }
    if let ResourceName::Wrong(_) = resource_name(service, &known, name) {
        return Bounded::Nothing { problem, hint: suggestion(name, names.chain(known.iter().copied())) };
    }
    match nearest(name, operation_names(service)) {
        Some(near) => {
            let hint =
                format!("did you mean `{near}`? A resource of that name is named in `resources`, beside `*`");
            Bounded::Nothing { problem, hint: Some(hint) }
        }
        None => Bounded::Own,
    }
}

/// Whether an operation changes something itself: always, or with some part of the request.
fn is_write(operation: &Operation) -> bool {
    let may_destroy = !operation.destructive_with.is_empty();
    operation.envelope.is_none() && (operation.effect != Effect::Read || may_destroy)
}
