//! What a registered client asks at a region's token host: each call once, and who asks said in one way only.

use std::collections::BTreeMap;

use http::HeaderValue;
use reqwest::Url;
use wardlock_core::id::Region;
use wardlock_core::service::{ClientAuth, DeviceFlow, RegionRow, ServiceDefinition};

use crate::dialer::Dialer;
use crate::oauth::consent::PendingConsent;
use crate::oauth::endpoint::{self, EndpointError, RawAnswer};
use crate::oauth::scopes;
use crate::route;
use crate::vault::wire::{SecretForm, basic_auth};
use crate::vault::{RefreshMaterial, Secret};

/// Who asks, and at which region's endpoints.
pub(crate) struct RegisteredClient<'a> {
    pub dialer: &'a Dialer,
    pub service: &'a ServiceDefinition,
    pub region: &'a Region,
    pub client_id: &'a str,
    /// `None`: a public client.
    pub client_secret: Option<&'a Secret>,
}

impl<'a> RegisteredClient<'a> {
    /// Returns the client to which a grant was given.
    pub fn of_grant(dialer: &'a Dialer, service: &'a ServiceDefinition, grant: &'a RefreshMaterial) -> Self {
        let RefreshMaterial { region, client_id, secrets, .. } = grant;
        Self { dialer, service, region, client_id, client_secret: secrets.client_secret.as_deref() }
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
        let oauth = &self.service.oauth;
        self.ask_for_tokens(&oauth.token_path, with(form, &oauth.token_params), oauth.client_auth).await
    }

    /// Asks for another access token: by what renews it (RFC 6749 section 6, or the provider's own form), or, where nothing
    /// does, as the client itself (section 4.4) for these scopes.
    pub async fn renew(&self, credential: Option<&Secret>, scopes: &[String]) -> Result<RawAnswer, EndpointError> {
        let oauth = &self.service.oauth;
        let Some(credential) = credential else {
            let form = SecretForm::new()
                .plain("grant_type", "client_credentials")
                .plain("scope", &scopes::join(oauth, scopes));
            let form = with(with(form, &oauth.token_params), &oauth.client_credentials_params);
            return self.ask_for_tokens(&oauth.token_path, form, oauth.client_auth).await;
        };
        let refresh = &oauth.refresh;
        let form = SecretForm::new().plain("grant_type", &refresh.grant_type).secret(&refresh.param, credential);
        let form = with(form, refresh.params.as_ref().unwrap_or(&oauth.token_params));
        let path = refresh.path.as_ref().unwrap_or(&oauth.token_path);
        self.ask_for_tokens(path, form, refresh.client_auth).await
    }

    /// Asks for a device code (RFC 8628 section 3.1). A client says here only which it is; who has a secret says so when it asks
    /// for the token.
    pub async fn device_code(&self, device: &DeviceFlow, scopes: &[String]) -> Result<RawAnswer, EndpointError> {
        let oauth = &self.service.oauth;
        let form =
            SecretForm::new().plain("client_id", self.client_id).plain("scope", &scopes::join(oauth, scopes));
        let form = with(form, &device.params);
        let form = match (device.client_auth, self.client_secret) {
            // RFC 8628 section 3.1: as at the token endpoint. A body's `client_id` is there already.
            (ClientAuth::Body, Some(secret)) => form.secret("client_secret", secret),
            (ClientAuth::Basic, Some(secret)) => {
                let basic = basic_auth(self.client_id, secret).map_err(|_| EndpointError::Client)?;
                return endpoint::post(self.dialer, self.service, self.url(&device.path)?, form, Some(basic))
                    .await;
            }
            _ => form,
        };
        endpoint::post(self.dialer, self.service, self.url(&device.path)?, form, None).await
    }

    /// Asks whether the person has agreed yet (RFC 8628 section 3.4).
    pub async fn device_token(&self, device: &DeviceFlow, code: &Secret) -> Result<RawAnswer, EndpointError> {
        let oauth = &self.service.oauth;
        let form = SecretForm::new().plain("grant_type", &device.grant_type).secret(&device.code_param, code);
        let path = device.token_path.as_ref().unwrap_or(&oauth.token_path);
        self.ask_for_tokens(path, with(form, &oauth.token_params), device.client_auth).await
    }

    async fn ask_for_tokens(
        &self,
        path: &str,
        form: SecretForm,
        how: ClientAuth,
    ) -> Result<RawAnswer, EndpointError> {
        let (form, basic) = self.authenticated(form, how)?;
        endpoint::post(self.dialer, self.service, self.url(path)?, form, basic).await
    }

    /// Returns the URL of a path on the region's token host.
    pub(super) fn url(&self, path: &str) -> Result<Url, EndpointError> {
        endpoint::url(self.row()?.token_host(), path)
    }

    /// Returns the region's row of the table.
    fn row(&self) -> Result<&RegionRow, EndpointError> {
        route::row(self.service, self.region).map_err(|_| EndpointError::HostNotAllowed)
    }

    /// Says who asks, in one way only (RFC 6749 section 2.3).
    pub(super) fn authenticated(
        &self,
        form: SecretForm,
        how: ClientAuth,
    ) -> Result<(SecretForm, Option<HeaderValue>), EndpointError> {
        let secret = || self.client_secret.ok_or(EndpointError::NoClientSecret);
        Ok(match how {
            ClientAuth::None => (form.plain("client_id", self.client_id), None),
            ClientAuth::Body => (form.plain("client_id", self.client_id).secret("client_secret", secret()?), None),
            ClientAuth::Basic => {
                let basic = basic_auth(self.client_id, secret()?).map_err(|_| EndpointError::Client)?;
                (form, Some(basic))
            }
        })
    }
}

/// Adds a definition's fixed parameters.
pub(super) fn with(form: SecretForm, params: &BTreeMap<String, String>) -> SecretForm {
    params.iter().fold(form, |form, (name, value)| form.plain(name, value))
}
