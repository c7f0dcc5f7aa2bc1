//! What is sealed of a draft: the request as it would be sent, and later its answer. Disk formats, with versions.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use wardlock_audit::Separation;
use wardlock_core::canonical::{CanonicalRequest, Header};
use wardlock_core::decision::{Held, Holder};
use wardlock_core::id::Digest;
use wardlock_core::refusal::Refusal;
#[cfg(doc)]
use wardlock_egress::vault::DraftTime;

use super::WAITS_MS;
use super::shown::Exact;
use crate::ingress::KeptAnswer;
use crate::text::{decode_base64, encode_base64};

/// The version of both formats.
const VERSION: u32 = 1;

/// Headers about the answer and about who asks, in lower case: what is done is the same whatever they say (RFC 9110 section 12.5).
const ABOUT_THE_ANSWER: [&str; 5] =
    ["accept", "accept-charset", "accept-encoding", "accept-language", "user-agent"];

/// Why sealed bytes are no draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadContent {
    /// They do not read as this version writes them.
    #[error("it was kept by another version, or is damaged")]
    Form,
    /// The request has no canonical form any more.
    #[error("the request that was kept has no canonical form here")]
    NotCanonical,
}

/// A held request, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    version: u32,
    /// When it was held; nothing where an earlier version kept it, which then has waited for too long.
    #[serde(default)]
    held_ms: u64,
    /// The time that counts as its own before the vault ([`DraftTime`]); nothing where an earlier version kept it.
    #[serde(default)]
    counted_ms: u64,
    /// Its method.
    pub method: String,
    /// Path and query, in their one spelling.
    pub target: String,
    /// Names in lower case and values.
    headers: Vec<(String, Bytes)>,
    body: Bytes,
    /// What the agent gave as its purpose.
    pub purpose: Option<String>,
    /// The address under which the agent reached the host.
    pub via: Option<String>,
    /// The host to which it would go.
    pub host: Option<String>,
    /// The account that it is for.
    pub tenant: String,
    /// Where it would go ([`Connection::place_digest`](wardlock_core::connection::Connection::place_digest)).
    pub place: Digest,
    /// What it touches.
    pub resources: Vec<String>,
    /// The most records that it touches; `None`: without bound, or not known.
    pub breadth: Option<u32>,
    /// Who holds it.
    pub holders: Vec<Holder>,
    /// Why, as the agent was told.
    pub reason: String,
    /// Whether the agent is another user of the system.
    pub separation: Separation,
}

/// A media type in one spelling: its letters small, and without a charset that says what holds anyway (RFC 8259 section 8.1).
fn media_type(value: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(value).to_ascii_lowercase();
    let parts: Vec<&str> = text.split(';').map(str::trim).collect();
    let meant = parts.into_iter().filter(|part| !matches!(*part, "charset=utf-8" | "charset=\"utf-8\"" | ""));
    meant.collect::<Vec<_>>().join(";").into_bytes()
}

/// Bytes, as base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&encode_base64(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        decode_base64(&text).map(Self).ok_or_else(|| serde::de::Error::custom("no base64"))
    }
}

impl Content {
    /// Takes a held request as it would be sent. It is held now, and counts as of no time before the vault's floor.
    pub fn of(
        held: &Held,
        refusal: &Refusal,
        host: Option<&str>,
        separation: Separation,
        now_ms: u64,
        floor_ms: u64,
    ) -> Self {
        let request = held.classified.request();
        let operation = held.classified.operation();
        let header = |header: &Header| (header.name.clone(), Bytes(header.value.clone()));
        Self {
            version: VERSION,
            held_ms: now_ms,
            counted_ms: now_ms.max(floor_ms),
            method: request.method().as_str().to_owned(),
            target: request.path_and_query(),
            headers: request.headers().iter().map(header).collect(),
            body: Bytes(request.body().to_vec()),
            purpose: held.asked.purpose.clone(),
            via: held.asked.via.clone(),
            host: host.map(str::to_owned),
            tenant: held.asked.tenant.clone(),
            place: held.connection.place_digest(&held.classified),
            resources: operation.resources.clone(),
            breadth: operation.breadth,
            holders: held.holders.clone(),
            reason: refusal.detail.clone(),
            separation,
        }
    }

