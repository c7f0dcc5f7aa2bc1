//! In egress itself, too, only `vault` opens a secret: this case is a crate with `vault` in it and a module beside.

#![expect(unused_imports, reason = "nothing here uses what `vault` offers to the rest of egress")]

#[path = "../../src/failpoint.rs"]
mod failpoint;
#[path = "../../src/vault/mod.rs"]
pub mod vault;

pub mod beside {
    use crate::vault::Secret;

    pub fn by_method(secret: &Secret) -> &[u8] {
        secret.open()
    }

    pub fn as_text(secret: &Secret) -> &str {
        secret.open_text()
    }
}

fn main() {}
