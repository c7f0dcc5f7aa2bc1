//! How a service gives and takes back consent, and how the account behind it is looked up.

use std::collections::{BTreeMap, BTreeSet};

use super::ScopeNeed;

/// OAuth endpoints and the provider's quirks.
#[derive(Debug, Clone, PartialEq)]
pub struct OAuth {
    /// How a credential may be got; the first is taken unless the operator says otherwise.
    pub grants: Vec<GrantType>,
    /// Authorization endpoint, on the region's accounts host; empty where no grant type has one.
    pub authorize_path: String,
    /// Token endpoint, on the region's token host.
    pub token_path: String,
    /// How the client says who it is at the token endpoint.
    pub client_auth: ClientAuth,
    /// Fixed parameters of every call of the token endpoint.
    pub token_params: BTreeMap<String, String>,
    /// How a token is renewed.
    pub refresh: Renewal,
    /// The device flow, where the provider has one.
    pub device: Option<DeviceFlow>,
    /// Fixed parameters of a client-credentials request besides `token_params`.
    pub client_credentials_params: BTreeMap<String, String>,
    /// Where a token answer holds what.
    pub answer: TokenPaths,
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
    /// Whether the redirect URI of a registration may be used with any port of loopback (RFC 8252 section 7.3).
    pub any_loopback_port: bool,
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

impl OAuth {
    /// Returns what stands in the place of OAuth where a service has one key for ever: no token is ever asked for.
    pub(super) fn of_key() -> Self {
        Self {
            grants: vec![GrantType::Key],
            authorize_path: String::new(),
            token_path: String::new(),
            client_auth: ClientAuth::None,
            token_params: BTreeMap::new(),
            refresh: Renewal::by_refresh_token(),
            device: None,
            client_credentials_params: BTreeMap::new(),
            answer: TokenPaths::default(),
            revoke: Vec::new(),
            authorize_params: BTreeMap::new(),
            scopes: BTreeSet::new(),
            scope_separator: " ".to_owned(),
            scope_separators_in_answer: vec![' '],
            pkce: false,
            any_loopback_port: false,
            callback_region_param: None,
            callback_accounts_param: None,
            token_api_host_field: None,
            default_lifetime_seconds: KEY_LIFETIME_SECONDS,
            max_lifetime_seconds: KEY_LIFETIME_SECONDS,
            budget: Budget { calls: 1, window_seconds: 1 },
            reconnect_errors: BTreeSet::new(),
            misconfigured_errors: BTreeMap::new(),
            transient_errors: BTreeSet::new(),
            throttle_marker: None,
            throttle_seconds: 1,
            max_live_grants: None,
            revoking_spares_other_grants: true,
        }
    }

    /// Returns whether a credential may be got in this way.
    pub fn allows(&self, grant: GrantType) -> bool {
        self.grants.contains(&grant)
    }

    /// Returns whether the service has one key for ever instead of tokens.
    pub fn is_key(&self) -> bool {
        self.allows(GrantType::Key)
    }

    /// Returns whether a client needs a secret: where it never says who it is by one, there is none to ask for.
    pub fn needs_client_secret(&self) -> bool {
        let device = self.device.as_ref().is_some_and(|device| device.client_auth != ClientAuth::None);
        !self.is_key()
            && (self.client_auth != ClientAuth::None || self.refresh.client_auth != ClientAuth::None || device)
    }
}

/// A key has no lifetime; this is how long one is held in memory before it is taken from the vault again.
const KEY_LIFETIME_SECONDS: u64 = 24 * 60 * 60;

/// How a credential is got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GrantType {
    /// A person consents in a browser (RFC 6749 section 4.1).
    AuthorizationCode,
    /// A person consents on another device (RFC 8628, and Zoho's variant).
    DeviceCode,
    /// The client asks for itself (RFC 6749 section 4.4): nobody consents, and there is no refresh token.
    ClientCredentials,
    /// The operator enters a key that the provider's console handed out.
    Key,
}

impl GrantType {
    /// Returns the word used in definitions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::DeviceCode => "device_code",
            Self::ClientCredentials => "client_credentials",
            Self::Key => "key",
        }
    }
}

/// How a client says who it is (RFC 6749 section 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// `client_id` and `client_secret` in the form.
    Body,
    /// HTTP Basic, and neither in the form.
    Basic,
    /// A public client: `client_id` in the form, and no secret.
    None,
}

/// What renews an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// A refresh token.
    RefreshToken,
    /// The access token itself, which must still live (Meta).
    AccessToken,
}

