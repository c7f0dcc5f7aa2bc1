//! How a draft is decided, as the vault knows. A row that somebody puts back as it was is not released a second time, and one that a
//! person rejected is not released at all.

use wardlock_egress::vault::{Decided, DraftTime};
use wardlock_state::{Draft, DraftState};

use super::release::Unreleased;
use super::{DraftError, KNOWN_MS, content, on_disk, on_vault};
use crate::host::Host;

/// Returns a draft with the time that counts as its own, by what is sealed; by its row where that does not open.
async fn timed(host: &Host, draft: &Draft) -> DraftTime {
    let content = content(host, draft).await.ok().flatten();
    let counted_ms = content.map_or(draft.created_ms, |content| content.counted_ms());
    DraftTime { id: draft.id.clone(), counted_ms }
}

/// Passes a draft on that the vault knows no decision of, and would know one of.
pub(super) async fn undecided(host: &Host, draft: &DraftTime) -> Result<(), Unreleased> {
    let wanted = draft.clone();
    match on_vault(host, move |vault| vault.decided(&wanted)).await? {
        None => Ok(()),
        Some(decided) => Err(already(&draft.id, decided)),
    }
}

fn already(draft: &str, decided: Decided) -> Unreleased {
    let request = match decided {
        Decided::Released { request } => Some(request),
        Decided::Rejected => None,
        Decided::Forgotten => return Unreleased::Forgotten { id: draft.to_owned() },
    };
    Unreleased::Decided { id: draft.to_owned(), request }
}

/// Notes a release before anything of it is sent: once for a draft.
pub(super) async fn note(host: &Host, draft: &DraftTime, release: &str) -> Result<(), Unreleased> {
    let (wanted, release, now_ms) = (draft.clone(), release.to_owned(), host.now_ms());
    let since_ms = now_ms.saturating_sub(KNOWN_MS);
    let before = on_vault(host, move |vault| vault.note_release(&wanted, &release, now_ms, since_ms)).await?;
    before.map_or(Ok(()), |decided| Err(already(&draft.id, decided)))
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
    let Some(draft) = found.filter(|draft| draft.state == DraftState::Held) else { return Ok(false) };
    // The vault first: what it knows to be rejected is released no more, whatever stands in the state.
    note_rejections(host, &[draft]).await?;
    let (its_id, by) = (id.to_owned(), by.to_owned());
    on_disk(host, move |state| state.reject_draft(&its_id, &by)).await
}

/// Ends every draft of an agent that waits, by a person's no. Returns those that it ended; the agent fetches what it was answered before.
pub async fn reject_held_of(host: &Host, agent: &str, by: &str) -> Result<Vec<Draft>, DraftError> {
    let its = held_of(host, agent).await?;
    if its.is_empty() {
        return Ok(its);
    }
    note_rejections(host, &its).await?;
    let by = by.to_owned();
    on_disk(host, move |state| {
        let mut ended = Vec::with_capacity(its.len());
        for draft in its {
            // One that was decided between the two stays as it is.
            if state.reject_draft(&draft.id, &by)? {
                ended.push(draft);
            }
        }
        Ok(ended)
    })
    .await
}

async fn held_of(host: &Host, agent: &str) -> Result<Vec<Draft>, DraftError> {
    let held = on_disk(host, move |state| state.drafts(Some(DraftState::Held), u32::MAX)).await?;
    Ok(held.into_iter().filter(|draft| draft.agent == agent).collect())
}

/// Ends all that there is of an agent's drafts, which is revoked. Returns how many waited.
pub async fn reject_all_of(host: &Host, agent: &str, by: &str) -> Result<usize, DraftError> {
    let its = held_of(host, agent).await?;
    if !its.is_empty() {
        note_rejections(host, &its).await?;
    }
    let (whose, by) = (agent.to_owned(), by.to_owned());
    on_disk(host, move |state| state.reject_drafts_of(&whose, &by)).await
}

async fn note_rejections(host: &Host, drafts: &[Draft]) -> Result<(), DraftError> {
    let mut timed_drafts = Vec::with_capacity(drafts.len());
    for draft in drafts {
        timed_drafts.push(timed(host, draft).await);
    }
    let now_ms = host.now_ms();
    let since_ms = now_ms.saturating_sub(KNOWN_MS);
    on_vault(host, move |vault| vault.note_rejections(&timed_drafts, now_ms, since_ms)).await
}
