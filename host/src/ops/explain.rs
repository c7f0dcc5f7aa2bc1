//! `wardlock policy explain`: what would be decided and sent, with nothing of it sent or recorded. What stands there now is read, where the
//! request would change it: by requests of their own, which are. Where operators have keys, only for one who signs: a shell under their
//! user needs no agent's token to ask for an explanation.

use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_audit::{Act, Separation};
use wardlock_core::canonical::{Header, parse_json, render_query};
use wardlock_core::classify::{Classified, classify};
use wardlock_core::connection::WriteMode;
use wardlock_core::id::{AgentName, WorkspaceName};
use wardlock_sandbox::Quotas;
use wardlock_state::Counting;

use super::freeze::frozen_by;
use super::{blocking, connections, is_signed, named, note, operators, recordings, who};
use crate::admin::Failure;
use crate::drafts;
use crate::host::Host;
use crate::loaded::{LoadedConnection, State};
use crate::pipeline::{OnBehalf, refuse_secrets};
use crate::policy::{Question, explain as explain_question};
use crate::quotas::Taking;

/// Why nothing was read of what stands there now.
const UNREAD: &str = "not read: current values are read for an operator who signs: --as NAME --sign-with KEY";

/// The header that says what a body is.
const CONTENT_TYPE: &str = "content-type";

/// What is to be explained.
pub(super) struct Asked {
    pub workspace: String,
    pub connection: String,
    pub agent: String,
    pub method: String,
    pub target: String,
    pub headers: Vec<Header>,
    pub body: Vec<u8>,
    pub purpose: Option<String>,
}

impl Asked {
    /// Returns every part of it that is written freely.
    fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let purpose = self.purpose.as_deref().unwrap_or_default().as_bytes();
        let parts = [self.target.as_bytes(), &self.body, purpose].into_iter();
        parts.chain(self.headers.iter().map(|header| header.value.as_slice()))
    }
}

/// Reads a body off its base64.
pub(super) fn body(base64: &str) -> Result<Vec<u8>, Failure> {
    crate::text::decode_base64(base64).ok_or_else(|| Failure::usage("the body is not base64"))
}

/// Returns headers as they would be sent. What a body is, is said in its place where nobody says it.
pub(super) fn headers(given: Vec<(String, String)>, body: &[u8]) -> Vec<Header> {
    let mut headers: Vec<Header> =
        given.into_iter().map(|(name, value)| Header { name, value: value.into_bytes() }).collect();
    if !body.is_empty() && !headers.iter().any(|header| header.name.eq_ignore_ascii_case(CONTENT_TYPE)) {
        headers.push(Header { name: CONTENT_TYPE.to_owned(), value: usual_type(body).as_bytes().to_vec() });
    }
    headers
}

/// Returns the media type that is meant where nobody says one: JSON, but for what is none and reads as a form.
fn usual_type(body: &[u8]) -> &'static str {
    let is_form = |text: &str| {
        let text = text.trim_end();
        text.contains('=') && !text.starts_with(['{', '[', '"']) && !text.contains(char::is_whitespace)
    };
    match std::str::from_utf8(body) {
        Ok(text) if is_form(text) && parse_json(body).is_err() => "application/x-www-form-urlencoded",
        _ => "application/json",
    }
}

/// Explains what would be decided now of a request that was recorded. It shows what an agent asked, so it stands in the audit.
pub(super) async fn of_request(host: &Arc<Host>, request_id: &str) -> Result<Value, Failure> {
    let record = recordings::recorded(host, request_id).await?;
    let input = record.inputs.iter().find(|input| input.request().is_some());
    let unknown = |why: &str, hint: &str| {
        Failure::no(format!("request `{request_id}` cannot be explained: {why}")).hint(hint.to_owned())
    };
    let Some((input, request)) = input.and_then(|input| Some((input, input.request()?))) else {
        return Err(unknown("its answer only was recorded", "`wardlock audit show` has what the audit knows"));
    };
    if request.attributes.iter().any(|attribute| attribute.name == "part") {
        return Err(unknown(
            "it carries others, and only these were recorded",
            "give the whole request: `wardlock policy explain WORKSPACE/CONNECTION METHOD TARGET --body FILE`",
        ));
    }
    if !input.is_whole() {
        return Err(unknown(
            "its body was not recorded, because no plugin may see it",
            "give it anew: `wardlock policy explain WORKSPACE/CONNECTION METHOD TARGET --body FILE`",
        ));
    }
    let query = render_query(&request.query).map(|query| format!("?{query}")).unwrap_or_default();
    let asked = Asked {
        workspace: record.workspace.clone(),
        connection: record.connection.clone(),
        agent: record.agent.clone(),
        method: request.method.to_owned(),
        target: format!("{}{query}", request.path),
        headers: request.headers.clone(),
        body: request.body.as_ref().map(|body| body.content.clone()).unwrap_or_default(),
        purpose: request.purpose.clone(),
    };
    note(host, Act::admin(who(), "policy.explain", request_id, "ok")).await;
    explain(host, asked).await
}

