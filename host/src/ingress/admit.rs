//! Step 1: what is admitted. hyper is lenient (it passes two `Host` headers, absolute targets, unknown methods);
//! this is not.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderMap};
use hyper::{Request, Version};
use wardlock_core::canonical::{Header, Method};
use wardlock_core::refusal::{Code, Refusal};

use crate::config::HostConfig;
use crate::harden;

use super::dry_run::DryRun;
use super::framing::{MAX_FIELDS, Misframed};
use super::prefers::Prefers;
use super::query_token;

/// Bounds of the agents' listener.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest request body in bytes.
    pub body_bytes: usize,
    /// A head must arrive within this time.
    pub head_timeout: Duration,
    /// A body must arrive within this time.
    pub body_timeout: Duration,
    /// An answer may be left unread for this time.
    pub unread_timeout: Duration,
    /// Most header fields.
    pub headers: usize,
    /// Largest head in bytes. hyper wants at least 8 KiB.
    pub head_bytes: usize,
    /// Most connections at once.
    pub connections: usize,
    /// The `Host` values that this listener answers to.
    pub hosts: BTreeSet<String>,
    /// Which requests of browsers are admitted.
    pub browsers: Browsers,
}

/// Which requests of browsers are admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Browsers {
    /// None: agents are programs.
    No,
    /// Those that a person typed or that come from this listener's own pages.
    OwnPages,
    /// The same, and what its own pages' forms and scripts post.
    OwnForms,
}

/// What an agent says to this host alone.
const OWN_HEADERS: [&str; 3] = ["wardlock-token", "wardlock-purpose", "wardlock-dry-run"];
/// The most room that is made for a body before its bytes are there: the usual limit.
const MOST_ROOM: usize = 4 << 20;
/// The operators' listener answers small questions of few.
const OPERATORS_CONNECTIONS: usize = 16;
/// A browser opens some connections at once, and a live page keeps one.
const DASHBOARD_CONNECTIONS: usize = 64;
/// The largest form of the dashboard: what a passkey says is a few kilobytes.
const DASHBOARD_BODY: usize = 64 << 10;
/// What is asked there has no body.
const OPERATORS_BODY_TIME: Duration = Duration::from_secs(5);

impl Limits {
    /// Takes the bounds from the configuration; the listener answers to its own address under its loopback names.
    pub fn new(config: &HostConfig, local: Option<SocketAddr>) -> Self {
        Self {
            body_bytes: config.body_bytes(),
            head_timeout: config.head_timeout(),
            body_timeout: config.request_timeout(),
            unread_timeout: config.unread_timeout(),
            headers: MAX_FIELDS,
            head_bytes: 64 << 10,
            connections: harden::agents_connections(config.connections()),
            hosts: hosts(config.allowed_hosts(), local),
            browsers: Browsers::No,
        }
    }

    /// Returns the bounds of the operators' listener.
    pub fn of_operators(config: &HostConfig, local: Option<SocketAddr>) -> Self {
        Self {
            body_bytes: 0,
            body_timeout: OPERATORS_BODY_TIME,
            connections: OPERATORS_CONNECTIONS,
            hosts: hosts(config.operators_hosts(), local),
            browsers: Browsers::OwnPages,
            ..Self::new(config, local)
        }
    }

    /// Returns the bounds of the dashboard's listener. It has one name, so that its pages have one origin; any other is refused,
    /// also where a foreign name's address leads here (DNS rebinding).
    pub fn of_dashboard(config: &HostConfig, host: String) -> Self {
        Self {
            body_bytes: DASHBOARD_BODY,
            body_timeout: OPERATORS_BODY_TIME,
            connections: DASHBOARD_CONNECTIONS,
            hosts: BTreeSet::from([host]),
            browsers: Browsers::OwnForms,
            ..Self::new(config, None)
        }
    }
}

