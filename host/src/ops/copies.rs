//! Copies that leave the home, made while it may be serving.

use std::collections::BTreeSet;
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

/// How many recipients a copy has at most: the audit's row names each.
const MOST_RECIPIENTS: usize = 16;

/// Encrypts every registration and grant into an outgoing file.
pub(super) async fn export(host: &Arc<Host>, words: &[String], brought: Brought) -> Result<Value, Failure> {
    let recipients = recipients(words, brought)?;
    let (told, now_ms) = (whom(words), host.now_ms());
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

/// Encrypts the whole home into an outgoing file, for those whom the command names and those of the settings.
pub(super) async fn back_up(
    host: &Arc<Host>,
    named: Vec<String>,
    configured: Vec<String>,
    brought: Brought,
) -> Result<Value, Failure> {
    let configured: BTreeSet<String> = configured.into_iter().collect();
    let named: BTreeSet<String> = named.into_iter().collect();
    let words: Vec<String> = configured.union(&named).cloned().collect();
    let recipients = recipients(&words, brought)?;
    let newly = unaccepted(host, &named, configured).await?;
    let (told, now_ms) = (whom(&words), host.now_ms());
    host.write_down().await;
    let its_host = Arc::clone(host);
    let written = blocking(move || backup::write(&its_host, &recipients, now_ms)).await??;
    let result = format!("{} files, {told}", written.files);
    note(host, Act::admin(who(), "backup.create", "home", result)).await;
    if let Some(configured) = newly {
        accept(host, configured).await?;
    }
    Ok(json!({
        "outgoing": written.outgoing,
        "files": written.files,
        "left_out": written.left_out,
        "opens": told,
        "warning": DANGER,
    }))
}

/// Refuses recipients of the settings whom no admin has named, where operators have keys: each must have been before, or be named now,
/// because whoever reaches the home can write another into its file. Returns those that are to be accepted, if they are others than
/// before.
async fn unaccepted(
    host: &Arc<Host>,
    named: &BTreeSet<String>,
    configured: BTreeSet<String>,
) -> Result<Option<BTreeSet<String>>, Failure> {
    let vault = Arc::clone(host.vault());
    let Some(accepted) = blocking(move || vault.accepted_recipients()).await?? else { return Ok(None) };
    let is_new = |word: &&String| !accepted.contains(*word) && !named.contains(*word);
    let new: Vec<&str> = configured.iter().filter(is_new).map(String::as_str).collect();
    if !new.is_empty() {
        let problem =
            format!("wardlock.toml names who could restore this backup, and no admin has: {}", new.join(", "));
        return Err(Failure::no(problem).hint(format!(
            "whose it is, somebody should know: take it out of `[backup]`, or name it once with the command, and from then on the \
             file is enough: `--recipient {}`",
            new.join(" --recipient ")
        )));
    }
    Ok((configured != accepted).then_some(configured))
}

/// Takes the recipients of the settings for accepted, once there is a copy for them. One that is gone from there is forgotten.
async fn accept(host: &Arc<Host>, configured: BTreeSet<String>) -> Result<(), Failure> {
    let told = if configured.is_empty() { "nobody".to_owned() } else { whom(&Vec::from_iter(configured.clone())) };
    let vault = Arc::clone(host.vault());
    blocking(move || vault.accept_recipients(&configured)).await??;
    note(host, Act::admin(who(), "backup.recipients", "wardlock.toml", told)).await;
    Ok(())
}

/// Says who can open a copy, by name: in the audit nobody is one of a number.
pub(super) fn whom(words: &[String]) -> String {
    if words.is_empty() { "by a passphrase".to_owned() } else { format!("for {}", words.join(", ")) }
}

/// Returns whom a copy is for: recipients by name, or who knows the passphrase that was brought.
pub(super) fn recipients(words: &[String], brought: Brought) -> Result<Recipients, Failure> {
    if words.len() > MOST_RECIPIENTS {
        let problem = format!("a copy is for {MOST_RECIPIENTS} recipients at most, and these are {}", words.len());
        return Err(
            Failure::usage(problem).hint("each stands in the audit by name; make a second copy for others")
        );
    }
    match brought {
        Brought::Passphrase(passphrase) if words.is_empty() => Ok(Recipients::passphrase(&passphrase)?),
        Brought::Passphrase(_) => Err(Failure::usage("a copy is for recipients or by a passphrase, not both")),
        Brought::Nothing | Brought::Secret(_) | Brought::File(_) => Ok(Recipients::keys(words)?),
    }
}

pub(crate) fn not_written(host: &Host, source: std::io::Error) -> HomeError {
    HomeError::Io { doing: "write a copy in", path: host.home().state_folder(), source }
}
