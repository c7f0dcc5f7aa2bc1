//! A workspace file, from text to a plan in which every name exists: connections with their rules, plugins to load,
//! agents that are narrowed.

mod check;
mod limits;
mod names;
mod plugin;
mod raw;
mod recorder;
mod write_rules;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use wardlock_core::connection::{AgentRules, Connection, LinkMode};
use wardlock_core::id::{AgentName, PluginName, PublisherName, WorkspaceName};

use crate::config::text_error::{Document, TextError};
use crate::loaded::Services;

use check::Checker;
pub(crate) use names::json_of;
use raw::WorkspaceFile;
pub(crate) use write_rules::{KnownAs, known_as};

pub use limits::DEFAULT_MEMORY_BYTES;
pub use recorder::Keeping;

/// What a workspace file says, with every name resolved. Plugins are not loaded yet.
#[derive(Debug)]
pub struct WorkspacePlan {
    /// The workspace.
    pub name: WorkspaceName,
    /// Its connections, by name.
    pub connections: Vec<ConnectionPlan>,
    /// How what its plugins see is recorded; `None`: it is not.
    pub recorder: Option<Keeping>,
    /// What is allowed and yet looks like a slip.
    pub notes: Vec<TextError>,
}

/// One connection, without its chain.
#[derive(Debug)]
pub struct ConnectionPlan {
    /// Its rules; `chain` is empty until the plugins are loaded.
    pub connection: Connection,
    /// The scopes to ask for at consent; `None`: the least that operations, resources and the proof need.
    pub scopes: Option<Vec<String>>,
    /// Its plugins, in order.
    pub plugins: Vec<PluginPlan>,
}

/// One plugin of a chain, to be loaded.
#[derive(Debug)]
pub struct PluginPlan {
    /// Its place's name.
    pub name: PluginName,
    /// Its file in `plugins/`.
    pub file: String,
    /// Its pinned digest as written; absent or malformed is told when it is loaded.
    pub sha256: Option<String>,
    /// The publisher whose signature it must have, if one is named.
    pub publisher: Option<PublisherName>,
    /// What the operator grants.
    pub capabilities: BTreeSet<String>,
    /// The folder within `plugins/` whose files it may read; with it comes the capability `folder`, and the other way round.
    pub folder: Option<String>,
    /// Its settings: a JSON object.
    pub settings: serde_json::Value,
    /// Its time limit for one decision.
    pub time: Duration,
    /// Its memory limit.
    pub memory_bytes: u64,
    /// Whether its verdict counts.
    pub mode: LinkMode,
}

impl WorkspacePlan {
    /// Reads a workspace file. `name` is what the file's name says. Every error that can be told is told.
    pub fn read(
        document: &Document<'_>,
        name: &WorkspaceName,
        services: &Services,
    ) -> Result<Self, Vec<TextError>> {
        let raw: WorkspaceFile = document.decode().map_err(|error| vec![error])?;
        let mut checker = Checker::new(document, services);
        if raw.workspace != name.as_str() {
            let problem = format!("the file is called `{name}.toml`, so the workspace is `{name}`");
            checker.wrong(
                &["workspace"],
                problem,
                Some(format!("write `workspace = \"{name}\"`, or rename the file")),
            );
        }
        let mut connections: Vec<ConnectionPlan> = raw
            .connections
            .iter()
            .filter_map(|(connection, raw)| checker.connection(name, connection, raw))
            .collect();
        for (agent, rules) in &raw.agents {
            let Some(agent_name) = checker.agent(agent) else { continue };
            let narrowed = checker.agent_operations(agent, rules, &connections);
            narrow(&mut connections, &agent_name, narrowed);
        }
        let recorder = raw.recorder.as_ref().and_then(|raw| checker.recorder(raw));
        checker.done(|notes| Self { name: name.clone(), connections, recorder, notes })
    }
}

fn narrow(
    connections: &mut [ConnectionPlan],
    agent: &AgentName,
    operations: Option<BTreeMap<String, BTreeSet<String>>>,
) {
    let Some(by_connection) = operations else { return };
    for plan in connections {
        let operations = by_connection.get(plan.connection.name.as_str()).cloned().unwrap_or_default();
        plan.connection.agents.insert(agent.clone(), AgentRules { operations: Some(operations) });
    }
}
