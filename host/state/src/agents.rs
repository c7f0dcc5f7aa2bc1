//! Agents: adding, revoking and listing them, and telling one by its token (step 2 of a request's path).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLockReadGuard, RwLockWriteGuard};

use rusqlite::{Connection, params};
use subtle::ConstantTimeEq as _;
use wardlock_core::id::{AgentName, Digest, WorkspaceName};

use crate::error::StateError;
use crate::state::{Inner, State};
use crate::store::integer;
use crate::token::{self, AgentToken};

/// The agent to whom a token belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticatedAgent {
    /// Its name.
    pub name: AgentName,
    /// The one workspace to which it is bound.
    pub workspace: WorkspaceName,
}

/// An agent as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Its name.
    pub name: AgentName,
    /// The one workspace to which it is bound.
    pub workspace: WorkspaceName,
    /// The public part of its token.
    pub token_id: String,
    /// When it was added, milliseconds since 1970-01-01T00:00:00Z.
    pub created_ms: u64,
    /// When it was revoked.
    pub revoked_ms: Option<u64>,
    /// When it ends by itself.
    pub expires_ms: Option<u64>,
    /// Whether another token took its place.
    pub replaced: bool,
    /// When its token was last accepted.
    pub last_used_ms: Option<u64>,
    /// What the operator wrote beside it.
    pub note: Option<String>,
}

/// Every agent by the public id of its token: all that authentication reads.
pub(crate) struct Directory(HashMap<String, Known>);

struct Known {
    agent: AuthenticatedAgent,
    digest: Digest,
    revoked: bool,
    expires_ms: Option<u64>,
    last_used_ms: AtomicU64,
    /// Whether `last_used_ms` is newer than what is stored.
    used: AtomicBool,
}

impl State {
    /// Adds an agent and returns its token, which is shown once and stored nowhere.
    /// It ends after `lifetime_ms`, or never.
    pub fn add_agent(
        &self,
        name: &AgentName,
        workspace: &WorkspaceName,
        lifetime_ms: Option<u64>,
    ) -> Result<AgentToken, StateError> {
        let agent = AuthenticatedAgent { name: name.clone(), workspace: workspace.clone() };
        // Held until the memory follows, so that no revocation comes between the two.
        let mut connection = self.0.connection();
        let transaction = connection.transaction().map_err(StateError::Write)?;
        let expires_ms = lifetime_ms.map(|lifetime_ms| self.0.now_ms().saturating_add(lifetime_ms));
        let (token, known) = self.insert(&transaction, agent, expires_ms)?;
        transaction.commit().map_err(StateError::Write)?;
        self.0.directory_mut().0.insert(id_of(&token), known);
        Ok(token)
    }

    /// Gives an agent a new token. The old one works for `overlap_ms` more, so that the agent can be told in peace; the
    /// new one ends after `lifetime_ms`, or never.
    pub fn rotate_agent(
        &self,
        name: &AgentName,
        overlap_ms: u64,
        lifetime_ms: Option<u64>,
    ) -> Result<AgentToken, StateError> {
        let now_ms = self.0.now_ms();
        let mut connection = self.0.connection();
        let transaction = connection.transaction().map_err(StateError::Write)?;
        let current = read(&transaction)?.into_iter().map(|(agent, _)| agent);
        let mut current =
            current.filter(|agent| agent.name == *name && agent.revoked_ms.is_none() && !agent.replaced);
        let old = current.next().ok_or_else(|| StateError::NoAgent { name: name.clone() })?;
        // An overlap never makes a token live longer than it would have.
        let until_ms = now_ms.saturating_add(overlap_ms).min(old.expires_ms.unwrap_or(u64::MAX));
        let sql = "UPDATE agents SET replaced = 1, expires_ms = ?2 WHERE token_id = ?1";
        transaction.execute(sql, params![old.token_id, integer(until_ms)]).map_err(StateError::Write)?;
        let expires_ms = lifetime_ms.map(|lifetime_ms| now_ms.saturating_add(lifetime_ms));
        let agent = AuthenticatedAgent { name: old.name, workspace: old.workspace };
        let (token, known) = self.insert(&transaction, agent, expires_ms)?;
        transaction.commit().map_err(StateError::Write)?;
        let mut directory = self.0.directory_mut();
        if let Some(known) = directory.0.get_mut(&old.token_id) {
            known.expires_ms = Some(until_ms);
        }
        directory.0.insert(id_of(&token), known);
        Ok(token)
    }

