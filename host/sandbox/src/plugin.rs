//! A plugin in its place: loaded with its settings, and asked once for each request.
//!
//! Whatever goes wrong in it is a [`PluginFault`], and every fault denies.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use wardlock_core::id::{Digest, PluginName};
use wardlock_core::plugin::{Answer, MAX_BODY, PluginFault, PluginRequest};

use crate::adapt::{self, BodyView, Shown};
use crate::compiled::Compiled;
use crate::description::{CAPABILITIES, Description};
use crate::engine::Running;
use crate::error::LoadError;
use crate::gate::Share;
use crate::instance::{Bounds, Live, within};
use crate::sandbox::{Inner, Sandbox};

/// The most bytes that a plugin may hand over in one answer, besides a body.
const ANSWER_BYTES: usize = 1 << 20;
/// The least memory that a limit may name: one page of WebAssembly.
const MIN_MEMORY: u64 = 64 << 10;

/// What to load, as the workspace file has it.
#[derive(Debug, Clone)]
pub struct LoadSpec {
    /// Its name in the chain.
    pub name: PluginName,
    /// The component.
    pub bytes: Vec<u8>,
    /// The pinned digest; `None` where the file pins none, which does not load.
    pub expected_digest: Option<Digest>,
    /// Its settings: a JSON object.
    pub settings: Value,
    /// The capabilities that the operator grants.
    pub granted: BTreeSet<String>,
    /// How long one decision may take.
    pub time: Duration,
    /// How much memory one decision may take.
    pub memory_bytes: u64,
}

/// A loaded plugin.
pub struct Plugin {
    name: PluginName,
    log_name: Arc<str>,
    settings: String,
    settings_digest: Digest,
    capabilities: BTreeSet<String>,
    time: Duration,
    memory_bytes: usize,
    handover_bytes: usize,
    pub(crate) body: BodyView,
    share: Share,
    compiled: Arc<Compiled>,
    // Last: what it compiled goes before the engine.
    sandbox: Arc<Inner>,
}

impl Sandbox {
    /// Loads a plugin: checks the pin, compiles, reads what it imports, asks what it is, tries its settings.
    ///
    /// Compiling a large component takes seconds; it runs on a thread of its own.
    pub async fn load(&self, spec: LoadSpec) -> Result<Plugin, LoadError> {
        let inner = &self.inner;
        let memory_bytes = check_limits(inner, &spec)?;
        check_granted(&spec.granted)?;
        let digest = check_pin(inner, &spec)?;
        let compiled = Compiled::new(inner, spec.bytes, digest).await?;
        compiled.try_settings(inner, &spec.settings).await?;
        let capabilities: BTreeSet<String> =
            compiled.description.capabilities.intersection(&spec.granted).cloned().collect();
        let settings = spec.settings.to_string();
        Ok(Plugin {
            log_name: Arc::from(spec.name.as_str()),
            name: spec.name,
            settings_digest: Digest::of(settings.as_bytes()),
            settings,
            time: spec.time,
            memory_bytes,
            handover_bytes: ANSWER_BYTES + if capabilities.contains("shape") { MAX_BODY } else { 0 },
            body: if capabilities.contains("body") { BodyView::Content } else { BodyView::Summary },
            capabilities,
            share: inner.share(),
            compiled,
            sandbox: Arc::clone(inner),
        })
    }
}

impl Plugin {
    /// Returns its name in the chain.
    pub fn name(&self) -> &PluginName {
        &self.name
    }

    /// Returns the component's digest.
    pub fn digest(&self) -> Digest {
        self.compiled.digest
    }

    /// Returns the digest of its settings' JSON text.
    pub fn settings_digest(&self) -> Digest {
        self.settings_digest
    }

    /// Returns what it says of itself.
    pub fn description(&self) -> &Description {
        &self.compiled.description
    }

    /// Returns the capabilities that hold: asked for and granted.
    pub fn capabilities(&self) -> &BTreeSet<String> {
        &self.capabilities
    }

    /// Judges a request, in a fresh instance that is dropped afterwards.
    pub async fn decide(&self, request: &PluginRequest) -> Result<Answer, PluginFault> {
        let _place = self.sandbox.gate.enter(&self.share).await?;
        let _running = self.running();
        let judge = async {
            let mut live = self.start(request).await?;
            live.on_request(&Shown::new(request, self.body)).await
        };
        adapt::answer(within(self.time, judge, |fault| fault).await?)
    }

    pub(crate) fn running(&self) -> Running<'_> {
        self.sandbox.ticker.running()
    }

    /// Starts an instance and gives it its settings.
    pub(crate) async fn start(&self, request: &PluginRequest) -> Result<Live<'_>, PluginFault> {
        let bounds = Bounds {
            plugin: &self.log_name,
            digest: self.compiled.digest,
            request_id: &request.id,
            now_ms: request.now_ms,
            memory_bytes: self.memory_bytes,
            handover_bytes: self.handover_bytes,
        };
        let mut live = self.compiled.linked.instantiate(bounds).await?;
        match live.configure(&self.settings).await? {
            Ok(()) => Ok(live),
            Err(_) => {
                let what = "it refuses the settings that it took when it was loaded".to_owned();
                Err(PluginFault::Nonsense { what })
            }
        }
    }
}

fn check_pin(inner: &Inner, spec: &LoadSpec) -> Result<Digest, LoadError> {
    let (size, limit) = (spec.bytes.len(), inner.config.max_component_bytes);
    if size > limit {
        return Err(LoadError::TooLarge { size, limit });
    }
    let found = Digest::of(&spec.bytes);
    match spec.expected_digest {
        None => Err(LoadError::Unpinned { found }),
        Some(expected) if expected != found => Err(LoadError::WrongDigest { expected, found }),
        Some(_) => Ok(found),
    }
}

fn check_granted(granted: &BTreeSet<String>) -> Result<(), LoadError> {
    match granted.iter().find(|name| !CAPABILITIES.contains(&name.as_str())) {
        Some(name) => Err(LoadError::UnknownCapability { name: name.clone(), known: CAPABILITIES }),
        None => Ok(()),
    }
}

fn check_limits(inner: &Inner, spec: &LoadSpec) -> Result<usize, LoadError> {
    let (max_time, max_memory) = (inner.config.max_time, inner.config.max_memory_bytes);
    if spec.time < Duration::from_millis(1) || spec.time > max_time {
        let (given, range) = (format!("{:?}", spec.time), format!("1ms to {max_time:?}"));
        return Err(LoadError::Limit { limit: "time", given, range });
    }
    match usize::try_from(spec.memory_bytes) {
        Ok(bytes) if (MIN_MEMORY..=max_memory).contains(&spec.memory_bytes) => Ok(bytes),
        _ => Err(LoadError::Limit {
            limit: "memory",
            given: format!("{} bytes", spec.memory_bytes),
            range: format!("{MIN_MEMORY} to {max_memory} bytes"),
        }),
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.name)
            .field("digest", &self.compiled.digest)
            .field("capabilities", &self.capabilities)
            .finish_non_exhaustive()
    }
}