/// Returns the `Host` values of a listener: what the operator allows, and its own address under its loopback names.
fn hosts(allowed: &[String], local: Option<SocketAddr>) -> BTreeSet<String> {
    let mut hosts: BTreeSet<String> = allowed.iter().map(|host| host.to_ascii_lowercase()).collect();
    if let Some(local) = local {
        let port = local.port();
        hosts.extend(["127.0.0.1", "localhost", "[::1]"].map(|name| format!("{name}:{port}")));
        hosts.insert(local.to_string());
    }
    hosts
}

/// The head of a request with one reading as HTTP. Nothing is authenticated yet.
pub struct RawRequest {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<Header>,
}

/// A body that is still with the client: nobody's is taken into memory.
pub struct UnreadBody {
    incoming: Incoming,
    bytes: usize,
    timeout: Duration,
}

/// A request of which the agent's token, hop-by-hop headers and everything else that is not the request's own
/// have been taken.
pub struct AgentRequest {
    /// Method as in the request line.
    pub method: String,
    /// Target as in the request line.
    pub target: String,
    /// What is left of the headers.
    pub headers: Vec<Header>,
    /// Body bytes; none before they were read.
    pub body: Vec<u8>,
    /// What the agent gave as its purpose.
    pub purpose: Option<String>,
    /// Whether it is only looked at.
    pub dry_run: DryRun,
    /// How the agent would have a held request answered.
    pub prefers: Prefers,
    /// Whether the agent asks for problem+json by name.
    pub wants_problem_json: bool,
    /// The scheme under which the token came: an SDK names its provider so (`Zoho-oauthtoken`).
    pub scheme: Option<String>,
    /// The name under which this host was reached: one of those that are allowed.
    pub host: Option<String>,
    /// A header that begins as ours do and is none of them: those are taken out.
    pub stray: Option<String>,
}

impl AgentRequest {
    /// Refuses a header that begins as ours do and is none of them: whoever misspells `Wardlock-Dry-Run` wants nothing sent.
    pub fn refuse_stray(&self) -> Result<(), Refusal> {
        let Some(name) = &self.stray else { return Ok(()) };
        Err(bad(format!("the header `{name}` is none that is known here, and nothing was sent"))
            .hint("known are `Wardlock-Token`, `Wardlock-Purpose` and `Wardlock-Dry-Run`; mend its name, or leave it out"))
    }

    /// Returns every part of it that an agent writes freely.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let purpose = self.purpose.as_deref().unwrap_or_default().as_bytes();
        let parts = [self.target.as_bytes(), &self.body, purpose].into_iter();
        parts.chain(self.headers.iter().map(|header| header.value.as_slice()))
    }

    /// Returns whether some part of it holds these bytes, as they are or, in the target, percent-encoded: the canonical form
    /// would decode them.
    pub fn holds(&self, bytes: &[u8]) -> bool {
        let decoded = Cow::from(percent_encoding::percent_decode_str(&self.target));
        let parts = self.parts().chain([decoded.as_ref()]);
        parts.into_iter().any(|part| part.windows(bytes.len()).any(|window| window == bytes))
    }
}

pub(super) fn bad(detail: impl Into<String>) -> Refusal {
    Refusal::new(Code::BadRequest, "admit", detail)
}

/// Refuses bytes that have no one reading as HTTP/1.1, or are too many.
pub fn misframed(misframed: Misframed) -> Refusal {
    match misframed {
        Misframed::Form(reason) => {
            bad(reason).hint("send plain HTTP/1.1 as RFC 9112 has it; an ordinary client library does")
        }
        Misframed::Size(reason) => Refusal::new(Code::HeadTooLarge, "admit", reason)
            .hint("send fewer or shorter headers, and a shorter target"),
        Misframed::Late => {
            Refusal::new(Code::RequestTimeout, "admit", "the request line and the headers did not arrive in time")
                .hint("send a request as soon as it is begun; the operator sets `head_time` in wardlock.toml")
        }
    }
}

