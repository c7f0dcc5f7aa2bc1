//! A plugin in its place: loaded with its settings, and asked once for each request.
//!
//! Whatever goes wrong in it is a [`PluginFault`], and every fault denies.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use serde_json::Value;
use wardlock_core::connection::Hooks;
use wardlock_core::id::{Digest, PluginName};
use wardlock_core::plugin::{
    Answer, Caller, MAX_BODY, MIN_MEMORY, MIN_TIME, PluginFault, PluginRequest, PluginResponse, ResponseAnswer,
    accept, accept_response,
};

use crate::adapt::BodyView;
use crate::breaker::{Breaker, Breakers};
use crate::description::{CAPABILITIES, Description};
use crate::error::LoadError;
use crate::files::Files;
use crate::gate::Share;
use crate::instance::Linked;
use crate::loaded::{Loaded, Ready, Where};
use crate::log::{PluginLog, Said};
use crate::runtime::{Call, Runtime};
use crate::sandbox::{Inner, Sandbox};
use crate::takes::{Bounded, Quotas, Take};

/// The most bytes that a plugin may hand over in one answer, besides a body.
const ANSWER_BYTES: usize = 1 << 20;

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
    /// The files that it may read; `None`: the capability `folder` is not granted.
    pub files: Option<Files>,
    /// How long one decision may take.
    pub time: Duration,
    /// How much memory one decision may take.
    pub memory_bytes: u64,
}

/// A loaded plugin.
pub struct Plugin {
    given: Arc<Given>,
    pub(crate) call: Call,
    share: Share,
    came: Arc<Came>,
    /// Whether its lines are kept and shown.
    tells: bool,
    loaded: Arc<Loaded>,
    // Last: what is loaded goes before the engine.
    sandbox: Arc<Inner>,
}

/// What its judging came to.
#[derive(Default)]
struct Came {
    /// Of requests.
    requests: Breakers,
    /// Of answers: counted apart, or each request that is judged well would make up for its answer.
    answers: Breakers,
    /// How often it failed.
    faults: Arc<AtomicU64>,
}

/// What the workspace file says of a plugin.
struct Given {
    name: PluginName,
    settings: String,
    settings_digest: Digest,
    granted: BTreeSet<String>,
    files: Option<Files>,
    capabilities: BTreeSet<String>,
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
        let settings = spec.settings.to_string();
        let settings_digest = settings_digest(&settings, spec.files.as_ref());
        let ready = Box::pin(Loaded::get(inner, spec.bytes, digest, &settings, spec.files.clone())).await?;
        let Ready { loaded, start_bytes } = ready;
        if start_bytes > spec.memory_bytes {
            return Err(LoadError::Memory { needed: start_bytes, limit: spec.memory_bytes });
        }
        let capabilities: BTreeSet<String> =
            loaded.description.capabilities.intersection(&spec.granted).cloned().collect();
        let call = Call {
            time: spec.time,
            memory_bytes,
            handover_bytes: ANSWER_BYTES + if capabilities.contains("shape") { MAX_BODY } else { 0 },
            body: view(&capabilities, "body"),
            answer_body: view(&capabilities, "response-body"),
            counts: capabilities.contains("quota"),
        };
        let LoadSpec { name, granted, files, .. } = spec;
        let given = Arc::new(Given { name, settings, settings_digest, granted, files, capabilities });
        Ok(Plugin::of(given, call, loaded, Arc::clone(inner)))
    }
}

impl Plugin {
    fn of(given: Arc<Given>, call: Call, loaded: Arc<Loaded>, sandbox: Arc<Inner>) -> Self {
        Self { given, call, share: sandbox.share(), came: Arc::default(), tells: true, loaded, sandbox }
    }

    /// Returns its name in the chain.
    pub fn name(&self) -> &PluginName {
        &self.given.name
    }

    /// Returns the component's digest.
    pub fn digest(&self) -> Digest {
        self.loaded.key.component
    }

