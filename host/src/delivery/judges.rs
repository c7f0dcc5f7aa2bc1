//! The plugins that judge answers, in the order of the chain, each on what the one before left.
//!
//! The search for secrets came before, and what is left after a change is searched again. The request was sent by then:
//! all that can happen is that the agent gets less, or a refusal.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tracing::{Span, debug_span};
use wardlock_core::answer::AnswerReading;
use wardlock_core::canonical::Header;
use wardlock_core::chain::{AnswerStep, VerdictRecord, judge_answer, not_edited};
use wardlock_core::classify::Classified;
use wardlock_core::connection::Link;
use wardlock_core::id::Digest;
use wardlock_core::plugin::{Payload, PluginResponse};
use wardlock_core::refusal::Refusal;
use wardlock_egress::Scrubbed;
use wardlock_sandbox::{Plugin, RequestContext, ask_about_answer};

use crate::host::now_ms;
use crate::loaded::OpenConnection;
use crate::recorder::PendingRecord;

/// Who judges an answer, and what they are told of its request.
pub struct Judges {
    /// The connection with its chain.
    pub open: Arc<OpenConnection>,
    /// What plugins were told of the request.
    pub context: RequestContext,
    /// The request as it was sent.
    pub classified: Arc<Classified>,
    /// Where what they are asked is noted, if the workspace records that.
    pub record: Option<PendingRecord>,
}

/// An answer as plugins left it.
pub(super) struct Judged {
    /// The answer, or what the agent is told in its place.
    pub answer: Result<Scrubbed, Refusal>,
    /// What each plugin said.
    pub verdicts: Vec<VerdictRecord>,
    /// The plugins that took something away.
    pub edited_by: Vec<String>,
}

impl Judges {
    /// Returns the span of their work; none where nobody judges answers.
    pub(super) fn span(&self) -> Span {
        if self.open.judges_answers() { debug_span!("judges") } else { Span::none() }
    }

    /// Asks them.
    pub(super) async fn judge(&mut self, reading: &AnswerReading, answer: Scrubbed) -> Judged {
        let mut judged = Judged { answer: Ok(answer), verdicts: Vec::new(), edited_by: Vec::new() };
        let open = Arc::clone(&self.open);
        for (link, plugin) in open.connection.chain.iter().zip(&open.plugins) {
            // What flows is not shown to plugins that only watch; for others it was held, or refused.
            let Ok(answer) = judged.answer.as_ref() else { break };
            let Some(body) = answer.body().filter(|_| link.hooks.judge_answers()) else { continue };
            let response = self.response(reading, answer, body, plugin);
            let started = Instant::now();
            let said = ask_about_answer(link, plugin, &response).await;
            let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            if let Some(record) = &mut self.record {
                record.take(plugin, response, &said);
            }
            let (record, step) = judge_answer(link, said, micros);
            judged = judged.after(link, record, step);
        }
        judged
    }

    fn response(
        &self,
        reading: &AnswerReading,
        answer: &Scrubbed,
        body: &[u8],
        plugin: &Plugin,
    ) -> PluginResponse {
        let headers = answer.headers().iter();
        let request = self.classified.request();
        PluginResponse {
            id: self.context.id.to_string(),
            now_ms: now_ms(),
            caller: self.context.caller.clone(),
            operation: self.classified.operation().clone(),
            method: request.method().as_str(),
            path: request.path(),
            status: answer.status(),
            outcome: reading.outcome,
            provider_code: reading.code.clone(),
            headers: headers
                .map(|(name, value)| Header { name: name.to_string(), value: value.as_bytes().to_vec() })
                .collect(),
            body: payload(answer, body, plugin.sees_answers()),
            redactions: u32::try_from(answer.redactions()).unwrap_or(u32::MAX),
            purpose: self.context.purpose.clone(),
            attributes: Vec::new(),
        }
    }
}

impl Judged {
    /// Goes on after one plugin's word.
    fn after(mut self, link: &Link, mut record: VerdictRecord, step: AnswerStep) -> Self {
        self.answer = match (step, self.answer) {
            (AnswerStep::Pass, answer) => answer,
            (AnswerStep::Withhold(refusal), _) | (AnswerStep::Edit(_), Err(refusal)) => Err(refusal),
            (AnswerStep::Edit(edits), Ok(answer)) => {
                let before = content(&answer);
                let left = answer.apply(&edits).map_err(|error| not_edited(link, &mut record, &error));
                if left.as_ref().is_ok_and(|left| content(left) != before) {
                    self.edited_by.push(link.name.to_string());
                }
                left
            }
        };
        self.verdicts.push(record);
        self
    }
}

/// What can be taken away from: how many headers, since none is ever changed, and the body.
fn content(answer: &Scrubbed) -> (usize, Option<Bytes>) {
    (answer.headers().len(), answer.body().cloned())
}

fn payload(answer: &Scrubbed, body: &[u8], shows_content: bool) -> Option<Payload> {
    if body.is_empty() {
        return None;
    }
    let content_type = answer.headers().get("content-type").and_then(|value| value.to_str().ok());
    Some(Payload {
        length: body.len() as u64,
        content_type: content_type.map(str::to_owned),
        sha256: Digest::of(body),
        content: if shows_content { body.to_vec() } else { Vec::new() },
    })
}
