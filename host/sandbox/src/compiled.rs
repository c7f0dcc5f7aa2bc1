//! A component that has been compiled, linked and asked what it is: once for each digest, whatever the settings.

use std::sync::Arc;
use std::time::Duration;

use wardlock_core::id::Digest;
use wardlock_core::plugin::PluginFault;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::description::Description;
use crate::error::LoadError;
use crate::imports;
use crate::instance::{Bounds, Linked, Live, within};
use crate::nesting;
use crate::sandbox::Inner;
use crate::schema::Schema;
use crate::text::escaped;

/// How long `describe`, `schema` and the first `configure` may take: a first run is slower than a request.
const ASK_TIME: Duration = Duration::from_secs(1);
/// The most bytes that a plugin may hand over when it is asked: its schema.
const ASK_BYTES: usize = 512 << 10;

/// How every module and component in binary form begins; text is not taken.
const WASM: &[u8] = b"\0asm";

/// A component, ready to be given settings.
pub(crate) struct Compiled {
    pub(crate) digest: Digest,
    pub(crate) linked: Linked,
    pub(crate) description: Description,
    pub(crate) schema: Schema,
}

impl Compiled {
    /// Checks, compiles, links and asks a component.
    pub(crate) async fn new(inner: &Arc<Inner>, bytes: Vec<u8>, digest: Digest) -> Result<Arc<Self>, LoadError> {
        if let Some(known) = inner.known(digest) {
            return Ok(known);
        }
        let component = compile(inner, bytes).await?;
        let compiled = Arc::new(Self::ask(inner, &component, digest).await?);
        inner.remember(&compiled);
        Ok(compiled)
    }

    /// Checks, links and asks a compiled component.
    pub(crate) async fn ask(inner: &Inner, component: &Component, digest: Digest) -> Result<Self, LoadError> {
        imports::check(&inner.engine, component)?;
        let linked = Linked::new(&inner.linker, component).map_err(|error| differs(&error))?;
        let during = |during, fault| LoadError::Fault { during, fault };
        let asked = asking(inner, &linked, digest, async |live: &mut Live<'_>| {
            live.check_types().map_err(|error| differs(&error))?;
            live.describe().await.map_err(|(function, fault)| during(function, fault))
        });
        let (described, schema) = asked.await?;
        Ok(Self { digest, linked, description: Description::take(described)?, schema: Schema::parse(&schema)? })
    }

    /// Tries settings: against the schema, then with the plugin itself.
    pub(crate) async fn try_settings(&self, inner: &Inner, settings: &serde_json::Value) -> Result<(), LoadError> {
        let problems = self.schema.problems(settings);
        if !problems.is_empty() {
            return Err(LoadError::Settings { problems });
        }
        let text = settings.to_string();
        asking(inner, &self.linked, self.digest, async |live: &mut Live<'_>| match live.configure(&text).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(problems)) => Err(crate::schema::found(&problems)),
            Err(fault) => Err(LoadError::Fault { during: "configure", fault }),
        })
        .await
    }
}

/// Compiles on a thread of its own: large components take seconds. Nothing can stop a compiler, so one that takes too
/// long is left to itself and only keeps its turn.
pub(crate) async fn compile(inner: &Arc<Inner>, bytes: Vec<u8>) -> Result<Component, LoadError> {
    if Engine::detect_precompiled(&bytes).is_some() {
        return Err(LoadError::Precompiled);
    }
    if !bytes.starts_with(WASM) {
        return Err(LoadError::Invalid { what: "it does not begin as WebAssembly does".to_owned() });
    }
    if nesting::is_too_deep(&bytes) {
        let what = format!("components stand in it more than {} deep", nesting::DEEPEST);
        return Err(LoadError::Invalid { what });
    }
    let (engine, compilers) = (inner.engine.clone(), Arc::clone(&inner.compilers));
    let compiling = async {
        let turn = compilers.acquire_owned().await;
        tokio::task::spawn_blocking(move || {
            let compiled = Component::from_binary(&engine, &bytes);
            drop(turn);
            compiled
        })
        .await
    };
    let limit = inner.config.max_compile;
    match tokio::time::timeout(limit, compiling).await {
        Ok(Ok(Ok(component))) => Ok(component),
        Ok(Ok(Err(error))) => Err(LoadError::Invalid { what: escaped(&error.root_cause().to_string(), 500) }),
        Ok(Err(_)) => Err(LoadError::Engine { what: "the compiler stopped".to_owned() }),
        Err(_) => Err(LoadError::SlowToCompile { limit }),
    }
}

/// Runs something in a fresh instance, outside any request: at time zero, with little time and memory.
async fn asking<T>(
    inner: &Inner,
    linked: &Linked,
    digest: Digest,
    ask: impl AsyncFnOnce(&mut Live<'_>) -> Result<T, LoadError>,
) -> Result<T, LoadError> {
    let failed = |fault: PluginFault| LoadError::Fault { during: "load", fault };
    let share = inner.share();
    let _place = inner.gate.enter(&share).await.map_err(failed)?;
    let _running = inner.ticker.running();
    let bounds = Bounds {
        plugin: &Arc::from("load"),
        digest,
        request_id: "load",
        now_ms: 0,
        memory_bytes: usize::try_from(inner.config.max_memory_bytes).unwrap_or(usize::MAX),
        handover_bytes: ASK_BYTES,
    };
    let run = async {
        let mut live = linked.instantiate(bounds).await.map_err(failed)?;
        ask(&mut live).await
    };
    within(ASK_TIME, run, failed).await
}

fn differs(error: &wasmtime::Error) -> LoadError {
    LoadError::Contract { what: escaped(&format!("{error:#}"), 500) }
}
