//! The JSON inside a row. A disk format: it has a version, and an unknown key is an error.
//!
//! The text is written once and hashed as it stands; nothing ever renders it again to check it.

use serde::{Deserialize, Serialize};

/// The version of this format, in every row. 2 added `decided_micros`, `added` and `total_micros`; 3 what plugins said of
/// answers; 4 drafts
/// and who approved them; 5 the parts of requests that carry others; 6 which records failed; 7 what plugins took of their quotas.
pub(crate) const VERSION: u32 = 7;

/// The versions that are read.
pub(crate) const VERSIONS: std::ops::RangeInclusive<u32> = 1..=VERSION;

/// What one row holds besides its columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detail {
    /// The version of this format.
    pub version: u32,
    /// What was asked: INTENT rows and refusals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestDetail>,
    /// Why it was refused: refusals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<RefusalDetail>,
    /// What came of it: OUTCOME rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerDetail>,
    /// What was done: administrative acts and grants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<ActDetail>,
}

impl Detail {
    pub(crate) fn empty() -> Self {
        Self { version: VERSION, request: None, refusal: None, answer: None, act: None }
    }
}

/// What was asked, of whom, by what rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RequestDetail {
    /// The connection's label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// SHA-256 of the service's definition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_sha256: Option<String>,
    /// The region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// `production`, `sandbox` or `developer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
    /// The grant's generation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// The host to which it goes, of the connection's region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The workspace that the path named, where that is not the agent's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_workspace: Option<String>,
    /// Every resource touched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// The most records touched; absent: without bound, or not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breadth: Option<u32>,
    /// The requests that it carries, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartDetail>,
    /// The method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path's template (`/crm/v8/{module}/{id}`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The template's parameters, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Value>,
    /// The query, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<Value>,
    /// Whether a list above or below was longer than what a row keeps.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// The body's length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_bytes: Option<u64>,
    /// SHA-256 of the body, as it is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_sha256: Option<String>,
    /// What the agent gave as its purpose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// What each plugin said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<PluginDetail>,
    /// What plugins took of their quotas.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taken: Vec<TakenDetail>,
    /// The names of the headers that the host adds, without values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<String>,
    /// How long it took from the request's arrival to the decision, microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_micros: Option<u64>,
    /// The draft that is released.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draft: Option<String>,
    /// Who approved it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approved_by: Vec<String>,
    /// Digest of the permit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permit: Option<String>,
    /// Whether the agent is another user of the system: `none`, `own-user` or `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub separation: Option<String>,
}

/// A request that another carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartDetail {
    /// Its operation.
    pub operation: String,
    /// `read`, `write` or `destructive`.
    pub effect: String,
    /// The method.
    pub method: String,
    /// The path's template.
    pub path: String,
    /// Every resource touched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// The most records touched; absent: without bound, or not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breadth: Option<u32>,
}

/// What came of a request that another carried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartOutcome {
    /// `ok`, `partial`, `failed`, `rolled_back`, `scheduled` or `unknown`.
    pub outcome: String,
    /// The provider's own code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// Which records of a request failed. What the provider writes of each stays out: it may quote what the account holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailuresDetail {
    /// How many failed.
    pub failed: u32,
    /// How many results there are.
    pub of: u32,
    /// The first of those that failed.
    pub first: Vec<FailedDetail>,
}

/// A record that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailedDetail {
    /// Its place in the request; the first is 1.
    pub number: u32,
    /// The provider's own code, where it is a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// A parameter: its value where the service marks it safe, else its keyed hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Value {
    /// Its name; absent where the name itself is keyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Its value, or a name that is none, as a keyed hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyed: Option<String>,
}

/// What one plugin took under one key in one window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakenDetail {
    /// The plugin's name in the chain.
    pub plugin: String,
    /// The key, as a keyed hash.
    pub keyed: String,
    /// When the window began, milliseconds since 1970-01-01T00:00:00Z.
    pub began_ms: u64,
    /// The window's length, seconds.
    pub window_seconds: u32,
    /// How often it took.
    pub count: u32,
}

/// What one plugin said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginDetail {
    /// Its name in the chain.
    pub name: String,
    /// SHA-256 of the component.
    pub sha256: String,
    /// SHA-256 of its settings.
    pub settings_sha256: String,
    /// `allow`, `deny`, `hold`, `shape` or `fault`; on an answer `pass`, `edit`, `deny` or `fault`.
    pub verdict: String,
    /// Its code; where it failed, that of the refusal. Rows of earlier versions have the fault's sentence here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// How it failed, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentence: Option<String>,
    /// The part that it judged, of a request that carries others; the first is 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<u32>,
    /// What it changed, without values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<String>,
    /// Whether the verdict counted.
    pub enforced: bool,
    /// How long it took, microseconds.
    pub micros: u64,
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusalDetail {
    /// The stable code.
    pub code: String,
    /// The rule of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The plugin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The plugin's own code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin_code: Option<String>,
    /// The part that is refused, of a request that carries others; the first is 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<u32>,
}

/// What came of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnswerDetail {
    /// The host that was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_host: Option<String>,
    /// The status of its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_status: Option<u16>,
    /// The provider's own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_code: Option<String>,
    /// What came of each request that it carried, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartOutcome>,
    /// Which of its records failed, or of the requests that it carried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures: Option<FailuresDetail>,
    /// How often it was put on the wire.
    pub attempts: u32,
    /// How long the upstream took, microseconds.
    pub upstream_micros: u64,
    /// How long it took from the request's arrival to here, microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_micros: Option<u64>,
    /// The answer's length, as the agent got it.
    pub answer_bytes: u64,
    /// SHA-256 of the answer, as the agent got it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer_sha256: Option<String>,
    /// How many secrets were cut out of it.
    pub redactions: u32,
    /// `false`, or `redacted` when a secret had to be cut out; absent where no answer was scanned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_exposed: Option<String>,
    /// What each plugin said of the answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<PluginDetail>,
    /// The code of the refusal that the agent got in the answer's place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
}

/// Something done besides an agent's request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActDetail {
    /// Who did it.
    pub who: String,
    /// What was done (`agent.add`, `token.refresh`).
    pub what: String,
    /// To what.
    pub target: String,
    /// How it ended.
    pub result: String,
}
