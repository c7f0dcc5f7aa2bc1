//! A registered client at its provider: the calls of the token endpoint, and how it says who it is.

use http::HeaderValue;
use wardlock_core::id::Region;
use wardlock_core::service::{ClientAuth, RegionRow, ServiceDefinition};

use crate::dialer::Dialer;
use crate::oauth::consent::PendingConsent;
use crate::oauth::endpoint::{self, EndpointError, RawAnswer};
use crate::route;
use crate::vault::wire::{SecretForm, basic_auth};
use crate::vault::{RefreshMaterial, Secret};

/// Who asks, and at which region's endpoints.
pub(crate) struct RegisteredClient<'a> {
    pub dialer: &'a Dialer,
    pub service: &'a ServiceDefinition,
    pub region: &'a Region,
    pub client_id: &'a str,
    pub client_secret: &'a Secret,
}

impl<'a> RegisteredClient<'a> {
    /// Returns the client to which a grant was given.
    pub fn of_grant(dialer: &'a Dialer, service: &'a ServiceDefinition, grant: &'a RefreshMaterial) -> Self {
        let RefreshMaterial { region, client_id, client_secret, .. } = grant;
        Self { dialer, service, region, client_id, client_secret }
    }
}

impl RegisteredClient<'_> {
    /// Exchanges a consent's code (RFC 6749 section 4.1.3).
    pub async fn exchange(&self, pending: &PendingConsent, code: &Secret) -> Result<RawAnswer, EndpointError> {
        let mut form = SecretForm::new()
            .plain("grant_type", "authorization_code")
            .plain("redirect_uri", pending.redirect_uri())
            .secret("code", code);
        if let Some(verifier) = pending.verifier() {
            form = form.secret("code_verifier", verifier);
        }
        self.ask_for_tokens(form).await
    }

    /// Asks for another access token (RFC 6749 section 6).
    pub async fn refresh(&self, refresh_token: &Secret) -> Result<RawAnswer, EndpointError> {
        let form = SecretForm::new().plain("grant_type", "refresh_token").secret("refresh_token", refresh_token);
        self.ask_for_tokens(form).await
    }

    async fn ask_for_tokens(&self, mut form: SecretForm) -> Result<RawAnswer, EndpointError> {
        let oauth = &self.service.oauth;
        let url = endpoint::url(self.row()?.token_host(), &oauth.token_path)?;
        for (name, value) in &oauth.token_params {
            form = form.plain(name, value);
        }
        let (form, basic) = self.authenticated(form, oauth.client_auth)?;
        endpoint::post(self.dialer, self.service, url, form, basic).await
    }

    /// Returns the region's row of the table.
    pub(super) fn row(&self) -> Result<&RegionRow, EndpointError> {
        route::row(self.service, self.region).map_err(|_| EndpointError::HostNotAllowed)
    }

    /// Says who asks, in one way only (RFC 6749 section 2.3).
    pub(super) fn authenticated(
        &self,
        form: SecretForm,
        how: ClientAuth,
    ) -> Result<(SecretForm, Option<HeaderValue>), EndpointError> {
        Ok(match how {
            ClientAuth::Body => {
                (form.plain("client_id", self.client_id).secret("client_secret", self.client_secret), None)
            }
            ClientAuth::Basic => {
                (form, Some(basic_auth(self.client_id, self.client_secret).map_err(|_| EndpointError::Client)?))
            }
        })
    }
}
