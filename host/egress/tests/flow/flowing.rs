//! Answers that flow reach the agent as they come, without a byte of a secret.

use std::time::Duration;

use wardlock_core::answer::Outcome;
use wardlock_core::refusal::Code;
use wardlock_egress::{BUFFERED, ScanError, ScrubbedBody, ScrubbedStream, SendFault, Sent};

use crate::fault::{Fault, Seen, Step, send};
use crate::support::World;

const HEAD: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n";

/// One chunk of the chunked coding.
pub fn chunk(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn flow(sent: Sent) -> ScrubbedStream {
    match sent.answer.into_body() {
        ScrubbedBody::Flowing(flow) => *flow,
        ScrubbedBody::Whole(bytes) => panic!("it was held: {}", bytes.escape_ascii()),
    }
}

/// Reads until this much has come.
async fn read(flow: &mut ScrubbedStream, length: usize) -> String {
    let mut got = Vec::new();
    while got.len() < length {
        let piece = tokio::time::timeout(Duration::from_secs(20), flow.next()).await.expect("it flows");
        got.extend_from_slice(&piece.expect("more").expect("a piece"));
    }
    String::from_utf8(got).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_reaches_the_agent_while_the_stream_lives() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    // Longer than any limit of the whole, silent for less than the idle limit; then it hangs.
    let fault = Fault::answering(|_| {
        let event = chunk("data: {\"n\":1}\n\n");
        let mut steps = vec![send(HEAD), Step::Send(event.clone())];
        steps.extend((0..4).map(|_| Step::Drip(event.clone(), Duration::from_millis(16))));
        steps.push(Step::Hang);
        steps
    })
    .await;
    let sent = world.read_with(&world.hurried_api_at(&fault), "eu").await.expect("sent");
    assert_eq!(sent.answer.status(), 200);
    let mut flow = flow(sent);
    assert_eq!(read(&mut flow, 15).await, "data: {\"n\":1}\n\n");
    assert_eq!(read(&mut flow, 4 * 15).await, "data: {\"n\":1}\n\n".repeat(4));
    assert_eq!(flow.next().await.expect("an end").expect_err("it fell silent"), ScanError::Timeout);
    assert!(flow.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn u2_a_secret_that_drips_into_an_event_stream_shows_no_byte() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    let drip = |seen: &Seen| {
        let mut steps = vec![send(HEAD), Step::Send(chunk("data: "))];
        let token = seen.token();
        // A pause behind every byte, longer than the one after which what is held back goes out.
        for byte in token.bytes().map(|byte| chunk([byte])) {
            steps.push(Step::Drip(byte[..1].to_vec(), Duration::from_millis(12)));
            steps.push(Step::Send(byte[1..].to_vec()));
        }
        steps.push(send([chunk("\n\n"), chunk("")].concat()));
        steps
    };
    let fault = Fault::answering(drip).await;
    let sent = world.read_with(&world.api_at(&fault), "eu").await.expect("sent");
    let mut flow = flow(sent);
    let shown = read(&mut flow, "data: [REDACTED:crm-eu]\n\n".len()).await;
    assert_eq!(shown, "data: [REDACTED:crm-eu]\n\n");
    assert!(flow.next().await.is_none());
    assert_eq!(flow.redactions(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_held_whole_whatever_its_type() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    let head = HEAD.replace("200 OK", "403 Forbidden");
    let steps = vec![send(head), Step::Send([chunk("data: no\n\n"), chunk("")].concat())];
    let fault = Fault::answering(move |_| steps.clone()).await;
    let sent = world.read_with(&world.api_at(&fault), "eu").await.expect("sent");
    assert_eq!(sent.answer.body().expect("whole").as_ref(), b"data: no\n\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_held_for_a_plugin_that_judges_answers_is_refused() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    let events = [chunk("data: 1\n\n"), chunk("")].concat();
    let large = |length: usize| {
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
        vec![send(head), Step::Send(vec![b' '; length])]
    };
    for (steps, is_held) in
        [(vec![send(HEAD), Step::Send(events)], false), (large(BUFFERED + 1), false), (large(BUFFERED), true)]
    {
        let fault = Fault::answering(move |_| steps.clone()).await;
        match world.read_judged(&world.api_at(&fault), "eu").await {
            Ok(sent) => assert!(is_held && sent.answer.body().is_some()),
            Err(error) => {
                assert!(!is_held && matches!(error.fault, SendFault::Scan(ScanError::NotHeld)), "{error:?}");
                assert_eq!((error.refusal().code, error.outcome()), (Code::AnswerNotHeld, Outcome::Unknown));
            }
        }
    }
}