    fn insert(
        &self,
        transaction: &rusqlite::Transaction<'_>,
        agent: AuthenticatedAgent,
        expires_ms: Option<u64>,
    ) -> Result<(AgentToken, Known), StateError> {
        let token = AgentToken::random()?;
        let digest = Digest::of(token.as_str().as_bytes());
        let sql = "INSERT INTO agents (token_id, token_sha256, name, workspace, created_ms, expires_ms) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let values = params![
            id_of(&token),
            digest.as_bytes().as_slice(),
            agent.name.as_str(),
            agent.workspace.as_str(),
            integer(self.0.now_ms()),
            expires_ms.map(integer),
        ];
        match transaction.execute(sql, values) {
            Ok(_) => Ok((token, Known::new(agent, digest, false, expires_ms))),
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) => {
                Err(StateError::AgentExists { name: agent.name })
            }
            Err(error) => Err(StateError::Write(error)),
        }
    }

    /// Writes a note beside an agent.
    pub fn note_agent(&self, name: &AgentName, note: &str) -> Result<(), StateError> {
        let sql = "UPDATE agents SET note = ?2 WHERE name = ?1 AND revoked_ms IS NULL";
        let changed = self.0.connection().execute(sql, [name.as_str(), note]).map_err(StateError::Write)?;
        if changed == 0 { Err(StateError::NoAgent { name: name.clone() }) } else { Ok(()) }
    }

    /// Revokes an agent: its token is refused from now on, and for ever.
    pub fn revoke(&self, name: &AgentName) -> Result<(), StateError> {
        let connection = self.0.connection();
        let sql = "UPDATE agents SET revoked_ms = ?2 WHERE name = ?1 AND revoked_ms IS NULL";
        let values = params![name.as_str(), integer(self.0.now_ms())];
        let changed = connection.execute(sql, values).map_err(StateError::Write)?;
        if changed == 0 {
            return Err(StateError::NoAgent { name: name.clone() });
        }
        for known in self.0.directory_mut().0.values_mut().filter(|known| known.agent.name == *name) {
            known.revoked = true;
        }
        Ok(())
    }

    /// Returns every agent, revoked ones too, in the order in which they were added.
    pub fn list(&self) -> Result<Vec<Agent>, StateError> {
        self.flush_last_used()?;
        let rows = read(&self.0.connection())?;
        Ok(rows.into_iter().map(|(agent, _)| agent).collect())
    }

    /// Returns the agent to whom a token belongs. Reads memory only; an unknown token, a revoked one, an expired one and
    /// one whose secret is wrong take the same steps and get the same answer.
    pub fn authenticate(&self, token: &str) -> Option<AuthenticatedAgent> {
        let given = Digest::of(token.as_bytes());
        let directory = self.0.directory();
        let known = token::id_of(token).and_then(|id| directory.0.get(id));
        // Without an agent the comparison is with what no token digests to.
        let stored = known.map_or([0; 32], |known| *known.digest.as_bytes());
        let equal = bool::from(given.as_bytes().ct_eq(&stored));
        let now_ms = self.0.now_ms();
        let lives =
            |known: &&Known| !known.revoked && known.expires_ms.is_none_or(|expires_ms| now_ms < expires_ms);
        let known = known.filter(|known| equal && lives(known))?;
        known.last_used_ms.store(now_ms, Ordering::Relaxed);
        known.used.store(true, Ordering::Relaxed);
        Some(known.agent.clone())
    }

    /// Returns whether an agent of that name belongs to the workspace now, by a token that lives. Reads memory only.
    pub fn is_agent(&self, name: &AgentName, workspace: &WorkspaceName) -> bool {
        let now_ms = self.0.now_ms();
        let directory = self.0.directory();
        directory.0.values().any(|known| {
            let lives = !known.revoked && known.expires_ms.is_none_or(|expires_ms| now_ms < expires_ms);
            lives && known.agent.name == *name && known.agent.workspace == *workspace
        })
    }

    /// Stores the times of last use that are newer than those stored. Called now and then, not by requests.
    pub fn flush_last_used(&self) -> Result<(), StateError> {
        self.0.flush_last_used()
    }
}

