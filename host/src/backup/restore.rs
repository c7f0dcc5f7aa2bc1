//! Reads a backup into folders that are no home yet. Nothing of an archive is believed: not its names, not its sizes,
//! not its modes, and no entry but ordinary files is taken.

use std::collections::BTreeSet;
use std::io::{self, Read};

use tar::{Archive, Entry, EntryType};
use wardlock_audit::is_of_log;
use wardlock_egress::vault::{CopyError, Opened, SealedKey};

use super::{AUDIT, KEY, MANIFEST, Manifest, SIMULATOR, STATE, STATE_FOLDER, VAULT};
use crate::admin::Failure;
use crate::home::{CONFIG_FILE, HomeError, Restoring};

/// The most entries.
const MOST_ENTRIES: usize = 10_000;
/// The largest manifest and sealed key.
const SMALL: u64 = 64 << 10;
/// The largest text of an operator's, as when a home is read.
const TEXT: u64 = 1 << 20;
/// The largest plugin, as when a home is read.
const PLUGIN: u64 = 128 << 20;

/// What an archive held besides the files that are written already.
pub struct Unpacked {
    /// What it says of itself.
    pub manifest: Manifest,
    /// The vault's key, sealed.
    pub key: SealedKey,
    /// The text of `wardlock.toml`.
    pub config: String,
}

/// Writes an archive's files into the folders. `most` is the length of the backup's own file: no database in it can be
/// larger. Returns only when the end has shown that the file is whole.
pub fn unpack<R: Read>(opened: &mut Opened<R>, restoring: &Restoring, most: u64) -> Result<Unpacked, Failure> {
    let mut reader = Reader { restoring, most, seen: BTreeSet::new(), manifest: None, key: None, config: None };
    let mut archive = Archive::new(&mut *opened);
    // Raw: no extension of the format is acted upon, each is an entry that is refused.
    for entry in archive.entries().map_err(failed)?.raw(true) {
        reader.take(&mut entry.map_err(failed)?)?;
    }
    // Only the last piece of the encryption says that nothing was cut off.
    io::copy(opened, &mut io::sink()).map_err(failed)?;
    match (reader.manifest, reader.key, reader.config) {
        (Some(manifest), Some(key), Some(config)) => Ok(Unpacked { manifest, key: SealedKey(key), config }),
        _ => Err(refused(format!("one of `{MANIFEST}`, `{KEY}` and `{CONFIG_FILE}` is missing"))),
    }
}

struct Reader<'a> {
    restoring: &'a Restoring,
    most: u64,
    seen: BTreeSet<String>,
    manifest: Option<Manifest>,
    key: Option<Vec<u8>>,
    config: Option<String>,
}

impl Reader<'_> {
    fn take<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> Result<(), Failure> {
        let name = entry.path_bytes().into_owned();
        let name = String::from_utf8(name).map_err(|_| refused("a name is not UTF-8".to_owned()))?;
        let shown = name.chars().take(120).collect::<String>().escape_debug().to_string();
        if entry.header().entry_type() != EntryType::Regular {
            return Err(refused(format!(
                "`{shown}` is a link, a folder or something else that is no ordinary file"
            )));
        }
        if !self.seen.insert(name.clone()) || self.seen.len() > MOST_ENTRIES {
            return Err(refused(format!("`{shown}` occurs twice, or there are more than {MOST_ENTRIES} files")));
        }
        if self.manifest.is_none() && name != MANIFEST {
            return Err(refused(format!("it does not begin with `{MANIFEST}`")));
        }
        let limit = self.limit(&name).ok_or_else(|| refused(format!("`{shown}` has no place in a home")))?;
        let size = entry.size();
        if size > limit {
            return Err(refused(format!("`{shown}` says that it has {size} bytes, and {limit} are the most")));
        }
        match name.as_str() {
            MANIFEST => {
                let manifest = serde_json::from_slice(&whole(entry, size)?);
                self.manifest = Some(manifest.map_err(|_| refused(format!("`{MANIFEST}` cannot be read")))?);
            }
            KEY => self.key = Some(whole(entry, size)?),
            CONFIG_FILE => {
                let text = String::from_utf8(whole(entry, size)?);
                self.config = Some(text.map_err(|_| refused(format!("`{CONFIG_FILE}` is not UTF-8")))?);
            }
            _ => self.restoring.write(&name, entry, limit).map_err(told)?,
        }
        Ok(())
    }

    /// Returns how large a file may be, or `None` if it has no place in a home.
    fn limit(&self, name: &str) -> Option<u64> {
        match name {
            MANIFEST | KEY | SIMULATOR => Some(SMALL),
            CONFIG_FILE => Some(TEXT),
            VAULT | STATE => Some(self.most),
            _ if name.strip_prefix(STATE_FOLDER).is_some_and(|name| is_of_log(AUDIT, name)) => Some(self.most),
            _ => match name.split_once('/')?.0 {
                "workspaces" | "services" => Some(TEXT),
                "plugins" => Some(PLUGIN),
                _ => None,
            },
        }
    }
}

/// Reads an entry that is kept in memory; its size was looked at.
fn whole<R: Read>(entry: &mut Entry<'_, R>, size: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    entry.take(size).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 == size { Ok(bytes) } else { Err(CopyError::Cut.into()) }
}

/// A file that cannot be written is told as such, and one that cannot be read as what is wrong with the backup.
fn told(error: HomeError) -> Failure {
    match error {
        HomeError::Name { name } => refused(format!("`{name}` is not a plain file name")),
        HomeError::Io { doing: "write", source, .. }
            if matches!(source.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) =>
        {
            failed(source)
        }
        other => other.into(),
    }
}

fn failed(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => CopyError::of_stream(error).into(),
        // What `tar` says of an archive that it cannot follow.
        io::ErrorKind::Other => refused("it is no archive".to_owned()),
        _ => CopyError::Io(error).into(),
    }
}

fn refused(what: String) -> Failure {
    CopyError::BadContent { what }.into()
}
