//! The setup guide of a service: what its console asks for, in the order in which it asks. Rendered from data.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use wardlock_core::id::Region;
use wardlock_core::service::{GrantType, ServiceDefinition, TenantOf};

use crate::config::{CALLBACK, nearest};

/// Why there is no guide.
#[derive(Debug, thiserror::Error)]
pub enum GuideError {
    /// The service has no such region.
    #[error("service `{service}` has no region `{given}`; {known}")]
    Region {
        /// The service.
        service: String,
        /// What was asked for.
        given: String,
        /// What there is.
        known: String,
    },
}

/// A setup guide.
#[derive(Debug, Clone)]
pub struct SetupGuide {
    /// For people.
    pub text: String,
    json: Value,
}

impl SetupGuide {
    /// Returns the guide for programs.
    pub fn to_json(&self) -> Value {
        self.json.clone()
    }
}

/// Renders the guide of a service, for one region or for all.
pub fn guide(
    service: &ServiceDefinition,
    region: Option<&str>,
    redirect_uri: &str,
) -> Result<SetupGuide, GuideError> {
    if let Some(given) = region.filter(|given| !service.regions.contains_key(*given)) {
        return Err(unknown_region(service, given));
    }
    let consoles: Vec<(&str, &str)> = service
        .regions
        .iter()
        .filter(|(name, _)| region.is_none_or(|region| name.as_str() == region))
        .map(|(name, row)| (name.as_str(), row.console.as_str()))
        .collect();
    let asks = &service.guide;
    let json = json!({
        "service": service.name.as_str(),
        "consoles": consoles.iter().map(|(region, url)| json!({ "region": region, "url": url })).collect::<Vec<_>>(),
        "client_type": asks.client_type,
        "client_name": asks.client_name,
        "client_name_rule": asks.client_name_rule,
        "homepage": homepage(service, redirect_uri),
        "redirect_uri": redirect_uri,
        "notes": asks.notes,
        "page_errors": asks.page_errors,
        "callback_errors": asks.callback_errors,
        "grant_types": service.oauth.grants.iter().map(|grant| grant.as_str()).collect::<Vec<_>>(),
        "key": service.key,
        "secrets": service.secrets.iter().map(|(name, secret)| json!({
            "name": name, "help": secret.help, "optional": secret.optional,
        })).collect::<Vec<_>>(),
        "params": service.params.iter().map(|(name, param)| json!({
            "name": name, "help": param.help, "optional": param.optional,
        })).collect::<Vec<_>>(),
        "groups": groups(service).map(|(group, scopes)| json!({
            "group": group,
            "scopes": scopes.iter().map(|scope| json!({
                "value": scope, "display": service.scope_display(scope),
            })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    });
    Ok(SetupGuide { text: render(service, &consoles, redirect_uri), json })
}

fn render(service: &ServiceDefinition, consoles: &[(&str, &str)], redirect_uri: &str) -> String {
    let asks = &service.guide;
    let mut lines = vec![format!("{}: what to enter in the provider's console", service.display), String::new()];
    if consoles.len() > 1 {
        lines.push(
            "Console, by the region in which the account is (ask whoever owns it, or look at its URL):".to_owned(),
        );
        lines.extend(consoles.iter().map(|(region, url)| format!("  {region:<4} {url}")));
    } else {
        lines.extend(consoles.iter().map(|(_, url)| format!("Console:      {url}")));
    }
    match &service.key {
        Some(ask) => lines.push(format!("Key:          {ask}")),
        None => client(service, redirect_uri, &mut lines),
    }
    if !asks.notes.is_empty() {
        lines.push(String::new());
        lines.extend(asks.notes.iter().map(|note| format!("- {note}")));
    }
    commands(service, &mut lines);
    scopes(service, &mut lines);
    for (title, errors) in [
        ("Errors that the provider shows on its own pages, and what they mean:", &asks.page_errors),
        ("Errors that come back here:", &asks.callback_errors),
    ] {
        if !errors.is_empty() {
            lines.extend([String::new(), title.to_owned()]);
            lines.extend(errors.iter().map(|(error, meaning)| format!("  {error}: {meaning}")));
        }
    }
    lines.join("\n") + "\n"
}

/// What to enter as homepage: a definition that names this program by its usual address means the one at which this home waits.
pub fn homepage(service: &ServiceDefinition, redirect_uri: &str) -> String {
    let usual = format!("http://{CALLBACK}");
    let here = redirect_uri.strip_suffix("/callback").filter(|_| service.guide.homepage == usual);
    here.unwrap_or(&service.guide.homepage).to_owned()
}

/// What the console asks of a client.
fn client(service: &ServiceDefinition, redirect_uri: &str, lines: &mut Vec<String>) {
    let asks = &service.guide;
    let homepage = homepage(service, redirect_uri);
    for (title, value) in [
        ("Client type:", &asks.client_type),
        ("Client name:", &asks.client_name),
        ("", &asks.client_name_rule),
        ("Homepage:", &homepage),
    ] {
        match value.as_str() {
            "" => {}
            value if title.is_empty() => lines.push(format!("              ({value})")),
            value => lines.push(format!("{title:<13} {value}")),
        }
    }
    if service.oauth.allows(GrantType::AuthorizationCode) {
        let any_port = if service.oauth.any_loopback_port { ", the port aside" } else { "" };
        lines.extend([format!("Redirect URI, to the letter{any_port}:"), String::new(), redirect_uri.to_owned()]);
    }
}

/// What is to be done here, in order.
fn commands(service: &ServiceDefinition, lines: &mut Vec<String>) {
    let name = &service.name;
    lines.extend([String::new(), "Then, here:".to_owned(), String::new()]);
    if service.key.is_none() {
        let public = if service.oauth.needs_client_secret() { "" } else { " --public" };
        lines.push(format!("  wardlock registration add {name} --service {name} --client-id ID{public}"));
        for (which, secret) in &service.secrets {
            let optional = if secret.optional { "; only if you have one" } else { "" };
            lines.push(format!("  wardlock registration set-secret {name} --name {which}"));
            lines.push(format!("      {}{optional}", secret.help));
        }
    }
    lines.push("  wardlock connect WORKSPACE/CONNECTION".to_owned());
    if service.oauth.allows(GrantType::DeviceCode) && service.oauth.allows(GrantType::AuthorizationCode) {
        lines.push(
            "      without a browser on this machine: --device (a client for devices), or --no-browser".to_owned(),
        );
    }
    let mut file: Vec<String> = Vec::new();
    if service.tenant.of == TenantOf::Connection {
        file.push("  tenant = \"…\"   the account of the login that this workspace is for; every request is pinned to it".to_owned());
    }
    file.extend(service.params.iter().map(|(name, param)| {
        let optional = if param.optional { " (may be left out)" } else { "" };
        format!("  params = {{ {name} = \"…\" }}   {}{optional}", param.help)
    }));
    if !file.is_empty() {
        lines.extend([
            String::new(),
            "In the workspace file, beside `service`, `region` and `grant`:".to_owned(),
            String::new(),
        ]);
        lines.extend(file);
    }
}

/// Returns each operation group with the least scopes that it needs.
fn groups(service: &ServiceDefinition) -> impl Iterator<Item = (&String, BTreeSet<String>)> {
    let everything = BTreeSet::from(["*".to_owned()]);
    service.groups.iter().map(move |(group, operations)| {
        (group, service.least_scopes(&operations.iter().cloned().collect(), &everything))
    })
}

/// What each operation group asks for, in the consent page's words.
fn scopes(service: &ServiceDefinition, lines: &mut Vec<String>) {
    lines.extend([String::new(), "Operation groups, and what a consent for each asks for:".to_owned()]);
    for (group, scopes) in groups(service) {
        lines.push(format!("  {group}"));
        lines.extend(scopes.iter().map(|scope| match service.scope_display(scope) {
            display if display == scope => format!("    {scope}"),
            display => format!("    {scope}  ({display})"),
        }));
    }
}

fn unknown_region(service: &ServiceDefinition, given: &str) -> GuideError {
    let names = service.regions.keys().map(Region::as_str);
    let known = match nearest(given, names.clone()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("it has {}", names.collect::<Vec<_>>().join(", ")),
    };
    GuideError::Region { service: service.name.to_string(), given: given.escape_debug().to_string(), known }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::loaded::Services;

    /// Where the guides of the built-in services are for those who have no Wardlock yet.
    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guides");

    #[test]
    fn the_homepage_is_where_this_home_waits() {
        let services = Services::built_in();
        let service = services.get("zoho-crm").expect("built in");
        assert_eq!(homepage(service, "http://127.0.0.1:9000/callback"), "http://127.0.0.1:9000");
        assert_eq!(homepage(service, "https://w.example/callback"), "https://w.example");
        let text = guide(service, None, "http://127.0.0.1:9000/callback").expect("a guide").text;
        assert!(text.contains("http://127.0.0.1:9000\n") && !text.contains("7421"), "{text}");
    }

    fn page(service: &ServiceDefinition) -> String {
        let guide = guide(service, None, "http://127.0.0.1:7421/callback").expect("a guide");
        format!(
            "# {}\n\nWhat `wardlock service guide {}` prints.\n\n```text\n{}```\n",
            service.display, service.name, guide.text
        )
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the pages are files of the checkout")]
    fn each_built_in_service_s_guide_is_mirrored_in_the_docs() {
        let services = Services::built_in();
        let renew = std::env::var_os("WARDLOCK_RENEW_GUIDES").is_some();
        let mut expected = BTreeSet::new();
        for service in services.iter() {
            let name = format!("{}.md", service.name);
            let path = Path::new(FOLDER).join(&name);
            let page = page(service);
            if renew {
                fs::write(&path, &page).expect("written");
            }
            let stored = fs::read_to_string(&path).unwrap_or_default();
            assert!(
                stored == page,
                "docs/guides/{name} is not what the definition says: run WARDLOCK_RENEW_GUIDES=1 cargo test -p wardlock --lib mirrored"
            );
            expected.insert(name);
        }
        let there = fs::read_dir(FOLDER).expect("the folder").map(|entry| entry.expect("an entry").file_name());
        let there: BTreeSet<String> = there.map(|name| name.to_string_lossy().into_owned()).collect();
        assert_eq!(there, expected);
    }
}
