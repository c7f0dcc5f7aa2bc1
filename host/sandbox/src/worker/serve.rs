//! The worker's side: one thread, which takes frames, runs guests in turns and answers.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::RecvFlags;
use serde_bytes::ByteBuf;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::LocalSet;
use wardlock_core::id::Digest;
use wardlock_core::plugin::quota::{QuotaFault, Taken};
use wardlock_core::plugin::{Payload, PluginFault, PluginRequest, PluginResponse};

use crate::cache;
use crate::error::LoadError;
use crate::files::Files;
use crate::instance::Linked;
use crate::prepare::Job;
use crate::runtime::{Call, Judged, Runtime};
use crate::takes::{Take, TakeAnswer};

use super::confine;
use super::handing;
use super::protocol::{self, FromWorker, Hello, Incoming, ToWorker, VERSION};

/// How much is read at once: a burst of small requests, or a part of a large one.
const READ_BYTES: usize = 64 << 10;

/// How long a worker that has answered looks out for the next request, before it leaves its processor to others.
const LOOK_OUT: Duration = Duration::from_micros(60);

/// Runs a worker to its end: until the host hangs up. Standard input is the socket of frames, standard output that over
/// which files are handed.
pub fn worker_main() -> ExitCode {
    let inherited = confine::close_inherited();
    match begin(inherited) {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody is there to read a sentence: the host sees that the worker ended.
        Err(_) => ExitCode::FAILURE,
    }
}

fn begin(inherited: confine::Measure) -> io::Result<()> {
    let mut frames = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let files = UnixStream::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut incoming = Incoming::default();
    let hello = first(&mut frames, &mut incoming)?;
    let runtime = match start(&hello) {
        Ok(runtime) => runtime,
        Err(what) => return tell(&mut frames, &FromWorker::Unfit { what }),
    };
    let executor = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let pagemap_scan = Runtime::pagemap_scan();
    let fingerprint = cache::fingerprint(&runtime.engine);
    #[cfg(feature = "escape")]
    super::escape::prepare();
    let confinement = confine::confine(inherited, hello.cpu);
    tell(&mut frames, &FromWorker::Ready { pagemap_scan, fingerprint, confinement })?;
    // Not `set_nonblocking`, which is an `ioctl`.
    rustix::fs::fcntl_setfl(&frames, rustix::fs::OFlags::NONBLOCK)?;
    executor.block_on(LocalSet::new().run_until(async {
        let frames = tokio::net::UnixStream::from_std(frames)?;
        let (code, taking, out) = (RefCell::default(), RefCell::default(), RefCell::default());
        let written = Notify::new();
        Rc::new(Worker { runtime, files, code, taking, out, written, running: Cell::new(0) })
            .serve(&frames, incoming)
            .await
    }))
}

/// Reads the first message.
fn first(frames: &mut UnixStream, incoming: &mut Incoming) -> io::Result<Hello> {
    let mut bytes = [0; 1024];
    loop {
        match incoming.next().map_err(io::Error::other)? {
            Some(ToWorker::<PluginRequest, ByteBuf>::Hello(hello)) => return Ok(hello),
            Some(_) => return Err(io::Error::other("another message comes first")),
            None => {}
        }
        let read = frames.read(&mut bytes)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        incoming.push(&bytes[..read]);
    }
}

/// Starts the engine and every thread that there will be.
fn start(hello: &Hello) -> Result<Runtime, String> {
    if hello.version != VERSION {
        return Err(format!("it speaks version {VERSION} of the protocol, and the host {}", hello.version));
    }
    let runtime = Runtime::new(hello.slots, hello.memory_bytes).map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        format!("{error}: {cause}")
    })?;
    if hello.compiles {
        // The compiler's threads are these; none can be started later.
        rayon::broadcast(|_| ());
    }
    Ok(runtime)
}

fn tell(frames: &mut UnixStream, message: &FromWorker) -> io::Result<()> {
    let mut out = Vec::new();
    protocol::write(&mut out, message).map_err(io::Error::other)?;
    frames.write_all(&out)
}

/// What a guest takes, on its way to the host.
struct Ask {
    key: String,
    limit: u32,
    window_seconds: u32,
    answer: oneshot::Sender<Result<Taken, QuotaFault>>,
}

/// Asks the host, who counts.
struct Relay(mpsc::UnboundedSender<Ask>);

