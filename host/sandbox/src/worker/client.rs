//! One worker, as the host has it: a child process, a socket, and who waits for which answer.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::RecvFlags;
use serde::Serialize;
use tokio::net::UnixStream;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{Notify, oneshot};
use wardlock_core::plugin::quota::QuotaFault;

use crate::takes::Take;

use super::handing;
use super::protocol::{self, FromWorker, Hello, Incoming, ToWorker};
use super::{Confinement, WORKER};

/// How long a worker may take to confine itself and say so: an engine's start on a very busy machine.
const START_TIME: Duration = Duration::from_secs(20);
/// How much is read at once.
const READ_BYTES: usize = 64 << 10;

/// How long whoever waits for an answer looks out for it, before it leaves its thread to others.
const LOOK_OUT: Duration = Duration::from_micros(60);

/// What is being read.
struct Reading {
    bytes: Vec<u8>,
    incoming: Incoming,
}

/// What a worker said of itself.
#[derive(Debug, Clone)]
pub(super) struct Fitness {
    pub(super) pagemap_scan: bool,
    pub(super) fingerprint: u64,
    pub(super) confinement: Confinement,
}

/// A worker.
pub(super) struct Worker {
    frames: UnixStream,
    files: Mutex<StdStream>,
    out: Mutex<Vec<u8>>,
    /// What has come and is no whole message yet. Whoever waits for a message may read.
    reading: Mutex<Reading>,
    waiting: Notify,
    /// Who waits for what; `None` once the worker is gone.
    calls: Mutex<Option<HashMap<Answer, oneshot::Sender<FromWorker>>>>,
    /// Who counts what the guests of calls take.
    takers: Mutex<HashMap<u64, Arc<dyn Take>>>,
    next: AtomicU64,
    child: Mutex<Child>,
}

/// Counts what the guest of one call takes, as long as this lives.
pub(super) struct Lent<'a> {
    worker: &'a Worker,
    call: u64,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        lock(&self.worker.takers).remove(&self.call);
    }
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Answer {
    Start,
    Prepared,
    Loaded(u64),
    Configured(u64),
    Judged(u64),
}

/// The worker is gone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gone;

impl Worker {
    /// Starts a worker and waits until it is confined. `gone` is told once when it ends.
    pub(super) async fn start(
        program: &Path,
        hello: &Hello,
        gone: impl FnOnce() + Send + 'static,
    ) -> Result<(Arc<Self>, Fitness), String> {
        let (worker, ready) = Self::spawn(program, hello, gone)
            .map_err(|error| format!("{} cannot be run: {error}", program.display()))?;
        let said = tokio::time::timeout(START_TIME, ready).await;
        match said {
            Ok(Ok(FromWorker::Ready { pagemap_scan, fingerprint, confinement })) => {
                Ok((worker, Fitness { pagemap_scan, fingerprint, confinement }))
            }
            Ok(Ok(FromWorker::Unfit { what })) => Err(what),
            Ok(Ok(_)) => Err("it said something else first".to_owned()),
            Ok(Err(_)) => Err("it ended before it was ready".to_owned()),
            Err(_) => {
                worker.kill();
                Err(format!("it was not ready within {} s", START_TIME.as_secs()))
            }
        }
    }

    fn spawn(
        program: &Path,
        hello: &Hello,
        gone: impl FnOnce() + Send + 'static,
    ) -> io::Result<(Arc<Self>, oneshot::Receiver<FromWorker>)> {
        let (frames, its_frames) = StdStream::pair()?;
        let (files, its_files) = StdStream::pair()?;
        let child = Command::new(program)
            .arg(WORKER)
            .env_clear()
            .current_dir("/")
            .stdin(OwnedFd::from(its_frames))
            .stdout(OwnedFd::from(its_files))
            .stderr(Stdio::null())
            .spawn()?;
        frames.set_nonblocking(true)?;
        let (sender, ready) = oneshot::channel();
        let worker = Arc::new(Self {
            frames: UnixStream::from_std(frames)?,
            files: Mutex::new(files),
            out: Mutex::default(),
            reading: Mutex::new(Reading { bytes: vec![0; READ_BYTES], incoming: Incoming::default() }),
            waiting: Notify::new(),
            calls: Mutex::new(Some(HashMap::from([(Answer::Start, sender)]))),
            takers: Mutex::default(),
            next: AtomicU64::new(0),
            child: Mutex::new(child),
        });
        tokio::spawn(Arc::clone(&worker).read(gone));
        tokio::spawn(Arc::clone(&worker).write_what_waits());
        worker.say(&ToWorker::<(), ()>::Hello(hello.clone())).map_err(|Gone| io::ErrorKind::BrokenPipe)?;
        Ok((worker, ready))
    }