/// Admits a request: strict where hyper is lenient, bounded everywhere.
pub fn admit(limits: &Limits, request: Request<Incoming>) -> Result<(RawRequest, UnreadBody), Refusal> {
    let (head, body) = request.into_parts();
    if head.version != Version::HTTP_11 {
        return Err(bad("only HTTP/1.1 is spoken here"));
    }
    if Method::parse(head.method.as_str()).is_none() {
        return Err(bad("the method is not one of GET, HEAD, POST, PUT, PATCH, DELETE"));
    }
    if head.uri.scheme().is_some() || head.uri.authority().is_some() {
        return Err(bad("the request target must be a path; absolute targets are refused")
            .hint("call this proxy as the API's base URL, not as an HTTP proxy"));
    }
    check_host(limits, &head.headers)?;
    check_browser(limits.browsers, &head.method, &head.headers)?;
    let target = head.uri.path_and_query().map_or("", |target| target.as_str()).to_owned();
    let headers = plain_headers(&head.headers)?;
    let raw = RawRequest { method: head.method.as_str().to_owned(), target, headers };
    Ok((raw, UnreadBody { incoming: body, bytes: limits.body_bytes, timeout: limits.body_timeout }))
}

fn check_host(limits: &Limits, headers: &HeaderMap) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(bad("a request carries exactly one `Host` header"));
    };
    let known = host.to_str().is_ok_and(|host| limits.hosts.contains(&host.to_ascii_lowercase()));
    if known {
        return Ok(());
    }
    Err(Refusal::new(Code::HostNotAllowed, "admit", "the `Host` header names none of this listener's hosts")
        .hint("the operator may add a name under `[listen]` in wardlock.toml: `hosts` for agents, `operators_hosts` for operators"))
}

/// Other web pages have no business here: no browser sends these headers for a program (Fetch standard, and Fetch Metadata
/// for `Sec-Fetch-Site`).
pub(super) fn check_browser(of: Browsers, method: &hyper::Method, headers: &HeaderMap) -> Result<(), Refusal> {
    let foreign = match of {
        Browsers::No => headers.keys().any(|name| name.as_str().starts_with("sec-fetch-")),
        Browsers::OwnPages | Browsers::OwnForms => {
            headers.get_all("sec-fetch-site").iter().any(|site| site != "none" && site != "same-origin")
        }
    };
    let from_page = match of {
        Browsers::No | Browsers::OwnPages => headers.contains_key(header::ORIGIN),
        Browsers::OwnForms => !is_own_origin(method, headers),
    };
    if foreign || from_page {
        return Err(Refusal::new(Code::BrowserRefused, "admit", "requests from web pages are refused"));
    }
    Ok(())
}

/// Returns whether a request says that it comes from this listener's own pages. A browser says so of everything that it posts, so what
/// posts without a word is none, and not admitted either.
fn is_own_origin(method: &hyper::Method, headers: &HeaderMap) -> bool {
    let own = headers.get(header::HOST).and_then(|host| host.to_str().ok()).map(|host| format!("http://{host}"));
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, None) => method == hyper::Method::GET || method == hyper::Method::HEAD,
        (Some(origin), None) => own.is_some_and(|own| origin.as_bytes() == own.as_bytes()),
        _ => false,
    }
}

fn check_framing(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.contains_key(header::UPGRADE) || headers.contains_key("http2-settings") {
        return Err(bad("protocol upgrades are refused"));
    }
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(bad("encoded request bodies are refused: what is judged must be what is sent")
            .hint("send the body as it is, without Content-Encoding"));
    }
    if headers.get_all(header::AUTHORIZATION).iter().count() > 1 {
        return Err(bad("a request carries at most one `Authorization` header"));
    }
    if headers.keys().any(|name| name.as_str().contains('_')) {
        return Err(bad("header names with `_` have more than one reading and are refused"));
    }
    Ok(())
}

