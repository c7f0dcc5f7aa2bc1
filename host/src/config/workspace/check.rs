//! Turns what a workspace file says into what exists, and collects everything that does not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wardlock_core::connection::{Connection, WriteMode};
use wardlock_core::id::{AgentName, BadName, ConnectionName, GrantName, Region, WorkspaceName};
use wardlock_core::service::ServiceDefinition;

use crate::config::text_error::{Document, TextError};
use crate::config::wording::suggestion;
use crate::loaded::Services;

use super::ConnectionPlan;
use super::names::{ResourceName, expand, known_resources, operation_names, resource_name};
use super::raw::{AgentFile, ConnectionFile, Owner, Writes};

/// Collects what is wrong with one workspace file.
pub(super) struct Checker<'a, 'd> {
    document: &'a Document<'d>,
    services: &'a Services,
    problems: Vec<TextError>,
    notes: Vec<TextError>,
}

impl<'a, 'd> Checker<'a, 'd> {
    pub(super) fn new(document: &'a Document<'d>, services: &'a Services) -> Self {
        Self { document, services, problems: Vec::new(), notes: Vec::new() }
    }

    /// Makes the value from the notes if nothing was wrong.
    pub(super) fn done<T>(self, make: impl FnOnce(Vec<TextError>) -> T) -> Result<T, Vec<TextError>> {
        if self.problems.is_empty() { Ok(make(self.notes)) } else { Err(self.problems) }
    }

    /// Notes that something is wrong.
    pub(super) fn wrong(&mut self, path: &[&str], problem: impl Into<String>, hint: Option<String>) {
        let error = self.document.error_at(path, problem);
        self.problems.push(error.maybe_hint(hint));
    }

    /// Checks one connection; `None` where something is wrong with it.
    pub(super) fn connection(
        &mut self,
        workspace: &WorkspaceName,
        key: &str,
        raw: &ConnectionFile,
    ) -> Option<ConnectionPlan> {
        let at = |last: &'static str| ["connections", key, last];
        let name = self.name(&["connections", key], ConnectionName::parse(key));
        let grant = self.name(&at("grant"), GrantName::parse(&raw.grant));
        if raw.owner == Owner::Agent {
            let hint = "leave `owner` out: the connection's grant then serves the whole workspace".to_owned();
            self.wrong(
                &at("owner"),
                "connections owned by one agent come with the credentials milestone",
                Some(hint),
            );
        }
        self.tenant(&at("tenant"), raw.tenant.as_deref());
        let plugins = self.plugins(key, &raw.plugins);
        let service = self.service(&at("service"), &raw.service)?;
        let region = self.region(&at("region"), &service, &raw.region);
        let environment = raw.environment.as_deref().unwrap_or("production");
        self.environment(&at("environment"), &service, region.as_ref(), environment);
        let resources = self.resources(&at("resources"), &service, &raw.resources);
        let operations = self.operations(&at("operations"), &service, &raw.operations);
        if raw.concurrency == Some(0) {
            let hint = "leave it out, and the service's own number holds";
            self.wrong(&at("concurrency"), "a number from 1 on is wanted", Some(hint.to_owned()));
        }
        if let Some(scopes) = &raw.scopes {
            self.scopes(&at("scopes"), scopes);
        }
        let connection = Connection {
            workspace: workspace.clone(),
            name: name?,
            label: raw.label.clone().unwrap_or_else(|| format!("{} of {workspace}", service.display)),
            service,
            region: region?,
            environment: environment.to_owned(),
            grant: grant?,
            tenant: raw.tenant.clone(),
            resources,
            operations,
            concurrency: raw.concurrency,
            writes: match raw.writes {
                Writes::Off => WriteMode::Off,
                Writes::Draft => WriteMode::Draft,
                Writes::On => WriteMode::On,
            },
            chain: Vec::new(),
            agents: BTreeMap::new(),
        };
        Some(ConnectionPlan { connection, scopes: raw.scopes.clone(), plugins: plugins? })
    }

    /// Checks an agent's name.
    pub(super) fn agent(&mut self, key: &str) -> Option<AgentName> {
        self.name(&["agents", key], AgentName::parse(key))
    }

    /// Expands what an agent is narrowed to, for each connection; `None`: not narrowed.
    pub(super) fn agent_operations(
        &mut self,
        key: &str,
        raw: &AgentFile,
        connections: &[ConnectionPlan],
    ) -> Option<BTreeMap<String, BTreeSet<String>>> {
        let listed = raw.operations.as_ref()?;
        self.no_duplicates(&["agents", key, "operations"], listed);
        let mut by_connection: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (position, given) in listed.iter().enumerate() {
            let mut known = false;
            for plan in connections {
                if let Some(expanded) = expand(&plan.connection.service, given) {
                    known = true;
                    by_connection.entry(plan.connection.name.to_string()).or_default().extend(expanded);
                }
            }
            if !known && !connections.is_empty() {
                let position = position.to_string();
                let names: BTreeSet<&str> =
                    connections.iter().flat_map(|plan| operation_names(&plan.connection.service)).collect();
                let problem = format!("no connection of this workspace knows the operation or group `{given}`");
                self.wrong(&["agents", key, "operations", &position], problem, suggestion(given, names));
            }
        }
        Some(by_connection)
    }

