//! A connection as it is judged: a workspace's use of one grant with one service.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::canonical::CanonicalRequest;
use crate::classify::Classified;
use crate::id::{AgentName, ConnectionName, Digest, GrantName, PluginName, Region, ServiceName, WorkspaceName};
use crate::plugin::OperationView;
use crate::service::{Pin, Place, ServiceDefinition, TenantOf};

/// How far writes are enabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WriteMode {
    /// No write passes.
    Off,
    /// Every write is held.
    Draft,
    /// Rules and plugins decide.
    On,
}

impl WriteMode {
    /// Parses the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Off, Self::Draft, Self::On].into_iter().find(|mode| mode.as_str() == text)
    }

    /// Returns the word used in TOML.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Draft => "draft",
            Self::On => "on",
        }
    }
}

/// Which writes pass without a person where writes are on. What goes beyond is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteRules {
    /// The most records that one write may touch.
    pub max_records: u32,
    /// The most records that all writes of a day (UTC) may touch; `None`: as many as come.
    pub max_records_a_day: Option<u32>,
    /// Tighter bounds for single operations and resources, by name.
    pub limits: BTreeMap<String, WriteLimit>,
    /// Operations that pass although they destroy, or are broader than [`WriteRules::max_records`]: named one by one.
    pub unattended: BTreeSet<String>,
    /// How many people must approve what is held.
    pub approvals: u32,
}

/// A bound on the writes of one operation, or of one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriteLimit {
    /// The most records that one write may touch.
    pub max_records: Option<u32>,
    /// The most records that all writes of a day (UTC) may touch.
    pub max_records_a_day: Option<u32>,
}

impl WriteRules {
    /// Returns whether anything bounds a day's records.
    pub fn bound_days(&self) -> bool {
        self.max_records_a_day.is_some() || self.limits.values().any(|limit| limit.max_records_a_day.is_some())
    }

    /// Returns what bounds writes that are sent at once: all of them together, but for those that need no person, and each operation and
    /// resource that has a bound of its own.
    pub fn at_once<'a>(&'a self, writes: impl Iterator<Item = &'a OperationView>) -> Vec<Bound<'a>> {
        Bound::gather(writes, |view| {
            let all = (!self.unattended.contains(&view.name)).then_some(("", self.max_records));
            let own = self.limits_of(view).filter_map(|(what, limit)| Some((what, limit.max_records?)));
            all.into_iter().chain(own).collect()
        })
    }

    /// Returns what bounds the day of these writes.
    pub fn a_day<'a>(&'a self, writes: impl Iterator<Item = &'a OperationView>) -> Vec<Bound<'a>> {
        Bound::gather(writes, |view| {
            let all = self.max_records_a_day.map(|most| ("", most));
            let own = self.limits_of(view).filter_map(|(what, limit)| Some((what, limit.max_records_a_day?)));
            all.into_iter().chain(own).collect()
        })
    }

    /// Digests all of it.
    fn digest(&self) -> Digest {
        let number = |of: Option<u32>| of.map_or_else(String::new, |of| of.to_string());
        let mut fields =
            vec![self.max_records.to_string(), number(self.max_records_a_day), self.approvals.to_string()];
        for (what, limit) in &self.limits {
            fields.extend([what.clone(), number(limit.max_records), number(limit.max_records_a_day)]);
        }
        // What follows the limits is counted, so that no name of one list is taken for one of the other.
        fields.push(self.unattended.len().to_string());
        fields.extend(self.unattended.iter().cloned());
        Digest::of_fields(fields.iter().map(String::as_bytes))
    }

    /// Returns the bounds that bear these names, however their case.
    pub fn limits_named<'a>(
        &'a self,
        names: impl Fn(&str) -> bool + 'a,
    ) -> impl Iterator<Item = (&'a str, WriteLimit)> {
        self.limits.iter().filter(move |(what, _)| names(what)).map(|(what, limit)| (what.as_str(), *limit))
    }

    /// Returns the tighter bounds of a write: its operation's, and those of its resources, however a provider takes their case.
    fn limits_of<'a>(&'a self, view: &'a OperationView) -> impl Iterator<Item = (&'a str, WriteLimit)> {
        let is_of = |what: &str| {
            let mut names = std::iter::once(&view.name).chain(&view.resources);
            names.any(|name| name.eq_ignore_ascii_case(what))
        };
        self.limits_named(is_of)
    }
}

/// A bound, and what writes touch under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound<'a> {
    /// What it bounds: an operation, a resource; empty: all writes.
    pub what: &'a str,
    /// The most records.
    pub most: u32,
    /// How many these touch; `None`: the host cannot tell.
    pub records: Option<u32>,
    /// How many of these are known: less than they touch where it cannot tell.
    pub known: u32,
}

