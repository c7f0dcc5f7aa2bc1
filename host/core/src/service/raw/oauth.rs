//! How credentials are got, as it stands in TOML.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use super::PATH;
use crate::service::{ClientAuth, GrantType};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawOAuth {
    /// How a credential may be got; the first is taken unless the operator says otherwise.
    #[serde(default = "authorization_code")]
    #[schemars(length(min = 1))]
    pub(in crate::service) grants: Vec<RawGrantType>,
    /// Authorization endpoint, on the region's accounts host. Only with `authorization_code`.
    #[schemars(regex(pattern = PATH))]
    pub(in crate::service) authorize_path: Option<String>,
    /// Token endpoint, on the region's token host.
    #[schemars(regex(pattern = PATH))]
    pub(in crate::service) token_path: String,
    /// How the client says who it is at the token endpoint.
    #[serde(default)]
    pub(in crate::service) client_auth: RawClientAuth,
    /// Fixed parameters of every call of the token endpoint.
    #[serde(default)]
    pub(in crate::service) token_params: BTreeMap<String, String>,
    /// How a token is renewed, where it is not as in RFC 6749 section 6.
    #[serde(default)]
    pub(in crate::service) refresh: RawRefresh,
    /// The device flow (RFC 8628), or the provider's own words for it. Only with `device_code`.
    pub(in crate::service) device: Option<RawDevice>,
    /// Fixed parameters of a client-credentials request, besides `token_params`.
    #[serde(default)]
    pub(in crate::service) client_credentials_params: BTreeMap<String, String>,
    /// Where a token answer holds what, where it is not as in RFC 6749 section 5.1.
    #[serde(default)]
    pub(in crate::service) answer: RawTokenAnswer,
    /// Revocation endpoints to try in order, on the region's token host.
    #[serde(default)]
    pub(in crate::service) revoke: Vec<RawRevoke>,
    /// Fixed parameters of the authorization request (`access_type = "offline"`).
    #[serde(default)]
    pub(in crate::service) authorize_params: BTreeMap<String, String>,
    /// Scopes that every consent asks for, besides what its operations need (`offline_access`).
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^[^, ]+$")))]
    pub(in crate::service) scopes: BTreeSet<String>,
    /// What stands between scopes in the authorization request.
    #[serde(default = "space")]
    #[schemars(length(min = 1))]
    pub(in crate::service) scope_separator: String,
    /// Characters that may separate scopes in a token answer.
    #[serde(default = "spaces")]
    #[schemars(length(min = 1))]
    pub(in crate::service) scope_separators_in_answer: Vec<char>,
    /// Whether PKCE S256 is sent; it is unless this says no.
    pub(in crate::service) pkce: Option<bool>,
    /// Whether the registered redirect URI may be used with any port of loopback (RFC 8252 section 7.3).
    #[serde(default)]
    pub(in crate::service) any_loopback_port: bool,
    /// Callback parameter that names the region row.
    pub(in crate::service) callback_region_param: Option<String>,
    /// Callback parameter that names the accounts server; it may only select a row.
    pub(in crate::service) callback_accounts_param: Option<String>,
    /// Token-answer field that names the API host; it may only select a row.
    pub(in crate::service) token_api_host_field: Option<String>,
    /// A token's lifetime where the answer names none.
    #[schemars(range(min = 1))]
    pub(in crate::service) default_lifetime_seconds: u64,
    /// Lifetimes beyond this are cut to it.
    #[schemars(range(min = 1))]
    pub(in crate::service) max_lifetime_seconds: u64,
    /// How many token calls the provider allows, for each grant.
    pub(in crate::service) budget: RawBudget,
    /// `error` values that mean: the login is gone, a person must connect again.
    #[serde(default)]
    pub(in crate::service) reconnect_errors: BTreeSet<String>,
    /// `error` values that mean: the registration or the region is wrong; each with its likely cause.
    #[serde(default)]
    pub(in crate::service) misconfigured_errors: BTreeMap<String, String>,
    /// `error` values that mean: try again later.
    #[serde(default)]
    pub(in crate::service) transient_errors: BTreeSet<String>,
    /// A field and value that mean: throttled, whatever the text says.
    pub(in crate::service) throttle_marker: Option<RawPair>,
    /// How long a throttle lasts where the provider does not say.
    pub(in crate::service) throttle_seconds: u64,
    /// How many live grants of a person the provider keeps before it drops the oldest.
    pub(in crate::service) max_live_grants: Option<u32>,
    /// Whether revoking one refresh token leaves the person's other grants of the client alive. Where it does not, a grant that is replaced is not revoked.
    #[serde(default)]
    pub(in crate::service) revoking_spares_other_grants: bool,
}

