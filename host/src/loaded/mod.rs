//! What a home says, loaded: services, workspaces, connections with their plugins ready to run.
//!
//! A [`Loaded`] never changes. `reload` builds another one, and the host swaps the two; requests under way keep
//! theirs. What does not load is closed with its reason: a workspace file closes its workspace, a plugin closes its
//! connection, and nothing else. Where that would close what serves, the workspace stays as it was loaded before.

mod accepted;
mod chain;
mod files;
mod problem;
mod services;
mod signed;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use wardlock_core::connection::{Connection, Owner};
use wardlock_core::id::{AgentName, ConnectionName, Digest, WorkspaceName};
use wardlock_core::refusal::{Code, Refusal};
use wardlock_egress::vault::Accepted;
use wardlock_sandbox::{Plugin, Sandbox};

use crate::config::Keeping;
use crate::config::{ConnectionPlan, Document, WorkspacePlan};
use crate::home::Home;
use crate::metrics::{ConnectionMetrics, Metrics};
use crate::trust::{Publishers, Standing};

pub(crate) use chain::{keep, kept, kept_name};
pub use files::PolicyFiles;
pub use problem::{Problem, Severity};
pub use services::{ELSEWHERE_HINT, Services, sent_elsewhere};

use accepted::unaccepted;
use chain::{Chain, ChainLoader};

/// A connection that serves: its rules and its chain, ready to run.
#[derive(Debug)]
pub struct OpenConnection {
    /// The connection as it is judged.
    pub connection: Arc<Connection>,
    /// Its plugins, in the order of the chain.
    pub plugins: Vec<Arc<Plugin>>,
    /// Who signed each of them, in the same order.
    pub standings: Vec<Standing>,
    /// The connection as each agent uses it, where consents are each agent's own.
    own: Mutex<BTreeMap<AgentName, Arc<Connection>>>,
    /// Digest of its rules, from the first request on that asks for it.
    rules: OnceLock<Digest>,
    /// What it counts, from its first request on.
    metrics: OnceLock<Arc<ConnectionMetrics>>,
}

impl OpenConnection {
    /// Returns the connection as an agent uses it: with its own grant, where consents are each agent's own.
    pub fn for_agent(&self, agent: &AgentName) -> Arc<Connection> {
        if self.connection.owner == Owner::Workspace {
            return Arc::clone(&self.connection);
        }
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let made = own.entry(agent.clone()).or_insert_with(|| Arc::new(self.connection.of_agent(agent)));
        Arc::clone(made)
    }

    /// Returns whether any of its plugins judges answers.
    pub fn judges_answers(&self) -> bool {
        self.connection.chain.iter().any(|link| link.hooks.judge_answers())
    }

    /// Returns the digest of its rules, the same for every agent.
    pub fn rules(&self) -> Digest {
        *self.rules.get_or_init(|| self.connection.rules_digest())
    }

    /// Returns what it counts.
    pub fn metrics(&self, metrics: &Arc<Metrics>) -> Arc<ConnectionMetrics> {
        Arc::clone(self.metrics.get_or_init(|| metrics.of_connection(&self.connection, &self.plugins)))
    }
}

/// A connection of a workspace whose file loads.
#[derive(Debug, Clone)]
pub struct LoadedConnection {
    /// Its rules. Where a plugin does not load, the chain is empty, and nothing is judged by it.
    pub connection: Arc<Connection>,
    /// The scopes to ask for at consent; `None`: the least that operations, resources and the proof need.
    pub scopes: Option<Vec<String>>,
    /// Whether it serves.
    pub state: State,
}

/// Whether a connection serves.
#[derive(Debug, Clone)]
pub enum State {
    /// It does.
    Open(Arc<OpenConnection>),
    /// It does not, for this reason.
    Closed {
        /// One line: what is wrong, where, and how to mend it.
        reason: String,
    },
}

/// A workspace: its connections, or why its file does not load.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// Its name.
    pub name: WorkspaceName,
    /// Its connections; `Err` holds the reason for which all of it is closed.
    pub connections: Result<BTreeMap<ConnectionName, LoadedConnection>, String>,
    /// How what its plugins see is recorded; `None`: it is not, or its file does not load.
    pub recorder: Option<Keeping>,
}