impl Inner {
    pub(crate) fn flush_last_used(&self) -> Result<(), StateError> {
        let mut connection = self.connection();
        let used = self.take_used();
        if used.is_empty() {
            return Ok(());
        }
        let stored = store_last_used(&mut connection, &used);
        if stored.is_err() {
            let directory = self.directory();
            for known in used.iter().filter_map(|(token_id, _)| directory.0.get(token_id)) {
                known.used.store(true, Ordering::Relaxed);
            }
        }
        stored.map_err(StateError::Write)
    }

    /// Returns the times of last use that are newer than those stored.
    fn take_used(&self) -> Vec<(String, u64)> {
        let directory = self.directory();
        let used = directory.0.iter().filter(|(_, known)| known.used.swap(false, Ordering::Relaxed));
        used.map(|(token_id, known)| (token_id.clone(), known.last_used_ms.load(Ordering::Relaxed))).collect()
    }

    fn directory(&self) -> RwLockReadGuard<'_, Directory> {
        self.directory.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn directory_mut(&self) -> RwLockWriteGuard<'_, Directory> {
        self.directory.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn store_last_used(connection: &mut Connection, used: &[(String, u64)]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for (token_id, at) in used {
        let sql = "UPDATE agents SET last_used_ms = ?2 WHERE token_id = ?1";
        transaction.execute(sql, params![token_id, integer(*at)])?;
    }
    transaction.commit()
}

impl Directory {
    pub(crate) fn load(connection: &Connection) -> Result<Self, StateError> {
        let known = |(agent, digest): (Agent, Digest)| {
            let revoked = agent.revoked_ms.is_some();
            let bound = AuthenticatedAgent { name: agent.name, workspace: agent.workspace };
            (agent.token_id, Known::new(bound, digest, revoked, agent.expires_ms))
        };
        Ok(Self(read(connection)?.into_iter().map(known).collect()))
    }
}

impl Known {
    fn new(agent: AuthenticatedAgent, digest: Digest, revoked: bool, expires_ms: Option<u64>) -> Self {
        Self { agent, digest, revoked, expires_ms, last_used_ms: AtomicU64::new(0), used: AtomicBool::new(false) }
    }
}

fn read(connection: &Connection) -> Result<Vec<(Agent, Digest)>, StateError> {
    let mut statement = connection
        .prepare(
            "SELECT token_id, token_sha256, name, workspace, created_ms, revoked_ms, last_used_ms, note, expires_ms, \
             replaced FROM agents ORDER BY created_ms, rowid",
        )
        .map_err(StateError::Read)?;
    let mut rows = statement.query([]).map_err(StateError::Read)?;
    let mut agents = Vec::new();
    while let Some(row) = rows.next().map_err(StateError::Read)? {
        agents.push(parse(row)?);
    }
    Ok(agents)
}

fn parse(row: &rusqlite::Row<'_>) -> Result<(Agent, Digest), StateError> {
    let token_id: String = row.get(0).map_err(StateError::Read)?;
    let text = |at: usize| row.get::<_, String>(at).map_err(StateError::Read);
    let damaged = |what: String| StateError::Damaged { token_id: token_id.clone(), what };
    let time = |at: usize| {
        let ms = row.get::<_, Option<i64>>(at).map_err(StateError::Read)?;
        Ok::<_, StateError>(ms.map(|ms| u64::try_from(ms).unwrap_or(0)))
    };
    let digest: Vec<u8> = row.get(1).map_err(StateError::Read)?;
    let digest = <[u8; 32]>::try_from(digest).map_err(|_| damaged("its digest is not 32 bytes".to_owned()))?;
    let agent = Agent {
        name: AgentName::parse(&text(2)?).map_err(|error| damaged(error.to_string()))?,
        workspace: WorkspaceName::parse(&text(3)?).map_err(|error| damaged(error.to_string()))?,
        created_ms: time(4)?.unwrap_or(0),
        revoked_ms: time(5)?,
        last_used_ms: time(6)?,
        note: row.get(7).map_err(StateError::Read)?,
        expires_ms: time(8)?,
        replaced: row.get(9).map_err(StateError::Read)?,
        token_id: token_id.clone(),
    };
    Ok((agent, Digest::from_bytes(digest)))
}

fn id_of(token: &AgentToken) -> String {
    token::id_of(token.as_str()).unwrap_or_default().to_owned()
}
