//! What a definition must hold together about credentials: how they are got, and how they enter a request.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;

use super::operations::{source_headers, source_queries};
use super::{Checked, check_own_header, check_pointer, hint_nearest, is_header_name, is_plain_path};
use crate::service::raw::{
    RawClientAuth, RawCredential, RawDevice, RawExtra, RawGrantType, RawIngredient, RawOAuth, RawPin, RawService,
    RawTokenPlace,
};
use crate::service::text::Source;

/// Parameters of authorization and token requests that the host itself sets (RFC 6749 sections 4.1 and 6, RFC 7636).
const OWN_PARAMETERS: [&str; 12] = [
    "response_type",
    "client_id",
    "client_secret",
    "redirect_uri",
    "scope",
    "state",
    "code",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "grant_type",
    "refresh_token",
];

/// The same of device authorization requests (RFC 8628 section 3.1).
const OWN_OF_DEVICE: [&str; 2] = ["client_id", "scope"];

/// The same of revocation requests (RFC 7009 section 2.1).
const OWN_OF_REVOCATION: [&str; 3] = ["token", "client_id", "client_secret"];

/// Checks all of it.
pub(super) fn check(source: &Source<'_>, raw: &RawService) -> Checked {
    match (&raw.oauth, &raw.key) {
        (Some(oauth), None) => check_oauth(source, oauth.get_ref(), &oauth.span())?,
        (None, Some(_)) => {}
        (Some(_), Some(key)) => {
            return Err(source.at(key.span(), "key", "a service has `[oauth]` or `[key]`, not both"));
        }
        (None, None) => {
            return Err(source
                .error(0, "oauth", "nothing says how a credential is got")
                .hint("write `[oauth]`, or `[key]` where the provider's console hands a key out"));
        }
    }
    check_inject(source, raw)?;
    for (name, param) in &raw.params {
        if !is_word(name) {
            let problem = format!("`{name}` is not lower-case words with `-` between");
            return Err(source.at(param.span(), "params", problem));
        }
    }
    for (name, secret) in &raw.secrets {
        if !is_word(name) || name == "client-secret" {
            let problem = format!("`{name}` is not lower-case words with `-` between, or has a meaning already");
            return Err(source.at(secret.span(), "secrets", problem));
        }
    }
    Ok(())
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && text.len() <= 64
}

fn check_oauth(source: &Source<'_>, oauth: &RawOAuth, span: &Range<usize>) -> Checked {
    let fail = |part: &str, problem: &str| Err(source.at(span.clone(), format!("oauth.{part}"), problem));
    check_grants(source, oauth, span)?;
    let optional = [("authorize_path", &oauth.authorize_path), ("refresh.path", &oauth.refresh.path)];
    let paths = optional.into_iter().filter_map(|(part, path)| Some((part, path.as_ref()?)));
    let revoke = oauth.revoke.iter().map(|form| ("revoke", &form.path));
    for (part, path) in paths.chain([("token_path", &oauth.token_path)]).chain(revoke) {
        if !is_plain_path(path) {
            return fail(part, "a path begins with `/` and holds no `?`, `#` or space");
        }
    }
    let not_one = |scope: &&String| scope.is_empty() || scope.contains([',', ' ']);
    if let Some(scope) = oauth.scopes.iter().find(not_one) {
        return fail("scopes", &format!("`{scope}` is not one scope"));
    }
    check_parameters(source, oauth, span)?;
    if oauth.scope_separator.is_empty() || oauth.scope_separators_in_answer.is_empty() {
        return fail("scope_separator", "scopes need something between them");
    }
    if oauth.budget.calls == 0 || oauth.budget.window_seconds == 0 {
        return fail("budget", "a budget of nothing lets no token be fetched");
    }
    if oauth.default_lifetime_seconds == 0 || oauth.default_lifetime_seconds > oauth.max_lifetime_seconds {
        return fail("default_lifetime_seconds", "must be at least 1 and at most `max_lifetime_seconds`");
    }
    check_answer_paths(source, oauth, span)?;
    check_renewal(source, oauth, span)
}

fn check_grants(source: &Source<'_>, oauth: &RawOAuth, span: &Range<usize>) -> Checked {
    let fail = |part: &str, problem: &str| Err(source.at(span.clone(), format!("oauth.{part}"), problem));
    let has = |grant| oauth.grants.contains(&grant);
    if oauth.grants.is_empty() {
        return fail("grants", "no way to a credential is listed");
    }
    if has(RawGrantType::AuthorizationCode) != oauth.authorize_path.is_some() {
        return fail("authorize_path", "it belongs to the grant type `authorization_code`, and that to it");
    }
    if has(RawGrantType::DeviceCode) != oauth.device.is_some() {
        return fail("device", "`[oauth.device]` belongs to the grant type `device_code`, and that to it");
    }
    if has(RawGrantType::ClientCredentials) && oauth.client_auth == RawClientAuth::None {
        return fail("client_auth", "client credentials need a client that says who it is (RFC 6749 section 4.4)");
    }
    match &oauth.device {
        Some(device) => check_device(source, device, span),
        None => Ok(()),
    }
}

