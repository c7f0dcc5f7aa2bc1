//! A small provider of notes that exists nowhere and holds to the RFCs: for services that operators write themselves.
//!
//! Modules in reading order:
//! - `config`: what it is started with.
//! - `handle`: what a test may do with it.
//! - `form`: the body of a call to an endpoint, and the client that it is from.
//! - `consent`, `token`, `device`, `revoke`: OAuth.
//! - `api`: the notes.
//! - `world`: what it knows.

mod api;
mod config;
mod consent;
mod device;
mod form;
mod handle;
mod revoke;
mod token;
mod world;

pub use config::{NotesAccount, NotesClient, NotesConfig};
pub use handle::NotesHandle;
pub(crate) use world::World;

use serde_json::json;

use crate::oauth::page;
use crate::switches::Switches;
use crate::wire::{Call, Reply};

/// A host of this provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// The pages that people see.
    Login,
    /// The token, revocation and device authorization endpoints.
    OAuth,
    /// The API, for tokens.
    Api,
    /// The same API, for static keys.
    Key,
}

impl Host {
    pub const ALL: [Host; 4] = [Host::Login, Host::OAuth, Host::Api, Host::Key];

    pub fn name(self) -> &'static str {
        match self {
            Host::Login => "login.notes.example",
            Host::OAuth => "oauth.notes.example",
            Host::Api => "api.notes.example",
            Host::Key => "key.notes.example",
        }
    }
}

/// Answers on any of the hosts.
pub(crate) fn answer(world: &mut World, switches: &mut Switches, call: &Call<Host>) -> Reply {
    match (call.place, call.path.as_str()) {
        (Host::Login, _) => browser(world, call),
        (Host::OAuth, "/token") => token::answer(world, switches, call),
        (Host::OAuth, "/revoke") => revoke::answer(world, call),
        (Host::OAuth, "/device_authorization") => device::code(world, call),
        (Host::OAuth, _) => page::error(404, "There is no such page."),
        (Host::Api | Host::Key, _) => api::answer(world, switches, call),
    }
}

/// Answers on the login host, and on the plain consent listener.
pub(crate) fn browser(world: &mut World, call: &Call<Host>) -> Reply {
    match call.path.as_str() {
        "/authorize" => consent::answer(world, call),
        "/device" => device::page(world, call),
        "/.well-known/oauth-authorization-server" => metadata(),
        _ => page::error(404, "There is no such page."),
    }
}

/// Says what there is (RFC 8414).
fn metadata() -> Reply {
    let ways = ["client_secret_basic", "client_secret_post", "none"];
    Reply::json(
        200,
        &json!({
            "issuer": consent::ISSUER,
            "authorization_endpoint": "https://login.notes.example/authorize",
            "token_endpoint": "https://oauth.notes.example/token",
            "device_authorization_endpoint": "https://oauth.notes.example/device_authorization",
            "revocation_endpoint": "https://oauth.notes.example/revoke",
            "scopes_supported": ["notes.read", "notes.write", "offline_access"],
            "response_types_supported": ["code"],
            "grant_types_supported": [
                "authorization_code", "refresh_token", "client_credentials",
                "urn:ietf:params:oauth:grant-type:device_code",
            ],
            "token_endpoint_auth_methods_supported": ways,
            "revocation_endpoint_auth_methods_supported": ways,
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
        }),
    )
}
