//! The explanation of a request, as it goes on the wire and to the terminal. Own structures: core's types have no
//! wire form.

use serde::Serialize;
use serde_json::{Value, json};
use wardlock_core::canonical::CanonicalRequest;
use wardlock_core::chain::VerdictRecord;
use wardlock_core::classify::{Classified, Part};
use wardlock_core::connection::Connection;
use wardlock_core::id::Digest;
use wardlock_core::plugin::FieldUse;
use wardlock_core::refusal::{Refusal, RefusedBy};

/// What the host would do with a request, step by step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Workspace.
    pub workspace: String,
    /// Connection.
    pub connection: String,
    /// Agent.
    pub agent: String,
    /// The provider's data centre.
    pub region: Option<String>,
    /// `allow`, `hold` or `deny`.
    pub decision: &'static str,
    /// Why not, unless it is `allow`.
    pub refusal: Option<RefusalShown>,
    /// The request in its one form, as the agent sent it.
    pub canonical: Option<CanonicalShown>,
    /// What it is, before any plugin changed it.
    pub operation: Option<OperationShown>,
    /// The requests that it carries, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartShown>,
    /// What each rule of the host says.
    pub rules: Vec<RuleWord>,
    /// What each plugin says.
    pub plugins: Vec<PluginWord>,
    /// What would be sent; nothing was.
    pub would_send: Option<WouldSend>,
    /// What a real request is checked for besides: it needs a grant, and nothing here has one.
    pub not_checked: Vec<&'static str>,
}

/// The canonical request, without values of headers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CanonicalShown {
    /// Method.
    pub method: &'static str,
    /// Path in its one spelling.
    pub path: String,
    /// Decoded query, in order.
    pub query: Vec<(String, String)>,
    /// Names of the headers.
    pub headers: Vec<String>,
    /// Length of the body.
    pub body_bytes: usize,
    /// SHA-256 of the body, where there is one.
    pub body_sha256: Option<String>,
}

/// The operation that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OperationShown {
    /// Service.
    pub service: String,
    /// Name; `unknown` where the service defines none.
    pub name: String,
    /// `read`, `write` or `destructive`.
    pub effect: &'static str,
    /// Resources touched.
    pub resources: Vec<String>,
    /// Fields touched, as `Resource.Field (read)`; `None`: the host cannot tell.
    pub fields: Option<Vec<String>>,
    /// Fields that its body would write, as the body calls them: for people, also where `fields` is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writes: Option<Vec<String>>,
    /// The most records touched; `None`: without bound.
    pub breadth: Option<u32>,
}

/// A request that another carries, as it is judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartShown {
    /// Its place; the first is 1.
    pub part: u32,
    /// What it is.
    pub operation: OperationShown,
    /// Method.
    pub method: &'static str,
    /// Path in its one spelling.
    pub path: String,
    /// Decoded query, in order.
    pub query: Vec<(String, String)>,
    /// Names of the headers.
    pub headers: Vec<String>,
    /// Length of the body.
    pub body_bytes: usize,
}

/// What one rule of the host says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleWord {
    /// The rule.
    pub rule: &'static str,
    /// `passes`, `refuses`, `holds` or `not reached`.
    pub word: &'static str,
}

/// What one plugin says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PluginWord {
    /// Name in the chain.
    pub plugin: String,
    /// SHA-256 of the component.
    pub digest: String,
    /// `allow`, `deny`, `hold`, `shape` or `fault`.
    pub verdict: &'static str,
    /// The part that it judges, of a request that carries others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<u32>,
    /// Its code; the refusal's where it failed.
    pub code: Option<String>,
    /// How it failed, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentence: Option<String>,
    /// What it changes, without values.
    pub edits: Vec<String>,
    /// Whether its verdict counts.
    pub enforced: bool,
    /// How long it took.
    pub micros: u64,
    /// Its notes.
    pub notes: Vec<(String, String)>,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusalShown {
    /// Code.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// One sentence.
    pub detail: String,
    /// The part that is refused, of a request that carries others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<u32>,
    /// The host's rule, if one refused.
    pub rule: Option<&'static str>,
    /// The plugin, if one refused.
    pub plugin: Option<String>,
    /// The plugin's own code.
    pub plugin_code: Option<String>,
    /// What to do.
    pub hint: String,
    /// Whether the same request may pass later.
    pub retryable: bool,
    /// After how many seconds, where that is known.
    pub retry_after: Option<u32>,
    /// Who can mend it.
    pub actor: &'static str,
}