fn check_device(source: &Source<'_>, device: &RawDevice, span: &Range<usize>) -> Checked {
    let fail = |part: &str, problem: &str| Err(source.at(span.clone(), format!("oauth.device.{part}"), problem));
    if ![Some(&device.path), device.token_path.as_ref()].into_iter().flatten().all(|path| is_plain_path(path)) {
        return fail("path", "a path begins with `/` and holds no `?`, `#` or space");
    }
    if device.pending_errors.is_empty() {
        return fail("pending_errors", "without a word for `not yet` the first answer ends the flow");
    }
    if device.interval_seconds == Some(0) {
        return fail("interval_seconds", "at least a second lies between two requests");
    }
    Ok(())
}

fn check_parameters(source: &Source<'_>, oauth: &RawOAuth, span: &Range<usize>) -> Checked {
    let refresh = oauth.refresh.params.iter().map(|params| ("refresh.params", params));
    let all = [
        ("authorize_params", &oauth.authorize_params),
        ("token_params", &oauth.token_params),
        ("client_credentials_params", &oauth.client_credentials_params),
    ];
    let own = all.into_iter().chain(refresh).map(|(part, params)| (part, params, &OWN_PARAMETERS[..]));
    let device = oauth.device.iter().map(|device| ("device.params", &device.params, &OWN_OF_DEVICE[..]));
    let revoke = oauth.revoke.iter().map(|form| ("revoke.params", &form.params, &OWN_OF_REVOCATION[..]));
    for (part, params, own) in own.chain(device).chain(revoke) {
        if let Some(name) = params.keys().find(|name| own.contains(&name.as_str())) {
            return Err(source.at(
                span.clone(),
                format!("oauth.{part}"),
                format!("`{name}` is set by the host itself"),
            ));
        }
    }
    Ok(())
}

fn check_answer_paths(source: &Source<'_>, oauth: &RawOAuth, span: &Range<usize>) -> Checked {
    let answer = &oauth.answer;
    let paths = [&answer.access_token, &answer.refresh_token, &answer.expires_in, &answer.scope, &answer.error];
    for pointer in paths.into_iter().flatten() {
        check_pointer(source, pointer, span, "oauth.answer")?;
    }
    Ok(())
}

fn check_renewal(source: &Source<'_>, oauth: &RawOAuth, span: &Range<usize>) -> Checked {
    let fail = |part: &str, problem: &str| Err(source.at(span.clone(), format!("oauth.{part}"), problem));
    let refresh = &oauth.refresh;
    let by_access_token = refresh.credential == RawCredential::AccessToken;
    if by_access_token && (refresh.param.is_none() || refresh.before_seconds.is_none()) {
        return fail(
            "refresh",
            "an access token that renews itself needs `param`, and `before_seconds`, because it must still live then",
        );
    }
    if refresh.on_connect && !by_access_token {
        return fail("refresh.on_connect", "only a token that renews itself is exchanged at once");
    }
    if refresh.before_seconds.is_some_and(|before| before >= oauth.max_lifetime_seconds) {
        return fail("refresh.before_seconds", "it is longer than any token lives");
    }
    let bearer = oauth.revoke.iter().any(|form| form.token_in == RawTokenPlace::Bearer);
    if bearer && !by_access_token {
        return fail("revoke", "only an access token that renews itself is presented as a bearer to revoke it");
    }
    Ok(())
}

fn check_inject(source: &Source<'_>, raw: &RawService) -> Checked {
    let inject = raw.inject.get_ref();
    let fail = |part: &str, problem: String| Err(source.at(raw.inject.span(), format!("inject.{part}"), problem));
    match (&inject.header, &inject.query) {
        (Some(header), None) if !is_header_name(header) => {
            return fail("header", format!("`{header}` is not a lower-case header name"));
        }
        (Some(_), None) => {}
        (None, Some(_)) if inject.prefix.is_empty() => {}
        (None, Some(_)) => return fail("prefix", "a query parameter has no prefix".to_owned()),
        (Some(_), Some(_)) | (None, None) => {
            return fail("header", "the credential goes into one place: `header` or `query`".to_owned());
        }
    }
    if !inject.prefix.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return fail("prefix", "a prefix is printable ASCII".to_owned());
    }
    let mut seen = BTreeSet::new();
    let first = (inject.header.as_deref(), inject.query.as_deref());
    check_place(source, raw, first, &raw.inject.span(), &mut seen)?;
    for extra in &inject.extra {
        let place = (extra.get_ref().header.as_deref(), extra.get_ref().query.as_deref());
        check_place(source, raw, place, &extra.span(), &mut seen)?;
        check_extra(source, raw, extra)?;
    }
    Ok(())
}

