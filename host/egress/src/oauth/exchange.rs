//! Reads what a token endpoint says: tokens, or one of four ways to fail, each with somebody who can mend it.

use std::sync::Arc;

use wardlock_core::id::Region;
use wardlock_core::service::{Credential, OAuth, ServiceDefinition};

use crate::oauth::endpoint::{EndpointError, RawAnswer};
use crate::vault::Secret;
use crate::vault::wire::{Expiry, TokenAnswer, parse_token_answer};

/// How long to leave an endpoint alone that failed for now, seconds.
const TRANSIENT_SECONDS: u64 = 5;

/// What is added where a refresh was cut off.
const INTERRUPTED: &str = "; an earlier refresh was cut off before its answer was stored, so the provider may have \
                           replaced the token then";

/// Why there is no access token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The provider, or the budget that the host keeps for it, allows no call now. The grant lives.
    #[error("the provider allows no more token calls for {retry_after_seconds} s")]
    Throttled {
        /// When to try again.
        retry_after_seconds: u64,
    },
    /// The endpoint failed for now. The grant lives.
    #[error("{what}")]
    Transient {
        /// What happened.
        what: &'static str,
        /// When to try again.
        retry_after_seconds: u64,
    },
    /// The login is gone; a person must consent again.
    #[error("the provider no longer accepts the grant (`{code}`){}", if *.interrupted { INTERRUPTED } else { "" })]
    Reconnect {
        /// The provider's code, one of those that the service lists.
        code: String,
        /// Whether an earlier refresh was cut off before its answer was stored.
        interrupted: bool,
    },
    /// The registration or the region is wrong.
    #[error("the provider refuses the registration (`{code}`): {cause}")]
    Misconfigured {
        /// The provider's code, or ours.
        code: String,
        /// The likely cause.
        cause: String,
    },
    /// The vault cannot give what is needed.
    #[error("the vault is locked or cannot be read")]
    VaultLocked,
    /// The grant is gone, or another consent took its place.
    #[error("the grant is gone or was renewed meanwhile")]
    GrantChanged,
    /// The audit cannot record the call, so it was not made.
    #[error("the audit cannot record the token call, so it was not made")]
    AuditUnavailable,
    /// A fault of ours.
    #[error("a fault in egress: {0}")]
    Internal(&'static str),
}

impl TokenError {
    /// Returns a short word for the audit.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Throttled { .. } => "throttled",
            Self::Transient { .. } => "transient",
            Self::Reconnect { .. } => "reconnect",
            Self::Misconfigured { .. } => "misconfigured",
            Self::VaultLocked => "vault_locked",
            Self::GrantChanged => "grant_changed",
            Self::AuditUnavailable => "audit_unavailable",
            Self::Internal(_) => "internal",
        }
    }
}

/// A token call that brought no usable access token.
#[derive(Debug)]
pub(crate) struct Failed {
    pub error: TokenError,
    /// Whether it is known what the provider did: it answered in words that the service knows, or was not reached.
    pub answered: bool,
    /// A refresh token that came in an answer which is not used otherwise.
    pub rotated: Option<Arc<Secret>>,
}

impl Failed {
    /// A failure before anything was sent, or in an answer that leaves no doubt.
    pub fn answered(error: TokenError) -> Self {
        Self { error, answered: true, rotated: None }
    }
}

impl From<EndpointError> for Failed {
    fn from(error: EndpointError) -> Self {
        let answered = match error {
            EndpointError::HostNotAllowed
            | EndpointError::Client
            | EndpointError::NoClientSecret
            | EndpointError::Unreachable => true,
            EndpointError::Broken | EndpointError::Timeout | EndpointError::TooLarge => false,
        };
        Self { error: error.into(), answered, rotated: None }
    }
}

impl From<EndpointError> for TokenError {
    fn from(error: EndpointError) -> Self {
        let what = match error {
            EndpointError::HostNotAllowed => return Self::Internal("a host outside the table"),
            EndpointError::Client => return Self::Internal("the token client cannot be made"),
            EndpointError::NoClientSecret => {
                return Self::Misconfigured {
                    code: "no_client_secret".to_owned(),
                    cause:
                        "the registration has no client secret, and the service's clients say who they are by one"
                            .to_owned(),
                };
            }
            EndpointError::Unreachable => "the token endpoint cannot be reached",
            EndpointError::Broken => "the token endpoint broke the connection",
            EndpointError::Timeout => "the token endpoint did not answer in time",
            EndpointError::TooLarge => "the token endpoint's answer is far too large",
        };
        Self::Transient { what, retry_after_seconds: TRANSIENT_SECONDS }
    }
}

/// What a successful token answer holds.
pub(crate) struct Tokens {
    pub access: Arc<Secret>,
    /// What renews it next time, where that is new: there on an exchange, where the provider rotates, and where the access
    /// token renews itself.
    pub refresh: Option<Arc<Secret>>,
    pub lifetime_seconds: u64,
    pub scope: Option<String>,
    /// The API host that the answer names, if it names one.
    pub api_host: Option<String>,
    /// Its environment.
    pub environment: Option<String>,
}

