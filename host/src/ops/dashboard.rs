//! The dashboard's links, and what it tells the audit.

use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_audit::Act;
use wardlock_core::id::{Digest, OperatorName};
use wardlock_egress::vault::Passkey;

use super::{blocking, named, note, operators, seen_through, who};
use crate::admin::Failure;
use crate::dashboard::{LINK_MS, Purpose, origin};
use crate::host::Host;
use crate::ids::random;
use crate::operators::{HomeIdentity, enrolment_of};

/// Makes a link that opens a session.
pub(super) async fn login_link(host: &Arc<Host>) -> Result<Value, Failure> {
    let origin = own_origin(host)?;
    let now_ms = host.now_ms();
    let token = host.visitors().invite(Purpose::Login, now_ms).map_err(no_randomness)?;
    note(host, Act::admin(who(), "dashboard.link", "session", "ok")).await;
    Ok(json!({
        "link": format!("{origin}/login/{token}"),
        "expires": crate::text::time(now_ms.saturating_add(LINK_MS)),
    }))
}

/// Makes a link by which an operator's browser brings a passkey. Its secret is with whoever signed this, and is in nothing that comes or
/// goes here: who only carries the command has no link.
pub(super) async fn passkey_link(
    host: &Arc<Host>,
    name: &str,
    origin: &str,
    secret_sha256: &str,
) -> Result<Value, Failure> {
    let name = named(OperatorName::parse(name))?;
    let secret = named(Digest::parse(secret_sha256))?;
    let own = own_origin(host)?;
    if origin != own {
        return Err(Failure::no(format!("the dashboard is at {own}, and the link would lead elsewhere"))
            .hint("nothing was made; something else may stand in the daemon's place: look who has `admin.sock`"));
    }
    if !operators::all(host).await?.iter().any(|known| known.name == name) {
        return Err(wardlock_egress::vault::VaultError::NoOperator(name.to_string()).into());
    }
    let home = HomeIdentity::of(host.home(), host.vault());
    let challenge = enrolment_of(&home, &random().map_err(no_randomness)?);
    let purpose = Purpose::Passkey { operator: name.to_string(), by: who(), challenge };
    host.visitors().expect(*secret.as_bytes(), purpose, host.now_ms());
    note(host, Act::admin(who(), "operator.passkey-link", name.as_str(), "ok")).await;
    Ok(json!({ "operator": name.as_str(), "origin": own }))
}

fn own_origin(host: &Host) -> Result<String, Failure> {
    host.seat().dashboard.get().map(|address| origin(*address)).ok_or_else(dashboard_is_off)
}

/// Says that there are no pages to which a link would lead.
pub(crate) fn dashboard_is_off() -> Failure {
    Failure::no("the dashboard is off")
        .hint("start `wardlock serve --dashboard`, or set `dashboard` under `[listen]` in wardlock.toml")
}

fn no_randomness(error: getrandom::Error) -> Failure {
    Failure::no(format!("the system gives no randomness: {error}"))
}

/// A passkey that a browser brought, over a link that somebody gave.
pub(crate) struct Enrolled {
    /// The operator.
    pub operator: String,
    /// Who gave the link: their signature is what lets this be.
    pub by: String,
    /// The passkey.
    pub passkey: Passkey,
}

/// Stores a passkey.
pub(crate) async fn enrol(host: &Arc<Host>, new: Enrolled) -> Result<(), Failure> {
    let name = named(OperatorName::parse(&new.operator))?;
    let host = Arc::clone(host);
    seen_through(async move {
        let (vault, passkey) = (Arc::clone(host.vault()), new.passkey);
        let target = name.to_string();
        blocking(move || vault.add_passkey(&name, &passkey)).await??;
        note(&host, Act::admin(new.by, "operator.passkey", target, "ok")).await;
        host.note_revision().await;
        Ok(())
    })
    .await
}

/// Records what visitors of the dashboard do about their sessions.
pub(crate) async fn told(host: &Host, what: &str, result: &str) {
    note(host, Act::admin(crate::dashboard::NAME, what, "session", result)).await;
}
