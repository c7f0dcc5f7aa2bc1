//! A token endpoint that fails in every way it can: the grant stays, callers are answered, the provider is left in peace
//! (facts U7).

use std::time::Duration;

use wardlock_core::refusal::Code;
use wardlock_egress::TokenError;
use wardlock_simulator::{ExpiresIn, TokenAnswer};

use crate::fault::{Fault, Step, answer, send};
use crate::support::World;
use crate::tokens::token_error;

/// A world whose access token has ended.
async fn expired() -> World {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    world.advance(2 * 3_600_000);
    world
}

/// Fails if the grant is not as good as before.
async fn still_works(world: &World, what: &str) {
    world.advance(3_601_000);
    let sent = world.read_with(&world.restarted(), "eu").await.expect(what);
    assert_eq!(sent.answer.status(), 200, "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn u7_an_endpoint_that_is_broken_in_any_way_costs_no_grant() {
    use Code::{TokenThrottled, TokenUnavailable};
    let json = |status: &str, headers: &str, body: String| answer(status, headers, body);
    let token = |value: &str| json("200 OK", "", format!("{{\"access_token\":\"{value}\",\"expires_in\":3600}}"));
    let endless = vec![send("HTTP/1.1 200 OK\r\n\r\n"), Step::Forever(vec![b' '; 64 * 1024])];
    let table: Vec<(&str, Vec<Step>, Code)> = vec![
        ("500", json("500 Oops", "", String::new()), TokenUnavailable),
        ("HTML", answer("200 OK", "Content-Type: text/html\r\n", "<html>sign in</html>"), TokenUnavailable),
        ("nothing", answer("200 OK", "", ""), TokenUnavailable),
        ("10 MB", answer("200 OK", "", vec![b'{'; 10_000_000]), TokenUnavailable),
        ("endless", endless, TokenUnavailable),
        ("dropped after it was read", vec![Step::Close], TokenUnavailable),
        (
            "half an answer",
            vec![send("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), Step::Close],
            TokenUnavailable,
        ),
        ("429", answer("429 Slow", "", "{}"), TokenThrottled),
        ("429 with a time", answer("429 Slow", "Retry-After: 77\r\n", "{}"), TokenThrottled),
        ("400 without words", answer("400 Bad", "", "{}"), TokenUnavailable),
        ("a token with a line break", token("1000.a\\r\\nX-Evil: 1"), TokenUnavailable),
        ("a token beyond ASCII", token("1000.\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}"), TokenUnavailable),
        ("a token of a megabyte", token(&"a".repeat(1_000_000)), TokenUnavailable),
    ];
    for (what, steps, code) in table {
        let world = expired().await;
        let before = world.api_calls();
        let fault = Fault::answering(move |_| steps.clone()).await;
        let (error, found) = token_error(world.read_with(&world.accounts_at(&fault), "eu").await);
        assert_eq!(found, code, "{what}: {error:?}");
        if what == "429 with a time" {
            assert_eq!(error, TokenError::Throttled { retry_after_seconds: 77 });
        }
        assert_eq!((fault.seen().len(), world.api_calls()), (1, before), "{what}");
        world.assert_no_secret(format!("{error} {error:?}").as_bytes());
        still_works(&world, what).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u7_an_endpoint_that_drips_is_left_in_time() {
    let world = expired().await;
    let drip = vec![
        send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"),
        Step::Drip(vec![b'{'; 100_000], Duration::from_millis(100)),
    ];
    let fault = Fault::answering(move |_| drip.clone()).await;
    let asked = world.accounts_at(&fault);
    let asked = tokio::time::timeout(Duration::from_mins(1), world.read_with(&asked, "eu")).await;
    let (error, code) = token_error(asked.expect("it was left"));
    assert_eq!(code, Code::TokenUnavailable, "{error:?}");
    still_works(&world, "after a drip").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u7_a_failing_endpoint_is_called_a_few_times_a_minute_and_everybody_is_answered() {
    let world = expired().await;
    let fault = Fault::answering(|_| answer("500 Oops", "", "")).await;
    let egress = world.accounts_at(&fault);
    for _second in 0..60 {
        for _ in 0..3 {
            let (error, _) = token_error(world.read_with(&egress, "eu").await);
            assert!(matches!(error, TokenError::Transient { retry_after_seconds: 1..=60, .. }), "{error:?}");
        }
        world.advance(1000);
    }
    let calls = fault.seen().len();
    assert!((2..=6).contains(&calls), "180 requests within a minute made {calls} token calls");
}

#[tokio::test(flavor = "multi_thread")]
async fn u7_an_absurd_lifetime_is_neither_believed_nor_a_reason_to_fail() {
    let kinds = [
        ExpiresIn::Absurd(0),
        ExpiresIn::Absurd(-1),
        ExpiresIn::Absurd(1_000_000_000_000_000_000),
        ExpiresIn::Text,
        ExpiresIn::Absent,
    ];
    for kind in kinds {
        let world = expired().await;
        world.simulator.switches().change(|switches| switches.expires_in = kind);
        for _ in 0..3 {
            assert_eq!(world.read("eu").await.expect("sent").answer.status(), 200, "{kind:?}");
        }
        assert_eq!(world.simulator.token_calls(), 2, "{kind:?}: one refresh");
        // Whatever it said, a token is not taken for alive after its real hour.
        still_works(&world, &format!("{kind:?}")).await;
        assert_eq!(world.simulator.token_calls(), 3, "{kind:?}: another refresh");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u7_a_refresh_token_that_comes_again_changes_nothing() {
    let world = expired().await;
    let same = world.simulator.refresh_tokens().pop().expect("a token");
    let body = format!(
        "{{\"access_token\":\"1000.{}\",\"refresh_token\":\"{same}\",\"expires_in\":3600}}",
        "f".repeat(32)
    );
    let raw =
        TokenAnswer::Raw { status: 200, content_type: "application/json".to_owned(), body: body.into_bytes() };
    world.simulator.switches().change(|switches| switches.token_answers.push_back(raw));
    let _ = world.read("eu").await.expect("sent");
    still_works(&world, "the same token").await;
    assert_eq!(world.simulator.refresh_tokens(), vec![same]);
}