/// Returns headers that have one reading.
pub(super) fn plain_headers(headers: &HeaderMap) -> Result<Vec<Header>, Refusal> {
    check_framing(headers)?;
    let mut plain = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        // A name twice has two readings at upstreams that keep the first and those that keep the last.
        if plain.iter().any(|seen: &Header| seen.name == name.as_str()) {
            return Err(bad(format!("header `{name}` stands twice")));
        }
        plain.push(Header { name: name.as_str().to_owned(), value: value.as_bytes().to_vec() });
    }
    Ok(plain)
}

impl UnreadBody {
    /// Reads it whole.
    pub async fn read(self) -> Result<Vec<u8>, Refusal> {
        let Self { mut incoming, bytes, timeout } = self;
        let too_large =
            || Refusal::new(Code::BodyTooLarge, "admit", format!("the body is larger than {bytes} bytes"));
        if incoming.size_hint().lower() > bytes as u64 {
            return Err(too_large());
        }
        // In one piece from the start, whether its length is announced or not: room that nothing was written to takes no memory yet,
        // and room that grows is copied again and again.
        let announced = incoming.size_hint().exact().and_then(|exact| usize::try_from(exact).ok());
        let mut body = Vec::with_capacity(announced.unwrap_or(bytes).min(MOST_ROOM));
        let arrived = async {
            while let Some(frame) = incoming.frame().await {
                let frame = frame.map_err(|_| bad("the body broke off or is not framed as its head says"))?;
                let data = frame.into_data().unwrap_or_default();
                if body.len() + data.len() > bytes {
                    return Err(too_large());
                }
                body.extend_from_slice(&data);
            }
            Ok(())
        };
        match tokio::time::timeout(timeout, arrived).await {
            Err(_) => Err(Refusal::new(Code::RequestTimeout, "admit", "the body did not arrive in time")
                .hint("the operator sets `request_time` in wardlock.toml")),
            Ok(arrived) => arrived.map(|()| {
                body.shrink_to_fit();
                body
            }),
        }
    }

    /// Lets it pass by: a client that is still sending when its connection ends may lose the refusal.
    pub async fn pass_by(self) {
        let mut body = Limited::new(self.incoming, self.bytes);
        let ended = async { while let Some(Ok(_)) = body.frame().await {} };
        // Whoever has not sent it all by then is not waited for.
        let _ = tokio::time::timeout(self.timeout, ended).await;
    }
}

impl RawRequest {
    /// Returns the target as it came.
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    /// Returns a header by its lower-case name, where it is text. None stands twice.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|header| header.name == name)?;
        std::str::from_utf8(&found.value).ok()
    }

    /// Returns the first two segments of the path as they came: workspace and connection, by their spelling.
    pub fn named(&self) -> Option<(&str, &str)> {
        let path = self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path);
        let mut segments = path.strip_prefix('/')?.split('/');
        Some((segments.next()?, segments.next()?))
    }

    /// Takes the agent's token out of the request, and everything that is the connection's rather than the
    /// request's own: step 2 without the look-up. `Wardlock-Token` wins over `Authorization`, and both over the
    /// query parameter that the service names for SDKs that know no header.
    pub fn take_token(mut self, query_name: Option<&str>) -> Result<(Option<String>, AgentRequest), Refusal> {
        for name in OWN_HEADERS {
            if self.headers.iter().filter(|header| header.name == name).count() > 1 {
                return Err(bad(format!("the header `{name}` stands more than once")));
            }
        }
        let own = take(&mut self.headers, "wardlock-token");
        let authorization = take(&mut self.headers, "authorization");
        let scheme = authorization.as_deref().and_then(scheme);
        let standard = authorization.and_then(|value| authorization_token(&value));
        let own = own.and_then(|value| String::from_utf8(value).ok());
        if let (Some(own), Some(standard)) = (&own, &standard)
            && standard.starts_with("wl_")
            && own != standard
        {
            return Err(bad("the request carries two different agent tokens"));
        }
        let mut token = own.or(standard);
        for given in query_name.map(|name| query_token::take(&mut self.target, name)).unwrap_or_default() {
            if token.get_or_insert_with(|| given.clone()) != &given {
                return Err(bad("the request carries two different agent tokens"));
            }
        }
        let purpose = take(&mut self.headers, "wardlock-purpose").map(text).transpose()?;
        let dry_run = DryRun::parse(take(&mut self.headers, "wardlock-dry-run").as_deref())?;
        let prefers = self.headers.iter().find(|header| header.name == "prefer");
        let prefers = prefers.map_or_else(Prefers::default, |header| Prefers::parse(&header.value));
        let accept = self.headers.iter().find(|header| header.name == "accept");
        let wants_problem_json = accept
            .is_some_and(|header| String::from_utf8_lossy(&header.value).contains("application/problem+json"));
        let host = self.headers.iter().find(|header| header.name == "host");
        let host = host.and_then(|header| String::from_utf8(header.value.clone()).ok());
        let stray = self.headers.iter().find(|header| header.name.starts_with("wardlock-"));
        let stray = stray.map(|header| header.name.clone());
        let listed = connection_listed(&self.headers);
        self.headers.retain(|header| !is_connection_header(&header.name) && !listed.contains(&header.name));
        let Self { method, target, headers } = self;
        let body = Vec::new();
        Ok((
            token,
            AgentRequest {
                method,
                target,
                headers,
                body,
                purpose,
                dry_run,
                prefers,
                wants_problem_json,
                scheme,
                host,
                stray,
            },
        ))
    }
}

