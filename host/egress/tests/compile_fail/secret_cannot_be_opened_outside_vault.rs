//! Neither the bytes nor the ways to them are visible outside `vault`.

use wardlock_egress::vault::Secret;

fn by_method(secret: &Secret) -> &[u8] {
    secret.open()
}

fn by_field(secret: &Secret) -> &[u8] {
    &secret.bytes
}

fn main() {}
