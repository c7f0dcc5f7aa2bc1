//! Copies that leave the home, made while it may be serving.

use std::io::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_audit::Act;
use wardlock_egress::vault::Recipients;

use super::{blocking, note, who};
use crate::admin::{Brought, Failure};
use crate::backup;
use crate::home::HomeError;
use crate::host::Host;

/// What whoever makes or takes a copy must know (threat: two Wardlocks with one refresh token).
pub const DANGER: &str = "a refresh token that the provider replaces from now on is dead in the copy, and two Wardlocks \
                          that use one refresh token can end the login for both: stop the one before the other serves";

/// Encrypts every registration and grant into an outgoing file.
pub(super) async fn export(host: &Arc<Host>, words: &[String], brought: Brought) -> Result<Value, Failure> {
    let recipients = recipients(words, brought)?;
    let (told, now_ms) = (whom(&recipients), host.now_ms());
    let its_host = Arc::clone(host);
    let (name, registrations, grants) = blocking(move || {
        let exported = its_host.vault().export(&recipients, now_ms)?;
        let (outgoing, mut file) = its_host.home().make_outgoing("export.age")?;
        file.write_all(&exported.bytes).map_err(|error| not_written(&its_host, error))?;
        Ok::<_, Failure>((outgoing.leave(), exported.registrations, exported.grants))
    })
    .await??;
    let result = format!("{registrations} registrations, {grants} grants, {told}");
    note(host, Act::admin(who(), "vault.export", "vault", result)).await;
    Ok(json!({
        "outgoing": name,
        "registrations": registrations,
        "grants": grants,
        "opens": told,
        "warning": DANGER,
    }))
}

/// Encrypts the whole home into an outgoing file.
pub(super) async fn back_up(host: &Arc<Host>, words: &[String], brought: Brought) -> Result<Value, Failure> {
    let recipients = recipients(words, brought)?;
    let (told, now_ms) = (whom(&recipients), host.now_ms());
    host.write_down().await;
    let its_host = Arc::clone(host);
    let written = blocking(move || backup::write(&its_host, &recipients, now_ms)).await??;
    let result = format!("{} files, {told}", written.files);
    note(host, Act::admin(who(), "backup.create", "home", result)).await;
    Ok(json!({
        "outgoing": written.outgoing,
        "files": written.files,
        "left_out": written.left_out,
        "opens": told,
        "warning": DANGER,
    }))
}

/// Says who can open a copy.
pub(super) fn whom(recipients: &Recipients) -> String {
    match recipients.count() {
        0 => "by a passphrase".to_owned(),
        1 => "for 1 recipient".to_owned(),
        count => format!("for {count} recipients"),
    }
}

/// Returns whom a copy is for: recipients by name, or who knows the passphrase that was brought.
pub(super) fn recipients(words: &[String], brought: Brought) -> Result<Recipients, Failure> {
    match brought {
        Brought::Passphrase(passphrase) if words.is_empty() => Ok(Recipients::passphrase(&passphrase)?),
        Brought::Passphrase(_) => Err(Failure::usage("a copy is for recipients or by a passphrase, not both")),
        Brought::Nothing | Brought::Secret(_) | Brought::File(_) => Ok(Recipients::keys(words)?),
    }
}

pub(crate) fn not_written(host: &Host, source: std::io::Error) -> HomeError {
    HomeError::Io { doing: "write a copy in", path: host.home().state_folder(), source }
}
