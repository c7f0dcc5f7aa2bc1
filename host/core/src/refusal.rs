//! Every way in which the host says no: code, status, who can mend it.

mod remedy;

use serde_json::{Map, Value, json};

use crate::service::RefusalShape;

/// Who can mend a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// The agent, by asking differently.
    Agent,
    /// The operator.
    Operator,
    /// The provider; waiting helps.
    Upstream,
}

impl Actor {
    /// Returns the word used in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Operator => "operator",
            Self::Upstream => "upstream",
        }
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal, $status:literal, $retryable:literal, $actor:ident;)+) => {
        /// A refusal's code: the stable word for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Code {
            /// Every code, in the order of the documentation's table.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)+];

            /// Returns the code as agents see it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// Finds the code of a word.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == text)
            }

            /// Returns the HTTP status.
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }

            /// Returns whether the same request may succeed later without anybody doing anything.
            pub fn retryable(self) -> bool {
                match self { $(Self::$variant => $retryable,)+ }
            }

            /// Returns who can mend it.
            pub fn actor(self) -> Actor {
                match self { $(Self::$variant => Actor::$actor,)+ }
            }

            /// Returns the code's meaning, for the documentation's table.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

codes! {
    /// The request is not HTTP with one reading, or says to Wardlock what it does not know.
    BadRequest = "bad_request", 400, false, Agent;
    /// The target, query or body has more than one reading, or the body names other records than the path.
    NotCanonical = "not_canonical", 400, false, Agent;
    /// The `Host` header is not one of this listener's.
    HostNotAllowed = "host_not_allowed", 421, false, Agent;
    /// The request comes from a web page.
    BrowserRefused = "browser_refused", 403, false, Agent;
    /// The agent's token is missing, unknown, revoked or expired.
    Unauthenticated = "unauthenticated", 401, false, Agent;
    /// The request line and headers are larger, or more, than the limit.
    HeadTooLarge = "head_too_large", 431, false, Agent;
    /// The body is larger than the limit.
    BodyTooLarge = "body_too_large", 413, false, Agent;
    /// The request did not arrive in time.
    RequestTimeout = "request_timeout", 408, true, Agent;
    /// The body's type is not the one that the operation declares.
    BodyType = "body_type", 415, false, Agent;
    /// A stored secret, or the agent's own token, stands in the request.
    SecretInRequest = "secret_in_request", 400, false, Agent;
    /// The path names another workspace than the agent's own.
    WorkspaceMismatch = "workspace_mismatch", 403, false, Agent;
    /// The operator has frozen the workspace.
    Frozen = "frozen", 403, false, Operator;
    /// The host's own paths have nothing here for this agent.
    NotFound = "not_found", 404, false, Agent;
    /// The workspace has no such connection.
    UnknownConnection = "unknown_connection", 404, false, Agent;
    /// The workspace file or one of its plugins does not load.
    ConnectionClosed = "connection_closed", 503, false, Operator;
    /// The connection has no grant.
    ServiceNotConnected = "service_not_connected", 503, false, Operator;
    /// The grant's tenant is not looked up, or is not the one that the connection is pinned to.
    TenantMismatch = "tenant_mismatch", 403, false, Operator;
    /// The service does not know this operation.
    UnknownOperation = "unknown_operation", 403, false, Operator;
    /// The connection's or the agent's rules do not list this operation.
    OperationNotAllowed = "operation_not_allowed", 403, false, Operator;
    /// The request touches a resource outside the connection's rules.
    ResourceNotAllowed = "resource_not_allowed", 403, false, Operator;
    /// The query is no SELECT; nothing else passes, whatever the connection's resources.
    NotASelect = "not_a_select", 403, false, Agent;
    /// Writes are off on this connection.
    WritesOff = "writes_off", 403, false, Operator;
    /// The service does not allow this query parameter.
    QueryNotAllowed = "query_not_allowed", 400, false, Agent;
    /// The connection has no plugin, so nobody has said yes.
    NoPolicy = "no_policy", 403, false, Operator;
    /// A plugin said no.
    PolicyDenied = "policy_denied", 403, false, Agent;
    /// A plugin ran past its time; that denies.
    PluginTimeout = "plugin_timeout", 503, true, Operator;
    /// A plugin asked for more memory than its limit; that denies.
    PluginMemory = "plugin_memory", 503, false, Operator;
    /// A plugin trapped, panicked or called what no plugin may; that denies.
    PluginTrap = "plugin_trap", 503, false, Operator;
    /// A plugin's answer breaks the contract or the host's caps; that denies.
    PluginNonsense = "plugin_nonsense", 503, false, Operator;
    /// Too many plugin decisions were under way; that denies.
    PluginBusy = "plugin_busy", 503, true, Agent;
    /// The process that runs plugins ended while it was asked; that denies. Another one takes its place at once.
    PluginLost = "plugin_lost", 503, true, Operator;
    /// The plugin engine failed; that denies.
    PluginFailed = "plugin_failed", 503, true, Operator;
    /// A plugin failed so often in a row for this agent that it is not run for it for a while; that denies.
    PluginTripped = "plugin_tripped", 503, true, Operator;
    /// What plugins take of their quotas, or writes of a day's records, cannot be written down; nothing is sent.
    QuotaUnavailable = "quota_unavailable", 503, true, Operator;
    /// Other writes took the last of the records that pass in a day without a person's approval; nothing is sent.
    DayLimitReached = "day_limit_reached", 429, true, Agent;
    /// A request that carries others has a form that cannot be judged part by part.
    EnvelopeMalformed = "envelope_malformed", 400, false, Agent;
    /// A request carries more parts than the provider takes.
    EnvelopeTooLong = "envelope_too_long", 400, false, Agent;
    /// A part refers to the answer of another, so nobody can judge it.
    EnvelopeReference = "envelope_reference", 400, false, Agent;
    /// A part carries parts of its own.
    EnvelopeNested = "envelope_nested", 400, false, Agent;
    /// A plugin would change a part, and parts are sent as they came.
    EnvelopeShaped = "envelope_shaped", 403, false, Operator;
    /// Plugins judge this connection's answers, and the answer to several requests in one is none that they could.
    EnvelopeUnjudgeable = "envelope_unjudgeable", 403, false, Operator;
    /// A plugin's change would widen the request or touch what is protected.
    ShapeWidened = "shape_widened", 403, false, Operator;
    /// A person must approve the request; it is kept as a draft, and nothing was sent.
    Held = "held", 403, false, Operator;
    /// A person must approve the request, and no draft of it can be kept.
    DraftUnavailable = "draft_unavailable", 503, true, Operator;
    /// A person must approve the request, and as many drafts of the agent wait as may.
    TooManyDrafts = "too_many_drafts", 429, true, Operator;
    /// A person rejected the draft; nothing was sent.
    DraftRejected = "draft_rejected", 403, false, Operator;
    /// Nobody decided about the draft in time; nothing was sent.
    DraftExpired = "draft_expired", 403, false, Operator;
    /// The draft was being sent when Wardlock ended: it may have been executed.
    OutcomeUnknown = "outcome_unknown", 504, false, Upstream;
    /// The draft was sent, and its answer was fetched already or could not be kept.
    AnswerGone = "answer_gone", 410, false, Agent;
    /// A draft was approved, and is not what would be sent now, or not what was held then.
    ChangedSinceApproval = "changed_since_approval", 403, false, Operator;
    /// The audit cannot record; nothing is sent.
    AuditUnavailable = "audit_unavailable", 503, true, Operator;
    /// The vault is locked or its key is missing.
    VaultLocked = "vault_locked", 503, false, Operator;
    /// The provider wants a person's consent again.
    Reconnect = "reconnect", 503, false, Operator;
    /// The registration or the region is wrong.
    Misconfigured = "misconfigured", 503, false, Operator;
    /// The provider's token endpoint allows no more calls for now.
    TokenThrottled = "token_throttled", 503, true, Upstream;
    /// The provider's token endpoint failed for now.
    TokenUnavailable = "token_unavailable", 503, true, Upstream;
    /// The provider could not be reached.
    UpstreamUnreachable = "upstream_unreachable", 502, true, Upstream;
    /// The provider did not answer in time; the request may have been executed.
    UpstreamTimeout = "upstream_timeout", 504, false, Upstream;
    /// The provider's answer could not be scanned for secrets.
    AnswerNotScannable = "answer_not_scannable", 502, false, Upstream;
    /// A plugin withholds the answer; the request was sent.
    AnswerDenied = "answer_denied", 403, false, Agent;
    /// A plugin gave no verdict on the answer, which is withheld; the request was sent.
    AnswerUnjudged = "answer_unjudged", 502, false, Operator;
    /// The answer flows or is too large to be held, and a plugin must judge it whole; the request was sent.
    AnswerNotHeld = "answer_not_held", 502, false, Agent;
    /// Nothing was sent, as asked: this is only the decision.
    DryRun = "dry_run", 200, false, Agent;
    /// As many calls are under way as the provider takes, and no turn came in time.
    UpstreamBusy = "upstream_busy", 503, true, Upstream;
    /// The agent, or all together, asked more often than they may.
    RateLimited = "rate_limited", 429, true, Agent;
    /// Too much is under way.
    Overloaded = "overloaded", 503, true, Agent;
    /// A fault of Wardlock's own.
    Internal = "internal", 500, false, Operator;
}

