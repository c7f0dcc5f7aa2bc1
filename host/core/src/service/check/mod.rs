//! What a definition must hold together: checked once, so that nothing that reads a definition has to ask again.

mod operations;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::DefinitionError;
use super::raw::{RawAnswer, RawOAuth, RawRefusal, RawRegion, RawRequest, RawService, RawTenant, RawUser};
use super::template::is_api_name;
use super::text::{Source, nearest};

/// The environments that connections may name.
const ENVIRONMENTS: [&str; 3] = ["production", "sandbox", "developer"];

/// Headers that no definition may pass on: credentials, framing, routing.
const NEVER_FORWARDED: [&str; 15] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "host",
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "forwarded",
    "x-http-method-override",
];

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

type Checked = Result<(), DefinitionError>;

/// Checks a whole definition.
pub(super) fn check(source: &Source<'_>, raw: &RawService) -> Checked {
    check_regions(source, raw)?;
    let roles = roles(raw);
    check_oauth(source, raw.oauth.get_ref(), &raw.oauth.span())?;
    check_inject(source, raw)?;
    check_request(source, raw.request.get_ref(), &raw.request.span())?;
    check_answer(source, &raw.answer)?;
    if let Some(refusal) = &raw.refusal {
        check_refusal(source, refusal.get_ref(), &refusal.span())?;
    }
    check_tenant(source, raw.tenant.get_ref(), &raw.tenant.span(), &roles)?;
    if let Some(user) = &raw.user {
        check_user(source, user.get_ref(), &user.span(), &roles)?;
    }
    if raw.limits.concurrent_calls == Some(0) {
        return Err(source.error(0, "limits.concurrent_calls", "a limit of nothing lets no call be made"));
    }
    check_tables(source, raw)?;
    operations::check(source, raw, &roles)
}

fn check_regions(source: &Source<'_>, raw: &RawService) -> Checked {
    if raw.regions.is_empty() {
        return Err(source.error(0, "regions", "no region is defined"));
    }
    // A host that stands in two rows could not tell one region from the other.
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, row) in &raw.regions {
        check_region(source, name.get_ref(), row.get_ref(), &row.span())?;
        for host in hosts_of(row.get_ref()) {
            match owners.insert(host, name.get_ref()) {
                Some(other) if other != name.get_ref() => {
                    let problem = format!("host `{host}` stands in region `{other}` too");
                    return Err(source.at(row.span(), format!("regions.{}", name.get_ref()), problem));
                }
                Some(_) | None => {}
            }
        }
    }
    Ok(())
}

fn check_region(source: &Source<'_>, name: &str, row: &RawRegion, span: &Range<usize>) -> Checked {
    let key = |part: &str| format!("regions.{name}.{part}");
    let fail = |part: &str, problem: String| Err(source.at(span.clone(), key(part), problem));
    if row.hosts.get("api").and_then(|hosts| hosts.get("production")).is_none() {
        return fail("hosts.api.production", "the region has no API host".to_owned());
    }
    for environment in row.hosts.values().flat_map(BTreeMap::keys) {
        if !ENVIRONMENTS.contains(&environment.as_str()) {
            return fail("hosts", format!("`{environment}` is not production, sandbox or developer"));
        }
    }
    for host in hosts_of(row).chain([row.console.as_str()]) {
        if !is_host_name(host) {
            let problem = format!("`{host}` is not a bare host name: no scheme, port, path or capital letters");
            return fail("hosts", problem);
        }
    }
    // RFC 9207 section 2: an https URL without query and fragment.
    match &row.issuer {
        Some(issuer) if !issuer.starts_with("https://") || issuer.contains(['?', '#', ' ']) => {
            fail("issuer", "an issuer is an https URL without `?`, `#` or space".to_owned())
        }
        _ => Ok(()),
    }
}

