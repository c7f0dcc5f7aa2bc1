//! Closes the process against its neighbours: no core dumps, no reading of its memory by others of the same user, and no
//! more connections than leave it files of its own.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, dumpable_behavior, getrlimit, set_dumpable_behavior, setrlimit,
};

/// Forbids core dumps; for every command, before anything else.
pub fn forbid_core_dumps() {
    // Lowering one's own limit is always allowed; a system that refuses shows in `doctor`.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

/// Files that are open whatever agents do: databases with their `-wal` and `-shm`, readers of the audit, the runtime's own,
/// operators' connections and commands.
const OWN_FILES: u64 = 64;

/// Raises the limit on open files to what the system allows this process; for the daemon.
pub fn open_many_files() {
    let now = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum }) {
        tracing::warn!(%error, "the limit on open files cannot be raised");
    }
}

/// Returns how many files may be open; `None`: as many as there is memory for.
pub fn open_files() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Returns how many connections of agents may be open, at most as many as are wanted: each needs a file here and may need
/// another one upstream.
pub fn agents_connections(wanted: usize) -> usize {
    let room = open_files().map(|files| files.saturating_sub(OWN_FILES) / 2);
    room.and_then(|room| usize::try_from(room).ok()).map_or(wanted, |room| wanted.min(room.max(1)))
}

/// Makes `/proc/PID/mem`, `ptrace` and the like root's alone (prctl(2), `PR_SET_DUMPABLE`).
pub fn close_memory() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "the process's memory cannot be closed to other programs of this user");
    }
}

/// What holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hardening {
    /// Core dumps are forbidden.
    pub no_core: bool,
    /// The memory is closed to other programs of this user.
    pub closed_memory: bool,
}

/// Looks at what holds.
pub fn look() -> Hardening {
    Hardening {
        no_core: getrlimit(Resource::Core).current == Some(0),
        closed_memory: dumpable_behavior().is_ok_and(|now| now == DumpableBehavior::NotDumpable),
    }
}
