//! `[telemetry]` in `wardlock.toml`: the collector that is told of every request.

use http::Uri;
use serde::Deserialize;
use url::Url;

use super::text_error::{Document, TextError};

/// What OTLP over HTTP adds to a collector's address for spans.
const TRACES: &str = "/v1/traces";

/// The table.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TelemetryFile {
    otlp: Option<String>,
}

impl TelemetryFile {
    /// Returns where spans are posted. The address holds no key: no secret belongs into a file.
    pub fn traces(&self, document: &Document<'_>) -> Result<Option<Uri>, TextError> {
        let Some(text) = &self.otlp else {
            return Ok(None);
        };
        match Url::parse(text).ok().filter(is_plain).and_then(|url| with_path(&url)) {
            Some(address) => Ok(Some(address)),
            None => Err(document
                .error_at(
                    &["telemetry", "otlp"],
                    "the address of a collector is wanted that takes OTLP over HTTP, without a user, a query or `/v1/traces`",
                )
                .hint("such as \"http://127.0.0.1:4318\"")),
        }
    }
}

fn is_plain(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
        && !url.path().trim_end_matches('/').ends_with(TRACES)
}

fn with_path(url: &Url) -> Option<Uri> {
    format!("{}{TRACES}", url.as_str().trim_end_matches('/')).parse().ok()
}