fn hosts_of(row: &RawRegion) -> impl Iterator<Item = &str> {
    let api = row.hosts.values().flat_map(|hosts| hosts.values().map(String::as_str));
    std::iter::once(row.accounts.as_str()).chain(row.token.as_deref()).chain(api)
}

/// Returns whether a text is a DNS name with at least two labels, the last of them not a number.
fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_is_name =
        text.rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_lowercase()));
    text.contains('.') && text.len() <= 253 && last_is_name && text.split('.').all(is_label)
}

fn roles(raw: &RawService) -> BTreeSet<&str> {
    raw.regions.values().flat_map(|row| row.get_ref().hosts.keys().map(String::as_str)).collect()
}

fn check_oauth(source: &Source<'_>, oauth: &RawOAuth, span: &Range<usize>) -> Checked {
    let fail = |part: &str, problem: &str| Err(source.at(span.clone(), format!("oauth.{part}"), problem));
    let revoke = oauth.revoke.iter().map(|form| ("revoke", &form.path));
    for (part, path) in
        [("authorize_path", &oauth.authorize_path), ("token_path", &oauth.token_path)].into_iter().chain(revoke)
    {
        if !is_plain_path(path) {
            return fail(part, "a path begins with `/` and holds no `?`, `#` or space");
        }
    }
    let not_one = |scope: &&String| scope.is_empty() || scope.contains([',', ' ']);
    if let Some(scope) = oauth.scopes.iter().find(not_one) {
        return fail("scopes", &format!("`{scope}` is not one scope"));
    }
    for (part, params) in [("authorize_params", &oauth.authorize_params), ("token_params", &oauth.token_params)] {
        if let Some(name) = params.keys().find(|name| OWN_PARAMETERS.contains(&name.as_str())) {
            return fail(part, &format!("`{name}` is set by the host itself"));
        }
    }
    if oauth.scope_separator.is_empty() || oauth.scope_separators_in_answer.is_empty() {
        return fail("scope_separator", "scopes need something between them");
    }
    if oauth.budget.calls == 0 || oauth.budget.window_seconds == 0 {
        return fail("budget", "a budget of nothing lets no token be fetched");
    }
    if oauth.default_lifetime_seconds == 0 || oauth.default_lifetime_seconds > oauth.max_lifetime_seconds {
        return fail("default_lifetime_seconds", "must be at least 1 and at most `max_lifetime_seconds`");
    }
    Ok(())
}

fn is_plain_path(path: &str) -> bool {
    path.starts_with('/') && !path.starts_with("//") && !path.contains(['?', '#', ' ', '\\'])
}

fn check_inject(source: &Source<'_>, raw: &RawService) -> Checked {
    let inject = raw.inject.get_ref();
    let fail = |part: &str, problem: String| Err(source.at(raw.inject.span(), format!("inject.{part}"), problem));
    if !is_header_name(&inject.header) {
        return fail("header", format!("`{}` is not a lower-case header name", inject.header));
    }
    if raw.request.get_ref().headers.contains(&inject.header) {
        return fail("header", format!("`{}` is passed on from agents too (`request.headers`)", inject.header));
    }
    if !inject.prefix.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return fail("prefix", "a prefix is printable ASCII".to_owned());
    }
    Ok(())
}

fn check_request(source: &Source<'_>, request: &RawRequest, span: &Range<usize>) -> Checked {
    for header in &request.headers {
        check_header(source, header, span, "request.headers")?;
    }
    for header in &request.answer_headers {
        if !is_header_name(header) || header == "set-cookie" {
            let problem = format!("`{header}` is no header that may reach an agent, or not in lower case");
            return Err(source.at(span.clone(), "request.answer_headers", problem));
        }
    }
    Ok(())
}

fn check_header(source: &Source<'_>, header: &str, span: &Range<usize>, key: &str) -> Checked {
    let fail = |problem| Err(source.at(span.clone(), key, problem));
    if !is_header_name(header) {
        return fail(format!("`{header}` is not a lower-case header name"));
    }
    if NEVER_FORWARDED.contains(&header) || header.starts_with("wardlock-") {
        return fail(format!("`{header}` is never passed on from agents"));
    }
    Ok(())
}

