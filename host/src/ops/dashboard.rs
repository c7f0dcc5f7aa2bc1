//! The dashboard's links, and what it tells the audit.

use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_audit::Act;
use wardlock_core::id::OperatorName;
use wardlock_egress::vault::Passkey;

use super::{blocking, named, note, operators, seen_through, who};
use crate::admin::Failure;
use crate::dashboard::{LINK_MS, Purpose, origin};
use crate::host::Host;

/// Makes a link that opens a session.
pub(super) async fn login_link(host: &Arc<Host>) -> Result<Value, Failure> {
    let link = link(host, "login", Purpose::Login)?;
    note(host, Act::admin(who(), "dashboard.link", "session", "ok")).await;
    Ok(link)
}

/// Makes a link by which an operator's browser brings a passkey.
pub(super) async fn passkey_link(host: &Arc<Host>, name: &str) -> Result<Value, Failure> {
    let name = named(OperatorName::parse(name))?;
    if !operators::all(host).await?.iter().any(|known| known.name == name) {
        return Err(wardlock_egress::vault::VaultError::NoOperator(name.to_string()).into());
    }
    let mut challenge = [0; 32];
    getrandom::fill(&mut challenge).map_err(no_randomness)?;
    let purpose = Purpose::Passkey { operator: name.to_string(), by: who(), challenge };
    let mut link = link(host, "passkey", purpose)?;
    link["operator"] = name.as_str().into();
    note(host, Act::admin(who(), "operator.passkey-link", name.as_str(), "ok")).await;
    Ok(link)
}

fn link(host: &Host, kind: &str, purpose: Purpose) -> Result<Value, Failure> {
    let Some(address) = host.seat().dashboard.get() else {
        return Err(Failure::no("the dashboard is off")
            .hint("start `wardlock serve --dashboard`, or set `dashboard` under `[listen]` in wardlock.toml"));
    };
    let now_ms = host.now_ms();
    let token = host.visitors().invite(purpose, now_ms).map_err(no_randomness)?;
    Ok(json!({
        "link": format!("{}/{kind}/{token}", origin(*address)),
        "expires": crate::text::time(now_ms.saturating_add(LINK_MS)),
    }))
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
