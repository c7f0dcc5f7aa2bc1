//! What to do about each code, where the refusal itself says nothing more particular.

use super::Code;

impl Code {
    /// Returns how whoever can mend it does so, as one part of a sentence.
    pub fn usual_hint(self) -> &'static str {
        match self {
            Self::BadRequest => "send plain HTTP/1.1 with every header once, as an ordinary client library does",
            Self::NotCanonical => {
                "write target, query and body in their plain form: no empty or dot segments, every escape once, \
                 every name once"
            }
            Self::HostNotAllowed => "call the address that `wardlock serve` names",
            Self::BrowserRefused => "call from a program, without `Origin` and `Sec-Fetch-…` headers",
            Self::Unauthenticated => "send the token that `wardlock agent add` printed",
            Self::HeadTooLarge => "send fewer or shorter headers, and a shorter target",
            Self::BodyTooLarge => "send less at once, or ask the operator, who sets the limit in wardlock.toml",
            Self::RequestTimeout => "send the whole request without pauses",
            Self::BodyType => "send the body and the content type that the operation takes",
            Self::SecretInRequest => "agents never need a credential here; take it out",
            Self::WorkspaceMismatch => "call the workspace that this agent's token belongs to",
            Self::Frozen => "ask the operator; nothing was sent",
            Self::NotFound => "compare the path with the documentation",
            Self::UnknownConnection => "call `/{workspace}/{connection}/{path as upstream}`",
            Self::ConnectionClosed => "the operator mends it and runs `wardlock reload`",
            Self::ServiceNotConnected | Self::TenantMismatch | Self::Reconnect => {
                "the operator runs `wardlock connect`"
            }
            Self::UnknownOperation => "`wardlock service show` lists the operations that are known",
            Self::OperationNotAllowed | Self::ResourceNotAllowed => {
                "ask for something else, or ask the operator to allow it in the workspace file"
            }
            Self::NotASelect => {
                "write the query as one SELECT; records are changed by the service's own calls for that"
            }
            Self::WritesOff => "only the operator can enable writes; reading is allowed",
            Self::QueryNotAllowed => "leave the parameter out",
            Self::NoPolicy => "the operator adds a plugin to the connection",
            Self::PolicyDenied => "ask for less, or ask the operator what this plugin is there for",
            Self::PluginTimeout => "the operator looks at the plugin; its limit is `time` in its `limits`",
            Self::PluginMemory => "the operator looks at the plugin; its limit is `memory` in its `limits`",
            Self::PluginTrap | Self::PluginNonsense => "the operator has the plugin's author mend it",
            Self::PluginLost => {
                "try again; where it happens again, the operator looks at the plugin and at Wardlock's log"
            }
            Self::PluginFailed => "the operator looks at Wardlock's log, and at the plugin",
            Self::PluginTripped => {
                "the operator looks at the plugin's faults in the audit; one that recovers is run again"
            }
            Self::QuotaUnavailable => "nothing was sent; the operator looks at the disk",
            Self::DayLimitReached => "nothing was sent; sent again, it is held for a person",
            Self::EnvelopeMalformed => {
                "write each part with the members that the service's definition names, or send the requests one by one"
            }
            Self::EnvelopeReference => "send the requests one by one, each with what the one before was answered",
            Self::EnvelopeNested => "write its parts beside the others",
            Self::EnvelopeShaped => "send the requests one by one",
            Self::EnvelopeUnjudgeable => "send the requests one by one: their answers are judged then",
            Self::ShapeWidened => "the operator mends the plugin or its settings; asking for less may pass",
            Self::Held => {
                "an operator approves or rejects it; ask the draft's URL what became of it, and do not send it again"
            }
            Self::DraftUnavailable => {
                "nothing was stored or sent; the operator looks at the drafts that wait, and at the disk"
            }
            Self::TooManyDrafts => {
                "nothing was stored or sent; the operator approves or rejects those of this agent that wait"
            }
            Self::DraftRejected | Self::DraftExpired => "ask the operator before sending it again",
            Self::AnswerGone => "it was sent, so do not send it again; look at the provider what it came to",
            Self::ChangedSinceApproval => "nothing was sent; send the request again to have it held as it is now",
            Self::AuditUnavailable | Self::VaultLocked => "the operator runs `wardlock doctor`",
            Self::Misconfigured => "the operator compares region and client with the provider's console",
            Self::TokenThrottled | Self::TokenUnavailable => "nothing was executed; try again later",
            Self::UpstreamUnreachable => "try again later",
            Self::UpstreamTimeout | Self::OutcomeUnknown => "look whether it was executed before sending it again",
            Self::AnswerNotScannable => "ask for another form of answer, or for less",
            Self::AnswerDenied => {
                "the request was sent, so do not send it again; ask for less, or ask the operator"
            }
            Self::AnswerUnjudged => {
                "the request was sent, so do not send it again; the operator looks at the plugin and Wardlock's log"
            }
            Self::AnswerNotHeld => "the request was sent; where it only reads, ask for less at once",
            Self::DryRun => "send it without `Wardlock-Dry-Run` to have it done",
            Self::RateLimited => "send less often, and wait as long as `Retry-After` says",
            Self::EnvelopeTooLong | Self::PluginBusy | Self::UpstreamBusy | Self::Overloaded => {
                "send fewer at once"
            }
            Self::Internal => "the operator finds the cause in Wardlock's log",
        }
    }
}
