//! Meta's login dialog, and its Graph host with tokens and Marketing API (facts section 6.2).
//!
//! Modules in reading order:
//! - `config`, `switches`: what it is started with, and its quirks.
//! - `handle`: what a test may do with it.
//! - `dialog`, `token`: OAuth.
//! - `graph`: from a call on the Graph host to its reply; `session`: whose token it is; `failure`: its errors.
//! - `read`, `insights`: reading; `write`: creating, changing, deleting; `batch`: many calls in one.
//! - `world`, `seed`: what it knows.

mod batch;
mod config;
mod dialog;
mod failure;
mod graph;
mod handle;
mod insights;
mod read;
mod seed;
mod session;
mod switches;
mod token;
mod world;
mod write;

pub use config::{MetaApp, MetaConfig, MetaUser};
pub use handle::{MetaHandle, MetaMutation};
pub use switches::MetaSwitches;
pub(crate) use world::World;

use crate::oauth::page;
use crate::switches::Switches;
use crate::wire::{Call, Reply};

/// A host of this provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// The login dialog.
    Dialog,
    /// Tokens and the API.
    Graph,
}

impl Host {
    pub const ALL: [Host; 2] = [Host::Dialog, Host::Graph];

    pub fn name(self) -> &'static str {
        match self {
            Host::Dialog => "www.facebook.com",
            Host::Graph => "graph.facebook.com",
        }
    }
}

/// The newest version of the API.
const NEWEST: u32 = 26;

/// Answers on any of the hosts.
pub(crate) fn answer(world: &mut World, switches: &mut Switches, call: &Call<Host>) -> Reply {
    match call.place {
        Host::Dialog => browser(world, call),
        Host::Graph => graph::answer(world, switches, call),
    }
}

/// Answers on the dialog's host, and on the plain consent listener.
pub(crate) fn browser(world: &mut World, call: &Call<Host>) -> Reply {
    match unversioned(&call.segments()).as_deref() {
        Some(["dialog", "oauth"]) => dialog::answer(world, call),
        _ => page::error(404, "This page isn't available."),
    }
}

/// Returns the path behind its version; `None` for a version that does not exist. Expired versions roll forward,
/// and a path without one has the newest.
fn unversioned(segments: &[String]) -> Option<Vec<&str>> {
    let mut parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let version = parts.first().and_then(|first| first.strip_prefix('v')).and_then(|rest| rest.split_once('.'));
    if let Some((number, "0")) = version
        && let Ok(number) = number.parse::<u32>()
    {
        if number > NEWEST {
            return None;
        }
        parts.remove(0);
    }
    Some(parts)
}
