//! `[approvers]` in `wardlock.toml`: how people are told that a request waits for them.

use http::Uri;
use serde::Deserialize;
use url::{Host, Url};

use super::text_error::{Document, TextError};

/// The table.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ApproversFile {
    command: Vec<String>,
    webhook: Option<String>,
}

/// How people are told that a request waits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApproversConfig {
    /// A program and its arguments; empty: none.
    pub command: Vec<String>,
    /// Where a message is posted.
    pub webhook: Option<Uri>,
}

impl ApproversFile {
    pub(super) fn check(self, document: &Document<'_>) -> Result<ApproversConfig, TextError> {
        let Self { command, webhook } = self;
        if command.first().is_some_and(String::is_empty) {
            let wrong =
                document.error_at(&["approvers", "command"], "a program is wanted, and then its arguments");
            return Err(wrong.hint("such as [\"notify-send\", \"Wardlock: a request waits\"]"));
        }
        let webhook = webhook.map(|text| {
            let address = Url::parse(&text).ok().filter(is_safe).and_then(|url| url.as_str().parse().ok());
            address.ok_or_else(|| {
                let wrong = document.error_at(
                    &["approvers", "webhook"],
                    "an https address is wanted, or an http one of this machine, without a user or a fragment",
                );
                wrong.hint("such as \"https://hooks.example.com/wardlock\"")
            })
        });
        Ok(ApproversConfig { command, webhook: webhook.transpose()? })
    }
}

/// What is posted names drafts and connections, so it does not go over a network in the clear.
fn is_safe(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => return false,
    };
    let is_private = url.scheme() == "https" || (url.scheme() == "http" && is_here);
    is_private && url.username().is_empty() && url.password().is_none() && url.fragment().is_none()
}
