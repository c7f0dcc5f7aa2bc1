//! What the provider received is what the audit says was sent: every received request has one INTENT with its method, host,
//! path, query and body, and every INTENT that was answered has been received, as often as it says.
//!
//! The reading shares no code with the audit: values are hashed here once more, and bodies from the recorded bytes.

use std::collections::BTreeSet;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use wardlock::host::Host;
use wardlock_audit::{Filter, Kind, RequestDetail, Row, Value};
use wardlock_core::canonical::{CanonicalRequest, Parameter};
use wardlock_egress::vault::Purpose;
use wardlock_simulator::{Recording, Role};

/// What the service itself asks: the tenant, and the person who consented.
pub const LOOK_UPS: [&str; 2] = ["/crm/v8/org", "/crm/v8/users?type=CurrentUser"];

/// The end of a text that was too long for its row.
const CUT: char = '…';

/// One log, and the key under which its values are hashed.
pub struct Log {
    pub rows: Vec<Row>,
    pub key: [u8; 32],
}

impl Log {
    /// Reads a host's whole log.
    pub fn of(host: &Host) -> Self {
        let rows = host.audit().list(&Filter::newest(usize::MAX)).expect("the audit's rows");
        Self { rows, key: *host.vault().keys().derive_key(Purpose::AuditPaths) }
    }

    fn keyed(&self, text: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("a key of any length");
        mac.update(text.as_bytes());
        hex::encode(&mac.finalize().into_bytes()[..16])
    }

    /// Every INTENT, and how often its request may have been received: those first of which that is known.
    fn intents(&self) -> Vec<(&Row, std::ops::RangeInclusive<u32>)> {
        let mut intents: Vec<_> = self.rows.iter().filter(|row| row.kind == Kind::Intent).collect();
        let outcome = |intent: &Row| self.rows.iter().find(|row| row.closes == Some(intent.sequence));
        let times = |intent: &Row| match outcome(intent).and_then(|row| row.detail.answer.as_ref()) {
            Some(answer) if answer.upstream_status.is_some() => answer.attempts..=answer.attempts,
            Some(answer) => 0..=answer.attempts,
            // Nobody waited for what came of it.
            None => 0..=2,
        };
        intents.sort_by_key(|intent| *times(intent).start() == 0);
        intents.into_iter().map(|intent| (intent, times(intent))).collect()
    }

    /// Whether a row says this of what was received.
    fn says(&self, said: &RequestDetail, received: &Recording) -> Result<bool, String> {
        let request = canonical(received)?;
        let body = (!received.body.is_empty()).then(|| hex::encode(Sha256::digest(&received.body)));
        let length = (!received.body.is_empty()).then_some(received.body.len() as u64);
        Ok(said.method.as_deref() == Some(&received.method)
            && said.host.as_deref() == Some(&received.host)
            && (&said.body_sha256, said.body_bytes) == (&body, length)
            && self.says_path(said, request.segments())
            && self.says_query(said, request.query()))
    }

    fn says_path(&self, said: &RequestDetail, segments: &[String]) -> bool {
        let template = said.path.as_deref().unwrap_or_default();
        let words: Vec<&str> = template.split('/').skip(1).collect();
        let mut values = said.parameters.iter();
        let mut fits = |word: &str, segment: &str| {
            if word.starts_with('{') {
                return values.next().is_some_and(|value| self.says_value(value, segment));
            }
            word == segment
        };
        words.len() == segments.len() && words.iter().zip(segments).all(|(word, segment)| fits(word, segment))
    }

    fn says_query(&self, said: &RequestDetail, query: &[Parameter]) -> bool {
        let fits = |value: &Value, given: &Parameter| match &value.name {
            Some(name) => *name == given.name && self.says_value(value, &given.value),
            None => value.keyed == Some(self.keyed(&given.name)),
        };
        let whole = said.query.len() == query.len() || (said.cut && said.query.len() < query.len());
        whole && said.query.iter().zip(query).all(|(value, given)| fits(value, given))
    }

    fn says_value(&self, said: &Value, text: &str) -> bool {
        match (&said.value, &said.keyed) {
            (Some(value), _) => match value.strip_suffix(CUT) {
                Some(start) => text.starts_with(start),
                None => value == text,
            },
            (None, keyed) => *keyed == Some(self.keyed(text)),
        }
    }
}

/// Checks what a provider received against the logs of all hosts that called it.
pub fn check(logs: &[Log], received: &[Recording]) -> Result<(), String> {
    let mut left: Vec<&Recording> = received.iter().filter(|seen| seen.role == Role::Api).collect();
    // A home that was restored from a backup has the same rows as the original, up to the backup.
    let mut seen_before = BTreeSet::new();
    for (log, (intent, times)) in logs.iter().flat_map(|log| log.intents().into_iter().map(move |row| (log, row)))
    {
        if !seen_before.insert(intent.hash) {
            continue;
        }
        let said = intent.detail.request.as_ref().ok_or("an INTENT without a request")?;
        let mut found = 0;
        while found < *times.end() {
            let mut at = None;
            for (index, seen) in left.iter().enumerate() {
                if log.says(said, seen)? {
                    at = Some(index);
                    break;
                }
            }
            let Some(at) = at else { break };
            wire(left.remove(at))?;
            found += 1;
        }
        if !times.contains(&found) {
            return Err(format!("INTENT {}: received {found} times, and not {times:?}", intent.escaped()));
        }
    }
    match left.iter().find(|seen| !LOOK_UPS.contains(&seen.target.as_str())) {
        Some(seen) => Err(format!("`{} {}` was received, and no INTENT says so", seen.method, seen.target)),
        None => Ok(()),
    }
}

/// What was received, read as it would be judged: the wire has the one spelling.
fn canonical(received: &Recording) -> Result<CanonicalRequest, String> {
    let Recording { method, target, .. } = received;
    let read = CanonicalRequest::parse(method, target, Vec::new(), Vec::new());
    let read = read.map_err(|error| format!("`{method} {target}` was received: {error}"))?;
    if read.path_and_query() != *target {
        return Err(format!("`{target}` was received, which is not its one spelling"));
    }
    Ok(read)
}

/// Checks the bytes: one request line, one credential, one framing, and the body as it was hashed.
fn wire(received: &Recording) -> Result<(), String> {
    let Recording { method, target, raw, body, .. } = received;
    let broken = |what: &str| Err(format!("`{method} {target}` was received {what}"));
    if !raw.starts_with(format!("{method} {target} HTTP/1.1\r\n").as_bytes()) {
        return broken("under another request line");
    }
    if !raw.ends_with(body) {
        return broken("with another body than its bytes are");
    }
    let head = String::from_utf8_lossy(&raw[..raw.len() - body.len()]).to_ascii_lowercase();
    let count = |name: &str| head.matches(&format!("\r\n{name}:")).count();
    if count("authorization") != 1 || count("host") != 1 {
        return broken("with more or fewer than one `Authorization` and `Host`");
    }
    if count("transfer-encoding") + count("connection") + count("trailer") + count("expect") > 0 {
        return broken("with framing that is not ours");
    }
    let length = format!("\r\ncontent-length: {}\r\n", body.len());
    let framed = if body.is_empty() { count("content-length") <= 1 } else { head.contains(&length) };
    if framed { Ok(()) } else { broken("with another length than its body has") }
}
