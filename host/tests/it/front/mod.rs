//! What the front door refuses and what it strips, byte for byte: table A of SECURITY.md, row by row.
//!
//! Attacks go out as they stand here, over sockets of their own; what the provider received is read in the simulator's
//! byte-exact recording. Of a refused request that is nothing, and what an agent is told has a code.
//!
//! - [`target`]: rows A1 to A6, what stands in the request line.
//! - [`framing`]: rows A7 to A9, where a request ends and whom it names.
//! - [`headers`]: rows A10 to A13, what must not pass on.
//! - [`methods`]: rows A14 and A15, methods, upgrades and sizes.
//! - [`meaning`]: rows A16 to A20, what a request would do.
//! - [`tokens`]: rows A21, A22 and A24, who asks and for what.
//! - [`shown`]: row A26, what the audit shows of it all.
//! - [`corpus`]: fifty requests that hyper reads leniently.
//! - [`slow`]: clients that drip, that are silent, that do not read.
//! - [`answers`]: what of an odd answer reaches an agent.

mod answers;
mod corpus;
mod framing;
mod headers;
mod meaning;
mod methods;
mod shown;
mod slow;
mod target;
mod tokens;

use wardlock_simulator::{Recording, Role};
use wardlock_tests::raw::RawReply;

use crate::world::{Plan, World};

/// Where attacks aim: a read that would be answered if nothing else were wrong.
pub const LEADS: &str = "/acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=2";
/// The same, as the provider gets it.
const LEADS_UPSTREAM: &str = "/crm/v8/Leads?fields=Last_Name&per_page=2";
/// Headers that a read may have at the provider: the service's, and those that the host adds.
const UPSTREAM: [&str; 7] =
    ["accept", "accept-encoding", "accept-language", "authorization", "host", "if-modified-since", "user-agent"];

/// What an agent is told: a status and a code.
pub type Told = (u16, &'static str);

/// The bytes have no one reading as HTTP.
pub const BAD: Told = (400, "bad_request");
/// The target or the body has more than one reading.
pub const NOT_CANONICAL: Told = (400, "not_canonical");
/// The head is too large.
pub const HEAD_TOO_LARGE: Told = (431, "head_too_large");

/// A world at whose front door somebody knocks.
///
/// In an attack's text, `{host}` stands for the listener, `{token}` for an agent's token, and `{who}` for the lines of an
/// honest request: host, token, the wish for problem+json, and the end of the connection.
pub struct Door {
    pub world: World,
}

impl Door {
    /// Opens one for the usual plan.
    pub async fn open() -> Self {
        Self::of(Plan::default()).await
    }

    /// Opens one.
    pub async fn of(plan: Plan) -> Self {
        Self { world: World::start(plan).await }
    }

    /// Ends the world, with everything that it checks at its end.
    pub async fn close(self) {
        self.world.end().await;
    }

    /// Returns the bytes of an attack's text.
    pub fn bytes(&self, text: &str) -> Vec<u8> {
        let (host, token) = (self.world.agents.to_string(), &self.world.tokens["acme"]);
        let who = "Host: {host}\r\nAuthorization: Bearer {token}\r\nAccept: application/problem+json\r\n\
                   Connection: close\r\n";
        text.replace("{who}", who).replace("{host}", &host).replace("{token}", token).into_bytes()
    }

    /// Returns how many bytes the provider received so far, over all connections.
    pub fn received(&self) -> usize {
        self.world.simulator.connections().iter().map(|connection| connection.raw.len()).sum()
    }

    /// Every one of these is refused as it says, and not one byte reaches the provider.
    pub async fn refuses(&self, attacks: &[(&str, &str, Told)]) {
        for (name, attack, told) in attacks {
            self.refuses_bytes(name, self.bytes(attack), *told).await;
        }
    }

    /// The same for bytes that are no text, or are made up.
    pub async fn refuses_bytes(&self, name: &str, attack: Vec<u8>, told: Told) -> RawReply {
        let before = self.received();
        let reply = self.world.send(attack).await;
        let said = reply.json().unwrap_or_else(|error| panic!("{name}, {}: {error:#}", reply.status));
        assert_eq!((reply.status, said["code"].as_str()), (told.0, Some(told.1)), "{name}: {said}");
        for member in ["detail", "rule", "actor", "request_id"] {
            assert!(said[member].is_string(), "{name}: no {member} in {said}");
        }
        assert!(told != BAD || said["hint"].is_string(), "{name}: no hint in {said}");
        assert_eq!(said["request_id"].as_str(), reply.header("wardlock-request-id"), "{name}");
        assert_eq!(self.received(), before, "{name}: something was sent");
        reply
    }

    /// This one is allowed; returns what the provider received, which is a request for this target with nothing but the
    /// headers that may pass and one credential, the provider's own.
    pub async fn passes(&self, name: &str, request: &str, target: &str) -> Recording {
        let seen = |door: &Self| -> Vec<Recording> {
            let all = door.world.simulator.recordings().into_iter();
            all.filter(|recording| recording.role == Role::Api).collect()
        };
        let before = seen(self).len();
        let reply = self.world.send(self.bytes(request)).await;
        let said = String::from_utf8_lossy(&reply.bytes);
        assert_eq!(reply.header("wardlock-decision"), Some("allow"), "{name}: {said}");
        let mut received = seen(self).split_off(before);
        assert_eq!(received.len(), 1, "{name}");
        let received = received.remove(0);
        assert_eq!(received.target, target, "{name}");
        check_upstream(name, &received, &self.world.tokens["acme"]);
        received
    }
}

/// Reads the recorded bytes, not what a parser made of them.
fn check_upstream(name: &str, received: &Recording, token: &str) {
    let raw = String::from_utf8_lossy(&received.raw);
    assert!(!raw.contains(token), "{name}: the agent's token went out");
    let (head, _) = raw.split_once("\r\n\r\n").expect("a head");
    let fields = head.split("\r\n").skip(1).map(|line| line.split_once(':').expect("a field"));
    let mut credentials = 0;
    for (field, value) in fields {
        let field = field.to_ascii_lowercase();
        let framing = !received.body.is_empty() && ["content-length", "content-type"].contains(&field.as_str());
        assert!(framing || UPSTREAM.contains(&field.as_str()), "{name}: the provider saw `{field}`");
        if field == "authorization" {
            credentials += 1;
            assert!(value.starts_with(" Zoho-oauthtoken "), "{name}: another credential");
        }
    }
    assert_eq!(credentials, 1, "{name}");
}
