//! Grants: one consent each, whoever uses it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::blocking;
use crate::admin::Failure;
use crate::host::Host;

pub(super) async fn list(host: &Arc<Host>) -> Result<Value, Failure> {
    let vault = Arc::clone(host.vault());
    let grants = blocking(move || vault.grants()).await??;
    let loaded = host.loaded();
    let rows = grants.iter().map(|grant| {
        let used_by: Vec<String> = loaded
            .connections()
            .filter(|found| found.connection.grant == grant.name)
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
            "created": crate::text::time(grant.created_ms),
            "access_token_until": grant.access_expires_ms.map(crate::text::time),
            "used_by": used_by,
        })
    });
    Ok(Value::Array(rows.collect()))
}
