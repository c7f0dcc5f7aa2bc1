//! Agents: adding, revoking and listing them, and telling one by its token (step 2 of a request's path).
//!
//! Whoever can write this file can make rows of it, so a row alone lets nobody in: what the vault knows, too, is admitted
//! ([`State::admit`]), and every command tells it first. A crash between the two leaves the stricter of both.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLockReadGuard, RwLockWriteGuard};

use rusqlite::{Connection, Transaction, params};
use subtle::ConstantTimeEq as _;
use wardlock_core::admitted::{Admission, Admitted, AdmittedToken, earlier};
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
    /// Whether it is as it was admitted, where its row says that it lives; such a row that is not counts for nothing.
    pub confirmed: bool,
    /// When its token was last accepted.
    pub last_used_ms: Option<u64>,
    /// What the operator wrote beside it.
    pub note: Option<String>,
}

/// Every agent who may come in, by the public id of its token: all that authentication reads.
#[derive(Default)]
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
    /// Returns whom the rows let in and what they freeze, whoever wrote them: tokens that are not revoked, nor replaced and ended.
    pub fn as_written(&self) -> Result<Admitted, StateError> {
        let (rows, now_ms) = (read(&self.0.connection())?, self.0.now_ms());
        let rows = rows.into_iter().filter(|(agent, _)| {
            agent.revoked_ms.is_none() && !(agent.replaced && has_ended(agent.expires_ms, now_ms))
        });
        let tokens = rows.map(|(agent, digest)| {
            let Agent { token_id, name, workspace, created_ms, expires_ms, .. } = agent;
            (token_id, AdmittedToken { digest, agent: name, workspace, created_ms, expires_ms })
        });
        Ok(Admitted { tokens: tokens.collect(), frozen: self.frozen() })
    }

    /// Lets in whom both the rows and somebody else know alike, until the earlier of the two ends; frozen is what either says.
    /// Until this is called nobody comes in. Returns the tokens of whom nobody has to know any more.
    pub fn admit(&self, admitted: &Admitted) -> Result<Vec<String>, StateError> {
        let connection = self.0.connection();
        let rows: BTreeMap<String, (Agent, Digest)> =
            read(&connection)?.into_iter().map(|row| (row.0.token_id.clone(), row)).collect();
        let now_ms = self.0.now_ms();
        let (mut known, mut spent) = (HashMap::new(), Vec::new());
        for (id, token) in &admitted.tokens {
            let row = rows.get(id);
            // The last token of an agent is known on when it has ended: `rotate_agent` gives another for it.
            let newest = row.is_some_and(|(agent, _)| !agent.replaced);
            let revoked = row.is_some_and(|(agent, _)| agent.revoked_ms.is_some());
            if revoked || (!newest && has_ended(token.expires_ms, now_ms)) {
                spent.push(id.clone());
            } else if let Some((agent, digest)) = row
                && (&agent.name, &agent.workspace, digest) == (&token.agent, &token.workspace, &token.digest)
            {
                let bound = AuthenticatedAgent { name: token.agent.clone(), workspace: token.workspace.clone() };
                let expires_ms = earlier(agent.expires_ms, token.expires_ms);
                known.insert(id.clone(), Known::new(bound, token.digest, expires_ms));
            }
        }
        self.0.directory_mut().0 = known;
        self.0.freeze_too(&admitted.frozen);
        Ok(spent)
    }

    /// Adds an agent and returns its token, which is shown once and stored nowhere. It ends after `lifetime_ms`, or never.
    ///
    /// `admit` tells whoever else must know, before the row is durable: after a crash in between they know a token that nobody was
    /// shown, and that no row has.
    pub fn add_agent<E: From<StateError>>(
        &self,
        name: &AgentName,
        workspace: &WorkspaceName,
        lifetime_ms: Option<u64>,
        admit: impl FnOnce(&Admission) -> Result<(), E>,
    ) -> Result<AgentToken, E> {
        let agent = AuthenticatedAgent { name: name.clone(), workspace: workspace.clone() };
        // Held until the memory follows, so that no revocation comes between the two.
        let mut connection = self.0.connection();
        let transaction = connection.transaction().map_err(StateError::Write)?;
        let now_ms = self.0.now_ms();
        let token = insert(&transaction, agent, now_ms, lifetime_ms)?;
        admit(&token.admission(now_ms))?;
        transaction.commit().map_err(StateError::Write)?;
        // Nobody else has that name, unless somebody wrote into the rows that an agent of it is gone.
        Ok(self.0.directory_mut().take_in(token, now_ms))
    }

    /// Gives an agent a new token. The old ones work for `overlap_ms` more, so that the agent can be told in peace; the
    /// new one ends after `lifetime_ms`, or never.
    ///
    /// Of a crash after `admit` and before the row, the old token's end stays, and `rotate` gives another.
    pub fn rotate_agent<E: From<StateError>>(
        &self,
        name: &AgentName,
        overlap_ms: u64,
        lifetime_ms: Option<u64>,
        admit: impl FnOnce(&Admission) -> Result<(), E>,
    ) -> Result<AgentToken, E> {
        let now_ms = self.0.now_ms();
        let mut connection = self.0.connection();
        let transaction = connection.transaction().map_err(StateError::Write)?;
        if !has_newest(&transaction, name)? {
            return Err(StateError::NoAgent { name: name.clone() }.into());
        }
        // Its workspace is the one for which it was admitted, whatever the row says now.
        let agent =
            self.0.directory().agent(name).ok_or_else(|| StateError::Unconfirmed { name: name.clone() })?;
        let until_ms = end_of(now_ms, overlap_ms);
        // An overlap never makes a token live longer than it would have. Every other token, because which one is the
        // newest stands in the row only.
        let sql = "UPDATE agents SET replaced = 1, expires_ms = min(coalesce(expires_ms, ?2), ?2) \
                   WHERE name = ?1 AND revoked_ms IS NULL";
        transaction.execute(sql, params![name.as_str(), integer(until_ms)]).map_err(StateError::Write)?;
        let token = insert(&transaction, agent, now_ms, lifetime_ms)?;
        admit(&token.admission(until_ms))?;
        transaction.commit().map_err(StateError::Write)?;
        Ok(self.0.directory_mut().take_in(token, until_ms))
    }

    /// Writes a note beside an agent.
    pub fn note_agent(&self, name: &AgentName, note: &str) -> Result<(), StateError> {
        let sql = "UPDATE agents SET note = ?2 WHERE name = ?1 AND revoked_ms IS NULL";
        let changed = self.0.connection().execute(sql, [name.as_str(), note]).map_err(StateError::Write)?;
        if changed == 0 { Err(StateError::NoAgent { name: name.clone() }) } else { Ok(()) }
    }

    /// Revokes an agent: its tokens are refused from now on, and for ever. That holds until the next start at least, whatever cannot be
    /// written.
    ///
    /// `dismiss` tells whoever else knows it, and returns whether they did; before the row is durable, so that a crash in between
    /// leaves a row that counts for nothing, and never one that somebody could take back. Returns whether there was one.
    pub fn revoke<E: From<StateError>>(
        &self,
        name: &AgentName,
        dismiss: impl FnOnce(&AgentName) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let connection = self.0.connection();
        let mut known = self.0.directory_mut().revoke(name);
        let dismissed = dismiss(name);
        let sql = "UPDATE agents SET revoked_ms = ?2 WHERE name = ?1 AND revoked_ms IS NULL";
        let values = params![name.as_str(), integer(self.0.now_ms())];
        known |= connection.execute(sql, values).map_err(StateError::Write)? > 0;
        Ok(dismissed? || known)
    }

    /// Returns every agent, revoked ones too, in the order in which they were added.
    pub fn list(&self) -> Result<Vec<Agent>, StateError> {
        self.flush_last_used()?;
        // Held, so that no command comes between the rows and what was admitted.
        let connection = self.0.connection();
        let (rows, directory, now_ms) = (read(&connection)?, self.0.directory(), self.0.now_ms());
        let told = rows.into_iter().map(|(mut agent, digest)| {
            let lives = agent.revoked_ms.is_none() && !has_ended(agent.expires_ms, now_ms);
            agent.confirmed = !lives || directory.confirms(&agent, &digest);
            agent
        });
        Ok(told.collect())
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
        let known = known.filter(|known| equal && known.lives(now_ms))?;
        known.last_used_ms.store(now_ms, Ordering::Relaxed);
        known.used.store(true, Ordering::Relaxed);
        Some(known.agent.clone())
    }

    /// Returns whether an agent of that name belongs to the workspace now, by a token that lives. Reads memory only.
    pub fn is_agent(&self, name: &AgentName, workspace: &WorkspaceName) -> bool {
        let now_ms = self.0.now_ms();
        let directory = self.0.directory();
        directory
            .0
            .values()
            .any(|known| known.lives(now_ms) && known.agent.name == *name && known.agent.workspace == *workspace)
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
    /// Returns an agent by its name, as it was admitted.
    fn agent(&self, name: &AgentName) -> Option<AuthenticatedAgent> {
        let mut known = self.0.values().filter(|known| !known.revoked && known.agent.name == *name);
        known.next().map(|known| known.agent.clone())
    }

    /// Returns whether a row that lives says what was admitted.
    fn confirms(&self, agent: &Agent, digest: &Digest) -> bool {
        self.0.get(&agent.token_id).is_some_and(|known| {
            !known.revoked
                && (&known.agent.name, &known.agent.workspace) == (&agent.name, &agent.workspace)
                && (known.digest, known.expires_ms) == (*digest, agent.expires_ms)
        })
    }

    /// Takes a new token in; its agent's others end as is said.
    fn take_in(&mut self, new: NewToken, others_end_ms: u64) -> AgentToken {
        for known in self.0.values_mut().filter(|known| known.agent.name == new.known.agent.name) {
            known.expires_ms = earlier(known.expires_ms, Some(others_end_ms));
        }
        self.0.insert(id_of(&new.token), new.known);
        new.token
    }

    /// Returns whether there was one of that name.
    fn revoke(&mut self, name: &AgentName) -> bool {
        let mut living =
            self.0.values_mut().filter(|known| !known.revoked && known.agent.name == *name).peekable();
        let was = living.peek().is_some();
        living.for_each(|known| known.revoked = true);
        was
    }
}

