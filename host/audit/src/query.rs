//! Reading rows: by place, by who, by what was decided, by time.
//!
//! Every read has a connection of its own, so that no reader ever waits for the writer, nor the writer for it.

use std::fmt::Write as _;
use std::path::Path;

use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, Row as SqlRow, params_from_iter};
use wardlock_core::id::Digest;

use crate::audit::Audit;
use crate::detail::{Detail, VERSION};
use crate::entry::Kind;
use crate::error::AuditError;
use crate::log::integer;
use crate::row::Row;
use crate::store;
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
    /// So ended.
    pub outcome: Option<String>,
    /// Of this request.
    pub request_id: Option<String>,
    /// Holding this value (a record id, say) as a keyed hash.
    pub value: Option<String>,
    /// Written then or later.
    pub since_ms: Option<u64>,
    /// Written before then.
    pub until_ms: Option<u64>,
    /// Standing before this place: for reading page by page.
    pub before: Option<u64>,
    /// At most so many, the newest.
    pub limit: usize,
}

impl Default for Filter {
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
            request_id: None,
            value: None,
            since_ms: None,
            until_ms: None,
            before: None,
            limit: 100,
        }
    }
}

const COLUMNS: &str = "sequence, kind, at_ms, request_id, workspace, connection, agent, operation, effect, \
                       decision, outcome, closes, detail, prev, hash";

impl Audit {
    /// Writes a consistent copy of the log to a file that does not exist yet, closed to others, while rows are written.
    pub fn snapshot(&self, to: &Path) -> Result<(), AuditError> {
        store::snapshot(&self.inner().path, to)
    }

    /// Returns the newest rows that the filter lets through, newest last.
    pub fn list(&self, filter: &Filter) -> Result<Vec<Row>, AuditError> {
        let mut sql = format!("SELECT {COLUMNS} FROM records WHERE 1");
        let mut values = Vec::new();
        for (condition, value) in self.conditions(filter) {
            values.push(value);
            // Writing to a string cannot fail.
            let _ = write!(sql, " AND {}", condition.replace('?', &format!("?{}", values.len())));
        }
        let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
        let _ = write!(sql, " ORDER BY sequence DESC LIMIT {limit}");
        let mut rows = read(&self.reader()?, &sql, values)?;
        rows.reverse();
        Ok(rows)
    }

    /// Returns all rows of one request, in order: INTENT and OUTCOME, or the refusal, and the token calls it caused.
    pub fn show(&self, request_id: &str) -> Result<Vec<Row>, AuditError> {
        let filter = Filter { request_id: Some(request_id.to_owned()), limit: usize::MAX, ..Filter::default() };
        self.list(&filter)
    }

    /// Returns how many rows there are.
    pub fn count(&self) -> Result<u64, AuditError> {
        let count: i64 = self
            .reader()?
            .query_row("SELECT count(*) FROM records", [], |row| row.get(0))
            .map_err(AuditError::read)?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Walks the whole chain and says where it is broken, and how.
    pub fn verify(&self, against: &Against) -> Result<Verified, AuditError> {
        verify::verify(&self.reader()?, against)
    }

    fn reader(&self) -> Result<Connection, AuditError> {
        store::open_for_reading(&self.inner().path)
    }

    fn conditions(&self, filter: &Filter) -> Vec<(&'static str, SqlValue)> {
        let text = |condition, value: &Option<String>| {
            value.as_ref().map(|value| (condition, SqlValue::Text(value.clone())))
        };
        let number =
            |condition, value: Option<u64>| value.map(|value| (condition, SqlValue::Integer(integer(value))));
        let kind = filter.kind.map(|kind| ("kind = ?", SqlValue::Text(kind.as_str().to_owned())));
        let value = filter.value.as_ref().map(|value| {
            let keyed = SqlValue::Text(format!("\"{}\"", self.keyed(value)));
            ("instr(detail, ?) > 0", keyed)
        });
        [
            text("workspace = ?", &filter.workspace),
            text("connection = ?", &filter.connection),
            text("agent = ?", &filter.agent),
            text("operation = ?", &filter.operation),
            text("effect = ?", &filter.effect),
            text("decision = ?", &filter.decision),
            kind,
            text("outcome = ?", &filter.outcome),
            text("request_id = ?", &filter.request_id),
            value,
            number("at_ms >= ?", filter.since_ms),
            number("at_ms < ?", filter.until_ms),
            number("sequence < ?", filter.before),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

fn read(connection: &Connection, sql: &str, values: Vec<SqlValue>) -> Result<Vec<Row>, AuditError> {
    let mut statement = connection.prepare(sql).map_err(AuditError::read)?;
    let mut rows = statement.query(params_from_iter(values)).map_err(AuditError::read)?;
    let mut list = Vec::new();
    while let Some(row) = rows.next().map_err(AuditError::read)? {
        list.push(parse(row)?);
    }
    Ok(list)
}

fn parse(row: &SqlRow<'_>) -> Result<Row, AuditError> {
    let sequence = u64::try_from(row.get::<_, i64>(0).map_err(AuditError::read)?).unwrap_or(0);
    let damaged = |what: String| AuditError::Damaged { sequence, what };
    let text = |at: usize| row.get::<_, Option<String>>(at).map_err(|error| damaged(error.to_string()));
    let number = |at: usize| row.get::<_, Option<i64>>(at).map_err(|error| damaged(error.to_string()));
    let digest = |at: usize| {
        let bytes = row.get::<_, Vec<u8>>(at).map_err(|error| damaged(error.to_string()))?;
        let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| damaged("a hash is not 32 bytes".to_owned()))?;
        Ok(Digest::from_bytes(bytes))
    };
    let kind = text(1)?.unwrap_or_default();
    let detail: Detail = serde_json::from_str(&text(12)?.unwrap_or_default())
        .map_err(|error| damaged(format!("its detail is not what this version writes: {error}")))?;
    if detail.version != VERSION {
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
