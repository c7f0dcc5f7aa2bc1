//! What this process and its plugin workers have in memory.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// KiB.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Resident in this process.
    pub host: f64,
    /// Resident in its children, together.
    pub workers: f64,
    /// In files without a name that this process holds: resident in none of them.
    pub files: f64,
}

impl Memory {
    /// Looks now.
    pub fn now() -> anyhow::Result<Self> {
        let mut workers = 0.0;
        for child in children()? {
            workers += resident(&child)?;
        }
        Ok(Self { host: resident("self")?, workers, files: files()? })
    }

    /// Returns what is there more than before.
    pub fn since(self, before: Self) -> Self {
        Self {
            host: self.host - before.host,
            workers: self.workers - before.workers,
            files: self.files - before.files,
        }
    }
}

/// As the product does: each plugin's code is an open file.
pub fn allow_many_files() -> anyhow::Result<()> {
    let now = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum })?)
}

/// Returns the processes whose parent this one is, but for those that have ended.
pub fn children() -> anyhow::Result<Vec<String>> {
    let me = std::process::id().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        // A process may end meanwhile.
        let Ok(status) = fs::read_to_string(format!("/proc/{name}/status")) else { continue };
        if field(&status, "PPid:") == Some(&me) && field(&status, "VmRSS:").is_some() {
            found.push(name);
        }
    }
    Ok(found)
}

fn resident(process: &str) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let kib: u32 = field(&status, "VmRSS:").context("a line on memory")?.trim_end_matches(" kB").parse()?;
    Ok(f64::from(kib))
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn files() -> anyhow::Result<f64> {
    let mut blocks = 0;
    for entry in fs::read_dir("/proc/self/fd")? {
        let path = entry?.path();
        // The descriptor of this very listing is gone when it is looked at.
        let Ok(target) = fs::read_link(&path) else { continue };
        if target.to_string_lossy().starts_with("/memfd:") {
            blocks += fs::metadata(&path)?.blocks();
        }
    }
    // Blocks are of 512 bytes.
    Ok(f64::from(u32::try_from(blocks)?) / 2.0)
}
