//! An older vault in the newer one's place, by the executable: noticed whatever was put beside its key, and taken on purpose only.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use wardlock_core::id::Digest;
use wardlock_tests::canary::Canaries;

use crate::copies::{PHRASE, RECIPIENT, identity, run};

const FILES: [&str; 3] = ["vault.db", "state.db", "vault.revision"];

async fn is_refused(canaries: &Canaries, home: &Path, by: &str) {
    let refused = run(canaries, home, &["agent", "list"], "").await;
    assert!(refused.code == Some(3) && refused.stderr.contains("accept-older"), "{by}: {refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn l6_an_older_vault_with_a_number_that_fits_it_stands_behind_the_audit() {
    let folder = tempfile::tempdir().expect("a folder");
    let (home, canaries) = (folder.path().join("home"), Canaries::new());
    let state = home.join("state");
    run(&canaries, &home, &["init"], "").await.ok().expect("a home");
    run(&canaries, &home, &["agent", "list"], "").await.ok().expect("the state is made");
    let old = FILES.map(|name| fs::read(state.join(name)).expect("a file"));
    run(&canaries, &home, &["freeze", "--all"], "").await.ok().expect("frozen");
    let newest = fs::read(state.join("vault.revision")).expect("a file");
    for (name, content) in FILES.iter().zip(&old) {
        fs::write(state.join(name), content).expect("put back");
    }
    is_refused(&canaries, &home, "the old number").await;
    is_refused(&canaries, &home, "once more").await;
    fs::write(state.join("vault.revision"), newest).expect("put back");
    is_refused(&canaries, &home, "the newest number").await;
    fs::remove_file(state.join("vault.revision")).expect("removed");
    is_refused(&canaries, &home, "no number").await;

    run(&canaries, &home, &["vault", "accept-older"], "").await.ok().expect("on purpose");
    run(&canaries, &home, &["agent", "list"], "").await.ok().expect("it is the newest from here on");
    let told =
        run(&canaries, &home, &["audit", "list", "--act", "vault.accept_older"], "").await.ok().expect("listed");
    assert!(told.stdout.contains("vault.accept_older"), "{told:?}");
    run(&canaries, &home, &["freeze", "--all"], "").await.ok().expect("it goes on");
    run(&canaries, &home, &["agent", "list"], "").await.ok().expect("and is noted");
}

#[tokio::test(flavor = "multi_thread")]
async fn l6_an_older_vault_takes_no_import_and_no_other_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let (home, canaries) = (folder.path().join("home"), Canaries::new());
    let state = home.join("state");
    run(&canaries, &home, &["init"], "").await.ok().expect("a home");
    run(&canaries, &home, &["agent", "list"], "").await.ok().expect("the state is made");
    let copy = folder.path().join("copy.age");
    let copy = copy.to_str().expect("UTF-8");
    run(&canaries, &home, &["vault", "export", copy, "--recipient", RECIPIENT], "").await.ok().expect("a copy");
    let old = FILES.map(|name| fs::read(state.join(name)).expect("a file"));
    run(&canaries, &home, &["freeze", "--all"], "").await.ok().expect("frozen");
    let newest = FILES.map(|name| fs::read(state.join(name)).expect("a file"));
    let put = |files: &[Vec<u8>; 3]| {
        for (name, content) in FILES.iter().zip(files) {
            fs::write(state.join(name), content).expect("put there");
        }
    };
    put(&old);
    let ordinary = run(&canaries, &home, &["agent", "list"], "").await;
    let identity = identity(folder.path());
    let import = ["vault", "import", copy, "--identity", &identity];
    let rekey = ["vault", "rekey", "--key", "passphrase", "--new-passphrase-fd", "0"];
    for args in [&import[..], &rekey] {
        let refused = run(&canaries, &home, args, PHRASE).await;
        assert_eq!((refused.code, &refused.stderr), (Some(3), &ordinary.stderr), "{args:?}");
        assert!(refused.stderr.contains("accept-older"), "{refused:?}");
    }
    assert!(state.join("vault.key").exists(), "the key is where it was");

    put(&newest);
    run(&canaries, &home, &import, "").await.ok().expect("imported into the newest");
    // What was imported is in the audit, too: the vault of before is an older one now.
    put(&newest);
    is_refused(&canaries, &home, "before the import").await;
}