impl Known {
    fn new(agent: AuthenticatedAgent, digest: Digest, expires_ms: Option<u64>) -> Self {
        let (last_used_ms, used) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { agent, digest, revoked: false, expires_ms, last_used_ms, used }
    }

    fn lives(&self, now_ms: u64) -> bool {
        !self.revoked && !has_ended(self.expires_ms, now_ms)
    }
}

/// A token whose row is not durable yet.
struct NewToken {
    token: AgentToken,
    known: Known,
    created_ms: u64,
}

impl NewToken {
    fn admission(&self, others_end_ms: u64) -> Admission {
        let Known { agent, digest, expires_ms, .. } = &self.known;
        let token = AdmittedToken {
            digest: *digest,
            agent: agent.name.clone(),
            workspace: agent.workspace.clone(),
            created_ms: self.created_ms,
            expires_ms: *expires_ms,
        };
        Admission { token_id: id_of(&self.token), token, others_end_ms }
    }
}

fn insert(
    transaction: &Transaction<'_>,
    agent: AuthenticatedAgent,
    now_ms: u64,
    lifetime_ms: Option<u64>,
) -> Result<NewToken, StateError> {
    let token = AgentToken::random()?;
    let digest = Digest::of(token.as_str().as_bytes());
    let expires_ms = lifetime_ms.map(|lifetime_ms| end_of(now_ms, lifetime_ms));
    let sql = "INSERT INTO agents (token_id, token_sha256, name, workspace, created_ms, expires_ms) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let values = params![
        id_of(&token),
        digest.as_bytes().as_slice(),
        agent.name.as_str(),
        agent.workspace.as_str(),
        integer(now_ms),
        expires_ms.map(integer),
    ];
    match transaction.execute(sql, values) {
        Ok(_) => Ok(NewToken { token, known: Known::new(agent, digest, expires_ms), created_ms: now_ms }),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) => {
            Err(StateError::AgentExists { name: agent.name })
        }
        Err(error) => Err(StateError::Write(error)),
    }
}

/// Returns whether an agent has a token that no other took the place of.
fn has_newest(transaction: &Transaction<'_>, name: &AgentName) -> Result<bool, StateError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM agents WHERE name = ?1 AND revoked_ms IS NULL AND replaced = 0)";
    transaction.query_row(sql, [name.as_str()], |row| row.get(0)).map_err(StateError::Read)
}

/// Returns a time as it is read again.
fn end_of(now_ms: u64, after_ms: u64) -> u64 {
    integer(now_ms.saturating_add(after_ms)).cast_unsigned()
}

fn has_ended(expires_ms: Option<u64>, now_ms: u64) -> bool {
    expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms)
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
        confirmed: false,
        token_id: token_id.clone(),
    };
    Ok((agent, Digest::from_bytes(digest)))
}

fn id_of(token: &AgentToken) -> String {
    token::id_of(token.as_str()).unwrap_or_default().to_owned()
}
