//! The audit: whether its chain holds, and what the last run left behind.

use std::sync::Arc;

use wardlock_audit::{Against, Verified};

use super::{Check, green, red, yellow};
use crate::host::Host;
use crate::ops::blocking;

const NAME: &str = "audit";

/// Looks at the audit.
pub(super) async fn examine(host: &Arc<Host>) -> Vec<Check> {
    vec![chain(host).await]
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
