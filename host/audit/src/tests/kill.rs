//! kill -9 under load: whatever was sent has its INTENT (promise 2). The upstream is a pipe: what is in it was sent.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use wardlock_core::answer::Outcome;

use super::support::{Home, finished, read_permit, signer, write_permit};
use crate::{Against, Audit, Filter, Kind, Separation, Settings};

/// Says, in the process that is killed, where its log is.
const FOLDER: &str = "WARDLOCK_TEST_LOG";

/// How often a process is killed.
const KILLS: usize = 10;

/// Records requests and "sends" them by a line on standard output, until somebody kills it.
async fn send_until_killed(folder: std::ffi::OsString) {
    let path = std::path::PathBuf::from(folder).join("audit.db");
    let clock = std::sync::Arc::new(|| 1_700_000_000_000);
    let mut settings = Settings::new([7; 32], signer(7), clock);
    settings.mirror = Some(path.with_file_name("mirror.jsonl"));
    let audit = Audit::open(&path, settings).expect("the audit");
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8_u8 {
        let audit = audit.clone();
        tasks.spawn(async move {
            loop {
                let permit = if task % 2 == 0 { read_permit(task) } else { write_permit(task) };
                let intended = audit.intend(&permit, Separation::None, Duration::ZERO, &[]).await;
                let (receipt, guard) = intended.expect("recorded");
                let line = format!("sent {} {}\n", receipt.sequence(), permit.id().as_str());
                std::io::stdout().write_all(line.as_bytes()).expect("sent");
                guard.finish(finished(Outcome::Ok)).await.expect("recorded");
            }
        });
    }
    tasks.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_was_sent_has_its_intent_after_kill_9() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return send_until_killed(folder).await;
    }
    let home = Home::new();
    let mut sent = BTreeMap::new();
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "tests::kill::whatever_was_sent_has_its_intent_after_kill_9", "--nocapture"])
            .env(FOLDER, home.folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("standard output")).lines();
        // A different instant each time.
        let enough = sent.len() + 20 + 17 * kill;
        let take = |line: String, sent: &mut BTreeMap<u64, String>| {
            // The test harness writes lines of its own, and before the first of ours there is no line end.
            let Some(at) = line.find("sent ") else { return };
            let mut words = line[at..].split(' ').skip(1);
            if let (Some(Ok(sequence)), Some(id)) = (words.next().map(str::parse), words.next())
                && id.len() == read_permit(1).id().as_str().len()
            {
                sent.insert(sequence, id.to_owned());
            }
        };
        while sent.len() < enough {
            take(lines.next().expect("it goes on").expect("text"), &mut sent);
        }
        child.kill().expect("killed");
        lines.map_while(Result::ok).for_each(|line| take(line, &mut sent));
        child.wait().expect("it ended");
    }
    let audit = home.open();
    let intents = audit.list(&Filter { kind: Some(Kind::Intent), ..Filter::newest(usize::MAX) }).expect("rows");
    let recorded: BTreeMap<u64, String> =
        intents.into_iter().filter_map(|row| Some((row.sequence, row.request_id?))).collect();
    for (sequence, id) in &sent {
        assert_eq!(
            recorded.get(sequence),
            Some(id),
            "request {id} was sent, and row {sequence} is not its intent"
        );
    }
    let found = audit.verify(&Against::default()).expect("walked");
    assert!(found.is_sound() && found.open_intents == 0, "{found:?}");
    let unknown = audit.list(&Filter {
        outcome: Some("unknown".to_owned()),
        kind: Some(Kind::Outcome),
        ..Filter::newest(1000)
    });
    assert!(!unknown.expect("rows").is_empty(), "somebody was under way");
    let mirror = std::fs::read_to_string(home.folder.path().join("mirror.jsonl")).expect("the mirror");
    for sequence in sent.keys() {
        assert!(mirror.contains(&format!("\"sequence\":{sequence},")), "row {sequence} is not mirrored");
    }
}
