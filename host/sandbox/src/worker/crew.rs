//! All workers: who is asked, what each must have loaded, and who takes the place of one that ended.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock, Weak};
use std::time::{Duration, Instant};

use serde_bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use wardlock_core::canonical::Method;
use wardlock_core::id::Digest;
use wardlock_core::plugin::{Payload, PluginFault, PluginRequest, PluginResponse, ResponseAnswer};

use crate::adapt::BodyView;
use crate::engine::Features;
use crate::error::{LoadError, SandboxError};
use crate::files::Files;
use crate::instance::WALL_TIMES;
use crate::prepare::{Code, Job, Prepared};
use crate::runtime::{Call, Judged};
use crate::sandbox::SandboxConfig;
use crate::takes::Take;

use super::client::{Answer, Fitness, Gone, Worker, lock};
use super::handing;
use super::protocol::{FromWorker, Hello, ToWorker, VERSION};

/// How much longer than its guest's limit a worker may take: what waits before it in the worker, the way there, and the seconds for
/// which a machine that is given too much leaves a process without its turn. Ending one that would have answered only adds to that.
const GRACE: Duration = Duration::from_secs(5);
/// How long a request waits for a worker where none is there: several times what starting one takes.
const MAX_ABSENCE: Duration = Duration::from_secs(1);
/// A worker that ended sooner than this after its start is not replaced at once, but later each time.
const SHORT_LIFE: Duration = Duration::from_secs(1);
/// The longest that a replacement is put off.
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// How long settings may be tried: three calls of a second of running each, and ten times as much by the wall.
const MAX_CONFIGURE: Duration = Duration::from_secs(35);
/// How many components compile at once.
const COMPILERS: usize = 2;

/// All workers.
pub(crate) struct Crew {
    program: PathBuf,
    hello: Hello,
    places: RwLock<Vec<Option<Arc<Worker>>>>,
    /// Told whenever a worker takes its place.
    arrived: Notify,
    fitness: OnceLock<Fitness>,
    code: Mutex<BTreeMap<u64, Arc<Entry>>>,
    next: AtomicU64,
    /// Held while code is loaded or a worker takes its place, so that each worker has all code.
    loading: tokio::sync::Mutex<()>,
    compilers: tokio::sync::Semaphore,
    handle: Handle,
    me: Weak<Crew>,
}

/// Code that every worker has.
struct Entry {
    file: OwnedFd,
    length: u64,
    digest: Digest,
    /// What its guests may read.
    files: Option<Files>,
}

/// Code that stays loaded as long as this lives.
pub(crate) struct Installed {
    code: u64,
    crew: Arc<Crew>,
}

impl Crew {
    /// Starts so many workers.
    pub(crate) async fn start(
        count: u32,
        program: &Path,
        config: &SandboxConfig,
    ) -> Result<Arc<Self>, SandboxError> {
        let hello = Hello {
            version: VERSION,
            slots: config.max_concurrent,
            memory_bytes: usize::try_from(config.max_memory_bytes).unwrap_or(usize::MAX),
            cpu: None,
            compiles: false,
        };
        let count = count.max(1) as usize;
        let crew = Arc::new_cyclic(|me| Self {
            program: program.to_owned(),
            hello,
            places: RwLock::new(vec![None; count]),
            arrived: Notify::new(),
            fitness: OnceLock::new(),
            code: Mutex::default(),
            next: AtomicU64::new(0),
            loading: tokio::sync::Mutex::default(),
            compilers: tokio::sync::Semaphore::new(COMPILERS),
            handle: Handle::current(),
            me: Weak::clone(me),
        });
        for place in 0..count {
            crew.fill(place).await.map_err(|what| SandboxError::Worker { what })?;
        }
        Ok(crew)
    }

    /// Returns what depends on this machine, as the first worker found it.
    pub(crate) fn features(&self, max_concurrent: u32) -> Features {
        let count = u32::try_from(self.read_places().len()).unwrap_or(u32::MAX);
        let fitness = self.fitness.get();
        Features {
            pagemap_scan: fitness.is_some_and(|fitness| fitness.pagemap_scan),
            max_concurrent,
            workers: fitness.map(|fitness| (count, fitness.confinement.clone())),
        }
    }

