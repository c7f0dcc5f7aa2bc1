//! Everything that goes to a provider's accounts host, and the look-up of the account behind a grant.
//!
//! In the order in which a grant lives:
//!
//! - [`scopes`]: which to ask for, which were granted.
//! - [`consent`]: the authorization URL.
//! - [`callback`] and [`page`]: the listener that the browser comes back to.
//! - [`endpoint`]: the client for token and revocation endpoints.
//! - [`registered`]: what a registered client asks there, and how it says who it is.
//! - [`exchange`]: reads a token answer.
//! - [`tenant`]: finds the account.
//! - [`connect`]: all of the above, in order.
//! - [`mint`]: the owner of access tokens.
//! - [`revoke`]: gives a grant up.

pub(crate) mod callback;
pub(crate) mod connect;
pub(crate) mod consent;
mod endpoint;
pub(crate) mod exchange;
pub(crate) mod mint;
mod page;
pub(crate) mod registered;
pub(crate) mod revoke;
pub(crate) mod scopes;
pub(crate) mod tenant;
