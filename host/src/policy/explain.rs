//! Carries a request through judging as the pipeline does, and stops where something would leave.

use std::collections::BTreeMap;
use std::sync::Arc;

use wardlock_core::canonical::{CanonicalRequest, Header};
use wardlock_core::connection::WriteMode;
use wardlock_core::decision::{Asked, Decision, decide};
use wardlock_core::id::{AgentName, Digest, RequestId, WorkspaceName};
use wardlock_core::plugin::Caller;
use wardlock_core::refusal::{Code, Refusal, RefusedBy};
use wardlock_core::rules::Judge;
use wardlock_sandbox::{Quotas, RequestContext, run_chain};

use crate::ingress::Unsent;
use crate::loaded::{Loaded, OpenConnection};
use crate::report;

use super::explanation::{
    CanonicalShown, Explanation, OperationShown, PartShown, PluginWord, RefusalShown, RuleWord, WouldSend,
};

/// The host's rules, in the order in which they are asked. What wants a person is asked last, and stands there where it does.
const RULES: [&str; 5] = ["operations", "agents.operations", ENVELOPE, "resources", "writes"];
/// The one that only speaks of requests that carry others.
const ENVELOPE: &str = "envelope";
/// What a real request is checked for besides.
const NOT_CHECKED: [&str; 3] = ["agent token", "grant", "tenant"];

/// What to do about a request that would be held: an explanation keeps no draft.
const HELD_HINT: &str = "an explanation keeps nothing: send the request to have it kept for a person";

/// A request to explain.
#[derive(Debug, Clone)]
pub struct Question {
    /// Workspace.
    pub workspace: WorkspaceName,
    /// Connection.
    pub connection: String,
    /// Agent, registered or not: only its rules in the workspace file count.
    pub agent: AgentName,
    /// Method.
    pub method: String,
    /// Target as upstream: path and query.
    pub target: String,
    /// Headers as the agent would send them.
    pub headers: Vec<Header>,
    /// Body.
    pub body: Vec<u8>,
    /// What the agent would give as its purpose.
    pub purpose: Option<String>,
    /// The time that plugins see.
    pub now_ms: u64,
    /// The enabled write level; the stricter of it and the workspace file's holds.
    pub enabled: WriteMode,
    /// How many records writes have touched today, by what bounds that.
    pub touched: BTreeMap<String, u64>,
    /// What lifts the freeze of the workspace, where it is frozen.
    pub frozen: Option<String>,
    /// What refuses it before anything is judged or shown to a plugin.
    pub refused: Option<Refusal>,
}

impl Question {
    /// Reads the request as the agents' listener would, and returns it with its purpose. `query_name` is the query parameter in which the
    /// service's own clients send their token.
    pub fn read(&self, query_name: Option<&str>) -> Result<(CanonicalRequest, Option<String>), Refusal> {
        let Self { method, target, headers, body, purpose, .. } = self.clone();
        let admitted = Unsent { method, target, headers, purpose }.admit(query_name)?;
        let read = CanonicalRequest::parse(&admitted.method, &admitted.target, admitted.headers, body);
        Ok((read.map_err(|error| error.refusal())?, admitted.purpose))
    }
}

/// Explains what the host would do. Nothing is sent, stored or counted; `quotas` are asked what a take would come to.
pub async fn explain(loaded: &Loaded, quotas: &Arc<dyn Quotas>, mut question: Question) -> Explanation {
    let mut explanation = Explanation {
        workspace: question.workspace.to_string(),
        connection: question.connection.clone(),
        agent: question.agent.to_string(),
        region: None,
        decision: "deny",
        refusal: None,
        canonical: None,
        operation: None,
        parts: Vec::new(),
        rules: Vec::new(),
        plugins: Vec::new(),
        would_send: None,
        not_checked: NOT_CHECKED.to_vec(),
    };
    let prefix = agents_prefix(&question);
    let lifted_by = |by: &String| report::frozen(&question.workspace).hint(format!("nothing passes until {by}"));
    let frozen = question.frozen.as_ref().map(lifted_by);
    let judged = match question.refused.take() {
        Some(refusal) => Err(refusal),
        None => match loaded.open_or_why(&question.workspace, &question.connection) {
            Ok(open) => judge(&open, quotas, question, &mut explanation).await,
            Err(refusal) => Err(refusal),
        },
    };
    if let Err(refusal) = judged {
        let refusal = match prefix.filter(|_| refusal.code == Code::UnknownOperation) {
            Some(prefix) => refusal.hint(format!("leave `{prefix}` out: the target stands here as upstream")),
            None => refusal,
        };
        explanation.refusal = Some(RefusalShown::of(&refusal));
    }
    if let Some(refusal) = frozen {
        overrule(&mut explanation, &refusal);
    }
    explanation
}

