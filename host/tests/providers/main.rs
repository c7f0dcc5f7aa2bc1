//! The whole product against authorization servers that nobody here wrote: the program behind `tests/providers/run`.
//!
//! - [`peer`]: a server of that folder, started with certificates and a client of its own.
//! - [`broker`]: a Wardlock in this process whose only hosts are that server's.
//! - [`strict`]: `oidc-provider`, which holds to the RFCs.
//! - [`bent`]: `oauth2-mock-server`, which answers as Zoho does.
//! - [`killed`]: a host that dies between a token answer and its storing, at either of them.

#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "all of it is tests: a failure is a failed test, and files are looked at from outside"
)]

mod bent;
mod broker;
mod killed;
mod peer;
mod strict;
