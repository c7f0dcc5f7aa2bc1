//! A secret is in one place, and wiped when that is dropped.

use wardlock_egress::vault::Secret;

fn copy(secret: &Secret) -> Secret {
    secret.clone()
}

fn main() {}
