//! The vault as a whole: open or locked, and where its key comes from.

use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_egress::vault::{KeySource, Vault};

use super::{OPERATOR, blocking};
use crate::admin::{Brought, Failure};
use crate::config;
use crate::gate::{Gate, Seat};
use crate::host::Host;

/// Says what is known of an open vault.
pub(super) async fn status(host: &Arc<Host>) -> Result<Value, Failure> {
    let vault = Arc::clone(host.vault());
    let (registrations, grants, revision) = blocking(move || {
        Ok::<_, wardlock_egress::vault::VaultError>((
            vault.registrations()?.len(),
            vault.grants()?.len(),
            vault.revision()?,
        ))
    })
    .await??;
    Ok(json!({
        "vault": "open",
        "key": host.vault().opened_with().to_string(),
        "revision": revision,
        "registrations": registrations,
        "grants": grants,
        "key_pages_locked_in_memory": host.vault().keys().are_locked_in_memory(),
    }))
}

/// Says what can be known of a locked one.
pub(super) fn locked_status(seat: &Seat) -> Result<Value, Failure> {
    let kind = Vault::key_kind(&seat.home.state_folder())?;
    Ok(json!({ "vault": "locked", "key": kind.to_string() }))
}

pub(super) async fn lock(gate: &Arc<Gate>) -> Result<Value, Failure> {
    let gone = gate.lock(OPERATOR).await;
    let note = (!gone).then_some("a request is still under way; its keys go with it");
    Ok(json!({ "vault": "locked", "note": note }))
}

pub(super) async fn unlock(gate: &Arc<Gate>, brought: Brought) -> Result<Value, Failure> {
    let key = match (gate.seat().config.key(), brought) {
        (config::KeySource::Passphrase, Brought::Passphrase(passphrase)) => KeySource::Passphrase(passphrase),
        (config::KeySource::Passphrase, _) => return Err(Failure::usage("the passphrase is missing")),
        (source, _) => source.resolve(&gate.seat().home)?,
    };
    gate.unlock(&key, OPERATOR).await?;
    Ok(json!({ "vault": "open" }))
}
