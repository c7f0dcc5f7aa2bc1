//! An older vault in the newer one's place, by the executable: noticed whatever was put beside its key, and taken on purpose only.

use std::fs;
use std::path::Path;

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
