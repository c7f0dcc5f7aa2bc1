//! What can be said of a component without settings or a chain: for `plugin inspect`.

use std::sync::Arc;

use serde_json::Value;
use wardlock_core::id::Digest;

use crate::description::Description;
use crate::error::LoadError;
use crate::imports;
use crate::loaded;
use crate::sandbox::Sandbox;
use crate::schema::Schema;

/// What a component is.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// Its digest: what `sha256` pins.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: usize,
    /// The version of `wardlock:policy` that it is built for; `None`: none.
    pub package_version: Option<String>,
    /// What it imports.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
    /// What it says of itself, or why it would not load.
    pub about: Result<About, LoadError>,
}

/// What a plugin says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct About {
    /// Name, version and the capabilities that it asks for.
    pub description: Description,
    /// The JSON Schema of its settings.
    pub schema: Value,
    /// How much memory it takes when it starts, before it is given settings.
    pub start_bytes: u64,
    /// Why it would not load with empty settings and an empty folder.
    pub unset: Option<LoadError>,
}

impl Sandbox {
    /// Inspects a component. An error means that the bytes are not a component at all.
    pub async fn inspect(&self, bytes: Vec<u8>) -> Result<Inspection, LoadError> {
        let inner = &self.inner;
        let (size, limit) = (bytes.len(), inner.config.max_component_bytes);
        if size > limit {
            return Err(LoadError::TooLarge { size, limit });
        }
        let digest = Digest::of(&bytes);
        let (prepared, _) = inner.prepare(Arc::new(bytes), loaded::job(&inner.config, digest, None)).await?;
        let (start_bytes, unset) = (prepared.start_bytes, prepared.unset);
        let about = prepared.described.and_then(|described| {
            let schema = Schema::parse(&described.schema)?.into_value();
            Ok(About { description: Description::take(&described)?, schema, start_bytes, unset })
        });
        let names = prepared.names;
        let package_version = imports::package_version(&names).map(str::to_owned);
        Ok(Inspection { digest, size, package_version, imports: names.imports, exports: names.exports, about })
    }
}
