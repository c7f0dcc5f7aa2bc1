//! Texts: addresses that are wrong wherever they stand, and answers that nothing reads.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Lint;
use crate::service::raw::RawService;
use crate::service::start::{FILL_IN, FILL_IN_HOST};

/// The redirect URI of a home that sets no other one.
const REDIRECT: &str = "http://127.0.0.1:7421/callback";

/// Last words of paths to which a provider sends a browser back.
const CALLBACKS: [&str; 5] = ["callback", "redirect", "oauth2callback", "oauth_callback", "redirect_uri"];

impl Lint<'_> {
    pub(super) fn texts(&mut self, raw: &RawService) {
        let any_port = raw.oauth.as_ref().is_some_and(|oauth| oauth.get_ref().any_loopback_port);
        if let Ok(document) = DeTable::parse(self.source.text) {
            self.table(document.get_ref(), "", any_port);
        }
        self.unread(raw);
    }

    fn table(&mut self, table: &DeTable<'_>, path: &str, any_port: bool) {
        for (key, value) in table {
            let path =
                if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{}", key.get_ref()) };
            self.value(value, &path, any_port);
        }
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, path: &str, any_port: bool) {
        match value.get_ref() {
            DeValue::String(text) => self.text(text, value.span().start, path, any_port),
            DeValue::Array(items) => items.iter().for_each(|item| self.value(item, path, any_port)),
            DeValue::Table(table) => self.table(table, path, any_port),
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
        }
    }

    fn text(&mut self, text: &str, at: usize, path: &str, any_port: bool) {
        if text.contains(FILL_IN) || text == FILL_IN_HOST {
            let mend = "look it up in the provider's documentation";
            self.note(at, path, format!("`{text}` is still to be filled in"), mend);
        }
        for address in addresses(text) {
            let (host, target) = split(address);
            let loopback = matches!(host, "127.0.0.1" | "localhost" | "[::1]");
            // A scope is a name, even where it looks like an address.
            if address.starts_with("http://") && !loopback && !path.ends_with("scopes") {
                let mend = "write `https://`, if the provider has it";
                self.note(at, path, format!("`{address}` is open to whoever stands between"), mend);
            }
            let last = target.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            let returns = (loopback && !last.is_empty()) || CALLBACKS.contains(&last);
            let ours = address == REDIRECT || (any_port && host == "127.0.0.1" && target == "/callback");
            if path.starts_with("guide.") && returns && !ours {
                let problem = format!("`{address}` is not where a consent comes back to, which is `{REDIRECT}`");
                let mend = "write `the redirect URI` instead: `service guide` prints the one that holds";
                self.note(at, path, problem, mend);
            }
        }
    }

    /// An answer that flows is passed on as it comes.
    fn unread(&mut self, raw: &RawService) {
        let answer = &raw.answer;
        let json = answer.flowing_types.iter().find(|name| name.to_ascii_lowercase().ends_with("json"));
        let read = [
            ("links", &answer.links),
            ("error_pointers", &answer.error_pointers),
            ("partial_pointers", &answer.partial_pointers),
            ("partial_results", &answer.partial_results),
            ("retry_after_pointers", &answer.retry_after_pointers),
        ];
        if let (Some(json), Some((key, _))) = (json, read.into_iter().find(|(_, pointers)| !pointers.is_empty())) {
            let problem = format!("answers of `{json}` flow, so `{key}` finds nothing in them");
            self.find(
                &self.table_at("[answer]"),
                "answer.flowing_types",
                problem,
                "take the type out of `flowing_types`",
            );
        }
    }
}

/// Returns the web addresses in a text, without what a sentence puts after them.
fn addresses(text: &str) -> impl Iterator<Item = &str> {
    let starts = text.match_indices("http").filter(|(at, _)| {
        let rest = &text[*at..];
        rest.starts_with("http://") || rest.starts_with("https://")
    });
    starts.map(|(at, _)| {
        let rest = &text[at..];
        let end = rest.find(|c: char| c.is_whitespace() || "`\"'<>()".contains(c)).unwrap_or(rest.len());
        rest[..end].trim_end_matches(['.', ',', ';', ':', '!', '?'])
    })
}

/// Splits an address into its host and its path.
fn split(address: &str) -> (&str, &str) {
    let rest = address.split_once("://").map_or("", |(_, rest)| rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    (host, path)
}
