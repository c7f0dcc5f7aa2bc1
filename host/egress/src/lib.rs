//! The only crate that opens a secret or connects upstream.