    /// Returns the workers' process ids.
    pub(crate) fn ids(&self) -> Vec<u32> {
        self.read_places().iter().flatten().map(|worker| worker.id()).collect()
    }

    /// Returns what compiled code depends on.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.fitness.get().map_or(0, |fitness| fitness.fingerprint)
    }

    /// Prepares a component in a worker of its own, which ends with it.
    pub(crate) async fn prepare(
        &self,
        config: &SandboxConfig,
        bytes: Arc<Vec<u8>>,
        job: Job,
    ) -> Result<(Prepared, Code), LoadError> {
        let limit = config.max_compile;
        let preparing = async {
            let _turn = self.compilers.acquire().await;
            let hello =
                Hello { slots: 2, cpu: Some(limit.saturating_mul(4)), compiles: true, ..self.hello.clone() };
            let (worker, _) = Worker::start(&self.program, &hello, || {}).await?;
            let worker = Ended(worker);
            let (component, out) = (handing::sealed(&bytes).map_err(told)?, handing::empty().map_err(told)?);
            let message = ToWorker::<(), ()>::Prepare { job, length: bytes.len() as u64 };
            let answer = worker.0.ask(Answer::Prepared, &[component.as_fd(), out.as_fd()], &message);
            let answer = answer.map_err(|Gone| "the compiler ended".to_owned())?.await;
            // It is ended before its file is read: nobody changes it any more.
            drop(worker);
            match answer {
                Ok(FromWorker::Prepared { prepared: Ok((prepared, length)) }) => {
                    Ok(Ok((prepared, handing::read(out, length).map_err(told)?)))
                }
                Ok(FromWorker::Prepared { prepared: Err(error) }) => Ok(Err(error)),
                Ok(_) | Err(_) => Err("the compiler ended: it ran past its memory, or was ended".to_owned()),
            }
        };
        match tokio::time::timeout(limit, preparing).await {
            Ok(Ok(prepared)) => prepared,
            Ok(Err(what)) => Err(LoadError::Engine { what }),
            Err(_) => Err(LoadError::SlowToCompile { limit }),
        }
    }

    /// Gives code to every worker.
    pub(crate) async fn install(
        self: &Arc<Self>,
        code: &Code,
        digest: Digest,
        files: Option<Files>,
    ) -> Result<Installed, LoadError> {
        let failed = |what: String| LoadError::Engine { what };
        let file = handing::sealed(code).map_err(|error| failed(error.to_string()))?;
        let entry = Arc::new(Entry { file, length: code.len() as u64, digest, files });
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let _loading = self.loading.lock().await;
        lock(&self.code).insert(number, Arc::clone(&entry));
        let installed = Installed { code: number, crew: Arc::clone(self) };
        let workers: Vec<_> = self.read_places().iter().flatten().map(Arc::clone).collect();
        for worker in workers {
            match load(&worker, number, &entry).await {
                // Whoever takes its place loads it.
                Err(Gone) | Ok(Ok(())) => {}
                Ok(Err(what)) => return Err(failed(what)),
            }
        }
        Ok(installed)
    }

    /// Tries settings on some code.
    async fn configure(&self, code: u64, job: Job) -> Result<u64, LoadError> {
        let lost = || LoadError::Engine { what: PluginFault::Lost.to_string() };
        let worker = self.somebody().await.map_err(|_| lost())?;
        let call = worker.number();
        let message = ToWorker::<(), ()>::Configure { call, code, job };
        let answer = worker.ask(Answer::Configured(call), &[], &message).map_err(|Gone| lost())?;
        match tokio::time::timeout(MAX_CONFIGURE, answer).await {
            Ok(Ok(FromWorker::Configured { taken, .. })) => taken,
            Ok(Ok(_) | Err(_)) => Err(lost()),
            Err(_) => {
                worker.kill();
                Err(lost())
            }
        }
    }

    /// Has a request judged by the worker that has the least to do. What its guest takes of quotas is asked of `takes`.
    async fn judge(
        &self,
        code: u64,
        settings: Option<&str>,
        call: &Call,
        request: &PluginRequest,
        takes: Option<Arc<dyn Take>>,
    ) -> Judged {
        let judged = async {
            let worker = self.somebody().await?;
            let number = worker.number();
            let _lent = worker.lend(number, takes);
            let content = content(request.body.as_ref(), call.body);
            let method = method(request.method)?;
            let (settings, bounds) = (settings.map(str::to_owned), *call);
            let message =
                ToWorker::<_, _, ()>::Judge { call: number, code, settings, bounds, method, request, content };
            match answered(&worker, number, call, &message).await? {
                FromWorker::Judged { judged, .. } => Ok(judged),
                _ => Err(PluginFault::Lost),
            }
        };
        judged.await.unwrap_or_else(Judged::failed)
    }

    /// Has an answer judged, likewise.
    async fn judge_answer(
        &self,
        code: u64,
        settings: Option<&str>,
        call: &Call,
        response: &PluginResponse,
    ) -> Judged<ResponseAnswer> {
        let judged = async {
            let worker = self.somebody().await?;
            let number = worker.number();
            let content = content(response.body.as_ref(), call.answer_body);
            let method = method(response.method)?;
            let (settings, bounds) = (settings.map(str::to_owned), *call);
            let message = ToWorker::<(), _, _>::JudgeAnswer {
                call: number,
                code,
                settings,
                bounds,
                method,
                response,
                content,
            };
            match answered(&worker, number, call, &message).await? {
                FromWorker::JudgedAnswer { judged, .. } => Ok(judged),
                _ => Err(PluginFault::Lost),
            }
        };
        judged.await.unwrap_or_else(Judged::failed)
    }

    async fn somebody(&self) -> Result<Arc<Worker>, PluginFault> {
        let deadline = Instant::now() + MAX_ABSENCE;
        loop {
            let arrived = self.arrived.notified();
            let least = {
                let places = self.read_places();
                // One that is gone stands there until somebody takes its place.
                let living = places.iter().flatten().filter_map(|worker| Some((worker.busy()?, worker)));
                living.min_by_key(|(busy, _)| *busy).map(|(_, worker)| Arc::clone(worker))
            };
            if let Some(least) = least {
                return Ok(least);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            tokio::time::timeout(left, arrived).await.map_err(|_| PluginFault::Lost)?;
        }
    }

    /// Starts a worker for a place, with all code.
    async fn fill(&self, place: usize) -> Result<(), String> {
        let (me, started) = (Weak::clone(&self.me), Instant::now());
        let gone = move || {
            if let Some(crew) = me.upgrade() {
                crew.ended(place, started.elapsed());
            }
        };
        let _loading = self.loading.lock().await;
        let (worker, fitness) = Worker::start(&self.program, &self.hello, gone).await?;
        let code: Vec<_> = lock(&self.code).iter().map(|(number, entry)| (*number, Arc::clone(entry))).collect();
        for (number, entry) in code {
            match load(&worker, number, &entry).await {
                Ok(Ok(())) => {}
                Ok(Err(what)) => tracing::error!(what, "a plugin worker does not take code that others took"),
                Err(Gone) => return Err("it ended while it was given its plugins".to_owned()),
            }
        }
        // The first one's word counts: all are of one build on one machine.
        let _ = self.fitness.set(fitness);
        self.write_places()[place] = Some(worker);
        self.arrived.notify_waiters();
        Ok(())
    }

    /// A worker ended: another takes its place, at once unless they end one after another.
    fn ended(self: Arc<Self>, place: usize, lived: Duration) {
        self.write_places()[place] = None;
        let crew = Arc::downgrade(&self);
        self.handle.spawn(async move {
            let mut delay = if lived < SHORT_LIFE { Duration::from_millis(50) } else { Duration::ZERO };
            loop {
                tokio::time::sleep(delay).await;
                let Some(crew) = crew.upgrade() else { return };
                tracing::warn!(place, "a plugin worker ended; another one takes its place");
                match crew.fill(place).await {
                    Ok(()) => return,
                    Err(what) => tracing::error!(what, "a plugin worker does not start"),
                }
                delay = (delay * 2).clamp(Duration::from_millis(50), LONGEST_DELAY);
            }
        });
    }

    fn read_places(&self) -> std::sync::RwLockReadGuard<'_, Vec<Option<Arc<Worker>>>> {
        self.places.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write_places(&self) -> std::sync::RwLockWriteGuard<'_, Vec<Option<Arc<Worker>>>> {
        self.places.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for worker in self.write_places().iter().flatten() {
            worker.kill();
        }
    }
}

