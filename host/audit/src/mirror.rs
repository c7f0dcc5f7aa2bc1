//! The mirror: every row once more, as a line of JSON in another file, perhaps on another disk.
//!
//! A row is mirrored after its commit and before its caller is answered, at its own durability. So the mirror never
//! holds a row that the log does not, unless the log was put back to an older one, or lost what was only to survive a
//! crash of the process to a loss of power. A mirror that cannot be written refuses requests as the log itself does.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use rustix::fd::OwnedFd;
use rustix::fs::{fdatasync, fstat, ftruncate};
use rustix::io::{Errno, pread, write};
use serde::Deserialize;

use crate::error::{AuditError, FileProblem};
use crate::head::SignedHead;
use crate::log::integer;
use crate::private_file;
use crate::query::{COLUMNS, parse};
use crate::store::row_hash;

/// How much of a mirror's end is looked at for its last row, bytes: more than the longest row.
const END: u64 = 4 << 20;

/// How much is written at once, bytes.
const PART: usize = 1 << 20;

/// How a mirror that was there compares with the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MirrorFound {
    /// It is empty, or ends within the log and says the same; what it lacked was added.
    Fits,
    /// It ends with a row that the log does not have.
    Ahead {
        /// That row.
        sequence: u64,
    },
    /// Its last row is another one in the log.
    Differs {
        /// That row.
        sequence: u64,
    },
}

/// A mirror, open for appending.
pub(crate) struct Mirror {
    path: PathBuf,
    file: OwnedFd,
    /// Up to where it holds whole lines, bytes.
    length: u64,
    /// The last row that it holds.
    pub(crate) sequence: u64,
    /// What of both has surely been synced: after a sync that failed, everything behind it is written once more.
    synced: (u64, u64),
    /// How large it may grow, bytes.
    most: Option<u64>,
    /// Whether something stands behind `length` that could not be taken back.
    is_torn: bool,
}

/// What is read of a line; everything else in it is of no matter here.
#[derive(Deserialize)]
struct Line {
    sequence: Option<u64>,
    hash: Option<String>,
}

impl Mirror {
    /// Opens a mirror, creating it 0600 if it is missing. `end` is the log's last row; `files` are the log's.
    pub(crate) fn open(
        path: &Path,
        files: &[&Connection],
        end: u64,
        most: Option<u64>,
    ) -> Result<(Self, MirrorFound), AuditError> {
        let problem = |problem| AuditError::MirrorFile { path: path.to_owned(), problem: Arc::new(problem) };
        let file = private_file::open_to_append(path).map_err(problem)?;
        let failed = |error: Errno| AuditError::Mirror { path: path.to_owned(), error };
        let size = u64::try_from(fstat(&file).map_err(failed)?.st_size).unwrap_or(0);
        let last = last_lines(&file, size).map_err(failed)?;
        let mut mirror = Self {
            path: path.to_owned(),
            file,
            length: last.length,
            sequence: end,
            synced: (last.length, end),
            most,
            is_torn: size > last.length,
        };
        let Some((sequence, hash)) = last.row else {
            if size > 0 {
                return Err(problem(FileProblem::NotMirror));
            }
            return Ok((mirror, MirrorFound::Fits));
        };
        if sequence > end {
            return Ok((mirror, MirrorFound::Ahead { sequence }));
        }
        let mut is_same = false;
        for file in files {
            let found = row_hash(file, integer(sequence)).map_err(AuditError::read)?;
            is_same |= found.is_some_and(|found| hex::encode(found) == hash);
        }
        if !is_same {
            return Ok((mirror, MirrorFound::Differs { sequence }));
        }
        mirror.sequence = sequence;
        mirror.synced.1 = sequence;
        Ok((mirror, MirrorFound::Fits))
    }

    /// Adds the rows that it lacks, from one file of the log.
    pub(crate) fn catch_up(&mut self, file: &Connection, end: u64, power_safe: bool) -> Result<(), AuditError> {
        let sql =
            format!("SELECT {COLUMNS} FROM records WHERE sequence > ?1 AND sequence <= ?2 ORDER BY sequence");
        while self.sequence < end {
            let mut statement = file.prepare_cached(&sql).map_err(AuditError::read)?;
            let mut rows = statement.query([integer(self.sequence), integer(end)]).map_err(AuditError::read)?;
            let (mut lines, mut last) = (String::new(), None);
            while lines.len() < PART
                && let Some(row) = rows.next().map_err(AuditError::read)?
            {
                let row = parse(row)?;
                lines.push_str(&row.to_json_line());
                lines.push('\n');
                last = Some(row.sequence);
            }
            let Some(last) = last else { break };
            self.append(lines.as_bytes(), last, power_safe)?;
        }
        Ok(())
    }

    /// Takes notice that the log goes on in another file: what is missing is looked for there only.
    pub(crate) fn begin_file(&mut self) {
        self.synced = (self.length, self.sequence);
    }

    /// Adds a signed head, so that the mirror alone can serve as what was kept elsewhere.
    pub(crate) fn head(&mut self, head: &SignedHead, power_safe: bool) -> Result<(), AuditError> {
        let line = serde_json::json!({ "version": 1, "head": head.line() });
        self.append(format!("{line}\n").as_bytes(), self.sequence, power_safe)
    }

    /// Appends whole lines up to a row, or nothing.
    fn append(&mut self, lines: &[u8], last: u64, power_safe: bool) -> Result<(), AuditError> {
        let appended = self.try_append(lines, last, power_safe);
        if appended.is_err() {
            self.is_torn = ftruncate(&self.file, self.length).is_err();
        }
        appended.map_err(|error| AuditError::Mirror { path: self.path.clone(), error })
    }

    fn try_append(&mut self, lines: &[u8], last: u64, power_safe: bool) -> Result<(), Errno> {
        if self.is_torn {
            ftruncate(&self.file, self.length)?;
            self.is_torn = false;
        }
        if self.most.is_some_and(|most| self.length + lines.len() as u64 > most) {
            return Err(Errno::NOSPC);
        }
        let mut left = lines;
        while !left.is_empty() {
            match write(&self.file, left) {
                Ok(written) => left = &left[written..],
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        let after = (self.length + lines.len() as u64, last);
        if power_safe {
            if let Err(error) = fdatasync(&self.file) {
                // Linux forgets what it could not write, so the next sync says nothing about these lines.
                (self.length, self.sequence) = self.synced;
                return Err(error);
            }
            self.synced = after;
        }
        (self.length, self.sequence) = after;
        Ok(())
    }
}

/// The end of a mirror.
struct Last {
    length: u64,
    row: Option<(u64, String)>,
}

/// Finds the last whole line that is a row. A line without an end was being written when the process died.
fn last_lines(file: &OwnedFd, size: u64) -> Result<Last, Errno> {
    let from = size.saturating_sub(END);
    let mut bytes = vec![0; usize::try_from(size - from).unwrap_or(usize::MAX)];
    let mut read = 0;
    while read < bytes.len() {
        match pread(file, &mut bytes[read..], from + read as u64)? {
            0 => break,
            more => read += more,
        }
    }
    bytes.truncate(read);
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let rows = bytes[..whole].rsplit(|byte| *byte == b'\n').filter_map(|line| {
        let line: Line = serde_json::from_slice(line).ok()?;
        Some((line.sequence?, line.hash?))
    });
    Ok(Last { length: from + whole as u64, row: rows.into_iter().next() })
}
