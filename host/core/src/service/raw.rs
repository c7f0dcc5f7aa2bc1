//! A service definition as it stands in TOML, before anything is checked. Every unknown key is an error.
//!
//! This is the vocabulary of `host/services/*.toml`; what each key means stands at the typed form in the parent.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use toml::Spanned;

use crate::plugin::{Effect, FieldUse};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawService {
    pub(super) name: Spanned<String>,
    pub(super) display: String,
    pub(super) version: String,
    pub(super) regions: BTreeMap<Spanned<String>, Spanned<RawRegion>>,
    pub(super) oauth: Spanned<RawOAuth>,
    pub(super) inject: Spanned<RawInject>,
    pub(super) request: Spanned<RawRequest>,
    pub(super) answer: RawAnswer,
    pub(super) refusal: Option<Spanned<RawRefusal>>,
    pub(super) tenant: Spanned<RawTenant>,
    #[serde(default)]
    pub(super) paths: RawPaths,
    #[serde(default)]
    pub(super) lookups: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) related: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) scope_names: RawScopeNames,
    #[serde(default)]
    pub(super) groups: BTreeMap<String, Vec<Spanned<String>>>,
    pub(super) operations: Vec<Spanned<RawOperation>>,
    #[serde(default)]
    pub(super) guide: RawGuide,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRegion {
    pub(super) accounts: String,
    pub(super) console: String,
    /// Role → environment → host.
    pub(super) hosts: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    pub(super) federated: bool,
    pub(super) evidence: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOAuth {
    pub(super) authorize_path: String,
    pub(super) token_path: String,
    #[serde(default)]
    pub(super) revoke: Vec<RawRevoke>,
    #[serde(default)]
    pub(super) authorize_params: BTreeMap<String, String>,
    pub(super) scope_separator: String,
    pub(super) scope_separators_in_answer: Vec<char>,
    pub(super) pkce: bool,
    pub(super) callback_region_param: Option<String>,
    pub(super) callback_accounts_param: Option<String>,
    pub(super) token_api_host_field: Option<String>,
    pub(super) default_lifetime_seconds: u64,
    pub(super) max_lifetime_seconds: u64,
    pub(super) budget: RawBudget,
    #[serde(default)]
    pub(super) reconnect_errors: BTreeSet<String>,
    #[serde(default)]
    pub(super) misconfigured_errors: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) transient_errors: BTreeSet<String>,
    pub(super) throttle_marker: Option<RawPair>,
    pub(super) throttle_seconds: u64,
    pub(super) max_live_grants: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBudget {
    pub(super) calls: u32,
    pub(super) window_seconds: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPair {
    pub(super) name: String,
    pub(super) value: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRevoke {
    pub(super) path: String,
    #[serde(default)]
    pub(super) token_in_query: bool,
    #[serde(default)]
    pub(super) client_auth: bool,
    pub(super) hint: Option<RawPair>,
    pub(super) gone_status: u16,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawInject {
    pub(super) header: String,
    pub(super) prefix: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRequest {
    pub(super) headers: BTreeSet<String>,
    #[serde(default)]
    pub(super) query: BTreeSet<String>,
    #[serde(default)]
    pub(super) audit_safe_query: BTreeSet<String>,
    pub(super) token_query: Option<String>,
    pub(super) answer_headers: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAnswer {
    #[serde(default)]
    pub(super) empty_statuses: BTreeSet<u16>,
    pub(super) code_field: String,
    pub(super) status_field: String,
    pub(super) success_values: BTreeSet<String>,
    pub(super) error_values: BTreeSet<String>,
    #[serde(default)]
    pub(super) scheduled_values: BTreeSet<String>,
    #[serde(default)]
    pub(super) stale_token_codes: BTreeSet<String>,
    #[serde(default)]
    pub(super) scope_codes: BTreeSet<String>,
    #[serde(default)]
    pub(super) throttle_codes: BTreeSet<String>,
    #[serde(default)]
    pub(super) throttle_statuses: BTreeSet<u16>,
    #[serde(default)]
    pub(super) help: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRefusal {
    pub(super) content_type: String,
    pub(super) template: serde_json::Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTenant {
    pub(super) host: String,
    pub(super) path: String,
    pub(super) id_pointer: String,
    pub(super) label_pointer: String,
    pub(super) environment_pointer: Option<String>,
    #[serde(default)]
    pub(super) environments: BTreeMap<String, String>,
    pub(super) scopes: Vec<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPaths {
    #[serde(default)]
    pub(super) names: BTreeSet<String>,
    #[serde(default)]
    pub(super) reserved: BTreeSet<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawScopeNames {
    #[serde(default)]
    pub(super) known: BTreeMap<String, String>,
    pub(super) others: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOperation {
    pub(super) name: String,
    pub(super) summary: String,
    pub(super) method: Spanned<String>,
    pub(super) path: Spanned<String>,
    #[serde(default = "api_role")]
    pub(super) host: String,
    pub(super) effect: RawEffect,
    pub(super) refused: Option<String>,
    #[serde(default)]
    pub(super) destructive_with: Vec<RawPresence>,
    #[serde(default)]
    pub(super) query: BTreeSet<String>,
    #[serde(default)]
    pub(super) headers: BTreeSet<String>,
    pub(super) resources: Vec<RawResource>,
    #[serde(default)]
    pub(super) fields: Vec<RawField>,
    #[serde(default)]
    pub(super) fields_known: bool,
    #[serde(default)]
    pub(super) breadth: RawBreadth,
    #[serde(default)]
    pub(super) body: RawBody,
    pub(super) replay_safe: Option<bool>,
    pub(super) scopes: Vec<Vec<String>>,
}

fn api_role() -> String {
    "api".to_owned()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawEffect {
    Read,
    Write,
    Destructive,
}

impl From<RawEffect> for Effect {
    fn from(raw: RawEffect) -> Self {
        match raw {
            RawEffect::Read => Self::Read,
            RawEffect::Write => Self::Write,
            RawEffect::Destructive => Self::Destructive,
        }
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawUse {
    Read,
    Filter,
    Write,
}

impl From<RawUse> for FieldUse {
    fn from(raw: RawUse) -> Self {
        match raw {
            RawUse::Read => Self::Read,
            RawUse::Filter => Self::Filter,
            RawUse::Write => Self::Write,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawPresence {
    Query(String),
    Body(String),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawResource {
    Fixed(String),
    Path(String),
    Related(String),
    Query(String),
    Coql(String),
    Body(String),
    QueryIs(RawQueryIs),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawQueryIs {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) then: String,
    pub(super) otherwise: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawField {
    QueryList(RawQueryList),
    QueryCriteria(String),
    QueryOpaque(String),
    Header(String),
    Coql(String),
    BodyRecords(RawBodyFields),
    BodyList(RawBodyFields),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawQueryList {
    pub(super) name: String,
    pub(super) how: RawUse,
    #[serde(default)]
    pub(super) required: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBodyFields {
    pub(super) pointer: String,
    pub(super) how: RawUse,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawBreadth {
    Fixed(u32),
    Query(RawQueryBreadth),
    QueryCount(String),
    BodyCount(String),
    Coql(RawCoqlBreadth),
    #[default]
    Unbounded,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawQueryBreadth {
    pub(super) name: String,
    pub(super) default: u32,
    pub(super) max: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCoqlBreadth {
    pub(super) member: String,
    pub(super) default: u32,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawBody {
    #[default]
    None,
    Json,
    Multipart,
    Any,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGuide {
    #[serde(default)]
    pub(super) client_type: String,
    #[serde(default)]
    pub(super) client_name_rule: String,
    #[serde(default)]
    pub(super) client_name: String,
    #[serde(default)]
    pub(super) homepage: String,
    #[serde(default)]
    pub(super) notes: Vec<String>,
    #[serde(default)]
    pub(super) page_errors: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) callback_errors: BTreeMap<String, String>,
}
