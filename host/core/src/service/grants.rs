//! Turns what a definition says of credentials into its typed form.

use toml::Spanned;

use super::parse::with_version;
use super::raw::{
    RawCredential, RawDevice, RawExtra, RawIngredient, RawInject, RawOAuth, RawRefresh, RawRevoke,
    RawRevokeMethod, RawTokenAnswer, RawTokenPlace, RawUnit,
};
use super::{
    Budget, ClientAuth, Credential, DeviceFlow, Extra, ExtraPlace, ExtraSource, GrantType, Ingredient, Inject,
    OAuth, Renewal, RevokeForm, TokenPaths, TokenPlace,
};

/// RFC 8628 section 3.4.
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// RFC 8628 section 3.2.
const DEVICE_INTERVAL_SECONDS: u64 = 5;

/// Converts OAuth.
pub(super) fn oauth(raw: RawOAuth, version: &str) -> OAuth {
    let client_auth = ClientAuth::from(raw.client_auth);
    let path = |path: &str| with_version(path, version);
    OAuth {
        grants: raw.grants.into_iter().map(GrantType::from).collect(),
        authorize_path: raw.authorize_path.as_deref().map(path).unwrap_or_default(),
        token_path: path(&raw.token_path),
        client_auth,
        token_params: raw.token_params,
        refresh: renewal(raw.refresh, client_auth, version),
        device: raw.device.map(|device| self::device(device, client_auth, version)),
        client_credentials_params: raw.client_credentials_params,
        answer: token_paths(raw.answer),
        revoke: raw.revoke.into_iter().map(|form| revoke(form, version)).collect(),
        authorize_params: raw.authorize_params,
        scopes: raw.scopes,
        scope_separator: raw.scope_separator,
        scope_separators_in_answer: raw.scope_separators_in_answer,
        pkce: raw.pkce.unwrap_or(true),
        any_loopback_port: raw.any_loopback_port,
        callback_region_param: raw.callback_region_param,
        callback_accounts_param: raw.callback_accounts_param,
        token_api_host_field: raw.token_api_host_field,
        default_lifetime_seconds: raw.default_lifetime_seconds,
        max_lifetime_seconds: raw.max_lifetime_seconds,
        budget: Budget { calls: raw.budget.calls, window_seconds: raw.budget.window_seconds },
        reconnect_errors: raw.reconnect_errors,
        misconfigured_errors: raw.misconfigured_errors,
        transient_errors: raw.transient_errors,
        throttle_marker: raw.throttle_marker.map(|pair| (pair.name, pair.value)),
        throttle_seconds: raw.throttle_seconds,
        max_live_grants: raw.max_live_grants,
        revoking_spares_other_grants: raw.revoking_spares_other_grants,
    }
}

fn renewal(raw: RawRefresh, client_auth: ClientAuth, version: &str) -> Renewal {
    let refresh_token = || "refresh_token".to_owned();
    Renewal {
        path: raw.path.map(|path| with_version(&path, version)),
        client_auth: raw.client_auth.map_or(client_auth, ClientAuth::from),
        params: raw.params,
        grant_type: raw.grant_type.unwrap_or_else(refresh_token),
        credential: match raw.credential {
            RawCredential::RefreshToken => Credential::RefreshToken,
            RawCredential::AccessToken => Credential::AccessToken,
        },
        param: raw.param.unwrap_or_else(refresh_token),
        on_connect: raw.on_connect,
        before_seconds: raw.before_seconds,
    }
}

fn device(raw: RawDevice, client_auth: ClientAuth, version: &str) -> DeviceFlow {
    DeviceFlow {
        path: with_version(&raw.path, version),
        params: raw.params,
        token_path: raw.token_path.map(|path| with_version(&path, version)),
        grant_type: raw.grant_type.unwrap_or_else(|| DEVICE_GRANT.to_owned()),
        code_param: raw.code_param.unwrap_or_else(|| "device_code".to_owned()),
        client_auth: raw.client_auth.map_or(client_auth, ClientAuth::from),
        interval_seconds: raw.interval_seconds.unwrap_or(DEVICE_INTERVAL_SECONDS),
        answer_in_milliseconds: raw.answer_unit == RawUnit::Milliseconds,
        pending_errors: raw.pending_errors,
        slow_down_errors: raw.slow_down_errors,
        denied_errors: raw.denied_errors,
        expired_errors: raw.expired_errors,
        other_region_errors: raw.other_region_errors,
    }
}

fn token_paths(raw: RawTokenAnswer) -> TokenPaths {
    TokenPaths {
        access_token: raw.access_token,
        refresh_token: raw.refresh_token,
        expires_in: raw.expires_in,
        expires_in_milliseconds: raw.expires_unit == RawUnit::Milliseconds,
        scope: raw.scope,
        error: raw.error,
    }
}

fn revoke(raw: RawRevoke, version: &str) -> RevokeForm {
    RevokeForm {
        path: with_version(&raw.path, version),
        is_delete: raw.method == RawRevokeMethod::Delete,
        token_in: match raw.token_in {
            RawTokenPlace::Body => TokenPlace::Body,
            RawTokenPlace::Query => TokenPlace::Query,
            RawTokenPlace::Bearer => TokenPlace::Bearer,
        },
        params: raw.params,
        client_auth: raw.client_auth.map(ClientAuth::from),
        hint: raw.hint.map(|pair| (pair.name, pair.value)),
        gone_status: raw.gone_status,
    }
}

/// Converts what is added to requests. `check` saw to it that each has one place and one source.
pub(super) fn inject(raw: RawInject) -> Inject {
    let place = place(raw.header, raw.query);
    let extra = raw.extra.into_iter().map(Spanned::into_inner).map(extra).collect();
    Inject { place, prefix: raw.prefix, extra }
}

fn extra(raw: RawExtra) -> Extra {
    let source = match (raw.secret, raw.param, raw.text, raw.hmac_sha256) {
        (Some(name), ..) => ExtraSource::Secret(name),
        (_, Some(name), ..) => ExtraSource::Param(name),
        (_, _, Some(text), _) => ExtraSource::Text(text),
        (.., Some(hmac)) => {
            ExtraSource::HmacSha256 { key: ingredient(hmac.key), message: ingredient(hmac.message) }
        }
        (None, None, None, None) => ExtraSource::Tenant,
    };
    Extra { place: place(raw.header, raw.query), source }
}

fn place(header: Option<String>, query: Option<String>) -> ExtraPlace {
    match (header, query) {
        (Some(header), _) => ExtraPlace::Header(header),
        (None, query) => ExtraPlace::Query(query.unwrap_or_default()),
    }
}

fn ingredient(raw: RawIngredient) -> Ingredient {
    match raw {
        RawIngredient::ClientSecret => Ingredient::ClientSecret,
        RawIngredient::AccessToken => Ingredient::AccessToken,
    }
}
