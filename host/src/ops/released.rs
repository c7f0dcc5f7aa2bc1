//! What the provider said to a draft that was released, as the audit has it: the row of its outcome.

use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_audit::AnswerDetail;
use wardlock_core::answer::Outcome;

use super::blocking;
use crate::drafts::done_of_it;
use crate::host::Host;

/// Returns the provider's code, and how many of how many records failed with the first of them; null where the row has none.
pub(super) async fn said(host: &Arc<Host>, release: Option<&str>) -> Value {
    let answer = match release {
        Some(release) => answer(host, release.to_owned()).await,
        None => None,
    };
    let answer = answer.as_ref();
    json!({
        "provider_code": answer.and_then(|answer| answer.provider_code.as_deref()),
        "failures": answer.and_then(|answer| answer.failures.as_ref()),
    })
}

/// The audit's word on what was answered. What cannot be read is not told: the draft's own state is.
async fn answer(host: &Arc<Host>, release: String) -> Option<AnswerDetail> {
    let audit = host.audit().clone();
    let rows = blocking(move || audit.show(&release)).await.ok()?.ok()?;
    rows.into_iter().rev().find_map(|row| row.detail.answer)
}

/// Says what to do where a draft was sent and not all of it is known to be done.
pub(super) fn remedy(outcome: Option<Outcome>, release: &str) -> Option<String> {
    let undone =
        outcome.filter(|outcome| matches!(outcome, Outcome::Failed | Outcome::Partial | Outcome::Unknown));
    let what = done_of_it(undone?)?;
    Some(format!("it was sent, and {what}: `wardlock audit show {release}` shows what is recorded of it"))
}
