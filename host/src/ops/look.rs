//! The vault's part of `wardlock doctor --look`: a sieve of fingerprints, then whose secret stands at a place.
//!
//! Both tell whoever asks something of secrets, so a look is an admin's where operators have keys, and stands in the audit. What
//! is shown to the vault afterwards belongs to a look that was begun, lives for minutes and shows so many places.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use wardlock_audit::Act;
use wardlock_core::id::Digest;
use wardlock_egress::vault::Fingerprints;

use super::{blocking, note, who};
use crate::admin::Failure;
use crate::host::Host;
use crate::ids::random;
use crate::text::decode_base64;

/// How long a look lives, milliseconds: half an hour, within which a folder of many gigabytes is read.
const LIVES_MS: u64 = 30 * 60 * 1000;
/// How many places one look may show to the vault: each tries one guess of a whole secret.
const MOST_PLACES: usize = 20_000;
/// How many looks are under way at once; the oldest gives way.
const MOST: usize = 8;

/// The looks under way. They are part of the open host, so that locking the vault ends them.
#[derive(Debug, Default)]
pub struct Looks(Mutex<Vec<Begun>>);

#[derive(Debug)]
struct Begun {
    /// Of its handle, which whoever began it has.
    digest: Digest,
    until_ms: u64,
    places_left: usize,
}

impl Looks {
    /// Begins one; returns its handle.
    fn begin(&self, now_ms: u64) -> Result<String, getrandom::Error> {
        let handle = random()?;
        let begun = Begun {
            digest: Digest::of(handle.as_bytes()),
            until_ms: now_ms.saturating_add(LIVES_MS),
            places_left: MOST_PLACES,
        };
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        looks.retain(|look| look.until_ms > now_ms);
        if looks.len() >= MOST {
            looks.remove(0);
        }
        looks.push(begun);
        Ok(handle)
    }

    /// Takes so many places off what a look may show.
    fn take(&self, handle: &str, places: usize, now_ms: u64) -> Result<(), Failure> {
        let digest = Digest::of(handle.as_bytes());
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let look = looks.iter_mut().find(|look| look.digest == digest && look.until_ms > now_ms);
        let look = look.ok_or_else(|| {
            Failure::no("this look was not begun here, or half an hour ago")
                .hint("run `wardlock doctor --look` anew; a larger folder is looked through in parts")
        })?;
        look.places_left = look.places_left.checked_sub(places).ok_or_else(|| {
            Failure::no(format!("this look has shown {MOST_PLACES} places, which are the most"))
                .hint("look through the folders one by one: one that holds so many was filled on purpose")
        })?;
        Ok(())
    }
}

/// Begins a look, and gives the fingerprints.
pub async fn begin(host: &Arc<Host>) -> Result<Value, Failure> {
    let vault = Arc::clone(host.vault());
    let (key, known, longest) = blocking(move || vault.fingerprints()).await??.parts();
    let look = host.looks.begin(host.now_ms());
    let look = look.map_err(|error| Failure::no(format!("the system gives no randomness: {error}")))?;
    note(host, Act::admin(who(), "secrets.look", "vault", format!("{} fingerprints", known.len()))).await;
    Ok(json!({ "look": look, "key": hex::encode(key), "known": known, "longest": longest }))
}

/// Reads what [`begin`] gave: the look's handle, and the sieve.
pub fn sieve(begun: &Value) -> Result<(String, Fingerprints), Failure> {
    let odd =
        || Failure::no("the daemon gave no fingerprints").hint("restart it with the same version of wardlock");
    let look = begun["look"].as_str().ok_or_else(odd)?.to_owned();
    let print = |print: &Value| print.as_u64().and_then(|print| u32::try_from(print).ok());
    let known = begun["known"].as_array().ok_or_else(odd)?;
    let known = known.iter().map(print).collect::<Option<Vec<u32>>>().ok_or_else(odd)?;
    let mut key = [0; 32];
    hex::decode_to_slice(begun["key"].as_str().ok_or_else(odd)?, &mut key).map_err(|_| odd())?;
    let longest = begun["longest"].as_u64().and_then(|longest| usize::try_from(longest).ok()).ok_or_else(odd)?;
    Ok((look, Fingerprints::from_parts(key, known, longest)))
}

/// Says for each piece whose secret it begins with; mostly nobody's.
pub async fn at(host: &Arc<Host>, look: &str, pieces: Vec<String>) -> Result<Value, Failure> {
    host.looks.take(look, pieces.len(), host.now_ms())?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_shows_so_many_places_within_its_time_and_only_to_whoever_began_it() {
        let looks = Looks::default();
        let handle = looks.begin(1_000).expect("begun");
        let problem = |took: Result<(), Failure>| took.expect_err("refused").message;
        assert!(problem(looks.take("another", 1, 1_000)).contains("was not begun here"));
        looks.take(&handle, MOST_PLACES - 1, 1_000).expect("as many as may be");
        assert!(problem(looks.take(&handle, 2, 1_000)).contains("which are the most"));
        looks.take(&handle, 1, 1_000).expect("the last one");
        assert!(problem(looks.take(&handle, 0, 1_000 + LIVES_MS)).contains("half an hour ago"));
        for _ in 0..MOST {
            looks.begin(1_000).expect("begun");
        }
        assert!(looks.take(&handle, 0, 1_000).is_err(), "the oldest gives way");
    }
}
