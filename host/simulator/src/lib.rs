//! A look-alike of Zoho Accounts and Zoho CRM v8 on loopback, for `wardlock demo` and the tests.
//!
//! It owns the provider's side of every conversation and nothing of ours: it depends on none of the other
//! crates, so it cannot share a mistake with them. It speaks real TLS under a certificate authority made at
//! start, keeps its data in memory, and records every byte that it received.
//!
//! Modules in reading order:
//! - `region`: the data centres and their hosts.
//! - `config`: what a simulator is started with.
//! - `switches`, `quirks`: every quirk and fault, changeable while it runs, and its values.
//! - `simulator`: the running simulator and its handle.
//! - `person`: plays the person in the browser.
//! - `server`: listeners, TLS and the dispatch by host.
//! - `record`: the byte-exact recording.
//! - `wire`: requests and replies as plain values.
//! - `oauth`: consent, token and revoke endpoints.
//! - `crm`: the CRM v8 API.
//! - `world`, `seed`, `schema`: what the provider knows.
//! - `instant`: time stamps in Zoho's form.

mod config;
mod crm;
mod error;
mod instant;
mod oauth;
mod person;
mod quirks;
mod record;
mod region;
mod schema;
mod seed;
mod server;
mod simulator;
mod switches;
mod tls;
mod wire;
mod world;

pub use config::{ClientSpec, Clock, Environment, OrgSpec, SimulatorConfig, TokenFactory, TokenKind, UserSpec};
pub use error::SimulatorError;
pub use person::{Approval, Consent, callback_of, consent};
pub use quirks::{
    ApiAnswer, ApiDomain, BadTokenAnswer, CallbackField, EchoPart, EchoToken, ExpiresIn, Fault, Pkce,
    RefreshIssue, RevokeForms, Rotation, ScopeAnswer, Throttle, ThrottleAnswer, TokenAnswer, WrongRegion,
};
pub use record::{ConnectionRecording, Recording};
pub use region::{Region, Role};
pub use simulator::Simulator;
pub use switches::{SwitchBoard, Switches};
