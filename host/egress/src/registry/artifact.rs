//! Manifest and config of a component, as "Wasm OCI Artifact" 0 of the CNCF's TAG Runtime has them: one layer, and a config that says
//! what the component imports and exports.
//!
//! Others refuse a manifest with a second layer, so a signature goes as an annotation. Nothing here tells the time: the same
//! component always gives the same manifest, so that pushing it again changes nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wardlock_core::id::Digest;

use super::error::RegistryError;
use super::reference::parse_digest;

/// The largest component that is pushed or pulled, in bytes: the largest that the sandbox loads.
pub const LARGEST_COMPONENT: usize = 32 << 20;
/// The longest signature that is carried, in bytes: minisign's comments have 1024 and 8192 at most.
pub const LARGEST_SIGNATURE: usize = 16 << 10;
/// The largest manifest that is read: what registries should take (OCI distribution specification 1.1, "Pushing manifests").
pub(super) const LARGEST_MANIFEST: usize = 4 << 20;

/// The type of a manifest (OCI image specification 1.1).
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The type of the config ("Wasm OCI Artifact", "Manifest").
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// The type of the one layer.
const LAYER: &str = "application/wasm";
/// Where the signature stands among a manifest's annotations.
const SIGNATURE: &str = "wardlock.plugin.minisig";
/// Annotations with a meaning (OCI image specification 1.1, "Pre-Defined Annotation Keys").
const TITLE: &str = "org.opencontainers.image.title";
const VERSION: &str = "org.opencontainers.image.version";
/// The config must say when it was made; this is what reproducible builds say.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// A plugin on its way into a registry.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// The component.
    pub component: Vec<u8>,
    /// What it calls itself.
    pub name: String,
    /// Which version of it this is.
    pub version: String,
    /// The interfaces that it exports.
    pub exports: Vec<String>,
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// The minisign signature that stands beside it.
    pub signature: Option<String>,
}

/// What an artifact comes to in a registry.
pub(super) struct Made {
    pub config: Vec<u8>,
    pub manifest: Vec<u8>,
}

/// What a manifest says of its component.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub digest: Digest,
    pub size: usize,
    pub signature: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    created: &'static str,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [String; 1],
    component: Interfaces<'a>,
}

#[derive(Serialize)]
struct Interfaces<'a> {
    exports: &'a [String],
    imports: &'a [String],
}

/// Others add members, which mean nothing here.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    #[serde(default)]
    media_type: Option<String>,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
}

impl Descriptor {
    fn of(media_type: &str, bytes: &[u8]) -> Self {
        let digest = format!("sha256:{}", Digest::of(bytes));
        Self { media_type: media_type.to_owned(), digest, size: bytes.len() as u64 }
    }
}

impl Artifact {
    /// Makes config and manifest.
    pub(super) fn make(&self) -> Result<Made, RegistryError> {
        let size = self.component.len();
        if size > LARGEST_COMPONENT {
            return Err(RegistryError::TooLarge { what: "component", limit: LARGEST_COMPONENT });
        }
        let layer = Descriptor::of(LAYER, &self.component);
        let mut annotations = BTreeMap::from([
            (TITLE.to_owned(), format!("{}.wasm", self.name)),
            (VERSION.to_owned(), self.version.clone()),
        ]);
        if let Some(signature) = &self.signature {
            check_signature(signature)?;
            annotations.insert(SIGNATURE.to_owned(), signature.clone());
        }
        let config = Config {
            created: CREATED,
            architecture: "wasm",
            os: "wasip2",
            layer_digests: [layer.digest.clone()],
            component: Interfaces { exports: &self.exports, imports: &self.imports },
        };
        let config = to_json(&config)?;
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(MANIFEST.to_owned()),
            config: Descriptor::of(CONFIG, &config),
            layers: vec![layer],
            annotations,
        };
        Ok(Made { config, manifest: to_json(&manifest)? })
    }
}

/// Reads a manifest: it must be a component's, and within the bounds.
pub(super) fn read(manifest: &[u8]) -> Result<Named, RegistryError> {
    let not = |why| RegistryError::NotAComponent { why };
    let manifest: Manifest =
        serde_json::from_slice(manifest).map_err(|_| not("its manifest is no image manifest"))?;
    if manifest.schema_version != 2 || manifest.media_type.is_some_and(|kind| kind != MANIFEST) {
        return Err(not("its manifest is no image manifest"));
    }
    if manifest.config.media_type != CONFIG {
        return Err(not("its config is of another type than `application/vnd.wasm.config.v0+json`"));
    }
    let [layer] = manifest.layers.as_slice() else {
        return Err(not("its manifest has not exactly one layer"));
    };
    if layer.media_type != LAYER {
        return Err(not("its layer is of another type than `application/wasm`"));
    }
    let digest = parse_digest(&layer.digest).ok_or(not("its layer has no SHA-256 digest"))?;
    let size = usize::try_from(layer.size).ok().filter(|size| *size <= LARGEST_COMPONENT);
    let size = size.ok_or(RegistryError::TooLarge { what: "component", limit: LARGEST_COMPONENT })?;
    let mut annotations = manifest.annotations;
    let signature = annotations.remove(SIGNATURE);
    signature.as_deref().map(check_signature).transpose()?;
    Ok(Named { digest, size, signature })
}

