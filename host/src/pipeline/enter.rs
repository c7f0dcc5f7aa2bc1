//! Step 2, by the head alone: whose request it is, whether that agent may ask so often, and a place for it. Only then is its body
//! taken into memory, so nobody who is unknown or asks too much can fill it.

use tracing::Span;
use wardlock_core::refusal::{Code, Refusal};

use super::{Agent, Scheme, Seen, Stop};
use crate::host::Host;
use crate::ingress::{AgentRequest, Held, Peer, RawRequest, UnreadBody};

/// A request of a known agent that has its place.
pub(super) struct Entered {
    agent: Agent,
    token: String,
    request: AgentRequest,
    place: Held,
}

/// Lets a request in, or not.
pub(super) fn enter(host: &Host, peer: &Peer, raw: RawRequest, seen: &mut Seen) -> Result<Entered, Stop> {
    let (agent, token, request) = authenticate(host, raw, seen)?;
    peer.belongs_to(&agent.name);
    host.rates().take(&agent.name)?;
    let place = host.places().take(&agent.workspace, &agent.name).inspect_err(|_| host.metrics().no_place())?;
    // While the client is surely there: later the kernel may have forgotten whose connection it was.
    peer.separation();
    Ok(Entered { agent, token, request, place: place.on(peer.busy()) })
}

impl Entered {
    /// Reads the body.
    pub async fn read(mut self, body: UnreadBody) -> Result<Self, Stop> {
        self.request.body = body.read().await?;
        Ok(self)
    }

    /// Returns the token with which the agent came, where it may wait for what a person says.
    pub fn token_to_wait_with(&self) -> Option<String> {
        self.request.prefers.wait.map(|_| self.token.clone())
    }

    /// Returns the request if its agent is still one: a body may take half a minute, and revoking is meant at once.
    pub fn still_known(self, host: &Host) -> Result<(Agent, AgentRequest, Held), Refusal> {
        let Self { agent, token, request, place } = self;
        if host.state().authenticate(&token).is_none() {
            return Err(unknown(host));
        }
        if request.holds(token.as_bytes()) {
            // It would reach plugins and the provider.
            let detail = "the agent's own token stands in the request, besides where tokens are taken from";
            return Err(Refusal::new(Code::SecretInRequest, "secrets", detail)
                .hint("send it in `Authorization` or `Wardlock-Token` only"));
        }
        Ok((agent, request, place))
    }
}

fn authenticate(host: &Host, raw: RawRequest, seen: &mut Seen) -> Result<(Agent, String, AgentRequest), Refusal> {
    let loaded = host.loaded();
    let named = raw.named().and_then(|(workspace, connection)| loaded.connection(workspace, connection));
    let query_name = named.and_then(|found| found.connection.service.request.token_query.as_deref());
    let (token, request) = raw.take_token(query_name)?;
    seen.wants_problem_json = request.wants_problem_json;
    seen.method.clone_from(&request.method);
    seen.scheme = Scheme::of(&request);
    let agent = token.as_deref().and_then(|token| host.state().authenticate(token));
    let (Some(token), Some(agent)) = (token, agent) else {
        return Err(unknown(host));
    };
    let agent = Agent { name: agent.name, workspace: agent.workspace };
    Span::current().record("workspace", agent.workspace.as_str()).record("agent", agent.name.as_str());
    seen.agent = Some(agent.clone());
    request.refuse_stray()?;
    Ok((agent, token, request))
}

/// One answer for missing, unknown, revoked and expired: which it was helps only a guesser.
pub fn unknown(host: &Host) -> Refusal {
    host.count_unauthenticated();
    Refusal::new(Code::Unauthenticated, "authenticate", "the agent's token is missing or not valid")
        .hint("send the token that `wardlock agent add` printed, in `Authorization` or `Wardlock-Token`")
}
