//! `wardlock policy explain`: what would be decided and sent, with nothing of it sent or recorded. What stands there now is read, where the
//! request would change it: by requests of their own, which are. Where operators have keys, only for one who signs: a shell under their
//! user needs no agent's token to ask for an explanation.

use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_audit::Separation;
use wardlock_core::canonical::{CanonicalRequest, Header};
use wardlock_core::classify::{Classified, classify};
use wardlock_core::connection::WriteMode;
use wardlock_core::id::{AgentName, WorkspaceName};
use wardlock_sandbox::Quotas;
use wardlock_state::Counting;

use super::{blocking, connections, is_signed, named, operators};
use crate::admin::Failure;
use crate::drafts;
use crate::host::Host;
use crate::loaded::{LoadedConnection, State};
use crate::pipeline::OnBehalf;
use crate::policy::{Question, explain as explain_question};
use crate::quotas::Taking;

/// Why nothing was read of what stands there now.
const UNREAD: &str = "not read: current values are read for an operator who signs: --as NAME --sign-with KEY";

/// What is to be explained.
pub(super) struct Asked {
    pub workspace: String,
    pub connection: String,
    pub agent: String,
    pub method: String,
    pub target: String,
    /// Base64.
    pub body: String,
    pub purpose: Option<String>,
}

pub(super) async fn explain(host: &Arc<Host>, asked: Asked) -> Result<Value, Failure> {
    let loaded = host.loaded();
    let found = connections::find(&loaded, &asked.workspace, &asked.connection)?;
    let agent = named(AgentName::parse(&asked.agent))?;
    let enabled = enabled(host, found, &agent)?;
    let workspace = named(WorkspaceName::parse(&asked.workspace))?;
    let is_agent = host.state().is_agent(&agent, &workspace);
    let reads = is_signed() || operators::all(host).await?.is_empty();
    let body = crate::text::decode_base64(&asked.body).ok_or_else(|| Failure::usage("the body is not base64"))?;
    let headers = if body.is_empty() { Vec::new() } else { vec![json_type()] };
    let (state, place) = (host.state().clone(), (asked.workspace.clone(), asked.connection.clone()));
    let touched = blocking(move || state.touched_today(&place.0, &place.1)).await??;
    let question = Question {
        workspace: workspace.clone(),
        connection: asked.connection,
        agent,
        method: asked.method,
        target: asked.target,
        headers,
        body,
        purpose: asked.purpose,
        now_ms: host.now_ms(),
        enabled,
        touched,
    };
    let quotas: Arc<dyn Quotas> = Taking::new(host.state().reserve(&found.connection.workspace, Counting::Looks));
    let asked = canonical(&question);
    let agent = question.agent.clone();
    let explanation = explain_question(&loaded, &quotas, question).await;
    let mut told = serde_json::to_value(&explanation).map_err(Failure::no)?;
    let sends = explanation.decision != "deny";
    let classified = asked.filter(|_| sends).and_then(|asked| classify(&found.connection.service, asked).ok());
    let (rows, note) = match classified.map(Box::new) {
        Some(classified) => match drafts::unread(&classified) {
            None if reads => (changes(host, found, &agent, &classified).await, None),
            None => (Value::Null, Some(UNREAD.to_owned())),
            unread => (Value::Null, unread),
        },
        None => (Value::Null, Some("not read: it would not be sent".to_owned())),
    };
    told["changes"] = rows;
    told["changes_note"] = note.into();
    if !is_agent {
        told["agent_note"] = json!(format!(
            "there is no agent `{agent}` in workspace `{workspace}`: only what its files say of that name was asked"
        ));
    }
    Ok(told)
}

/// What the request would change, as it was asked: a plugin can only take away from that.
async fn changes(host: &Host, found: &LoadedConnection, agent: &AgentName, classified: &Classified) -> Value {
    let asked = OnBehalf {
        workspace: found.connection.workspace.as_str(),
        connection: found.connection.name.as_str(),
        agent: agent.as_str(),
        purpose: Some("current values, for an explanation".to_owned()),
        via: None,
        separation: Separation::Unknown,
        approval: None,
        checks: false,
    };
    drafts::changes(host, asked, None, classified).await
}

fn canonical(question: &Question) -> Option<CanonicalRequest> {
    let Question { method, target, headers, body, .. } = question;
    CanonicalRequest::parse(method, target, headers.clone(), body.clone()).ok()
}

fn json_type() -> Header {
    Header { name: "content-type".to_owned(), value: b"application/json".to_vec() }
}

/// How far writes are enabled for an agent's requests on a connection.
fn enabled(host: &Host, found: &LoadedConnection, agent: &AgentName) -> Result<WriteMode, Failure> {
    let State::Open(open) = &found.state else { return Ok(WriteMode::Off) };
    let connection = open.for_agent(agent);
    let grant = host.egress().grant_status(&connection.grant)?;
    Ok(host.write_level(open, &connection, grant.map(|grant| grant.generation)))
}