/// Whether it is one, is judged by whoever checks it; here it is short and text.
fn check_signature(signature: &str) -> Result<(), RegistryError> {
    let text = signature.chars().all(|character| !character.is_control() || "\r\n\t".contains(character));
    if text && !signature.is_empty() && signature.len() <= LARGEST_SIGNATURE {
        return Ok(());
    }
    Err(RegistryError::BadSignature { limit: LARGEST_SIGNATURE })
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>, RegistryError> {
    // Texts and numbers only, so it never fails.
    serde_json::to_vec(value).map_err(|_| RegistryError::Client)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn artifact() -> Artifact {
        Artifact {
            component: b"component".to_vec(),
            name: "field-mask".to_owned(),
            version: "1.0.0".to_owned(),
            exports: vec!["wardlock:policy/settings@0.1.0".to_owned()],
            imports: vec!["wasi:io/poll@0.2.6".to_owned()],
            signature: None,
        }
    }

    fn manifest() -> Value {
        serde_json::from_slice(&artifact().make().expect("made").manifest).expect("JSON")
    }

    #[track_caller]
    fn refused(change: impl FnOnce(&mut Value)) -> String {
        let mut manifest = manifest();
        change(&mut manifest);
        read(manifest.to_string().as_bytes()).expect_err("refused").to_string()
    }

    #[test]
    fn config_and_manifest_are_as_other_tools_want_them() {
        let made = artifact().make().expect("made");
        let digest = format!("sha256:{}", Digest::of(b"component"));
        let config = json!({
            "created": "1970-01-01T00:00:00Z", "architecture": "wasm", "os": "wasip2", "layerDigests": [digest],
            "component": { "exports": ["wardlock:policy/settings@0.1.0"], "imports": ["wasi:io/poll@0.2.6"] },
        });
        assert_eq!(serde_json::from_slice::<Value>(&made.config).expect("JSON"), config);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.wasm.config.v0+json",
                "digest": format!("sha256:{}", Digest::of(&made.config)), "size": made.config.len(),
            },
            "layers": [{ "mediaType": "application/wasm", "digest": digest, "size": 9 }],
            "annotations": {
                "org.opencontainers.image.title": "field-mask.wasm", "org.opencontainers.image.version": "1.0.0",
            },
        });
        assert_eq!(serde_json::from_slice::<Value>(&made.manifest).expect("JSON"), manifest);
    }

    #[test]
    fn what_was_made_is_read_and_is_always_the_same() {
        let signature = "untrusted comment: x\nRUQ\ntrusted comment: y\nabc\n".to_owned();
        let signed = Artifact { signature: Some(signature.clone()), ..artifact() };
        let made = signed.make().expect("made");
        let named = Named { digest: Digest::of(b"component"), size: 9, signature: Some(signature) };
        assert_eq!(read(&made.manifest).expect("read"), named);
        assert_eq!(signed.make().expect("made").manifest, made.manifest);
    }

    #[test]
    fn a_manifest_of_anything_else_is_refused_and_told_why() {
        assert!(read(b"{").is_err() && read(b"{\"schemaVersion\":2,\"manifests\":[]}").is_err());
        let index = refused(|manifest| manifest["mediaType"] = json!("application/vnd.oci.image.index.v1+json"));
        assert!(index.contains("no image manifest"), "{index}");
        let image = refused(|manifest| {
            manifest["config"]["mediaType"] = json!("application/vnd.oci.image.config.v1+json");
        });
        assert!(image.contains("vnd.wasm.config"), "{image}");
        let two = refused(|manifest| {
            let layer = manifest["layers"][0].clone();
            manifest["layers"] = json!([layer, layer]);
        });
        assert!(two.contains("exactly one layer"), "{two}");
        let tar = refused(|manifest| manifest["layers"][0]["mediaType"] = json!("application/x-tar"));
        assert!(tar.contains("application/wasm"), "{tar}");
        let other = refused(|manifest| manifest["layers"][0]["digest"] = json!("sha512:00"));
        assert!(other.contains("SHA-256"), "{other}");
    }

    #[test]
    fn what_is_too_large_is_refused_before_it_is_asked_for() {
        let large = refused(|manifest| manifest["layers"][0]["size"] = json!(LARGEST_COMPONENT + 1));
        assert!(large.contains("33554432 bytes"), "{large}");
        refused(|manifest| manifest["layers"][0]["size"] = json!(-1));
        for bad in ["x".repeat(LARGEST_SIGNATURE + 1), String::new(), "a\u{1b}[2J".to_owned()] {
            refused(|manifest| manifest["annotations"][SIGNATURE] = json!(bad));
            let signed = Artifact { signature: Some(bad), ..artifact() };
            assert!(matches!(signed.make().err(), Some(RegistryError::BadSignature { .. })));
        }
    }
}
