//! What crosses between host and worker: frames of a length and a message, on one stream.
//!
//! The encoding is postcard's (compact, without names), so both sides must be of one version: the first frame says it. A
//! frame has at most [`MAX_FRAME`] bytes; who sends more is not listened to any longer.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use wardlock_core::canonical::Method;
use wardlock_core::id::Digest;
use wardlock_core::plugin::quota::{QuotaFault, Taken};
use wardlock_core::plugin::{PluginRequest, PluginResponse, ResponseAnswer};

use crate::error::LoadError;
use crate::files::Files;
use crate::prepare::{Job, Prepared};
use crate::runtime::{Call, Judged};

use super::Confinement;

/// Changes with every change of a message, and with every record in one.
pub(super) const VERSION: u32 = 2;
/// The largest frame: the largest body that is judged, and room for a request's or an answer's other parts.
pub(super) const MAX_FRAME: usize = 12 << 20;

/// What a worker is started for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) version: u32,
    /// How many instances may stand at once.
    pub(super) slots: u32,
    /// The most bytes in one memory.
    pub(super) memory_bytes: usize,
    /// For how long the processor may be used; `None`: without bound.
    pub(super) cpu: Option<Duration>,
    /// Whether it compiles, which takes threads.
    pub(super) compiles: bool,
}

/// From the host. Where it writes, requests are borrowed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToWorker<R = PluginRequest, B = ByteBuf, S = PluginResponse> {
    /// The first message.
    Hello(Hello),
    /// Prepare the component in the file that is handed over; the code goes into the second file.
    Prepare { job: Job, length: u64 },
    /// Take the code in the file that is handed over, and what it may read.
    Load { code: u64, digest: Digest, length: u64, files: Option<Files> },
    /// Forget some code.
    Unload { code: u64 },
    /// Try settings on some code.
    Configure { call: u64, code: u64, job: Job },
    /// Judge a request. An instance without a snapshot is given the settings first.
    Judge {
        call: u64,
        code: u64,
        settings: Option<String>,
        bounds: Call,
        method: Method,
        request: R,
        content: Option<B>,
    },
    /// Judge an answer, likewise.
    JudgeAnswer {
        call: u64,
        code: u64,
        settings: Option<String>,
        bounds: Call,
        method: Method,
        response: S,
        content: Option<B>,
    },
    /// What the guest of a call took.
    Taken { call: u64, taken: Result<Taken, QuotaFault> },
}

/// From a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromWorker {
    /// It is confined and listens.
    Ready { pagemap_scan: bool, fingerprint: u64, confinement: Confinement },
    /// It cannot work, and why.
    Unfit { what: String },
    /// A component is prepared; the code's length.
    Prepared { prepared: Result<(Prepared, u64), LoadError> },
    /// Code is taken, or why not.
    Loaded { code: u64, taken: Result<(), String> },
    /// Settings are taken, with so much memory, or why not.
    Configured { call: u64, taken: Result<u64, LoadError> },
    /// A request is judged.
    Judged { call: u64, judged: Judged },
    /// An answer is judged.
    JudgedAnswer { call: u64, judged: Judged<ResponseAnswer> },
    /// The guest of a call takes of a quota.
    Take { call: u64, key: String, limit: u32, window_seconds: u32 },
}

/// Appends a message as a frame.
pub(super) fn write<T: Serialize>(out: &mut Vec<u8>, message: &T) -> Result<(), String> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let written = postcard::to_io(message, &mut *out).map(|_| ()).map_err(|error| error.to_string());
    let length = out.len() - start - 4;
    let checked = written.and_then(|()| match u32::try_from(length) {
        Ok(prefix) if length <= MAX_FRAME => Ok(prefix),
        _ => Err(format!("a message has {length} bytes, and {MAX_FRAME} is the most")),
    });
    match checked {
        Ok(prefix) => {
            out[start..start + 4].copy_from_slice(&prefix.to_be_bytes());
            Ok(())
        }
        Err(what) => {
            out.truncate(start);
            Err(what)
        }
    }
}

/// Bytes as they come in, cut into messages.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    bytes: Vec<u8>,
    at: usize,
}

impl Incoming {
    /// Takes more bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.at == self.bytes.len() {
            self.bytes.clear();
            self.at = 0;
        } else if self.at > MAX_FRAME {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns the next message; `None`: it is not all there yet.
    pub(super) fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, String> {
        let rest = &self.bytes[self.at..];
        let Some((prefix, rest)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*prefix) as usize;
        if length > MAX_FRAME {
            return Err(format!("a frame says that it has {length} bytes, and {MAX_FRAME} is the most"));
        }
        let Some(frame) = rest.get(..length) else {
            return Ok(None);
        };
        let (message, left) = postcard::take_from_bytes(frame).map_err(|error| error.to_string())?;
        if !left.is_empty() {
            return Err(format!("a frame has {} bytes too many", left.len()));
        }
        self.at += 4 + length;
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unload(code: u64) -> ToWorker {
        ToWorker::Unload { code }
    }

    #[test]
    fn messages_come_whole_however_the_bytes_come() {
        let mut out = Vec::new();
        for code in [1, 1 << 40] {
            write(&mut out, &unload(code)).unwrap();
        }
        let (mut incoming, mut codes) = (Incoming::default(), Vec::new());
        for byte in out {
            incoming.push(&[byte]);
            while let Some(message) = incoming.next::<ToWorker>().unwrap() {
                let ToWorker::Unload { code } = message else { panic!("another message") };
                codes.push(code);
            }
        }
        assert_eq!(codes, [1, 1 << 40]);
    }

    #[test]
    fn a_frame_is_bounded_and_exact() {
        let mut large = Incoming::default();
        large.push(&u32::try_from(MAX_FRAME + 1).unwrap().to_be_bytes());
        assert!(large.next::<ToWorker>().unwrap_err().contains("the most"));

        let mut out = Vec::new();
        write(&mut out, &unload(7)).unwrap();
        let length = u32::try_from(out.len() - 4 + 1).unwrap();
        out[..4].copy_from_slice(&length.to_be_bytes());
        let mut padded = Incoming::default();
        padded.push(&out);
        padded.push(&[0]);
        assert!(padded.next::<ToWorker>().unwrap_err().contains("too many"));

        let mut garbage = Incoming::default();
        garbage.push(&[0, 0, 0, 1, 0xff]);
        assert!(garbage.next::<ToWorker>().is_err());
    }

    #[test]
    fn what_is_too_large_is_not_half_written() {
        let mut out = b"before".to_vec();
        let too_large = FromWorker::Unfit { what: "x".repeat(MAX_FRAME + 1) };
        assert!(write(&mut out, &too_large).is_err());
        assert_eq!(out, b"before");
    }
}
