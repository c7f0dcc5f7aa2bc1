//! Ports that are named before they are bound.
//!
//! Not those that the system gives out by itself: between the asking and the binding, any connection that goes out
//! could take one of them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the range from which Linux takes ports for outgoing connections (32768 and up), above the well-known ones.
const RANGE: std::ops::Range<u32> = 10_000..32_000;

/// Returns an address on loopback that nobody listens on, another one at each call.
pub fn unused() -> SocketAddr {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let count = RANGE.end - RANGE.start;
    // Another process of the same run begins elsewhere.
    let first = std::process::id().wrapping_mul(97);
    loop {
        let at = first.wrapping_add(CALLS.fetch_add(1, Ordering::Relaxed)) % count;
        let port = u16::try_from(RANGE.start + at).unwrap_or(u16::MAX);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
