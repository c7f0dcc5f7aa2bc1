//! Whether a grant is what a connection is pinned to: asked by the pipeline, and shown to operators.

use wardlock_core::connection::Connection;
use wardlock_core::refusal::{Code, Refusal};
use wardlock_egress::GrantStatus;

/// The tenant that a connection is pinned to, where the grant is really that tenant.
///
/// A tenant that was never looked up stays unpinned and never serves.
pub fn pinned_tenant(connection: &Connection, grant: &GrantStatus) -> Result<String, Refusal> {
    let connect = format!("wardlock connect {}/{}", connection.workspace, connection.name);
    let refused =
        |code, detail: String| Refusal::new(code, "tenant", detail).hint(format!("the operator runs `{connect}`"));
    if grant.region != connection.region || grant.environment != connection.environment {
        let detail = format!(
            "grant `{}` is for {} in region `{}`, the connection is for {} in `{}`",
            connection.grant, grant.environment, grant.region, connection.environment, connection.region
        );
        return Err(refused(Code::TenantMismatch, detail));
    }
    let Some(found) = &grant.tenant else {
        let detail = format!("grant `{}` is unpinned: its account could not be looked up yet", connection.grant);
        return Err(Refusal::new(Code::TenantMismatch, "tenant", detail)
            .hint(format!("the operator runs `{connect} --look-up`")));
    };
    match &connection.tenant {
        Some(pinned) if *pinned != found.id => {
            let detail = format!(
                "grant `{}` is another account than the one this connection is pinned to",
                connection.grant
            );
            Err(refused(Code::TenantMismatch, detail))
        }
        _ => Ok(found.id.clone()),
    }
}
