//! People are told that a request waits, and of the request itself they are told nothing.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::world::{Plan, World, plugin, workspace};

const LEADS: &str = "/acme/zoho/crm/v8/Leads?fields=Last_Name,MARKED_FIELD&per_page=2";
/// Longer than telling takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Somebody who takes what is posted: its address, and each message as it came.
fn hook() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/hook?of=wardlock", listener.local_addr().expect("an address"));
    let (sender, received) = channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut text = Vec::new();
            let mut buffer = [0; 4096];
            while !text.ends_with(b"}") {
                let count = stream.read(&mut buffer).expect("a message");
                text.extend_from_slice(&buffer[..count]);
            }
            stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").expect("an answer");
            let _ = sender.send(String::from_utf8(text).expect("text"));
        }
    });
    (address, received)
}

async fn holding(config: String) -> World {
    let file = workspace("acme", "eu", "", &plugin("probe", r#"{ mode = "hold" }"#));
    World::start(Plan { workspaces: vec![("acme", file)], guests: vec!["probe"], config, ..Plan::default() }).await
}

async fn held(world: &World, path: &str) -> String {
    let said =
        world.ask("acme", "GET", path, "Accept: application/problem+json\r\n", "").await.json().expect("json");
    assert_eq!(said["code"], "held", "{said}");
    said["draft"].as_str().expect("a draft").to_owned()
}

async fn told(world: &World, result: &str) -> Option<f64> {
    world.series().await.get(&format!("wardlock_approvers_told_total{{result=\"{result}\"}}")).copied()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_draft_is_told_once_with_its_id_and_nothing_of_the_request() {
    let (address, received) = hook();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("told");
    let kept = folder.path().join("environment");
    let script = format!(
        "env > {}; echo \\\"$WARDLOCK_DRAFT $WARDLOCK_CONNECTION\\\" >> {}",
        kept.display(),
        file.display()
    );
    let config = format!("[approvers]\nwebhook = \"{address}\"\ncommand = [\"sh\", \"-c\", \"{script}\"]\n");
    let world = holding(config).await;
    let draft = held(&world, LEADS).await;
    assert_eq!(held(&world, LEADS).await, draft, "the same request again is the same draft, and no news");
    let message = received.recv_timeout(PATIENCE).expect("it is told");
    let (head, body) = message.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("POST /hook?of=wardlock HTTP/1.1\r\n"), "{head}");
    assert!(head.to_ascii_lowercase().contains("content-type: application/json"), "{head}");
    let body: Value = serde_json::from_str(body).expect("JSON");
    let look = format!("wardlock drafts show {draft}");
    assert_eq!(body, json!({ "event": "draft.held", "draft": draft, "connection": "acme/zoho", "look": look }));
    let began = Instant::now();
    while fs::read_to_string(&file).unwrap_or_default().is_empty() && began.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(fs::read_to_string(&file).expect("it ran"), format!("{draft} acme/zoho\n"));
    let kept = fs::read_to_string(&kept).expect("it ran");
    let names = kept.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
    let expected =
        ["PATH", "HOME", "LANG", "WARDLOCK_DRAFT", "WARDLOCK_CONNECTION", "PWD", "OLDPWD", "SHLVL", "_"];
    let more: Vec<&str> = names.filter(|name| !expected.contains(name)).collect();
    assert!(more.is_empty(), "it got more of the environment than it needs: {more:?}");
    while told(&world, "told").await.is_none() && began.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(told(&world, "told").await, Some(1.0));
    assert!(received.try_recv().is_err(), "told once");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_hangs_for_one_workspace_delays_no_other_and_what_comes_meanwhile_is_told_together() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, go) = (folder.path().join("told"), folder.path().join("go"));
    let script = format!(
        "case $WARDLOCK_CONNECTION in acme/*) while [ ! -e {} ]; do sleep 0.05; done;; esac; \
         echo \\\"$WARDLOCK_DRAFT $WARDLOCK_CONNECTION $WARDLOCK_MORE\\\" >> {}",
        go.display(),
        file.display()
    );
    let config = format!("[approvers]\ncommand = [\"sh\", \"-c\", \"{script}\"]\n");
    let file_of = |name| workspace(name, "eu", "", &plugin("probe", r#"{ mode = "hold" }"#));
    let workspaces = vec![("acme", file_of("acme")), ("globex", file_of("globex"))];
    let connect = vec!["acme/zoho", "globex/zoho"];
    let world = World::start(Plan { workspaces, connect, guests: vec!["probe"], config, ..Plan::default() }).await;
    let mut drafts = Vec::new();
    for page in 1..=4 {
        let path = format!("/acme/zoho/crm/v8/Leads?fields=Last_Name&page={page}&per_page=2");
        drafts.push(held(&world, &path).await);
    }
    let said = world
        .ask("globex", "GET", &LEADS.replace("acme", "globex"), "Accept: application/problem+json\r\n", "")
        .await
        .json()
        .expect("json");
    let other = said["draft"].as_str().unwrap_or_else(|| panic!("{said}"));
    let began = Instant::now();
    let lines = || fs::read_to_string(&file).unwrap_or_default();
    while lines().is_empty() && began.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(lines(), format!("{other} globex/zoho \n"), "the others' program hangs still");
    fs::write(&go, "").expect("written");
    while told(&world, "told").await.unwrap_or(0.0) + told(&world, "failed").await.unwrap_or(0.0) < 5.0
        && began.elapsed() < PATIENCE
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(lines().contains(&format!("{} acme/zoho 2\n", drafts[1])), "{}", lines());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_told_keeps_no_request_from_waiting() {
    let config = "[approvers]\nwebhook = \"http://127.0.0.1:1/\"\ncommand = [\"/nowhere/at-all\"]\n".to_owned();
    let world = holding(config).await;
    held(&world, LEADS).await;
    let began = Instant::now();
    while told(&world, "failed").await.is_none() && began.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(told(&world, "failed").await, Some(1.0));
    held(&world, "/acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=2").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_takes_too_long_is_ended_with_what_it_started() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("helper");
    let script = format!("sleep 300 & echo $! > {}; wait", file.display());
    let world = holding(format!("[approvers]\ncommand = [\"sh\", \"-c\", \"{script}\"]\n")).await;
    held(&world, LEADS).await;
    let began = Instant::now();
    while told(&world, "failed").await.is_none() && began.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(told(&world, "failed").await, Some(1.0));
    let helper = fs::read_to_string(&file).expect("it ran");
    // Ended, and perhaps not yet waited for by whoever inherited it.
    let lives = || {
        let status = fs::read_to_string(format!("/proc/{}/stat", helper.trim())).unwrap_or_default();
        !status.is_empty() && !status.contains(") Z ")
    };
    while lives() && began.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!lives(), "what it started goes on");
    world.end().await;
}