/// Everything that a home says.
#[derive(Debug, Default)]
pub struct Loaded {
    workspaces: BTreeMap<WorkspaceName, Workspace>,
    files: PolicyFiles,
    problems: Vec<Problem>,
    /// Whether it could not even be seen which workspaces there are.
    unseen: bool,
}

/// What a home is loaded with.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The home.
    pub home: &'a Home,
    /// What compiles and runs plugins.
    pub sandbox: &'a Sandbox,
    /// The services that connections may name.
    pub services: &'a Services,
    /// Who may sign plugins.
    pub publishers: &'a Publishers,
    /// What an admin accepted that connections let agents do; `None`: whatever stands in the files.
    pub accepted: Option<&'a Accepted>,
}

impl Loaded {
    /// Loads every workspace of a home. It always succeeds: what does not load is closed.
    pub async fn load(sources: Sources<'_>) -> Self {
        Self::load_after(sources, &Self::default()).await
    }

    /// The same in the place of what was loaded before: a workspace that would close what serves is not taken, and the
    /// one before goes on, whole.
    pub async fn load_after(sources: Sources<'_>, before: &Self) -> Self {
        let Sources { home, services, .. } = sources;
        let mut loaded =
            Self { files: services.files().clone(), problems: services.problems().to_vec(), ..Self::default() };
        let files = match home.list("workspaces", "toml") {
            Ok(files) => files,
            Err(error) => {
                loaded.problems.push(Problem::from_home(None, &error));
                loaded.unseen = true;
                return loaded;
            }
        };
        let mut chains = ChainLoader::new(sources, before);
        for file in files {
            let stem = file.strip_suffix(".toml").unwrap_or(&file);
            match WorkspaceName::parse(stem) {
                Ok(name) => loaded.add(&mut chains, sources, name, before).await,
                Err(error) => {
                    let hint = "rename the file; the workspace's name is the file's".to_owned();
                    let problem = Problem::new(None, format!("workspaces/{file}: {error}"));
                    loaded.problems.push(Problem { hint: Some(hint), ..problem });
                }
            }
        }
        loaded.problems.extend(chains.into_notes());
        loaded
    }

    /// Returns a connection that serves, or says that it does not: for agents of the workspace, who learn nothing of its files.
    pub fn open(&self, workspace: &WorkspaceName, connection: &str) -> Result<Arc<OpenConnection>, Refusal> {
        self.open_or(workspace, connection, |_| {
            "this connection is closed, and its operator must look why".to_owned()
        })
    }

    /// The same with the reason, for operators.
    pub fn open_or_why(
        &self,
        workspace: &WorkspaceName,
        connection: &str,
    ) -> Result<Arc<OpenConnection>, Refusal> {
        self.open_or(workspace, connection, |reason| format!("this connection is closed: {reason}"))
    }

    fn open_or(
        &self,
        workspace: &WorkspaceName,
        connection: &str,
        told: impl Fn(&str) -> String,
    ) -> Result<Arc<OpenConnection>, Refusal> {
        let closed = |reason: &str| {
            Refusal::new(Code::ConnectionClosed, "workspace", told(reason))
                .hint("the operator sees why in `wardlock connections list`, mends it and runs `wardlock reload`")
        };
        let Some(found) = self.workspaces.get(workspace) else {
            return Err(closed(&format!("there is no file workspaces/{workspace}.toml")));
        };
        let connections = found.connections.as_ref().map_err(|reason| closed(reason))?;
        match connections.get(connection).map(|found| &found.state) {
            Some(State::Open(open)) => Ok(Arc::clone(open)),
            Some(State::Closed { reason }) => Err(closed(reason)),
            None => {
                let known: Vec<&str> = connections.keys().map(ConnectionName::as_str).collect();
                let detail = format!("workspace `{workspace}` has no connection of that name");
                Err(Refusal::new(Code::UnknownConnection, "workspace", detail)
                    .hint(format!("its connections: {}", known.join(", "))))
            }
        }
    }

