//! Puts on the disk once more what a sync that failed may not have put there: the same bytes are written again, so that the kernel
//! has to write them, too.
//!
//! What it knows of a `-wal` is in `SQLite`'s file format, section 4.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rusqlite::ffi;
use rustix::fs::{Mode, OFlags, open};

/// The bytes of a `-wal` before its first frame.
const HEADER: usize = 32;
/// The bytes of a frame before its page.
const FRAME_HEADER: usize = 24;
/// How a `-wal` begins; the last bit says that its checksums are of big-endian words.
const MAGIC: u32 = 0x377f_0682;

/// Writes the first frames of a `-wal` again, of which so many count as moved, and the pages that were moved by them. Everything is
/// synced when it returns.
///
/// A database file that is opened for it is added to `kept`: closing it would give up `SQLite`'s locks on it, so it
/// must stay open as long as a connection of this process does.
pub(crate) fn put_again(database: &Path, frames: u64, moved: u64, kept: &mut Vec<File>) -> rusqlite::Result<()> {
    let wal = open_to_write(&beside(database)).map_err(failed)?;
    let latest = put_frames(&wal, frames, moved)?;
    wal.sync_data().map_err(failed)?;
    if latest.pages.is_empty() {
        return Ok(());
    }
    kept.push(open_to_write(database).map_err(failed)?);
    kept.last().map_or(Ok(()), |file| latest.put(&wal, file)).map_err(failed)
}

/// Syncs a `-wal`, if there is one.
pub(crate) fn sync(database: &Path) -> rusqlite::Result<()> {
    match open_to_write(&beside(database)) {
        Ok(wal) => wal.sync_data().map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

/// Where in a `-wal` the latest version of each page stands that was moved.
struct Latest {
    page_size: usize,
    pages: BTreeMap<u32, u64>,
}

impl Latest {
    fn put(&self, wal: &File, database: &File) -> io::Result<()> {
        let mut page = vec![0; self.page_size];
        for (number, at) in &self.pages {
            wal.read_exact_at(&mut page, *at)?;
            let place = u64::from(number.saturating_sub(1)) * self.page_size as u64;
            database.write_all_at(&page, place)?;
        }
        database.sync_data()
    }
}

fn put_frames(wal: &File, frames: u64, moved: u64) -> rusqlite::Result<Latest> {
    let mut header = [0; HEADER];
    wal.read_exact_at(&mut header, 0).map_err(unread)?;
    let magic = word(&header, 0);
    let mut sum = Sum { is_big: magic & 1 == 1, words: (0, 0) };
    sum.add(&header[..FRAME_HEADER]);
    let page_size = word(&header, 8) as usize;
    if magic & !1 != MAGIC || !sum.is_at(&header, FRAME_HEADER) || !(512..=65_536).contains(&page_size) {
        return Err(gone());
    }
    wal.write_all_at(&header, 0).map_err(failed)?;
    let mut latest = Latest { page_size, pages: BTreeMap::new() };
    let mut frame = vec![0; FRAME_HEADER + page_size];
    for number in 0..frames {
        let at = HEADER as u64 + number * frame.len() as u64;
        wal.read_exact_at(&mut frame, at).map_err(unread)?;
        sum.add(&frame[..8]);
        sum.add(&frame[FRAME_HEADER..]);
        if frame[8..16] != header[16..24] || !sum.is_at(&frame, 16) {
            return Err(gone());
        }
        wal.write_all_at(&frame, at).map_err(failed)?;
        if number < moved {
            latest.pages.insert(word(&frame, 0), at + FRAME_HEADER as u64);
        }
    }
    Ok(latest)
}

/// The checksum of a `-wal`, which goes on from frame to frame.
struct Sum {
    is_big: bool,
    words: (u32, u32),
}

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        let read = if self.is_big { u32::from_be_bytes } else { u32::from_le_bytes };
        for pair in bytes.as_chunks::<4>().0.as_chunks::<2>().0 {
            self.words.0 = self.words.0.wrapping_add(read(pair[0])).wrapping_add(self.words.1);
            self.words.1 = self.words.1.wrapping_add(read(pair[1])).wrapping_add(self.words.0);
        }
    }

    fn is_at(&self, bytes: &[u8], at: usize) -> bool {
        self.words == (word(bytes, at), word(bytes, at + 4))
    }
}

/// Reads a big-endian word; what is not there is 0, which no checksum is by chance.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u32::from_be_bytes(*word))
}

fn beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

fn open_to_write(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(open(path, flags, Mode::empty())?))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn failed(error: io::Error) -> rusqlite::Error {
    let code = match error.kind() {
        io::ErrorKind::StorageFull => ffi::SQLITE_FULL,
        io::ErrorKind::ReadOnlyFilesystem => ffi::SQLITE_READONLY,
        _ => ffi::SQLITE_IOERR,
    };
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some(error.to_string()))
}

fn unread(error: io::Error) -> rusqlite::Error {
    if error.kind() == io::ErrorKind::UnexpectedEof { gone() } else { failed(error) }
}

fn gone() -> rusqlite::Error {
    let said = "the disk has lost rows that were written: they are not in the `-wal` any more".to_owned();
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(said))
}