    pub(super) fn name<T>(&mut self, path: &[&str], parsed: Result<T, BadName>) -> Option<T> {
        parsed.map_err(|error| self.wrong(path, error.to_string(), None)).ok()
    }

    fn service(&mut self, path: &[&str], given: &str) -> Option<Arc<ServiceDefinition>> {
        let found = self.services.get(given).cloned();
        if found.is_none() {
            let hint = match self.services.broken(given) {
                Some(why) => Some(format!("its definition does not load: {why}")),
                None => suggestion(given, self.services.names()),
            };
            self.wrong(path, format!("there is no service `{given}`"), hint);
        }
        found
    }

    fn region(&mut self, path: &[&str], service: &ServiceDefinition, given: &str) -> Option<Region> {
        let found = service.regions.keys().find(|region| region.as_str() == given).cloned();
        if found.is_none() {
            let names = service.regions.keys().map(Region::as_str);
            let problem = format!("service `{}` has no region `{given}`", service.name);
            self.wrong(path, problem, suggestion(given, names));
        }
        found
    }

    fn environment(&mut self, path: &[&str], service: &ServiceDefinition, region: Option<&Region>, given: &str) {
        let Some((region, row)) = region.and_then(|region| Some((region, service.regions.get(region)?))) else {
            return;
        };
        let known: BTreeSet<&str> = row.hosts.values().flat_map(BTreeMap::keys).map(String::as_str).collect();
        if !known.contains(given) {
            let problem = format!("service `{}` has no environment `{given}` in region `{region}`", service.name);
            self.wrong(path, problem, suggestion(given, known));
        }
    }

    fn tenant(&mut self, path: &[&str], given: Option<&str>) {
        let Some(tenant) = given else { return };
        let fits = !tenant.is_empty()
            && tenant.len() <= 64
            && tenant.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if !fits {
            let hint = "take the id that `wardlock connect` shows; or leave `tenant` out, and it is pinned there";
            self.wrong(path, "this is not the id of a tenant", Some(hint.to_owned()));
        }
    }

    fn resources(&mut self, path: &[&str], service: &ServiceDefinition, listed: &[String]) -> BTreeSet<String> {
        self.no_duplicates(path, listed);
        let known = known_resources(service);
        for (position, given) in listed.iter().enumerate() {
            let position = position.to_string();
            let path: Vec<&str> = path.iter().copied().chain([position.as_str()]).collect();
            match resource_name(service, &known, given) {
                ResourceName::Known => {}
                ResourceName::Wrong(problem) => {
                    self.wrong(&path, problem, suggestion(given, known.iter().copied()));
                }
                ResourceName::Unsure => {
                    let problem = format!("`{given}` is taken for a resource of the account's own");
                    let note = self.document.error_at(&path, problem);
                    self.notes.push(note.maybe_hint(suggestion(given, known.iter().copied())));
                }
            }
        }
        listed.iter().cloned().collect()
    }

    fn operations(&mut self, path: &[&str], service: &ServiceDefinition, listed: &[String]) -> BTreeSet<String> {
        self.no_duplicates(path, listed);
        let mut operations = BTreeSet::new();
        for (position, given) in listed.iter().enumerate() {
            match expand(service, given) {
                Some(expanded) => operations.extend(expanded),
                None => {
                    let position = position.to_string();
                    let path: Vec<&str> = path.iter().copied().chain([position.as_str()]).collect();
                    let problem = format!("service `{}` has no operation or group `{given}`", service.name);
                    self.wrong(&path, problem, suggestion(given, operation_names(service)));
                }
            }
        }
        operations
    }

    fn scopes(&mut self, path: &[&str], listed: &[String]) {
        self.no_duplicates(path, listed);
        for (position, scope) in listed.iter().enumerate() {
            // RFC 6749 section 3.3; a comma separates scopes at Zoho.
            let fits =
                !scope.is_empty() && scope.bytes().all(|b| matches!(b, 0x21..=0x7e) && !b"\"\\,".contains(&b));
            if !fits {
                let position = position.to_string();
                let path: Vec<&str> = path.iter().copied().chain([position.as_str()]).collect();
                self.wrong(&path, "this is not one scope", Some("one scope per list item".to_owned()));
            }
        }
    }

    pub(super) fn no_duplicates(&mut self, path: &[&str], listed: &[String]) {
        let mut seen = BTreeSet::new();
        for (position, given) in listed.iter().enumerate() {
            if !seen.insert(given.as_str()) {
                let position = position.to_string();
                let path: Vec<&str> = path.iter().copied().chain([position.as_str()]).collect();
                self.wrong(&path, format!("`{given}` stands here twice"), None);
            }
        }
    }
}
