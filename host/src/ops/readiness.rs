//! What must be true of a connection before anybody relies on it, item by item. All of it makes it `verified`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wardlock_audit::{Against, Verified};
use wardlock_core::connection::{Connection, LinkMode, WriteMode};
use wardlock_core::id::AgentName;
use wardlock_egress::vault::{GrantInfo, KeyKind, RegistrationInfo};
use wardlock_state::Proof;

use super::connections::missing;
use super::freeze::frozen_by;
use super::{blocking, grants, proof};
use crate::admin::Failure;
use crate::drafts::thawed_by;
use crate::host::Host;
use crate::loaded::{LoadedConnection, OpenConnection, State};
use crate::text::time;
use crate::writes;

/// One item: its name, whether it is true, and in which words.
type Item = (&'static str, bool, String);

/// Returns the list, and whether all of it is true.
pub(super) async fn of(
    host: &Arc<Host>,
    found: &LoadedConnection,
    grant: Option<&GrantInfo>,
    registration: Option<&RegistrationInfo>,
) -> Result<Value, Failure> {
    let connection = &found.connection;
    let open = match &found.state {
        State::Open(open) => Some(open),
        State::Closed { .. } => None,
    };
    let (state, workspace, key) = (host.state().clone(), connection.workspace.clone(), writes::key_of(connection));
    let newest = blocking(move || state.proof(&workspace, &key)).await??;
    let generation = grant.map(|grant| grant.generation);
    let proved = match newest.as_ref().zip(generation) {
        Some((newest, generation)) => proof::is_current(host, connection, generation, newest).await?,
        None => false,
    };
    let enabled = open.map_or(WriteMode::Off, |open| host.write_level(open, connection, generation));
    let items: Vec<Item> = vec![
        redirect(host, registration),
        granted(connection, grant),
        region(connection, grant),
        scopes(host, connection, grant),
        ("proof", proved, proof::in_words(newest.as_ref(), proved)),
        plugins(connection),
        level(host, open.map(AsRef::as_ref), connection, generation, newest.as_ref()),
        audit(host).await,
        key_source(host).await,
        freeze(host, connection),
    ];
    let verified = items.iter().all(|(_, holds, _)| *holds);
    let items = items.iter().map(|(name, holds, words)| json!({ "item": name, "holds": holds, "words": words }));
    Ok(json!({
        "verified": verified,
        "writes_enabled": enabled.min(connection.writes).as_str(),
        "items": items.collect::<Vec<_>>(),
    }))
}

/// What nobody allows is refused, and what only watches allows nothing.
fn plugins(connection: &Connection) -> Item {
    let chain = &connection.chain;
    if let Some(words) = allows_nothing(connection) {
        return ("plugins", false, words.to_owned());
    }
    let watching = chain.iter().filter(|link| link.mode == LinkMode::Monitor).count();
    let watch = if watching == 0 { String::new() } else { format!("; {watching} of them only watch") };
    ("plugins", true, format!("{}, each pinned by its digest{watch}", chain.len()))
}

/// Says why a connection refuses whatever comes, where its chain is why.
pub(super) fn allows_nothing(connection: &Connection) -> Option<&'static str> {
    if connection.chain.is_empty() {
        return Some("there is none, and what nobody allows is refused");
    }
    connection
        .only_watches()
        .then_some("all of them are in `monitor`, which allows nothing, so every request is refused")
}

/// How far writes are enabled: what the state holds is about this grant and these rules, or there is nothing.
fn level(
    host: &Host,
    open: Option<&OpenConnection>,
    connection: &Connection,
    generation: Option<u64>,
    newest: Option<&Proof>,
) -> Item {
    let Some(set) = host.state().write_level(&connection.workspace, &writes::key_of(connection)) else {
        let failed = newest.is_some_and(|proof| !proof.passed);
        let why = if failed { ": the newest proof failed, and ends whatever was enabled before it" } else { "" };
        return ("writes", true, format!("off{why}"));
    };
    let by = format!("{} set `{}` at {}", set.who, set.level.as_str(), time(set.since_ms));
    if open.is_some_and(|open| host.write_level(open, connection, generation) == set.level) {
        return ("writes", true, by);
    }
    ("writes", false, format!("{by}; it has lapsed, because the grant or the rules are others now"))
}

/// How long what was found of the audit is told again: a long log takes seconds.
const LOOKED_LASTS: Duration = Duration::from_mins(10);

/// What was found of the audit, and when.
#[derive(Debug, Default)]
pub struct AuditLooked(tokio::sync::Mutex<Option<(Instant, bool, String)>>);

/// The chain holds, every signed head with it. Looked at to its end also where nobody waits for it any more, so that it is told next time.
async fn audit(host: &Arc<Host>) -> Item {
    let host = Arc::clone(host);
    let looked = tokio::spawn(async move { look_at_audit(&host).await });
    looked.await.unwrap_or_else(|error| ("audit", false, format!("it could not be looked at: {error}")))
}