    /// Returns the digest of its settings' JSON text, and of the files that it may read where there are some.
    pub fn settings_digest(&self) -> Digest {
        self.given.settings_digest
    }

    /// Returns its settings' JSON text.
    pub fn settings(&self) -> &str {
        &self.given.settings
    }

    /// Returns the capabilities that the operator granted, asked for or not.
    pub fn granted(&self) -> &BTreeSet<String> {
        &self.given.granted
    }

    /// Returns the files that the operator lets it read.
    pub fn files(&self) -> Option<&Files> {
        self.given.files.as_ref()
    }

    /// Returns how much memory one decision may take, bytes.
    pub fn memory_bytes(&self) -> u64 {
        self.call.memory_bytes as u64
    }

    /// Returns whether it sees the content of requests' bodies.
    pub fn sees_body(&self) -> bool {
        self.call.body == BodyView::Content
    }

    /// Returns the same plugin once more, loaded already, with so much time for one decision. Its places and failures are its
    /// own: what is tried on it keeps no request waiting and trips nothing that serves. What it logs goes nowhere: the request that it
    /// is asked about has its lines already.
    #[must_use]
    pub fn apart(&self, time: Duration) -> Self {
        let (given, loaded, sandbox) =
            (Arc::clone(&self.given), Arc::clone(&self.loaded), Arc::clone(&self.sandbox));
        Self { tells: false, ..Self::of(given, Call { time, ..self.call }, loaded, sandbox) }
    }

    /// Goes on with the failures that were counted of the plugin before it in its place, where that is the same component with the same
    /// settings, files, capabilities and limits. Any other has not failed yet.
    #[must_use]
    pub fn in_place_of(self, before: &Self) -> Self {
        let is_same = self.digest() == before.digest()
            && self.settings_digest() == before.settings_digest()
            && self.capabilities() == before.capabilities()
            && (self.call.time, self.call.memory_bytes) == (before.call.time, before.call.memory_bytes);
        if is_same { Self { came: Arc::clone(&before.came), ..self } } else { self }
    }

    /// Returns what it says of itself.
    pub fn description(&self) -> &Description {
        &self.loaded.description
    }

    /// Returns the capabilities that hold: asked for and granted.
    pub fn capabilities(&self) -> &BTreeSet<String> {
        &self.given.capabilities
    }

    /// Returns whether its settings are in a snapshot, so that no request waits for `configure`; the reason where not.
    pub fn snapshot(&self) -> Result<(), &str> {
        self.loaded.snapshot.as_ref().copied().map_err(String::as_str)
    }

    /// Returns what it judges.
    pub fn hooks(&self) -> Hooks {
        self.loaded.hooks
    }

    /// Returns whether it sees the content of answers.
    pub fn sees_answers(&self) -> bool {
        self.call.answer_body == BodyView::Content
    }

    /// Returns whether it failed so often that it is not run for now, for some agent.
    pub fn is_tripped(&self) -> bool {
        self.came.requests.is_tripped() || self.came.answers.is_tripped()
    }

    /// Returns how often it failed, as whoever counts its verdicts counts it.
    pub fn faults(&self) -> &Arc<AtomicU64> {
        &self.came.faults
    }

    /// Judges a request, in a fresh instance that is dropped afterwards. There are no quotas to take of.
    pub async fn decide(&self, request: &PluginRequest) -> Result<Answer, PluginFault> {
        self.decide_taking(request, None).await
    }

    /// Judges a request likewise; what it takes is counted.
    pub async fn decide_counted(
        &self,
        request: &PluginRequest,
        quotas: &Arc<dyn Quotas>,
    ) -> Result<Answer, PluginFault> {
        // Most plugins count nothing.
        let takes = self.call.counts.then(|| -> Arc<dyn Take> { Bounded::new(quotas, &self.given.name) });
        self.decide_taking(request, takes).await
    }

    /// Lets a request be sent whose answer it is to judge, or says that it would not judge it: it kept failing on answers.
    pub(crate) fn let_send(&self, agent: &str) -> Result<(), PluginFault> {
        if self.hooks().judge_answers() { self.came.answers.of(agent).send(Instant::now()) } else { Ok(()) }
    }

