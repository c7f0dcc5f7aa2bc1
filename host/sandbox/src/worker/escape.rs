//! Native code in a worker, as if a plugin had escaped from WebAssembly: only in builds for tests, which must show that it
//! finds nothing.
//!
//! It runs after an instance was made, where the request's purpose begins with [`TOLD`]. What follows there is looked for,
//! written backwards, so that the request itself does not hold it.

#![expect(unsafe_code, reason = "code that escaped reads whatever is mapped")]
#![expect(clippy::disallowed_methods, reason = "it opens what it can, which must be nothing")]

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

use wardlock_core::plugin::{Answer, PluginRequest, Reason, Verdict};

/// How a purpose begins that lets the code run.
const TOLD: &str = "escape:";

/// The list of what is mapped, opened while a worker may still open something: more than escaped code would have.
static MAPS: OnceLock<Mutex<File>> = OnceLock::new();

/// Opens that list.
pub(super) fn prepare() {
    if let Ok(maps) = File::open("/proc/self/maps") {
        let _ = MAPS.set(Mutex::new(maps));
    }
}

/// Returns what the code found, if the request tells it to run.
pub(crate) fn answer(request: &PluginRequest) -> Option<Answer> {
    let backwards = request.purpose.as_deref()?.strip_prefix(TOLD)?;
    let report = format!(
        "memory={} environment={} arguments={} files={} sockets={} programs={} parent={} descriptors={}",
        in_memory(backwards.as_bytes()).map_or_else(|| "unreadable".to_owned(), |found| found.to_string()),
        std::env::vars_os().count(),
        std::env::args_os().skip(2).count(),
        files(),
        sockets(),
        i32::from(Command::new("/bin/true").spawn().is_ok()),
        parent(),
        descriptors(),
    );
    let reason = Reason {
        code: "escaped".to_owned(),
        message: report,
        hint: None,
        retry_after_seconds: None,
        attributes: Vec::new(),
    };
    Some(Answer { verdict: Verdict::Deny(reason), notes: Vec::new() })
}

/// Counts where the text stands in what is mapped.
fn in_memory(backwards: &[u8]) -> Option<usize> {
    let mut maps = MAPS.get()?.lock().unwrap_or_else(PoisonError::into_inner);
    let mut list = String::new();
    maps.rewind().ok()?;
    maps.read_to_string(&mut list).ok()?;
    let mut found = 0;
    for line in list.lines() {
        let (range, rest) = line.split_once(' ')?;
        // The kernel's own pages are read by nobody but itself.
        if !rest.starts_with('r') || line.ends_with("[vvar]") || line.contains("[vvar_vclock]") {
            continue;
        }
        let (from, to) = range.split_once('-')?;
        let (from, to) = (usize::from_str_radix(from, 16).ok()?, usize::from_str_radix(to, 16).ok()?);
        // SAFETY: the kernel says that these bytes are mapped and readable, and this process's only other thread sleeps.
        let bytes =
            unsafe { std::slice::from_raw_parts(std::ptr::with_exposed_provenance::<u8>(from), to - from) };
        found += count(bytes, backwards)?;
    }
    Some(found)
}

fn count(bytes: &[u8], backwards: &[u8]) -> Option<usize> {
    let (first, mut rest, mut found) = (*backwards.last()?, bytes, 0);
    loop {
        // SAFETY: it looks at no more than the slice.
        let at = unsafe { libc::memchr(rest.as_ptr().cast(), first.into(), rest.len()) };
        if at.is_null() {
            return Some(found);
        }
        let from = at.addr() - rest.as_ptr().addr();
        let window = rest[from..].iter().take(backwards.len());
        found += usize::from(window.eq(backwards.iter().rev()));
        rest = &rest[from + 1..];
    }
}

fn files() -> usize {
    let names = ["/etc/passwd", "/proc/self/environ", "/proc/self/maps", "/proc/1/environ", "/dev/null", "/"];
    let opened = names.iter().filter(|name| File::open(name).is_ok()).count();
    let written = File::create("/tmp/wardlock-escaped").is_ok();
    opened + usize::from(written) + usize::from(std::fs::read_dir("/proc/self/fd").is_ok())
}

fn sockets() -> usize {
    usize::from(TcpListener::bind("127.0.0.1:0").is_ok())
        + usize::from(TcpStream::connect("127.0.0.1:7420").is_ok())
        + usize::from(UnixStream::pair().is_ok())
}

/// Counts ways to the process that started it.
fn parent() -> usize {
    // SAFETY: neither call takes memory of ours; both must be refused.
    let (parent, killed) = unsafe { (libc::getppid(), libc::kill(libc::getppid(), 0)) };
    usize::from(parent > 0) + usize::from(killed == 0)
}

/// Names the numbers of what is open.
fn descriptors() -> String {
    // SAFETY: asking for a descriptor's flags changes nothing, whether it is open or not.
    let open = (0..1024).filter(|number| unsafe { libc::fcntl(*number, libc::F_GETFD) } != -1);
    open.map(|number| number.to_string()).collect::<Vec<_>>().join(",")
}
