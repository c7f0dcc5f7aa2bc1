//! Drafts: held requests, sealed, and what became of them.
//!
//! This module never sees what is in a draft. It keeps the one thing that must not go wrong: a draft leaves `held` once,
//! on the disk before anything is sent, so that no crash and no second approval sends it twice.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use wardlock_core::id::Digest;

use crate::error::StateError;
use crate::state::State;
use crate::store::integer;

/// How long what is left of a draft stays once it has ended, milliseconds: a week, in which its agent fetches the answer.
const LEFT_MS: u64 = 7 * 24 * 60 * 60 * 1000;

/// The code of a draft that ended because an earlier version kept it, and did not seal since when it waits.
pub const EARLIER_VERSION: &str = "earlier_version";

/// Where a draft stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DraftState {
    /// It waits for a person.
    Held,
    /// It was approved and is being sent.
    Releasing,
    /// It was sent; its outcome tells what came of it.
    Sent,
    /// It was approved, and nothing was sent; its code tells why.
    NotSent,
    /// A person said no.
    Rejected,
    /// Nobody said anything in time.
    Expired,
    /// It was being sent when the host ended: it may have been executed.
    Unknown,
}

impl DraftState {
    /// Every state.
    pub const ALL: [Self; 7] =
        [Self::Held, Self::Releasing, Self::Sent, Self::NotSent, Self::Rejected, Self::Expired, Self::Unknown];

    /// Returns the word used on every surface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Releasing => "releasing",
            Self::Sent => "sent",
            Self::NotSent => "not-sent",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
        }
    }

    /// Parses the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// What finds a draft, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its id.
    pub id: String,
    /// The workspace.
    pub workspace: String,
    /// The connection.
    pub connection: String,
    /// The agent that asked.
    pub agent: String,
    /// Digest of all that would be sent.
    pub request: Digest,
    /// The operation.
    pub operation: String,
    /// Its effect.
    pub effect: String,
    /// Where it stands.
    pub state: DraftState,
    /// When it was held, milliseconds since 1970-01-01T00:00:00Z.
    pub created_ms: u64,
    /// When it can no longer be approved; once it has ended, when what is left of it goes.
    pub expires_ms: u64,
    /// When a person decided.
    pub decided_ms: Option<u64>,
    /// Who decided.
    pub decided_by: Option<String>,
    /// The request by which it was released.
    pub release_id: Option<String>,
    /// Why nothing was sent: the code of a refusal, or [`EARLIER_VERSION`].
    pub code: Option<String>,
    /// What came of it.
    pub outcome: Option<String>,
}

/// How many drafts may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DraftBounds {
    /// Of one agent.
    pub of_agent: u32,
    /// Of one workspace.
    pub of_workspace: u32,
    /// Bytes of one workspace's, as sealed.
    pub bytes: u64,
}

/// What became of a request that shall be held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// It is a new draft.
    New,
    /// It waits already, as this one.
    Same(Box<Draft>),
    /// As many wait as may.
    Full,
}

/// How a release ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// `Sent`, `NotSent`, `Unknown`; `Held` where nothing was sent and it may be approved anew.
    pub state: DraftState,
    /// Why nothing was sent.
    pub code: Option<String>,
    /// What came of it.
    pub outcome: Option<String>,
    /// The answer, sealed.
    pub answer: Option<Vec<u8>>,
}

const COLUMNS: &str = "id, workspace, connection, agent, request_sha256, operation, effect, state, created_ms, \
                       expires_ms, decided_ms, decided_by, release_id, code, outcome";

