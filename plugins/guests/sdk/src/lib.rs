//! Write Wardlock policy plugins in Rust.
//!
//! A plugin is a type that implements [`Policy`], handed to [`export!`]:
//!
//! ```standalone_crate
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
//! no network and no randomness; `request.now_ms` is the time. A plugin that panics, loops or says
//! something that the host cannot do has refused the request.
//!
//! # Answers
//!
//! [`ResponsePolicy`] judges an answer before the agent gets it: [`pass`], [`take_away`], [`withhold`]. A plugin that judges
//! nothing else implements [`Plugin`] with it, and `export!` says so:
//!
//! ```standalone_crate
//! use serde::Deserialize;
//! use wardlock_plugin::{
//!     Description, Plugin, Problem, Response, ResponseAnswer, ResponsePolicy, describe, export, redact, take_away,
//! };
//!
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Settings {}
//!
//! struct NoAddresses;
//!
//! impl Plugin for NoAddresses {
//!     type Settings = Settings;
//!
//!     fn describe() -> Description {
//!         describe!()
//!     }
//!
//!     fn schema() -> &'static str {
//!         r#"{ "type": "object", "additionalProperties": false }"#
//!     }
//!
//!     fn configure(_settings: Settings) -> Result<Self, Vec<Problem>> {
//!         Ok(Self)
//!     }
//! }
//!
//! impl ResponsePolicy for NoAddresses {
//!     fn on_response(&self, _response: &Response) -> ResponseAnswer {
//!         take_away(vec![redact("/data/*/Email")], "no_addresses", "addresses are not for agents")
//!     }
//! }
//!
//! export!(NoAddresses: response);
//! # fn main() {}
//! ```
//!
//! Taking away needs no capability; `describe!("response-body")` asks to see the content. A type that judges both implements
//! `Policy` and `ResponsePolicy`: `export!(Both: request, response)`. Export only what the plugin judges: answers that a plugin
//! judges are held, so those that flow are refused.
//!
//! # Quotas and files
//!
//! [`quota::take`] counts, [`folder::read`] reads what the operator grants. A component imports what its code calls, and
//! nothing else:
//!
//! ```standalone_crate
//! # use wardlock_plugin::{Answer, Description, Policy, Problem, Request};
//! use wardlock_plugin::{allow, deny, describe, export, quota};
//!
//! # struct Slowly;
//! impl Policy for Slowly {
//! #   type Settings = ();
//!     fn describe() -> Description {
//!         describe!("quota")
//!     }
//! #   fn schema() -> &'static str { "{}" }
//! #   fn configure((): ()) -> Result<Self, Vec<Problem>> { Ok(Self) }
//!
//!     fn on_request(&self, request: &Request) -> Answer {
//!         let taken = quota::take(&request.caller.agent, 100, 3600);
//!         if taken.granted { allow() } else { deny("used_up", "a hundred requests an hour are the most") }
//!     }
//!     // …
//! }
//! # export!(Slowly);
//! # fn main() {}
//! ```
//!
//! # Tests
//!
//! With the feature `cases`, `cases::check` runs golden cases natively, with their `[folder]`; they are about requests. A test that
//! calls a policy itself lets `cases::Host` stand in for the host. Without a stand-in quotas and files panic, and what is
//! logged goes nowhere.

mod answer;
pub mod edit;
mod export;
pub mod folder;
mod log;
mod policy;
pub mod quota;
mod request;
mod response;

#[doc(hidden)]
#[expect(clippy::pedantic, reason = "generated")]
pub mod bindings;

#[cfg(not(target_family = "wasm"))]
mod native;

/// Runs a plugin's golden cases natively, and stands in for the host (feature `cases`).
#[cfg(all(feature = "cases", not(target_family = "wasm")))]
pub mod cases;

pub use answer::{allow, deny, hold, shape};
pub use bindings::imports::wardlock::policy::types::{
    Answer, Attribute, Caller, Edit, Effect, Field, FieldUse, Header, Operation, Parameter, Payload, Reason,
    Request, Shaping, Verdict,
};
pub use bindings::response::exports::wardlock::policy::response_hook::{
    Editing, Outcome, Response, ResponseAnswer, ResponseEdit, ResponseVerdict,
};
pub use bindings::settings::exports::wardlock::policy::settings::{Description, Problem};
pub use export::glue;
pub use log::{debug, error, info, warn};
pub use policy::{Plugin, Policy, ResponsePolicy};
pub use response::{pass, redact, remove_header, remove_json, take_away, withhold};
