//! The vault's revision in the audit: an older vault that is put back stands behind what the audit has, whatever was put beside its
//! key. Rows of the audit are chained and signed, so that whoever takes one away is found out by `audit verify`.

use std::sync::Arc;

use tokio::sync::Mutex;
use wardlock_audit::{Act, Audit, Filter};
use wardlock_egress::vault::{Vault, VaultError};

use crate::admin::{Command, Failure};

/// What the act is called. The newest of them never ages out of the log.
pub const ACT: &str = "vault.revision";

/// Notes the vault's revision in the audit.
pub struct Anchor {
    /// The revision that was noted last. Held while one is noted, so that rows stand in order.
    noted: Mutex<u64>,
}

impl Anchor {
    /// Compares a vault that was just opened with what the audit says of it.
    pub fn check(audit: &Audit, vault: &Vault) -> Result<Self, Failure> {
        let found = vault.revision()?;
        // A row that cannot be read closes nothing: `doctor` and `audit verify` are red about it, and the number beside the key holds.
        let known = newest(audit).unwrap_or_else(|failure| {
            tracing::error!(error = failure.message, "the vault's revision in the audit cannot be read");
            None
        });
        let known = known.unwrap_or(0);
        if known > found {
            return Err(VaultError::RolledBack { found, known }.into());
        }
        Ok(Self { noted: Mutex::new(known) })
    }

    /// Notes the revision, if it is another than was noted last, and signs for it. What it stands for is done already, so a failing
    /// audit is reported, not undone.
    pub async fn note(&self, audit: &Audit, vault: &Arc<Vault>) {
        let mut noted = self.noted.lock().await;
        match newer(audit, vault, *noted).await {
            Ok(revision) => *noted = revision,
            Err(failure) => {
                let error = failure.message;
                tracing::error!(error, "the vault's revision could not be noted in the audit");
            }
        }
    }
}

/// Records the vault's revision where it is another than was noted, and returns it.
async fn newer(audit: &Audit, vault: &Arc<Vault>, noted: u64) -> Result<u64, Failure> {
    let vault = Arc::clone(vault);
    let revision = tokio::task::spawn_blocking(move || vault.revision()).await;
    let revision = revision.map_err(|error| Failure::no(format!("a worker thread failed: {error}")))??;
    if revision != noted {
        record(audit, revision).await?;
    }
    Ok(revision)
}

/// Writes a revision into the audit. The head that is signed after it covers it, so that it cannot be taken away unnoticed.
pub async fn record(audit: &Audit, revision: u64) -> Result<(), Failure> {
    audit.act(Act::admin("wardlock", ACT, "vault", revision.to_string())).await?;
    audit.head().await?;
    Ok(())
}

/// Returns the revision that the newest of these rows holds.
fn newest(audit: &Audit) -> Result<Option<u64>, Failure> {
    let rows = audit.list(&Filter { act: Some(ACT.to_owned()), ..Filter::newest(1) })?;
    let act = rows.first().and_then(|row| row.detail.act.as_ref());
    Ok(act.and_then(|act| act.result.parse().ok()))
}

/// Returns whether a command may change who may do what, so that the audit knows at once. Whatever else changes the vault it knows
/// within a minute ([`Host::write_down`](crate::host::Host::write_down)).
pub fn is_for(command: &Command) -> bool {
    matches!(
        command,
        Command::Reload
            | Command::PolicyAccept { .. }
            | Command::OperatorAdd { .. }
            | Command::OperatorRevoke { .. }
            | Command::AgentAdd { .. }
            | Command::AgentRotate { .. }
            | Command::AgentRevoke { .. }
            | Command::Freeze { .. }
            | Command::Thaw { .. }
            | Command::Writes { .. }
            | Command::Proof { .. }
            | Command::DraftsApprove { .. }
            | Command::DraftsReject { .. }
            | Command::DraftsRejectOf { .. }
            | Command::RegistrationAdd { .. }
            | Command::RegistrationSetSecret { .. }
            | Command::Connect { .. }
            | Command::Disconnect { .. }
    )
}
