//! Begins a consent: the authorization URL on the region's own accounts host, with PKCE and a single-use state.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use url::Url;
use wardlock_core::id::{Digest, Region};
use wardlock_core::service::ServiceDefinition;

use crate::oauth::scopes;
use crate::route::{self, RouteError};
use crate::vault::{Secret, wire};

/// How long a person has, milliseconds (facts U10).
pub(crate) const LIFETIME_MS: u64 = 10 * 60 * 1000;

/// Why a consent cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    /// The region is not in the table.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The accounts host and path make no URL.
    #[error("the authorization endpoint makes no URL")]
    Url(#[from] url::ParseError),
    /// The operating system gives no randomness.
    #[error("the operating system gives no randomness")]
    Random(#[from] getrandom::Error),
}

/// Begins consents.
#[derive(Debug)]
pub struct Consent;

/// A consent that waits for its callback. Dropping it leaves nothing behind.
pub struct PendingConsent {
    authorize_url: Url,
    state: Digest,
    region: Region,
    redirect_uri: String,
    verifier: Option<Secret>,
    expires_at_ms: u64,
}

impl Consent {
    /// Makes the authorization URL. `redirect_uri` must be, to the letter, the one that is registered.
    pub fn begin(
        service: &ServiceDefinition,
        region: &Region,
        client_id: &str,
        redirect_uri: &str,
        wanted: &[String],
        now_ms: u64,
    ) -> Result<PendingConsent, ConsentError> {
        let oauth = &service.oauth;
        let accounts = &route::row(service, region)?.accounts;
        let state = random_text()?;
        let verifier = if oauth.pkce { Some(Secret::random()?) } else { None };

        let mut authorize_url = Url::parse(&format!("https://{accounts}{}", oauth.authorize_path))?;
        let joined = scopes::join(oauth, wanted);
        // What is ours wins over what the definition lists.
        let mut parameters: BTreeMap<&str, &str> =
            oauth.authorize_params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let challenge = verifier.as_ref().map(wire::pkce_challenge);
        if let Some(challenge) = &challenge {
            parameters.extend([("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")]);
        }
        parameters.extend([
            ("response_type", "code"),
            ("client_id", client_id),
            ("redirect_uri", redirect_uri),
            ("scope", &joined),
            ("state", &state),
        ]);
        authorize_url.query_pairs_mut().extend_pairs(parameters);
        Ok(PendingConsent {
            authorize_url,
            state: Digest::of(state.as_bytes()),
            region: region.clone(),
            redirect_uri: redirect_uri.to_owned(),
            verifier,
            expires_at_ms: now_ms.saturating_add(LIFETIME_MS),
        })
    }
}

impl PendingConsent {
    /// Returns the URL that the person opens.
    pub fn authorize_url(&self) -> &Url {
        &self.authorize_url
    }

    /// Returns the region at whose accounts host the consent began.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// Returns when it can no longer be answered, milliseconds since 1970.
    pub fn expires_at_ms(&self) -> u64 {
        self.expires_at_ms
    }

    /// Returns the digest of its state; the state itself is only in the URL.
    pub(crate) fn state(&self) -> Digest {
        self.state
    }

    /// Returns the redirect URI, which the exchange repeats.
    pub(crate) fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Returns the PKCE verifier.
    pub(crate) fn verifier(&self) -> Option<&Secret> {
        self.verifier.as_ref()
    }
}

impl std::fmt::Debug for PendingConsent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingConsent").field("region", &self.region).finish_non_exhaustive()
    }
}

/// Makes 256 random bits, as text that may stand in a URL.
pub(crate) fn random_text() -> Result<String, getrandom::Error> {
    let mut bits = [0_u8; 32];
    getrandom::fill(&mut bits)?;
    Ok(URL_SAFE_NO_PAD.encode(bits))
}
