//! Who signed the plugins that are loaded, and which failed so often that they are not run for now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wardlock_core::connection::LinkMode;

use super::{Check, green, yellow};
use crate::host::Host;
use crate::loaded::{Loaded, OpenConnection, State};
use crate::trust::Standing;

/// Counts the places of chains by who signed what stands there.
pub(super) fn signed(host: &Host) -> Check {
    const NAME: &str = "plugins' publishers";
    let (loaded, publishers) = (host.loaded(), host.config().publishers());
    let (mut signers, mut unsigned, mut untrusted) = (BTreeMap::new(), 0_usize, BTreeSet::new());
    for standing in open(&loaded).flat_map(|open| &open.standings) {
        match standing {
            Standing::Unsigned => unsigned += 1,
            Standing::Untrusted { key } => {
                untrusted.insert(key.to_string());
            }
            Standing::Signed(signer) => *signers.entry(signer.publisher.to_string()).or_insert(0_usize) += 1,
        }
    }
    let mut told: Vec<String> =
        signers.iter().map(|(name, count)| format!("{count} signed by `{name}`")).collect();
    if unsigned > 0 {
        told.push(format!("{unsigned} not signed, pinned by digest alone"));
    }
    if told.is_empty() && untrusted.is_empty() {
        told.push("no plugin is loaded".to_owned());
    }
    if publishers.only_signed() {
        told.push("what is not signed does not load".to_owned());
    }
    if untrusted.is_empty() {
        return green(NAME, told.join("; "));
    }
    let keys: Vec<String> = untrusted.into_iter().collect();
    told.push(format!("some signed by keys that are not trusted: {}", keys.join(", ")));
    yellow(NAME, told.join("; "), "if you trust them: `wardlock plugin trust NAME KEY` prints what to write")
}

fn open(loaded: &Loaded) -> impl Iterator<Item = &Arc<OpenConnection>> {
    loaded.connections().filter_map(|found| match &found.state {
        State::Open(open) => Some(open),
        State::Closed { .. } => None,
    })
}

/// Names each of them; nothing where all run.
pub(super) fn tripped(host: &Host) -> Option<Check> {
    let loaded = host.loaded();
    let tripped: Vec<String> = open(&loaded)
        .flat_map(|open| open.connection.chain.iter().zip(&open.plugins).map(move |chained| (open, chained)))
        .filter(|(_, (_, plugin))| plugin.is_tripped())
        .map(|(open, (link, plugin))| {
            let watched = if link.mode == LinkMode::Monitor { ", which only watches," } else { "" };
            format!("`{}`{watched} of {}/{}", plugin.name(), open.connection.workspace, open.connection.name)
        })
        .collect();
    if tripped.is_empty() {
        return None;
    }
    Some(yellow(
        "failing plugins",
        format!(
            "{}: not run for whoever made it fail, whose requests are refused as `plugin_tripped` where it decides, until one succeeds",
            tripped.join(", ")
        ),
        "look at their faults: `wardlock audit list --code plugin_trap` (or another code of docs/refusals.md) has those on requests, \
         `wardlock audit list --code answer_unjudged` those on answers",
    ))
}
