//! Why an account was not connected, and how to mend it. Nothing was stored.

use wardlock_core::id::{GrantName, ServiceName};

use crate::egress::EgressError;
use crate::oauth::callback::CallbackProblem;
use crate::oauth::connect::DeviceProblem;
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
    /// The provider keeps only so many grants of one person, and would drop the oldest.
    #[error(
        "{live} grants of this person live under the registration, and the provider keeps {most}: one more makes it \
         drop the oldest{}, even if it is in use", .oldest.as_ref().map(|grant| format!(" (`{grant}`)")).unwrap_or_default()
    )]
    Full {
        /// How many live now.
        live: usize,
        /// How many the provider keeps.
        most: usize,
        /// The oldest one, where it is stored.
        oldest: Option<GrantName>,
    },
    /// The browser did not come back in time.
    #[error("nobody came back from the provider's page within ten minutes")]
    TimedOut,
    /// Nobody opened the invitation in time.
    #[error("nobody used the invitation before it ended")]
    InviteEnded,
    /// The callback stopped before the exchange.
    #[error("{0}")]
    Callback(CallbackProblem),
    /// The code could not be exchanged.
    #[error("{0}")]
    Exchange(TokenError),
    /// A pasted refresh token brought no access token.
    #[error("{0}")]
    Pasted(TokenError),
    /// The device flow ended without a token.
    #[error("{0}")]
    Device(DeviceProblem),
    /// There is no refresh token.
    #[error("the provider gave no refresh token, so the login would end within the hour")]
    NoRefreshToken {
        /// How many grants of one person the provider keeps, where it is known.
        most: Option<u32>,
    },
    /// The account could not be looked up.
    #[error("{0}")]
    Lookup(LookupError),
    /// The consent is for another environment.
    #[error("the login is for environment `{found}`, but the connection says `{expected}`")]
    Environment {
        /// The connection's.
        expected: String,
        /// The consent's.
        found: String,
    },
    /// The consent is for another account.
    #[error("the login is for account `{found}` ({label}), but the connection is pinned to `{expected}`")]
    Tenant {
        /// The pinned one.
        expected: String,
        /// The one that was found.
        found: String,
        /// Its name.
        label: String,
    },
    /// The consent is for another account than the one that was named.
    #[error("the login is for account `{found}` ({label}), but `--tenant` says `{asked}`")]
    NotAsked {
        /// The one that was named.
        asked: String,
        /// The one that was found.
        found: String,
        /// Its name.
        label: String,
    },
    /// The grant that is there is for another account, and nobody named the new one.
    #[error(
        "grant `{grant}` is for account `{pinned}` of `{service}`, and this would put account `{found}` ({label}) in its place"
    )]
    OtherAccount {
        /// The grant.
        grant: GrantName,
        /// The service that calls it so.
        service: ServiceName,
        /// The account that it is for.
        pinned: String,
        /// The one that would be in its place.
        found: String,
        /// Its name.
        label: String,
        /// By which id `--tenant` would name it, where this connection's service has one account a login.
        name: Option<String>,
    },
    /// The service that pinned the grant that is there does not say whose the new one is.
    #[error(
        "grant `{grant}` is for account `{pinned}` of `{service}`, and `{service}` does not say whose account this is"
    )]
    Unconfirmed {
        /// The grant.
        grant: GrantName,
        /// The service that pinned it.
        service: ServiceName,
        /// The account that it is for.
        pinned: String,
        /// By which id `--tenant` would name the new one, likewise.
        name: Option<String>,
    },
    /// There is no grant that waits for its look-up.
    #[error("grant `{0}` does not wait for its account to be looked up")]
    NotUnpinned(GrantName),
    /// The audit cannot record, so nothing is called.
    #[error("the audit cannot record, so the provider was not called")]
    AuditUnavailable,
}

