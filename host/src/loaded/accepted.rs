//! What a home lets agents do beside what an admin accepted, where operators have keys.

use std::collections::BTreeMap;

use wardlock_core::connection::Connection;
use wardlock_egress::vault::Accepted;

use super::{Loaded, Problem, Services, Sources, State};
use crate::config::Keeping;

impl Loaded {
    /// Returns what every connection that loads lets agents do, by `workspace/connection`.
    pub fn allowances(&self, services: &Services) -> Accepted {
        let mut allowances = Accepted::new();
        for workspace in self.workspaces.values() {
            for found in workspace.connections.iter().flat_map(BTreeMap::values) {
                if matches!(found.state, State::Open(_)) {
                    let place = format!("{}/{}", workspace.name, found.connection.name);
                    let scopes = found.scopes.as_deref();
                    allowances.insert(place, services.allowance(&found.connection, scopes, workspace.recorder));
                }
            }
        }
        allowances
    }

    /// Returns what counts as accepted once this is loaded: what loads, as it is; for what does not load, what was accepted before.
    /// What is gone from the files is gone from here.
    ///
    /// Where this was loaded beside `accepted`, it is never wider. So whoever narrows a file, or takes it out, has narrowed what
    /// files alone may ever say again.
    pub fn accepted_from(&self, services: &Services, accepted: &Accepted) -> Accepted {
        let mut holds = self.allowances(services);
        for (place, allowance) in accepted {
            let Some((workspace, connection)) = place.split_once('/') else { continue };
            let is_there = match self.workspace(workspace) {
                Some(found) => found.connections.is_err() || self.connection(workspace, connection).is_some(),
                None => !self.is_whole(),
            };
            if is_there {
                holds.entry(place.clone()).or_insert_with(|| allowance.clone());
            }
        }
        holds
    }
}

/// Says what a connection lets agents do beyond what an admin accepted, where operators have keys.
pub(super) fn unaccepted(
    sources: Sources<'_>,
    connection: &Connection,
    scopes: Option<&[String]>,
    recorder: Option<Keeping>,
) -> Option<Problem> {
    let (workspace, name) = (connection.workspace.as_str(), connection.name.as_str());
    let own = sources.services.allowance(connection, scopes, recorder);
    let what = match sources.accepted?.get(&format!("{workspace}/{name}")) {
        None => "it is new".to_owned(),
        Some(accepted) => match own.beyond(accepted).as_slice() {
            [] => return None,
            beyond => format!("it would have {}", beyond.join("; ")),
        },
    };
    let message =
        format!("workspaces/{workspace}.toml: no admin has accepted connection `{name}` as it is: {what}");
    let hint = "an admin runs `wardlock --as NAME --sign-with KEY policy accept`".to_owned();
    Some(Problem { hint: Some(hint), ..Problem::new(Some(workspace), message) }.of_connection(name))
}
