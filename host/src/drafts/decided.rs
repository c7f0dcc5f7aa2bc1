//! How a draft is decided, as the vault knows. A row that somebody puts back as it was is not released a second time, and one that a
//! person rejected is not released at all.

use wardlock_egress::vault::Decided;
use wardlock_state::{Draft, DraftState};

use super::release::Unreleased;
use super::{DraftError, KNOWN_MS, on_disk, on_vault};
use crate::host::Host;

/// Passes a draft on that the vault knows no decision of.
pub(super) async fn undecided(host: &Host, draft: &Draft) -> Result<(), Unreleased> {
    let id = draft.id.clone();
    match on_vault(host, move |vault| vault.draft_mark(&id)).await?.decided {
        None => Ok(()),
        Some(decided) => Err(already(draft, decided)),
    }
}

fn already(draft: &Draft, decided: Decided) -> Unreleased {
    let request = match decided {
        Decided::Released { request } => Some(request),
        Decided::Rejected => None,
    };
    Unreleased::Decided { id: draft.id.clone(), request }
}

/// Notes a release before anything of it is sent: once for a draft.
pub(super) async fn note(host: &Host, draft: &Draft, release: &str) -> Result<(), Unreleased> {
    let (id, release, now_ms) = (draft.id.clone(), release.to_owned(), host.now_ms());
    let since_ms = now_ms.saturating_sub(KNOWN_MS);
    let before = on_vault(host, move |vault| vault.note_release(&id, &release, now_ms, since_ms)).await?;
    before.map_or(Ok(()), |decided| Err(already(draft, decided)))
}

/// Takes a release back by which nothing was sent: the draft waits on.
pub(super) async fn take_back(host: &Host, draft: &Draft, release: &str) -> Result<(), DraftError> {
    let (id, release) = (draft.id.clone(), release.to_owned());
    on_vault(host, move |vault| vault.take_release_back(&id, &release)).await
}

/// Ends a draft by a person's no. Returns whether it was held.
pub async fn reject(host: &Host, id: &str, by: &str) -> Result<bool, DraftError> {
    let whose = id.to_owned();
    let found = on_disk(host, move |state| state.draft(&whose)).await?;
    if found.is_none_or(|draft| draft.state != DraftState::Held) {
        return Ok(false);
    }
    // The vault first: what it knows to be rejected is released no more, whatever stands in the state.
    note_rejections(host, vec![id.to_owned()]).await?;
    let (its_id, by) = (id.to_owned(), by.to_owned());
    on_disk(host, move |state| state.reject_draft(&its_id, &by)).await
}

/// Ends every draft of an agent that waits. Returns how many there were.
pub async fn reject_all_of(host: &Host, agent: &str, by: &str) -> Result<usize, DraftError> {
    let held = on_disk(host, move |state| state.drafts(Some(DraftState::Held), u32::MAX)).await?;
    let ids: Vec<String> = held.into_iter().filter(|draft| draft.agent == agent).map(|draft| draft.id).collect();
    if !ids.is_empty() {
        note_rejections(host, ids).await?;
    }
    let (whose, by) = (agent.to_owned(), by.to_owned());
    on_disk(host, move |state| state.reject_drafts_of(&whose, &by)).await
}

async fn note_rejections(host: &Host, ids: Vec<String>) -> Result<(), DraftError> {
    let now_ms = host.now_ms();
    on_vault(host, move |vault| vault.note_rejections(&ids, now_ms, now_ms.saturating_sub(KNOWN_MS))).await
}
