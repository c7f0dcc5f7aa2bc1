//! What was asked and wants an operator's word, and had none: a row and a line in the log, because nobody else would see that somebody
//! tries.

use std::sync::Arc;

use wardlock_audit::Act;
use wardlock_core::id::OperatorName;

use super::note;
use crate::admin::{Command, Failure};
use crate::host::Host;
use crate::operators::{Unauthorised, Wrong};

/// What stands in the place of what is no name.
const NO_NAME: &str = "what is no name";

/// The longest target that is written down; what is longer is no name.
const LONGEST_TARGET: usize = 160;

/// Records that a command was refused for its signature, and returns what whoever asked is told. `through` is what it came through.
pub(crate) async fn refused(
    host: &Arc<Host>,
    through: &'static str,
    command: &Command,
    refused: Unauthorised,
) -> Failure {
    let Unauthorised { why, claimed, failure } = refused;
    let Some((what, target)) = attempted(command) else { return failure };
    let is_clean = host.egress().contains_secret(target.as_bytes()).is_ok_and(|found| !found);
    let target = if is_clean { target } else { NO_NAME.to_owned() };
    if host.sums().attempt_has_a_row(what, why, claimed.as_ref()) {
        let claimed_name = claimed.as_ref().map_or("", OperatorName::as_str);
        tracing::warn!(what, target, why = why.as_str(), claimed = claimed_name, "an act was refused");
        note(host, act(through, what, &target, why, claimed.as_ref())).await;
    }
    failure
}

/// Nobody did it: whoever is named only was claimed to be, so the row is not in that name.
fn act(through: &'static str, what: &str, target: &str, why: Wrong, claimed: Option<&OperatorName>) -> Act {
    let result = match claimed {
        Some(claimed) => format!("refused: {}, in the name of `{claimed}`", why.as_str()),
        None => format!("refused: {}", why.as_str()),
    };
    Act::admin(through, what, target, result)
}

/// What a command would have done, and to what; `None`: it is none that wants a signature.
fn attempted(command: &Command) -> Option<(&'static str, String)> {
    let (what, target) = match command {
        Command::DraftsApprove { id, .. } => ("drafts.approve", id.clone()),
        Command::DraftsReject { id } => ("drafts.reject", id.clone()),
        Command::DraftsRejectOf { agent } => ("drafts.reject", agent.clone()),
        Command::Freeze { workspace } => ("freeze", workspace.clone().unwrap_or_else(|| "all".to_owned())),
        Command::AgentRevoke { name } => ("agent.revoke", name.clone()),
        Command::Disconnect { grant } => ("disconnect", grant.clone()),
        Command::Writes { workspace, connection, .. } => ("writes", format!("{workspace}/{connection}")),
        Command::PolicyAccept { .. } => ("policy.accept", "workspaces".to_owned()),
        Command::PolicyExplain { workspace, connection, .. } => {
            ("policy.explain", format!("{workspace}/{connection}"))
        }
        Command::PolicyExplainRequest { request_id } => ("policy.explain", request_id.clone()),
        Command::PolicyExplainDraft { id } => ("policy.explain", id.clone()),
        Command::Connect { workspace, connection, .. } => ("connect", format!("{workspace}/{connection}")),
        Command::RegistrationAdd { name, .. } => ("registration.add", name.clone()),
        Command::RegistrationSetSecret { name, .. } => ("registration.set-secret", name.clone()),
        Command::AgentAdd { name, .. } => ("agent.add", name.clone()),
        Command::AgentRotate { name, .. } => ("agent.rotate", name.clone()),
        Command::Thaw { workspace } => ("thaw", workspace.clone().unwrap_or_else(|| "all".to_owned())),
        Command::OperatorAdd { name, .. } => ("operator.add", name.clone()),
        Command::OperatorPasskey { name, .. } => ("operator.passkey", name.clone()),
        Command::OperatorRevoke { name } => ("operator.revoke", name.clone()),
        Command::PluginAdd { sha256, .. } => ("plugin.add", sha256.clone()),
        Command::PluginCase { request_id, .. } => ("plugin.case", request_id.clone()),
        Command::LookBegin => ("secrets.look", "vault".to_owned()),
        Command::VaultExport { .. } => ("vault.export", "vault".to_owned()),
        Command::BackupCreate { .. } => ("backup.create", "home".to_owned()),
        _ => return None,
    };
    Some((what, if is_name(&target) { target } else { NO_NAME.to_owned() }))
}

/// Whoever attempts something writes what it is for; only what could be a name is written down.
fn is_name(target: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '@');
    (1..=LONGEST_TARGET).contains(&target.len()) && target.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_name_is_not_written_down() {
        let agent =
            |name: &str| Command::AgentAdd { name: name.to_owned(), workspace: "acme".to_owned(), expires: None };
        let target = |name: &str| attempted(&agent(name)).expect("it wants a signature").1;
        assert_eq!(target("reporter-2"), "reporter-2");
        for odd in ["", "two\nrows", "a sentence of an agent's", &"x".repeat(161)] {
            assert_eq!(target(odd), NO_NAME, "{odd:?}");
        }
        assert_eq!(attempted(&Command::Status), None);
    }
}
