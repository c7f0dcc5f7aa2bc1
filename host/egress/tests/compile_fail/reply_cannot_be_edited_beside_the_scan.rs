//! What plugins take away goes through `Scrubbed::apply`, which scans again; nobody puts another body into a scanned answer.

use wardlock_egress::{Scrubbed, ScrubbedBody};

fn exchanged(mut scanned: Scrubbed, body: ScrubbedBody) -> Scrubbed {
    scanned.body = body;
    scanned
}

fn main() {}
