//! The only crate that opens a secret or connects upstream.
//!
//! A request comes here as a permit and an audit receipt, and leaves as an answer that was scanned. In reading
//! order:
//!
//! - [`vault`]: holds every credential, and is the only code that can open one.
//! - `dialer`: which hosts may be dialled, and how their names become addresses.
//! - `client`: the pooled upstream client; no redirects, no cookies.
//! - `route`: the upstream URL of a permit, from the service's fixed table.
//! - `inject`: the credential and whatever else the host adds.
//! - `scan`: cuts stored secrets out of answers; the only maker of a `Scrubbed`.
//! - `oauth`: consent, token calls, revocation and the tenant look-up.
//! - `send`: one permit, at most two attempts on the wire.

pub mod vault;
