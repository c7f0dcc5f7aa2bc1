//! A connection as it is judged: a workspace's use of one grant with one service.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::id::{AgentName, ConnectionName, Digest, GrantName, PluginName, Region, WorkspaceName};
use crate::service::ServiceDefinition;

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
    /// Returns the word used in TOML.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Draft => "draft",
            Self::On => "on",
        }
    }
}

/// Whether a plugin's verdict counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkMode {
    /// It counts.
    Enforce,
    /// It is recorded only.
    Monitor,
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
    /// The grant whose credential it uses.
    pub grant: GrantName,
    /// The only tenant it may be; `None`: the one pinned at connect.
    pub tenant: Option<String>,
    /// The only resources; `*` stands for all.
    pub resources: BTreeSet<String>,
    /// The only operations, groups expanded.
    pub operations: BTreeSet<String>,
    /// How many calls may be under way at the provider; `None`: as many as the service says.
    pub concurrency: Option<u32>,
    /// The ceiling for writes.
    pub writes: WriteMode,
    /// The plugin chain, in order.
    pub chain: Vec<Link>,
    /// Agents that are narrowed further.
    pub agents: BTreeMap<AgentName, AgentRules>,
}

impl Connection {
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

    /// Returns the API host for a role in this connection's region and environment.
    pub fn host(&self, role: &str) -> Option<&str> {
        self.service.regions.get(&self.region)?.host(role, &self.environment)
    }
}
