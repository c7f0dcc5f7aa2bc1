//! A service definition as it stands in TOML, before anything is checked. Every unknown key is an error.
//!
//! This is the vocabulary of `host/services/*.toml`; what each key means stands at the typed form in the parent.

mod operation;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use toml::Spanned;

use super::ClientAuth;

pub(super) use operation::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawService {
    pub(in crate::service) name: Spanned<String>,
    pub(in crate::service) display: String,
    pub(in crate::service) version: String,
    pub(in crate::service) regions: BTreeMap<Spanned<String>, Spanned<RawRegion>>,
    pub(in crate::service) oauth: Spanned<RawOAuth>,
    pub(in crate::service) inject: Spanned<RawInject>,
    pub(in crate::service) request: Spanned<RawRequest>,
    pub(in crate::service) answer: RawAnswer,
    pub(in crate::service) refusal: Option<Spanned<RawRefusal>>,
    pub(in crate::service) tenant: Spanned<RawTenant>,
    pub(in crate::service) user: Option<Spanned<RawUser>>,
    #[serde(default)]
    pub(in crate::service) limits: RawLimits,
    #[serde(default)]
    pub(in crate::service) paths: RawPaths,
    #[serde(default)]
    pub(in crate::service) lookups: BTreeMap<String, String>,
    #[serde(default)]
    pub(in crate::service) related: BTreeMap<String, String>,
    #[serde(default)]
    pub(in crate::service) scope_names: RawScopeNames,
    #[serde(default)]
    pub(in crate::service) groups: BTreeMap<String, Vec<Spanned<String>>>,
    pub(in crate::service) operations: Vec<Spanned<RawOperation>>,
    #[serde(default)]
    pub(in crate::service) guide: RawGuide,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawRegion {
    pub(in crate::service) accounts: String,
    pub(in crate::service) token: Option<String>,
    pub(in crate::service) console: String,
    /// Role → environment → host.
    pub(in crate::service) hosts: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    pub(in crate::service) federated: bool,
    pub(in crate::service) issuer: Option<String>,
    pub(in crate::service) evidence: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawOAuth {
    pub(in crate::service) authorize_path: String,
    pub(in crate::service) token_path: String,
    #[serde(default)]
    pub(in crate::service) client_auth: RawClientAuth,
    #[serde(default)]
    pub(in crate::service) token_params: BTreeMap<String, String>,
    #[serde(default)]
    pub(in crate::service) revoke: Vec<RawRevoke>,
    #[serde(default)]
    pub(in crate::service) authorize_params: BTreeMap<String, String>,
    #[serde(default)]
    pub(in crate::service) scopes: BTreeSet<String>,
    pub(in crate::service) scope_separator: String,
    pub(in crate::service) scope_separators_in_answer: Vec<char>,
    pub(in crate::service) pkce: bool,
    pub(in crate::service) callback_region_param: Option<String>,
    pub(in crate::service) callback_accounts_param: Option<String>,
    pub(in crate::service) token_api_host_field: Option<String>,
    pub(in crate::service) default_lifetime_seconds: u64,
    pub(in crate::service) max_lifetime_seconds: u64,
    pub(in crate::service) budget: RawBudget,
    #[serde(default)]
    pub(in crate::service) reconnect_errors: BTreeSet<String>,
    #[serde(default)]
    pub(in crate::service) misconfigured_errors: BTreeMap<String, String>,
    #[serde(default)]
    pub(in crate::service) transient_errors: BTreeSet<String>,
    pub(in crate::service) throttle_marker: Option<RawPair>,
    pub(in crate::service) throttle_seconds: u64,
    pub(in crate::service) max_live_grants: Option<u32>,
    #[serde(default)]
    pub(in crate::service) revoking_spares_other_grants: bool,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::service) enum RawClientAuth {
    #[default]
    Body,
    Basic,
}

impl From<RawClientAuth> for ClientAuth {
    fn from(raw: RawClientAuth) -> Self {
        match raw {
            RawClientAuth::Body => Self::Body,
            RawClientAuth::Basic => Self::Basic,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawBudget {
    pub(in crate::service) calls: u32,
    pub(in crate::service) window_seconds: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawPair {
    pub(in crate::service) name: String,
    pub(in crate::service) value: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawRevoke {
    pub(in crate::service) path: String,
    #[serde(default)]
    pub(in crate::service) token_in_query: bool,
    pub(in crate::service) client_auth: Option<RawClientAuth>,
    pub(in crate::service) hint: Option<RawPair>,
    pub(in crate::service) gone_status: Option<u16>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawInject {
    pub(in crate::service) header: String,
    pub(in crate::service) prefix: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawRequest {
    pub(in crate::service) headers: BTreeSet<String>,
    #[serde(default)]
    pub(in crate::service) query: BTreeSet<String>,
    #[serde(default)]
    pub(in crate::service) audit_safe_query: BTreeSet<String>,
    pub(in crate::service) token_query: Option<String>,
    pub(in crate::service) answer_headers: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawAnswer {
    #[serde(default)]
    pub(in crate::service) empty_statuses: BTreeSet<u16>,
    pub(in crate::service) code_field: String,
    pub(in crate::service) status_field: String,
    pub(in crate::service) success_values: BTreeSet<String>,
    pub(in crate::service) error_values: BTreeSet<String>,
    #[serde(default)]
    pub(in crate::service) scheduled_values: BTreeSet<String>,
    #[serde(default)]
    pub(in crate::service) stale_token_codes: BTreeSet<String>,
    #[serde(default)]
    pub(in crate::service) scope_codes: BTreeSet<String>,
    #[serde(default)]
    pub(in crate::service) throttle_codes: BTreeSet<String>,
    #[serde(default)]
    pub(in crate::service) throttle_statuses: BTreeSet<u16>,
    #[serde(default = "event_stream")]
    pub(in crate::service) flowing_types: BTreeSet<String>,
    #[serde(default)]
    pub(in crate::service) help: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawRefusal {
    pub(in crate::service) content_type: String,
    pub(in crate::service) template: serde_json::Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawTenant {
    pub(in crate::service) host: String,
    pub(in crate::service) path: String,
    pub(in crate::service) id_pointer: String,
    pub(in crate::service) label_pointer: String,
    pub(in crate::service) environment_pointer: Option<String>,
    #[serde(default)]
    pub(in crate::service) environments: BTreeMap<String, String>,
    pub(in crate::service) scopes: Vec<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawUser {
    pub(in crate::service) host: String,
    pub(in crate::service) path: String,
    pub(in crate::service) query: Option<String>,
    pub(in crate::service) id_pointer: String,
    pub(in crate::service) scopes: Vec<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawLimits {
    pub(in crate::service) concurrent_calls: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawPaths {
    #[serde(default)]
    pub(in crate::service) names: BTreeSet<String>,
    #[serde(default)]
    pub(in crate::service) reserved: BTreeSet<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawScopeNames {
    #[serde(default)]
    pub(in crate::service) known: BTreeMap<String, String>,
    pub(in crate::service) others: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawGuide {
    #[serde(default)]
    pub(in crate::service) client_type: String,
    #[serde(default)]
    pub(in crate::service) client_name_rule: String,
    #[serde(default)]
    pub(in crate::service) client_name: String,
    #[serde(default)]
    pub(in crate::service) homepage: String,
    #[serde(default)]
    pub(in crate::service) notes: Vec<String>,
    #[serde(default)]
    pub(in crate::service) page_errors: BTreeMap<String, String>,
    #[serde(default)]
    pub(in crate::service) callback_errors: BTreeMap<String, String>,
}

/// The one type that is a stream by its nature (HTML standard, server-sent events).
fn event_stream() -> BTreeSet<String> {
    BTreeSet::from(["text/event-stream".to_owned()])
}
