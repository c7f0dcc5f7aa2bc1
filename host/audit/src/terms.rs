//! What a row can be looked for by: a word for everything that it names.
//!
//! A word is the first 8 bytes of SHA-256 over its kind, a zero byte and its value. Two values with the same word cost
//! a false find at most, and only whoever makes two on purpose meets one.

use sha2::{Digest as _, Sha256};

use crate::detail::{Detail, PluginDetail, RequestDetail, Value};
use crate::entry::Kind;

/// What kinds of things rows name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Term {
    Kind,
    Workspace,
    Connection,
    Agent,
    Operation,
    Effect,
    Decision,
    Outcome,
    Service,
    Region,
    Tenant,
    Resource,
    /// A plugin's name, or the digest of its component.
    Plugin,
    /// The code of a refusal, of the host or of a plugin.
    Code,
    /// What an act did.
    Act,
    /// A value that stands as a keyed hash.
    Value,
}

impl Term {
    /// Returns the label, which is part of every stored word and must not change.
    fn label(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Workspace => "workspace",
            Self::Connection => "connection",
            Self::Agent => "agent",
            Self::Operation => "operation",
            Self::Effect => "effect",
            Self::Decision => "decision",
            Self::Outcome => "outcome",
            Self::Service => "service",
            Self::Region => "region",
            Self::Tenant => "tenant",
            Self::Resource => "resource",
            Self::Plugin => "plugin",
            Self::Code => "code",
            Self::Act => "act",
            Self::Value => "value",
        }
    }

    /// Returns the word of a value.
    pub(crate) fn word(self, value: &str) -> i64 {
        let mut hasher = Sha256::new();
        hasher.update(self.label());
        hasher.update([0]);
        hasher.update(value);
        let digest: [u8; 32] = hasher.finalize().into();
        i64::from_be_bytes(*digest.first_chunk().unwrap_or(&[0; 8]))
    }
}

/// What a row names.
pub(crate) struct Names<'a> {
    pub(crate) kind: Kind,
    pub(crate) workspace: Option<&'a str>,
    pub(crate) connection: Option<&'a str>,
    pub(crate) agent: Option<&'a str>,
    pub(crate) operation: Option<&'a str>,
    pub(crate) effect: Option<&'a str>,
    pub(crate) decision: Option<&'a str>,
    pub(crate) outcome: Option<&'a str>,
    pub(crate) detail: &'a Detail,
}

/// Returns the words of a row, sorted, each once.
pub(crate) fn words(row: &Names<'_>) -> Vec<i64> {
    let mut words = vec![Term::Kind.word(row.kind.as_str())];
    let mut name = |term: Term, value: Option<&str>| words.extend(value.map(|value| term.word(value)));
    name(Term::Workspace, row.workspace);
    name(Term::Connection, row.connection);
    name(Term::Agent, row.agent);
    name(Term::Operation, row.operation);
    name(Term::Effect, row.effect);
    name(Term::Decision, row.decision);
    name(Term::Outcome, row.outcome);
    if let Some(refusal) = &row.detail.refusal {
        name(Term::Code, Some(&refusal.code));
        name(Term::Code, refusal.plugin_code.as_deref());
    }
    name(Term::Act, row.detail.act.as_ref().map(|act| act.what.as_str()));
    if let Some(request) = &row.detail.request {
        of_request(request, &mut words);
    }
    if let Some(answer) = &row.detail.answer {
        words.extend(answer.withheld.as_deref().map(|code| Term::Code.word(code)));
        of_plugins(&answer.plugins, &mut words);
    }
    words.sort_unstable();
    words.dedup();
    words
}

fn of_request(request: &RequestDetail, words: &mut Vec<i64>) {
    let mut name = |term: Term, value: Option<&str>| words.extend(value.map(|value| term.word(value)));
    name(Term::Service, request.service.as_deref());
    name(Term::Region, request.region.as_deref());
    name(Term::Tenant, request.tenant.as_deref());
    for resource in &request.resources {
        name(Term::Resource, Some(resource));
    }
    of_plugins(&request.plugins, words);
    let keyed = |value: &Value| value.keyed.as_deref().map(|keyed| Term::Value.word(keyed));
    words.extend(request.parameters.iter().chain(&request.query).filter_map(keyed));
}

fn of_plugins(plugins: &[PluginDetail], words: &mut Vec<i64>) {
    words.extend(plugins.iter().flat_map(|plugin| [&plugin.name, &plugin.sha256].map(|of| Term::Plugin.word(of))));
}
