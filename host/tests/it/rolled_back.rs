//! An older vault in the newer one's place, by the executable: noticed whatever was put beside its key, and taken on purpose only.

use std::fs;
use std::path::Path;

use wardlock_tests::canary::Canaries;

use crate::copies::run;

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
