//! Turns what a workspace file says into what exists, and collects everything that does not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wardlock_core::connection::{self, Connection};
use wardlock_core::id::{AgentName, BadName, ConnectionName, GrantName, Region, ServiceName, WorkspaceName};
use wardlock_core::service::{ServiceDefinition, TenantOf};

use crate::config::text_error::{Document, TextError};
use crate::config::wording::suggestion;
use crate::loaded::Services;

use super::ConnectionPlan;
use super::names::{ResourceName, expand, known_resources, operation_names, resource_name};
use super::raw::{AgentFile, ConnectionFile, Owner};

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
        let grant = self.grant(&at("grant"), &raw.grant);
        self.owner(&at("owner"), raw);
        self.tenant(&at("tenant"), raw.tenant.as_deref());
        let plugins = self.plugins(key, &raw.plugins);
        let service = self.service(&at("service"), &raw.service)?;
        let region = self.region(&at("region"), &service, &raw.region);
        let environment = raw.environment.as_deref().unwrap_or("production");
        self.environment(&at("environment"), &service, region.as_ref(), environment);
        self.params(key, &service, &raw.params);
        self.named_tenant(&at("tenant"), &service, raw.tenant.as_deref());
        let grant_services =
            region.as_ref().map(|region| self.grant_services(&service, region)).unwrap_or_default();
        let resources = self.resources(&at("resources"), &service, &raw.resources);
        let operations = self.operations(&at("operations"), &service, &raw.operations);
        let write_rules = self.write_rules(key, raw, &service, &operations, &resources);
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
            owner: match raw.owner {
                Owner::Workspace => connection::Owner::Workspace,
                Owner::Agent => connection::Owner::Agent,
            },
            tenant: raw.tenant.clone(),
            resources,
            operations,
            params: raw.params.clone(),
            grant_services,
            concurrency: raw.concurrency,
            writes: raw.writes.into(),
            write_rules,
            chain: Vec::new(),
            agents: BTreeMap::new(),
        };
        Some(ConnectionPlan { connection, scopes: raw.scopes.clone(), plugins: plugins? })
    }

    fn grant(&mut self, path: &[&str], given: &str) -> Option<GrantName> {
        let grant = self.name(path, GrantName::parse(given))?;
        if grant.agent().is_some() {
            let hint = "write the part before the `@`, with `owner = \"agent\"`";
            self.wrong(path, "this is one agent's own grant, and no file names one", Some(hint.to_owned()));
        }
        Some(grant)
    }

    /// Private consents are more work and more logins than one shared one, so the reason shall be written down.
    fn owner(&mut self, path: &[&str], raw: &ConnectionFile) {
        let hint = match (raw.owner, &raw.owner_reason) {
            (Owner::Agent, None) => {
                "add `owner_reason = \"…\"`; if one login may serve all agents, leave `owner` out"
            }
            (Owner::Workspace, Some(_)) => "take `owner_reason` out, or write `owner = \"agent\"`",
            (Owner::Agent, Some(_)) | (Owner::Workspace, None) => return,
        };
        let problem = match raw.owner {
            Owner::Agent => "each agent needs a consent of its own here: why?",
            Owner::Workspace => "a reason is given, and no `owner`",
        };
        self.note(path, problem, hint);
    }

    /// Notes what is taken, and is hardly meant.
    pub(super) fn note(&mut self, path: &[&str], problem: impl Into<String>, hint: &str) {
        let note = self.document.error_at(path, problem);
        self.notes.push(note.maybe_hint(Some(hint.to_owned())));
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
                let services = connections.iter().map(|plan| &*plan.connection.service);
                let problem = format!("no connection of this workspace knows the operation or group `{given}`");
                let hint = operations_meant(given, services);
                self.wrong(&["agents", key, "operations", &position], problem, hint);
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

    /// Checks the values that a connection gives to its service.
    fn params(&mut self, key: &str, service: &ServiceDefinition, given: &BTreeMap<String, String>) {
        let known = || service.params.keys().map(String::as_str);
        for (name, value) in given {
            let path = ["connections", key, "params", name.as_str()];
            let Some(param) = service.params.get(name) else {
                let problem = format!("service `{}` takes no parameter `{name}`", service.name);
                self.wrong(&path, problem, suggestion(name, known()));
                continue;
            };
            let printable = !value.is_empty() && value.len() <= 256 && value.bytes().all(|b| b.is_ascii_graphic());
            let is_number = value.bytes().all(|b| b.is_ascii_digit());
            match param.digits {
                Some(digits) if !is_number || value.len() != usize::try_from(digits).unwrap_or(0) => {
                    self.wrong(
                        &path,
                        format!("it has {digits} digits and nothing else"),
                        Some(param.help.clone()),
                    );
                }
                _ if !printable => {
                    self.wrong(
                        &path,
                        "it is printable ASCII without spaces, at most 256",
                        Some(param.help.clone()),
                    );
                }
                _ => {}
            }
        }
        let missing = |(name, param): (&String, &wardlock_core::service::Param)| {
            (!param.optional && !given.contains_key(name)).then(|| (name.clone(), param.help.clone()))
        };
        for (name, help) in service.params.iter().filter_map(missing).collect::<Vec<_>>() {
            let problem = format!("service `{}` wants `params = {{ {name} = \"…\" }}`", service.name);
            self.wrong(&["connections", key], problem, Some(help));
        }
    }

    /// Where the login reaches several accounts, only the file can say which.
    fn named_tenant(&mut self, path: &[&str], service: &ServiceDefinition, given: Option<&str>) {
        if service.tenant.of == TenantOf::Connection && given.is_none() {
            let problem = format!("service `{}` wants `tenant`: a login reaches several accounts", service.name);
            let hint = "write the id of the one that this workspace is for; every request is pinned to it";
            self.wrong(path, problem, Some(hint.to_owned()));
        }
    }

    /// Finds the other services whose grants may serve a connection.
    fn grant_services(&self, service: &ServiceDefinition, region: &Region) -> BTreeSet<ServiceName> {
        let others = self.services.iter().filter(|other| other.name != service.name);
        others.filter(|other| service.shares_grants_with(other, region)).map(|other| other.name.clone()).collect()
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
                    self.wrong(&path, problem, operations_meant(given, std::iter::once(service)));
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

/// Returns the operation or group that is meant; where nothing is near and the operations are too many to be listed, the groups.
fn operations_meant<'a>(
    given: &str,
    services: impl Iterator<Item = &'a ServiceDefinition> + Clone,
) -> Option<String> {
    let names: BTreeSet<&str> = services.clone().flat_map(operation_names).collect();
    suggestion(given, names).or_else(|| {
        let groups: BTreeSet<&str> =
            services.flat_map(|service| service.groups.keys().map(String::as_str)).collect();
        let groups: Vec<String> = groups.into_iter().map(|name| format!("`{name}`")).collect();
        let single = "`wardlock service show` lists single operations";
        Some(match groups.as_slice() {
            [] => single.to_owned(),
            groups => format!("groups are {}; {single}", groups.join(", ")),
        })
    })
}

/// Returns a number whose range was checked; zero where it did not hold, which was told.
pub(super) fn count(given: i64) -> u32 {
    u32::try_from(given).unwrap_or(0)
}
