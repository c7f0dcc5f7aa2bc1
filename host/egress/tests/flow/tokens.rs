//! The owner of access tokens.

use std::time::Duration;

use wardlock_core::answer::Outcome;
use wardlock_core::refusal::Code;
use wardlock_egress::{SendError, SendFault, Sent, TokenError};
use wardlock_simulator::{ApiAnswer, Rotation, ThrottleAnswer, TokenAnswer};

use crate::fault::{Fault, Step, answer};
use crate::support::{CLIENT_ID, CLIENT_SECRET, LEADS, World};

#[track_caller]
pub fn token_error(result: Result<Sent, SendError>) -> (TokenError, Code) {
    let error = result.expect_err("no token");
    let code = error.refusal().code;
    assert_eq!(error.outcome(), Outcome::Aborted);
    match error.fault {
        SendFault::Token(error) => (error, code),
        other => panic!("another fault: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_requests_of_two_connections_on_one_expired_token_make_one_token_call() {
    let world = std::sync::Arc::new(World::new().await);
    world.connect("eu").await.expect("connected");
    world.advance(2 * 3_600_000);
    let mut tasks = tokio::task::JoinSet::new();
    for name in ["crm-eu", "crm-eu-of-a-sister"].into_iter().cycle().take(200) {
        let world = std::sync::Arc::clone(&world);
        tasks.spawn(async move { world.read_of("eu", name).await.map(|sent| sent.answer.status()) });
    }
    for status in tasks.join_all().await {
        assert_eq!(status.expect("sent"), 200);
    }
    assert_eq!(world.simulator.token_calls(), 2, "the exchange and one refresh");
    assert_eq!(world.api_calls(), 200, "no dead token was sent");
    let budget = world.egress.vault().token_calls_since(&world.connection("eu").grant, 0).expect("a vault");
    assert_eq!(budget.len(), 2, "both draw on one budget");
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_stale_answers_force_one_refresh_and_one_replay_each() {
    let world = std::sync::Arc::new(World::new().await);
    world.connect("eu").await.expect("connected");
    world.simulator.expire_access_tokens();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let world = std::sync::Arc::clone(&world);
        tasks.spawn(async move { world.read("eu").await.map(|sent| (sent.answer.status(), sent.attempts)) });
    }
    for sent in tasks.join_all().await {
        let (status, attempts) = sent.expect("sent");
        assert_eq!(status, 200);
        assert!((1..=2).contains(&attempts));
    }
    assert_eq!(world.simulator.token_calls(), 2, "the exchange and one refresh");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_calls_every_token_stale_does_not_burn_the_budget() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    for _ in 0..6 {
        world
            .simulator
            .switches()
            .change(|s| s.api_answers.extend([ApiAnswer::InvalidToken, ApiAnswer::InvalidToken]));
        let sent = world.read("eu").await.expect("sent");
        assert_eq!(sent.answer.status(), 401);
        world.simulator.switches().change(|s| s.api_answers.clear());
    }
    assert_eq!(world.simulator.token_calls(), 2, "the exchange and one forced refresh");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_request_does_not_cancel_the_refresh() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    world.advance(2 * 3_600_000);
    let (permit, receipt, _guard) = world.permit("eu", "GET", LEADS, b"").await;
    let sending = world.egress.send(permit, receipt);
    assert!(tokio::time::timeout(std::time::Duration::ZERO, sending).await.is_err(), "dropped at once");
    assert_eq!(world.read("eu").await.expect("sent").answer.status(), 200);
    assert_eq!(world.simulator.token_calls(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_token_is_taken_up_after_a_restart() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    let world = world.leave().open();
    assert_eq!(world.read("eu").await.expect("sent").answer.status(), 200);
    assert_eq!(world.simulator.token_calls(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_near_its_end_is_renewed_in_the_background() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    world.advance(3_600_000 - 2 * 60_000);
    for _ in 0..2 {
        assert_eq!(world.read("eu").await.expect("sent").attempts, 1);
    }
    for _ in 0..200 {
        if world.simulator.token_calls() == 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(world.simulator.token_calls(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn u7_throttled_is_not_dead() {
    for answer in [ThrottleAnswer::BadRequest, ThrottleAnswer::Localised, ThrottleAnswer::Ok] {
        let world = World::new().await;
        world.connect("eu").await.expect("connected");
        world.advance(2 * 3_600_000);
        world.simulator.switches().change(|s| s.token_answers.push_back(TokenAnswer::Throttled(answer)));
        let (error, code) = token_error(world.read("eu").await);
        assert_eq!(error, TokenError::Throttled { retry_after_seconds: 600 });
        assert_eq!(code, Code::TokenThrottled);
        let (again, _) = token_error(world.read("eu").await);
        assert!(matches!(again, TokenError::Throttled { .. }), "answered at once");
        assert_eq!(world.simulator.token_calls(), 2);
        world.advance(601_000);
        assert_eq!(world.read("eu").await.expect("sent").answer.status(), 200, "the grant lives");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u7_each_token_error_has_its_own_class_and_keeps_the_grant() {
    let error = |text: &str| TokenAnswer::Error(text.to_owned());
    let raw = |status, text: &str| TokenAnswer::Raw {
        status,
        content_type: "application/json".to_owned(),
        body: text.as_bytes().to_vec(),
    };
    let table = [
        (error("invalid_code"), Code::Reconnect),
        (error("invalid_client"), Code::Misconfigured),
        (error("invalid_client_secret"), Code::Misconfigured),
        (error("general_error"), Code::TokenUnavailable),
        (error("never_heard_of"), Code::TokenUnavailable),
        (TokenAnswer::Maintenance, Code::TokenUnavailable),
        (raw(200, ""), Code::TokenUnavailable),
        (raw(200, "{\"access_token\":\"with space\"}"), Code::TokenUnavailable),
        (raw(429, "{}"), Code::TokenThrottled),
        (raw(200, &format!("{{\"x\":\"{}\"}}", "y".repeat(100_000))), Code::TokenUnavailable),
        (raw(302, ""), Code::TokenUnavailable),
    ];
    for (answer, expected) in table {
        let world = World::new().await;
        world.connect("eu").await.expect("connected");
        world.advance(2 * 3_600_000);
        let before = world.api_calls();
        world.simulator.switches().change(|switches| switches.token_answers.push_back(answer.clone()));
        let (_, code) = token_error(world.read("eu").await);
        assert_eq!(code, expected, "{answer:?}");
        assert_eq!(world.api_calls(), before, "no dead token was sent");
        assert_eq!(world.egress.vault().grants().expect("a vault").len(), 1, "the grant is kept");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_provider_s_budget_is_kept_across_restarts() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    world.simulator.switches().change(|switches| switches.throttle.calls = 1000);
    for _ in 0..9 {
        // Each restart finds the token called stale, and a forced refresh is taken from the budget.
        world.simulator.expire_access_tokens();
        let egress = world.restarted();
        assert_eq!(world.read_with(&egress, "eu").await.expect("sent").answer.status(), 200);
    }
    assert_eq!(world.simulator.token_calls(), 10);
    world.simulator.expire_access_tokens();
    let (error, _) = token_error(world.read_with(&world.restarted(), "eu").await);
    assert!(matches!(error, TokenError::Throttled { retry_after_seconds: 1..=600 }), "{error:?}");
    assert_eq!(world.simulator.token_calls(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn u7_a_rotated_refresh_token_is_kept() {
    let world = World::new().await;
    world.simulator.switches().change(|switches| switches.rotation = Rotation::WithoutGrace);
    world.connect("eu").await.expect("connected");
    for _ in 0..3 {
        world.advance(2 * 3_600_000);
        let egress = world.restarted();
        assert_eq!(world.read_with(&egress, "eu").await.expect("sent").answer.status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_client_secret_takes_over_once_it_has_brought_a_token() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    let main = wardlock_core::id::RegistrationName::parse("main").expect("a name");
    let set = async |text: &str| {
        let secret =
            wardlock_egress::vault::Secret::from_bytes(text.as_bytes().to_vec().into()).expect("a secret");
        world.egress.set_client_secret(&main, None, secret, &world.service(), "operator").await
    };
    let refused = set("not-the-secret-of-this-client").await.expect_err("not proved");
    assert!(refused.to_string().contains("the old one stays"), "{refused}");
    world.advance(2 * 3_600_000);
    assert_eq!(world.read_with(&world.restarted(), "eu").await.expect("sent").answer.status(), 200);
    let new = "another-secret-of-the-same-client";
    world.simulator.add_client(wardlock_simulator::ClientSpec::new(CLIENT_ID, new, world.redirect_uri()));
    set(new).await.expect("proved");
    world.advance(2 * 3_600_000);
    assert_eq!(world.read_with(&world.restarted(), "eu").await.expect("sent").answer.status(), 200);
    assert!(
        world.egress.contains_secret(CLIENT_SECRET.as_bytes()).expect("searched"),
        "the old one is still looked for"
    );
    assert!(world.egress.contains_secret(new.as_bytes()).expect("searched"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_while_a_refresh_is_under_way_starts_no_second_one() {
    let world = std::sync::Arc::new(World::new().await);
    world.connect("eu").await.expect("connected");
    world.advance(2 * 3_600_000);
    let fault = Fault::answering(|seen| {
        if !seen.head.starts_with("POST /oauth/v2/token") {
            return answer("200 OK", "Content-Type: application/json\r\n", "{\"data\":[]}");
        }
        let body = r#"{"access_token":"1000.renewed.once","api_domain":"https://www.zohoapis.eu","token_type":"Bearer","expires_in":3600}"#;
        let mut steps = answer("200 OK", "Content-Type: application/json\r\n", body);
        steps.insert(0, Step::Drip(Vec::from("HTTP/1.1 100 Continue\r\n\r\n"), Duration::from_millis(20)));
        steps
    })
    .await;
    let hosts = [("accounts.zoho.eu", fault.address), ("www.zohoapis.eu", fault.address)];
    let egress = std::sync::Arc::new(world.at(&hosts, &fault));
    let read = || {
        let (world, egress) = (std::sync::Arc::clone(&world), std::sync::Arc::clone(&egress));
        tokio::spawn(async move { world.read_with(&egress, "eu").await.map(|sent| sent.answer.status()) })
    };
    let refreshes = || fault.seen().iter().filter(|seen| seen.head.starts_with("POST /oauth")).count();
    let first = read();
    while refreshes() == 0 {
        tokio::task::yield_now().await;
    }
    // The answer takes half a second yet.
    let main = wardlock_core::id::RegistrationName::parse("main").expect("a name");
    let secret = wardlock_egress::vault::Secret::from_bytes(CLIENT_SECRET.as_bytes().to_vec().into());
    let stored = egress.put_client_secret(&main, None, std::sync::Arc::new(secret.expect("a secret"))).await;
    stored.expect("stored");
    assert!(!first.is_finished(), "the refresh is under way");
    let second = read();
    for reading in [first, second] {
        assert_eq!(reading.await.expect("a task").expect("sent"), 200);
    }
    assert_eq!(refreshes(), 1, "what the first brought is taken up from the vault");
}
