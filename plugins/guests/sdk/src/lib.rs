//! Write Wardlock policy plugins in Rust.
//!
//! A plugin is a type that implements [`Policy`], handed to [`export!`]:
//!
//! ```
//! use serde::Deserialize;
//! use wardlock_plugin::{Answer, Description, Policy, Problem, Request, allow, deny, describe, export};
//!
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Settings {
//!     agent: String,
//! }
//!
//! struct OneAgent(Settings);
//!
//! impl Policy for OneAgent {
//!     type Settings = Settings;
//!
//!     fn describe() -> Description {
//!         describe!()
//!     }
//!
//!     fn schema() -> &'static str {
//!         r#"{ "type": "object", "required": ["agent"], "properties": { "agent": { "type": "string" } } }"#
//!     }
//!
//!     fn configure(settings: Settings) -> Result<Self, Vec<Problem>> {
//!         Ok(Self(settings))
//!     }
//!
//!     fn on_request(&self, request: &Request) -> Answer {
//!         if request.caller.agent == self.0.agent {
//!             return allow();
//!         }
//!         deny("other_agent", "this connection is for another agent").hint("ask the operator")
//!     }
//! }
//!
//! export!(OneAgent);
//! # fn main() {}
//! ```
//!
//! Each request meets a fresh instance: nothing that a plugin keeps outlives the request. There is no clock,
//! no network, no file and no randomness; `request.now_ms` is the time. A plugin that panics, loops or says
//! something that the host cannot do has refused the request.

mod answer;
pub mod edit;
mod export;
mod log;
mod request;

/// What `wit-bindgen` made of `wit/`; [`export!`] needs it by name.
#[doc(hidden)]
#[expect(clippy::pedantic, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        world: "request-plugin",
        path: "../../../wit",
        pub_export_macro: true,
        export_macro_name: "export_bindings",
        default_bindings_module: "wardlock_plugin::bindings",
    });
}

/// Runs a plugin's golden cases natively (feature `cases`).
#[cfg(feature = "cases")]
pub mod cases;

pub use answer::{allow, deny, hold, shape};
pub use bindings::exports::wardlock::policy::settings::{Description, Problem};
pub use bindings::wardlock::policy::types::{
    Answer, Attribute, Caller, Edit, Effect, Field, FieldUse, Header, Operation, Parameter, Payload, Reason,
    Request, Shaping, Verdict,
};
pub use export::{Policy, glue};
pub use log::{debug, error, info, warn};