    /// Returns a number that no other call of this worker has.
    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns its process id.
    pub(super) fn id(&self) -> u32 {
        lock(&self.child).id()
    }

    /// Returns how many answers are waited for; `None`: it is gone.
    pub(super) fn busy(&self) -> Option<usize> {
        lock(&self.calls).as_ref().map(HashMap::len)
    }

    /// Has what the guest of a call takes counted.
    pub(super) fn lend(&self, call: u64, takes: Option<Arc<dyn Take>>) -> Lent<'_> {
        if let Some(takes) = takes {
            lock(&self.takers).insert(call, takes);
        }
        Lent { worker: self, call }
    }

    /// Says something and returns what will hold the answer. Files are handed over before.
    pub(super) fn ask<M: Serialize>(
        &self,
        answer: Answer,
        files: &[BorrowedFd<'_>],
        message: &M,
    ) -> Result<oneshot::Receiver<FromWorker>, Gone> {
        let (sender, receiver) = oneshot::channel();
        lock(&self.calls).as_mut().ok_or(Gone)?.insert(answer, sender);
        if !files.is_empty() {
            let socket = lock(&self.files);
            for file in files {
                handing::hand(socket.as_fd(), *file).map_err(|_| self.fail())?;
            }
            // Under the lock, so that the files of two messages do not change places.
            self.say_asking(answer, message)?;
            return Ok(receiver);
        }
        self.say_asking(answer, message)?;
        Ok(receiver)
    }

    /// Says something; where that fails, nobody waits for the answer.
    fn say_asking<M: Serialize>(&self, answer: Answer, message: &M) -> Result<(), Gone> {
        self.say(message).inspect_err(|Gone| {
            if let Some(calls) = lock(&self.calls).as_mut() {
                calls.remove(&answer);
            }
        })
    }

    /// Says something. It is written at once where the socket has room.
    pub(super) fn say<M: Serialize>(&self, message: &M) -> Result<(), Gone> {
        let mut out = lock(&self.out);
        let idle = out.is_empty();
        if let Err(what) = protocol::write(&mut out, message) {
            tracing::error!(what, "a message does not fit");
            return Err(Gone);
        }
        if idle {
            self.write_some(&mut out).map_err(|_| self.fail())?;
        }
        if !out.is_empty() {
            self.waiting.notify_one();
        }
        Ok(())
    }

    fn write_some(&self, out: &mut Vec<u8>) -> io::Result<()> {
        while !out.is_empty() {
            match self.frames.try_write(out) {
                Ok(written) if written == out.len() => out.clear(),
                Ok(written) => drop(out.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn write_what_waits(self: Arc<Self>) {
        loop {
            self.waiting.notified().await;
            while !lock(&self.out).is_empty() {
                if self.frames.writable().await.is_err() || self.write_some(&mut lock(&self.out)).is_err() {
                    self.fail();
                    return;
                }
            }
            if lock(&self.calls).is_none() {
                return;
            }
        }
    }

    async fn read(self: Arc<Self>, gone: impl FnOnce()) {
        loop {
            if self.frames.readable().await.is_err() {
                break;
            }
            let mut reading = lock(&self.reading);
            match self.frames.try_read(&mut reading.bytes) {
                Ok(read @ 1..) if self.take(&mut reading, read).is_ok() => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(_) | Err(_) => break,
            }
        }
        self.fail();
        self.waiting.notify_one();
        let worker = Arc::clone(&self);
        // Reaps it; the kill above has been sent, so it does not take long.
        let waited = tokio::task::spawn_blocking(move || lock(&worker.child).wait()).await;
        if let Ok(Ok(status)) = waited {
            tracing::debug!(%status, "a plugin worker ended");
        }
        gone();
    }

    /// Waits for an answer on this thread for as long as a decision usually takes, if nobody else waits for one: between two
    /// processes, to be woken takes longer than most guests run. Threads that have something to do go first.
    pub(super) fn look_out(self: &Arc<Self>, answer: &mut oneshot::Receiver<FromWorker>) -> Option<FromWorker> {
        if self.busy() != Some(1) {
            return None;
        }
        let began = Instant::now();
        while began.elapsed() < LOOK_OUT {
            // Who reads right now reads for everybody.
            if let Ok(mut reading) = self.reading.try_lock()
                && let Ok((read @ 1.., _)) =
                    rustix::net::recv(&self.frames, &mut reading.bytes[..], RecvFlags::DONTWAIT)
                && self.take(&mut reading, read).is_err()
            {
                self.fail();
            }
            match answer.try_recv() {
                Ok(answer) => return Some(answer),
                Err(TryRecvError::Empty) => std::thread::yield_now(),
                Err(TryRecvError::Closed) => return None,
            }
        }
        None
    }

    /// Takes what was just read; a worker that says what is no message is to be ended.
    fn take(self: &Arc<Self>, reading: &mut Reading, read: usize) -> Result<(), Gone> {
        let Reading { bytes, incoming } = reading;
        incoming.push(&bytes[..read]);
        self.take_all(incoming).map_err(|what| {
            tracing::error!(what, "a plugin worker says what is no message; it is ended");
            Gone
        })
    }

    fn take_all(self: &Arc<Self>, incoming: &mut Incoming) -> Result<(), String> {
        while let Some(message) = incoming.next::<FromWorker>()? {
            let answer = match &message {
                FromWorker::Take { call, key, limit, window_seconds } => {
                    self.take_of_quota(*call, key.clone(), *limit, *window_seconds);
                    continue;
                }
                FromWorker::Ready { .. } | FromWorker::Unfit { .. } => Answer::Start,
                FromWorker::Prepared { .. } => Answer::Prepared,
                FromWorker::Loaded { code, .. } => Answer::Loaded(*code),
                FromWorker::Configured { call, .. } => Answer::Configured(*call),
                FromWorker::Judged { call, .. } | FromWorker::JudgedAnswer { call, .. } => Answer::Judged(*call),
            };
            let waiter = lock(&self.calls).as_mut().and_then(|calls| calls.remove(&answer));
            // Whoever asked may have left.
            let _ = waiter.ok_or("nobody asked for it")?.send(message);
        }
        Ok(())
    }

    /// Counts what a guest takes, and says what it comes to. A call that nobody waits for any more takes nothing.
    fn take_of_quota(self: &Arc<Self>, call: u64, key: String, limit: u32, window_seconds: u32) {
        let (worker, taker) = (Arc::clone(self), lock(&self.takers).get(&call).map(Arc::clone));
        tokio::spawn(async move {
            let answer = match taker {
                Some(taker) => taker.take(&key, limit, window_seconds).await,
                None => Err(QuotaFault::Unavailable { what: "nobody waits for the decision".to_owned() }),
            };
            // A worker that is gone has nobody who waits.
            let _ = worker.say(&ToWorker::<(), (), ()>::Taken { call, taken: answer });
        });
    }

    /// Ends the process, and with it everything that is waited for.
    pub(super) fn kill(&self) {
        self.fail();
    }

    fn fail(&self) -> Gone {
        // Every waiter finds its sender dropped.
        drop(lock(&self.calls).take());
        // A worker that is gone already cannot be killed, and that is as well.
        let _ = lock(&self.child).kill();
        Gone
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
