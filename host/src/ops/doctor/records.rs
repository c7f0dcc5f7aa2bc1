//! The audit: whether its chain holds, and what the last run left behind.

use std::sync::Arc;
use std::time::Duration;

use wardlock_audit::{Against, Durability, Filter, ForeignRows, Kind, MirrorFound, Verified};
use wardlock_core::answer::Outcome;
use wardlock_core::plugin::Effect;

use super::{Check, green, red, yellow};
use crate::host::Host;
use crate::ops::blocking;

const NAME: &str = "audit";

/// Looks at the audit.
pub(super) async fn examine(host: &Arc<Host>) -> Vec<Check> {
    let mut checks = vec![chain(host).await, disk(host)];
    checks.extend(mirror(host));
    checks.extend(unknown(host).await);
    checks
}

/// For how long requests of which nobody knows whether they were executed are pointed out.
const POINTED_OUT: Duration = Duration::from_hours(7 * 24);

/// Requests of which nobody knows whether they were executed.
async fn unknown(host: &Arc<Host>) -> Option<Check> {
    const NAME: &str = "requests without an outcome";
    let since_ms = host.now_ms().saturating_sub(u64::try_from(POINTED_OUT.as_millis()).unwrap_or(u64::MAX));
    let filter = Filter {
        outcome: Some(Outcome::Unknown.as_str().to_owned()),
        kind: Some(Kind::Outcome),
        since_ms: Some(since_ms),
        ..Filter::newest(MOST)
    };
    let audit = host.audit().clone();
    let rows = blocking(move || audit.list(&filter)).await.ok()?.ok()?;
    if rows.is_empty() {
        return None;
    }
    let writes = rows.iter().filter(|row| row.effect.as_deref() != Some(Effect::Read.as_str())).count();
    let found = format!("{} in the last week, {writes} of them writes: they may have been executed", rows.len());
    let mend = "look at the provider before you send them again; `wardlock audit list --outcome unknown`";
    Some(yellow(NAME, found, mend))
}

/// How many of them are counted.
const MOST: usize = 1000;

fn mirror(host: &Host) -> Option<Check> {
    const NAME: &str = "audit's mirror";
    const MEND: &str = "keep both files, and compare them: after a loss of power reads may be missing in the log; otherwise an \
                        older or another log was put in its place";
    Some(match host.audit().opened().mirror? {
        MirrorFound::Fits => green(NAME, "holds every row, or what it began with and every row since"),
        MirrorFound::Ahead { sequence } => {
            red(NAME, format!("at the start it held row {sequence}, which the log does not have"), MEND)
        }
        MirrorFound::Differs { sequence } => {
            red(NAME, format!("at the start its row {sequence} was another one than the log's"), MEND)
        }
    })
}

/// Beyond this a write waits longer for the disk than for a provider's network.
const SLOW: Duration = Duration::from_millis(50);

/// Every write waits for this disk at least twice.
fn disk(host: &Host) -> Check {
    const NAME: &str = "audit's disk";
    let durabilities = host.config().durabilities();
    let word = |durability| match durability {
        Durability::Crash => "a crash of the process",
        Durability::Power => "the loss of power",
    };
    let kept =
        format!("reads' records survive {}, writes' {}", word(durabilities.reads), word(durabilities.writes));
    match host.audit().opened().sync_time {
        None => yellow(NAME, format!("{kept}; its speed could not be measured"), "see whether the disk is full"),
        Some(time) => {
            let found = format!("{kept}; it takes {:.1} ms to make a row durable", time.as_secs_f64() * 1000.0);
            if time < SLOW { green(NAME, found) } else { yellow(NAME, found, "put the home on a faster disk") }
        }
    }
}

async fn chain(host: &Arc<Host>) -> Check {
    const MEND: &str = "keep a copy of state/audit.db and look at `wardlock audit verify`";
    let audit = host.audit().clone();
    match blocking(move || audit.verify(&Against::default())).await {
        Ok(Ok(verified)) if !verified.is_sound() => {
            red(NAME, verified.faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "), MEND)
        }
        Ok(Ok(_)) if host.audit().opened().is_broken => {
            red(NAME, "at the start the log was not as its newest signed head said", MEND)
        }
        Ok(Ok(verified)) => match host.audit().opened().foreign {
            Some(foreign) => red(NAME, appended(foreign), MEND),
            None => sound(&verified),
        },
        Ok(Err(error)) => red(NAME, error.to_string(), MEND),
        Err(failure) => red(NAME, failure.message, MEND),
    }
}

fn appended(foreign: ForeignRows) -> String {
    let ForeignRows { first, last } = foreign;
    format!(
        "at the start rows {first} to {last} stood at its end that are not of this vault's making: somebody appended them, or an earlier \
         version ended without signing for them"
    )
}

fn sound(verified: &Verified) -> Check {
    let files = if verified.files > 1 { format!(" in {} files", verified.files) } else { String::new() };
    let found = format!("{} rows{files}, the chain holds, {} signed heads", verified.rows, verified.heads);
    if verified.keys.len() > 1 {
        let found = format!("{found} under {} keys: the vault was replaced", verified.keys.len());
        return yellow(NAME, found, "if nobody replaced it on purpose, find out who did");
    }
    green(NAME, found)
}
