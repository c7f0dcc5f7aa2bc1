//! The vault's part of `wardlock doctor --look`: a sieve of fingerprints, then whose secret stands at a place.

use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_egress::vault::Fingerprints;

use super::blocking;
use crate::admin::Failure;
use crate::host::Host;
use crate::text::decode_base64;

/// Gives the fingerprints.
pub async fn begin(host: &Arc<Host>) -> Result<Value, Failure> {
    let vault = Arc::clone(host.vault());
    let (key, known, longest) = blocking(move || vault.fingerprints()).await??.parts();
    Ok(json!({ "key": key, "known": known, "longest": longest }))
}

/// Reads what [`begin`] gave.
pub fn sieve(begun: &Value) -> Result<Fingerprints, Failure> {
    let odd =
        || Failure::no("the daemon gave no fingerprints").hint("restart it with the same version of wardlock");
    let known = begun["known"].as_array().ok_or_else(odd)?;
    let known = known.iter().map(Value::as_u64).collect::<Option<Vec<u64>>>().ok_or_else(odd)?;
    let key = begun["key"].as_u64().ok_or_else(odd)?;
    let longest = begun["longest"].as_u64().and_then(|longest| usize::try_from(longest).ok()).ok_or_else(odd)?;
    Ok(Fingerprints::from_parts(key, known, longest))
}

/// Says for each piece whose secret it begins with; mostly nobody's.
pub async fn at(host: &Arc<Host>, pieces: Vec<String>) -> Result<Value, Failure> {
    let pieces = pieces.iter().map(|piece| decode_base64(piece)).collect::<Option<Vec<_>>>();
    let pieces = pieces.ok_or_else(|| Failure::usage("a piece is not base64"))?;
    let vault = Arc::clone(host.vault());
    let owners = blocking(move || vault.owners(&pieces)).await??;
    let told = owners.into_iter().map(|owners| {
        let told = owners.into_iter().map(
            |owner| json!({ "kind": owner.kind, "of": owner.of, "name": owner.name, "region": owner.region }),
        );
        Value::from(told.collect::<Vec<_>>())
    });
    Ok(Value::from(told.collect::<Vec<_>>()))
}
