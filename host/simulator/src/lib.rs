//! Look-alikes on loopback, for `wardlock demo` and the tests: of Zoho (Accounts, CRM v8, Books v3, Desk v1, `WorkDrive` v1 and
//! Marketing Automation v1), of Google with Google Ads, of Meta with its Marketing API, and of a small provider of notes that holds to
//! the RFCs.
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
//! - `server`, `site`: listeners, TLS and the dispatch by host.
//! - `record`: the byte-exact recording.
//! - `wire`: requests and replies as plain values.
//! - `mint`: time and tokens. `echo`: the received credential in an answer.
//! - `oauth`: Zoho's consent, token, device and revoke endpoints.
//! - `api`: from a call on an API host to its product, and what all products have in common.
//! - `session`, `scope`: the token of a call, and what it allows.
//! - `crm`, `books`, `desk`, `workdrive`, `marketing`: the products.
//! - `shelf`: the records of the products that have no modules.
//! - `world`, `seed`, `schema`: what Zoho knows.
//! - `google`, `meta`, `notes`: the other providers, each with its own world.
//! - `instant`: time stamps in Zoho's form.

mod api;
mod books;
mod config;
mod crm;
mod desk;
mod echo;
mod error;
mod google;
mod instant;
mod marketing;
mod meta;
mod mint;
mod notes;
mod oauth;
mod person;
mod quirks;
mod record;
mod region;
mod schema;
mod scope;
mod seed;
mod server;
mod session;
mod shelf;
mod simulator;
mod site;
mod switches;
mod tls;
mod wire;
mod workdrive;
mod world;

pub use config::{ClientSpec, Clock, Environment, OrgSpec, SimulatorConfig, TokenFactory, TokenKind, UserSpec};
pub use error::SimulatorError;
pub use google::{GoogleClient, GoogleConfig, GoogleHandle, GoogleMutation, GoogleSwitches, GoogleUser};
pub use meta::{MetaApp, MetaConfig, MetaHandle, MetaMutation, MetaSwitches, MetaUser};
pub use notes::{NotesAccount, NotesClient, NotesConfig, NotesHandle};
pub use person::{Approval, Consent, Led, callback_of, consent, decide_device};
pub use quirks::{
    ApiAnswer, ApiDomain, BadTokenAnswer, BooksLimit, CallbackField, EchoPart, EchoToken, ExpiresIn, Fault, Pkce,
    RefreshIssue, RevokeForms, Rotation, ScopeAnswer, Throttle, ThrottleAnswer, TokenAnswer, WrongRegion,
};
pub use record::{ConnectionRecording, Recording};
pub use region::{Region, Role};
pub use simulator::Simulator;
pub use switches::{SwitchBoard, Switches};
