//! Reads an answer's body: whole where it is small, in scanned pieces where it flows.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout, timeout_at};

use super::unpack::Unpacker;
use super::{BUFFERED, Scan, ScanError, links};
use crate::companions::Companions;
use crate::vault::{StreamScan, Vault};

/// After so long without data a flowing body gives out what it held back: long for a network that is sending, short
/// for whoever waits for an event.
const PAUSE: Duration = Duration::from_millis(5);
/// How often a flowing body looks whether other secrets are stored by now.
const LOOK: Duration = Duration::from_secs(1);

/// A scanned body.
#[derive(Debug)]
pub enum ScrubbedBody {
    /// All of it.
    Whole(Bytes),
    /// Too large to hold, or of a type that is meant to be read as it comes: it is scanned as it flows.
    Flowing(Box<ScrubbedStream>),
}

/// A body that is scanned as it flows. What it gives out lags behind by a longest secret's length while data comes; in
/// a pause, by no more than what could be a secret's beginning.
#[derive(Debug)]
pub struct ScrubbedStream {
    source: Source,
    scan: Option<StreamScan>,
    first: Bytes,
    idle: Duration,
    /// Whether all was given out that can be, so that only the idle limit is waited for.
    paused: bool,
    vault: Weak<Vault>,
    companions: Arc<Companions>,
    looked: Instant,
    in_headers: usize,
    in_body: usize,
}

impl ScrubbedStream {
    fn new(scan: &Scan<'_>, source: Source, stream: StreamScan, in_headers: usize) -> Self {
        Self {
            source,
            in_body: stream.count(),
            scan: Some(stream),
            first: Bytes::new(),
            idle: scan.idle,
            paused: false,
            vault: scan.vault.clone(),
            companions: Arc::clone(scan.companions),
            looked: Instant::now(),
            in_headers,
        }
    }

    /// Returns the next piece; `None` at the end. After an error there is nothing more.
    pub async fn next(&mut self) -> Option<Result<Bytes, ScanError>> {
        if !self.first.is_empty() {
            return Some(Ok(std::mem::take(&mut self.first)));
        }
        while self.scan.is_some() {
            match self.step().await {
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => return Some(Ok(Bytes::from(piece))),
                Err(error) => {
                    self.scan = None;
                    return Some(Err(error));
                }
            }
        }
        None
    }

    /// Waits for data, the end or a pause, and returns what is clean by then.
    async fn step(&mut self) -> Result<Vec<u8>, ScanError> {
        let patience = if self.paused { self.idle } else { PAUSE };
        let came = timeout(patience, self.source.next()).await;
        let Some(scan) = self.scan.as_mut() else {
            return Ok(Vec::new());
        };
        let piece = match came {
            Ok(Ok(Some(chunk))) => {
                self.paused = false;
                look(&mut self.looked, &self.vault, &self.companions, scan)?;
                scan.push(&chunk)
            }
            Ok(Ok(None)) => {
                let rest = self.scan.take().map(StreamScan::finish);
                self.in_body = rest.as_ref().map_or(self.in_body, |rest| rest.count);
                return Ok(rest.map(|rest| rest.bytes).unwrap_or_default());
            }
            Ok(Err(error)) => return Err(error),
            Err(_) if self.paused => return Err(ScanError::Timeout),
            Err(_) => {
                self.paused = true;
                scan.pause()
            }
        };
        self.in_body = scan.count();
        Ok(piece)
    }

    /// Returns how many places were cut so far, those in the headers too.
    pub fn redactions(&self) -> usize {
        self.in_headers + self.in_body
    }
}

/// Takes the secrets that are stored now: a stream may live for hours, and a token for one. Where the vault was locked
/// meanwhile, nothing can be looked for, so nothing more passes.
fn look(
    looked: &mut Instant,
    vault: &Weak<Vault>,
    companions: &Companions,
    scan: &mut StreamScan,
) -> Result<(), ScanError> {
    if looked.elapsed() < LOOK {
        return Ok(());
    }
    let needles = vault.upgrade().and_then(|vault| vault.all_needles().ok()).ok_or(ScanError::Locked)?;
    scan.turn_to(companions.among(needles));
    *looked = Instant::now();
    Ok(())
}

/// Reads a body, or as much of it as is held; returns it with the number of places cut, those in the headers too.
pub(super) async fn read(
    scan: &Scan<'_>,
    mut source: Source,
    flows: bool,
    replacement: Vec<u8>,
    in_headers: usize,
) -> Result<(ScrubbedBody, usize), ScanError> {
    let held = if flows { Held::Part(Vec::new()) } else { hold(&mut source, scan.deadline).await? };
    let held = match held {
        Held::Whole(body) => {
            let body = links::rewritten(scan, body);
            let redacted = scan.needles.redact(&body, &replacement);
            return Ok((ScrubbedBody::Whole(Bytes::from(redacted.bytes)), in_headers + redacted.count));
        }
        Held::Part(_) if scan.holds => return Err(ScanError::NotHeld),
        Held::Part(held) => held,
    };
    let mut stream = StreamScan::new(Arc::clone(&scan.needles), replacement);
    let first = Bytes::from(stream.push(&held));
    let flowing = ScrubbedStream { first, ..ScrubbedStream::new(scan, source, stream, in_headers) };
    let redactions = flowing.redactions();
    Ok((ScrubbedBody::Flowing(Box::new(flowing)), redactions))
}

/// As much of a body as is held.
enum Held {
    Whole(Vec<u8>),
    /// There is more.
    Part(Vec<u8>),
}

async fn hold(source: &mut Source, deadline: Instant) -> Result<Held, ScanError> {
    let mut held = Vec::new();
    while held.len() <= BUFFERED {
        match timeout_at(deadline, source.next()).await.map_err(|_| ScanError::Timeout)?? {
            Some(chunk) => held.extend_from_slice(&chunk),
            None => return Ok(Held::Whole(held)),
        }
    }
    Ok(Held::Part(held))
}

/// What comes from the upstream, unpacked.
#[derive(Debug)]
pub(super) struct Source {
    incoming: Incoming,
    unpacker: Option<Unpacker>,
}

impl Source {
    pub fn new(incoming: Incoming, unpacker: Option<Unpacker>) -> Self {
        Self { incoming, unpacker }
    }

    /// Returns the next data; `None` at the end. Whoever stops waiting loses nothing.
    async fn next(&mut self) -> Result<Option<Bytes>, ScanError> {
        loop {
            let Some(unpacker) = self.unpacker.as_mut() else {
                return next_data(&mut self.incoming).await;
            };
            if let Some(unpacked) = unpacker.next()? {
                return Ok(Some(unpacked));
            }
            match next_data(&mut self.incoming).await? {
                Some(chunk) => unpacker.push(chunk),
                None => {
                    let rest = unpacker.finish()?;
                    self.unpacker = None;
                    return Ok(rest);
                }
            }
        }
    }
}

/// Returns the next data; trailers are dropped.
async fn next_data(incoming: &mut Incoming) -> Result<Option<Bytes>, ScanError> {
    while let Some(frame) = incoming.frame().await {
        match frame {
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Err(_) => return Err(ScanError::Broken),
        }
    }
    Ok(None)
}