fn authorization_code() -> Vec<RawGrantType> {
    vec![RawGrantType::AuthorizationCode]
}

/// RFC 6749 section 3.3.
fn space() -> String {
    " ".to_owned()
}

fn spaces() -> Vec<char> {
    vec![' ']
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::service) enum RawGrantType {
    /// A person consents in a browser (RFC 6749 section 4.1).
    AuthorizationCode,
    /// A person consents on another device (RFC 8628).
    DeviceCode,
    /// The client asks for itself (RFC 6749 section 4.4): nobody consents.
    ClientCredentials,
}

impl From<RawGrantType> for GrantType {
    fn from(raw: RawGrantType) -> Self {
        match raw {
            RawGrantType::AuthorizationCode => Self::AuthorizationCode,
            RawGrantType::DeviceCode => Self::DeviceCode,
            RawGrantType::ClientCredentials => Self::ClientCredentials,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::service) enum RawClientAuth {
    /// `client_id` and `client_secret` in the form.
    #[default]
    Body,
    /// HTTP Basic, and neither in the form.
    Basic,
    /// A public client: `client_id` in the form, and no secret.
    None,
}

impl From<RawClientAuth> for ClientAuth {
    fn from(raw: RawClientAuth) -> Self {
        match raw {
            RawClientAuth::Body => Self::Body,
            RawClientAuth::Basic => Self::Basic,
            RawClientAuth::None => Self::None,
        }
    }
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawRefresh {
    /// Endpoint, where it is not the token endpoint.
    #[schemars(regex(pattern = PATH))]
    pub(in crate::service) path: Option<String>,
    /// How the client says who it is there, where it is not as at the token endpoint.
    pub(in crate::service) client_auth: Option<RawClientAuth>,
    /// Fixed parameters, instead of `token_params`.
    pub(in crate::service) params: Option<BTreeMap<String, String>>,
    /// `grant_type` of the request.
    pub(in crate::service) grant_type: Option<String>,
    /// What is presented.
    #[serde(default)]
    pub(in crate::service) credential: RawCredential,
    /// The parameter that holds it.
    pub(in crate::service) param: Option<String>,
    /// Whether a consent's token is exchanged at once for one that lives longer.
    #[serde(default)]
    pub(in crate::service) on_connect: bool,
    /// How long before its end a token is renewed, whether or not anybody asks for it.
    pub(in crate::service) before_seconds: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::service) enum RawCredential {
    /// A refresh token.
    #[default]
    RefreshToken,
    /// The access token itself, which must still live.
    AccessToken,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawDevice {
    /// Device authorization endpoint, on the token host.
    #[schemars(regex(pattern = PATH))]
    pub(in crate::service) path: String,
    /// Fixed parameters of that request.
    #[serde(default)]
    pub(in crate::service) params: BTreeMap<String, String>,
    /// Where the token is then asked for, if not at the token endpoint.
    #[schemars(regex(pattern = PATH))]
    pub(in crate::service) token_path: Option<String>,
    /// `grant_type` of that request.
    pub(in crate::service) grant_type: Option<String>,
    /// The parameter that holds the device code.
    pub(in crate::service) code_param: Option<String>,
    /// How the client says who it is in that request.
    pub(in crate::service) client_auth: Option<RawClientAuth>,
    /// How long to wait between two requests where the answer does not say.
    #[schemars(range(min = 1))]
    pub(in crate::service) interval_seconds: Option<u64>,
    /// In what unit the answer tells its times.
    #[serde(default)]
    pub(in crate::service) answer_unit: RawUnit,
    /// `error` values that mean: not yet.
    #[serde(default = "pending")]
    #[schemars(length(min = 1))]
    pub(in crate::service) pending_errors: BTreeSet<String>,
    /// `error` values that mean: wait longer each time.
    #[serde(default = "slow_down")]
    pub(in crate::service) slow_down_errors: BTreeSet<String>,
    /// `error` values that mean: the person said no.
    #[serde(default = "denied")]
    pub(in crate::service) denied_errors: BTreeSet<String>,
    /// `error` values that mean: too late.
    #[serde(default = "expired")]
    pub(in crate::service) expired_errors: BTreeSet<String>,
    /// `error` values that mean: the account lives in another region.
    #[serde(default)]
    pub(in crate::service) other_region_errors: BTreeSet<String>,
}

fn pending() -> BTreeSet<String> {
    BTreeSet::from(["authorization_pending".to_owned()])
}

fn slow_down() -> BTreeSet<String> {
    BTreeSet::from(["slow_down".to_owned()])
}

fn denied() -> BTreeSet<String> {
    BTreeSet::from(["access_denied".to_owned()])
}

fn expired() -> BTreeSet<String> {
    BTreeSet::from(["expired_token".to_owned()])
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawTokenAnswer {
    /// JSON pointer to the access token.
    #[schemars(regex(pattern = r"^/"))]
    pub(in crate::service) access_token: Option<String>,
    /// JSON pointer to the refresh token.
    #[schemars(regex(pattern = r"^/"))]
    pub(in crate::service) refresh_token: Option<String>,
    /// JSON pointer to the lifetime.
    #[schemars(regex(pattern = r"^/"))]
    pub(in crate::service) expires_in: Option<String>,
    /// What the lifetime counts.
    #[serde(default)]
    pub(in crate::service) expires_unit: RawUnit,
    /// JSON pointer to the granted scopes.
    #[schemars(regex(pattern = r"^/"))]
    pub(in crate::service) scope: Option<String>,
    /// JSON pointer to the error's code; a number counts as its digits.
    #[schemars(regex(pattern = r"^/"))]
    pub(in crate::service) error: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::service) enum RawUnit {
    /// Seconds.
    #[default]
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawBudget {
    /// Calls.
    #[schemars(range(min = 1))]
    pub(in crate::service) calls: u32,
    /// Window in seconds.
    #[schemars(range(min = 1))]
    pub(in crate::service) window_seconds: u64,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawPair {
    /// Name.
    pub(in crate::service) name: String,
    /// Value.
    pub(in crate::service) value: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawRevoke {
    /// Path on the token host.
    #[schemars(regex(pattern = PATH))]
    pub(in crate::service) path: String,
    /// Its method.
    #[serde(default)]
    pub(in crate::service) method: RawRevokeMethod,
    /// Where the token goes.
    #[serde(default)]
    pub(in crate::service) token_in: RawTokenPlace,
    /// Fixed parameters.
    #[serde(default)]
    pub(in crate::service) params: BTreeMap<String, String>,
    /// How the client says who it is, if at all.
    pub(in crate::service) client_auth: Option<RawClientAuth>,
    /// Name of the hint parameter and its value (RFC 7009: `token_type_hint`, `refresh_token`).
    pub(in crate::service) hint: Option<RawPair>,
    /// A status that means: already gone. Without one the answer does not tell.
    pub(in crate::service) gone_status: Option<u16>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::service) enum RawRevokeMethod {
    /// A POST.
    #[default]
    #[serde(rename = "POST")]
    Post,
    /// A DELETE.
    #[serde(rename = "DELETE")]
    Delete,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::service) enum RawTokenPlace {
    /// In the form.
    #[default]
    Body,
    /// In the query, where logs see it.
    Query,
    /// In `Authorization: Bearer`, where the access token revokes itself and all that belongs to it.
    Bearer,
}

/// A service without OAuth: one key, handed out by its console.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawKey {
    /// What the operator is asked for.
    pub(in crate::service) ask: String,
}
