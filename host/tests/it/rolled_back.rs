//! An older vault in the newer one's place, by the executable: noticed whatever was put beside its key, and taken on purpose only.

use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;
use wardlock_core::id::Digest;
use wardlock_tests::canary::Canaries;
use wardlock_tests::home::Output;

use crate::copies::{PHRASE, RECIPIENT, identity, run};

const FILES: [&str; 3] = ["vault.db", "state.db", "vault.revision"];

/// A home in which an older vault is put back.
struct Older {
    folder: tempfile::TempDir,
    home: PathBuf,
    state: PathBuf,
    canaries: Canaries,
}

impl Older {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let home = folder.path().join("home");
        let made = Self { state: home.join("state"), home, folder, canaries: Canaries::new() };
        made.works(&["init"]).await;
        made.works(&["agent", "list"]).await;
        made
    }

    /// Runs a command that must work.
    async fn works(&self, args: &[&str]) -> Output {
        run(&self.canaries, &self.home, args, "").await.ok().expect("it works")
    }

    /// Returns the files that know how new the vault is.
    fn files(&self) -> [Vec<u8>; 3] {
        FILES.map(|name| fs::read(self.state.join(name)).expect("a file"))
    }

    /// Puts them back.
    fn put(&self, files: &[Vec<u8>; 3]) {
        for (name, content) in FILES.iter().zip(files) {
            fs::write(self.state.join(name), content).expect("put there");
        }
    }

    async fn is_refused(&self, by: &str) {
        let refused = run(&self.canaries, &self.home, &["agent", "list"], "").await;
        assert!(refused.code == Some(3) && refused.stderr.contains("accept-older"), "{by}: {refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn l6_an_older_vault_with_a_number_that_fits_it_stands_behind_the_audit() {
    let it = Older::new().await;
    let old = it.files();
    it.works(&["freeze", "--all"]).await;
    let newest = fs::read(it.state.join("vault.revision")).expect("a file");
    it.put(&old);
    it.is_refused("the old number").await;
    it.is_refused("once more").await;
    fs::write(it.state.join("vault.revision"), newest).expect("put back");
    it.is_refused("the newest number").await;
    fs::remove_file(it.state.join("vault.revision")).expect("removed");
    it.is_refused("no number").await;

    it.works(&["vault", "accept-older"]).await;
    it.works(&["agent", "list"]).await;
    let told = it.works(&["audit", "list", "--act", "vault.accept_older"]).await;
    assert!(told.stdout.contains("vault.accept_older"), "{told:?}");
    it.works(&["freeze", "--all"]).await;
    it.works(&["agent", "list"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn l6_an_older_vault_takes_no_import_and_no_other_key() {
    let it = Older::new().await;
    let copy = it.folder.path().join("copy.age");
    let copy = copy.to_str().expect("UTF-8");
    it.works(&["vault", "export", copy, "--recipient", RECIPIENT]).await;
    let old = it.files();
    it.works(&["freeze", "--all"]).await;
    let newest = it.files();
    it.put(&old);
    let ordinary = run(&it.canaries, &it.home, &["agent", "list"], "").await;
    let identity = identity(it.folder.path());
    let import = ["vault", "import", copy, "--identity", &identity];
    let rekey = ["vault", "rekey", "--key", "passphrase", "--new-passphrase-fd", "0"];
    for args in [&import[..], &rekey] {
        let refused = run(&it.canaries, &it.home, args, PHRASE).await;
        assert_eq!((refused.code, &refused.stderr), (Some(3), &ordinary.stderr), "{args:?}");
        assert!(refused.stderr.contains("accept-older"), "{refused:?}");
    }
    assert!(it.state.join("vault.key").exists(), "the key is where it was");

    it.put(&newest);
    run(&it.canaries, &it.home, &import, "").await.ok().expect("imported into the newest");
    // What was imported is in the audit, too: the vault of before is an older one now.
    it.put(&newest);
    it.is_refused("before the import").await;
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
    let it = Older::new().await;
    let old = it.files();
    it.works(&["freeze", "--all"]).await;
    it.put(&old);
    let audit = || Connection::open(it.state.join("audit.db")).expect("the audit");
    let hide = "DELETE FROM postings; UPDATE indexed SET sequence = (SELECT max(sequence) FROM records)";
    audit().execute_batch(hide).expect("hidden");
    it.is_refused("an index that is empty").await;
    forge(&audit(), "1");
    it.is_refused("a row that says so").await;
    it.is_refused("the same row behind a signed head").await;
    forge(&audit(), "none");
    it.is_refused("a row that says nothing").await;

    it.works(&["vault", "accept-older"]).await;
    it.works(&["agent", "list"]).await;
    let told = it.works(&["audit", "list", "--act", "audit.foreign"]).await;
    assert!(told.stdout.contains("audit.foreign"), "{told:?}");
    let verified = run(&it.canaries, &it.home, &["audit", "verify"], "").await;
    assert!(verified.code == Some(1) && verified.stdout.contains("not of this vault's making"), "{verified:?}");
    let copy = it.state.join("audit.db");
    let copy = copy.to_str().expect("UTF-8");
    let verified = run(&it.canaries, &it.home, &["audit", "verify", "--file", copy], "").await;
    assert!(verified.stdout.contains("no MAC was looked at"), "{verified:?}");
}
