//! What a connection lets agents do, in a form that is kept and compared: whether one lets pass more than another.
//!
//! Where operators have keys, an admin accepts what stands in the files; from there on a change that only narrows holds at once, and
//! any other waits to be accepted.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::connection::{Connection, Link, LinkMode, Owner, WriteLimit, WriteMode};
use crate::id::Digest;

/// What a connection lets agents do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowance {
    /// What must not change at all: where requests go, and in whose name.
    place: BTreeMap<String, String>,
    resources: BTreeSet<String>,
    operations: BTreeSet<String>,
    /// What a consent is asked for. Rows of version 1 have none.
    #[serde(default)]
    scopes: BTreeSet<String>,
    /// Those of them that are listed, and that the operations do not need.
    #[serde(default)]
    further_scopes: BTreeSet<String>,
    writes: String,
    max_records: u32,
    max_records_a_day: Option<u32>,
    limits: BTreeMap<String, Limit>,
    unattended: BTreeSet<String>,
    approvals: u32,
    chain: Vec<Place>,
    records: Records,
    /// Agents that are narrowed further.
    agents: BTreeMap<String, BTreeSet<String>>,
}

/// What the host keeps of what plugins see: whoever reaches the home can have it shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Records {
    /// Nothing.
    #[default]
    Nothing,
    /// Requests.
    Requests,
    /// Requests and answers.
    Answers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    max_records: Option<u32>,
    max_records_a_day: Option<u32>,
}

/// A plugin's place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    plugin: String,
    component: Digest,
    settings: Digest,
    enforced: bool,
    judges_requests: bool,
    judges_answers: bool,
    capabilities: BTreeSet<String>,
}

impl Place {
    fn of(link: &Link) -> Self {
        Self {
            plugin: link.name.to_string(),
            component: link.digest,
            settings: link.settings,
            enforced: link.mode == LinkMode::Enforce,
            judges_requests: link.hooks.judge_requests(),
            judges_answers: link.hooks.judge_answers(),
            capabilities: link.capabilities.clone(),
        }
    }

    /// Returns what makes this judge otherwise than it was accepted; `None`: it judges the same, or counts where it only watched.
    fn beyond(&self, accepted: &Self) -> Option<String> {
        if self.component != accepted.component {
            return Some(format!("another component now (sha256 {})", self.component));
        }
        if self.settings != accepted.settings {
            return Some(format!("of other settings now (sha256 {})", self.settings));
        }
        if self.capabilities != accepted.capabilities {
            return Some(format!("of other capabilities now ({})", self.may()));
        }
        (accepted.enforced && !self.enforced).then(|| "only watched now".to_owned())
    }

    fn may(&self) -> String {
        let names: Vec<String> = self.capabilities.iter().map(|name| format!("`{name}`")).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    fn in_words(&self) -> String {
        let Self { plugin, component, settings, .. } = self;
        let how = if self.enforced { "" } else { ", only watched" };
        format!("plugin `{plugin}` (sha256 {component}, settings {settings}, capabilities: {}{how})", self.may())
    }
}

impl From<&WriteLimit> for Limit {
    fn from(limit: &WriteLimit) -> Self {
        let WriteLimit { max_records, max_records_a_day } = *limit;
        Self { max_records, max_records_a_day }
    }
}

impl Allowance {
    /// Returns what a connection lets agents do. A service that is built in is known by its name: it comes with the program.
    pub fn of(connection: &Connection, is_built_in: bool, records: Records) -> Self {
        let rules = &connection.write_rules;
        let agents = connection.agents.iter();
        let agents = agents.filter_map(|(agent, rules)| Some((agent.to_string(), rules.operations.clone()?)));
        Self {
            place: place(connection, is_built_in),
            resources: connection.resources.clone(),
            operations: connection.operations.clone(),
            scopes: connection.service.least_scopes(&connection.operations, &connection.resources),
            further_scopes: BTreeSet::new(),
            writes: connection.writes.as_str().to_owned(),
            max_records: rules.max_records,
            max_records_a_day: rules.max_records_a_day,
            limits: rules.limits.iter().map(|(what, limit)| (what.clone(), limit.into())).collect(),
            unattended: rules.unattended.clone(),
            approvals: rules.approvals,
            chain: connection.chain.iter().map(Place::of).collect(),
            records,
            agents: agents.collect(),
        }
    }

    /// Returns the same where the scopes that a consent is asked for are listed, and are not the least that the operations need.
    #[must_use]
    pub fn asking_for(mut self, listed: &[String]) -> Self {
        let listed: BTreeSet<String> = listed.iter().cloned().collect();
        self.further_scopes = listed.difference(&self.scopes).cloned().collect();
        self.scopes = listed;
        self
    }

    /// Returns all of it in words: for whoever accepts what is new.
    pub fn in_words(&self) -> Vec<String> {
        let names = |what: &str, names: &BTreeSet<String>| {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")))
        };
        let place = self.place.iter().map(|(name, value)| format!("{name} `{value}`"));
        let lists = [
            names("resources", &self.resources),
            names("operations", &self.operations),
            names("further scopes", &self.further_scopes),
            names("unattended", &self.unattended),
        ];
        let writes = format!("`writes = \"{}\"`, `max_records = {}`", self.writes, self.max_records);
        let chain = self.chain.iter().map(Place::in_words);
        let records = (self.records != Records::Nothing).then(|| "a recorder".to_owned());
        place.chain(lists.into_iter().flatten()).chain([writes]).chain(chain).chain(records).collect()
    }

