//! The values of the switches: in how many ways the provider can be odd.

use std::time::Duration;

/// A token endpoint's answer, whatever was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenAnswer {
    /// Status 200 with `{"error": …}`.
    Error(String),
    /// The throttle's answer.
    Throttled(ThrottleAnswer),
    /// A maintenance page: HTML with status 503.
    Maintenance,
    /// Anything at all.
    Raw {
        /// The status.
        status: u16,
        /// The content type.
        content_type: String,
        /// The body.
        body: Vec<u8>,
    },
    /// The endpoint's own logic: a place in the queue that changes nothing.
    Normal,
}

/// When a refresh token is issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshIssue {
    /// Only with `access_type=offline`, and only at the first consent or with `prompt=consent`.
    AsZoho,
    /// At every exchange.
    Always,
    /// Never.
    Never,
}

/// The budget of token calls per refresh token: a fixed window that starts with the first call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// Calls per window. Zoho: 10. The exchange that made the refresh token counts.
    pub calls: usize,
    /// The window. Zoho: ten minutes.
    pub window_ms: u64,
    /// Whether a call in a blocked window starts the window anew, as the field reports.
    pub retry_extends: bool,
    /// What is answered.
    pub answer: ThrottleAnswer,
}

impl Default for Throttle {
    fn default() -> Throttle {
        Throttle { calls: 10, window_ms: 600_000, retry_extends: false, answer: ThrottleAnswer::BadRequest }
    }
}

/// How the throttle answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThrottleAnswer {
    /// Status 400 with `Access Denied`.
    BadRequest,
    /// Status 400 with the texts in Chinese.
    Localised,
    /// Status 200 with `Access Denied`.
    Ok,
}

/// What the token endpoint of another data centre answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongRegion {
    /// Status 200 with `invalid_client`.
    InvalidClient,
    /// Status 200 with `invalid_code`.
    InvalidCode,
}

/// Whether a challenge that was sent is checked at the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pkce {
    /// The verifier must match.
    Verify,
    /// The challenge is ignored.
    Ignore,
}

/// `scope` in the token answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeAnswer {
    /// Separated by spaces, although asked for with commas.
    Spaces,
    /// Separated by commas.
    Commas,
    /// Absent, as in older captures.
    Missing,
}

/// `api_domain` in the token answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiDomain {
    /// The API host of region and environment.
    Normal,
    /// Absent.
    Missing,
    /// Absent in refresh answers only.
    MissingOnRefresh,
    /// `https://api.zoho.<suffix>`, as some pages of the documentation show.
    Legacy,
    /// An attack: this value instead.
    Override(String),
}

/// `expires_in` in the token answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpiresIn {
    /// A number of seconds.
    Seconds,
    /// The number as a string.
    Text,
    /// Absent.
    Absent,
    /// This number instead.
    Absurd(i64),
    /// The old pair: `expires_in` in milliseconds beside `expires_in_sec`.
    LegacyPair,
}

/// A parameter of the callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallbackField {
    /// The true value.
    Normal,
    /// Absent.
    Missing,
    /// An attack: this value instead.
    Override(String),
}

/// Which revoke endpoints exist; the other answers 404.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevokeForms {
    /// Both.
    Both,
    /// `/oauth/v2/token/revoke`, with no client authentication.
    Classic,
    /// `/oauth/v2/revoke/token`, with Basic.
    New,
}

/// An API's answer, whatever was asked; each product says it in its own shape, here named by the CRM's codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiAnswer {
    /// 429 `TOO_MANY_REQUESTS`, without `Retry-After`.
    RateLimited,
    /// 401 `INVALID_TOKEN`.
    InvalidToken,
    /// 401 `AUTHENTICATION_FAILURE`.
    AuthenticationFailure,
    /// 500 `INTERNAL_ERROR`.
    Internal,
    /// 503 as an HTML page.
    Maintenance,
    /// Anything at all.
    Raw {
        /// The status.
        status: u16,
        /// The content type.
        content_type: String,
        /// The body.
        body: Vec<u8>,
    },
    /// These bytes, whatever they are, and then the end of the connection.
    Bytes(Vec<u8>),
    /// The API's own logic: a place in the queue that changes nothing.
    Normal,
}

/// What a bad token is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadTokenAnswer {
    /// `INVALID_TOKEN`; Books says code 57, which also means a missing scope.
    InvalidToken,
    /// `AUTHENTICATION_FAILURE`, as seen in the field; Books says code 14.
    AuthenticationFailure,
}

/// Which limit a throttled call to Books has hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BooksLimit {
    /// Code 44: 100 calls a minute.
    Minute,
    /// Code 45: the day's calls.
    Day,
    /// Code 1070: calls at once.
    Concurrency,
}

/// How an API's answers echo the received credential, to test the scan of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EchoToken {
    /// Not at all.
    Off,
    /// In the body, as it came.
    Raw,
    /// In the body, in Base64 with padding.
    Base64,
    /// In the body, in the URL-safe Base64 without padding.
    Base64Url,
    /// In the body, every byte percent-encoded.
    Percent,
    /// In the body, with all but letters and digits percent-encoded.
    PercentMinimal,
    /// In the body, in lower-case hex.
    Hex,
    /// In the body, every character as a JSON `\u` escape.
    JsonEscaped,
    /// In the body as it came, with the whole body sent in HTTP chunks of at most this many bytes.
    Split(usize),
    /// In the answer header `X-Echo`, as it came.
    Header,
}

/// What is echoed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EchoPart {
    /// The whole `Authorization` value.
    Value,
    /// The token alone.
    Token,
    /// The second secret of a call: Google's developer token, Meta's `appsecret_proof`. Zoho has none.
    Second,
}

/// What goes wrong below HTTP, after the call was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends without an answer.
    LoseAnswer,
    /// The connection ends in the middle of the body.
    CutAnswer,
    /// The body comes a byte at a time.
    Drip {
        /// Before each byte.
        pause: Duration,
    },
}

/// Whether a refresh replaces the refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// No, as Zoho.
    Never,
    /// Yes. The replaced one still works for a while.
    WithGrace {
        /// How long.
        milliseconds: u64,
    },
    /// Yes. Whoever sends the replaced one ends the whole grant (RFC 9700 section 4.14.2).
    WithoutGrace,
}
