//! What must be true of a connection before anybody relies on it, item by item. All of it makes it `verified`.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_core::connection::{Connection, WriteMode};
use wardlock_egress::vault::{GrantInfo, RegistrationInfo};

use super::connections::missing;
use super::{blocking, proof};
use crate::admin::Failure;
use crate::host::Host;
use crate::loaded::{LoadedConnection, State};
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
        region(connection, grant),
        scopes(connection, grant),
        ("proof", proved, proof::in_words(newest.as_ref(), proved)),
        (
            "plugins",
            !connection.chain.is_empty(),
            format!("{}, each pinned by its digest", connection.chain.len()),
        ),
    ];
    let verified = items.iter().all(|(_, holds, _)| *holds);
    let items = items.iter().map(|(name, holds, words)| json!({ "item": name, "holds": holds, "words": words }));
    Ok(json!({
        "verified": verified,
        "writes_enabled": enabled.min(connection.writes).as_str(),
        "items": items.collect::<Vec<_>>(),
    }))
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

/// The grant has what the operations need, and nothing besides.
fn scopes(connection: &Connection, grant: Option<&GrantInfo>) -> Item {
    const NAME: &str = "least-privilege scopes";
    let Some(grant) = grant else { return (NAME, false, "not connected".to_owned()) };
    let lacking = missing(connection, Some(grant));
    if !lacking.is_empty() {
        return (NAME, false, format!("missing: {}", lacking.join(", ")));
    }
    let needed = connection.service.least_scopes(&connection.operations, &connection.resources);
    let needed: BTreeSet<String> = needed.iter().map(|scope| scope.to_lowercase()).collect();
    let beyond: Vec<&str> =
        grant.scopes.iter().map(String::as_str).filter(|scope| !needed.contains(&scope.to_lowercase())).collect();
    if beyond.is_empty() {
        return (NAME, true, "what the operations need, and nothing besides".to_owned());
    }
    (NAME, false, format!("more than this connection needs: {}", beyond.join(", ")))
}
