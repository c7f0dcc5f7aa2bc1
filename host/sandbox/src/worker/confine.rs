//! What a worker gives up before it hears of the first plugin, and what of that this kernel offers.

use std::collections::BTreeMap;
use std::time::Duration;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _, RulesetStatus,
    Scope,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::set_no_new_privs;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter_all_threads,
};
use serde::{Deserialize, Serialize};

use crate::trusted;

/// What holds a worker, measure by measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// Every measure.
    pub holds: Vec<Measure>,
}

/// One measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// Its name: `seccomp`, `landlock`, `limits`, …
    pub name: String,
    /// What it keeps out, or why it does not hold.
    pub holds: Result<String, String>,
}

/// Files that a worker may have open: its sockets, one that is handed over, and one in memory for each linear memory of each
/// plugin that has run, of which wasmtime makes new ones. None of them can be opened by name, whatever their number.
const OPEN_FILES: u64 = 16_384;
/// The largest file in memory that it may write: compiled code.
const FILE_BYTES: u64 = 1 << 30;
/// The most memory that a compiler may take for its data.
const COMPILER_BYTES: u64 = 6 << 30;
/// `PAGEMAP_SCAN`, the only thing that a worker asks of a descriptor: `_IOWR('f', 16, struct pm_scan_arg)`.
const PAGEMAP_SCAN: u64 = 0xc060_6610;

/// Gives up what needs no preparation: descriptors that were inherited. It must come before anything is opened.
pub(super) fn close_inherited() -> Measure {
    let closed = trusted::close_from(3).map_err(|error| error.to_string());
    hold("descriptors", "none was inherited but the sockets", closed)
}

/// Gives up the rest. Threads must have been started: from here on there are no new ones.
pub(super) fn confine(inherited: Measure, cpu: Option<Duration>) -> Confinement {
    let holds = vec![
        inherited,
        hold("limits", "no core dump, no process, few files", limits(cpu)),
        hold("memory", "closed to other programs of this user", dumpable()),
        hold("privileges", "no program gives it more", set_no_new_privs(true).map_err(|e| e.to_string())),
        landlock(),
        hold("seccomp", "no file, no socket, no program can be opened", seccomp()),
    ];
    Confinement { holds }
}

fn hold(name: &str, what: &str, result: Result<(), String>) -> Measure {
    Measure { name: name.to_owned(), holds: result.map(|()| what.to_owned()) }
}

fn limits(cpu: Option<Duration>) -> Result<(), String> {
    let seconds = cpu.map(|cpu| cpu.as_secs().max(1));
    let set = [
        (Resource::Core, Some(0)),
        (Resource::Nproc, Some(0)),
        // More than there may be already cannot be asked for.
        (
            Resource::Nofile,
            Some(getrlimit(Resource::Nofile).maximum.map_or(OPEN_FILES, |most| most.min(OPEN_FILES))),
        ),
        (Resource::Fsize, Some(FILE_BYTES)),
        (Resource::Memlock, Some(0)),
        (Resource::Cpu, seconds),
        (Resource::Data, seconds.map(|_| COMPILER_BYTES)),
    ];
    for (resource, most) in set.into_iter().filter(|(_, most)| most.is_some()) {
        setrlimit(resource, Rlimit { current: most, maximum: most }).map_err(|e| format!("{resource:?}: {e}"))?;
    }
    Ok(())
}

fn dumpable() -> Result<(), String> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| error.to_string())
}

fn landlock() -> Measure {
    let abi = ABI::V6;
    let ruled = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(abi)))
        .and_then(|rules| rules.scope(Scope::from_all(abi)))
        .and_then(|rules| rules.create()?.restrict_self());
    let result = match ruled.map(|status| status.ruleset) {
        Ok(RulesetStatus::FullyEnforced) => Ok("no file and no port, by path and number".to_owned()),
        Ok(RulesetStatus::PartiallyEnforced) => {
            Ok("no file; ports and scopes as far as this kernel knows them".to_owned())
        }
        Ok(RulesetStatus::NotEnforced) => Err("this kernel does not offer it".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    Measure { name: "landlock".to_owned(), holds: result }
}

/// Lets through what a running engine asks of the kernel; everything else is refused with `EPERM`.
fn seccomp() -> Result<(), String> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = CALLS.iter().map(|&call| (call, Vec::new())).collect();
    let scan = SeccompCondition::new(1, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, PAGEMAP_SCAN);
    let rule = scan.and_then(|scan| SeccompRule::new(vec![scan])).map_err(|error| error.to_string())?;
    rules.insert(libc::SYS_ioctl, vec![rule]);
    let architecture = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| error.to_string())?;
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, refuse, SeccompAction::Allow, architecture);
    let program = filter.and_then(BpfProgram::try_from).map_err(|error| error.to_string())?;
    apply_filter_all_threads(&program).map_err(|error| error.to_string())
}

/// What is allowed whatever the arguments. Nothing here opens anything by name or address.
const CALLS: &[i64] = &[
    // The sockets that are there.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_close,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_lseek,
    // Waiting.
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    libc::SYS_epoll_pwait2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_futex,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_gettimeofday,
    libc::SYS_sched_yield,
    libc::SYS_restart_syscall,
    // Memory of its own, and files in memory: wasmtime keeps images of linear memories there.
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_brk,
    libc::SYS_memfd_create,
    libc::SYS_ftruncate,
    libc::SYS_getrandom,
    // Traps are signals; a panic ends the process by one.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_sched_getaffinity,
    libc::SYS_exit,
    libc::SYS_exit_group,
];
