//! A request that the host did not send: one row, with who said no and why.

use std::time::Duration;

use wardlock_core::canonical::CanonicalRequest;
use wardlock_core::chain::VerdictRecord;
use wardlock_core::classify::Classified;
use wardlock_core::connection::Connection;
use wardlock_core::id::{RequestId, WorkspaceName};
use wardlock_core::refusal::{Refusal, RefusedBy};
use wardlock_core::service::ServiceDefinition;

use crate::described::{Described, PathKey, is_word};
use crate::detail::{Detail, PluginDetail, RefusalDetail};
use crate::entry::{Durability, Entry, Kind, LIST_ITEMS, Says, Separation, Subject, bounded};
use crate::outcome::micros;

/// What the host concluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedDecision {
    /// No.
    Deny,
    /// A person must say.
    Hold,
}

impl RefusedDecision {
    /// Returns the word used on every surface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Hold => "hold",
        }
    }
}

/// A refused request, as far as it was known. Begin with [`Refused::new`] and add what the pipeline had learnt.
#[must_use = "a refusal is recorded by `Audit::refuse`"]
pub struct Refused {
    /// The request's id.
    pub id: RequestId,
    /// The agent's workspace, once its token said which.
    pub workspace: Option<String>,
    /// The connection's name as asked for.
    pub connection: Option<String>,
    /// The connection's label.
    pub label: Option<String>,
    /// The agent, once its token said who.
    pub agent: Option<String>,
    /// The connection's region.
    pub region: Option<String>,
    /// The connection's environment.
    pub environment: Option<String>,
    /// The connection's tenant.
    pub tenant: Option<String>,
    /// The connection's grant.
    pub grant: Option<String>,
    /// The grant's generation.
    pub generation: Option<u64>,
    /// The workspace that the path named, where it is not the agent's own. What is no workspace name is left out.
    pub asked_workspace: Option<String>,
    /// What was asked.
    pub described: Described,
    /// What the agent gave as its purpose.
    pub purpose: Option<String>,
    /// What the host concluded.
    pub decision: RefusedDecision,
    /// Why. Only its code and who refused are recorded: a detail may repeat what the agent sent.
    pub refusal: Refusal,
    /// What each plugin said.
    pub verdicts: Vec<VerdictRecord>,
    /// Whether the agent is another user of the system.
    pub separation: Separation,
    /// How long it took from the request's arrival to the refusal.
    pub decided: Option<Duration>,
}

impl Refused {
    /// Begins a denied request of which nothing else is known.
    pub fn new(id: RequestId, refusal: &Refusal) -> Self {
        Self {
            id,
            workspace: None,
            connection: None,
            label: None,
            agent: None,
            region: None,
            environment: None,
            tenant: None,
            grant: None,
            generation: None,
            asked_workspace: None,
            described: Described::default(),
            purpose: None,
            decision: RefusedDecision::Deny,
            refusal: refusal.clone(),
            verdicts: Vec::new(),
            separation: Separation::Unknown,
            decided: None,
        }
    }

    /// Adds the agent and its workspace.
    pub fn by(mut self, workspace: impl Into<String>, agent: impl Into<String>) -> Self {
        self.workspace = Some(workspace.into());
        self.agent = Some(agent.into());
        self
    }

    /// Adds all that a connection says.
    pub fn on(mut self, connection: &Connection) -> Self {
        self.workspace = Some(connection.workspace.to_string());
        self.connection = Some(connection.name.to_string());
        self.label = Some(connection.label.clone());
        self.region = Some(connection.region.to_string());
        self.environment = Some(connection.environment.clone());
        self.tenant = self.tenant.or_else(|| connection.tenant.clone());
        self.grant = Some(connection.grant.to_string());
        let service = &connection.service;
        self.described.service.get_or_insert_with(|| (service.name.to_string(), service.digest));
        self
    }

    /// Adds a request that was classified.
    pub fn asking(mut self, classified: &Classified) -> Self {
        self.described = Described::classified(classified);
        self
    }

    /// Adds a request that has a canonical form and no more; with the connection's service where one was found,
    /// so that the words of its templates stand in plain.
    pub fn asking_canonical(mut self, request: &CanonicalRequest, service: Option<&ServiceDefinition>) -> Self {
        let named = self.described.service.take();
        self.described = Described::canonical(request, service);
        self.described.service = named;
        self
    }

    /// Says that it was held, and not denied.
    pub fn held(mut self) -> Self {
        self.decision = RefusedDecision::Hold;
        self
    }

    /// Adds what each plugin said.
    pub fn verdicts(mut self, verdicts: Vec<VerdictRecord>) -> Self {
        self.verdicts = verdicts;
        self
    }