    /// Digests what the agent asked for: all but the form of the answer that it would like, and how its media type is spelled. Who asks
    /// for the same once more has the same draft, or two approvals would do one thing twice.
    pub fn asked(&self) -> Digest {
        let meant = self.headers.iter().filter(|(name, _)| !ABOUT_THE_ANSWER.contains(&name.as_str()));
        let headers: BTreeSet<(&str, Cow<'_, [u8]>)> = meant
            .map(|(name, value)| match name.as_str() {
                "content-type" => (name.as_str(), Cow::Owned(media_type(&value.0))),
                _ => (name.as_str(), Cow::Borrowed(value.0.as_slice())),
            })
            .collect();
        let mut fields: Vec<&[u8]> = vec![self.method.as_bytes(), self.target.as_bytes(), &self.body.0];
        for (name, value) in &headers {
            fields.push(name.as_bytes());
            fields.push(value);
        }
        Digest::of_fields(fields)
    }

    /// Returns whether its time is over, by what is sealed: whoever writes the state can write another time into its row.
    pub fn is_over(&self, now_ms: u64) -> bool {
        now_ms >= self.held_ms.saturating_add(WAITS_MS)
    }

    /// Returns the time that counts as its own before the vault.
    pub fn counted_ms(&self) -> u64 {
        self.held_ms.max(self.counted_ms)
    }

    /// Renders it.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Strings and numbers always render.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads it.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadContent> {
        let content: Self = serde_json::from_slice(bytes).map_err(|_| BadContent::Form)?;
        if content.version == VERSION { Ok(content) } else { Err(BadContent::Form) }
    }

    /// Returns all that its digest is of.
    pub fn exact(&self) -> Exact {
        Exact::new(&self.method, &self.target, &self.headers, &self.body)
    }

    /// Returns the request, in its canonical form.
    pub fn request(&self) -> Result<CanonicalRequest, BadContent> {
        self.exact().request()
    }
}

/// The answer of a released draft, as it is kept for its agent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    version: u32,
    status: u16,
    headers: Vec<(String, Bytes)>,
    body: Bytes,
}

/// Renders an answer.
pub fn answer_to_bytes(answer: &KeptAnswer) -> Vec<u8> {
    let headers = answer.headers.iter().map(|(name, value)| (name.clone(), Bytes(value.clone())));
    let answer = Answer {
        version: VERSION,
        status: answer.status,
        headers: headers.collect(),
        body: Bytes(answer.body.clone()),
    };
    serde_json::to_vec(&answer).unwrap_or_default()
}

/// Reads an answer.
pub fn parse_answer(bytes: &[u8]) -> Result<KeptAnswer, BadContent> {
    let Answer { version, status, headers, body } = serde_json::from_slice(bytes).map_err(|_| BadContent::Form)?;
    if version != VERSION {
        return Err(BadContent::Form);
    }
    let headers = headers.into_iter().map(|(name, value)| (name, value.0));
    Ok(KeptAnswer { status, headers: headers.collect(), body: body.0 })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_sealed_says_when_it_has_waited_for_too_long() {
        let mut kept = json!({
            "version": 1, "method": "GET", "target": "/", "headers": [], "body": "", "purpose": null, "via": null,
            "host": null, "tenant": "1", "place": Digest::of(b""), "resources": [], "breadth": null, "holders": [],
            "reason": "", "separation": "none",
        });
        let read = |kept: &serde_json::Value| Content::parse(kept.to_string().as_bytes()).expect("a draft");
        assert!(read(&kept).is_over(WAITS_MS), "an earlier version kept it, and said nothing of when");
        kept["held_ms"] = 5.into();
        assert!(!read(&kept).is_over(WAITS_MS + 4) && read(&kept).is_over(WAITS_MS + 5));
    }
}
