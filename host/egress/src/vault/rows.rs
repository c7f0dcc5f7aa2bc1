//! The sealed rows of `vault.db`.
//!
//! A row is sealed with its place (vault, kind, id, version, generation, revision) as associated data, and the
//! sealed head holds a digest of all rows: a row that is swapped, put back from an earlier copy, added or removed
//! is noticed. That the whole file was put back is noticed by the revision that is kept beside the key ([`super::beside`]).

use rusqlite::{Connection, Transaction, params};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::database::{meta, set_meta};
use super::error::VaultError;
use super::keys::{self, HeldKey, Key};

/// What kind of record a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Registration,
    Grant,
    Operator,
    WriteMark,
    Accepted,
    Release,
    /// The time before which releases are forgotten.
    ReleaseFloor,
    /// Whom an admin accepted that backups are for.
    Recipients,
    /// A token of an agent that may come in.
    Agent,
    /// A frozen workspace.
    Frozen,
    /// Says that the vault knows both of these, and since when.
    Admitted,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::Grant => "grant",
            Self::Operator => "operator",
            Self::WriteMark => "write-mark",
            Self::Accepted => "accepted",
            Self::Release => "release",
            Self::ReleaseFloor => "release-floor",
            Self::Recipients => "recipients",
            Self::Agent => "agent",
            Self::Frozen => "frozen",
            Self::Admitted => "admitted",
        }
    }

    /// Returns the version in which rows of this kind are written.
    pub(super) fn version(self) -> i64 {
        match self {
            Self::Grant => 5,
            Self::Registration => 4,
            Self::Operator | Self::Accepted => 2,
            Self::WriteMark
            | Self::Release
            | Self::ReleaseFloor
            | Self::Recipients
            | Self::Agent
            | Self::Frozen
            | Self::Admitted => 1,
        }
    }
}

/// An opened row.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) generation: u64,
    pub(super) content: Zeroizing<Vec<u8>>,
}

/// The counters of the vault, and the digest of its rows.
pub(super) struct Head {
    /// Counts every change of the vault.
    pub(super) revision: u64,
    /// The last generation that was given to a grant; never given again.
    pub(super) generation: u64,
    rows: [u8; 32],
}

/// Seals and opens the rows of one vault.
pub(super) struct Rows {
    key: HeldKey,
    vault: String,
}

impl Rows {
    pub(super) fn new(key: Key, vault: &str) -> Self {
        Self { key: HeldKey::new(key), vault: vault.to_owned() }
    }

    /// Returns the vault's id.
    pub(super) fn vault(&self) -> &str {
        &self.vault
    }

    /// Reads and opens a record.
    pub(super) fn read(&self, connection: &Connection, kind: Kind, id: &str) -> Result<Option<Row>, VaultError> {
        let found = stored(connection, kind, |its| its == id)?;
        found.into_iter().next().map(|stored| self.opened(kind, stored)).transpose()
    }

    /// Reads and opens all records of a kind, by name.
    pub(super) fn read_all(&self, connection: &Connection, kind: Kind) -> Result<Vec<Row>, VaultError> {
        let found = stored(connection, kind, |_| true)?;
        found.into_iter().map(|stored| self.opened(kind, stored)).collect()
    }

    /// Seals and writes a record, over the one of the same name if there is one.
    pub(super) fn write(
        &self,
        transaction: &Transaction<'_>,
        head: &mut Head,
        kind: Kind,
        row: &Row,
    ) -> Result<(), VaultError> {
        head.revision += 1;
        let [generation, revision] = [row.generation, head.revision].map(u64::cast_signed);
        let aad = self.aad(kind, &row.id, kind.version(), generation, revision);
        let sealed = keys::seal(self.key.get(), &aad, &row.content)?;
        let statement = "INSERT OR REPLACE INTO records VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let values = params![kind.as_str(), row.id, kind.version(), generation, revision, sealed];
        transaction.execute(statement, values)?;
        Ok(())
    }

    /// Writes the head of a vault that has no rows yet.
    pub(super) fn begin_head(&self, transaction: &Transaction<'_>) -> Result<(), VaultError> {
        self.write_head(transaction, Head { revision: 0, generation: 0, rows: [0; 32] })
    }