impl State {
    /// Keeps a held request, durable when this returns. What its agent asked for already, by the digest `asked`, is not kept a
    /// second time while that waits.
    pub fn keep_draft(
        &self,
        draft: &Draft,
        asked: Digest,
        sealed: &[u8],
        bounds: &DraftBounds,
    ) -> Result<Kept, StateError> {
        let mut connection = self.0.connection();
        let transaction = connection.transaction().map_err(StateError::Write)?;
        // Whose time is over must not stand in a new one's way.
        expire(&transaction, self.0.now_ms()).map_err(StateError::Write)?;
        let same = "workspace = ?1 AND connection = ?2 AND agent = ?3 AND asked_sha256 = ?4 \
                    AND state IN ('held', 'releasing')";
        let whose = params![draft.workspace, draft.connection, draft.agent, asked.as_bytes().as_slice()];
        let same = one(&transaction, same, whose)?;
        if let Some(same) = same {
            transaction.commit().map_err(StateError::Write)?;
            return Ok(Kept::Same(Box::new(same)));
        }
        let waiting = "SELECT count(*) FILTER (WHERE agent = ?2), count(*), coalesce(sum(length(sealed)), 0) \
                       FROM drafts WHERE workspace = ?1 AND state = 'held'";
        let counted = transaction.query_row(waiting, params![draft.workspace, draft.agent], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        });
        let (of_agent, of_workspace, bytes) = counted.map_err(StateError::Read)?;
        let length = i64::try_from(sealed.len()).unwrap_or(i64::MAX);
        let fits = of_agent < i64::from(bounds.of_agent)
            && of_workspace < i64::from(bounds.of_workspace)
            && bytes.saturating_add(length) <= integer(bounds.bytes);
        if fits {
            let sql = "INSERT INTO drafts (id, workspace, connection, agent, request_sha256, operation, effect, \
                       state, created_ms, expires_ms, sealed, asked_sha256) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'held', ?8, ?9, ?10, ?11)";
            let values = params![
                draft.id,
                draft.workspace,
                draft.connection,
                draft.agent,
                draft.request.as_bytes().as_slice(),
                draft.operation,
                draft.effect,
                integer(draft.created_ms),
                integer(draft.expires_ms),
                sealed,
                asked.as_bytes().as_slice()
            ];
            transaction.execute(sql, values).map_err(StateError::Write)?;
        }
        transaction.commit().map_err(StateError::Write)?;
        Ok(if fits { Kept::New } else { Kept::Full })
    }

    /// Returns a draft.
    pub fn draft(&self, id: &str) -> Result<Option<Draft>, StateError> {
        one(&self.0.connection(), "id = ?1", params![id])
    }

    /// Returns drafts, the newest first: all of them, or those in one state.
    pub fn drafts(&self, state: Option<DraftState>, limit: u32) -> Result<Vec<Draft>, StateError> {
        let connection = self.0.connection();
        let sql = format!(
            "SELECT {COLUMNS} FROM drafts WHERE ?1 IS NULL OR state = ?1 ORDER BY created_ms DESC, id LIMIT ?2"
        );
        let mut statement = connection.prepare(&sql).map_err(StateError::Read)?;
        let rows = statement.query_map(params![state.map(DraftState::as_str), limit], read);
        rows.and_then(Iterator::collect).map_err(StateError::Read)
    }

    /// Returns a draft's sealed request; `None` where it is gone.
    pub fn draft_content(&self, id: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.sealed_of(id, "SELECT sealed FROM drafts WHERE id = ?1")
    }

    /// Returns the sealed answer of a released draft; `None` where there is none, or it was fetched or expired.
    pub fn draft_answer(&self, id: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.sealed_of(id, "SELECT answer FROM drafts WHERE id = ?1")
    }

    /// Takes the answer away: one agent's call has it. Returns whether it was there to be taken.
    pub fn take_draft_answer(&self, id: &str) -> Result<bool, StateError> {
        self.change("UPDATE drafts SET answer = NULL WHERE id = ?1 AND answer IS NOT NULL", params![id])
    }

    /// Takes a draft out of `held` to be sent, durable when this returns. Returns whether it was: one that is not held, has expired,
    /// or is another request stays as it is. Only who got `true` may send it.
    pub fn begin_release(
        &self,
        id: &str,
        request: Digest,
        by: &str,
        release_id: &str,
    ) -> Result<bool, StateError> {
        let now = integer(self.0.now_ms());
        let sql = "UPDATE drafts SET state = 'releasing', decided_ms = ?4, decided_by = ?3, release_id = ?5 \
                   WHERE id = ?1 AND request_sha256 = ?2 AND state = 'held' AND expires_ms > ?4";
        let values = params![id, request.as_bytes().as_slice(), by, now, release_id];
        self.change(sql, values)
    }

    /// Says how a release ended. Returns whether it was under way: another one's end changes nothing.
    pub fn end_release(&self, id: &str, release_id: &str, released: &Released) -> Result<bool, StateError> {
        let Released { state, code, outcome, answer } = released;
        let until = integer(self.0.now_ms().saturating_add(LEFT_MS));
        let sql = match state {
            // As it was before: an approval is used up, and another one is wanted.
            DraftState::Held => {
                "UPDATE drafts SET state = ?2, code = ?3, outcome = ?4, answer = ?5, decided_ms = NULL, \
                 decided_by = NULL, release_id = NULL \
                 WHERE id = ?1 AND state = 'releasing' AND ?6 >= 0 AND release_id = ?7"
            }
            // Whoever finds out what came of it wants to know what it was.
            DraftState::Unknown => {
                "UPDATE drafts SET state = ?2, code = ?3, outcome = ?4, answer = ?5, expires_ms = ?6 \
                 WHERE id = ?1 AND state = 'releasing' AND release_id = ?7"
            }
            _ => {
                "UPDATE drafts SET state = ?2, code = ?3, outcome = ?4, answer = ?5, expires_ms = ?6, sealed = NULL \
                 WHERE id = ?1 AND state = 'releasing' AND release_id = ?7"
            }
        };
        self.change(sql, params![id, state.as_str(), code, outcome, answer, until, release_id])
    }

    /// Ends a draft by a person's no. Returns whether it was held.
    pub fn reject_draft(&self, id: &str, by: &str) -> Result<bool, StateError> {
        let now_ms = self.0.now_ms();
        let sql = "UPDATE drafts SET state = 'rejected', decided_ms = ?3, decided_by = ?2, expires_ms = ?4, \
                   sealed = NULL WHERE id = ?1 AND state = 'held' AND expires_ms > ?3";
        self.change(sql, params![id, by, integer(now_ms), integer(now_ms.saturating_add(LEFT_MS))])
    }

    /// Ends every draft of an agent that waits: its name may be given anew. Returns how many there were.
    pub fn reject_drafts_of(&self, agent: &str, by: &str) -> Result<usize, StateError> {
        let now_ms = self.0.now_ms();
        let sql = "UPDATE drafts SET state = 'rejected', decided_ms = ?3, decided_by = ?2, expires_ms = ?4, \
                   sealed = NULL WHERE agent = ?1 AND state = 'held'";
        let values = params![agent, by, integer(now_ms), integer(now_ms.saturating_add(LEFT_MS))];
        let connection = self.0.connection();
        // Nor the answers that it has not fetched.
        connection
            .execute("UPDATE drafts SET answer = NULL WHERE agent = ?1", [agent])
            .map_err(StateError::Write)?;
        connection.execute(sql, values).map_err(StateError::Write)
    }

    /// Ends drafts whose time is over, and takes away what is left of those that have ended.
    pub fn tidy_drafts(&self) -> Result<(), StateError> {
        let now_ms = self.0.now_ms();
        let mut connection = self.0.connection();
        let transaction = connection.transaction().map_err(StateError::Write)?;
        let gone = "DELETE FROM drafts WHERE state NOT IN ('held', 'releasing') AND expires_ms <= ?1";
        transaction.execute(gone, [integer(now_ms)]).map_err(StateError::Write)?;
        expire(&transaction, now_ms).map_err(StateError::Write)?;
        transaction.commit().map_err(StateError::Write)
    }

    fn sealed_of(&self, id: &str, sql: &str) -> Result<Option<Vec<u8>>, StateError> {
        let found = self.0.connection().query_row(sql, [id], |row| row.get::<_, Option<Vec<u8>>>(0)).optional();
        found.map(Option::flatten).map_err(StateError::Read)
    }

    fn change(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Result<bool, StateError> {
        self.0.connection().execute(sql, values).map(|changed| changed > 0).map_err(StateError::Write)
    }
}

