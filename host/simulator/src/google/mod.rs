//! Google's OAuth server and the Google Ads API (facts section 6.1).
//!
//! Modules in reading order:
//! - `config`, `switches`: what it is started with, and its quirks.
//! - `handle`: what a test may do with it.
//! - `consent`, `token`, `revoke`: OAuth.
//! - `ads`: from a call on the API host to its reply; `failure`: its errors.
//! - `gaql`, `fields`, `search`: reading.
//! - `mutate`, `apply`: writing.
//! - `world`, `resources`, `seed`: what it knows.

mod ads;
mod apply;
mod config;
mod consent;
mod failure;
mod fields;
mod gaql;
mod handle;
mod mutate;
mod resources;
mod revoke;
mod search;
mod seed;
mod switches;
mod token;
mod world;

pub use config::{GoogleClient, GoogleConfig, GoogleUser};
pub use handle::{GoogleHandle, GoogleMutation};
pub use switches::GoogleSwitches;
pub(crate) use world::World;

use crate::oauth::page;
use crate::switches::Switches;
use crate::wire::{Call, Reply};

/// A host of this provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// The authorization endpoint.
    Accounts,
    /// The token and revocation endpoints.
    OAuth,
    /// The Google Ads API.
    Ads,
}

impl Host {
    pub const ALL: [Host; 3] = [Host::Accounts, Host::OAuth, Host::Ads];

    pub fn name(self) -> &'static str {
        match self {
            Host::Accounts => "accounts.google.com",
            Host::OAuth => "oauth2.googleapis.com",
            Host::Ads => "googleads.googleapis.com",
        }
    }
}

/// Answers on any of the hosts.
pub(crate) fn answer(world: &mut World, switches: &mut Switches, call: &Call<Host>) -> Reply {
    match (call.place, call.path.as_str()) {
        (Host::Accounts, _) => browser(world, call),
        (Host::OAuth, "/token") => token::answer(world, switches, call),
        (Host::OAuth, "/revoke") => revoke::answer(world, call),
        (Host::OAuth, _) => page::error(404, "The requested URL was not found on this server."),
        (Host::Ads, _) => ads::answer(world, switches, call),
    }
}

/// Answers on the accounts host, and on the plain consent listener.
pub(crate) fn browser(world: &mut World, call: &Call<Host>) -> Reply {
    match call.path.as_str() {
        "/o/oauth2/v2/auth" => consent::answer(world, call),
        _ => page::error(404, "The requested URL was not found on this server."),
    }
}
