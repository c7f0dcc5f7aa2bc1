//! What is made for one use: ids of requests, and nonces of signatures.

use std::sync::atomic::{AtomicU64, Ordering};

use wardlock_core::id::RequestId;

use crate::host::now_ms;

/// Makes a request id. It names, it does not protect.
pub fn new_request_id() -> RequestId {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut random = [0; 10];
    if getrandom::fill(&mut random).is_err() {
        // A counter serves where the system has no randomness.
        random[2..].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    }
    RequestId::at(now_ms(), random)
}

/// Makes what a signature is of besides its text, so that none serves twice: 128 random bits as text.
pub fn new_nonce() -> Result<String, String> {
    let mut bits = [0; 16];
    let drawn = getrandom::fill(&mut bits).map_err(|error| format!("the system has no randomness: {error}"));
    drawn.map(|()| hex::encode(bits))
}
