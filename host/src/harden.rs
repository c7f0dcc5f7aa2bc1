//! Closes the process against its neighbours: no core dumps, no reading of its memory by others of the same user.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, dumpable_behavior, getrlimit, set_dumpable_behavior, setrlimit,
};

/// Forbids core dumps; for every command, before anything else.
pub fn forbid_core_dumps() {
    // Lowering one's own limit is always allowed; a system that refuses shows in `doctor`.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
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
