//! What a plugin says of itself, through the host's caps.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::bindings::exports::wardlock::policy::settings as wit;
use crate::error::LoadError;
use crate::text::{Dashes, is_code, is_plain};

/// The capabilities that there are.
pub const CAPABILITIES: &[&str] = &["body", "shape", "response-body", "quota", "folder"];

const MAX_CAPABILITIES: usize = 16;
const MAX_ATTRIBUTES: usize = 32;
const MAX_VERSION: usize = 64;
const MAX_VALUE: usize = 1 << 10;

/// What a plugin says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it asks for beyond metadata. It gets what the operator grants of it.
    pub capabilities: BTreeSet<String>,
    /// More about it.
    pub attributes: Vec<(String, String)>,
}

/// The same as the plugin said it, and its schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Described {
    name: String,
    version: String,
    capabilities: Vec<String>,
    attributes: Vec<(String, String)>,
    pub(crate) schema: String,
}

impl Described {
    /// Returns whether it asks for a capability.
    pub(crate) fn asks_for(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|name| name == capability)
    }
}

impl Described {
    /// Takes over what a plugin said.
    pub(crate) fn new(said: wit::Description, schema: String) -> Self {
        Self {
            name: said.name,
            version: said.version,
            capabilities: said.capabilities,
            attributes: said.attributes.into_iter().map(|of| (of.name, of.value)).collect(),
            schema,
        }
    }
}

impl Description {
    /// Takes a description, or says which rule it breaks.
    pub(crate) fn take(described: &Described) -> Result<Self, LoadError> {
        let refuse = |what: &str| Err(LoadError::Description { what: what.to_owned() });
        let plain = |text: &str, max: usize| text.len() <= max && text.chars().all(is_plain);
        if !is_code(&described.name, Dashes::Allow) {
            return refuse("its name is not 1 to 64 of a-z, 0-9, `-` and `_`");
        }
        if described.version.is_empty() || !plain(&described.version, MAX_VERSION) {
            return refuse("its version is empty, too long or not plain text");
        }
        let codes = described.capabilities.iter().all(|name| is_code(name, Dashes::Allow));
        if !codes || described.capabilities.len() > MAX_CAPABILITIES {
            return refuse("its capabilities are too many, or not names of a-z, 0-9, `-` and `_`");
        }
        let attributes = described.attributes.len() <= MAX_ATTRIBUTES
            && described
                .attributes
                .iter()
                .all(|(name, value)| plain(name, MAX_VERSION) && plain(value, MAX_VALUE));
        if !attributes {
            return refuse("its attributes are too many, too long or not plain text");
        }
        Ok(Self {
            name: described.name.clone(),
            version: described.version.clone(),
            capabilities: described.capabilities.iter().cloned().collect(),
            attributes: described.attributes.clone(),
        })
    }
}
