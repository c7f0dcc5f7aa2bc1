//! What the vault has forgotten of drafts is not believed of any of them again.

use std::sync::Arc;

use rusqlite::Connection;
use serde_json::json;
use wardlock::admin::{Brought, Command};
use wardlock::home::Home;
use wardlock::host::Host;
use wardlock::ops;
use wardlock_egress::vault::{DraftTime, KeySource, Vault};
use wardlock_state::DraftState;

use crate::drafts::{allowing, approve, drafting, held, show};
use crate::world::{Silent, dialled};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Puts a draft's row back as it was while it waited, and returns what was sealed of it.
fn put_back(state: &Connection, id: &str, sealed: &[u8]) {
    let sql = "UPDATE drafts SET state = 'held', sealed = ?2, expires_ms = created_ms + 604800000, decided_ms = NULL, \
               decided_by = NULL, release_id = NULL, outcome = NULL, answer = NULL WHERE id = ?1";
    assert_eq!(state.execute(sql, rusqlite::params![id, sealed]).expect("written"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_that_a_clock_made_forgotten_is_not_sent_twice() {
    let world = drafting(&allowing()).await;
    let id = held(&world, r#"{"data":[{"Last_Name":"E","Company":"N"}]}"#).await;
    let folder = world.folder().join("home");
    let state = Connection::open(folder.join("state/state.db")).expect("the state");
    let sealed: Vec<u8> =
        state.query_row("SELECT sealed FROM drafts WHERE id = ?1", [&id], |row| row.get(0)).expect("a draft");
    let request_sha256 = show(&world, &id).await["request_sha256"].as_str().expect("a hash").to_owned();
    assert_eq!(approve(&world, &id).await.expect("approved")["state"], "sent");
    let left = world.leave().await;
    let key = KeySource::File { path: folder.join("state/vault.key") };
    // The clock is ahead for a while, and a person decides something then.
    let vault = Vault::open(&folder.join("state"), &key).expect("the vault");
    let ahead_ms = wardlock::host::clock()() + 16 * DAY_MS;
    let other = DraftTime { id: "draft_0".to_owned(), counted_ms: ahead_ms };
    vault.note_rejections(&[other], ahead_ms, ahead_ms - 14 * DAY_MS).expect("noted");
    assert_eq!(vault.draft_mark(&id).expect("read").decided, None, "what became of it is forgotten");
    drop(vault);
    put_back(&state, &id, &sealed);
    drop(state);

    let sent = left.simulator.recordings().len();
    let host = Host::open(Home::open(&folder).expect("a home"), &key, dialled(&left.simulator), "test").await;
    let host = Arc::new(host.expect("a host"));
    let command = Command::DraftsApprove { id: id.clone(), request_sha256, shown: None };
    let refused = ops::execute(&host, command, Brought::Nothing, &Silent).await.expect_err("forgotten");
    assert!(refused.message.contains("nobody knows whether it was sent already"), "{}", refused.message);
    let ended = host.state().draft(&id).expect("read").expect("it is there");
    assert_eq!((ended.state, ended.code.as_deref()), (DraftState::NotSent, Some("draft_expired")));
    let again = Command::DraftsShow { id };
    let shown = ops::execute(&host, again, Brought::Nothing, &Silent).await.expect("shown");
    assert_eq!(shown["state"], json!("not-sent"));
    assert_eq!(left.simulator.recordings().len(), sent, "nothing was sent");
    drop(host);
    left.canaries.scan_folder(left.folder.path(), &[]).expect("no canary in the home");
}
