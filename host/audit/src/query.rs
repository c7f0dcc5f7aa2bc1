//! Reading rows: by place, by who, by what was decided, by time.
//!
//! Every read has a connection of its own, so that no reader ever waits for the writer, nor the writer for it.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Row as SqlRow};
use wardlock_core::id::Digest;

use crate::audit::Audit;
use crate::detail::{Detail, VERSIONS};
use crate::entry::Kind;
use crate::error::AuditError;
use crate::files;
use crate::index::Search;
use crate::row::Row;
use crate::search::{File, find};
use crate::store;
use crate::terms::Term;
use crate::verify::{self, Against, Verified};

/// Which rows to list. Everything given must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Of this workspace.
    pub workspace: Option<String>,
    /// Of this connection.
    pub connection: Option<String>,
    /// Of this agent.
    pub agent: Option<String>,
    /// Of this operation.
    pub operation: Option<String>,
    /// Of this effect.
    pub effect: Option<String>,
    /// So decided: `allow`, `hold`, `deny`.
    pub decision: Option<String>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// So ended: the INTENT and its OUTCOME.
    pub outcome: Option<String>,
    /// Of this service.
    pub service: Option<String>,
    /// Of this region.
    pub region: Option<String>,
    /// Of this tenant.
    pub tenant: Option<String>,
    /// Touching this resource.
    pub resource: Option<String>,
    /// Judged by this plugin: its name, or the digest of its component.
    pub plugin: Option<String>,
    /// Refused with this code, of the host or of a plugin.
    pub code: Option<String>,
    /// Being this act (`agent.add`).
    pub act: Option<String>,
    /// Of this request.
    pub request_id: Option<String>,
    /// Holding this value (a record id, say) as a keyed hash.
    pub value: Option<String>,
    /// Written then or later.
    pub since_ms: Option<u64>,
    /// Written before then.
    pub until_ms: Option<u64>,
    /// Standing before this place: for reading page by page, backwards.
    pub before: Option<u64>,
    /// Standing after this place: for reading page by page, forwards.
    pub after: Option<u64>,
    /// At most so many: the newest, or with `after` the oldest.
    pub limit: usize,
}

impl Default for Filter {
    /// Lets everything through, up to 100 rows.
    fn default() -> Self {
        Self {
            workspace: None,
            connection: None,
            agent: None,
            operation: None,
            effect: None,
            decision: None,
            kind: None,
            outcome: None,
            service: None,
            region: None,
            tenant: None,
            resource: None,
            plugin: None,
            code: None,
            act: None,
            request_id: None,
            value: None,
            since_ms: None,
            until_ms: None,
            before: None,
            after: None,
            limit: 100,
        }
    }
}

impl Filter {
    /// Lets everything through, up to so many rows.
    pub fn newest(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }
}

pub(crate) const COLUMNS: &str = "sequence, kind, at_ms, request_id, workspace, connection, agent, operation, effect, \
                       decision, outcome, closes, detail, prev, hash";

impl Audit {
    /// Returns the log's files, in order; the last one is written.
    pub fn files(&self) -> Result<Vec<PathBuf>, AuditError> {
        Ok(self.opened_files()?.into_iter().map(|(path, _)| path).collect())
    }

    /// Writes a consistent copy of one of the log's files to another that does not exist yet, closed to others, while rows
    /// are written.
    pub fn snapshot(file: &Path, to: &Path) -> Result<(), AuditError> {
        store::snapshot(file, to)
    }

    /// Returns rows that the filter lets through, oldest first.
    pub fn list(&self, filter: &Filter) -> Result<Vec<Row>, AuditError> {
        let files = self.readers()?.into_iter().map(File::new).collect::<Result<Vec<_>, _>>()?;
        find(&files, filter, self.search(filter))
    }

    /// Returns all rows of one request, in order: INTENT and OUTCOME, or the refusal, and the token calls it caused.
    pub fn show(&self, request_id: &str) -> Result<Vec<Row>, AuditError> {
        let filter = Filter { request_id: Some(request_id.to_owned()), ..Filter::newest(usize::MAX) };
        self.list(&filter)
    }

    /// Returns how many rows there are.
    pub fn count(&self) -> Result<u64, AuditError> {
        let count =
            |file: &Connection| file.query_row("SELECT count(*) FROM records", [], |row| row.get::<_, i64>(0));
        let counts = self.readers()?.iter().map(count).collect::<Result<Vec<_>, _>>().map_err(AuditError::read)?;
        Ok(counts.into_iter().filter_map(|count| u64::try_from(count).ok()).sum())
    }

