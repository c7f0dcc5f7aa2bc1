//! A secret is never part of anything that is written down, but for the vault's own sealed rows.

use serde::Serialize as _;
use wardlock_egress::vault::Secret;

fn write(secret: Secret) {
    let _ = secret.serialize(serde_json::value::Serializer);
}

fn main() {}
