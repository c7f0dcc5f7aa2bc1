//! Reads an answer's body: whole where it is small, in scanned pieces where it is not.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{timeout, timeout_at};

use super::{BUFFERED, Scan, ScanError};
use crate::vault::StreamScan;

/// A scanned body.
#[derive(Debug)]
pub enum ScrubbedBody {
    /// All of it.
    Whole(Bytes),
    /// Too large to hold: it is scanned as it flows.
    Flowing(ScrubbedStream),
}

/// A body that is scanned as it flows. What it gives out lags behind by a longest secret's length.
#[derive(Debug)]
pub struct ScrubbedStream {
    incoming: Incoming,
    scan: Option<StreamScan>,
    first: Bytes,
    idle: Duration,
    in_headers: usize,
    in_body: usize,
}

impl ScrubbedStream {
    /// Returns the next piece; `None` at the end. After an error there is nothing more.
    pub async fn next(&mut self) -> Option<Result<Bytes, ScanError>> {
        if !self.first.is_empty() {
            return Some(Ok(std::mem::take(&mut self.first)));
        }
        loop {
            let scan = self.scan.as_mut()?;
            let piece = match timeout(self.idle, next_data(&mut self.incoming)).await {
                Ok(Ok(Some(chunk))) => {
                    let clean = scan.push(&chunk);
                    self.in_body = scan.count();
                    clean
                }
                Ok(Ok(None)) => {
                    let rest = self.scan.take()?.finish();
                    self.in_body = rest.count;
                    rest.bytes
                }
                Ok(Err(error)) => {
                    self.scan = None;
                    return Some(Err(error));
                }
                Err(_) => {
                    self.scan = None;
                    return Some(Err(ScanError::Timeout));
                }
            };
            if !piece.is_empty() {
                return Some(Ok(Bytes::from(piece)));
            }
        }
    }

    /// Returns how many places were cut so far, those in the headers too.
    pub fn redactions(&self) -> usize {
        self.in_headers + self.in_body
    }
}

/// Reads a body, or as much of it as is held; returns it with the number of places cut, those in the headers too.
pub(super) async fn read(
    scan: &Scan<'_>,
    mut incoming: Incoming,
    replacement: Vec<u8>,
    in_headers: usize,
) -> Result<(ScrubbedBody, usize), ScanError> {
    let mut held = Vec::new();
    loop {
        let chunk =
            timeout_at(scan.deadline, next_data(&mut incoming)).await.map_err(|_| ScanError::Timeout)??;
        let Some(chunk) = chunk else {
            let redacted = scan.needles.redact(&held, &replacement);
            return Ok((ScrubbedBody::Whole(Bytes::from(redacted.bytes)), in_headers + redacted.count));
        };
        held.extend_from_slice(&chunk);
        if held.len() > BUFFERED {
            let mut stream = StreamScan::new(scan.needles.clone(), replacement);
            let first = Bytes::from(stream.push(&held));
            let in_body = stream.count();
            let flowing =
                ScrubbedStream { incoming, scan: Some(stream), first, idle: scan.idle, in_headers, in_body };
            return Ok((ScrubbedBody::Flowing(flowing), in_headers + in_body));
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
