//! Whether agents and freezes stand in the state as the vault knows them.

use std::sync::Arc;

use super::{Check, blocking, green, red, yellow};
use crate::admitted;
use crate::host::Host;

/// Rows of agents that somebody else wrote, or that a crash left half-done.
pub(super) async fn examine(host: &Arc<Host>) -> Check {
    const NAME: &str = "agents";
    let state = host.state().clone();
    match blocking(move || admitted::unconfirmed(&state)).await.and_then(|found| found) {
        Ok(names) if names.is_empty() => green(NAME, "the vault knows every one that may come in"),
        Ok(names) => red(
            NAME,
            format!(
                "state.db says of {} what the vault does not know, and that counts for nothing: somebody wrote it there, or \
                 a command was cut off",
                admitted::some_of(&names)
            ),
            "ask who writes this home; `wardlock agent revoke NAME` mends it, and `wardlock agent add NAME` makes anew whom you want",
        ),
        Err(failure) => red(NAME, failure.message, "see the check `home`"),
    }
}

/// What is frozen, whoever took it out of the state.
pub(super) async fn frozen(host: &Arc<Host>) -> Option<Check> {
    const NAME: &str = "freeze";
    let frozen = host.state().frozen();
    if frozen.is_empty() {
        return None;
    }
    let found = format!("frozen: {}", named(frozen.keys()));
    let state = host.state().clone();
    let Ok(Ok(taken_out)) = blocking(move || state.frozen_without_row()).await else {
        return Some(red(NAME, format!("{found}; the state cannot be read"), "see the check `home`"));
    };
    if taken_out.is_empty() {
        return Some(yellow(NAME, found, "wardlock thaw WORKSPACE, or wardlock thaw --all"));
    }
    let found = format!("{found}; taken out of state.db, and frozen all the same: {}", named(&taken_out));
    let mend = "ask who writes this home; `wardlock freeze` writes it anew, and `wardlock thaw` lifts it";
    Some(red(NAME, found, mend))
}

fn named<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let names = names.into_iter().map(|name| if name == "*" { "all workspaces" } else { name });
    names.collect::<Vec<_>>().join(", ")
}