/// Who refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusedBy {
    /// A rule or step of the host, by name.
    Rule(&'static str),
    /// A plugin, by its name in the chain, with its own code.
    Plugin {
        /// Name in the chain.
        name: String,
        /// The plugin's own code.
        code: Option<String>,
    },
}

/// Which of the requests that another carries is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartOf {
    /// Its place; the first is 1.
    pub number: u32,
    /// Its method and path template, where it was read.
    pub line: Option<String>,
}

/// A refusal: never a header value, a body or a secret in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Stable code.
    pub code: Code,
    /// One sentence.
    pub detail: String,
    /// Who refused.
    pub by: RefusedBy,
    /// What to do; `None`: what the code usually asks for, [`Code::usual_hint`].
    pub hint: Option<String>,
    /// When to try again, seconds.
    pub retry_after: Option<u32>,
    /// Which part is refused, of a request that carries others.
    pub part: Option<u32>,
    /// Where the request is kept that waits for a person.
    pub draft: Option<DraftPlace>,
    /// What a dry run tells besides: operation, verdicts, and what would be sent.
    pub dry_run: Option<Box<Value>>,
}

/// Where a held request is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftPlace {
    /// The draft's id.
    pub id: String,
    /// What the agent asks to learn what became of it: a URL, or a path where the host does not know under which name it was reached.
    pub url: String,
}

