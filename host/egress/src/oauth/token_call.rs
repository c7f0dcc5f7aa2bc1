//! The calls that a token endpoint takes: a code or a refresh token for an access token, from an authenticated client.

use http::HeaderValue;
use wardlock_core::id::Region;
use wardlock_core::service::{ClientAuth, ServiceDefinition};

use crate::dialer::Dialer;
use crate::oauth::consent::PendingConsent;
use crate::oauth::endpoint::{self, EndpointError, RawAnswer};
use crate::route;
use crate::vault::Secret;
use crate::vault::wire::{SecretForm, basic_auth};

/// Who asks which token endpoint.
pub(crate) struct TokenCall<'a> {
    pub dialer: &'a Dialer,
    pub service: &'a ServiceDefinition,
    pub region: &'a Region,
    pub client_id: &'a str,
    pub client_secret: &'a Secret,
}

impl TokenCall<'_> {
    /// Exchanges a consent's code (RFC 6749 section 4.1.3).
    pub async fn exchange(&self, pending: &PendingConsent, code: &Secret) -> Result<RawAnswer, EndpointError> {
        let mut form = SecretForm::new()
            .plain("grant_type", "authorization_code")
            .plain("redirect_uri", pending.redirect_uri())
            .secret("code", code);
        if let Some(verifier) = pending.verifier() {
            form = form.secret("code_verifier", verifier);
        }
        self.post(form).await
    }

    /// Asks for another access token (RFC 6749 section 6).
    pub async fn refresh(&self, refresh_token: &Secret) -> Result<RawAnswer, EndpointError> {
        let form = SecretForm::new().plain("grant_type", "refresh_token").secret("refresh_token", refresh_token);
        self.post(form).await
    }

    async fn post(&self, mut form: SecretForm) -> Result<RawAnswer, EndpointError> {
        let oauth = &self.service.oauth;
        let row = route::row(self.service, self.region).map_err(|_| EndpointError::HostNotAllowed)?;
        let url = endpoint::url(row.token_host(), &oauth.token_path)?;
        for (name, value) in &oauth.token_params {
            form = form.plain(name, value);
        }
        let (form, basic) = self.authenticated(form)?;
        endpoint::post(self.dialer, self.service, url, form, basic).await
    }

    /// Says who asks, in one way only (RFC 6749 section 2.3).
    fn authenticated(&self, form: SecretForm) -> Result<(SecretForm, Option<HeaderValue>), EndpointError> {
        Ok(match self.service.oauth.client_auth {
            ClientAuth::Body => {
                (form.plain("client_id", self.client_id).secret("client_secret", self.client_secret), None)
            }
            ClientAuth::Basic => {
                (form, Some(basic_auth(self.client_id, self.client_secret).map_err(|_| EndpointError::Client)?))
            }
        })
    }
}