/// Reads an answer. The status decides nothing: Zoho sends errors with 200.
pub(crate) fn read(service: &ServiceDefinition, region: &Region, raw: RawAnswer) -> Result<Tokens, Failed> {
    let RawAnswer { status, retry_after, body } = raw;
    let mut answer = parse_token_answer(body, &service.oauth.answer);
    if let Some(error) = failure(&service.oauth, status, retry_after, &answer) {
        let told = answer.error.is_some() || matches!(error, TokenError::Throttled { .. });
        // An answer without an error that still brings a refresh token has replaced the old one.
        let rotated = answer.refresh_token.take().filter(|_| !told).map(Arc::new);
        return Err(Failed { error, answered: told || rotated.is_some(), rotated });
    }
    let host = match api_host(service, region, &answer) {
        Ok(host) => host,
        Err(error) => {
            return Err(Failed { error, answered: true, rotated: answer.refresh_token.map(Arc::new) });
        }
    };
    let (api_host, environment) = host.unzip();
    let lifetime_seconds = lifetime(&service.oauth, answer.expires_in);
    let TokenAnswer { access_token, refresh_token, scope, .. } = answer;
    let refresh = refresh_token.map(Arc::new);
    let Some(access) = access_token.map(Arc::new) else {
        return Err(Failed { error: garbage(retry_after), answered: false, rotated: refresh });
    };
    let refresh = match service.oauth.refresh.credential {
        Credential::RefreshToken => refresh,
        Credential::AccessToken => Some(Arc::clone(&access)),
    };
    Ok(Tokens { access, refresh, lifetime_seconds, scope, api_host, environment })
}

/// Returns how an answer fails. What the service does not list is transient: no grant is given up on a guess.
fn failure(oauth: &OAuth, status: u16, retry_after: Option<u64>, answer: &TokenAnswer) -> Option<TokenError> {
    let transient =
        |what| TokenError::Transient { what, retry_after_seconds: retry_after.unwrap_or(TRANSIENT_SECONDS) };
    let marked = oauth.throttle_marker.as_ref().is_some_and(|(field, value)| answer.text(field) == Some(value));
    let has_token = answer.is_json && answer.access_token.is_some();
    if status == 429 || (marked && !has_token) {
        return Some(TokenError::Throttled { retry_after_seconds: retry_after.unwrap_or(oauth.throttle_seconds) });
    }
    if let Some(error) = &answer.error {
        if oauth.reconnect_errors.contains(error) {
            return Some(TokenError::Reconnect { code: error.clone(), interrupted: false });
        }
        if let Some(cause) = oauth.misconfigured_errors.get(error) {
            return Some(TokenError::Misconfigured { code: error.clone(), cause: cause.clone() });
        }
        if oauth.transient_errors.contains(error) {
            return Some(transient("the token endpoint says that it failed for now"));
        }
        return Some(transient("the token endpoint answered with an error that the service does not list"));
    }
    if has_token {
        return None;
    }
    Some(if status >= 500 { transient("the token endpoint is out of order") } else { garbage(retry_after) })
}

fn garbage(retry_after: Option<u64>) -> TokenError {
    TokenError::Transient {
        what: "the token endpoint's answer cannot be read",
        retry_after_seconds: retry_after.unwrap_or(TRANSIENT_SECONDS),
    }
}

fn lifetime(oauth: &OAuth, expires_in: Expiry) -> u64 {
    match expires_in {
        Expiry::Seconds(seconds) => seconds.min(oauth.max_lifetime_seconds),
        Expiry::Absent | Expiry::Absurd => oauth.default_lifetime_seconds,
    }
}

/// Returns the API host that the answer names, with its environment. It may only select a row: a host outside the
/// table, or of another region, ends it here.
fn api_host(
    service: &ServiceDefinition,
    region: &Region,
    answer: &TokenAnswer,
) -> Result<Option<(String, String)>, TokenError> {
    let named = service.oauth.token_api_host_field.as_deref().and_then(|field| answer.text(field));
    let Some(named) = named else {
        return Ok(None);
    };
    let host = named.strip_prefix("https://").map(|host| host.strip_suffix('/').unwrap_or(host));
    let row = host.and_then(|host| Some((host, service.region_of_host(host)?)));
    match row {
        Some((host, (found, Some(environment)))) if found == region => {
            Ok(Some((host.to_owned(), environment.to_owned())))
        }
        Some((_, (found, Some(_)))) => Err(TokenError::Misconfigured {
            code: "foreign_region".to_owned(),
            cause: format!(
                "the token is for region `{found}`, but the connection says `{region}`: set `region = \"{found}\"` and \
                 connect again"
            ),
        }),
        Some((_, (_, None))) | None => Err(TokenError::Misconfigured {
            code: "foreign_host".to_owned(),
            cause:
                "the token answer names an API host that is not in the service's table, so the token is not used"
                    .to_owned(),
        }),
    }
}
