//! Where a connection wants several people: each one's word is kept, sealed for its draft and that person, until there are enough.
//!
//! A word counts while its operator is one, for a day, and for the request that was shown. Whoever can write `state.db` can take
//! one away, and never make one.

use serde::{Deserialize, Serialize};
use wardlock_egress::vault::{Operator, Vault};
use wardlock_state::Draft;

use super::release::Unreleased;
use super::{DraftError, on_disk, on_vault, seal, unseal};
use crate::host::Host;

/// How long a word waits for the others, milliseconds: a day. Who said yes last week may think otherwise.
const LASTS_MS: u64 = 24 * 60 * 60 * 1000;

/// One person's word.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Word {
    request: String,
    at_ms: u64,
    /// How often the draft had been released by then: a word that was used up and put back is of an older round.
    round: u64,
}

/// What one more word comes to.
pub(super) enum Gathered {
    /// These people suffice.
    Enough(Vec<String>),
    /// These have said yes, and more are wanted.
    Waits(Vec<String>),
}

/// Returns how many people must approve a draft, as its connection is now.
pub fn wanted(host: &Host, draft: &Draft) -> u32 {
    let loaded = host.loaded();
    // One without a connection is refused at its release, whoever approves.
    loaded
        .connection(&draft.workspace, &draft.connection)
        .map_or(1, |found| found.connection.write_rules.approvals)
}

/// Returns who has approved a draft so far, as far as it still counts.
pub async fn given(host: &Host, draft: &Draft) -> Result<Vec<String>, DraftError> {
    let operators = operators(host).await?;
    words(host, draft, &operators).await
}

/// Takes one more person's word on a draft.
pub(super) async fn gather(host: &Host, draft: &Draft, by: &str) -> Result<Gathered, Unreleased> {
    let wanted = wanted(host, draft);
    if wanted <= 1 {
        return Ok(Gathered::Enough(vec![by.to_owned()]));
    }
    let operators = operators(host).await?;
    if !operators.iter().any(|known| known.name.as_str() == by) {
        return Err(Unreleased::Nameless { wanted });
    }
    if words(host, draft, &operators).await?.iter().any(|name| name == by) {
        return Err(Unreleased::Twice { id: draft.id.clone(), operator: by.to_owned(), wanted });
    }
    let round = round(host, draft).await?;
    let word = Word { request: draft.request.to_string(), at_ms: host.now_ms(), round };
    let plain = serde_json::to_vec(&word).map_err(|_| DraftError::Worker)?;
    let sealed = seal(host, draft, &part_of(by), &plain)?;
    let (id, name) = (draft.id.clone(), by.to_owned());
    if !on_disk(host, move |state| state.add_approval(&id, &name, &sealed)).await? {
        return Err(Unreleased::NotHeld { id: draft.id.clone(), state: "no longer held" });
    }
    let given = words(host, draft, &operators).await?;
    if u32::try_from(given.len()).unwrap_or(u32::MAX) < wanted {
        return Ok(Gathered::Waits(given));
    }
    Ok(Gathered::Enough(given))
}

/// How often a draft was released, as the vault knows: that uses words up, whatever comes of it.
async fn round(host: &Host, draft: &Draft) -> Result<u64, DraftError> {
    let id = draft.id.clone();
    Ok(on_vault(host, move |vault| vault.draft_mark(&id)).await?.count)
}

fn part_of(operator: &str) -> String {
    format!("approval of {operator}")
}

async fn operators(host: &Host) -> Result<Vec<Operator>, DraftError> {
    on_vault(host, Vault::operators).await
}

/// Returns whose words count.
async fn words(host: &Host, draft: &Draft, operators: &[Operator]) -> Result<Vec<String>, DraftError> {
    let id = draft.id.clone();
    let sealed = on_disk(host, move |state| state.approvals(&id)).await?;
    if sealed.is_empty() {
        return Ok(Vec::new());
    }
    let (now_ms, round) = (host.now_ms(), round(host, draft).await?);
    let counts = |name: &str, sealed: &[u8]| {
        let operator = operators.iter().find(|known| known.name.as_str() == name)?;
        let word: Word = serde_json::from_slice(&unseal(host, draft, &part_of(name), sealed).ok()?).ok()?;
        // Somebody of the same name who was added later has said nothing.
        let is_theirs = word.at_ms >= operator.added_ms;
        let is_recent = now_ms < word.at_ms.saturating_add(LASTS_MS);
        (is_theirs && is_recent && word.round == round && word.request == draft.request.to_string())
            .then(|| name.to_owned())
    };
    Ok(sealed.iter().filter_map(|(name, sealed)| counts(name, sealed)).collect())
}
