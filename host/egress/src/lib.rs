//! The only crate that opens a secret or connects upstream. Step 11 of a request's path, and everything about grants.
//!
//! In reading order:
//!
//! - `egress`: [`Egress`], the handle that the host holds.
//! - `send`: one permitted request: token, injection, route, wire, scan, at most one replay.
//! - `route`: the host, from the service's table.
//! - `inject`: the upstream request, with the credential last.
//! - `client`: the pooled connections.
//! - `scan`: makes a [`Scrubbed`] of an answer.
//! - `oauth`: consent, exchange, the owner of access tokens, look-up, revocation.
//! - `turns`: how many calls of a grant are under way, and who is next.
//! - `dialer`: names to addresses, and trust.
//! - `collector`: the one address besides providers', for the operator's telemetry.
//! - [`registry`]: plugins in OCI registries, for the command only.
//! - `failpoint`: where the crash suite may end the process.
//! - [`vault`]: holds every secret; the only code that can open one.

mod client;
mod collector;
mod companions;
mod dialer;
mod egress;
mod failpoint;
mod inject;
mod oauth;
pub mod registry;
mod route;
mod scan;
mod send;
mod turns;
pub mod vault;

pub use client::{CallError, Limits};
pub use collector::{Collector, CollectorError};
pub use dialer::{Dialer, DialerError};
pub use egress::{Disconnected, Egress, EgressError, GrantStatus, Tried};
pub use inject::InjectError;
pub use oauth::callback::pasted::{Awaited, Pasted, hand_over_pasted};
pub use oauth::callback::{CallbackListener, CallbackProblem, ListenError};
pub use oauth::connect::{
    ConnectError, ConnectPlan, Connected, DeviceProblem, Event, Progress, Replaced, Sharing,
};
pub use oauth::consent::{Consent, ConsentError, PendingConsent};
pub use oauth::exchange::TokenError;
pub use oauth::mint::RefreshWatch;
pub use oauth::revoke::Revoked;
pub use oauth::scopes::scopes_for;
pub use oauth::tenant::LookupError;
pub use route::RouteError;
pub use scan::{BUFFERED, EditError, ScanError, Scrubbed, ScrubbedBody, ScrubbedStream};
pub use send::{SendError, SendFault, Sent};
pub use turns::{Busy, Turn};
pub use wardlock_audit::Clock;
