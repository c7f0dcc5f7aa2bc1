//! What must not be put back: for each connection, how often its write level was set, and its newest proof; for each draft, how it was
//! decided, and how often it was released.
//!
//! Levels, proofs and drafts stand in the state, under a mark of the vault's or sealed; a row that was true once would stay true for ever
//! without this.
//!
//! What is forgotten of drafts leaves a floor: whoever holds a draft of before it cannot know whether it was sent, so it never is. A
//! clock that was ahead for a while, and made marks old, so brings no draft back.

use rusqlite::{Connection, Transaction};
use serde::{Deserialize, Serialize};

use super::error::VaultError;
use super::kept::to_bytes;
use super::rows::{self, Head, Kind, Row};
use super::store::{Vault, content};

/// What the vault knows of one connection's level and proof.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteMark {
    /// How often the level was set: a row of the state that was marked for another number is an older one.
    pub settings: u64,
    /// The mark of the newest proof, in hex; empty: there is none.
    pub proof: String,
}

/// How often a draft was released, when last, and how it is decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftMark {
    /// How often it was released: a word on it that was given before counts for nothing.
    pub count: u64,
    /// When that was written last, and not before the time that counts as the draft's.
    pub at_ms: u64,
    /// How it is decided; `None`: it may wait.
    #[serde(default)]
    pub decided: Option<Decided>,
}

/// How a draft is decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Decided {
    /// It was released.
    Released {
        /// The request by which it was sent, as the audit has it.
        request: String,
    },
    /// A person said no, or its agent was revoked.
    Rejected,
    /// It is from before the floor, so nobody knows. Never written.
    #[serde(skip)]
    Forgotten,
}

/// A draft, and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftTime {
    /// The draft's id.
    pub id: String,
    /// The time that counts as its own, milliseconds since 1970-01-01T00:00:00Z: when it was held, and not before the floor of then.
    pub counted_ms: u64,
}

/// The floor, as it is kept.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Floor {
    before_ms: u64,
}

/// The id of the one row that keeps it.
const FLOOR: &str = "floor";

impl Vault {
    /// Returns what is known of a draft.
    pub fn draft_mark(&self, draft: &str) -> Result<DraftMark, VaultError> {
        let row = self.rows.read(&self.connection(), Kind::Release, draft)?;
        row.as_ref().map_or_else(|| Ok(DraftMark::default()), content)
    }

    /// Returns the floor, milliseconds since 1970-01-01T00:00:00Z: what was decided about drafts of before is forgotten.
    pub fn draft_floor(&self) -> Result<u64, VaultError> {
        self.floor(&self.connection())
    }

    /// Returns how a draft is decided; `None`: it may wait.
    pub fn decided(&self, draft: &DraftTime) -> Result<Option<Decided>, VaultError> {
        let decided = self.draft_mark(&draft.id)?.decided;
        Ok(decided.or(self.forgotten(&self.connection(), draft)?))
    }

    /// Notes that a draft is released by a request, unless it is decided already: then it returns how. What is from before `since_ms` is
    /// forgotten, and so is what could not be told of this draft then.
    pub fn note_release(
        &self,
        draft: &DraftTime,
        request: &str,
        at_ms: u64,
        since_ms: u64,
    ) -> Result<Option<Decided>, VaultError> {
        let at_ms = at_ms.max(draft.counted_ms);
        self.write(|transaction, head| {
            self.forget_drafts(transaction, head, since_ms)?;
            let forgotten = self.forgotten(transaction, draft)?;
            self.change_draft_mark(transaction, head, &draft.id, |mark| {
                if mark.decided.is_some() || forgotten.is_some() {
                    return mark.decided.clone().or(forgotten);
                }
                let (count, request) = (mark.count.saturating_add(1), request.to_owned());
                *mark = DraftMark { count, at_ms, decided: Some(Decided::Released { request }) };
                None
            })
        })
    }

    /// Takes back that a request released a draft: nothing was sent by it, and the draft waits on.
    pub fn take_release_back(&self, draft: &str, request: &str) -> Result<(), VaultError> {
        let released = Some(Decided::Released { request: request.to_owned() });
        if self.draft_mark(draft)?.decided != released {
            return Ok(());
        }
        self.write(|transaction, head| {
            self.change_draft_mark(transaction, head, draft, |mark| {
                mark.decided = mark.decided.take().filter(|decided| Some(decided) != released.as_ref());
            })
        })
    }

