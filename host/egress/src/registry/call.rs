//! One call of a registry: checked before it is dialled, with credentials for the registry itself only, redirected a few
//! times at most, bounded in time and bytes.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use reqwest::{Client, Response, Url};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::challenge::{self, Challenge};
use super::error::RegistryError;
use super::reach::{Anywhere, Reach};
use super::reference::{Reference, authority};
use crate::dialer::Dialer;
use crate::inject;
use crate::vault::{Secret, wire};

/// How many redirects are followed: a registry sends to its storage, and that sometimes on to another region.
const REDIRECTS: usize = 3;
/// The most that is read of a token's answer or an error: a token has a few KiB.
const WORDS: usize = 64 << 10;
/// The longest name of a user.
const LONGEST_USER: usize = 256;
const CONNECT: Duration = Duration::from_secs(10);
/// How long the other side may be silent.
const SILENT: Duration = Duration::from_mins(1);
/// For a whole call: 32 MiB at half a megabit a second.
const TOTAL: Duration = Duration::from_mins(10);

/// Who somebody is to a registry.
#[derive(Debug)]
pub struct Credentials {
    user: String,
    password: Secret,
}

impl Credentials {
    /// Takes a user's name and their password or access token.
    pub fn new(user: &str, password: Secret) -> Result<Self, RegistryError> {
        let visible = |character: char| !character.is_control() && !character.is_whitespace() && character != ':';
        if user.is_empty() || user.len() > LONGEST_USER || !user.chars().all(visible) {
            return Err(RegistryError::BadUser);
        }
        Ok(Self { user: user.to_owned(), password })
    }

    fn header(&self) -> Result<HeaderValue, RegistryError> {
        wire::basic_user(&self.user, &self.password).map_err(|_| RegistryError::BadUser)
    }
}

/// What is asked for.
pub(super) struct Ask {
    pub method: Method,
    pub url: Url,
    pub accept: Option<&'static str>,
    /// Its type, and the bytes.
    pub body: Option<(&'static str, Bytes)>,
}

impl Ask {
    /// Asks for something without sending any.
    pub fn plain(method: Method, url: Url) -> Self {
        Self { method, url, accept: None, body: None }
    }
}

/// Calls one repository of one registry.
pub(super) struct Caller {
    client: Client,
    reach: Reach,
    base: Url,
    scope: String,
    credentials: Option<Credentials>,
    authorization: Option<HeaderValue>,
}

impl Caller {
    /// Sets the way to a registry up. `actions` are what a token must be good for, such as `pull,push`.
    pub async fn open(
        dialer: &Dialer,
        reference: &Reference,
        credentials: Option<Credentials>,
        actions: &str,
    ) -> Result<Self, RegistryError> {
        let base = reference.base().clone();
        let reach = Reach::of(&base).await?;
        let scope = format!("repository:{}:{actions}", reference.repository());
        Ok(Self { client: client(dialer, reach)?, reach, base, scope, credentials, authorization: None })
    }

    /// Returns the registry's host and port, for messages.
    pub fn host(&self) -> String {
        authority(&self.base)
    }

    /// Asks for something, says who asks where the registry wants to know, and follows redirects of what only reads.
    pub async fn ask(&mut self, ask: &Ask) -> Result<Response, RegistryError> {
        let mut url = ask.url.clone();
        let (mut asked_again, mut redirects, mut elsewhere) = (false, 0, false);
        loop {
            // Once away, nobody leads back to where the credentials go.
            elsewhere |= url.origin() != self.base.origin();
            let answer = self.send(ask, &url, !elsewhere).await?;
            let reads = matches!(ask.method, Method::GET | Method::HEAD);
            if answer.status() == StatusCode::UNAUTHORIZED && !elsewhere {
                if asked_again {
                    return Err(self.not_let_in());
                }
                self.authorize(answer.headers()).await?;
                asked_again = true;
            } else if reads && answer.status().is_redirection() {
                redirects += 1;
                url = self.led_to(&url, answer.headers(), redirects)?;
            } else {
                return Ok(answer);
            }
        }
    }

    /// Returns where an answer leads to; the place is checked when it is dialled.
    pub fn location(from: &Url, headers: &HeaderMap) -> Option<Url> {
        from.join(headers.get(LOCATION)?.to_str().ok()?).ok()
    }

    fn led_to(&self, from: &Url, headers: &HeaderMap, redirects: usize) -> Result<Url, RegistryError> {
        let to = Self::location(from, headers).filter(|_| redirects <= REDIRECTS);
        to.ok_or_else(|| RegistryError::Redirects { host: self.host(), limit: REDIRECTS })
    }

    async fn send(&self, ask: &Ask, url: &Url, known: bool) -> Result<Response, RegistryError> {
        self.check(url)?;
        let mut request = self.client.request(ask.method.clone(), url.clone());
        if let Some(accept) = ask.accept {
            request = request.header(ACCEPT, accept);
        }
        if let Some(authorization) = self.authorization.clone().filter(|_| known) {
            request = request.header(AUTHORIZATION, authorization);
        }
        request = match &ask.body {
            Some((kind, bytes)) => request.header(CONTENT_TYPE, *kind).body(bytes.clone()),
            None => request,
        };
        request.send().await.map_err(|error| fault(url, &error))
    }