impl Take for Relay {
    fn take<'a>(&'a self, key: &'a str, limit: u32, window_seconds: u32) -> TakeAnswer<'a> {
        let (answer, taken) = oneshot::channel();
        let asked = self.0.send(Ask { key: key.to_owned(), limit, window_seconds, answer });
        Box::pin(async move {
            let gone = || QuotaFault::Unavailable { what: "the host does not answer".to_owned() };
            asked.map_err(|_| gone())?;
            taken.await.map_err(|_| gone())?
        })
    }
}

/// Puts the bytes that came beside a record into it.
fn fill(body: &mut Option<Payload>, content: Option<ByteBuf>) {
    if let (Some(body), Some(content)) = (body, content) {
        body.content = content.into_vec();
    }
}

struct Worker {
    runtime: Runtime,
    files: UnixStream,
    code: RefCell<HashMap<u64, Rc<Linked>>>,
    /// Guests of calls that wait for what they take.
    taking: RefCell<HashMap<u64, oneshot::Sender<Result<Taken, QuotaFault>>>>,
    out: RefCell<Vec<u8>>,
    written: Notify,
    /// How many guests run.
    running: Cell<u32>,
}

impl Worker {
    /// Takes messages and sends what there is to send, until the host hangs up.
    async fn serve(self: Rc<Self>, frames: &tokio::net::UnixStream, mut incoming: Incoming) -> io::Result<()> {
        let mut bytes = vec![0; READ_BYTES];
        loop {
            while let Some(message) = incoming.next().map_err(io::Error::other)? {
                self.take(message).await?;
            }
            tokio::select! {
                readable = frames.readable() => readable?,
                () = self.written.notified() => {
                    self.flush(frames).await?;
                    if let Some(read) = self.look_out(frames, &mut bytes) {
                        incoming.push(&bytes[..read]);
                    }
                    continue;
                }
            }
            match frames.try_read(&mut bytes) {
                Ok(0) => return Ok(()),
                Ok(read) => incoming.push(&bytes[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Looks out for the next request for a little while after an answer, if no guest runs: to be woken takes longer than most
    /// guests run. Threads that have something to do go first.
    fn look_out(&self, frames: &tokio::net::UnixStream, bytes: &mut [u8]) -> Option<usize> {
        if self.running.get() > 0 {
            return None;
        }
        let began = Instant::now();
        while began.elapsed() < LOOK_OUT {
            match rustix::net::recv(frames, &mut *bytes, RecvFlags::DONTWAIT).map(|read| read.0) {
                Ok(read @ 1..) => return Some(read),
                Err(rustix::io::Errno::AGAIN) => std::thread::yield_now(),
                // Whatever else it is, it is found once more by who waits in peace.
                Ok(_) | Err(_) => return None,
            }
        }
        None
    }

    /// Writes everything that was said since: answers of one burst go out together.
    async fn flush(&self, frames: &tokio::net::UnixStream) -> io::Result<()> {
        let bytes = std::mem::take(&mut *self.out.borrow_mut());
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            match frames.try_write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => frames.writable().await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn say(&self, message: &FromWorker) -> io::Result<()> {
        protocol::write(&mut self.out.borrow_mut(), message).map_err(io::Error::other)?;
        self.written.notify_one();
        Ok(())
    }

    async fn take(self: &Rc<Self>, message: ToWorker) -> io::Result<()> {
        match message {
            ToWorker::Hello(_) => Err(io::Error::other("a second greeting")),
            ToWorker::Prepare { job, length } => {
                let (component, out) = (handing::take(&self.files)?, handing::take(&self.files)?);
                self.prepare(component, length, out, &job).await
            }
            ToWorker::Load { code, digest, length, files } => {
                let taken = self.load(handing::take(&self.files)?, length, digest, files);
                let taken = taken.map(|linked| {
                    self.code.borrow_mut().insert(code, Rc::new(linked));
                });
                self.say(&FromWorker::Loaded { code, taken })
            }
            ToWorker::Unload { code } => {
                self.code.borrow_mut().remove(&code);
                Ok(())
            }
            ToWorker::Configure { call, code, job } => {
                self.spawn(Rc::clone(self).configure(call, code, job));
                Ok(())
            }
            ToWorker::Judge { call, code, settings, bounds, method, mut request, content } => {
                request.method = method.as_str();
                fill(&mut request.body, content);
                self.spawn(Rc::clone(self).judge(call, code, settings, bounds, request));
                Ok(())
            }
            ToWorker::JudgeAnswer { call, code, settings, bounds, method, mut response, content } => {
                response.method = method.as_str();
                fill(&mut response.body, content);
                self.spawn(Rc::clone(self).judge_answer(call, code, settings, bounds, response));
                Ok(())
            }
            ToWorker::Taken { call, taken } => {
                if let Some(guest) = self.taking.borrow_mut().remove(&call) {
                    // It may have been given up meanwhile.
                    let _ = guest.send(taken);
                }
                Ok(())
            }
        }
    }

    fn spawn(self: &Rc<Self>, guest: impl Future<Output = ()> + 'static) {
        self.running.update(|running| running + 1);
        let worker = Rc::clone(self);
        tokio::task::spawn_local(async move {
            guest.await;
            worker.running.update(|running| running - 1);
        });
    }

    fn loaded(&self, code: u64) -> Result<Rc<Linked>, String> {
        let found = self.code.borrow().get(&code).map(Rc::clone);
        found.ok_or_else(|| "the worker does not know the plugin".to_owned())
    }

    async fn configure(self: Rc<Self>, call: u64, code: u64, job: Job) {
        let taken = match self.loaded(code) {
            Ok(linked) => self.runtime.configure(&linked, &job).await,
            Err(what) => Err(LoadError::Engine { what }),
        };
        // An error holds some lines at most: it always fits.
        let _ = self.say(&FromWorker::Configured { call, taken });
    }

    async fn judge(
        self: Rc<Self>,
        call: u64,
        code: u64,
        settings: Option<String>,
        bounds: Call,
        request: PluginRequest,
    ) {
        let judged = match self.loaded(code) {
            Ok(linked) => self.counted(call, &linked, settings.as_deref(), &bounds, &request).await,
            Err(what) => Judged::failed(PluginFault::Engine { what }),
        };
        self.answer(judged, |judged| FromWorker::Judged { call, judged });
    }

    async fn judge_answer(
        self: Rc<Self>,
        call: u64,
        code: u64,
        settings: Option<String>,
        bounds: Call,
        response: PluginResponse,
    ) {
        let judged = match self.loaded(code) {
            Ok(linked) => self.runtime.judge_answer(&linked, settings.as_deref(), &bounds, &response).await,
            Err(what) => Judged::failed(PluginFault::Engine { what }),
        };
        self.answer(judged, |judged| FromWorker::JudgedAnswer { call, judged });
    }

    fn answer<T>(&self, judged: Judged<T>, message: impl Fn(Judged<T>) -> FromWorker) {
        if let Err(error) = self.say(&message(judged)) {
            let fault = PluginFault::Engine { what: error.to_string() };
            // A fault is some bytes long: it always fits.
            let _ = self.say(&message(Judged::failed(fault)));
        }
    }

    /// Judges a request, and passes on to the host what its guest takes meanwhile.
    async fn counted(
        &self,
        call: u64,
        linked: &Linked,
        settings: Option<&str>,
        bounds: &Call,
        request: &PluginRequest,
    ) -> Judged {
        let (asks, mut asked) = mpsc::unbounded_channel();
        let takes: Option<Arc<dyn Take>> = bounds.counts.then(|| Arc::new(Relay(asks)) as _);
        let mut judging = pin!(self.runtime.judge(linked, settings, bounds, request, takes));
        let judged = loop {
            tokio::select! {
                judged = &mut judging => break judged,
                Some(Ask { key, limit, window_seconds, answer }) = asked.recv() => {
                    self.taking.borrow_mut().insert(call, answer);
                    // Where it cannot be said, the guest waits until its time is over.
                    let _ = self.say(&FromWorker::Take { call, key, limit, window_seconds });
                }
            }
        };
        self.taking.borrow_mut().remove(&call);
        judged
    }

    fn load(&self, file: OwnedFd, length: u64, digest: Digest, files: Option<Files>) -> Result<Linked, String> {
        self.runtime.take_file(file, length, digest, files).map_err(|error| format!("{error:#}"))
    }

    async fn prepare(&self, component: OwnedFd, length: u64, out: OwnedFd, job: &Job) -> io::Result<()> {
        let bytes = handing::read(component, length)?;
        let prepared = match self.runtime.prepare(&bytes, job).await {
            Ok((prepared, code)) => {
                let written = code.len() as u64;
                handing::fill(out, &code)?;
                Ok((prepared, written))
            }
            Err(error) => Err(error),
        };
        self.say(&FromWorker::Prepared { prepared })
    }
}