    /// Reads the head and checks that the rows are those it was written for.
    pub(super) fn read_head(&self, connection: &Connection) -> Result<Head, VaultError> {
        let damaged = |what: &str| VaultError::Damaged { what: what.to_owned() };
        let sealed = meta(connection, "head")?.ok_or_else(|| damaged("its head is missing"))?;
        let content = keys::open(self.key.get(), &self.head_aad(), &sealed);
        let content = content.map_err(|_| damaged("its head does not open"))?;
        let head = Head::read(&content).ok_or_else(|| damaged("its head cannot be read"))?;
        if head.rows != digest_rows(connection)? {
            return Err(damaged("a row was changed, put back, added or removed from outside"));
        }
        Ok(head)
    }

    /// Writes the head for the rows as they are now.
    pub(super) fn write_head(&self, transaction: &Transaction<'_>, mut head: Head) -> Result<(), VaultError> {
        head.rows = digest_rows(transaction)?;
        let sealed = keys::seal(self.key.get(), &self.head_aad(), &head.written())?;
        set_meta(transaction, "head", &sealed)
    }

    fn opened(&self, kind: Kind, stored: Stored) -> Result<Row, VaultError> {
        let Stored { id, version, generation, revision, sealed } = stored;
        if version > kind.version() {
            return Err(VaultError::Newer { found: version, known: kind.version() });
        }
        let aad = self.aad(kind, &id, version, generation, revision);
        let Ok(content) = keys::open(self.key.get(), &aad, &sealed) else {
            let what = format!("the row of {} `{}` does not open", kind.as_str(), id.escape_debug());
            return Err(VaultError::Damaged { what });
        };
        Ok(Row { id, generation: generation.cast_unsigned(), content })
    }

    fn aad(&self, kind: Kind, id: &str, version: i64, generation: i64, revision: i64) -> Vec<u8> {
        let numbers = [version, generation, revision].map(i64::to_be_bytes);
        let [version, generation, revision] = &numbers;
        joined(&[
            b"row",
            self.vault.as_bytes(),
            kind.as_str().as_bytes(),
            id.as_bytes(),
            version,
            generation,
            revision,
        ])
    }

    fn head_aad(&self) -> Vec<u8> {
        joined(&[b"head", self.vault.as_bytes()])
    }
}

impl Head {
    fn written(&self) -> Vec<u8> {
        [self.revision.to_be_bytes().as_slice(), &self.generation.to_be_bytes(), &self.rows].concat()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (revision, rest) = bytes.split_first_chunk::<8>()?;
        let (generation, rest) = rest.split_first_chunk::<8>()?;
        let rows = rest.try_into().ok()?;
        Some(Self { revision: u64::from_be_bytes(*revision), generation: u64::from_be_bytes(*generation), rows })
    }
}

/// Removes a record. Only within a change that writes the head again.
pub(super) fn remove(transaction: &Transaction<'_>, kind: Kind, id: &str) -> Result<(), VaultError> {
    transaction.execute("DELETE FROM records WHERE kind = ?1 AND id = ?2", [kind.as_str(), id])?;
    Ok(())
}

struct Stored {
    id: String,
    version: i64,
    generation: i64,
    revision: i64,
    sealed: Vec<u8>,
}

impl Stored {
    fn from(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(1)?,
            version: row.get(2)?,
            generation: row.get(3)?,
            revision: row.get(4)?,
            sealed: row.get(5)?,
        })
    }
}

/// Walks all rows as they are stored. Whatever is read comes from this one query, which the head covers: two queries may find
/// different rows in a database that was made so.
fn walk(
    connection: &Connection,
    mut each: impl FnMut(&str, &rusqlite::Row<'_>) -> Result<(), VaultError>,
) -> Result<(), VaultError> {
    let query = "SELECT kind, id, version, generation, revision, sealed FROM records ORDER BY kind, id";
    let mut statement = connection.prepare_cached(query)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        each(text(row, 0)?, row)?;
    }
    Ok(())
}

fn text<'a>(row: &'a rusqlite::Row<'_>, at: usize) -> Result<&'a str, VaultError> {
    let damaged = |_| VaultError::Damaged { what: "a row has no name".to_owned() };
    row.get_ref(at)?.as_str().map_err(damaged)
}