fn take(headers: &mut Vec<Header>, name: &str) -> Option<Vec<u8>> {
    let at = headers.iter().position(|header| header.name == name)?;
    Some(headers.remove(at).value)
}

fn text(value: Vec<u8>) -> Result<String, Refusal> {
    let text = String::from_utf8(value).map_err(|_| bad("`Wardlock-Purpose` is not UTF-8"))?;
    if text.len() > 500 {
        return Err(bad("`Wardlock-Purpose` is longer than 500 bytes"));
    }
    Ok(text)
}

fn scheme(value: &[u8]) -> Option<String> {
    let (scheme, _) = std::str::from_utf8(value).ok()?.trim().split_once(' ')?;
    Some(scheme.to_owned())
}

/// The token under any scheme; under Basic the password is the token.
fn authorization_token(value: &[u8]) -> Option<String> {
    let value = std::str::from_utf8(value).ok()?.trim();
    let (scheme, rest) = value.split_once(' ').unwrap_or(("", value));
    let rest = rest.trim();
    if !scheme.eq_ignore_ascii_case("basic") {
        return Some(rest.to_owned());
    }
    let decoded = crate::text::decode_base64(rest)?;
    let pair = String::from_utf8(decoded).ok()?;
    pair.split_once(':').map(|(_, password)| password.to_owned())
}

/// Names that `Connection` lists are this hop's (RFC 9110 section 7.6.1).
fn connection_listed(headers: &[Header]) -> Vec<String> {
    let lists = headers.iter().filter(|header| header.name == "connection");
    lists
        .flat_map(|header| {
            String::from_utf8_lossy(&header.value)
                .split(',')
                .map(|name| name.trim().to_ascii_lowercase())
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Hop-by-hop, framing, credential, forwarding and override headers never reach a rule, a plugin or an upstream.
fn is_connection_header(name: &str) -> bool {
    const DROPPED: [&str; 22] = [
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "content-length",
        "host",
        "expect",
        "cookie",
        "cookie2",
        "forwarded",
        "via",
        "x-real-ip",
        "x-original-url",
        "x-rewrite-url",
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
        "range",
        "accept-encoding",
        "user-agent",
        "max-forwards",
    ];
    DROPPED.contains(&name)
        || ["proxy-", "x-forwarded-", "wardlock-"].iter().any(|prefix| name.starts_with(prefix))
}