    /// Walks the whole chain, through all files, and says where it is broken, and how, and which rows are somebody else's.
    pub fn verify(&self, against: &Against) -> Result<Verified, AuditError> {
        verify::verify(&self.readers()?, against, &self.inner().rows)
    }

    /// Opens every file of the log for reading, in order.
    pub(crate) fn readers(&self) -> Result<Vec<Connection>, AuditError> {
        Ok(self.opened_files()?.into_iter().map(|(_, reader)| reader).collect())
    }

    fn opened_files(&self) -> Result<Vec<(PathBuf, Connection)>, AuditError> {
        let first = &self.inner().path;
        let folder = |error| AuditError::Folder { path: first.clone(), error };
        let mut readers = Vec::new();
        let files = files::all(first).map_err(folder)?;
        let newest = files.last().map(|file| file.number);
        for file in files {
            match store::open_for_reading(&file.path) {
                // One that the writer is just making has no rows.
                Ok(reader) if store::has_heads(&reader).map_err(AuditError::read)? => {
                    if Some(file.number) != newest {
                        // Its writer left what is in the `-wal` to whoever closes it last.
                        store::move_on_close(&reader).map_err(AuditError::read)?;
                    }
                    readers.push((file.path, reader));
                }
                Ok(_) => {}
                // One whose time is over may have gone since the folder was read.
                Err(_) if !file.path.exists() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(readers)
    }

    fn search(&self, filter: &Filter) -> Search {
        let keyed = filter.value.as_ref().map(|value| self.keyed(value));
        let named = [
            (Term::Value, keyed.as_deref()),
            (Term::Act, filter.act.as_deref()),
            (Term::Code, filter.code.as_deref()),
            (Term::Plugin, filter.plugin.as_deref()),
            (Term::Outcome, filter.outcome.as_deref()),
            (Term::Resource, filter.resource.as_deref()),
            (Term::Agent, filter.agent.as_deref()),
            (Term::Operation, filter.operation.as_deref()),
            (Term::Connection, filter.connection.as_deref()),
            (Term::Workspace, filter.workspace.as_deref()),
            (Term::Tenant, filter.tenant.as_deref()),
            (Term::Region, filter.region.as_deref()),
            (Term::Service, filter.service.as_deref()),
            (Term::Effect, filter.effect.as_deref()),
            (Term::Decision, filter.decision.as_deref()),
            (Term::Kind, filter.kind.map(Kind::as_str)),
        ];
        Search::new(named.into_iter().filter_map(|(term, value)| Some(term.word(value?))).collect())
    }
}

pub(crate) fn parse(row: &SqlRow<'_>) -> Result<Row, AuditError> {
    parse_at(row, 0)
}

/// Reads a row whose columns begin at a place.
pub(crate) fn parse_at(row: &SqlRow<'_>, first: usize) -> Result<Row, AuditError> {
    let sequence = u64::try_from(row.get::<_, i64>(first).map_err(AuditError::read)?).unwrap_or(0);
    let damaged = |what: String| AuditError::Damaged { sequence, what };
    let text = |at: usize| row.get::<_, Option<String>>(first + at).map_err(|error| damaged(error.to_string()));
    let number = |at: usize| row.get::<_, Option<i64>>(first + at).map_err(|error| damaged(error.to_string()));
    let digest = |at: usize| {
        let bytes = row.get::<_, Vec<u8>>(first + at).map_err(|error| damaged(error.to_string()))?;
        let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| damaged("a hash is not 32 bytes".to_owned()))?;
        Ok(Digest::from_bytes(bytes))
    };
    let kind = text(1)?.unwrap_or_default();
    let detail: Detail = serde_json::from_str(&text(12)?.unwrap_or_default())
        .map_err(|error| damaged(format!("its detail is not what this version writes: {error}")))?;
    if !VERSIONS.contains(&detail.version) {
        return Err(damaged(format!("its detail has version {}", detail.version)));
    }
    Ok(Row {
        sequence,
        kind: Kind::parse(&kind).ok_or_else(|| damaged("it is of no known kind".to_owned()))?,
        at_ms: number(2)?.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0),
        request_id: text(3)?,
        workspace: text(4)?,
        connection: text(5)?,
        agent: text(6)?,
        operation: text(7)?,
        effect: text(8)?,
        decision: text(9)?,
        outcome: text(10)?,
        closes: number(11)?.and_then(|sequence| u64::try_from(sequence).ok()),
        detail,
        prev: digest(13)?,
        hash: digest(14)?,
    })
}