    fn check(&self, url: &Url) -> Result<(), RegistryError> {
        let lured = |why| RegistryError::Lured { from: self.host(), to: authority(url), why };
        self.reach.check(url).map_err(lured)
    }

    fn not_let_in(&self) -> RegistryError {
        match self.credentials {
            Some(_) => RegistryError::CredentialsRefused { host: self.host() },
            None => RegistryError::CredentialsWanted { host: self.host() },
        }
    }

    /// Gets what the registry wants to see. A token is asked for by what it is needed for, whatever the registry says.
    async fn authorize(&mut self, headers: &HeaderMap) -> Result<(), RegistryError> {
        let headers = headers.get_all(WWW_AUTHENTICATE).into_iter().filter_map(|header| header.to_str().ok());
        let challenges: Vec<Challenge> = headers.flat_map(challenge::read).collect();
        let bearer = challenges.iter().find_map(|challenge| match challenge {
            Challenge::Bearer { realm, service } => Some((realm.as_str(), service.as_deref())),
            Challenge::Basic => None,
        });
        self.authorization = Some(match (bearer, &self.credentials) {
            (Some((realm, service)), _) => self.token(realm, service).await?,
            (None, _) if challenges.is_empty() => return Err(RegistryError::Challenge { host: self.host() }),
            (None, Some(credentials)) => credentials.header()?,
            (None, None) => return Err(self.not_let_in()),
        });
        Ok(())
    }

    /// Asks an authorization service for a token (the registry's "Token Authentication Specification"). Nothing is followed.
    async fn token(&self, realm: &str, service: Option<&str>) -> Result<HeaderValue, RegistryError> {
        let no_token = |host: String| RegistryError::NoToken { host };
        let mut url = Url::parse(realm).map_err(|_| RegistryError::Challenge { host: self.host() })?;
        self.check(&url)?;
        let host = authority(&url);
        url.query_pairs_mut().extend_pairs(service.map(|service| ("service", service)));
        url.query_pairs_mut().append_pair("scope", &self.scope);
        let mut request = self.client.get(url.clone()).header(ACCEPT, "application/json");
        if let Some(credentials) = &self.credentials {
            request = request.header(AUTHORIZATION, credentials.header()?);
        }
        let answer = request.send().await.map_err(|error| fault(&url, &error))?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(self.not_let_in()),
            _ => return Err(no_token(host)),
        }
        let body = Zeroizing::new(read(answer, WORDS, "token").await?);
        let token = wire::parse_registry_token(&body).ok_or_else(|| no_token(host.clone()))?;
        wire::header_value("Bearer ", &token).map_err(|_| no_token(host))
    }
}

/// Reads an answer's body, up to a limit.
pub(super) async fn read(
    mut answer: Response,
    limit: usize,
    what: &'static str,
) -> Result<Vec<u8>, RegistryError> {
    let url = answer.url().clone();
    // The whole room of something small at once, so that a token leaves no copies behind.
    let mut body = Vec::with_capacity(limit.min(WORDS));
    while let Some(chunk) = answer.chunk().await.map_err(|error| fault(&url, &error))? {
        if body.len() + chunk.len() > limit {
            return Err(RegistryError::TooLarge { what, limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Tells an answer that is not what was asked for. `reference` is what is missing where it says that it is.
pub(super) async fn unexpected(
    answer: Response,
    doing: &'static str,
    reference: &dyn std::fmt::Display,
) -> RegistryError {
    let host = authority(answer.url());
    match answer.status() {
        StatusCode::NOT_FOUND => RegistryError::NotThere { reference: reference.to_string() },
        StatusCode::FORBIDDEN => RegistryError::Denied { host },
        status => {
            let body = read(answer, WORDS, "answer").await.unwrap_or_default();
            RegistryError::Status { host, doing, status: status.as_u16(), code: code(&body) }
        }
    }
}

/// Reads the registry's own code of an error (OCI distribution specification 1.1, "Error Codes").
fn code(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        code: String,
    }
    let Errors { errors } = serde_json::from_slice(body).ok()?;
    let code = errors.into_iter().next()?.code;
    let plain = code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    (plain && (1..=64).contains(&code.len())).then_some(code)
}

fn client(dialer: &Dialer, reach: Reach) -> Result<Client, RegistryError> {
    let builder = match reach {
        Reach::Public => Client::builder().dns_resolver(dialer.resolver()),
        Reach::Loopback | Reach::Inside => Client::builder().dns_resolver(Anywhere),
    };
    builder
        .tls_backend_preconfigured(dialer.tls())
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .http1_only()
        .referer(false)
        .retry(reqwest::retry::never())
        .user_agent(inject::AGENT)
        .connect_timeout(CONNECT)
        .read_timeout(SILENT)
        .timeout(TOTAL)
        .build()
        .map_err(|_| RegistryError::Client)
}

fn fault(url: &Url, error: &reqwest::Error) -> RegistryError {
    let host = authority(url);
    if error.is_connect() {
        return RegistryError::Unreachable { host };
    }
    if error.is_timeout() {
        return RegistryError::Timeout { host };
    }
    RegistryError::Broken { host }
}