/// The request that would leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WouldSend {
    /// Method.
    pub method: &'static str,
    /// Host of the region's row.
    pub host: String,
    /// Path and query, byte for byte.
    pub path_and_query: String,
    /// Names of the agent's headers that pass.
    pub headers: Vec<String>,
    /// Names of the headers that the host adds, the credential's among them.
    pub added_by_host: Vec<String>,
    /// Length of the body.
    pub body_bytes: usize,
    /// SHA-256 of the body, where there is one.
    pub body_sha256: Option<String>,
}

/// What a dry run tells its agent: the operation, what each plugin said, and what would be sent.
pub fn dry_run(verdicts: &[VerdictRecord], classified: &Classified, connection: &Connection) -> Value {
    let said = verdicts.iter().map(|said| {
        json!({
            "plugin": said.plugin,
            "part": said.part,
            "verdict": said.verdict,
            "code": said.code,
            "edits": said.edits,
            "enforced": said.enforced,
        })
    });
    json!({
        "operation": OperationShown::of(classified),
        "parts": PartShown::all(classified),
        "plugins": said.collect::<Vec<_>>(),
        "would_send": WouldSend::of(classified, connection),
    })
}

impl CanonicalShown {
    pub(super) fn of(request: &CanonicalRequest) -> Self {
        let query = request.query().iter().map(|p| (p.name.clone(), p.value.clone())).collect();
        Self {
            method: request.method().as_str(),
            path: request.path(),
            query,
            headers: header_names(request),
            body_bytes: request.body().len(),
            body_sha256: body_digest(request),
        }
    }
}

impl OperationShown {
    pub(super) fn of(classified: &Classified) -> Self {
        let operation = classified.operation();
        let fields = operation.fields.as_ref().map(|fields| {
            let shown = fields.iter().map(|field| {
                let how = match field.how {
                    FieldUse::Read => "read",
                    FieldUse::Filter => "filter",
                    FieldUse::Write => "write",
                };
                format!("{}.{} ({how})", field.of, field.name)
            });
            shown.collect()
        });
        Self {
            service: operation.service.clone(),
            name: operation.name.clone(),
            effect: operation.effect.as_str(),
            resources: operation.resources.clone(),
            fields,
            writes: classified.fields_written(),
            breadth: operation.breadth,
        }
    }
}

impl PartShown {
    pub(super) fn all(classified: &Classified) -> Vec<Self> {
        classified.parts().iter().map(Self::of).collect()
    }

    fn of(part: &Part) -> Self {
        let CanonicalShown { method, path, query, headers, body_bytes, .. } =
            CanonicalShown::of(part.classified().request());
        let operation = OperationShown::of(part.classified());
        Self { part: part.number(), operation, method, path, query, headers, body_bytes }
    }
}

impl PluginWord {
    pub(super) fn of(record: &VerdictRecord) -> Self {
        Self {
            plugin: record.plugin.clone(),
            digest: record.digest.to_string(),
            verdict: record.verdict,
            part: record.part,
            code: record.code.clone(),
            sentence: record.sentence.clone(),
            edits: record.edits.clone(),
            enforced: record.enforced,
            micros: record.micros,
            notes: record.notes.iter().map(|note| (note.name.clone(), note.value.clone())).collect(),
        }
    }
}

impl RefusalShown {
    pub(super) fn of(refusal: &Refusal) -> Self {
        let (rule, plugin, plugin_code) = match &refusal.by {
            RefusedBy::Rule(rule) => (Some(*rule), None, None),
            RefusedBy::Plugin { name, code } => (None, Some(name.clone()), code.clone()),
        };
        Self {
            code: refusal.code.as_str(),
            status: refusal.code.status(),
            detail: refusal.detail.clone(),
            part: refusal.part,
            rule,
            plugin,
            plugin_code,
            hint: refusal.remedy().to_owned(),
            retryable: refusal.retryable(),
            retry_after: refusal.retry_after,
            actor: refusal.code.actor().as_str(),
        }
    }
}

impl WouldSend {
    pub(super) fn of(classified: &Classified, connection: &Connection) -> Option<Self> {
        let request = classified.request();
        let host = connection.host(&classified.definition()?.host)?;
        let mut added = vec!["host".to_owned(), "user-agent".to_owned(), "accept-encoding".to_owned()];
        if !request.body().is_empty() {
            added.push("content-length".to_owned());
        }
        added.extend(connection.added_to(request));
        Some(Self {
            method: request.method().as_str(),
            host: host.to_owned(),
            path_and_query: request.path_and_query(),
            headers: header_names(request),
            added_by_host: added,
            body_bytes: request.body().len(),
            body_sha256: body_digest(request),
        })
    }
}

fn header_names(request: &CanonicalRequest) -> Vec<String> {
    request.headers().iter().map(|header| header.name.clone()).collect()
}

fn body_digest(request: &CanonicalRequest) -> Option<String> {
    (!request.body().is_empty()).then(|| Digest::of(request.body()).to_string())
}