/// Explains what would be decided now of a draft's request, if its agent sent it once more.
pub(super) async fn of_draft(host: &Arc<Host>, id: &str) -> Result<Value, Failure> {
    let draft = super::drafts::find(host, id).await?;
    let content = drafts::content(host, &draft).await.map_err(super::drafts::unreadable)?;
    let Some(content) = content else {
        return Err(Failure::no(format!("nothing is kept of the request of draft `{id}` any more"))
            .hint(format!("`wardlock drafts show {id}` shows what became of it")));
    };
    let request = content.request().map_err(|error| super::drafts::unreadable(error.into()))?;
    let asked = Asked {
        workspace: draft.workspace.clone(),
        connection: draft.connection.clone(),
        agent: draft.agent.clone(),
        method: request.method().as_str().to_owned(),
        target: request.path_and_query(),
        headers: request.headers().to_vec(),
        body: request.body().to_vec(),
        purpose: content.purpose,
    };
    explain(host, asked).await
}

pub(super) async fn explain(host: &Arc<Host>, asked: Asked) -> Result<Value, Failure> {
    let loaded = host.loaded();
    let found = connections::find(&loaded, &asked.workspace, &asked.connection)?;
    let agent = named(AgentName::parse(&asked.agent))?;
    let enabled = enabled(host, found, &agent)?;
    let workspace = named(WorkspaceName::parse(&asked.workspace))?;
    let is_agent = host.state().is_agent(&agent, &workspace);
    let reads = is_signed() || operators::all(host).await?.is_empty();
    let frozen = frozen_by(host, &asked.workspace);
    let (state, place) = (host.state().clone(), (asked.workspace.clone(), asked.connection.clone()));
    let touched = blocking(move || state.touched_today(&place.0, &place.1)).await??;
    let refused = refuse_secrets(host, asked.parts()).err();
    let question = Question {
        workspace: workspace.clone(),
        connection: asked.connection,
        agent,
        method: asked.method,
        target: asked.target,
        headers: asked.headers,
        body: asked.body,
        purpose: asked.purpose,
        now_ms: host.now_ms(),
        enabled,
        touched,
        frozen: (!frozen.is_empty()).then(|| drafts::thawed_by(&frozen)),
        refused,
    };
    let quotas: Arc<dyn Quotas> = Taking::new(host.state().reserve(&found.connection.workspace, Counting::Looks));
    let read = question.read(found.connection.service.request.token_query.as_deref());
    let agent = question.agent.clone();
    let explanation = explain_question(&loaded, &quotas, question).await;
    let mut told = serde_json::to_value(&explanation).map_err(Failure::no)?;
    let sends = explanation.decision != "deny";
    let classified =
        read.ok().filter(|_| sends).and_then(|(asked, _)| classify(&found.connection.service, asked).ok());
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
        counting: Counting::Looks,
    };
    drafts::changes(host, asked, None, classified).await
}

/// How far writes are enabled for an agent's requests on a connection.
fn enabled(host: &Host, found: &LoadedConnection, agent: &AgentName) -> Result<WriteMode, Failure> {
    let State::Open(open) = &found.state else { return Ok(WriteMode::Off) };
    let connection = open.for_agent(agent);
    let grant = host.egress().grant_status(&connection.grant)?;
    Ok(host.write_level(open, &connection, grant.map(|grant| grant.generation)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_nobody_says_is_what_is_json_and_else_a_form_where_it_reads_as_one() {
        let said = |given: &[(&str, &str)], body: &str| {
            let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let headers = headers(given, body.as_bytes());
            headers
                .into_iter()
                .map(|header| String::from_utf8_lossy(&header.value).into_owned())
                .collect::<Vec<_>>()
        };
        for form in ["name=Z&status=PAUSED", "a=%7B%22b%22%3A1%7D\n", "a="] {
            assert_eq!(said(&[], form), ["application/x-www-form-urlencoded"], "{form}");
        }
        for json in [r#"{"a":"b=c"}"#, r#"["a=b""#, "a", "a b=c", r#""a=b""#, "1"] {
            assert_eq!(said(&[], json), ["application/json"], "{json}");
        }
        assert_eq!(said(&[("Content-Type", "text/plain")], "a=b"), ["text/plain"]);
        assert!(said(&[], "").is_empty());
    }
}