    /// Notes that drafts are rejected, but for those that were released before.
    pub fn note_rejections(&self, drafts: &[DraftTime], at_ms: u64, since_ms: u64) -> Result<(), VaultError> {
        self.write(|transaction, head| {
            self.forget_drafts(transaction, head, since_ms)?;
            drafts.iter().try_for_each(|draft| {
                let at_ms = at_ms.max(draft.counted_ms);
                self.change_draft_mark(transaction, head, &draft.id, |mark| {
                    if mark.decided.is_none() {
                        *mark = DraftMark { count: mark.count, at_ms, decided: Some(Decided::Rejected) };
                    }
                })
            })
        })
    }

    fn change_draft_mark<T>(
        &self,
        transaction: &Transaction<'_>,
        head: &mut Head,
        draft: &str,
        change: impl FnOnce(&mut DraftMark) -> T,
    ) -> Result<T, VaultError> {
        let row = self.rows.read(transaction, Kind::Release, draft)?;
        let mut mark: DraftMark = row.as_ref().map_or_else(|| Ok(DraftMark::default()), content)?;
        let said = change(&mut mark);
        let content = to_bytes(&mark).ok_or(VaultError::NotWritten)?;
        let row = Row { id: draft.to_owned(), generation: 0, content };
        self.rows.write(transaction, head, Kind::Release, &row)?;
        Ok(said)
    }

    fn forget_drafts(
        &self,
        transaction: &Transaction<'_>,
        head: &mut Head,
        since_ms: u64,
    ) -> Result<(), VaultError> {
        let mut newest_ms = None;
        for row in self.rows.read_all(transaction, Kind::Release)? {
            let at_ms = content::<DraftMark>(&row)?.at_ms;
            if at_ms < since_ms {
                rows::remove(transaction, Kind::Release, &row.id)?;
                newest_ms = newest_ms.max(Some(at_ms));
            }
        }
        newest_ms.map_or(Ok(()), |ms| self.raise_floor(transaction, head, ms.saturating_add(1)))
    }

    /// Raises the floor above what is forgotten. It never sinks.
    fn raise_floor(&self, transaction: &Transaction<'_>, head: &mut Head, to_ms: u64) -> Result<(), VaultError> {
        let before_ms = self.floor(transaction)?;
        if to_ms <= before_ms {
            return Ok(());
        }
        let content = to_bytes(&Floor { before_ms: to_ms }).ok_or(VaultError::NotWritten)?;
        let row = Row { id: FLOOR.to_owned(), generation: 0, content };
        self.rows.write(transaction, head, Kind::ReleaseFloor, &row)
    }

    fn floor(&self, connection: &Connection) -> Result<u64, VaultError> {
        let row = self.rows.read(connection, Kind::ReleaseFloor, FLOOR)?;
        Ok(row.as_ref().map_or_else(|| Ok(Floor::default()), content)?.before_ms)
    }

    fn forgotten(&self, connection: &Connection, draft: &DraftTime) -> Result<Option<Decided>, VaultError> {
        Ok((draft.counted_ms < self.floor(connection)?).then_some(Decided::Forgotten))
    }

    /// Returns what is known of a connection, by the name under which its level is kept.
    pub fn write_mark(&self, connection: &str) -> Result<WriteMark, VaultError> {
        let row = self.rows.read(&self.connection(), Kind::WriteMark, connection)?;
        row.as_ref().map_or_else(|| Ok(WriteMark::default()), content)
    }

    /// Changes what is known of a connection, and returns it as it is then.
    pub fn change_write_mark(
        &self,
        connection: &str,
        change: impl FnOnce(&mut WriteMark),
    ) -> Result<WriteMark, VaultError> {
        let id = connection.to_owned();
        self.write(|transaction, head| {
            let row = self.rows.read(transaction, Kind::WriteMark, &id)?;
            let mut mark: WriteMark = row.as_ref().map_or_else(|| Ok(WriteMark::default()), content)?;
            change(&mut mark);
            let content = to_bytes(&mark).ok_or(VaultError::NotWritten)?;
            self.rows.write(transaction, head, Kind::WriteMark, &Row { id, generation: 0, content })?;
            Ok(mark)
        })
    }
}