    /// Returns what of this goes beyond what was accepted, in words; nothing: it lets pass the same, or less.
    pub fn beyond(&self, accepted: &Self) -> Vec<String> {
        let mut beyond = self.place_beyond(accepted);
        let more = |what: &str, own: &BTreeSet<String>, accepted: &BTreeSet<String>| -> Vec<String> {
            own.difference(accepted).map(|name| format!("{what} `{name}`")).collect()
        };
        // `*` is every resource but those of the account itself, which are named one by one.
        let all = accepted.resources.contains("*");
        let resources = self.resources.iter().filter(|name| !all || name.starts_with('$')).cloned().collect();
        beyond.extend(more("resource", &resources, &accepted.resources));
        beyond.extend(more("operation", &self.operations, &accepted.operations));
        let scopes = more("scope", &self.further_scopes, &accepted.scopes);
        beyond.extend(scopes.into_iter().map(|scope| format!("{scope}, which its operations do not need")));
        beyond.extend(more("unattended operation", &self.unattended, &accepted.unattended));
        let level = |word: &str| WriteMode::parse(word);
        if level(&self.writes) > level(&accepted.writes) {
            beyond.push(format!("`writes = \"{}\"`", self.writes));
        }
        beyond.extend(self.bounds_beyond(accepted));
        if self.records > accepted.records {
            let of = if self.records == Records::Answers { "answers" } else { "requests" };
            beyond.push(format!("a recorder of {of}"));
        }
        beyond.extend(self.chain_beyond(accepted));
        for (agent, operations) in &accepted.agents {
            match self.agents.get(agent) {
                None => beyond.push(format!("agent `{agent}`, which is not narrowed any more")),
                Some(own) => beyond.extend(more(&format!("of agent `{agent}`: operation"), own, operations)),
            }
        }
        beyond
    }

    fn place_beyond(&self, accepted: &Self) -> Vec<String> {
        let names: BTreeSet<&String> = self.place.keys().chain(accepted.place.keys()).collect();
        let is_other = |name: &&String| match (self.place.get(*name), accepted.place.get(*name)) {
            // An account that is named where any was meant is the one that the grant has, or none.
            (Some(_), None) => name.as_str() != TENANT,
            (own, accepted) => own != accepted,
        };
        let word = |of: &BTreeMap<String, String>, name: &String| {
            of.get(name).map_or_else(|| "none".to_owned(), |value| format!("`{value}`"))
        };
        let others = names.into_iter().filter(is_other);
        let told = |name| {
            format!("another {name} ({} instead of {})", word(&self.place, name), word(&accepted.place, name))
        };
        others.map(told).collect()
    }

    fn bounds_beyond(&self, accepted: &Self) -> Vec<String> {
        let mut beyond = Vec::new();
        if self.max_records > accepted.max_records {
            beyond.push(format!("`max_records = {}`", self.max_records));
        }
        if is_looser(self.max_records_a_day, accepted.max_records_a_day) {
            beyond.push("more records a day".to_owned());
        }
        if self.approvals < accepted.approvals {
            beyond.push(format!("`approvals = {}`", self.approvals));
        }
        for (what, limit) in &accepted.limits {
            let own = self.limits.get(what).copied();
            let is_looser = own.is_none_or(|own| {
                is_looser(own.max_records, limit.max_records)
                    || is_looser(own.max_records_a_day, limit.max_records_a_day)
            });
            if is_looser {
                beyond.push(format!("a wider bound on `{what}`"));
            }
        }
        beyond
    }

    /// Every accepted plugin must be there, in the same order. One between them widens whatever it may do: it sees what every agent asks,
    /// and what it logs, or says in a refusal, is read by others.
    fn chain_beyond(&self, accepted: &Self) -> Vec<String> {
        let mut beyond = Vec::new();
        let mut own = self.chain.iter();
        for link in &accepted.chain {
            match own.by_ref().find(|own| own.plugin == link.plugin) {
                None => beyond.push(format!("plugin `{}`, which is gone or in another place", link.plugin)),
                Some(found) => beyond
                    .extend(found.beyond(link).map(|what| format!("plugin `{}`, which is {what}", link.plugin))),
            }
        }
        let is_new = |link: &&Place| !accepted.chain.iter().any(|known| known.plugin == link.plugin);
        let may = |link: &Place| {
            if link.capabilities.is_empty() { String::new() } else { format!(" and may {}", link.may()) }
        };
        let added = self.chain.iter().filter(is_new);
        beyond.extend(added.map(|link| format!("plugin `{}`, which is new{}", link.plugin, may(link))));
        let says_yes = |chain: &[Place]| chain.iter().any(|link| link.enforced && link.judges_requests);
        if says_yes(&self.chain) && !says_yes(&accepted.chain) {
            beyond.push("a plugin that allows, where none did".to_owned());
        }
        beyond
    }
}

/// The name of the account in an allowance's place.
const TENANT: &str = "tenant";

fn place(connection: &Connection, is_built_in: bool) -> BTreeMap<String, String> {
    let service = if is_built_in {
        connection.service.name.to_string()
    } else {
        format!("{} ({})", connection.service.name, connection.service.digest)
    };
    let owner = match connection.owner {
        Owner::Workspace => "workspace",
        Owner::Agent => "agent",
    };
    let mut place: BTreeMap<String, String> = [
        ("service", service),
        ("region", connection.region.to_string()),
        ("environment", connection.environment.clone()),
        ("grant", connection.grant.to_string()),
        ("owner", owner.to_owned()),
        // Approvers see it.
        ("label", connection.label.clone()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    place.extend(connection.tenant.clone().map(|tenant| (TENANT.to_owned(), tenant)));
    place.extend(connection.params.iter().map(|(name, value)| (format!("parameter `{name}`"), value.clone())));
    place
}

fn is_looser(own: Option<u32>, accepted: Option<u32>) -> bool {
    accepted.is_some_and(|accepted| own.is_none_or(|own| own > accepted))
}

#[cfg(test)]
mod tests;
