//! Operators: who may say yes, and by which key.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_audit::Act;
use wardlock_core::id::OperatorName;
use wardlock_egress::vault::{Operator, Role};

use super::{UNSIGNED, blocking, named, note, who};
use crate::admin::Failure;
use crate::host::Host;
use crate::operators::{Word, checked_key, fingerprint};

pub(super) async fn add(host: &Arc<Host>, name: &str, role: Role, public_key: &str) -> Result<Value, Failure> {
    let name = named(OperatorName::parse(name))?;
    if UNSIGNED.contains(&name.as_str()) {
        return Err(Failure::usage(format!("`{name}` is what the audit says where nobody signed"))
            .hint("choose another name, such as the person's"));
    }
    let lines = public_key.lines().filter(|line| !line.trim().is_empty()).count();
    let public_key = checked_key(public_key)?;
    if lines > 1 {
        return Err(Failure::usage("this file holds more than one line, and an operator has one key")
            .hint("put the one public key into a file of its own"));
    }
    // What serves is what counts as accepted: nothing is loaded between that and the first key.
    let _turn = host.hold_reloads().await;
    let known = all(host).await?;
    if known.is_empty() && role != Role::Admin {
        return Err(Failure::usage("the first operator must be an admin, or nobody could add another")
            .hint("add yourself with `--role admin` first"));
    }
    if let Some(other) = known.iter().find(|known| fingerprint(&known.public_key) == fingerprint(&public_key)) {
        return Err(Failure::no(format!("operator `{}` has this key", other.name))
            .hint("give each person a key of their own, so that the audit can tell them apart"));
    }
    let operator = Operator { name, role, public_key, passkeys: Vec::new(), added_ms: host.now_ms() };
    let shown = shown(&operator);
    let (vault, target) = (Arc::clone(host.vault()), operator.name.to_string());
    // From the first key on, files alone widen nothing: what serves now is what was accepted.
    let serving = known.is_empty().then(|| {
        let recipients: BTreeSet<String> = host.config().recipients().iter().cloned().collect();
        (host.loaded().allowances(&host.services()), recipients)
    });
    blocking(move || match &serving {
        Some((serving, recipients)) => vault.add_first_operator(&operator, serving, recipients),
        None => vault.add_operator(&operator),
    })
    .await??;
    note(host, Act::admin(who(), "operator.add", target, role.as_str())).await;
    Ok(shown)
}

pub(super) async fn list(host: &Arc<Host>) -> Result<Value, Failure> {
    Ok(Value::Array(all(host).await?.iter().map(shown).collect()))
}

pub(super) async fn revoke(host: &Arc<Host>, name: &str) -> Result<Value, Failure> {
    let name = named(OperatorName::parse(name))?;
    let (vault, its_name) = (Arc::clone(host.vault()), name.clone());
    blocking(move || vault.remove_operator(&its_name)).await??;
    // Links by which somebody was to bring a passkey were given by people of before.
    host.visitors().end_passkey_links();
    note(host, Act::admin(who(), "operator.revoke", name.as_str(), "ok")).await;
    let left = all(host).await?.len();
    Ok(json!({ "operator": name.as_str(), "revoked": true, "operators_left": left }))
}

/// Notes that a passkey signed. One whose own count does not rise is a copy, or is there twice.
pub(super) async fn note_use(host: &Arc<Host>, word: &Word) -> Result<(), Failure> {
    let Some((id, counter)) = word.passkey.clone() else { return Ok(()) };
    let (vault, name) = (Arc::clone(host.vault()), word.operator.clone());
    if blocking(move || vault.note_passkey_use(&name, &id, counter)).await?? {
        return Ok(());
    }
    Err(Failure::no(format!("the passkey of operator `{}` counts fewer signatures than before", word.operator))
        .hint("it may have been copied: revoke the operator, and add it anew with another passkey"))
}

/// Returns every operator.
pub(crate) async fn all(host: &Arc<Host>) -> Result<Vec<Operator>, Failure> {
    let vault = Arc::clone(host.vault());
    Ok(blocking(move || vault.operators()).await??)
}

fn shown(operator: &Operator) -> Value {
    json!({
        "operator": operator.name.as_str(),
        "role": operator.role.as_str(),
        "key": fingerprint(&operator.public_key),
        "passkeys": operator.passkeys.len(),
        "added": crate::text::time(operator.added_ms),
    })
}
