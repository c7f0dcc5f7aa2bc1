//! A request as a connection's plugins would see it: canonicalised and classified as the pipeline does, with nothing sent.

use std::sync::Arc;

use wardlock_core::canonical::{CanonicalRequest, Header};
use wardlock_core::connection::{Connection, WriteMode};
use wardlock_core::id::{AgentName, RequestId};
use wardlock_core::plugin::{Caller, PluginRequest};
use wardlock_core::refusal::{Code, Refusal};
use wardlock_core::rules::Judge;
use wardlock_sandbox::RequestContext;

use super::cases::DEFAULT_NOW_MS;
use super::curl::CurlRequest;
use crate::ingress::Unsent;

/// The rule that speaks of requests that carry others.
const ENVELOPE: &str = "envelope";

/// A request as plugins would see it.
#[derive(Debug)]
pub struct Observed {
    /// What a plugin gets.
    pub request: PluginRequest,
    /// Why the host's own rules refuse it, so that no plugin would be asked.
    pub refused: Option<Refusal>,
}

/// Returns workspace and connection, where the target is one of Wardlock's own and begins with them.
pub fn named(target: &str) -> Option<(&str, &str)> {
    let mut parts = target.split('?').next()?.split('/').skip(1);
    let (workspace, connection) = (parts.next()?, parts.next()?);
    (!workspace.is_empty() && !connection.is_empty()).then_some((workspace, connection))
}

/// Returns a target as upstream: without workspace and connection, where it begins with those.
pub fn as_upstream(target: String, workspace: &str, connection: &str) -> String {
    match target.strip_prefix(&format!("/{workspace}/{connection}/")) {
        Some(rest) => format!("/{rest}"),
        None => target,
    }
}

/// Carries a request as far as the plugins; a refusal is one that they would never see. The write level is the most that
/// the workspace file allows. The agent's token goes the way that the front door has for it: into no case.
pub fn observe(connection: &Arc<Connection>, agent: &AgentName, sent: CurlRequest) -> Result<Observed, Refusal> {
    let CurlRequest { method, target, headers, body } = sent;
    let target = as_upstream(target, connection.workspace.as_str(), connection.name.as_str());
    let headers = headers
        .into_iter()
        // A line that a browser copied says what the browser would add, and no agent does.
        .filter(|(name, _)| !name.starts_with("sec-fetch-") && name != "origin")
        .map(|(name, value)| Header { name, value: value.into_bytes() })
        .collect();
    let unsent = Unsent { method, target, headers, purpose: None };
    let admitted = unsent.admit(connection.service.request.token_query.as_deref())?;
    let (purpose, dry_run) = (admitted.purpose, admitted.dry_run.is_asked());
    let body = body.unwrap_or_default().into_bytes();
    let canonical = CanonicalRequest::parse(&admitted.method, &admitted.target, admitted.headers, body)
        .map_err(|error| error.refusal())?;
    let judge = Judge::new(Arc::clone(connection), agent.clone(), WriteMode::On);
    // Of the headers it keeps those that the service takes; no credential is among them.
    let classified = judge.classify(canonical)?;
    if !classified.parts().is_empty() {
        let detail = "plugins are shown each request that this one carries, and never the whole";
        return Err(Refusal::new(Code::BadRequest, ENVELOPE, detail).hint("make a case of one of those"));
    }
    let refused = judge.check(&classified).err();
    let caller = Caller {
        workspace: connection.workspace.to_string(),
        connection: connection.name.to_string(),
        agent: agent.to_string(),
        region: connection.region.to_string(),
        tenant: connection.tenant.clone(),
    };
    let context = RequestContext {
        id: RequestId::from_bits([0; 16]),
        now_ms: DEFAULT_NOW_MS,
        caller,
        purpose,
        dry_run,
        approved_by: None,
    };
    // A case's id is the same every time it is made.
    let request = PluginRequest { id: "case".to_owned(), ..context.request(&classified, true) };
    Ok(Observed { request, refused })
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn connection_is_read_off_an_agents_own_target() {
        assert_eq!(named("/acme/zoho/crm/v8/Leads?a=/b/c"), Some(("acme", "zoho")));
        for target in ["/", "/acme", "/acme/", "//zoho/x", "/?a=/b/c/d"] {
            assert_eq!(named(target), None, "{target}");
        }
    }
}
