//! Only a decision makes a permit; nobody changes one that was made.

use wardlock_core::decision::Permit;
use wardlock_core::id::Digest;

fn for_another_request(permit: Permit) -> Permit {
    Permit { digest: Digest::of(b"another request"), ..permit }
}

fn main() {}
