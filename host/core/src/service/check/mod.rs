//! What a definition must hold together: checked once, so that nothing that reads a definition has to ask again.

mod credentials;
mod current;
mod envelope;
mod operations;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::Spanned;

use super::DefinitionError;
use super::raw::{RawAnswer, RawPin, RawRefusal, RawRegion, RawRequest, RawService, RawTenant, RawUser};
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

/// Headers that no definition may set: framing, what was judged of a body, and what the host says of itself.
const NEVER_SET: [&str; 13] = [
    "host",
    "content-length",
    "transfer-encoding",
    "content-type",
    "content-encoding",
    "accept-encoding",
    "connection",
    "cookie",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "user-agent",
];

pub(super) use operations::body_pointers;

type Checked = Result<(), DefinitionError>;

/// Checks a whole definition.
pub(super) fn check(source: &Source<'_>, raw: &RawService) -> Checked {
    check_regions(source, raw)?;
    let roles = roles(raw);
    credentials::check(source, raw)?;
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
                    let error = source.at(row.span(), format!("regions.{}", name.get_ref()), problem);
                    return Err(error.hint("look both up in the provider's table"));
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
            return fail("hosts", problem)
                .map_err(|error| error.hint("write only the name, such as `api.example.com`"));
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
pub(super) fn is_host_name(text: &str) -> bool {
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

/// Returns whether a text is a path without query and fragment.
pub(super) fn is_plain_path(path: &str) -> bool {
    path.starts_with('/') && !path.starts_with("//") && !path.contains(['?', '#', ' ', '\\'])
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
    for media_type in &request.json_types {
        let is_json = media_type.starts_with("application/") && media_type.ends_with("+json");
        if !is_json || media_type.contains("patch") || *media_type != media_type.to_ascii_lowercase() {
            let problem =
                format!("`{media_type}` is not in lower case, no `application/…+json`, or a patch format");
            return Err(source.at(span.clone(), "request.json_types", problem));
        }
    }
    for pointer in &request.deny_body {
        check_pointer(source, pointer, span, "request.deny_body")?;
    }
    match request.strip_query.iter().find(|name| request.query.contains(*name)) {
        Some(name) => Err(source.at(
            span.clone(),
            "request.strip_query",
            format!("`{name}` is passed on too (`request.query`)"),
        )),
        None => Ok(()),
    }
}

fn check_pointer(source: &Source<'_>, pointer: &str, span: &Range<usize>, key: &str) -> Checked {
    if pointer.starts_with('/') {
        return Ok(());
    }
    Err(source.at(span.clone(), key, format!("`{pointer}` is not a JSON pointer; one begins with `/`")))
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

/// Checks a header that the definition has the host set.
fn check_own_header(source: &Source<'_>, header: &str, span: &Range<usize>, key: &str) -> Checked {
    if !NEVER_SET.contains(&header) {
        return Ok(());
    }
    Err(source
        .at(span.clone(), key, format!("`{header}` is no definition's to set"))
        .hint("the host writes it itself, or never sends it"))
}

fn is_header_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
}

fn check_answer(source: &Source<'_>, answer: &RawAnswer) -> Checked {
    let both = answer.success_values.intersection(&answer.error_values).next();
    if let Some(value) = both {
        return Err(source.error(0, "answer", format!("`{value}` means both success and error")));
    }
    for (key, pointers) in [
        ("answer.error_pointers", &answer.error_pointers),
        ("answer.partial_pointers", &answer.partial_pointers),
        ("answer.partial_results", &answer.partial_results),
        ("answer.retry_after_pointers", &answer.retry_after_pointers),
        ("answer.links", &answer.links),
    ] {
        for pointer in pointers {
            check_pointer(source, pointer, &(0..0), key)?;
        }
    }
    if let Some(errors) = &answer.partial_errors {
        for pointer in [&errors.list, &errors.place, &errors.code] {
            check_pointer(source, pointer, &(0..0), "answer.partial_errors")?;
        }
    }
    Ok(())
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
    for pin in &tenant.pins {
        check_pin(source, pin)?;
    }
    if matches!(tenant.of, super::raw::RawTenantOf::Connection) && tenant.pins.is_empty() {
        return fail("pins", "a tenant of the connection is only one where every request names it".to_owned());
    }
    match tenant.environments.values().find(|environment| !ENVIRONMENTS.contains(&environment.as_str())) {
        Some(other) => fail("environments", format!("`{other}` is not production, sandbox or developer")),
        None => Ok(()),
    }
}

fn check_pin(source: &Source<'_>, pin: &Spanned<RawPin>) -> Checked {
    let fail = |problem: String| Err(source.at(pin.span(), "tenant.pins", problem));
    match pin.get_ref() {
        RawPin::Body(pointer) => check_pointer(source, pointer, &pin.span(), "tenant.pins"),
        RawPin::Header(name) if !is_header_name(name) => fail(format!("`{name}` is not a lower-case header name")),
        RawPin::Header(name) => check_own_header(source, name, &pin.span(), "tenant.pins"),
        RawPin::Text(text) if text.len() < 3 => fail(format!("`{text}` is too short to tell an id by")),
        RawPin::Path(name) | RawPin::Query(name) if name.is_empty() => fail("the name is empty".to_owned()),
        RawPin::Gaql(gaql) if gaql.fields.is_empty() => fail("no field is listed".to_owned()),
        RawPin::Gaql(gaql) => match gaql.fields.iter().find(|field| **field != field.to_ascii_lowercase()) {
            Some(field) => {
                let error = source.at(pin.span(), "tenant.pins", format!("`{field}` is not in lower case"));
                Err(error.hint("queries are read in lower case, so it would pin nothing"))
            }
            None => Ok(()),
        },
        RawPin::Path(_) | RawPin::Query(_) | RawPin::Text(_) => Ok(()),
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
