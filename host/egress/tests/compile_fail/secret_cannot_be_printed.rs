//! A secret has no text form; its `Debug` prints `Secret(..)`.

use wardlock_egress::vault::Secret;

fn print(secret: &Secret) -> String {
    format!("{secret}")
}

fn main() {}
