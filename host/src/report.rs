//! Why a connection does not serve, whatever is asked of it: told to agents by the pipeline, and shown to operators.

use wardlock_core::connection::Connection;
use wardlock_core::id::WorkspaceName;
use wardlock_core::refusal::{Code, Refusal};
use wardlock_egress::GrantStatus;

/// The rule that a freeze is.
pub const FREEZE: &str = "freeze";

/// The command that connects an account to a connection.
pub fn connect_command(connection: &Connection) -> String {
    command("connect", connection)
}

/// The command that has a connection's service say whose account its grant is for.
pub fn look_up_command(connection: &Connection) -> String {
    format!("{} --look-up", connect_command(connection))
}

/// The command that proves a connection.
pub fn proof_command(connection: &Connection) -> String {
    command("proof", connection)
}

fn command(verb: &str, connection: &Connection) -> String {
    let own = connection.grant.agent().map(|agent| format!(" --agent {agent}")).unwrap_or_default();
    format!("wardlock {verb} {}/{}{own}", connection.workspace, connection.name)
}

/// Says that a workspace is frozen.
pub fn frozen(workspace: &WorkspaceName) -> Refusal {
    Refusal::new(Code::Frozen, FREEZE, format!("the operator has frozen workspace `{workspace}`"))
        .hint("ask the operator; nothing was sent")
}

/// The tenant that a connection is pinned to, where the grant is really that tenant.
///
/// A tenant that was never looked up stays unpinned and never serves. What a service never told of a grant is compared with nothing.
pub fn pinned_tenant(connection: &Connection, grant: &GrantStatus) -> Result<String, Refusal> {
    let connect = connect_command(connection);
    let refused =
        |code, detail: String| Refusal::new(code, "tenant", detail).hint(format!("the operator runs `{connect}`"));
    if !connection.takes_grant_of(&grant.service) {
        let detail = format!(
            "grant `{}` is for service `{}`, which is not of the same provider as `{}`",
            connection.grant, grant.service, connection.service.name
        );
        return Err(refused(Code::TenantMismatch, detail));
    }
    if grant.region != connection.region || grant.environment != connection.environment {
        let detail = format!(
            "grant `{}` is for {} in region `{}`, the connection is for {} in `{}`",
            connection.grant, grant.environment, grant.region, connection.environment, connection.region
        );
        return Err(refused(Code::TenantMismatch, detail));
    }
    if grant.tenant.is_none() && grant.account_of(&connection.service.name).is_none() {
        let detail = format!("grant `{}` is unpinned: its account could not be looked up yet", connection.grant);
        return Err(Refusal::new(Code::TenantMismatch, "tenant", detail)
            .hint(format!("the operator runs `{}`", look_up_command(connection))));
    }
    grant.tenant_of(connection).ok_or_else(|| {
        let service = &connection.service.name;
        match (&connection.tenant, grant.account_of(service)) {
            (Some(_), Some(_)) => {
                let grant = &connection.grant;
                let detail =
                    format!("grant `{grant}` is another account than the one this connection is pinned to");
                refused(Code::TenantMismatch, detail)
            }
            (Some(_), None) => {
                let detail = format!(
                    "grant `{}` was consented to for service `{}`, and `{service}` never told whose account it is",
                    connection.grant, grant.service
                );
                Refusal::new(Code::TenantMismatch, "tenant", detail)
                    .hint(format!("the operator runs `{}`", look_up_command(connection)))
            }
            (None, _) => {
                let detail = format!("the workspace file names no tenant, and `{service}` never told one");
                Refusal::new(Code::TenantMismatch, "tenant", detail).hint(format!(
                    "the operator writes `tenant` into the workspace file, or runs `{}`",
                    look_up_command(connection)
                ))
            }
        }
    })
}