impl ConnectError {
    /// Returns a short word for the audit.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Exchange(error) => error.word(),
            Self::Device(DeviceProblem::Denied) => "denied",
            Self::Device(DeviceProblem::Expired) => "expired",
            Self::Device(DeviceProblem::OtherRegion) => "other_region",
            _ => "failed",
        }
    }

    /// Says how to mend it.
    pub fn hint(&self) -> String {
        let text = match self {
            Self::Vault(error) => return error.hint().unwrap_or_else(|| "look at `wardlock doctor`".to_owned()),
            Self::Callback(problem) => return problem.hint(),
            Self::Pasted(TokenError::Reconnect { .. }) => {
                "the token was revoked, is no refresh token, or belongs to another client or data centre: make a new one"
            }
            Self::Exchange(error) | Self::Pasted(error) => return exchange_hint(error),
            Self::OtherService { .. } => "choose a registration of this service: `wardlock registration list`",
            Self::RedirectUri { ours, .. } => {
                return format!(
                    "register `{ours}` in the provider's console and store the registration anew; it must be equal to \
                     the letter"
                );
            }
            Self::Consent(_) => "look at the service definition: `wardlock service check`",
            Self::Full { .. } => {
                "`wardlock disconnect` a grant that is not needed, have the person remove some in the provider's list of \
                 connected apps, or accept it with `--evict-oldest`"
            }
            Self::Device(DeviceProblem::None) => {
                "connect without `--device`, or add `[oauth.device]` to the service's definition"
            }
            Self::Device(DeviceProblem::NoCode(_)) => {
                "look at what the provider's console says of the client: it must be one for devices"
            }
            Self::Device(DeviceProblem::Denied | DeviceProblem::Expired) => "run the command again",
            Self::Device(DeviceProblem::OtherRegion) => {
                "set `region` in the workspace file to where the account lives, reload, and connect again"
            }
            Self::InviteEnded => "make another with `wardlock connect --invite`",
            Self::NotUnpinned(_) => "`wardlock grants` shows the state of each",
            Self::TimedOut => {
                "start again with `wardlock connect`; an error page of the provider's never comes back here"
            }
            Self::NoRefreshToken { most } => {
                let kept = most.map(|most| format!(" ({most} a person)")).unwrap_or_default();
                return format!(
                    "the authorization must ask for offline access and for consent again (`access_type=offline` and \
                     `prompt=consent` in the service's authorize parameters), and the client must be of the \
                     server type. If all that is so, the person may have more live grants than the provider keeps{kept}: \
                     remove some in its list of connected apps. Then start again"
                );
            }
            Self::Lookup(_) => "start again; if it stays, the user may lack the right to use the provider's API",
            Self::Environment { found, .. } => {
                return format!("set `environment = \"{found}\"`, or choose the other one on the consent page");
            }
            Self::Tenant { found, .. } => {
                return format!("log in as a user of the pinned account, or set `tenant = \"{found}\"`");
            }
            Self::NotAsked { asked, .. } => {
                return format!("log in as a user of account `{asked}`, or name the other one");
            }
            Self::OtherAccount { service, pinned, found, name, .. } => {
                let say_so = match name {
                    Some(name) => format!("say so with `--tenant {name}`"),
                    None => format!("connect by a connection of `{service}`, with `--tenant {found}`"),
                };
                return format!(
                    "log in as a user of account `{pinned}`. If every connection of this grant shall serve the other one from now on, {say_so}"
                );
            }
            Self::Unconfirmed { service, name, .. } => {
                let all_the_same = match name {
                    Some(name) => format!("say `--tenant {name}` if it shall take the place all the same"),
                    None => format!("connect by a connection of `{service}`"),
                };
                return format!(
                    "start again once `{service}` answers, with a connection of it in the workspace files and its scopes agreed to; or \
                     {all_the_same}"
                );
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

impl From<EgressError> for ConnectError {
    fn from(error: EgressError) -> Self {
        match error {
            EgressError::Vault(error) => Self::Vault(error),
            EgressError::AuditUnavailable => Self::AuditUnavailable,
            EgressError::NotProved { error, .. } => Self::Exchange(error),
            EgressError::Internal => Self::Exchange(TokenError::Internal("a call on the vault ended early")),
        }
    }
}
