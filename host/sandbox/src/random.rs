//! Randomness that can be replayed: a stream that the request's id and the plugin's digest determine.

use sha2::{Digest as _, Sha256};
use wardlock_core::id::Digest;
use wasmtime::Result;

use crate::wasi::Forbidden;

/// The most bytes in one call.
const MAX_RANDOM: u64 = 64 << 10;

/// SHA-256 of seed and counter, block after block.
pub(crate) struct Stream {
    seed: Digest,
    block: u64,
}

impl Stream {
    /// Makes the stream of one request.
    pub(crate) fn new(request_id: &str, plugin: Digest) -> Self {
        Self { seed: Digest::of_fields([request_id.as_bytes(), plugin.as_bytes()]), block: 0 }
    }

    /// Returns the next bytes.
    pub(crate) fn bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        let len = usize::try_from(len.min(MAX_RANDOM + 1))?;
        if len as u64 > MAX_RANDOM {
            return Err(Forbidden("wasi:random for more than 64 KiB").into());
        }
        let mut bytes = Vec::with_capacity(len + 32);
        while bytes.len() < len {
            let hasher = Sha256::new().chain_update(self.seed.as_bytes()).chain_update(self.block.to_be_bytes());
            bytes.extend_from_slice(&hasher.finalize());
            self.block += 1;
        }
        bytes.truncate(len);
        Ok(bytes)
    }

    /// Returns the next 64 bits.
    pub(crate) fn number(&mut self) -> Result<u64> {
        let bytes = self.bytes(8)?;
        Ok(bytes.iter().fold(0, |number, &byte| (number << 8) | u64::from(byte)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn randomness_is_determined_by_request_and_plugin() {
        let stream = |id: &str, plugin: &[u8]| Stream::new(id, Digest::of(plugin)).bytes(100).expect("100 bytes");
        assert_eq!(stream("a", b"p"), stream("a", b"p"));
        assert_ne!(stream("a", b"p"), stream("b", b"p"));
        assert_ne!(stream("a", b"p"), stream("a", b"q"));
        assert_eq!(stream("a", b"p").len(), 100);
    }
}
