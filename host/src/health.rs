//! Whether this host serves: nothing to say, or one word for each thing that hinders it.

use std::time::Duration;

use wardlock_audit::Act;

use crate::gate::Gate;

/// How long a failing audit may take to show that it writes again.
const PATIENCE: Duration = Duration::from_secs(3);

/// Returns what hinders it, in words that do not change.
pub async fn hindrances(gate: &Gate) -> Vec<&'static str> {
    let Some(host) = gate.opened() else {
        return vec!["vault_locked"];
    };
    let mut found = Vec::new();
    if host.metrics().audit.is_failing() {
        // Whoever sends no more requests to an unwell host would never learn that it is well again: so one row is tried.
        let row = Act::admin("wardlock", "audit.resumed", "audit", "ok");
        let written = tokio::time::timeout(PATIENCE, host.audit().act(row)).await;
        if !matches!(written, Ok(Ok(()))) {
            found.push("audit_not_writable");
        }
    }
    found
}