impl<'a> Bound<'a> {
    fn gather(
        writes: impl Iterator<Item = &'a OperationView>,
        bounds: impl Fn(&'a OperationView) -> Vec<(&'a str, u32)>,
    ) -> Vec<Self> {
        let mut found: BTreeMap<&str, Self> = BTreeMap::new();
        for view in writes {
            for (what, most) in bounds(view) {
                let bound = found.entry(what).or_insert(Self { what, most, records: Some(0), known: 0 });
                bound.known = bound.known.saturating_add(view.breadth.unwrap_or(0));
                bound.records = bound.records.zip(view.breadth).and_then(|(sum, more)| sum.checked_add(more));
            }
        }
        found.into_values().collect()
    }
}

/// How many records one write may touch where the workspace file says nothing: what Zoho CRM takes in one call.
pub const MAX_RECORDS: u32 = 100;

impl Default for WriteRules {
    fn default() -> Self {
        Self {
            max_records: MAX_RECORDS,
            max_records_a_day: None,
            limits: BTreeMap::new(),
            unattended: BTreeSet::new(),
            approvals: 1,
        }
    }
}

/// Whose the consents behind a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Owner {
    /// The workspace's: one grant serves every agent.
    #[default]
    Workspace,
    /// Each agent's own: one grant for each, and never another's.
    Agent,
}

/// Whether a plugin's verdict counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkMode {
    /// It counts.
    Enforce,
    /// It is recorded only.
    Monitor,
}

/// What a plugin judges: which hooks of the contract it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hooks {
    /// Requests.
    Request,
    /// Answers.
    Response,
    /// Both.
    Both,
}

impl Hooks {
    /// Returns whether it judges requests.
    pub fn judge_requests(self) -> bool {
        matches!(self, Self::Request | Self::Both)
    }

    /// Returns whether it judges answers.
    pub fn judge_answers(self) -> bool {
        matches!(self, Self::Response | Self::Both)
    }
}

/// One plugin's place in a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its name in the workspace file.
    pub name: PluginName,
    /// SHA-256 of the component.
    pub digest: Digest,
    /// SHA-256 of the settings' JSON text.
    pub settings: Digest,
    /// Whether its verdict counts.
    pub mode: LinkMode,
    /// What it judges.
    pub hooks: Hooks,
    /// Capabilities that hold: declared and granted.
    pub capabilities: BTreeSet<String>,
}

/// What narrows one agent within its workspace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AgentRules {
    /// Operation names; `None`: as the connection.
    pub operations: Option<BTreeSet<String>>,
}

/// A connection, as the host judges requests on it. Built from the workspace file at load, never changed after.
#[derive(Debug, Clone, PartialEq)]
pub struct Connection {
    /// Its workspace.
    pub workspace: WorkspaceName,
    /// Its name.
    pub name: ConnectionName,
    /// What approvers see.
    pub label: String,
    /// Its service.
    pub service: Arc<ServiceDefinition>,
    /// Its region: a row of the service's table.
    pub region: Region,
    /// `production`, `sandbox` or `developer`.
    pub environment: String,
    /// The grant whose credential it uses. Where consents are each agent's own, the name that theirs begin with.
    pub grant: GrantName,
    /// Whose consents they are.
    pub owner: Owner,
    /// The only tenant it may be; `None`: the one pinned at connect.
    pub tenant: Option<String>,
    /// Values that it gives to its service ([`ServiceDefinition::params`]).
    pub params: BTreeMap<String, String>,
    /// Other services whose grants it may use: those of the same provider with the same endpoints.
    pub grant_services: BTreeSet<ServiceName>,
    /// The only resources; `*` stands for all.
    pub resources: BTreeSet<String>,
    /// The only operations, groups expanded.
    pub operations: BTreeSet<String>,
    /// How many calls may be under way at the provider; `None`: as many as the service says.
    pub concurrency: Option<u32>,
    /// The ceiling for writes.
    pub writes: WriteMode,
    /// Which writes pass without a person.
    pub write_rules: WriteRules,
    /// The plugin chain, in order.
    pub chain: Vec<Link>,
    /// Agents that are narrowed further.
    pub agents: BTreeMap<AgentName, AgentRules>,
}

impl Connection {
    /// Returns whether it has plugins and none of them counts: what only watches allows nothing.
    pub fn only_watches(&self) -> bool {
        !self.chain.is_empty() && self.chain.iter().all(|link| link.mode == LinkMode::Monitor)
    }

    /// Digests the chain: which plugins, with which settings, in which order and mode.
    pub fn chain_digest(&self) -> Digest {
        let links = self.chain.iter().flat_map(|link| {
            let mode: &[u8] = match link.mode {
                LinkMode::Enforce => b"enforce",
                LinkMode::Monitor => b"monitor",
            };
            [link.name.as_str().as_bytes(), link.digest.as_bytes(), link.settings.as_bytes(), mode]
        });
        Digest::of_fields(links)
    }