/// Appends a row to the audit that fits its chain, as whoever lacks the vault's key can. `named` are the columns from `request_id` to
/// `outcome`.
pub fn append(audit: &Connection, kind: &str, named: [Option<&str>; 8], detail: &str) {
    let (sequence, at_ms, prev): (i64, i64, Vec<u8>) = audit
        .query_row("SELECT sequence + 1, at_ms, hash FROM records ORDER BY sequence DESC LIMIT 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .expect("a row");
    let mut hashed = Vec::new();
    let mut field = |bytes: Option<&[u8]>| match bytes {
        Some(bytes) => {
            hashed.push(1);
            hashed.extend((bytes.len() as u64).to_be_bytes());
            hashed.extend(bytes);
        }
        None => hashed.push(0),
    };
    let begin: [&[u8]; 5] =
        [b"wardlock-audit-1", &prev, &sequence.to_be_bytes(), kind.as_bytes(), &at_ms.to_be_bytes()];
    begin.into_iter().for_each(|bytes| field(Some(bytes)));
    named.into_iter().for_each(|text| field(text.map(str::as_bytes)));
    // It closes none.
    field(None);
    field(Some(detail.as_bytes()));
    let hash = Digest::of(&hashed);
    let sql = "INSERT INTO records (sequence, kind, at_ms, detail, prev, hash, request_id, workspace, connection, agent, \
               operation, effect, decision, outcome) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
    let [id, workspace, connection, agent, operation, effect, decision, outcome] = named;
    let values = rusqlite::params![
        sequence,
        kind,
        at_ms,
        detail,
        prev,
        hash.as_bytes().as_slice(),
        id,
        workspace,
        connection,
        agent,
        operation,
        effect,
        decision,
        outcome
    ];
    audit.execute(sql, values).expect("appended");
}

/// Appends an act that says how new the vault is.
fn forge(audit: &Connection, revision: &str) {
    let act = format!(r#"{{"who":"wardlock","what":"vault.revision","target":"vault","result":"{revision}"}}"#);
    append(audit, "admin", [None; 8], &format!(r#"{{"version":6,"act":{act}}}"#));
}

#[tokio::test(flavor = "multi_thread")]
async fn l6_neither_a_forged_revision_nor_an_emptied_index_brings_an_older_vault_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let (home, canaries) = (folder.path().join("home"), Canaries::new());
    let state = home.join("state");
    run(&canaries, &home, &["init"], "").await.ok().expect("a home");
    run(&canaries, &home, &["agent", "list"], "").await.ok().expect("the state is made");
    let old = FILES.map(|name| fs::read(state.join(name)).expect("a file"));
    run(&canaries, &home, &["freeze", "--all"], "").await.ok().expect("frozen");
    for (name, content) in FILES.iter().zip(&old) {
        fs::write(state.join(name), content).expect("put back");
    }
    let audit = || Connection::open(state.join("audit.db")).expect("the audit");
    let hide = "DELETE FROM terms; UPDATE indexed SET sequence = (SELECT max(sequence) FROM records)";
    audit().execute_batch(hide).expect("hidden");
    is_refused(&canaries, &home, "an index that is empty").await;
    forge(&audit(), "1");
    is_refused(&canaries, &home, "a row that says so").await;
    is_refused(&canaries, &home, "the same row behind a signed head").await;
    forge(&audit(), "none");
    is_refused(&canaries, &home, "a row that says nothing").await;

    run(&canaries, &home, &["vault", "accept-older"], "").await.ok().expect("on purpose");
    run(&canaries, &home, &["agent", "list"], "").await.ok().expect("it is the newest from here on");
    let told = run(&canaries, &home, &["audit", "list", "--act", "audit.foreign"], "").await.ok().expect("listed");
    assert!(told.stdout.contains("audit.foreign"), "{told:?}");
    let verified = run(&canaries, &home, &["audit", "verify"], "").await;
    assert!(verified.code == Some(1) && verified.stdout.contains("not of this vault's making"), "{verified:?}");
    let copy = state.join("audit.db");
    let copy = copy.to_str().expect("UTF-8");
    let verified = run(&canaries, &home, &["audit", "verify", "--file", copy], "").await;
    assert!(verified.stdout.contains("no MAC was looked at"), "{verified:?}");
}
