//! The built-in definitions of Zoho's other products: what each of their routes is, and what each must refuse.
//!
//! Every product has a table with a row for every operation; `support` reads it.

#![expect(clippy::expect_used, reason = "a helper of tests fails like a test")]

mod books;
mod desk;
mod marketing;
mod shared;
mod support;
mod workdrive;