    /// Digests all that says what may be done on this connection: its service, its place, its rules and its chain. A proof
    /// and an enabled write level hold for this only, and for one generation of the grant, which no two grants share: so the grant's name is not in it,
    /// and it is the same for every agent.
    pub fn rules_digest(&self) -> Digest {
        let list =
            |items: &BTreeSet<String>| items.iter().map(String::as_bytes).map(Digest::of).collect::<Vec<_>>();
        let digests = |items: &[Digest]| Digest::of_fields(items.iter().map(|item| item.as_bytes().as_slice()));
        let params = self.params.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        let agents = self.agents.iter().flat_map(|(agent, rules)| {
            let operations = rules.operations.as_ref().map(|operations| digests(&list(operations)));
            let operations = operations.unwrap_or_else(|| Digest::of(b"as the connection"));
            [Digest::of(agent.as_str().as_bytes()), operations]
        });
        let links = self.chain.iter().map(|link| {
            let capabilities = digests(&list(&link.capabilities));
            Digest::of_fields([link.name.as_str().as_bytes(), capabilities.as_bytes()])
        });
        let parts = [
            self.service.digest,
            digests(&list(&self.resources)),
            digests(&list(&self.operations)),
            Digest::of_fields(params),
            digests(&agents.collect::<Vec<_>>()),
            digests(&links.collect::<Vec<_>>()),
            self.chain_digest(),
        ];
        let names = [
            self.region.as_str(),
            &self.environment,
            self.tenant.as_deref().unwrap_or_default(),
            self.writes.as_str(),
        ];
        let names = names.into_iter().map(str::as_bytes);
        let rules = self.write_rules.digest();
        let parts = parts.iter().map(|part| part.as_bytes().as_slice());
        Digest::of_fields(names.chain([rules.as_bytes().as_slice()]).chain(parts))
    }

    /// Digests where a request of this operation goes, and what the host adds of its own: a draft is for this only.
    pub fn place_digest(&self, classified: &Classified) -> Digest {
        let role = classified.definition().map(|definition| definition.host.as_str());
        let host = role.and_then(|role| self.host(role)).unwrap_or_default();
        let names =
            [self.service.name.as_str(), self.region.as_str(), &self.environment, self.grant.as_str(), host];
        let params = self.params.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        Digest::of_fields(names.into_iter().map(str::as_bytes).chain(params))
    }

    /// Returns whether an answer is held until plugins have judged it: those whose word counts see it whole or not at all.
    pub fn holds_answers(&self) -> bool {
        self.chain.iter().any(|link| link.mode == LinkMode::Enforce && link.hooks.judge_answers())
    }

    /// Returns the connection as one agent uses it.
    #[must_use]
    pub fn of_agent(&self, agent: &AgentName) -> Self {
        let grant = match self.owner {
            Owner::Workspace => self.grant.clone(),
            Owner::Agent => self.grant.of_agent(agent),
        };
        Self { grant, ..self.clone() }
    }

    /// Returns whether this connection uses a grant, or one of its agents does.
    pub fn uses(&self, grant: &GrantName) -> bool {
        match (self.owner, grant.as_str().split_once('@')) {
            (Owner::Agent, Some((base, _))) => base == self.grant.as_str(),
            (Owner::Workspace, None) => *grant == self.grant,
            (Owner::Agent, None) | (Owner::Workspace, Some(_)) => false,
        }
    }

    /// Returns whether a grant that was given for a service may serve this connection.
    pub fn takes_grant_of(&self, service: &ServiceName) -> bool {
        *service == self.service.name || self.grant_services.contains(service)
    }

    /// Returns the tenant of requests on a grant whose account this connection's service calls `own`, and the service that was
    /// consented for `consented`; `None` where it is not the pinned one, or nobody can know.
    ///
    /// Services of one provider share grants, and what one calls an account is none of another's ids. So where this service was
    /// never asked, the workspace file alone says which tenant it is, where every request names it and the provider refuses a
    /// wrong one; and where no request names one, the grant's account stands for it and is compared with nothing.
    pub fn tenant_on(&self, own: Option<&str>, consented: &str) -> Option<String> {
        let pins = &self.service.tenant.pins;
        let is_named = || pins.iter().any(|pin| matches!(pin, Pin::Header(_) | Pin::Query(_)));
        match (self.service.tenant.of, &self.tenant, own) {
            (TenantOf::Connection, named, _) => named.clone(),
            (TenantOf::Grant, Some(pinned), Some(own)) => (pinned == own).then(|| pinned.clone()),
            (TenantOf::Grant, Some(pinned), None) => is_named().then(|| pinned.clone()),
            (TenantOf::Grant, None, Some(own)) => Some(own.to_owned()),
            (TenantOf::Grant, None, None) => pins.is_empty().then(|| consented.to_owned()),
        }
    }

    /// Returns the names of what the host adds to a request on this connection; those of query parameters begin with `?`.
    pub fn added_to(&self, request: &CanonicalRequest) -> Vec<String> {
        // Which tenant it is does not matter to a name.
        let tenant = Some(self.tenant.as_deref().unwrap_or_default());
        let is_named = |name: &str| request.query_values(name).next().is_some();
        let added = self.service.additions(&self.params, tenant, is_named).into_iter();
        let names = added.map(|addition| match addition.place {
            Place::Header(name) => name.to_owned(),
            Place::Query(name) => format!("?{name}"),
        });
        names.collect()
    }

    /// Returns the API host for a role in this connection's region and environment.
    pub fn host(&self, role: &str) -> Option<&str> {
        self.service.regions.get(&self.region)?.host(role, &self.environment)
    }
}
