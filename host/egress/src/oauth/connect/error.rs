//! Why an account was not connected, and how to mend it. Nothing was stored.

use crate::oauth::callback::CallbackProblem;
use crate::oauth::consent::ConsentError;
use crate::oauth::exchange::TokenError;
use crate::oauth::tenant::LookupError;
use crate::vault::VaultError;

/// Why an account was not connected. Nothing was stored; an earlier grant of the name is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The vault has no such registration, or cannot be read.
    #[error(transparent)]
    Vault(VaultError),
    /// The registration is for another service.
    #[error("the registration is for service `{registered}`")]
    OtherService {
        /// The service of the registration.
        registered: String,
    },
    /// The registration has another redirect URI than this home listens on.
    #[error("the registration has the redirect URI `{registered}`, but this home listens on `{ours}`")]
    RedirectUri {
        /// The one that is registered.
        registered: String,
        /// The one that is listened on.
        ours: String,
    },
    /// The consent cannot begin.
    #[error(transparent)]
    Consent(#[from] ConsentError),
    /// The browser did not come back in time.
    #[error("nobody came back from the provider's page within ten minutes")]
    TimedOut,
    /// The callback stopped before the exchange.
    #[error("{0}")]
    Callback(CallbackProblem),
    /// The code could not be exchanged.
    #[error("{0}")]
    Exchange(TokenError),
    /// There is no refresh token.
    #[error("the provider gave no refresh token, so the login would end within the hour")]
    NoRefreshToken,
    /// The account could not be looked up.
    #[error("{0}")]
    Lookup(LookupError),
    /// The consent is for another environment.
    #[error("the consent is for environment `{found}`, but the connection says `{expected}`")]
    Environment {
        /// The connection's.
        expected: String,
        /// The consent's.
        found: String,
    },
    /// The consent is for another account.
    #[error("the consent is for account `{found}` ({label}), but the connection is pinned to `{expected}`")]
    Tenant {
        /// The pinned one.
        expected: String,
        /// The one that was found.
        found: String,
        /// Its name.
        label: String,
    },
    /// The audit cannot record, so nothing is called.
    #[error("the audit cannot record, so the provider was not called")]
    AuditUnavailable,
}

impl ConnectError {
    /// Says how to mend it.
    pub fn hint(&self) -> String {
        let text = match self {
            Self::Vault(error) => return error.hint().unwrap_or_else(|| "look at `wardlock doctor`".to_owned()),
            Self::Callback(problem) => return problem.hint(),
            Self::Exchange(error) => return exchange_hint(error),
            Self::OtherService { .. } => "choose a registration of this service: `wardlock registration list`",
            Self::RedirectUri { ours, .. } => {
                return format!(
                    "register `{ours}` in the provider's console and store the registration anew; it must be equal to \
                     the letter"
                );
            }
            Self::Consent(_) => "look at the service definition: `wardlock service check`",
            Self::TimedOut => {
                "start again with `wardlock connect`; an error page of the provider's never comes back here"
            }
            Self::NoRefreshToken => {
                "the authorization must ask for offline access and for consent again (`access_type=offline`, \
                 `prompt=consent` in the service's authorize parameters), and the client must be of the server type; \
                 then start again"
            }
            Self::Lookup(_) => "start again; if it stays, the user may lack the right to use the provider's API",
            Self::Environment { found, .. } => {
                return format!("set `environment = \"{found}\"`, or choose the other one on the consent page");
            }
            Self::Tenant { found, .. } => {
                return format!("log in as a user of the pinned account, or set `tenant = \"{found}\"`");
            }
            Self::AuditUnavailable => "look at the disk: nothing is sent until the audit can be written",
        };
        text.to_owned()
    }
}

fn exchange_hint(error: &TokenError) -> String {
    match error {
        TokenError::Throttled { retry_after_seconds } => format!("wait {retry_after_seconds} s and start again"),
        TokenError::Transient { .. } => "start again in a minute".to_owned(),
        TokenError::Reconnect { .. } => "the code was used or too old: start again".to_owned(),
        TokenError::Misconfigured { .. } => {
            "look at the region and at the registration's client id and secret, which may differ per region"
                .to_owned()
        }
        TokenError::VaultLocked | TokenError::GrantChanged => {
            "look at `wardlock doctor` and start again".to_owned()
        }
        TokenError::AuditUnavailable => {
            "look at the disk: nothing is sent until the audit can be written".to_owned()
        }
        TokenError::Internal(_) => "this is a fault of Wardlock's: please report it".to_owned(),
    }
}
