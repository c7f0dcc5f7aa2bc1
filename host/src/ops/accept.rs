//! What an admin accepts that connections let agents do: where operators have keys, files alone widen nothing.

use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_audit::Act;
use wardlock_core::id::Digest;
use wardlock_egress::vault::Accepted;

use super::{blocking, note, reload, who};
use crate::admin::Failure;
use crate::host::Host;
use crate::loaded::{Loaded, Services};
use crate::shown;

/// Says what stands in the files beyond what was accepted, and accepts it where that was shown: `basis` is what was told with it.
pub(super) async fn accept(host: &Arc<Host>, basis: Option<&str>) -> Result<Value, Failure> {
    // A reload between the two would take what it found accepted for what still is.
    let held = host.hold_reloads().await;
    let services = Services::load(host.home());
    let loaded = Loaded::load(host.sources(&services, None)).await;
    let vault = Arc::clone(host.vault());
    let Some(accepted) = blocking(move || vault.accepted()).await?? else {
        return Err(Failure::no("nobody has a key here, so whatever stands in the files holds")
            .hint("`wardlock reload` takes it; `wardlock operator add` makes the first operator"));
    };
    let wanted = loaded.accepted_from(&services, &accepted);
    let wider = Value::Array(wider(&wanted, &accepted));
    let now = shown::naming(&basis_of(&wanted)?, &wider);
    let mut shown = json!({ "basis": now, "wider": wider, "accepted": basis.is_some() });
    match basis {
        None => return Ok(shown),
        Some(meant) if meant == now => {}
        Some(_) => {
            return Err(Failure::no("the files are not those that were shown")
                .hint("look again with `wardlock policy accept`, and accept that"));
        }
    }
    let vault = Arc::clone(host.vault());
    blocking(move || vault.accept(&wanted)).await??;
    drop(held);
    note(host, Act::admin(who(), "policy.accept", "workspaces", now)).await;
    shown["reload"] = reload(host).await;
    Ok(shown)
}

/// One word for all of it.
fn basis_of(wanted: &Accepted) -> Result<String, Failure> {
    let text = serde_json::to_vec(wanted).map_err(Failure::no)?;
    Ok(Digest::of(&text).to_string())
}

fn wider(wanted: &Accepted, accepted: &Accepted) -> Vec<Value> {
    let rows = wanted.iter().filter_map(|(place, allowance)| {
        let beyond = match accepted.get(place) {
            // All of it is new.
            None => allowance.in_words(),
            Some(accepted) => allowance.beyond(accepted),
        };
        (!beyond.is_empty()).then(|| json!({ "connection": place, "would_have": beyond }))
    });
    rows.collect()
}
