//! What reaches the agent of an answer.

use wardlock_core::answer::Outcome;
use wardlock_egress::Sent;
use wardlock_simulator::{ApiAnswer, EchoToken};

use crate::support::{self, World};

fn body(sent: &Sent) -> &[u8] {
    sent.answer.body().expect("a whole body")
}

#[tokio::test(flavor = "multi_thread")]
async fn u2_an_echoed_token_is_cut_out_in_every_spelling() {
    use EchoToken::{Base64, Base64Url, Header, Hex, JsonEscaped, Percent, PercentMinimal, Raw, Split};
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    let token = world.simulator.access_tokens().pop().expect("a token");
    for echo in [Raw, Base64, Base64Url, Percent, PercentMinimal, Hex, JsonEscaped, Split(1), Split(7), Header] {
        world.simulator.switches().change(|switches| switches.echo = echo);
        let sent = world.read("eu").await.expect("sent");
        let mut shown = body(&sent).to_vec();
        for (_, value) in sent.answer.headers() {
            shown.extend_from_slice(value.as_bytes());
        }
        let text = String::from_utf8_lossy(&shown).into_owned();
        assert!(sent.answer.exposed(), "{echo:?}: {text}");
        assert!(text.contains("[REDACTED:crm-eu]"), "{echo:?}: {text}");
        assert!(!text.contains(&token) && !text.contains(&hex::encode(&token)), "{echo:?}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_an_agent_s_own_request_is_found() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    let refresh = world.simulator.refresh_tokens().pop().expect("a token");
    let found = |bytes: &[u8]| world.egress.contains_secret(bytes).expect("a vault");
    assert!(found(format!("x={refresh}&y=1").as_bytes()));
    assert!(found(support::CLIENT_SECRET.as_bytes()));
    assert!(!found(b"nothing here"));
}

#[tokio::test(flavor = "multi_thread")]
async fn u6_an_error_with_status_200_is_a_failure_and_reaches_the_agent_as_it_is() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    let answer = |status: u16, content_type: &str, text: &str| ApiAnswer::Raw {
        status,
        content_type: content_type.to_owned(),
        body: text.as_bytes().to_vec(),
    };
    let failure = r#"{"code":"INVALID_DATA","details":{},"message":"no","status":"error"}"#;
    world.simulator.switches().change(|s| s.api_answers.push_back(answer(200, "application/json", failure)));
    let sent = world.read("eu").await.expect("sent");
    assert_eq!((sent.answer.status(), sent.reading.outcome), (200, Outcome::Failed));
    assert_eq!(sent.reading.code.as_deref(), Some("INVALID_DATA"));

    // A redirect is handed on without being followed, and without a place to go to.
    world.simulator.switches().change(|s| s.api_answers.push_back(answer(302, "text/html", "moved")));
    let before = world.recorded().len();
    let sent = world.read("eu").await.expect("sent");
    assert_eq!((sent.answer.status(), sent.attempts), (302, 1));
    assert_eq!(world.recorded().len(), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn u2_a_large_answer_flows_and_is_scanned() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    let token = world.simulator.access_tokens().pop().expect("a token");
    let filler = "x".repeat(3_000_000);
    let text = format!("{filler}{token}{filler}{token}");
    let large = ApiAnswer::Raw { status: 200, content_type: "text/plain".to_owned(), body: text.into_bytes() };
    world.simulator.switches().change(|switches| switches.api_answers.push_back(large));
    let sent = world.read("eu").await.expect("sent");
    assert!(sent.answer.body().is_none());
    let wardlock_egress::ScrubbedBody::Flowing(mut flow) = sent.answer.into_body() else { panic!("it flows") };
    let mut got = Vec::new();
    while let Some(piece) = flow.next().await {
        got.extend_from_slice(&piece.expect("a piece"));
    }
    assert_eq!(flow.redactions(), 2);
    world.assert_no_secret(&got);
    assert_eq!(got.len(), 6_000_000 + 2 * "[REDACTED:crm-eu]".len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_a_file_is_found_by_fingerprint_with_whose_it_is() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    let (access, refresh) = (world.simulator.access_tokens().pop(), world.simulator.refresh_tokens().pop());
    let (access, refresh) = (access.expect("a token"), refresh.expect("a token"));
    world.advance(2 * 3_600_000);
    let _ = world.read("eu").await.expect("sent");
    let current = world.simulator.access_tokens().pop().expect("a token");
    let vault = world.egress.vault();
    let sieve = vault.fingerprints().expect("a vault");
    let whose = |text: &str| {
        let bytes = format!("some text = {text};\n").into_bytes();
        let pieces: Vec<Vec<u8>> = sieve.places(&bytes).into_iter().map(|at| bytes[at..].to_vec()).collect();
        let owners = vault.owners(&pieces).expect("a vault").concat();
        owners
            .into_iter()
            .map(|owner| format!("{} of {} {}", owner.kind, owner.of, owner.name))
            .collect::<Vec<_>>()
    };
    assert_eq!(whose(&refresh), ["refresh token of grant acme-eu"]);
    assert_eq!(whose(&hex::encode(&current)), ["access token of grant acme-eu"]);
    assert_eq!(whose(&access), ["former token of grant acme-eu"]);
    assert_eq!(whose(support::CLIENT_SECRET), ["client secret of registration main"]);
    assert_eq!(whose("nobody's secret at all"), Vec::<String>::new());
    assert_eq!(whose(&refresh[..refresh.len() - 1]), Vec::<String>::new(), "a beginning is no secret");
}
