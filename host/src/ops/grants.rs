//! Grants: one consent each, whoever uses it.

use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_core::connection::Connection;
use wardlock_core::refusal::{Code, Refusal};
use wardlock_egress::vault::{Condition, Copied, GrantInfo};

use super::blocking;
use crate::admin::Failure;
use crate::host::Host;
use crate::report;

/// Returns why a connection can do nothing with its grant: there is none, the provider no longer takes it, or it is of another account
/// than the connection is pinned to.
pub(super) fn unusable(connection: &Connection, grant: Option<&GrantInfo>) -> Option<Refusal> {
    let refused = |detail: String| {
        let hint = format!("run `{}`", report::connect_command(connection));
        Some(Refusal::new(Code::ServiceNotConnected, "grant", detail).hint(hint))
    };
    match grant {
        None => refused(format!("there is no grant `{}`", connection.grant)),
        Some(grant) if matches!(grant.condition, Some(Condition::Reconnect { .. })) => {
            refused(format!("grant `{}` {}", grant.name, condition(grant)))
        }
        Some(grant) => report::pinned_tenant(connection, grant).err(),
    }
}

/// Says in a few words whether the grant can be renewed, and what may come of a copy.
pub(super) fn condition(grant: &GrantInfo) -> String {
    let copied = copied(grant).map(|copied| format!("; {copied}"));
    renewal(grant) + &copied.unwrap_or_default()
}

/// Says where a grant comes from that was not consented to here.
pub(super) fn copied(grant: &GrantInfo) -> Option<String> {
    let Copied { made_ms, .. } = grant.copied?;
    let made = crate::text::time(made_ms);
    Some(match grant.condition {
        Some(Condition::Reconnect { .. }) => format!(
            "it came from a copy of {made}, and the provider may have replaced its token since, or taken two Wardlocks \
             with one token for a theft"
        ),
        _ => format!("it came from a copy of {made}: no other Wardlock may use it any more"),
    })
}

fn renewal(grant: &GrantInfo) -> String {
    match &grant.condition {
        None if grant.tenant.is_none() => "unpinned: its account could not be looked up yet".to_owned(),
        None => "works".to_owned(),
        Some(Condition::Throttled { until_ms }) => {
            format!("the provider allows no token call until {}", crate::text::time(*until_ms))
        }
        Some(Condition::Reconnect { code, at_ms, interrupted_ms }) => {
            let cut_off = interrupted_ms.map(|at_ms| {
                format!(
                    ", after a refresh at {} was cut off before its answer was stored",
                    crate::text::time(at_ms)
                )
            });
            format!(
                "needs consent: the provider said `{code}` at {}{}",
                crate::text::time(*at_ms),
                cut_off.unwrap_or_default()
            )
        }
    }
}

pub(super) async fn list(host: &Arc<Host>) -> Result<Value, Failure> {
    let vault = Arc::clone(host.vault());
    let grants = blocking(move || vault.grants()).await??;
    let loaded = host.loaded();
    let rows = grants.iter().map(|grant| {
        let used_by: Vec<String> = loaded
            .connections()
            .filter(|found| found.connection.uses(&grant.name))
            .map(|found| format!("{}/{}", found.connection.workspace, found.connection.name))
            .collect();
        json!({
            "grant": grant.name.as_str(),
            "registration": grant.registration.as_str(),
            "service": grant.service.as_str(),
            "region": grant.region.as_str(),
            "environment": grant.environment,
            "tenant": grant.tenant.as_ref().map(|tenant| tenant.id.as_str()),
            "account": grant.tenant.as_ref().map(|tenant| tenant.label.as_str()),
            "generation": grant.generation,
            "state": condition(grant),
            "created": crate::text::time(grant.created_ms),
            "access_token_until": grant.access_expires_ms.map(crate::text::time),
            "used_by": used_by,
        })
    });
    Ok(Value::Array(rows.collect()))
}