fn is_header_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
}

fn check_answer(source: &Source<'_>, answer: &RawAnswer) -> Checked {
    let both = answer.success_values.intersection(&answer.error_values).next();
    match both {
        Some(value) => Err(source.error(0, "answer", format!("`{value}` means both success and error"))),
        None => Ok(()),
    }
}

fn check_refusal(source: &Source<'_>, refusal: &RawRefusal, span: &Range<usize>) -> Checked {
    let fail = |part: &str, problem: &str| Err(source.at(span.clone(), format!("refusal.{part}"), problem));
    if !refusal.content_type.contains('/') || !refusal.content_type.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return fail("content_type", "not a media type");
    }
    if !refusal.template.is_object() || !refusal.template.to_string().contains("{code}") {
        return fail("template", "must be a table in which `{code}` stands somewhere");
    }
    Ok(())
}

fn check_tenant(source: &Source<'_>, tenant: &RawTenant, span: &Range<usize>, roles: &BTreeSet<&str>) -> Checked {
    let fail = |part: &str, problem: String| Err(source.at(span.clone(), format!("tenant.{part}"), problem));
    if !roles.contains(tenant.host.as_str()) {
        return fail("host", format!("no region has a host for `{}`", tenant.host))
            .map_err(|error| hint_nearest(error, &tenant.host, roles.iter().copied()));
    }
    if !is_plain_path(&tenant.path) {
        return fail("path", "a path begins with `/` and holds no `?`, `#` or space".to_owned());
    }
    for pointer in [&tenant.id_pointer, &tenant.label_pointer].into_iter().chain(&tenant.environment_pointer) {
        if !pointer.starts_with('/') {
            return fail("id_pointer", format!("`{pointer}` is not a JSON pointer; one begins with `/`"));
        }
    }
    match tenant.environments.values().find(|environment| !ENVIRONMENTS.contains(&environment.as_str())) {
        Some(other) => fail("environments", format!("`{other}` is not production, sandbox or developer")),
        None => Ok(()),
    }
}

fn check_user(source: &Source<'_>, user: &RawUser, span: &Range<usize>, roles: &BTreeSet<&str>) -> Checked {
    let fail = |part: &str, problem: String| Err(source.at(span.clone(), format!("user.{part}"), problem));
    if !roles.contains(user.host.as_str()) {
        return fail("host", format!("no region has a host for `{}`", user.host))
            .map_err(|error| hint_nearest(error, &user.host, roles.iter().copied()));
    }
    if !is_plain_path(&user.path) {
        return fail("path", "a path begins with `/` and holds no `?`, `#` or space".to_owned());
    }
    let plain = |query: &String| query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#' && byte != b'?');
    if !user.query.iter().all(plain) {
        return fail("query", "a query is written as it is sent, without `?`, `#` or space".to_owned());
    }
    if !user.id_pointer.starts_with('/') {
        return fail("id_pointer", "a JSON pointer begins with `/`".to_owned());
    }
    Ok(())
}

fn check_tables(source: &Source<'_>, raw: &RawService) -> Checked {
    let is_resource = |name: &str| is_api_name(name.strip_prefix('$').unwrap_or(name));
    for (table, entries) in [("lookups", &raw.lookups), ("related", &raw.related)] {
        for (name, resource) in entries {
            if !name.split('.').all(is_api_name) || !is_resource(resource) {
                let problem = format!("`{name} = \"{resource}\"` does not name a field and a resource");
                return Err(source.error(0, table, problem));
            }
        }
    }
    Ok(())
}

/// Adds the nearest of the valid names to an error.
fn hint_nearest<'a>(
    error: DefinitionError,
    given: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> DefinitionError {
    match nearest(given, candidates) {
        Some(word) => error.hint(format!("did you mean `{word}`?")),
        None => error,
    }
}
