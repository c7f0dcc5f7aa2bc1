//! A provider that redirects, floods, drips, lies about its length or its name (facts U1, U3, U4, U8, U9).

use std::time::Duration;

use wardlock_core::answer::Outcome;
use wardlock_core::refusal::Code;
use wardlock_egress::{ScrubbedBody, SendError};

use crate::fault::{Fault, Step, Trust, answer, send};
use crate::support::World;

/// Longer than any limit of these worlds, and far less than for ever.
const BOUND: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn u1_a_redirect_is_never_followed_and_leads_the_agent_nowhere() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    let targets = [
        ("https://evil.example/", None),
        ("https://www.zohoapis.in/crm/v8/Leads", None),
        ("http://www.zohoapis.eu/crm/v8/Leads", None),
        ("//evil.example/crm/v8/Leads", None),
        ("https://www.zohoapis.eu/crm/v8/Leads?page=2", Some("/crm/v8/Leads?page=2")),
    ];
    for status in ["301 A", "302 B", "303 C", "307 D", "308 E"] {
        for (target, passed) in targets {
            // Whoever is redirected to redirects back, so that a chain would have a second link.
            let evil =
                Fault::answering(|_| answer("302 Back", "Location: https://www.zohoapis.eu/\r\n", "")).await;
            let location = format!("Location: {target}\r\n");
            let fault = Fault::answering(move |_| answer(status, &location, "moved")).await;
            let elsewhere = ["evil.example", "www.zohoapis.in"].map(|host| (host, evil.address));
            let hosts = [elsewhere[0], elsewhere[1], ("www.zohoapis.eu", fault.address)];
            let sent = world.read_with(&world.at(&hosts, &fault), "eu").await.expect("sent");
            assert_eq!(sent.answer.status().to_string(), status[..3]);
            assert_eq!((sent.attempts, sent.host.as_str()), (1, "www.zohoapis.eu"));
            let location = sent.answer.headers().get("location").map(|value| value.to_str().expect("text"));
            assert_eq!(location, passed, "{status} {target}");
            assert_eq!((fault.seen().len(), evil.connections()), (1, 0), "{status} {target}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u1_a_redirect_of_the_token_endpoint_is_not_followed() {
    for status in ["301 A", "302 B", "303 C", "307 D", "308 E"] {
        let world = World::new().await;
        world.connect("eu").await.expect("connected");
        world.advance(2 * 3_600_000);
        let evil = Fault::answering(|_| answer("200 OK", "", "{}")).await;
        let fault = Fault::answering(move |_| answer(status, "Location: https://evil.example/\r\n", "")).await;
        let hosts = [("evil.example", evil.address), ("accounts.zoho.eu", fault.address)];
        let error = world.read_with(&world.at(&hosts, &fault), "eu").await.expect_err("no token");
        assert_eq!(error.refusal().code, Code::TokenUnavailable);
        assert_eq!((fault.seen().len(), evil.connections()), (1, 0), "{status}");
    }
}

/// Answers that are no answers: none reaches the agent as one.
fn broken_answers() -> Vec<(&'static str, Vec<Step>)> {
    let head = "HTTP/1.1 200 OK\r\n";
    let lines = "X-Some: y\r\n".repeat(1_000_000);
    vec![
        ("a body a byte at a time", {
            let drip = Step::Drip(vec![b'x'; 1000], Duration::from_millis(200));
            vec![send(format!("{head}Content-Length: 1000\r\n\r\n")), drip]
        }),
        ("no answer", vec![Step::Hang]),
        ("a body that never comes", vec![send(format!("{head}Content-Length: 10\r\n\r\n")), Step::Hang]),
        ("a head that never ends", vec![send(head), Step::Forever(b"X-More: yes\r\n".to_vec())]),
        ("a header that never ends", vec![send(format!("{head}X-More: ")), Step::Forever(vec![b'y'; 4096])]),
        ("a head a byte at a time", vec![Step::Drip(vec![b'H'; 100], Duration::from_millis(200))]),
        ("a million headers", vec![send(format!("{head}{lines}\r\n"))]),
        ("a flood of early hints", vec![Step::Forever(b"HTTP/1.1 103 Early Hints\r\n\r\n".to_vec())]),
        ("an end in the head", vec![send("HTTP/1.1 200"), Step::Close]),
        ("an end in the body", vec![send(format!("{head}Content-Length: 10\r\n\r\n{{}}")), Step::Close]),
        (
            "an end in a chunk",
            vec![send(format!("{head}Transfer-Encoding: chunked\r\n\r\n9\r\n{{}}")), Step::Close],
        ),
        (
            "two lengths",
            vec![send(format!("{head}Content-Length: 2\r\nContent-Length: 9\r\n\r\n{{}}")), Step::Close],
        ),
        ("a length that is none", vec![send(format!("{head}Content-Length: 2x\r\n\r\n{{}}")), Step::Close]),
        ("a chunk that is none", vec![send(format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n{{}}"))]),
        ("HTTP/0.9", vec![send("<html>hello</html>\r\n"), Step::Close]),
        ("nothing like HTTP", vec![send([0, 1, 2, 3, 255, 254].repeat(100)), Step::Close]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn u3_an_answer_that_is_none_ends_in_time_as_an_error_of_ours_on_a_socket_of_its_own() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    for (what, steps) in broken_answers() {
        let fault = Fault::answering(move |_| steps.clone()).await;
        let egress = world.hurried_api_at(&fault);
        for round in 1..=2 {
            let sent = tokio::time::timeout(BOUND, world.read_with(&egress, "eu")).await;
            let error = sent.unwrap_or_else(|_| panic!("{what} held it")).expect_err(what);
            assert_eq!(error.refusal().code, Code::UpstreamTimeout, "{what}");
            assert_eq!((error.outcome(), error.attempts), (Outcome::Unknown, 1), "{what}");
            assert_eq!(fault.connections(), round, "{what}: the socket was used again");
            shows_no_token(&world, &error);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u3_an_endless_body_flows_in_little_memory_and_ends_with_its_reader() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    let endless = vec![
        send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"),
        Step::Forever(vec![b'x'; 64 * 1024]),
    ];
    let fault = Fault::answering(move |_| endless.clone()).await;
    let egress = world.api_at(&fault);
    let sent = world.read_with(&egress, "eu").await.expect("sent");
    let ScrubbedBody::Flowing(mut flow) = sent.answer.into_body() else { panic!("it flows") };
    let mut read = 0;
    while read < 16 * 1024 * 1024 {
        let piece = flow.next().await.expect("more").expect("a piece");
        // Beyond what was held at first, a piece is one read of the network and no heap of them.
        assert!(piece.len() <= wardlock_egress::BUFFERED + 512 * 1024, "{}", piece.len());
        read += piece.len();
    }
    drop(flow);
    let _ = world.read_with(&egress, "eu").await.expect("sent");
    assert_eq!(fault.connections(), 2, "an answer that was left is not read on");
}

#[tokio::test(flavor = "multi_thread")]
async fn u3_an_answer_smuggled_behind_another_reaches_nobody() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    let fault = Fault::answering(|_| {
        let first = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        let smuggled = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"smuggled\":1}";
        vec![send(format!("{first}{smuggled}"))]
    })
    .await;
    let egress = world.api_at(&fault);
    for round in 1..=5 {
        let sent = world.read_with(&egress, "eu").await.expect("sent");
        assert_eq!(sent.answer.body().expect("whole").as_ref(), b"{}");
        assert_eq!(fault.connections(), round, "the socket was used again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u4_a_certificate_that_does_not_hold_gets_no_token() {
    use Trust::{Expired, NameConstraint, NotYet, Old, OtherHost, Plain, SelfSigned, UnknownAuthority};
    let bad = [Expired, NotYet, OtherHost, SelfSigned, UnknownAuthority, NameConstraint, Old(1), Old(2), Plain];
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    for trust in bad {
        let fault = Fault::with(trust, |_| answer("200 OK", "", "{}")).await;
        let error = world.read_with(&world.api_at(&fault), "eu").await.expect_err("refused");
        assert_eq!(error.refusal().code, Code::UpstreamUnreachable, "{trust:?}");
        assert_eq!(error.outcome(), Outcome::Aborted, "{trust:?}");
        assert_eq!((fault.connections(), fault.seen().len()), (1, 0), "{trust:?}");
    }
    let good = Fault::with(Trust::Good, |_| answer("200 OK", "", "{}")).await;
    let _ = world.read_with(&world.api_at(&good), "eu").await.expect("the same server with a good one");
    world.advance(2 * 3_600_000);
    for trust in bad {
        let fault = Fault::with(trust, |_| answer("200 OK", "", "{}")).await;
        let error = world.read_with(&world.accounts_at(&fault), "eu").await.expect_err("refused");
        assert_eq!(error.refusal().code, Code::TokenUnavailable, "{trust:?}");
        assert_eq!((fault.connections(), fault.seen().len()), (1, 0), "{trust:?}");
        world.advance(600_000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u8_what_a_provider_sets_is_neither_kept_nor_passed_on() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    let headers = "Set-Cookie: session=1; Domain=zohoapis.eu; Path=/\r\nAlt-Svc: h3=\"evil.example:443\"\r\n\
               Strict-Transport-Security: max-age=1\r\nRefresh: 0; url=https://evil.example\r\n";
    let fault = Fault::answering(move |_| answer("200 OK", headers, "{}")).await;
    let egress = world.api_at(&fault);
    for _ in 0..2 {
        let sent = world.read_with(&egress, "eu").await.expect("sent");
        for name in ["set-cookie", "alt-svc", "strict-transport-security", "refresh"] {
            assert!(!sent.answer.headers().contains_key(name), "{name}");
        }
    }
    let seen = fault.seen();
    assert_eq!((seen.len(), fault.connections()), (2, 1), "the same socket");
    assert!(!seen[1].head.to_ascii_lowercase().contains("cookie"), "{}", seen[1].head);
    assert!(seen.iter().all(|seen| seen.head.contains("accept-encoding: identity\r\n")));
}

/// No secret stands in an error, as a person or as a developer sees it.
fn shows_no_token(world: &World, error: &SendError) {
    world.assert_no_secret(format!("{error} {error:?} {error:#?} {:?}", error.refusal()).as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn u9_nothing_that_can_be_printed_holds_a_token() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    let grants = world.egress.vault().grants().expect("a vault");
    let registrations = world.egress.vault().registrations().expect("a vault");
    let printed = format!("{:?} {:?} {grants:?} {registrations:?}", world.egress, world.egress.vault());
    world.assert_no_secret(printed.as_bytes());
    let fault = Fault::answering(|seen| answer("200 OK", "", format!("{{\"error\":\"{}\"}}", seen.token()))).await;
    let sent = world.read_with(&world.api_at(&fault), "eu").await.expect("sent");
    world.assert_no_secret(format!("{sent:?} {sent:#?}").as_bytes());
    world.assert_no_secret(&world.audit_bytes());
}