    /// Returns a connection, whether it serves or not: for commands.
    pub fn connection(&self, workspace: &str, connection: &str) -> Option<&LoadedConnection> {
        self.workspaces.get(workspace)?.connections.as_ref().ok()?.get(connection)
    }

    /// Returns the plugins by which a connection serves; none where it does not.
    fn serving(&self, connection: &Connection) -> &[Arc<Plugin>] {
        let found = self.connection(connection.workspace.as_str(), connection.name.as_str());
        match found.map(|found| &found.state) {
            Some(State::Open(open)) => &open.plugins,
            Some(State::Closed { .. }) | None => &[],
        }
    }

    /// Returns a workspace.
    pub fn workspace(&self, name: &str) -> Option<&Workspace> {
        self.workspaces.get(name)
    }

    /// Returns every workspace's name, open or closed.
    pub fn workspaces(&self) -> impl Iterator<Item = &WorkspaceName> {
        self.workspaces.keys()
    }

    /// Returns every workspace that records what its plugins see.
    pub fn recorders(&self) -> impl Iterator<Item = (&WorkspaceName, Keeping)> {
        self.workspaces.values().filter_map(|workspace| Some((&workspace.name, workspace.recorder?)))
    }

    /// Returns whether these are all workspaces that the home has: whether it could be seen which there are.
    pub fn is_whole(&self) -> bool {
        !self.unseen
    }

    /// Returns every workspace whose file does not load.
    pub fn closed_workspaces(&self) -> impl Iterator<Item = &WorkspaceName> {
        self.workspaces
            .values()
            .filter(|workspace| workspace.connections.is_err())
            .map(|workspace| &workspace.name)
    }

    /// Returns whether there is a workspace of that name, open or closed.
    pub fn has_workspace(&self, name: &WorkspaceName) -> bool {
        self.workspaces.contains_key(name)
    }

    /// Returns every connection of every workspace that loads.
    pub fn connections(&self) -> impl Iterator<Item = &LoadedConnection> {
        self.workspaces
            .values()
            .filter_map(|workspace| workspace.connections.as_ref().ok())
            .flat_map(BTreeMap::values)
    }

    /// Returns every workspace of which nothing serves because its file does not load, and the reason.
    pub fn closed(&self) -> impl Iterator<Item = (&WorkspaceName, &str)> {
        self.workspaces.values().filter_map(|workspace| {
            workspace.connections.as_ref().err().map(|reason| (&workspace.name, reason.as_str()))
        })
    }

    /// Returns the files that all this was read from.
    pub fn files(&self) -> &PolicyFiles {
        &self.files
    }

    /// Returns why a connection of a workspace that does not load is closed: what is wrong with it, or else all that is wrong.
    pub fn reasons(&self, workspace: &str, connection: &str) -> Vec<String> {
        let closing = |problem: &&Problem| {
            problem.severity == Severity::Closes && problem.workspace.as_deref() == Some(workspace)
        };
        let all = || self.problems.iter().filter(closing);
        let its_own = all().filter(|problem| problem.connection.as_deref() == Some(connection));
        let its_own: Vec<String> = its_own.map(Problem::reason).collect();
        if its_own.is_empty() { all().map(Problem::reason).collect() } else { its_own }
    }

    /// Returns why a workspace is as it was loaded before, and not as its file says now.
    pub fn stale(&self, workspace: &str) -> Option<String> {
        let of_it = |problem: &&Problem| {
            problem.severity == Severity::Stale && problem.workspace.as_deref() == Some(workspace)
        };
        self.problems.iter().find(of_it).map(Problem::reason)
    }

    /// Returns everything that is wrong: for `doctor`, `reload` and `policy check`.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    async fn add(
        &mut self,
        chains: &mut ChainLoader<'_>,
        sources: Sources<'_>,
        name: WorkspaceName,
        before: &Self,
    ) {
        let file = format!("workspaces/{name}.toml");
        let mut read = match chains.home().read_text(&file) {
            Ok(Some(text)) => {
                self.files.note(&file, &text);
                read(chains, sources, name, &file, &text).await
            }
            Ok(None) => return,
            Err(error) => closed(name, vec![Problem::from_home(None, &error)]),
        };
        if let Some(serving) = before.workspaces.get(&read.workspace.name)
            && serving.would_lose(&read.workspace)
        {
            read.workspace = serving.clone();
            read.problems.iter_mut().for_each(Problem::keep_what_was_before);
            self.files.carry(&file, &before.files);
        }
        self.problems.append(&mut read.problems);
        self.workspaces.insert(read.workspace.name.clone(), read.workspace);
    }
}

