//! Why a permitted request brought no answer for the agent, who can mend it, and what the audit is told.

use wardlock_core::answer::Outcome;
use wardlock_core::refusal::{Code, Refusal};

use crate::client::CallError;
use crate::inject::InjectError;
use crate::oauth::exchange::TokenError;
use crate::route::RouteError;
use crate::scan::ScanError;

/// The step at which refusals of this module say they were made.
const RULE: &str = "egress";

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum SendFault {
    /// The receipt is for another permit. A bug.
    #[error("the receipt is for another permit")]
    OtherReceipt,
    /// The request has no place to go. A bug, or a service definition that does not fit the connection.
    #[error(transparent)]
    Route(RouteError),
    /// The request cannot be rendered. A bug.
    #[error(transparent)]
    Inject(InjectError),
    /// The credential cannot stand in the service's header.
    #[error("the credential cannot stand in the service's header")]
    Credential,
    /// The vault is locked or cannot be read.
    #[error("the vault is locked or cannot be read")]
    VaultLocked,
    /// The grant is gone.
    #[error("the grant is gone")]
    NoGrant,
    /// A new consent took the grant's place after the decision.
    #[error("the grant was renewed after the decision")]
    GrantRenewed,
    /// The grant is for another account, region or environment than the connection.
    #[error("the grant is for another account, region or environment than the connection")]
    OtherAccount,
    /// There is no access token.
    #[error(transparent)]
    Token(TokenError),
    /// The call brought no answer.
    #[error(transparent)]
    Call(CallError),
    /// The answer may not reach the agent.
    #[error(transparent)]
    Scan(ScanError),
}

/// A request that brought no answer for the agent.
#[derive(Debug, thiserror::Error)]
#[error("failed to send")]
pub struct SendError {
    /// What went wrong.
    #[source]
    pub fault: SendFault,
    /// The host that was to be asked; empty where it did not come to that.
    pub host: String,
    /// How often the request was put on the wire, or tried to be.
    pub attempts: u32,
    /// How long it took, microseconds.
    pub micros: u64,
}

impl SendError {
    /// Returns what the audit is told: `aborted` where the request surely was not executed, else `unknown`.
    pub fn outcome(&self) -> Outcome {
        let surely_not = match &self.fault {
            SendFault::Call(error) => error.surely_not_sent(),
            SendFault::Scan(_) => false,
            SendFault::OtherReceipt
            | SendFault::Route(_)
            | SendFault::Inject(_)
            | SendFault::Credential
            | SendFault::VaultLocked
            | SendFault::NoGrant
            | SendFault::GrantRenewed
            | SendFault::OtherAccount
            // A second token is only asked for where the first attempt surely did nothing.
            | SendFault::Token(_) => true,
        };
        if surely_not { Outcome::Aborted } else { Outcome::Unknown }
    }

    /// Returns the code with which an answer that came is kept from the agent.
    pub fn withheld(&self) -> Option<Code> {
        let SendFault::Scan(error) = &self.fault else {
            return None;
        };
        match error {
            ScanError::NotHeld | ScanError::Bomb | ScanError::Encoded | ScanError::Partial => {
                Some(self.refusal().code)
            }
            ScanError::Broken | ScanError::Locked | ScanError::Timeout => None,
        }
    }

    /// Returns what the agent is told.
    pub fn refusal(&self) -> Refusal {
        let new = |code, detail: String| Refusal::new(code, RULE, detail);
        let detail = self.fault.to_string();
        match &self.fault {
            SendFault::OtherReceipt | SendFault::Route(_) | SendFault::Inject(_) | SendFault::Credential => {
                new(Code::Internal, detail)
                    .hint("nothing was sent; the operator finds the cause in Wardlock's log")
            }
            SendFault::VaultLocked => vault_locked(detail),
            SendFault::NoGrant => {
                new(Code::ServiceNotConnected, detail).hint("the operator runs `wardlock connect`")
            }
            SendFault::GrantRenewed => renewed(detail),
            SendFault::OtherAccount => new(Code::TenantMismatch, detail)
                .hint("the operator compares `wardlock connections show` with the workspace file"),
            SendFault::Token(error) => token(error),
            SendFault::Call(error) => call(error, detail),
            SendFault::Scan(error) => scan(*error, detail),
        }
    }
}

fn vault_locked(detail: String) -> Refusal {
    Refusal::new(Code::VaultLocked, RULE, detail)
        .hint("the operator unlocks the vault, or looks at `wardlock doctor`")
}

fn renewed(detail: String) -> Refusal {
    Refusal::new(Code::TokenUnavailable, RULE, detail)
        .hint("nothing was sent; send the request again")
        .retry_after(1)
}

fn token(error: &TokenError) -> Refusal {
    let new = |code| Refusal::new(code, RULE, error.to_string());
    match error {
        TokenError::Throttled { retry_after_seconds } => new(Code::TokenThrottled)
            .hint("nothing was executed; the login lives, and asking sooner does not help")
            .retry_after(seconds(*retry_after_seconds)),
        TokenError::Transient { retry_after_seconds, .. } => new(Code::TokenUnavailable)
            .hint("nothing was executed; the login lives")
            .retry_after(seconds(*retry_after_seconds)),
        TokenError::Reconnect { .. } => new(Code::Reconnect).hint("the operator runs `wardlock connect` again"),
        TokenError::Misconfigured { .. } => new(Code::Misconfigured)
            .hint("the operator compares region, client id and client secret with the provider's console"),
        TokenError::VaultLocked => vault_locked(error.to_string()),
        TokenError::GrantChanged => renewed(error.to_string()),
        TokenError::AuditUnavailable => {
            new(Code::AuditUnavailable).hint("nothing was sent; the operator looks at the disk")
        }
        TokenError::Internal(_) => {
            new(Code::Internal).hint("nothing was sent; the operator finds the cause in Wardlock's log")
        }
    }
}

fn call(error: &CallError, detail: String) -> Refusal {
    match error {
        CallError::HostNotAllowed => Refusal::new(Code::Internal, RULE, detail).hint("nothing was sent"),
        CallError::Unreachable | CallError::Timeout { sent: false } => {
            Refusal::new(Code::UpstreamUnreachable, RULE, detail).hint("nothing was sent")
        }
        CallError::Broken | CallError::Timeout { sent: true } => unknown(detail),
    }
}

fn scan(error: ScanError, detail: String) -> Refusal {
    match error {
        ScanError::Bomb | ScanError::Encoded | ScanError::Partial => {
            Refusal::new(Code::AnswerNotScannable, RULE, detail)
                .hint("the request was sent and answered; only the answer is withheld")
        }
        ScanError::NotHeld => Refusal::new(Code::AnswerNotHeld, RULE, detail),
        ScanError::Broken | ScanError::Locked | ScanError::Timeout => unknown(detail),
    }
}

fn unknown(detail: String) -> Refusal {
    Refusal::new(Code::UpstreamTimeout, RULE, detail)
        .hint("the request may have been executed: look before you send it again")
}

fn seconds(seconds: u64) -> u32 {
    u32::try_from(seconds).unwrap_or(u32::MAX)
}
