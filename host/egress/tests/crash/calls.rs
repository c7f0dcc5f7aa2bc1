//! Which state-changing system calls a refresh makes, and how often, on each of the child's threads.

use std::collections::BTreeMap;

use wardlock_simulator::Rotation;

use crate::case;
use crate::instant::{Thread, strace, traced};

/// The calls that change something outside the process, or take in the provider's answer.
const CALLS: &str = "write,pwrite64,writev,pwritev,fsync,fdatasync,ftruncate,/^rename,/^unlink,sendto,sendmsg,\
                     recvfrom,recvmsg";

/// Runs a refresh once for each thread, and counts its calls.
#[expect(clippy::disallowed_methods, reason = "a file that strace wrote")]
pub async fn of_a_refresh(rotation: Rotation) -> BTreeMap<(Thread, String), usize> {
    let mut counts = BTreeMap::new();
    for thread in Thread::ALL {
        let (left, ahead_ms) = case::expired(rotation).await;
        let shown = left.folder.path().join("strace");
        let shown_text = shown.display().to_string();
        let strace = strace(&["-o", &shown_text, "-e", &format!("trace={CALLS}")]);
        let output = traced(strace, thread, left.folder.path(), ahead_ms);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for line in std::fs::read_to_string(&shown).expect("what strace saw").lines() {
            if let Some((call, _)) = line.split_once('(') {
                *counts.entry((thread, call.to_owned())).or_default() += 1;
            }
        }
    }
    counts
}
