//! A host that is killed while a refresh is under way: after the provider's answer, and after that was stored. The child is
//! the crash suite's (`host/tests/crash/child.rs`), which knows the instants; it finds a home of this suite as it finds its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_tests::raw::{self, RawReply};

use crate::broker::{Broker, Left, request};
use crate::{bent, strict};

/// The instant between the answer and its storing, and the one after it.
const INSTANTS: [&str; 2] = ["after-answer", "after-storing"];

/// A whole host in a process of its own.
struct Host {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    agents: SocketAddr,
    token: String,
}

impl Host {
    /// Starts one on what is left of a broker.
    fn start(left: &Left) -> Self {
        let program = std::env::var_os("WARDLOCK_CRASH").expect("run tests/providers/run, which builds it");
        let folder = left.folder.path();
        std::fs::write(folder.join("provider.json"), json!(left.peer.hosts()).to_string()).expect("written");
        std::fs::write(folder.join("provider.der"), left.peer.authority()).expect("written");
        let mut process = Command::new(program)
            .arg("child")
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut output = BufReader::new(process.stdout.take().expect("standard output"));
        let found = line(&mut output);
        let agents = found["agents"].as_str().and_then(|text| text.parse().ok()).expect("an address");
        let input = process.stdin.take().expect("standard input");
        Self { process, input, output, agents, token: left.token.clone() }
    }

    fn tell(&mut self, words: &str) -> Value {
        writeln!(self.input, "{words}").expect("told");
        line(&mut self.output)
    }

    /// Sends a request as the agent; `None`: no answer came.
    fn ask(&self, path: &str) -> Option<RawReply> {
        let request = request(self.agents, &self.token, "GET", path, "");
        raw::exchange(self.agents, request.as_bytes()).ok().filter(|reply| reply.status != 0)
    }

    /// Asks once; the refresh that this needs kills it at the instant.
    fn dies_at(mut self, instant: &str, path: &str) {
        assert_eq!(self.tell(&format!("kill {instant} 1")), "armed");
        let answered = self.ask(path).map(|reply| reply.status);
        let status = self.process.wait().expect("its end");
        assert_eq!(status.signal(), Some(9), "{instant}: it was killed and not answered: {answered:?}");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn line(output: &mut BufReader<ChildStdout>) -> Value {
    let mut text = String::new();
    output.read_line(&mut text).expect("a line");
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("it said {text:?}"))
}

/// Connects, has a refresh killed at an instant, and returns the broker of what came after with what its first request was
/// answered.
async fn killed(broker: Broker, instant: &str, path: &str) -> (Broker, RawReply) {
    broker.connect().await.expect("connected");
    assert_eq!(broker.ask("GET", path, None).await.status, 200);
    broker.peer.door("expire-access-tokens");
    let left = broker.leave().await;
    tokio::task::block_in_place(|| Host::start(&left).dies_at(instant, path));
    let broker = Broker::resume(left).await;
    let reply = broker.ask("GET", path, None).await;
    (broker, reply)
}

fn text(reply: &RawReply) -> String {
    String::from_utf8_lossy(&reply.body).into_owned()
}

/// The refresh tokens that a provider was shown, oldest first.
fn shown(calls: &[Value]) -> Vec<&str> {
    calls.iter().filter_map(|call| call["body"]["refresh_token"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_rotation_is_named_and_mended_by_a_new_consent() {
    let broker = strict::start("client_secret_basic", 3600, strict::DEFINITION).await;
    let (broker, reply) = killed(broker, INSTANTS[0], "/v1/notes").await;
    // The provider had replaced the refresh token, and takes the old one for a thief's.
    assert_eq!(
        (reply.status, &reply.json().expect("json")["code"]),
        (503, &json!("reconnect")),
        "{}",
        text(&reply)
    );
    assert!(text(&reply).contains("cut off before its answer was stored"), "{}", text(&reply));
    let state = broker.shown().await["state"].as_str().expect("a state").to_owned();
    assert!(
        state.starts_with("needs consent") && state.contains("cut off before its answer was stored"),
        "{state}"
    );
    let calls = broker.calls(strict::ID, "/token");
    let tokens = shown(&calls);
    assert!(tokens.len() == 2 && tokens[0] == tokens[1], "it was tried again, once: {}", tokens.len());
    assert_eq!(broker.ask("GET", "/v1/notes", None).await.status, 503);
    assert_eq!(broker.calls(strict::ID, "/token").len(), calls.len(), "a lost grant is not asked for again");
    broker.connect().await.expect("connected again");
    assert_eq!(broker.ask("GET", "/v1/notes", None).await.status, 200);
    broker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_rotation_goes_on() {
    let broker = strict::start("client_secret_basic", 3600, strict::DEFINITION).await;
    let (broker, reply) = killed(broker, INSTANTS[1], "/v1/notes").await;
    assert_eq!(reply.status, 200, "{}", text(&reply));
    broker.peer.door("expire-access-tokens");
    assert_eq!(broker.ask("GET", "/v1/notes", None).await.status, 200);
    let calls = broker.calls(strict::ID, "/token");
    let tokens = shown(&calls);
    let different: std::collections::BTreeSet<&&str> = tokens.iter().collect();
    assert_eq!(different.len(), tokens.len(), "none was used twice");
    broker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_token_that_stays_outlives_any_kill() {
    for (instant, refreshes) in INSTANTS.into_iter().zip([2, 1]) {
        let broker = bent::start().await;
        let peer = Arc::clone(&broker.peer);
        let (broker, reply) = killed(broker, instant, bent::LEADS).await;
        assert_eq!(reply.status, 200, "{instant}: {}", text(&reply));
        assert_eq!(broker.shown().await["state"], "serves", "{instant}");
        let calls = peer.seen(bent::ACCOUNTS);
        let refreshed = calls.iter().filter(|call| call["body"]["grant_type"] == "refresh_token").count();
        assert_eq!(refreshed, refreshes, "{instant}: the killed one, and one more where its answer was lost");
        broker.end().await;
    }
}
