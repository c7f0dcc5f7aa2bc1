//! Guests in processes of their own.
//!
//! A worker is this program once more, executed with an empty environment, one socket and nothing else. It confines
//! itself before it hears of the first plugin: no files, no network, no other programs. Should code escape from
//! WebAssembly there, it finds the metadata of the requests that it is asked about, and nothing more.
//!
//! - `protocol`: what crosses the socket, in frames. Both sides are of one build, and both distrust the other's bytes.
//! - `handing`: files in memory, which go beside the frames.
//! - `confine`: what a worker gives up.
//! - `serve`: the worker's side.
//! - `client`, `crew`: the host's side: one worker, and all of them.

mod client;
mod confine;
mod crew;
#[cfg(feature = "escape")]
pub(crate) mod escape;
pub(crate) mod handing;
mod protocol;
mod serve;

pub use confine::{Confinement, Measure};
pub(crate) use crew::{Crew, Installed};
pub use serve::worker_main;

/// The first argument of a worker.
pub const WORKER: &str = "plugin-worker";
