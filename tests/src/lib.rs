//! The test harness: canaries, raw sockets, homes, hostile guests.

pub mod guests;
