//! Names and digests. Each is its own type, so that one cannot be passed where another is meant.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no {what}: {rule}")]
pub struct BadName {
    what: &'static str,
    given: String,
    rule: &'static str,
}

const SLUG_RULE: &str = "1 to 64 of a-z, 0-9, `-` and `_`, beginning with a letter or a digit";

/// The names that the agents' listener keeps for itself.
const RESERVED: [&str; 2] = ["-", "mcp"];

fn is_slug(text: &str) -> bool {
    let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let all_allowed = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
    starts_well && all_allowed && text.len() <= 64 && !RESERVED.contains(&text)
}

/// A grant that is one agent's own has that agent's name behind an `@`, which no workspace file can write.
fn is_grant(text: &str) -> bool {
    match text.split_once('@') {
        Some((base, agent)) => is_slug(base) && is_slug(agent),
        None => is_slug(text),
    }
}

macro_rules! slug {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        slug!($(#[$doc])* $name, $what, is_slug);
    };
    ($(#[$doc:meta])* $name:ident, $what:literal, $is:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Parses a name; the error says the rule.
            pub fn parse(text: &str) -> Result<Self, BadName> {
                if $is(text) {
                    return Ok(Self(text.to_owned()));
                }
                let given = text.chars().take(80).collect::<String>().escape_debug().to_string();
                Err(BadName { what: $what, given, rule: SLUG_RULE })
            }

            /// Returns the name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

slug!(/// A workspace: one client or project.
    WorkspaceName, "workspace name");
slug!(/// A connection, within its workspace.
    ConnectionName, "connection name");
slug!(/// An agent, unique in a home.
    AgentName, "agent name");
slug!(/// A grant: one consent under a registration.
    GrantName, "grant name", is_grant);
slug!(/// A registration: an OAuth client at a provider.
    RegistrationName, "registration name");
slug!(/// A service definition.
    ServiceName, "service name");
slug!(/// A plugin's place in a chain.
    PluginName, "plugin name");
slug!(/// A publisher of plugins, as the operator calls it.
    PublisherName, "publisher name");
slug!(/// An operator: a person who runs Wardlock.
    OperatorName, "operator name");
slug!(/// A row of a service's host table: the provider's data centre.
    Region, "region");

impl GrantName {
    /// Returns the name of one agent's own grant.
    #[must_use]
    pub fn of_agent(&self, agent: &AgentName) -> Self {
        let base = self.0.split('@').next().unwrap_or_default();
        Self(format!("{base}@{agent}"))
    }

    /// Returns whose own grant it is; `None`: anybody's of the workspace.
    pub fn agent(&self) -> Option<&str> {
        self.0.split_once('@').map(|(_, agent)| agent)
    }
}

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Digests some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Digests several fields so that no two lists of fields digest alike: each is preceded by its length.
    pub fn of_fields<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = Sha256::new();
        for field in fields {
            hasher.update((field.len() as u64).to_be_bytes());
            hasher.update(field);
        }
        Self(hasher.finalize().into())
    }

    /// Wraps the bytes of a digest that was computed elsewhere.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Parses 64 hex digits.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let mut bytes = [0; 32];
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) => Ok(Self(bytes)),
            Err(_) => Err(BadName {
                what: "SHA-256 digest",
                given: text.chars().take(80).collect::<String>().escape_debug().to_string(),
                rule: "64 hexadecimal digits",
            }),
        }
    }

    /// Returns the 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 64];
        // Twice its length, which is all that is asked for; and hexadecimal digits are text.
        hex::encode_to_slice(self.0, &mut text).map_err(|_| fmt::Error)?;
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// The id of one request, told to the agent, the plugins and the audit alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestId(String);

impl RequestId {
    /// Makes an id of 128 bits, which are the caller's.
    pub fn from_bits(bits: [u8; 16]) -> Self {
        Self(format!("req_{}", hex::encode(bits)))
    }

    /// Makes an id of a time and 80 random bits, which tell apart what comes within one millisecond; the caller brings both. As in
    /// UUIDs of version 7 (RFC 9562, section 5.7) the time stands first, so that younger ids are greater: an index of them is written
    /// at its end only, however long a log is.
    pub fn at(now_ms: u64, random: [u8; 10]) -> Self {
        let mut bits = [0; 16];
        // 48 bits of milliseconds last until the year 10889.
        bits[..6].copy_from_slice(&now_ms.to_be_bytes()[2..]);
        bits[6..].copy_from_slice(&random);
        Self::from_bits(bits)
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn younger_request_ids_are_greater() {
        let at = |now_ms, random| RequestId::at(now_ms, [random; 10]).to_string();
        assert_eq!(at(0x0189_abcd_ef01, 0x7f), "req_0189abcdef017f7f7f7f7f7f7f7f7f7f");
        assert!(at(1_799_999_999_999, 0xff) < at(1_800_000_000_000, 0));
    }

    #[test]
    fn names_with_a_rule_are_refused_with_the_rule() {
        for bad in ["", "-", "mcp", "Acme", "a/b", "a b", "é", &"a".repeat(65)] {
            let error = WorkspaceName::parse(bad).expect_err(bad);
            assert!(error.to_string().contains("a-z"), "{error}");
        }
        assert_eq!(WorkspaceName::parse("acme-eu_2").expect("a name").as_str(), "acme-eu_2");
    }

    #[test]
    fn field_digests_do_not_run_together() {
        let a = Digest::of_fields([b"ab".as_slice(), b"c"]);
        let b = Digest::of_fields([b"a".as_slice(), b"bc"]);
        assert_ne!(a, b);
    }
}
