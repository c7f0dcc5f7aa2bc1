//! How the audit is wired: its keys stay in the vault, and sign and hash for it.

use std::sync::Arc;

use wardlock_audit::{Audit, MirrorFound, PublicKey, Settings, Signer};
use wardlock_egress::vault::{Purpose, Vault};

use crate::admin::Failure;
use crate::config::HostConfig;
use crate::home::Home;
use crate::host::clock;
use crate::metrics::{Metrics, audit_watch};

/// Opens the audit of a home that was just restored. Its mirror stays alone: it is the original's, or on a disk that is not
/// here.
pub fn open_restored(home: &Home, config: &HostConfig, vault: &Arc<Vault>) -> Result<Audit, Failure> {
    Ok(Audit::open(&home.state_path("audit.db")?, settings(config, vault))?)
}

fn settings(config: &HostConfig, vault: &Arc<Vault>) -> Settings {
    let path_key = vault.keys().derive_key(Purpose::AuditPaths);
    let mut settings = Settings::new(*path_key, signer(vault), clock());
    settings.durabilities = config.durabilities();
    settings
}

/// Opens the audit of a home, and says what the last run left behind.
pub fn open(
    home: &Home,
    config: &HostConfig,
    vault: &Arc<Vault>,
    metrics: &Arc<Metrics>,
) -> Result<Audit, Failure> {
    let mut settings = settings(config, vault);
    settings.watch = Some(audit_watch(metrics));
    settings.rotation = config.audit_rotation();
    settings.mirror = config.audit_mirror().map(|path| home.path().join(path));
    let audit = Audit::open(&home.state_path("audit.db")?, settings)?;
    let opened = audit.opened();
    if opened.closed_as_unknown > 0 {
        tracing::warn!(
            requests = opened.closed_as_unknown,
            "requests were under way when the last run ended, and may have been executed; see `wardlock audit list --outcome unknown`"
        );
    }
    if let Some(other) = &opened.other_key {
        tracing::warn!(
            key = other.id(),
            "the audit was signed under another key: the vault or the log was replaced"
        );
    }
    if opened.is_broken {
        tracing::error!("the audit is not as its newest signed head says; see `wardlock audit verify`");
    }
    if let Some(foreign) = opened.foreign {
        let (first, last) = (foreign.first, foreign.last);
        tracing::error!(
            first,
            last,
            "rows at the end of the audit are not of this vault's making; see `wardlock audit verify`"
        );
    }
    if opened.mirror.is_some_and(|found| found != MirrorFound::Fits) {
        tracing::error!("the audit and its mirror do not say the same; see `wardlock doctor`");
    }
    Ok(audit)
}

fn signer(vault: &Arc<Vault>) -> Signer {
    let key = PublicKey::from_bytes(vault.keys().public_key(Purpose::AuditHeads));
    let row_key = vault.keys().derive_key(Purpose::AuditRows);
    let vault = Arc::clone(vault);
    Signer::new(key, &row_key, move |bytes| vault.keys().sign(Purpose::AuditHeads, bytes))
}
