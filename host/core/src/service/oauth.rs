//! How a service gives and takes back consent, and how the account behind it is looked up.

use std::collections::{BTreeMap, BTreeSet};

use super::ScopeNeed;

/// OAuth endpoints and the provider's quirks.
#[derive(Debug, Clone, PartialEq)]
pub struct OAuth {
    /// Authorization endpoint, on the region's accounts host.
    pub authorize_path: String,
    /// Token endpoint, for code exchange and refresh, on the region's token host.
    pub token_path: String,
    /// How the client says who it is at the token endpoint.
    pub client_auth: ClientAuth,
    /// Fixed parameters of every call of the token endpoint.
    pub token_params: BTreeMap<String, String>,
    /// Revocation endpoints to try in order, on the region's token host.
    pub revoke: Vec<RevokeForm>,
    /// Fixed parameters of the authorization request (`access_type=offline`).
    pub authorize_params: BTreeMap<String, String>,
    /// Scopes that every consent asks for, besides what its operations need (`offline_access`, without which some providers give
    /// no refresh token).
    pub scopes: BTreeSet<String>,
    /// Between scopes in the authorization request.
    pub scope_separator: String,
    /// Characters that may separate scopes in a token answer.
    pub scope_separators_in_answer: Vec<char>,
    /// Whether PKCE S256 is sent.
    pub pkce: bool,
    /// Callback parameter that names the region row (`location`).
    pub callback_region_param: Option<String>,
    /// Callback parameter that names the accounts server; it may only select a row.
    pub callback_accounts_param: Option<String>,
    /// Token-answer field that names the API host; it may only select a row.
    pub token_api_host_field: Option<String>,
    /// Lifetime assumed where the answer names none, seconds.
    pub default_lifetime_seconds: u64,
    /// Lifetimes beyond this are cut to it, seconds.
    pub max_lifetime_seconds: u64,
    /// How many token calls per window the provider allows, per grant.
    pub budget: Budget,
    /// `error` values that mean: the login is gone, a person must connect again.
    pub reconnect_errors: BTreeSet<String>,
    /// `error` values that mean: the registration or the region is wrong; value → likely cause in plain words.
    pub misconfigured_errors: BTreeMap<String, String>,
    /// `error` values that mean: try again later.
    pub transient_errors: BTreeSet<String>,
    /// A field and value that mean: throttled, whatever the (translated) text says.
    pub throttle_marker: Option<(String, String)>,
    /// How long a throttle lasts when the provider does not say, seconds.
    pub throttle_seconds: u64,
    /// How many live grants per user the provider keeps before it drops the oldest.
    pub max_live_grants: Option<u32>,
    /// Whether revoking one refresh token leaves the user's other grants of the client alive (Zoho). Where it does not
    /// (Google ends them all), a grant that is replaced is not revoked.
    pub revoking_spares_other_grants: bool,
}

/// How a client with a secret says who it is (RFC 6749 section 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// `client_id` and `client_secret` in the form.
    Body,
    /// HTTP Basic, and neither in the form.
    Basic,
}

/// A number of calls per window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Calls.
    pub calls: u32,
    /// Window in seconds.
    pub window_seconds: u64,
}

/// One form of revocation request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokeForm {
    /// Path on the token host.
    pub path: String,
    /// Where the token goes: form body, or query (Zoho's classic form).
    pub token_in_query: bool,
    /// How the client says who it is, if at all.
    pub client_auth: Option<ClientAuth>,
    /// Name of the hint parameter and its value, if any.
    pub hint: Option<(String, String)>,
    /// A status that means: already gone. Without one the answer does not tell (RFC 7009 section 2.2: 200 for any token).
    pub gone_status: Option<u16>,
}

/// How the account behind a grant is looked up after consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantLookup {
    /// Role of the host.
    pub host: String,
    /// Path of the GET.
    pub path: String,
    /// JSON pointer to the id that `tenant` pins (Zoho: `/org/0/zgid`).
    pub id_pointer: String,
    /// JSON pointer to the name shown to people.
    pub label_pointer: String,
    /// JSON pointer to the environment's name in the answer, with its values by our environment names.
    pub environment_pointer: Option<String>,
    /// Answer's value → environment (`Production` → `production`).
    pub environments: BTreeMap<String, String>,
    /// Scopes that the look-up needs: any one of the lists.
    pub scopes: ScopeNeed,
}

/// How the person who consented is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserLookup {
    /// Role of the host.
    pub host: String,
    /// Path and query of the GET.
    pub target: String,
    /// JSON pointer to the provider's id of the user.
    pub id_pointer: String,
    /// Scopes that the look-up needs: any one of the lists. It is left out where they were not granted.
    pub scopes: ScopeNeed,
}