impl Workspace {
    /// Returns whether taking the other one in its place would close a connection that serves. One that the other does
    /// not name any more is meant to go.
    fn would_lose(&self, other: &Self) -> bool {
        let Ok(serving) = &self.connections else { return false };
        let mut open = serving.iter().filter(|(_, found)| matches!(found.state, State::Open(_)));
        match &other.connections {
            Err(_) => open.next().is_some(),
            Ok(others) => open.any(|(name, _)| {
                others.get(name).is_some_and(|found| matches!(found.state, State::Closed { .. }))
            }),
        }
    }
}

/// A workspace as its file says it now, and what is wrong with it.
struct Read {
    workspace: Workspace,
    problems: Vec<Problem>,
}

async fn read(
    chains: &mut ChainLoader<'_>,
    sources: Sources<'_>,
    name: WorkspaceName,
    file: &str,
    text: &str,
) -> Read {
    let parsed = Document::parse(file, text)
        .map_err(|error| vec![error])
        .and_then(|document| Ok((WorkspacePlan::read(&document, &name, sources.services)?, document)));
    let (plan, document) = match parsed {
        Ok(parsed) => parsed,
        Err(errors) => {
            return closed(name, errors.iter().map(|error| Problem::from_text(None, error)).collect());
        }
    };
    let notes = plan.notes.iter().map(|note| Problem::from_text(Some(name.as_str()), note).note());
    let mut problems: Vec<Problem> = notes.collect();
    let (mut connections, recorder) = (BTreeMap::new(), plan.recorder);
    for plan in plan.connections {
        let key = plan.connection.name.clone();
        let (connection, problem) = load_connection(chains, sources, &document, plan, recorder).await;
        problems.extend(problem);
        connections.insert(key, connection);
    }
    Read { workspace: Workspace { name, connections: Ok(connections), recorder }, problems }
}

async fn load_connection(
    chains: &mut ChainLoader<'_>,
    sources: Sources<'_>,
    document: &Document<'_>,
    plan: ConnectionPlan,
    recorder: Option<Keeping>,
) -> (LoadedConnection, Option<Problem>) {
    let ConnectionPlan { mut connection, scopes, plugins } = plan;
    match chains.load(document, &connection, &plugins).await {
        Ok(Chain { links, plugins, standings }) => {
            connection.chain = links;
            let connection = Arc::new(connection);
            if let Some(problem) = unaccepted(sources, &connection, scopes.as_deref(), recorder) {
                let state = State::Closed { reason: problem.reason() };
                return (LoadedConnection { connection, scopes, state }, Some(problem));
            }
            let open = OpenConnection {
                connection: Arc::clone(&connection),
                plugins,
                standings,
                own: Mutex::default(),
                rules: OnceLock::new(),
                metrics: OnceLock::new(),
            };
            (LoadedConnection { connection, scopes, state: State::Open(Arc::new(open)) }, None)
        }
        Err(error) => {
            let problem = Problem::from_text(Some(connection.workspace.as_str()), &error)
                .of_connection(connection.name.as_str());
            let state = State::Closed { reason: problem.reason() };
            (LoadedConnection { connection: Arc::new(connection), scopes, state }, Some(problem))
        }
    }
}

fn closed(name: WorkspaceName, problems: Vec<Problem>) -> Read {
    let reason = problems.first().map_or_else(|| "its file does not load".to_owned(), Problem::reason);
    let workspace = Some(name.to_string());
    let problems =
        problems.into_iter().map(|problem| Problem { workspace: workspace.clone(), ..problem }).collect();
    Read { workspace: Workspace { name, connections: Err(reason), recorder: None }, problems }
}

#[cfg(test)]
mod tests;