/// Returns the rows of a kind whose names are wanted, by name.
fn stored(
    connection: &Connection,
    kind: Kind,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Stored>, VaultError> {
    let mut found = Vec::new();
    walk(connection, |its, row| {
        if its == kind.as_str() && is_wanted(text(row, 1)?) {
            found.push(Stored::from(row)?);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Digests all rows as they are stored.
fn digest_rows(connection: &Connection) -> Result<[u8; 32], VaultError> {
    let mut hasher = Sha256::new();
    walk(connection, |kind, row| {
        let Stored { id, version, generation, revision, sealed } = Stored::from(row)?;
        let [version, generation, revision] = [version, generation, revision].map(i64::to_be_bytes);
        hasher.update(joined(&[kind.as_bytes(), id.as_bytes(), &version, &generation, &revision, &sealed]));
        Ok(())
    })?;
    Ok(hasher.finalize().into())
}

/// Joins fields so that no two lists of fields give the same bytes: each is preceded by its length.
fn joined(fields: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in fields {
        bytes.extend_from_slice(&u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
        bytes.extend_from_slice(field);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::database::{begin, migrate};

    fn row(id: &str, generation: u64) -> Row {
        Row { id: id.to_owned(), generation, content: Zeroizing::new(format!("content of {id}").into()) }
    }

    /// Returns a database with two rows, and what seals them.
    fn two_rows() -> (Connection, Rows) {
        let mut connection = Connection::open_in_memory().expect("a database");
        migrate(&mut connection).expect("migrated");
        let rows = Rows::new(Zeroizing::new([7; 32]), "vault");
        let transaction = begin(&mut connection).expect("begun");
        rows.begin_head(&transaction).expect("begun");
        let mut head = rows.read_head(&transaction).expect("a head");
        for row in [row("a", 1), row("b", 2)] {
            rows.write(&transaction, &mut head, Kind::Grant, &row).expect("written");
        }
        rows.write_head(&transaction, head).expect("written");
        transaction.commit().expect("committed");
        (connection, rows)
    }

    #[test]
    fn a_row_comes_back_as_it_was_written() {
        let (connection, rows) = two_rows();
        let read = rows.read(&connection, Kind::Grant, "b").expect("read").expect("a row");
        assert_eq!((read.generation, read.content.as_slice()), (2, b"content of b".as_slice()));
        assert!(rows.read(&connection, Kind::Registration, "b").expect("read").is_none());
        assert_eq!(rows.read_all(&connection, Kind::Grant).expect("read").len(), 2);
        rows.read_head(&connection).expect("sound");
    }

    #[test]
    fn a_row_opens_in_its_own_place_only() {
        for sql in [
            "UPDATE records SET sealed = (SELECT sealed FROM records AS other WHERE other.id = 'b')",
            "UPDATE records SET kind = 'registration'; UPDATE records SET kind = 'grant', id = 'a' WHERE id = 'b'",
            "UPDATE records SET generation = 2",
            "UPDATE records SET revision = revision + 1",
            "UPDATE records SET version = 0",
            "DELETE FROM records WHERE id = 'a'; UPDATE records SET id = 'a'",
        ] {
            let (connection, rows) = two_rows();
            connection.execute_batch(sql).expect(sql);
            let read = rows.read(&connection, Kind::Grant, "a");
            assert!(matches!(read, Err(VaultError::Damaged { .. })), "{sql}");
            assert!(rows.read_head(&connection).is_err(), "{sql}");
        }
        let (connection, _) = two_rows();
        let elsewhere = Rows::new(Zeroizing::new([7; 32]), "another vault");
        assert!(elsewhere.read(&connection, Kind::Grant, "a").is_err());
    }

    #[test]
    fn what_is_read_is_what_the_head_covers() {
        let (connection, rows) = two_rows();
        let half = "CREATE INDEX i ON records(kind) WHERE kind <> 'grant'; PRAGMA writable_schema = ON;
            UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON records(kind)' WHERE name = 'i'; PRAGMA writable_schema = RESET;
            ANALYZE; DELETE FROM sqlite_stat1; INSERT INTO sqlite_stat1 VALUES ('records', 'records', '1000000 1000000 1');
            INSERT INTO sqlite_stat1 VALUES ('records', 'i', '1000000 1'); ANALYZE sqlite_schema";
        connection.execute_batch(half).expect(half);
        let count = "SELECT count(*) FROM records WHERE kind = 'grant'";
        let hidden: i64 = connection.query_row(count, [], |row| row.get(0)).expect("read");
        assert_eq!(hidden, 0, "another query finds none");
        rows.read_head(&connection).expect("sound");
        assert_eq!(rows.read_all(&connection, Kind::Grant).expect("read").len(), 2);
    }
}
