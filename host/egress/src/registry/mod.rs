//! Plugins in OCI registries: what `plugin push` and `plugin pull` dial, on a person's explicit word. The daemon never does.
//!
//! Terms and calls are those of the OCI distribution specification 1.1; the artifact is that of the CNCF's "Wasm OCI
//! Artifact", which other tools for components read and write, too. In reading order:
//!
//! - `reference`: which registry, repository, tag and digest.
//! - `transfer`: [`push`] and [`pull`], call by call.
//! - `artifact`: manifest and config, made and read.
//! - `call`: one call: where it may lead, who it says it is, what is followed.
//! - `challenge`: what a registry wants to know of who calls.
//! - `reach`: which addresses may be dialled.
//! - `error`: what can go wrong, and how to mend it.

mod artifact;
mod call;
mod challenge;
mod error;
mod reach;
mod reference;
#[cfg(test)]
mod tests;
mod transfer;

pub use artifact::{Artifact, LARGEST_COMPONENT, LARGEST_SIGNATURE};
pub use call::Credentials;
pub use error::RegistryError;
pub use reference::{Reference, ReferenceError};
pub use transfer::{Pulled, Pushed, pull, push};