impl Refusal {
    /// Makes a refusal by a rule of the host.
    pub fn new(code: Code, rule: &'static str, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            by: RefusedBy::Rule(rule),
            hint: None,
            retry_after: None,
            part: None,
            draft: None,
            dry_run: None,
        }
    }

    /// Says what a dry run tells besides.
    #[must_use]
    pub fn as_dry_run(mut self, told: Value) -> Self {
        self.dry_run = Some(Box::new(told));
        self
    }

    /// Says where the held request is kept.
    #[must_use]
    pub fn kept_at(mut self, place: DraftPlace) -> Self {
        self.draft = Some(place);
        self
    }

    /// Says which part of the request it is about.
    #[must_use]
    pub fn in_part(mut self, part: PartOf) -> Self {
        let line = part.line.map(|line| format!(" (`{line}`)")).unwrap_or_default();
        self.detail = format!("part {}{line}: {}", part.number, self.detail);
        self.part = Some(part.number);
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds when to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Returns whether the same request may pass later.
    pub fn retryable(&self) -> bool {
        self.code.retryable() || self.retry_after.is_some()
    }

    /// Returns what to do: every refusal says so.
    pub fn remedy(&self) -> &str {
        self.hint.as_deref().unwrap_or(self.code.usual_hint())
    }

    /// Renders the refusal as problem+json (RFC 9457).
    pub fn problem(&self, request_id: &str) -> Value {
        self.problem_under(request_id, self.code.status())
    }

    /// Renders it for an answer with another status than its code's: the member must say the one that is sent (section 3.1.2).
    pub fn problem_under(&self, request_id: &str, status: u16) -> Value {
        let mut members = self.members(request_id);
        members.insert("title".to_owned(), json!(self.title()));
        members.insert("status".to_owned(), json!(status));
        Value::Object(members)
    }

    /// What it means; of a dry run nothing is kept.
    fn title(&self) -> &'static str {
        match self.code {
            Code::Held if self.dry_run.is_some() => {
                "A person would have to approve the request; it was only looked at, and nothing was kept or sent."
            }
            code => code.meaning(),
        }
    }

    /// Renders the refusal in a provider's own error shape.
    pub fn in_shape(&self, shape: &RefusalShape, request_id: &str) -> Value {
        fill(&shape.template, self, &self.members(request_id))
    }

    /// Says all that a person needs in one text: some SDKs keep nothing but a code and a message.
    fn sentence(&self, members: &Map<String, Value>) -> String {
        let request_id = members.get("request_id").and_then(Value::as_str).unwrap_or_default();
        let draft = self.draft.as_ref().map(|place| format!(" [{}]", place.url)).unwrap_or_default();
        format!("{}; {}{draft} [{request_id}]", self.detail, self.remedy())
    }

    fn members(&self, request_id: &str) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("code".to_owned(), json!(self.code.as_str()));
        members.insert("detail".to_owned(), json!(self.detail));
        match &self.by {
            RefusedBy::Rule(rule) => members.insert("rule".to_owned(), json!(rule)),
            RefusedBy::Plugin { name, code } => {
                if let Some(code) = code {
                    members.insert("plugin_code".to_owned(), json!(code));
                }
                members.insert("plugin".to_owned(), json!(name))
            }
        };
        if let Some(part) = self.part {
            members.insert("part".to_owned(), json!(part));
        }
        members.insert("hint".to_owned(), json!(self.remedy()));
        members.insert("retryable".to_owned(), json!(self.retryable()));
        members.insert("actor".to_owned(), json!(self.code.actor().as_str()));
        members.insert("retry_after".to_owned(), json!(self.retry_after));
        if let Some(place) = &self.draft {
            members.insert("draft".to_owned(), json!(place.id));
            members.insert("draft_url".to_owned(), json!(place.url));
        }
        if let Some(told) = &self.dry_run {
            members.insert("dry_run".to_owned(), (**told).clone());
        }
        members.insert("request_id".to_owned(), json!(request_id));
        members
    }
}

fn fill(template: &Value, refusal: &Refusal, members: &Map<String, Value>) -> Value {
    match template {
        Value::String(text) if text == "{members}" => Value::Object(members.clone()),
        Value::String(text) if text == "{sentence}" => Value::String(refusal.sentence(members)),
        Value::String(text) => Value::String(
            text.replace("{code}", &refusal.code.as_str().to_uppercase()).replace("{detail}", &refusal.detail),
        ),
        Value::Array(items) => Value::Array(items.iter().map(|item| fill(item, refusal, members)).collect()),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(k, v)| (k.clone(), fill(v, refusal, members))).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_what_to_do() {
        for &code in Code::ALL {
            let problem = Refusal::new(code, "rule", "no").problem("req_1");
            let hint = problem["hint"].as_str().unwrap_or_default();
            assert!(hint.len() > 10, "{} says nothing: {problem}", code.as_str());
        }
        let particular = Refusal::new(Code::BadRequest, "rule", "no").hint("do this").problem("req_1");
        assert_eq!(particular["hint"], "do this");
    }
}
