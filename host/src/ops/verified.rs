//! What verifying the audit found, and what it cannot say: the same from the daemon and from a copy.

use serde_json::{Value, json};
use wardlock_audit::{Against, KeptFound, KeptHead, KeptState, PublicKey, Removed, Verified};

use crate::admin::Failure;
use crate::text::time;

/// Reads what is known from outside: a text with kept heads, and a public key.
pub fn against(heads: &str, public_key: Option<&str>) -> Result<Against, Failure> {
    let found = KeptHead::find_in(heads).map_err(Failure::usage)?;
    if found.is_empty() && !heads.trim().is_empty() {
        return Err(Failure::usage("no head stands in what was given")
            .hint("a head is a line of `wardlock audit head`; it begins with `wardlock-audit-head-1`"));
    }
    let key = public_key.map(str::parse::<PublicKey>).transpose().map_err(Failure::usage)?;
    Ok(Against { heads: found, key })
}

/// Renders what was found. `is_own` says whether it is the log of this home, whose key is at hand.
pub fn verified(found: &Verified, against: &Against, is_own: bool) -> Value {
    let mut faults: Vec<String> = found.faults.iter().map(ToString::to_string).collect();
    if found.more_faults {
        faults.push("and more; a log that is broken in so many places is told up to here".to_owned());
    }
    let head = found.head.map(|head| json!({ "sequence": head.sequence, "hash": head.hash.to_string() }));
    let last = found.last_head.as_ref();
    json!({
        "ok": faults.is_empty() && found.kept.iter().all(|kept| matches!(kept.state, KeptState::Holds | KeptState::Removed)),
        "files": found.files,
        "rows": found.rows,
        "head": head,
        "faults": faults,
        "signed_heads": {
            "count": found.heads,
            "newest": last.map(|head| format!("row {} at {}", head.sequence, time(head.at_ms))),
            "rows_after": found.unsigned,
            "public_keys": found.keys.iter().map(ToString::to_string).collect::<Vec<_>>(),
        },
        "kept_heads": found.kept.iter().map(kept).collect::<Vec<_>>(),
        "removed": found.removed.iter().map(removed).collect::<Vec<_>>(),
        "open_requests": found.open_intents,
        "not_said": not_said(found, against, is_own),
    })
}

fn kept(kept: &KeptFound) -> Value {
    let found = match kept.state {
        KeptState::Holds => "holds: every row up to it is as it was",
        KeptState::HoldsUnderUnknownKey => {
            "its row is as it was, but it is signed under a key that this log does not hold: give `--public-key`"
        }
        KeptState::CutOff => "the log is shorter: rows were cut off, or an older file was put back",
        KeptState::Contradicted => "the log says otherwise: it was written anew",
        KeptState::Removed => "its row was removed when its time was over; a signed stub says so",
        KeptState::NotSigned => "the line is not as it was signed, so it says nothing",
    };
    json!({ "row": kept.head.sequence, "time": time(kept.head.at_ms), "found": found })
}

fn removed(stub: &Removed) -> Value {
    json!({
        "rows": format!("{} to {}", stub.first, stub.last),
        "written": format!("{} to {}", time(stub.first_ms), time(stub.last_ms)),
        "removed": time(stub.at_ms),
    })
}

/// What nobody can tell from what was given.
fn not_said(found: &Verified, against: &Against, is_own: bool) -> Vec<String> {
    let mut not_said = Vec::new();
    let furthest = against.heads.iter().map(|head| head.sequence).max();
    match furthest {
        None => not_said.push(
            "no head from elsewhere was given: whether the end was cut off together with its heads, an older file was put \
             back, or all of it was written anew by who holds the vault's key"
                .to_owned(),
        ),
        Some(row) => not_said.push(format!(
            "whether rows after row {row} were cut off together with their heads, or written anew by who holds the vault's \
             key: no kept head is newer"
        )),
    }
    let removed = found.removed.last().map_or(0, |stub| stub.last);
    if found.begins_after > removed {
        not_said
            .push(format!("the files before row {} were not given: what stands in them", found.begins_after + 1));
    }
    match found.unsigned {
        None => {
            not_said.push("this log is of a version that signed no heads: whether its end is the end".to_owned());
        }
        Some(0) => {}
        Some(rows) => not_said.push(format!(
            "the newest rows ({rows}) stand after the newest signed head: whether all of them are Wardlock's own"
        )),
    }
    match found.unauthenticated {
        None => not_said.push(
            "the vault's key is not at hand, so no MAC was looked at: whether each row is Wardlock's own, also where the chain holds"
                .to_owned(),
        ),
        Some(0) => {}
        Some(rows) => not_said.push(format!(
            "the first rows ({rows}) are of a version that authenticated none, or of another vault: whether each of them was its own"
        )),
    }
    if !is_own && against.key.is_none() {
        not_said
            .push("no public key was given: whether the heads are signed by the vault that you mean".to_owned());
    }
    if found.keys.len() > 1 {
        not_said.push("the vault was replaced in between: who did that, and why".to_owned());
    }
    not_said
}