/// Lets a freeze have the last word, as agents are told. What rules and plugins say stays: it is what will hold once the freeze is lifted.
fn overrule(explanation: &mut Explanation, frozen: &Refusal) {
    explanation.decision = "deny";
    explanation.refusal = Some(RefusalShown::of(frozen));
    explanation.would_send = None;
    explanation.rules.insert(0, RuleWord { rule: report::FREEZE, word: "refuses" });
}

/// What an agent writes before the target and nobody else, where it stands there.
fn agents_prefix(question: &Question) -> Option<String> {
    let prefix = format!("/{}/{}", question.workspace, question.connection);
    question.target.strip_prefix(&prefix)?.starts_with('/').then_some(prefix)
}

async fn judge(
    open: &Arc<OpenConnection>,
    quotas: &Arc<dyn Quotas>,
    question: Question,
    explanation: &mut Explanation,
) -> Result<(), Refusal> {
    let connection = &open.connection;
    explanation.region = Some(connection.region.to_string());
    let id = request_id(&question);
    let (request, purpose) = question.read(connection.service.request.token_query.as_deref())?;
    let Question { agent, now_ms, enabled, touched, .. } = question;
    explanation.canonical = Some(CanonicalShown::of(&request));
    let judge = Judge::new(Arc::clone(connection), agent.clone(), enabled).having_touched(touched);
    let classified = judge.classify(request)?;
    explanation.operation = Some(OperationShown::of(&classified));
    explanation.parts = PartShown::all(&classified);
    let checked = judge.check(&classified);
    explanation.rules = rule_words(checked.as_ref().err(), !classified.parts().is_empty());
    checked?;
    let caller = Caller {
        workspace: connection.workspace.to_string(),
        connection: connection.name.to_string(),
        agent: agent.to_string(),
        region: connection.region.to_string(),
        tenant: connection.tenant.clone(),
    };
    let context = RequestContext {
        id: id.clone(),
        now_ms,
        caller,
        purpose: purpose.clone(),
        dry_run: true,
        approved_by: None,
    };
    let (classified, outcome) = run_chain(&judge, &open.plugins, &context, quotas, classified, None).await;
    if let Some(holding) = judge.holds(&classified) {
        note_hold(&mut explanation.rules, holding.rule);
    }
    let would_send = WouldSend::of(&classified, connection);
    // The grant is not looked at here, so its tenant and generation stand for nothing.
    let asked = Asked { id, purpose, tenant: "not checked".to_owned(), generation: 0, via: None, approval: None };
    conclude(explanation, decide(&judge, classified, outcome, asked), would_send)
}

fn conclude(
    explanation: &mut Explanation,
    decision: Decision,
    would_send: Option<WouldSend>,
) -> Result<(), Refusal> {
    let (word, verdicts, refusal) = match decision {
        Decision::Allow(permit) => ("allow", permit.verdicts().to_vec(), None),
        Decision::Hold { refusal, verdicts, .. } => ("hold", verdicts, Some(refusal)),
        Decision::Deny { refusal, verdicts } => ("deny", verdicts, Some(refusal)),
    };
    explanation.decision = word;
    explanation.plugins = verdicts.iter().map(PluginWord::of).collect();
    if word != "deny" {
        // What is held is sent so once a person says yes.
        explanation.would_send = would_send;
    }
    match refusal {
        Some(refusal) if word == "hold" => Err(refusal.hint(HELD_HINT)),
        Some(refusal) => Err(refusal),
        None => Ok(()),
    }
}

/// Says that a rule wants a person's word: one that passes what it is asked before, or one that is asked for this only.
fn note_hold(rules: &mut Vec<RuleWord>, rule: &'static str) {
    let holds = RuleWord { rule, word: "holds" };
    match rules.iter_mut().find(|known| known.rule == rule) {
        Some(known) => *known = holds,
        None => rules.push(holds),
    }
}

fn rule_words(refused: Option<&Refusal>, carries: bool) -> Vec<RuleWord> {
    let refusing = refused.and_then(|refusal| match refusal.by {
        RefusedBy::Rule(rule) => RULES.iter().position(|known| *known == rule),
        RefusedBy::Plugin { .. } => None,
    });
    let word = |at: usize| match refusing {
        Some(refusing) if at == refusing => "refuses",
        Some(refusing) if at > refusing => "not reached",
        _ => "passes",
    };
    let asked = RULES.iter().enumerate().filter(|(_, rule)| carries || **rule != ENVELOPE);
    asked.map(|(at, rule)| RuleWord { rule, word: word(at) }).collect()
}

/// Makes an id from the question itself, so that the same question has the same explanation.
fn request_id(question: &Question) -> RequestId {
    let digest = Digest::of_fields([
        question.workspace.as_str().as_bytes(),
        question.connection.as_bytes(),
        question.method.as_bytes(),
        question.target.as_bytes(),
        &question.body,
    ]);
    let mut bits = [0; 16];
    bits.copy_from_slice(&digest.as_bytes()[..16]);
    RequestId::from_bits(bits)
}
