//! The audit: whether its chain holds, and what the last run left behind.

use std::sync::Arc;
use std::time::Duration;

use wardlock_audit::{Against, Durability, Verified};

use super::{Check, green, red, yellow};
use crate::host::Host;
use crate::ops::blocking;

const NAME: &str = "audit";

/// Looks at the audit.
pub(super) async fn examine(host: &Arc<Host>) -> Vec<Check> {
    vec![chain(host).await, disk(host)]
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
        Ok(Ok(verified)) => sound(&verified),
        Ok(Err(error)) => red(NAME, error.to_string(), MEND),
        Err(failure) => red(NAME, failure.message, MEND),
    }
}

fn sound(verified: &Verified) -> Check {
    let found = format!("{} rows, the chain holds, {} signed heads", verified.rows, verified.heads);
    if verified.keys.len() > 1 {
        let found = format!("{found} under {} keys: the vault was replaced", verified.keys.len());
        return yellow(NAME, found, "if nobody replaced it on purpose, find out who did");
    }
    green(NAME, found)
}