async fn look_at_audit(host: &Host) -> Item {
    let mut looked = host.audit_looked().0.lock().await;
    if let Some((at, holds, words)) = &*looked
        && at.elapsed() < LOOKED_LASTS
    {
        return ("audit", *holds, words.clone());
    }
    let log = host.audit().clone();
    let (holds, words) = match blocking(move || log.verify(&Against::default())).await {
        Ok(Ok(found)) => of_audit(host, &found),
        Ok(Err(error)) => (false, error.to_string()),
        Err(failure) => (false, failure.message),
    };
    *looked = Some((Instant::now(), holds, words.clone()));
    ("audit", holds, words)
}

fn of_audit(host: &Host, found: &Verified) -> (bool, String) {
    let opened = host.audit().opened();
    if found.is_sound() && !opened.is_broken && opened.foreign.is_none() {
        return (true, format!("{} rows verified at {}", found.rows, time(host.now_ms())));
    }
    (false, "it does not hold: see `wardlock audit verify`".to_owned())
}

/// Notes what somebody has just found of the audit: it is newer than what is told again.
pub(super) async fn note_audit(host: &Host, found: &Verified) {
    let (holds, words) = of_audit(host, found);
    *host.audit_looked().0.lock().await = Some((Instant::now(), holds, words));
}

/// What opens the vault is there, so that a restart would serve, too.
async fn key_source(host: &Arc<Host>) -> Item {
    let vault = Arc::clone(host.vault());
    let from = match host.vault().opened_with() {
        KeyKind::Passphrase => "a passphrase",
        KeyKind::Keychain => "the operating system's keychain",
        KeyKind::Credential => "a systemd credential",
        KeyKind::File => "a file in reach of whoever reads the home",
    };
    match blocking(move || vault.key_is_reachable()).await {
        Ok(Ok(())) => ("key", true, format!("from {from}")),
        Ok(Err(error)) => ("key", false, format!("from {from}, and not there now: {error}")),
        Err(failure) => ("key", false, failure.message),
    }
}

/// Nothing of its workspace is denied for the time being.
fn freeze(host: &Host, connection: &Connection) -> Item {
    const NAME: &str = "freeze";
    let frozen = frozen_by(host, connection.workspace.as_str());
    if frozen.is_empty() {
        return (NAME, true, "not frozen".to_owned());
    }
    (NAME, false, format!("everything is denied until {}", thawed_by(&frozen)))
}

/// The provider knows the redirect URI that this home waits at.
fn redirect(host: &Host, registration: Option<&RegistrationInfo>) -> Item {
    let own = host.config().redirect_uri();
    match registration {
        None => ("redirect", false, "no registration yet".to_owned()),
        Some(registration) if registration.redirect_uri == own => ("redirect", true, own),
        Some(registration) => {
            let words = format!("registered as {}, and this home waits at {own}", registration.redirect_uri);
            ("redirect", false, words)
        }
    }
}

/// The grant can be renewed, as far as the provider has said, and is of the account that the connection is pinned to.
fn granted(connection: &Connection, grant: Option<&GrantInfo>) -> Item {
    const NAME: &str = "grant";
    match (grants::unusable(connection, grant), grant) {
        (None, Some(grant)) => (NAME, true, grants::condition(grant)),
        (refused, _) => (NAME, false, refused.map(|refused| refused.detail).unwrap_or_default()),
    }
}

fn region(connection: &Connection, grant: Option<&GrantInfo>) -> Item {
    match grant {
        None => ("region", false, "not connected".to_owned()),
        Some(grant) if grant.region == connection.region => ("region", true, connection.region.to_string()),
        Some(grant) => {
            let words = format!("the grant is of `{}`, the connection of `{}`", grant.region, connection.region);
            ("region", false, words)
        }
    }
}

/// The grant has what the operations need, those of every connection that uses it, and nothing besides.
fn scopes(host: &Host, connection: &Connection, grant: Option<&GrantInfo>) -> Item {
    const NAME: &str = "least-privilege scopes";
    let Some(grant) = grant else { return (NAME, false, "not connected".to_owned()) };
    let lacking = missing(connection, Some(grant));
    if !lacking.is_empty() {
        return (NAME, false, format!("missing: {}", lacking.join(", ")));
    }
    if grant.scopes.is_empty() {
        let asked = wardlock_egress::scopes_for(connection).join(", ");
        return (
            NAME,
            true,
            format!("the provider does not tell what it granted; what the operations need is {asked}"),
        );
    }
    let loaded = host.loaded();
    let agent = connection.grant.agent().and_then(|agent| AgentName::parse(agent).ok());
    let using = loaded.connections().filter(|found| match &agent {
        None => found.connection.grant == connection.grant,
        Some(agent) => found.connection.of_agent(agent).grant == connection.grant,
    });
    let needed: BTreeSet<String> = using
        .flat_map(|found| wardlock_egress::scopes_for(&found.connection))
        .chain(wardlock_egress::scopes_for(connection))
        .map(|scope| scope.to_lowercase())
        .collect();
    let beyond: Vec<&str> =
        grant.scopes.iter().map(String::as_str).filter(|scope| !needed.contains(&scope.to_lowercase())).collect();
    if beyond.is_empty() {
        return (NAME, true, "what the operations need, and nothing besides".to_owned());
    }
    (NAME, false, format!("more than what uses this grant needs: {}", beyond.join(", ")))
}
