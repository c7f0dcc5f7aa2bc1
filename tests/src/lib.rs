//! The test harness. Nothing of it ships.
//!
//! It knows the product only from outside: bytes on sockets, files in a home, processes. In reading order:
//!
//! - [`canary`]: secrets made for one test, and the search for them in everything that the test saw.
//! - [`raw`]: an HTTP client of bytes, for requests that no library would send.
//! - [`home`]: runs the executable in a home of its own and keeps what it said.
//! - [`ports`]: addresses that are named before they are bound.
//! - [`programs`]: scripts that stand in for other programs.
//! - [`guests`]: plugins that misbehave, as components.
//! - [`docs`]: reads commands and links out of the documentation, for the tests that keep it true.

pub mod canary;
pub mod docs;
pub mod guests;
pub mod home;
pub mod ports;
pub mod programs;
pub mod raw;
mod written;
