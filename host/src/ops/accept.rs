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

/// Says what stands in the files beyond what was accepted, and accepts it where that was shown: `basis` is what was told with it.
pub(super) async fn accept(host: &Arc<Host>, basis: Option<&str>) -> Result<Value, Failure> {
    let services = Services::load(host.home());
    let loaded = Loaded::load(host.sources(&services, None)).await;
    let vault = Arc::clone(host.vault());
    let Some(accepted) = blocking(move || vault.accepted()).await?? else {
        return Err(Failure::no("nobody has a key here, so whatever stands in the files holds")
            .hint("`wardlock reload` takes it; `wardlock operator add` makes the first operator"));
    };
    let wanted = merged(&loaded, &services, &accepted);
    let now = basis_of(&wanted)?;
    let shown = json!({ "basis": now, "wider": wider(&wanted, &accepted), "accepted": basis.is_some() });
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
    note(host, Act::admin(who(), "policy.accept", "workspaces", now)).await;
    let mut shown = shown;
    shown["reload"] = reload(host).await;
    Ok(shown)
}

/// What would be accepted: what loads now; for what does not load, what was accepted before.
fn merged(loaded: &Loaded, services: &Services, accepted: &Accepted) -> Accepted {
    let mut wanted = loaded.allowances(services);
    for (place, allowance) in accepted {
        let Some((workspace, connection)) = place.split_once('/') else { continue };
        let is_there = match loaded.workspace(workspace) {
            Some(found) => found.connections.is_err() || loaded.connection(workspace, connection).is_some(),
            None => !loaded.is_whole(),
        };
        if is_there {
            wanted.entry(place.clone()).or_insert_with(|| allowance.clone());
        }
    }
    wanted
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
