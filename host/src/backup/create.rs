//! Writes a backup of the home that this process holds.

use std::io::{BufWriter, Write};
use std::path::Path;

use tar::{Builder, EntryType, Header};
use wardlock_audit::Audit;
use wardlock_egress::vault::Recipients;

use super::{KEY, MANIFEST, Manifest, SIMULATOR, STATE, STATE_FOLDER, VAULT};
use crate::admin::Failure;
use crate::config::KeySource;
use crate::home::{Home, HomeError};
use crate::host::Host;

/// The longest part of a name that fits into a tar header without an extension of the format (POSIX ustar).
const LONGEST_NAME: usize = 100;

/// A backup that waits to be taken out.
pub struct Written {
    /// Its name among the home's outgoing files.
    pub outgoing: String,
    /// How many files it holds, databases among them.
    pub files: usize,
    /// What stands in the home and is not in it: links, hidden files, other folders.
    pub left_out: Vec<String>,
}

/// Writes one. Blocks.
pub fn write(host: &Host, recipients: &Recipients, now_ms: u64) -> Result<Written, Failure> {
    let home = host.home();
    let (outgoing, file) = home.make_outgoing("backup.age")?;
    let mut archive = Builder::new(recipients.seal_backup(BufWriter::new(file))?);
    let manifest = Manifest { made_ms: now_ms, wardlock: env!("CARGO_PKG_VERSION").to_owned() };
    let manifest = serde_json::to_vec(&manifest).map_err(Failure::no)?;
    let mut entries = Entries { archive: &mut archive, home, now_ms, files: 0 };
    entries.add(MANIFEST, &manifest)?;
    entries.add(KEY, &host.vault().seal_key(recipients)?.0)?;
    let (files, mut left_out) = home.operator_files()?;
    for name in files {
        if is_key(host, &name) || name.split('/').any(|part| part.len() > LONGEST_NAME) {
            left_out.push(name);
        } else if let Some(content) = home.read(&name)? {
            entries.add(&name, &content)?;
        }
    }
    // The audit last: it may tell of more than the others hold, never of less.
    entries.snapshot(VAULT, |to| Ok(host.vault().snapshot(to)?))?;
    entries.snapshot(STATE, |to| Ok(host.state().snapshot(to)?))?;
    for file in host.audit().files()? {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        entries.snapshot(&format!("{STATE_FOLDER}{name}"), |to| Ok(Audit::snapshot(&file, to)?))?;
    }
    if let Some(mark) = home.read(SIMULATOR)? {
        entries.add(SIMULATOR, &mark)?;
    }
    let files = entries.files;
    let failed = |error| crate::ops::not_written(host, error);
    let sealing = archive.into_inner().map_err(failed)?;
    let mut file = sealing.finish().map_err(failed)?;
    file.flush().map_err(failed)?;
    Ok(Written { outgoing: outgoing.leave(), files, left_out })
}

struct Entries<'a, W: Write> {
    archive: &'a mut Builder<W>,
    home: &'a Home,
    now_ms: u64,
    files: usize,
}

impl<W: Write> Entries<'_, W> {
    fn add(&mut self, name: &str, content: &[u8]) -> Result<(), Failure> {
        let mut header = self.header(name, content.len() as u64)?;
        self.archive.append(seal_header(&mut header), content).map_err(|error| self.failed(error))?;
        self.files += 1;
        Ok(())
    }

    /// Adds a database by a snapshot, which is gone afterwards.
    fn snapshot(&mut self, name: &str, make: impl FnOnce(&Path) -> Result<(), Failure>) -> Result<(), Failure> {
        let snapshot = self.home.name_outgoing("snapshot")?;
        make(&self.home.state_path(snapshot.name())?)?;
        let (file, length) = snapshot.open()?;
        let mut header = self.header(name, length)?;
        self.archive.append(seal_header(&mut header), file).map_err(|error| self.failed(error))?;
        self.files += 1;
        Ok(())
    }

    fn header(&self, name: &str, length: u64) -> Result<Header, Failure> {
        let mut header = Header::new_ustar();
        header.set_path(name).map_err(|error| self.failed(error))?;
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o600);
        header.set_size(length);
        header.set_mtime(self.now_ms / 1000);
        Ok(header)
    }

    fn failed(&self, source: std::io::Error) -> HomeError {
        HomeError::Io { doing: "write a backup in", path: self.home.state_folder(), source }
    }
}

fn seal_header(header: &mut Header) -> &Header {
    header.set_cksum();
    header
}

/// Returns whether a file is the vault's key, or lies beside it for it.
fn is_key(host: &Host, name: &str) -> bool {
    let KeySource::File { path } = host.config().key() else { return false };
    let (key, file) = (host.home().path().join(path), host.home().path().join(name));
    [key.clone(), key.with_extension("revision"), key.with_extension("rekey")].contains(&file)
}