impl Installed {
    /// Tries settings on it. Returns how much memory it takes with them.
    pub(crate) async fn configure(&self, job: Job) -> Result<u64, LoadError> {
        self.crew.configure(self.code, job).await
    }

    /// Has a request judged by it. What its guest takes of quotas is asked of `takes`.
    pub(crate) async fn judge(
        &self,
        settings: Option<&str>,
        call: &Call,
        request: &PluginRequest,
        takes: Option<Arc<dyn Take>>,
    ) -> Judged {
        self.crew.judge(self.code, settings, call, request, takes).await
    }

    /// Has an answer judged by it.
    pub(crate) async fn judge_answer(
        &self,
        settings: Option<&str>,
        call: &Call,
        response: &PluginResponse,
    ) -> Judged<ResponseAnswer> {
        self.crew.judge_answer(self.code, settings, call, response).await
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        lock(&self.crew.code).remove(&self.code);
        for worker in self.crew.read_places().iter().flatten() {
            // A worker that is gone has forgotten it already.
            let _ = worker.say(&ToWorker::<(), ()>::Unload { code: self.code });
        }
    }
}

/// The bytes that go beside a record, where its plugin sees them.
fn content(body: Option<&Payload>, view: BodyView) -> Option<&Bytes> {
    body.filter(|_| view == BodyView::Content).map(|body| Bytes::new(&body.content))
}

