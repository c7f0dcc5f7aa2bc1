//! What is made for one use: ids of requests, and random text.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
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

/// Returns 256 random bits as text that fits into an address: what a link, a session or a signature is good for once.
pub fn random() -> Result<String, getrandom::Error> {
    let mut bits = [0; 32];
    getrandom::fill(&mut bits)?;
    Ok(URL_SAFE_NO_PAD.encode(bits))
}