/// Ends drafts whose time is over. Format 6 set it to nothing for those that an earlier version kept.
pub(crate) fn expire(connection: &Connection, now_ms: u64) -> rusqlite::Result<usize> {
    // It stays a while, so that its agent learns why nothing came of it.
    let sql = "UPDATE drafts SET state = 'expired', sealed = NULL, expires_ms = ?2, \
               code = CASE WHEN expires_ms = 0 THEN ?3 ELSE code END \
               WHERE state = 'held' AND expires_ms <= ?1";
    connection.execute(sql, params![integer(now_ms), integer(now_ms.saturating_add(LEFT_MS)), EARLIER_VERSION])
}

fn one(
    connection: &Connection,
    which: &str,
    values: &[&dyn rusqlite::ToSql],
) -> Result<Option<Draft>, StateError> {
    let sql = format!("SELECT {COLUMNS} FROM drafts WHERE {which}");
    connection.query_row(&sql, values, read).optional().map_err(StateError::Read)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Draft> {
    let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
    let word: String = row.get(7)?;
    let wrong = |at| rusqlite::Error::InvalidColumnType(at, word.clone(), rusqlite::types::Type::Text);
    Ok(Draft {
        id: row.get(0)?,
        workspace: row.get(1)?,
        connection: row.get(2)?,
        agent: row.get(3)?,
        request: Digest::from_bytes(row.get(4)?),
        operation: row.get(5)?,
        effect: row.get(6)?,
        state: DraftState::parse(&word).ok_or_else(|| wrong(7))?,
        created_ms: number(8)?,
        expires_ms: number(9)?,
        decided_ms: row.get::<_, Option<i64>>(10)?.map(i64::cast_unsigned),
        decided_by: row.get(11)?,
        release_id: row.get(12)?,
        code: row.get(13)?,
        outcome: row.get(14)?,
    })
}