fn method(method: &str) -> Result<Method, PluginFault> {
    let what = || format!("`{method}` is no method that is forwarded");
    Method::parse(method).ok_or_else(|| PluginFault::Engine { what: what() })
}

/// Asks a worker, and waits as long as its guest may take and a little longer: one that says nothing by then is ended.
async fn answered(
    worker: &Arc<Worker>,
    number: u64,
    call: &Call,
    message: &impl serde::Serialize,
) -> Result<FromWorker, PluginFault> {
    let mut answer = worker.ask(Answer::Judged(number), &[], message).map_err(|Gone| PluginFault::Lost)?;
    if let Some(answer) = worker.look_out(&mut answer) {
        return Ok(answer);
    }
    match tokio::time::timeout(call.time.saturating_mul(WALL_TIMES) + GRACE, answer).await {
        Ok(answer) => answer.map_err(|_| PluginFault::Lost),
        Err(_) => {
            tracing::error!("a plugin worker gives no sign of life; it is ended");
            worker.kill();
            Err(PluginFault::Lost)
        }
    }
}

/// A worker that ends with its use.
struct Ended(Arc<Worker>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill();
    }
}

async fn load(worker: &Worker, number: u64, entry: &Entry) -> Result<Result<(), String>, Gone> {
    let Entry { file, length, digest, files } = entry;
    let (digest, length, files) = (*digest, *length, files.clone());
    let message = ToWorker::<(), ()>::Load { code: number, digest, length, files };
    match worker.ask(Answer::Loaded(number), &[file.as_fd()], &message)?.await {
        Ok(FromWorker::Loaded { taken, .. }) => Ok(taken),
        Ok(_) | Err(_) => Err(Gone),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "fits `map_err`")]
fn told(error: std::io::Error) -> String {
    error.to_string()
}
