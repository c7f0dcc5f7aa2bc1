//! The setup guide of a service: what its console asks for, in the order in which it asks. Rendered from data.

use serde_json::{Value, json};
use wardlock_core::id::Region;
use wardlock_core::service::ServiceDefinition;

use crate::config::nearest;

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
        "homepage": asks.homepage,
        "redirect_uri": redirect_uri,
        "notes": asks.notes,
        "page_errors": asks.page_errors,
        "callback_errors": asks.callback_errors,
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
    lines.push(format!("Client type:  {}", asks.client_type));
    lines.push(format!("Client name:  {}", asks.client_name));
    if !asks.client_name_rule.is_empty() {
        lines.push(format!("              ({})", asks.client_name_rule));
    }
    lines.push(format!("Homepage:     {}", asks.homepage));
    lines.extend([
        "Redirect URI, to the letter:".to_owned(),
        String::new(),
        redirect_uri.to_owned(),
        String::new(),
    ]);
    lines.extend(asks.notes.iter().map(|note| format!("- {note}")));
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

fn unknown_region(service: &ServiceDefinition, given: &str) -> GuideError {
    let names = service.regions.keys().map(Region::as_str);
    let known = match nearest(given, names.clone()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("it has {}", names.collect::<Vec<_>>().join(", ")),
    };
    GuideError::Region { service: service.name.to_string(), given: given.escape_debug().to_string(), known }
}
