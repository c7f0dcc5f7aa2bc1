//! What a home says, loaded: services, workspaces, connections with their plugins ready to run.
//!
//! A [`Loaded`] never changes. `reload` builds another one, and the host swaps the two; requests under way keep
//! theirs. What does not load is closed with its reason: a workspace file closes its workspace, a plugin closes its
//! connection, and nothing else.

mod chain;
mod files;
mod problem;
mod services;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use wardlock_core::connection::Connection;
use wardlock_core::id::{ConnectionName, WorkspaceName};
use wardlock_core::refusal::{Code, Refusal};
use wardlock_sandbox::{Plugin, Sandbox};

use crate::config::{ConnectionPlan, Document, WorkspacePlan};
use crate::home::Home;
use crate::metrics::{ConnectionMetrics, Metrics};

pub use files::PolicyFiles;
pub use problem::{Problem, Severity};
pub use services::Services;

use chain::ChainLoader;

/// A connection that serves: its rules and its chain, ready to run.
#[derive(Debug)]
pub struct OpenConnection {
    /// The connection as it is judged.
    pub connection: Arc<Connection>,
    /// Its plugins, in the order of the chain.
    pub plugins: Vec<Arc<Plugin>>,
    /// What it counts, from its first request on.
    metrics: OnceLock<Arc<ConnectionMetrics>>,
}

impl OpenConnection {
    /// Returns what it counts.
    pub fn metrics(&self, metrics: &Arc<Metrics>) -> Arc<ConnectionMetrics> {
        Arc::clone(self.metrics.get_or_init(|| metrics.of_connection(&self.connection)))
    }
}

/// A connection of a workspace whose file loads.
#[derive(Debug)]
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
#[derive(Debug)]
pub struct Workspace {
    /// Its name.
    pub name: WorkspaceName,
    /// Its connections; `Err` holds the reason for which all of it is closed.
    pub connections: Result<BTreeMap<ConnectionName, LoadedConnection>, String>,
}

/// Everything that a home says.
#[derive(Debug, Default)]
pub struct Loaded {
    workspaces: BTreeMap<WorkspaceName, Workspace>,
    files: PolicyFiles,
    problems: Vec<Problem>,
}

impl Loaded {
    /// Loads every workspace of a home. It always succeeds: what does not load is closed.
    pub async fn load(home: &Home, sandbox: &Sandbox, services: &Services) -> Self {
        let mut loaded =
            Self { files: services.files().clone(), problems: services.problems().to_vec(), ..Self::default() };
        let files = match home.list("workspaces", "toml") {
            Ok(files) => files,
            Err(error) => {
                loaded.problems.push(Problem::from_home(None, &error));
                return loaded;
            }
        };
        let mut chains = ChainLoader::new(home, sandbox);
        for file in files {
            let stem = file.strip_suffix(".toml").unwrap_or(&file);
            match WorkspaceName::parse(stem) {
                Ok(name) => loaded.add(&mut chains, services, name).await,
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

    /// Returns a connection that serves, or why it does not: for agents of the workspace.
    pub fn open(&self, workspace: &WorkspaceName, connection: &str) -> Result<Arc<OpenConnection>, Refusal> {
        let closed = |reason: &str| {
            Refusal::new(Code::ConnectionClosed, "workspace", format!("this connection is closed: {reason}"))
                .hint("the operator mends it and runs `wardlock reload`")
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

    /// Returns a workspace.
    pub fn workspace(&self, name: &str) -> Option<&Workspace> {
        self.workspaces.get(name)
    }

    /// Returns every workspace's name, open or closed.
    pub fn workspaces(&self) -> impl Iterator<Item = &WorkspaceName> {
        self.workspaces.keys()
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

    /// Returns the files that all this was read from.
    pub fn files(&self) -> &PolicyFiles {
        &self.files
    }

    /// Returns everything that is wrong: for `doctor`, `reload` and `policy check`.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    async fn add(&mut self, chains: &mut ChainLoader<'_>, services: &Services, name: WorkspaceName) {
        let file = format!("workspaces/{name}.toml");
        let text = match chains.home().read_text(&file) {
            Ok(Some(text)) => text,
            Ok(None) => return,
            Err(error) => return self.close(name, vec![Problem::from_home(None, &error)]),
        };
        self.add_text(chains, services, name, &file, &text).await;
    }

    async fn add_text(
        &mut self,
        chains: &mut ChainLoader<'_>,
        services: &Services,
        name: WorkspaceName,
        file: &str,
        text: &str,
    ) {
        self.files.note(file, text);
        let read = Document::parse(file, text)
            .map_err(|error| vec![error])
            .and_then(|document| Ok((WorkspacePlan::read(&document, &name, services)?, document)));
        let (plan, document) = match read {
            Ok(read) => read,
            Err(errors) => {
                return self.close(name, errors.iter().map(|error| Problem::from_text(None, error)).collect());
            }
        };
        let notes = plan.notes.iter().map(|note| Problem::from_text(Some(name.as_str()), note).note());
        self.problems.extend(notes);
        let mut connections = BTreeMap::new();
        for plan in plan.connections {
            let key = plan.connection.name.clone();
            connections.insert(key, self.load_connection(chains, &document, plan).await);
        }
        self.workspaces.insert(name.clone(), Workspace { name, connections: Ok(connections) });
    }

    async fn load_connection(
        &mut self,
        chains: &mut ChainLoader<'_>,
        document: &Document<'_>,
        plan: ConnectionPlan,
    ) -> LoadedConnection {
        let ConnectionPlan { mut connection, scopes, plugins } = plan;
        match chains.load(document, connection.name.as_str(), &plugins).await {
            Ok((links, plugins)) => {
                connection.chain = links;
                let connection = Arc::new(connection);
                let metrics = OnceLock::new();
                let open = OpenConnection { connection: Arc::clone(&connection), plugins, metrics };
                LoadedConnection { connection, scopes, state: State::Open(Arc::new(open)) }
            }
            Err(error) => {
                let problem = Problem::from_text(Some(connection.workspace.as_str()), &error)
                    .of_connection(connection.name.as_str());
                let state = State::Closed { reason: problem.reason() };
                self.problems.push(problem);
                LoadedConnection { connection: Arc::new(connection), scopes, state }
            }
        }
    }

    fn close(&mut self, name: WorkspaceName, problems: Vec<Problem>) {
        let reason = problems.first().map_or_else(|| "its file does not load".to_owned(), Problem::reason);
        let workspace = Some(name.to_string());
        self.problems
            .extend(problems.into_iter().map(|problem| Problem { workspace: workspace.clone(), ..problem }));
        self.workspaces.insert(name.clone(), Workspace { name, connections: Err(reason) });
    }
}

#[cfg(test)]
mod tests;