    /// Adds what the agent gave as its purpose.
    pub fn purpose(mut self, purpose: Option<&str>) -> Self {
        self.purpose = purpose.map(str::to_owned);
        self
    }

    /// Adds how long it took from the request's arrival to the refusal.
    pub fn decided(mut self, decided: Duration) -> Self {
        self.decided = Some(decided);
        self
    }

    /// Adds whether the agent is another user of the system.
    pub fn separation(mut self, separation: Separation) -> Self {
        self.separation = separation;
        self
    }

    pub(crate) fn into_entry(self, key: &PathKey) -> Entry {
        let subject = Subject {
            request_id: Some(self.id.as_str().to_owned()),
            workspace: self.workspace.as_deref().map(bounded),
            connection: self.connection.as_deref().map(bounded),
            agent: self.agent.as_deref().map(bounded),
            operation: self.described.operation.as_deref().map(bounded),
            effect: self.described.effect.map(wardlock_core::plugin::Effect::as_str),
        };
        let mut request = self.described.into_detail(key);
        request.label = self.label.as_deref().map(bounded);
        request.region = self.region.as_deref().map(bounded);
        request.environment = self.environment.as_deref().map(bounded);
        request.tenant = self.tenant.as_deref().map(bounded);
        request.grant = self.grant.as_deref().map(bounded);
        request.generation = self.generation;
        request.asked_workspace = self.asked_workspace.filter(|name| WorkspaceName::parse(name).is_ok());
        request.purpose = self.purpose.as_deref().map(bounded);
        request.separation = Some(self.separation.as_str().to_owned());
        request.decided_micros = self.decided.map(micros);
        request.cut |= self.verdicts.len() > LIST_ITEMS;
        request.plugins = plugins(&self.verdicts, key);
        let refusal = refusal_detail(&self.refusal, key);
        let says = Says { decision: Some(self.decision.as_str()), ..Says::default() };
        let detail = Detail { request: Some(request), refusal: Some(refusal), ..Detail::empty() };
        Entry::new(Kind::Refusal, Durability::Crash, subject, says, &detail)
    }
}

fn refusal_detail(refusal: &Refusal, key: &PathKey) -> RefusalDetail {
    let (code, part) = (refusal.code.as_str().to_owned(), refusal.part);
    match &refusal.by {
        RefusedBy::Rule(rule) => {
            RefusalDetail { code, rule: Some((*rule).to_owned()), plugin: None, plugin_code: None, part }
        }
        RefusedBy::Plugin { name, code: plugin_code } => RefusalDetail {
            code,
            rule: None,
            plugin: Some(bounded(name)),
            plugin_code: plugin_code.as_deref().map(|code| plugin_word(code, key)),
            part,
        },
    }
}

/// Renders what each plugin said. A plugin's notes stay out: they may repeat what it was shown.
pub(crate) fn plugins(verdicts: &[VerdictRecord], key: &PathKey) -> Vec<PluginDetail> {
    let detail_of = |record: &VerdictRecord| PluginDetail {
        name: bounded(&record.plugin),
        sha256: record.digest.to_string(),
        settings_sha256: record.settings.to_string(),
        verdict: record.verdict.to_owned(),
        code: record.code.as_deref().map(|code| plugin_word(code, key)),
        sentence: record.sentence.as_deref().map(bounded),
        part: record.part,
        edits: record.edits.iter().take(LIST_ITEMS).map(|edit| bounded(&edit_words(edit, key))).collect(),
        enforced: record.enforced,
        micros: record.micros,
    };
    // Where there are too many (a plugin judges each part of a request), what says no goes first.
    let counts = |record: &&VerdictRecord| record.verdict != "allow";
    let mut room = LIST_ITEMS.saturating_sub(verdicts.iter().filter(counts).count());
    let kept = verdicts.iter().filter(|record| {
        let fits = counts(record) || room > 0;
        room -= usize::from(fits && !counts(record));
        fits
    });
    kept.take(LIST_ITEMS).map(detail_of).collect()
}

/// A plugin's code is a word; what is none is keyed, so that no plugin can write sentences, or bodies, into rows.
fn plugin_word(code: &str, key: &PathKey) -> String {
    if is_word(code) { code.to_owned() } else { format!("keyed:{}", key.hash(code)) }
}

/// What an edit names is a word, or a place of words; what is none is keyed, as a plugin's code is.
fn edit_words(edit: &str, key: &PathKey) -> String {
    let is_step = |step: &str| step.is_empty() || step == "*" || is_word(step);
    match edit.split_once(' ') {
        Some((kind, named)) if !named.split('/').all(is_step) => format!("{kind} keyed:{}", key.hash(named)),
        Some(_) | None => edit.to_owned(),
    }
}
