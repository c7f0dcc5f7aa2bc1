//! What the provider received is what the audit says was sent: every received request has one INTENT with its method, host,
//! path, query and body, and every INTENT that was answered has been received, as often as it says.
//!
//! The reading shares no code with the audit: values are hashed here once more, and bodies from the recorded bytes.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use wardlock::host::Host;
use wardlock::loaded::Services;
use wardlock_audit::{Filter, Kind, RequestDetail, Row, Value};
use wardlock_core::canonical::{CanonicalRequest, Parameter};
use wardlock_core::service::{Pin, RegionRow, ServiceDefinition};
use wardlock_egress::vault::Purpose;
use wardlock_simulator::Recording;

/// What the host asks at a provider by itself, and no INTENT tells: for tokens, and whose account it is.
static OWN: LazyLock<Vec<OwnCall>> = LazyLock::new(|| {
    let services = Services::built_in();
    services.iter().flat_map(|service| service.regions.values().flat_map(|row| own_calls(service, row))).collect()
});

/// Every header by which some service says who asks and for whom: none comes but from the host.
static TELLING: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let services = Services::built_in();
    let pins = services.iter().flat_map(|service| &service.tenant.pins).filter_map(|pin| match pin {
        Pin::Header(name) => Some(name.clone()),
        Pin::Query(_) | Pin::Path(_) | Pin::Body(_) | Pin::Text(_) | Pin::Gaql { .. } => None,
    });
    let injected = services.iter().flat_map(|service| service.inject.headers()).map(str::to_owned);
    injected.chain(pins).chain(["linked-customer-id", "x-crm-org"].map(str::to_owned)).collect()
});

/// A call of the host's own.
struct OwnCall {
    host: String,
    method: &'static str,
    /// The path; of a look-up, with its query.
    target: String,
    /// Parameters that the host may have added to it; `None`: any query.
    added: Option<Vec<String>>,
}

fn own_calls(service: &ServiceDefinition, row: &RegionRow) -> Vec<OwnCall> {
    let oauth = &service.oauth;
    let device = oauth.device.as_ref();
    let for_tokens = [
        Some(&oauth.token_path).filter(|path| !path.is_empty()),
        oauth.refresh.path.as_ref(),
        device.map(|device| &device.path),
        device.and_then(|device| device.token_path.as_ref()),
    ];
    let for_tokens = for_tokens.into_iter().flatten().map(|path| (path, "POST"));
    let revoking = oauth.revoke.iter().map(|form| (&form.path, if form.is_delete { "DELETE" } else { "POST" }));
    let of_oauth = for_tokens.chain(revoking).map(|(path, method)| OwnCall {
        host: row.token_host().to_owned(),
        method,
        target: path.clone(),
        added: None,
    });
    let user = service.user.as_ref().map(|user| (&user.host, &user.target));
    let look_ups = [Some((&service.tenant.host, &service.tenant.path)), user].into_iter().flatten();
    let look_ups = look_ups.flat_map(|(role, target)| {
        row.hosts.get(role).into_iter().flat_map(|hosts| hosts.values()).map(move |host| OwnCall {
            host: host.clone(),
            method: "GET",
            target: target.clone(),
            added: Some(service.inject.query().map(str::to_owned).collect()),
        })
    });
    of_oauth.chain(look_ups).collect()
}

/// Returns whether a request may be one that the host makes by itself.
pub fn is_own(seen: &Recording) -> bool {
    let fits = |own: &OwnCall| {
        let target = match &own.added {
            None => seen.path().to_owned(),
            Some(added) => without(&seen.target, added),
        };
        (own.host.as_str(), own.method, own.target.as_str()) == (&seen.host, seen.method.as_str(), &target)
    };
    OWN.iter().any(fits)
}

/// Takes parameters out of a target.
fn without(target: &str, names: &[String]) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    let left: Vec<&str> = query.split('&').filter(|pair| !names.contains(&name(pair))).collect();
    if left.is_empty() { path.to_owned() } else { format!("{path}?{}", left.join("&")) }
}

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
            && query_of(said, &request).is_some_and(|query| self.says_query(said, query)))
    }

    fn says_path(&self, said: &RequestDetail, segments: &[String]) -> bool {
        let template = said.path.as_deref().unwrap_or_default();
        let words: Vec<&str> = template.split('/').skip(1).collect();
        let mut values = said.parameters.iter();
        let mut fits = |word: &str, segment: &str| {
            let Some((before, rest)) = word.split_once('{') else { return word == segment };
            let after = rest.split_once('}').map_or("", |(_, after)| after);
            let inner = segment.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            let value = values.next();
            inner.zip(value).is_some_and(|(inner, value)| self.says_value(value, inner))
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

/// Splits what the host added off the query's end: exactly the parameters that the row names. `None`: they are not there, or
/// stand elsewhere too.
fn query_of<'a>(said: &RequestDetail, request: &'a CanonicalRequest) -> Option<&'a [Parameter]> {
    let added: Vec<&str> = said.added.iter().filter_map(|name| name.strip_prefix('?')).collect();
    let (query, theirs) = request.query().split_at_checked(request.query().len().checked_sub(added.len())?)?;
    let is_added = |parameter: &Parameter| added.contains(&parameter.name.as_str());
    let exact = theirs.iter().map(|parameter| parameter.name.as_str()).eq(added.iter().copied());
    let given = theirs.iter().all(|parameter| !parameter.value.is_empty());
    (exact && given && !query.iter().any(is_added)).then_some(query)
}

/// Checks what a provider received against the logs of all hosts that called it.
pub fn check(logs: &[Log], received: &[Recording]) -> Result<(), String> {
    // What came over TLS came from the host; the browser's page is plain.
    let mut left: Vec<&Recording> = received.iter().filter(|seen| seen.sni.is_some()).collect();
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
            wire(said, left.remove(at))?;
            found += 1;
        }
        if !times.contains(&found) {
            return Err(format!("INTENT {}: received {found} times, and not {times:?}", intent.escaped()));
        }
    }
    match left.iter().find(|seen| !is_own(seen)) {
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

/// Checks the bytes: one request line, one framing, the body as it was hashed, and once each of what the host adds.
fn wire(said: &RequestDetail, received: &Recording) -> Result<(), String> {
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
    if count("host") != 1 {
        return broken("with more or fewer than one `Host`");
    }
    for name in TELLING.iter().chain(&said.added).filter(|name| !name.starts_with('?')) {
        if count(name) != usize::from(said.added.contains(name)) {
            return broken(&format!("with `{name}`, or without, against what the INTENT says"));
        }
    }
    if count("transfer-encoding") + count("connection") + count("trailer") + count("expect") > 0 {
        return broken("with framing that is not ours");
    }
    let length = format!("\r\ncontent-length: {}\r\n", body.len());
    let framed = if body.is_empty() { count("content-length") <= 1 } else { head.contains(&length) };
    if framed { Ok(()) } else { broken("with another length than its body has") }
}
