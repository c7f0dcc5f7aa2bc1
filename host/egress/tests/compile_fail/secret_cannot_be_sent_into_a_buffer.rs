//! A secret is handed on over the admin socket only: any `Write` could be a buffer to read it from.

use wardlock_egress::vault::Secret;

fn read(secret: &Secret) -> Vec<u8> {
    let mut buffer = Vec::new();
    let _ = secret.send_over(&mut buffer);
    buffer
}

fn main() {}
