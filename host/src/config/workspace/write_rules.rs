//! Which writes pass without a person, and how many people the others want.

use std::collections::{BTreeMap, BTreeSet};

use wardlock_core::connection::{MAX_RECORDS, WriteLimit, WriteRules};
use wardlock_core::service::ServiceDefinition;

use super::check::Checker;
use super::raw::{ConnectionFile, WriteLimitFile};
use crate::config::wording::suggestion;

/// The most people that one draft can want: more would be a committee.
const MOST_APPROVALS: u32 = 5;

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
        let unattended = self.unattended(&["connections", key, "unattended"], operations, &raw.unattended);
        let approvals = raw.approvals.unwrap_or(1);
        if !(1..=MOST_APPROVALS).contains(&approvals) {
            let problem = format!("a number of people from 1 to {MOST_APPROVALS} is wanted");
            let hint = "to let a write pass without anybody, see `unattended` and `max_records`";
            self.wrong(&["connections", key, "approvals"], problem, Some(hint.to_owned()));
        }
        WriteRules {
            max_records: raw.max_records.unwrap_or(MAX_RECORDS),
            max_records_a_day: raw.max_records_a_day,
            limits: self.limits(key, &raw.limits, service, operations, resources),
            unattended,
            approvals,
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
            // A connection with every resource may bound one that nobody here knows.
            let is_known = operations.contains(name) || resources.contains(name) || resources.contains("*");
            if !is_known || name == "*" {
                let problem = format!("`{name}` is no operation and no resource of this connection");
                let names = operations.iter().chain(resources).map(String::as_str);
                self.wrong(&path, problem, suggestion(name, names));
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

    /// Checks the operations that need no person although they destroy or are broad. Each is named by itself: a group may grow.
    fn unattended(&mut self, path: &[&str], allowed: &BTreeSet<String>, listed: &[String]) -> BTreeSet<String> {
        self.no_duplicates(path, listed);
        for (position, given) in listed.iter().enumerate() {
            if !allowed.contains(given) {
                let position = position.to_string();
                let path: Vec<&str> = path.iter().copied().chain([position.as_str()]).collect();
                let problem = format!("`{given}` is no operation of this connection; groups are not taken here");
                self.wrong(&path, problem, suggestion(given, allowed.iter().map(String::as_str)));
            }
        }
        listed.iter().cloned().collect()
    }
}