/// How a token is renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    /// Endpoint, where it is not the token endpoint.
    pub path: Option<String>,
    /// How the client says who it is there.
    pub client_auth: ClientAuth,
    /// Fixed parameters, instead of [`OAuth::token_params`].
    pub params: Option<BTreeMap<String, String>>,
    /// `grant_type` of the request.
    pub grant_type: String,
    /// What is presented.
    pub credential: Credential,
    /// The parameter that holds it.
    pub param: String,
    /// Whether a consent's token is exchanged at once for one that lives longer (Meta).
    pub on_connect: bool,
    /// How long before its end a token is renewed, seconds, whether or not anybody asks for it. `None`: shortly before, and
    /// only when it is wanted.
    pub before_seconds: Option<u64>,
}

impl Renewal {
    /// RFC 6749 section 6.
    fn by_refresh_token() -> Self {
        Self {
            path: None,
            client_auth: ClientAuth::None,
            params: None,
            grant_type: "refresh_token".to_owned(),
            credential: Credential::RefreshToken,
            param: "refresh_token".to_owned(),
            on_connect: false,
            before_seconds: None,
        }
    }
}

/// The device flow: RFC 8628, or the provider's own words for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceFlow {
    /// Device authorization endpoint, on the token host.
    pub path: String,
    /// Fixed parameters of that request.
    pub params: BTreeMap<String, String>,
    /// Where the token is then asked for, on the token host, if not at the token endpoint.
    pub token_path: Option<String>,
    /// `grant_type` of that request.
    pub grant_type: String,
    /// The parameter that holds the device code.
    pub code_param: String,
    /// How the client says who it is, in that request.
    pub client_auth: ClientAuth,
    /// How long to wait between two requests where the answer does not say, seconds (RFC 8628 section 3.2: 5).
    pub interval_seconds: u64,
    /// Whether the answer's `interval` and `expires_in` are in milliseconds (Zoho), against RFC 8628.
    pub answer_in_milliseconds: bool,
    /// `error` values that mean: not yet.
    pub pending_errors: BTreeSet<String>,
    /// `error` values that mean: wait five seconds longer each time (RFC 8628 section 3.5).
    pub slow_down_errors: BTreeSet<String>,
    /// `error` values that mean: the person said no.
    pub denied_errors: BTreeSet<String>,
    /// `error` values that mean: too late.
    pub expired_errors: BTreeSet<String>,
    /// `error` values that mean: the account lives in another region.
    pub other_region_errors: BTreeSet<String>,
}

/// Where a token answer holds what: JSON pointers; `None`: the member that RFC 6749 section 5.1 names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenPaths {
    /// To the access token (Slack: `/authed_user/access_token`).
    pub access_token: Option<String>,
    /// To the refresh token.
    pub refresh_token: Option<String>,
    /// To the lifetime.
    pub expires_in: Option<String>,
    /// Whether the lifetime is in milliseconds.
    pub expires_in_milliseconds: bool,
    /// To the granted scopes.
    pub scope: Option<String>,
    /// To the error's code (Meta: `/error/code`).
    pub error: Option<String>,
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
    /// Whether it is a DELETE (Meta) and not a POST.
    pub is_delete: bool,
    /// Where the token goes.
    pub token_in: TokenPlace,
    /// Fixed parameters.
    pub params: BTreeMap<String, String>,
    /// How the client says who it is, if at all.
    pub client_auth: Option<ClientAuth>,
    /// Name of the hint parameter and its value, if any.
    pub hint: Option<(String, String)>,
    /// A status that means: already gone. Without one the answer does not tell (RFC 7009 section 2.2: 200 for any token).
    pub gone_status: Option<u16>,
}

/// Where the token stands in a revocation request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenPlace {
    /// In the form.
    Body,
    /// In the query (Zoho's classic form).
    Query,
    /// In `Authorization: Bearer`, where the access token revokes itself and all that belongs to it (Meta).
    Bearer,
}

/// Whose id a connection's tenant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantOf {
    /// The account's that consented: one grant, one tenant.
    Grant,
    /// One of the accounts that the login reaches: the workspace file names it, and every request is pinned to it.
    Connection,
}

/// A place in a request where the tenant's id stands, and must be the connection's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pin {
    /// A path parameter.
    Path(String),
    /// A query parameter, which the host sets; an agent may say the same or nothing.
    Query(String),
    /// A header, in lower case, which the host sets; an agent may say the same or nothing.
    Header(String),
    /// A body member by JSON pointer, `*` standing for any. Names are compared loosely. What is there must be the tenant.
    Body(String),
    /// A text before an id (`customers/`): wherever it stands in path, query or body, the tenant's id follows.
    Text(String),
    /// Fields of the GAQL query in a body member: compared only with the tenant's id.
    Gaql {
        /// Body member.
        member: String,
        /// Field names.
        fields: BTreeSet<String>,
    },
}

/// How the account behind a grant is looked up after consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantLookup {
    /// Whose id a connection's tenant is.
    pub of: TenantOf,
    /// Where requests name it.
    pub pins: Vec<Pin>,
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
