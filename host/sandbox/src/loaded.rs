//! Code that is loaded where guests run: once for each component and settings, whatever the plugins that use it.

use std::sync::Arc;

use wardlock_core::connection::Hooks;
use wardlock_core::id::Digest;
use wardlock_core::plugin::{PluginRequest, PluginResponse, ResponseAnswer};

use crate::cache;
use crate::description::Description;
use crate::error::LoadError;
use crate::files::Files;
use crate::imports;
use crate::inside::Inside;
use crate::instance::Linked;
use crate::prepare::{Code, Job, Prepared};
use crate::runtime::{Call, Judged};
use crate::sandbox::{Inner, Key, Runner, SandboxConfig};
use crate::takes::Take;
use crate::worker::Installed;

/// Code, ready to judge.
pub(crate) struct Loaded {
    pub(crate) key: Key,
    pub(crate) description: Description,
    /// What it judges.
    pub(crate) hooks: Hooks,
    /// Whether it runs from a snapshot; the reason where it does not.
    pub(crate) snapshot: Result<(), String>,
    /// How much memory it takes before it is asked about a request, with the settings that it was prepared with.
    start_bytes: u64,
    pub(crate) code: Where,
}

/// Where it is.
pub(crate) enum Where {
    Inside(Box<Linked>, Arc<Inside>),
    Workers(Installed),
}

/// Code that takes certain settings, and how much memory that takes before it is asked about a request.
pub(crate) struct Ready {
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) start_bytes: u64,
}

impl Loaded {
    /// Takes what is loaded, kept or prepared now, in this order. It is prepared with the most memory that a plugin may have, so that
    /// the code is the same for every limit; whoever asks compares what it takes with the limit.
    pub(crate) async fn get(
        inner: &Inner,
        bytes: Vec<u8>,
        component: Digest,
        settings: &str,
        files: Option<Files>,
    ) -> Result<Ready, LoadError> {
        let plain = Key { component, settings: None, files: files.as_ref().map(Files::digest) };
        let snapshot = Key { settings: Some(Digest::of(settings.as_bytes())), ..plain };
        if let Some(known) = inner.known(snapshot) {
            return Ok(known.ready());
        }
        if let Some(known) = inner.known(plain) {
            return known.with(inner, settings).await;
        }
        if let Some(kept) = inner.kept(snapshot) {
            return Ok(Self::install(inner, snapshot, kept, files).await?.ready());
        }
        if let Some(kept) = inner.kept(plain) {
            return Self::install(inner, plain, kept, files).await?.with(inner, settings).await;
        }
        let job = Job { files: files.clone(), ..job(&inner.config, component, Some(settings.to_owned())) };
        let prepared = inner.prepare(Arc::new(bytes), job).await?;
        let key = if prepared.0.snapshot.is_ok() { snapshot } else { plain };
        inner.keep(key, &prepared);
        Ok(Self::install(inner, key, prepared, files).await?.ready())
    }

    fn ready(self: Arc<Self>) -> Ready {
        Ready { start_bytes: self.start_bytes, loaded: self }
    }

    /// Loads prepared code where guests run.
    async fn install(
        inner: &Inner,
        key: Key,
        (prepared, code): (Prepared, Code),
        files: Option<Files>,
    ) -> Result<Arc<Self>, LoadError> {
        // What a plugin says of itself crossed from where guests run: it is taken here, through the caps.
        let description = Description::take(&prepared.described?)?;
        let hooks = imports::hooks(&prepared.names)?;
        let files = files.filter(|_| description.capabilities.contains("folder"));
        let code = match &inner.runner {
            Runner::Inside(inside) => {
                Where::Inside(Box::new(inside.install(&code, key.component, files)?), Arc::clone(inside))
            }
            Runner::Workers(crew) => Where::Workers(crew.install(&code, key.component, files).await?),
        };
        let Prepared { snapshot, start_bytes, .. } = prepared;
        let loaded = Arc::new(Self { key, description, hooks, snapshot, start_bytes, code });
        inner.remember(&loaded);
        Ok(loaded)
    }

    /// Tries other settings on code that serves any.
    async fn with(self: Arc<Self>, inner: &Inner, settings: &str) -> Result<Ready, LoadError> {
        let job = job(&inner.config, self.key.component, Some(settings.to_owned()));
        let start_bytes = match &self.code {
            Where::Inside(linked, inside) => inside.runtime.configure(linked, &job).await?,
            Where::Workers(installed) => installed.configure(job).await?,
        };
        Ok(Ready { loaded: self, start_bytes })
    }

    /// Judges a request.
    pub(crate) async fn judge(
        &self,
        settings: &str,
        call: &Call,
        request: &PluginRequest,
        takes: Option<Arc<dyn Take>>,
    ) -> Judged {
        let settings = self.snapshot.is_err().then_some(settings);
        match &self.code {
            Where::Inside(linked, inside) => inside.runtime.judge(linked, settings, call, request, takes).await,
            Where::Workers(installed) => installed.judge(settings, call, request, takes).await,
        }
    }

    /// Judges an answer.
    pub(crate) async fn judge_answer(
        &self,
        settings: &str,
        call: &Call,
        response: &PluginResponse,
    ) -> Judged<ResponseAnswer> {
        let settings = self.snapshot.is_err().then_some(settings);
        match &self.code {
            Where::Inside(linked, inside) => inside.runtime.judge_answer(linked, settings, call, response).await,
            Where::Workers(installed) => installed.judge_answer(settings, call, response).await,
        }
    }
}

impl Inner {
    /// Prepares a component where guests run.
    pub(crate) async fn prepare(&self, bytes: Arc<Vec<u8>>, job: Job) -> Result<(Prepared, Code), LoadError> {
        match &self.runner {
            Runner::Inside(inside) => inside.prepare(&self.config, bytes, job).await,
            Runner::Workers(crew) => crew.prepare(&self.config, bytes, job).await,
        }
    }

    /// Returns what is kept of an earlier run.
    fn kept(&self, key: Key) -> Option<(Prepared, Code)> {
        cache::split(&self.cache.get()?.load(&self.cache_name(key))?)
    }

    /// Keeps what was prepared.
    fn keep(&self, key: Key, (prepared, code): &(Prepared, Code)) {
        if let (Some(cache), Ok(_)) = (self.cache.get(), &prepared.described)
            && let Some(bytes) = cache::join(prepared, code)
        {
            cache.store(&self.cache_name(key), &bytes);
        }
    }

    fn cache_name(&self, key: Key) -> String {
        let (place, fingerprint) = match &self.runner {
            Runner::Inside(inside) => ("inside", inside.fingerprint),
            Runner::Workers(crew) => ("worker", crew.fingerprint()),
        };
        cache::name(key, place, fingerprint, self.config.snapshots)
    }
}

/// Makes the job for a component.
pub(crate) fn job(config: &SandboxConfig, digest: Digest, settings: Option<String>) -> Job {
    let memory_bytes = usize::try_from(config.max_memory_bytes).unwrap_or(usize::MAX);
    Job { digest, settings, files: None, memory_bytes, snapshot: config.snapshots }
}