    /// Judges an answer, in a fresh instance that is dropped afterwards.
    pub async fn judge_answer(&self, response: &PluginResponse) -> Result<ResponseAnswer, PluginFault> {
        let judge = async {
            let _place = self.sandbox.gate.enter(&self.share).await?;
            let judged = self.loaded.judge_answer(&self.given.settings, &self.call, response).await;
            self.tell(&judged.log, &response.id, &response.caller, response.now_ms);
            judged.answer.and_then(accept_response)
        };
        unless_tripped(&self.came.answers.of(&response.caller.agent), judge).await
    }

    /// What will not be sent is judged whatever failed before, and its faults stop nothing that will.
    async fn decide_taking(
        &self,
        request: &PluginRequest,
        takes: Option<Arc<dyn Take>>,
    ) -> Result<Answer, PluginFault> {
        let judge = self.judge(request, takes);
        if request.dry_run {
            return judge.await;
        }
        unless_tripped(&self.came.requests.of(&request.caller.agent), judge).await
    }

    async fn judge(&self, request: &PluginRequest, takes: Option<Arc<dyn Take>>) -> Result<Answer, PluginFault> {
        let _place = self.sandbox.gate.enter(&self.share).await?;
        let judged = self.loaded.judge(&self.given.settings, &self.call, request, takes).await;
        self.tell(&judged.log, &request.id, &request.caller, request.now_ms);
        // An answer that came from another process is taken through the caps here too.
        judged.answer.and_then(accept)
    }

    fn tell(&self, log: &PluginLog, request_id: &str, caller: &Caller, at_ms: u64) {
        if self.tells {
            log.tell(&self.sandbox.logs, &Said { plugin: self.given.name.as_str(), request_id, caller, at_ms });
        }
    }

    /// Returns what runs in this process, for the bench.
    pub(crate) fn inside(&self) -> Option<(&Runtime, &Linked, Option<&str>)> {
        let settings = self.loaded.snapshot.is_err().then_some(self.given.settings.as_str());
        match &self.loaded.code {
            Where::Inside(linked, inside) => Some((&inside.runtime, linked, settings)),
            Where::Workers(_) => None,
        }
    }
}

async fn unless_tripped<T>(
    breaker: &Breaker,
    judge: impl Future<Output = Result<T, PluginFault>>,
) -> Result<T, PluginFault> {
    let call = breaker.enter(Instant::now())?;
    let judged = judge.await;
    call.ended(judged.as_ref().err(), Instant::now());
    judged
}

fn view(capabilities: &BTreeSet<String>, needed: &str) -> BodyView {
    if capabilities.contains(needed) { BodyView::Content } else { BodyView::Summary }
}

/// What a plugin reads decides as its settings do, so rows name both by one digest.
fn settings_digest(settings: &str, files: Option<&Files>) -> Digest {
    let settings = settings.as_bytes();
    files.map_or_else(|| Digest::of(settings), |files| Digest::of_fields([settings, files.digest().as_bytes()]))
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
    if spec.time < MIN_TIME || spec.time > max_time {
        let (given, range) = (format!("{:?}", spec.time), format!("{MIN_TIME:?} to {max_time:?}"));
        return Err(LoadError::Limit { limit: "time", given, range });
    }
    match usize::try_from(spec.memory_bytes) {
        Ok(bytes) if (MIN_MEMORY..=max_memory).contains(&spec.memory_bytes) => Ok(bytes),
        _ => Err(LoadError::Limit {
            limit: "memory",
            given: format!("{} bytes", spec.memory_bytes),
            range: format!("{}KiB to {}MiB", MIN_MEMORY >> 10, max_memory >> 20),
        }),
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.given.name)
            .field("digest", &self.loaded.key.component)
            .field("capabilities", &self.given.capabilities)
            .finish_non_exhaustive()
    }
}