/// What the host sets, no agent passes on, and stands once.
fn check_place<'a>(
    source: &Source<'_>,
    raw: &RawService,
    (header, query): (Option<&'a str>, Option<&'a str>),
    span: &Range<usize>,
    seen: &mut BTreeSet<(bool, &'a str)>,
) -> Checked {
    let fail = |problem: String| Err(source.at(span.clone(), "inject", problem));
    if let Some(name) = header {
        check_own_header(source, name, span, "inject")?;
        if takes_header(raw, name) {
            return fail(format!("`{name}` is passed on from agents too (`headers`)"));
        }
    }
    if let Some(name) = query
        && takes_query(raw, name)
    {
        return fail(format!("`{name}` is passed on from agents too (`query`)"));
    }
    let mut pins = raw.tenant.get_ref().pins.iter().map(Spanned::get_ref);
    let is_pinned = pins.any(|pin| match pin {
        RawPin::Header(name) => header == Some(name),
        RawPin::Query(name) => query == Some(name),
        RawPin::Path(_) | RawPin::Body(_) | RawPin::Text(_) | RawPin::Gaql(_) => false,
    });
    if is_pinned {
        return fail(format!("`{}` is set by a pin too (`tenant.pins`)", header.or(query).unwrap_or_default()));
    }
    match header.map(|name| (true, name)).or(query.map(|name| (false, name))) {
        Some(place) if !seen.insert(place) => fail(format!("`{}` is set twice", place.1)),
        Some(_) | None => Ok(()),
    }
}

/// Returns whether agents may send a header.
fn takes_header(raw: &RawService, name: &str) -> bool {
    let mut operations = raw.operations.iter().map(Spanned::get_ref);
    raw.request.get_ref().headers.contains(name)
        || operations.any(|operation| {
            operation.headers.contains(name) || source_headers(operation).any(|known| known == name)
        })
}

/// Returns whether agents may send a query parameter.
fn takes_query(raw: &RawService, name: &str) -> bool {
    let mut operations = raw.operations.iter().map(Spanned::get_ref);
    raw.request.get_ref().query.contains(name)
        || operations.any(|operation| {
            operation.query.contains(name) || source_queries(operation).any(|known| known == name)
        })
}

fn check_extra(source: &Source<'_>, raw: &RawService, extra: &Spanned<RawExtra>) -> Checked {
    let fail = |problem: String| Err(source.at(extra.span(), "inject.extra", problem));
    let RawExtra { header, query, secret, param, text, tenant, hmac_sha256 } = extra.get_ref();
    if header.is_some() == query.is_some() {
        return fail("a value goes into one place: `header` or `query`".to_owned());
    }
    if header.as_deref().is_some_and(|name| !is_header_name(name)) {
        return fail("a header name is in lower case".to_owned());
    }
    let sources = [secret.is_some(), param.is_some(), text.is_some(), *tenant, hmac_sha256.is_some()];
    if sources.iter().filter(|given| **given).count() != 1 {
        return fail("a value has one source: `secret`, `param`, `text`, `tenant` or `hmac_sha256`".to_owned());
    }
    if let Some(name) = secret
        && !raw.secrets.contains_key(name)
    {
        let error = source.at(extra.span(), "inject.extra", format!("`[secrets]` has no `{name}`"));
        return Err(hint_nearest(error, name, raw.secrets.keys().map(String::as_str)));
    }
    if let Some(name) = param
        && !raw.params.contains_key(name)
    {
        let error = source.at(extra.span(), "inject.extra", format!("`[params]` has no `{name}`"));
        return Err(hint_nearest(error, name, raw.params.keys().map(String::as_str)));
    }
    if text.as_deref().is_some_and(|text| text.is_empty() || !text.bytes().all(|b| (0x20..0x7f).contains(&b))) {
        return fail("a text is printable ASCII".to_owned());
    }
    let by_secret =
        hmac_sha256.as_ref().is_some_and(|hmac| [hmac.key, hmac.message].contains(&RawIngredient::ClientSecret));
    if by_secret && raw.key.is_some() {
        return fail("a service with a key has no client secret".to_owned());
    }
    Ok(())
}
