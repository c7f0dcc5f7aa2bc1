//! The vault's revision in the audit: an older vault that is put back stands behind what the audit has, whatever was put beside its
//! key. Only a row with a true MAC says how new the vault is; one without can only ask for a newer one. It is written anew now and then,
//! and at the beginning of every file of the audit, so that it stands near the end and goes with no file whose time is over.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use wardlock_audit::{Act, Audit, AuditError, Kind, Reach, Step};
use wardlock_egress::vault::{Vault, VaultError};

use crate::admin::{Command, Failure};

/// What the act is called.
const ACT: &str = "vault.revision";

/// How long rows may come after the revision before it is written anew: what a start then reads is what was written in that time.
const ANEW_AFTER: Duration = Duration::from_mins(10);

/// Notes the vault's revision in the audit.
pub struct Anchor {
    /// What was noted last. Held while it is noted, so that rows stand in order.
    noted: Mutex<Noted>,
}

/// What the audit says.
#[derive(Debug, Default)]
struct Noted {
    /// The revision that the vault has at least.
    revision: u64,
    /// The end of the log then.
    end: u64,
    /// When this process wrote that; `None`: another one did.
    at: Option<Instant>,
}

impl Noted {
    /// Returns whether it is written anew, for a vault of this revision and a log that ends there.
    fn is_over(&self, revision: u64, end: u64) -> bool {
        let is_old = self.at.is_none_or(|at| at.elapsed() >= ANEW_AFTER);
        revision != self.revision || (is_old && end > self.end)
    }
}

impl Anchor {
    /// Compares a vault that was just opened with what the audit says of it.
    pub fn check(audit: &Audit, vault: &Vault) -> Result<Self, Failure> {
        let found = vault.revision()?;
        let noted = newest(audit)?;
        if noted.revision > found {
            return Err(VaultError::RolledBack { found, known: noted.revision }.into());
        }
        Ok(Self { noted: Mutex::new(noted) })
    }

    /// Notes the revision, if it is another than was noted last or many rows came since, and signs for it. What it stands for is done
    /// already, so a failing audit is reported, not undone.
    pub async fn note(&self, audit: &Audit, vault: &Arc<Vault>) {
        let mut noted = self.noted.lock().await;
        match newer(audit, vault, &noted).await {
            Ok(Some(newer)) => *noted = newer,
            Ok(None) => {}
            Err(failure) => {
                let error = failure.message;
                tracing::error!(error, "the vault's revision could not be noted in the audit");
            }
        }
    }
}

/// Records the vault's revision where that is to be done.
async fn newer(audit: &Audit, vault: &Arc<Vault>, noted: &Noted) -> Result<Option<Noted>, Failure> {
    let (revision, end) = look(audit, vault).await?;
    if !noted.is_over(revision, end) {
        return Ok(None);
    }
    record(audit, revision).await?;
    let (_, end) = look(audit, vault).await?;
    Ok(Some(Noted { revision, end, at: Some(Instant::now()) }))
}

/// Returns the vault's revision and the end of the log.
async fn look(audit: &Audit, vault: &Arc<Vault>) -> Result<(u64, u64), Failure> {
    let (audit, vault) = (audit.clone(), Arc::clone(vault));
    let looked = tokio::task::spawn_blocking(move || Ok::<_, Failure>((vault.revision()?, audit.end()?)));
    looked.await.map_err(|error| Failure::no(format!("a worker thread failed: {error}")))?
}

/// Writes a revision into the audit. The head that is signed after it covers it, so that it cannot be taken away unnoticed.
pub async fn record(audit: &Audit, revision: u64) -> Result<(), Failure> {
    audit.stand(Act::admin("wardlock", ACT, "vault", revision.to_string())).await?;
    audit.head().await?;
    Ok(())
}

/// Why the audit does not say how new the vault is.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    /// Rows are missing, or are not as they were written.
    #[error(
        "audit row {sequence}, or the one before it, is not as it was written, so nobody knows how new the vault must be"
    )]
    Broken { sequence: u64 },
    /// It was removed with its file.
    #[error("the audit begins with row {before}, and nothing in it says how new the vault must be")]
    Removed { before: u64 },
    /// The row that says so says nothing.
    #[error("audit row {sequence} says how new the vault must be, and cannot be read")]
    Unreadable { sequence: u64 },
}

impl From<Unknown> for Failure {
    fn from(unknown: Unknown) -> Self {
        Self::home(unknown).hint(
            "look at `wardlock audit verify` on a copy (`--file`); if this vault is the one that you mean, \
             `wardlock vault accept-older` takes it",
        )
    }
}

/// Returns the newest revision that a row of ours holds; rows behind it that are not ours can only raise it. A log that has none is that of
/// a new home, or of a version that wrote none down.
fn newest(audit: &Audit) -> Result<Noted, Failure> {
    let (mut noted, mut has_own, mut unreadable) = (Noted::default(), false, None);
    // Whether a row of ours stands before one that is not, and says how new the vault is: that one is no earlier version's.
    let mut is_forged = false;
    let reach = audit.walk_back(None, |step| {
        has_own |= step.is_own;
        is_forged |= step.is_own && noted.end != 0;
        match revision(step) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(revision)) => {
                noted.revision = noted.revision.max(revision);
                noted.end = step.sequence;
                if step.is_own { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }
            Err(_) => {
                unreadable = Some(step.sequence);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(sequence) = unreadable {
        return Err(Unknown::Unreadable { sequence }.into());
    }
    match reach {
        Reach::Removed { before } if (has_own && noted.end == 0) || is_forged => {
            Err(Unknown::Removed { before }.into())
        }
        // What is left of a removed beginning may be of a version that authenticated no row: the highest number there holds.
        Reach::Enough | Reach::Whole | Reach::Removed { .. } => Ok(noted),
        Reach::Broken { sequence } => Err(Unknown::Broken { sequence }.into()),
    }
}

/// Returns the revision that a row holds, if it is about that.
fn revision(step: &Step<'_>) -> Result<Option<u64>, AuditError> {
    if step.kind != Some(Kind::Admin) {
        return Ok(None);
    }
    let Some(act) = step.read()?.detail.act.filter(|act| act.what == ACT) else { return Ok(None) };
    let damaged = |_| AuditError::Damaged { sequence: step.sequence, what: "it holds no revision".to_owned() };
    act.result.parse().map(Some).map_err(damaged)
}

/// Returns whether a command may change who may do what, so that the audit knows at once. Whatever else changes the vault it knows
/// within a minute ([`Host::write_down`](crate::host::Host::write_down)).
pub fn is_for(command: &Command) -> bool {
    matches!(
        command,
        Command::Reload
            | Command::PolicyAccept { .. }
            | Command::BackupCreate { .. }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_written_anew_when_it_is_another_or_rows_came_and_time_passed() {
        let long_ago = Instant::now().checked_sub(ANEW_AFTER);
        let noted = |at| Noted { revision: 7, end: 20, at };
        let check = |noted: Noted, revision: u64, end: u64, expect: bool| {
            assert_eq!(noted.is_over(revision, end), expect, "{noted:?}, revision {revision}, end {end}");
        };
        check(noted(Some(Instant::now())), 8, 20, true);
        check(noted(Some(Instant::now())), 7, 90, false);
        check(noted(long_ago), 7, 21, true);
        check(noted(long_ago), 7, 20, false);
        check(noted(None), 7, 21, true);
        check(noted(None), 7, 20, false);
    }
}
