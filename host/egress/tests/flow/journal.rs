//! What is kept on disk of a refresh, so that no restart loses a login or hides that one is lost (promise 7).

use wardlock_core::refusal::Code;
use wardlock_egress::vault::{Condition, GrantInfo};
use wardlock_egress::{Egress, TokenError};
use wardlock_simulator::{ApiDomain, Fault, Rotation, ThrottleAnswer, TokenAnswer};

use crate::support::World;
use crate::tokens::token_error;

const GRACE: Rotation = Rotation::WithGrace { milliseconds: 60_000 };

/// A world with a connected account whose access token has ended.
async fn expired(rotation: Rotation) -> World {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    world.simulator.switches().change(|switches| switches.rotation = rotation);
    world.advance(2 * 3_600_000);
    world
}

async fn works(world: &World, egress: &Egress) {
    assert_eq!(world.read_with(egress, "eu").await.expect("sent").answer.status(), 200);
}

fn grant(world: &World) -> GrantInfo {
    world.egress.vault().grants().expect("a vault").pop().expect("a grant")
}

#[tokio::test(flavor = "multi_thread")]
async fn u7_an_answer_that_was_lost_loses_no_login_where_the_provider_tolerates_one_retry() {
    for rotation in [Rotation::Never, GRACE] {
        for fault in [Fault::LoseAnswer, Fault::CutAnswer] {
            let world = expired(rotation).await;
            world.simulator.switches().change(|switches| switches.token_faults.push_back(fault));
            let (error, code) = token_error(world.read("eu").await);
            assert!(matches!(error, TokenError::Transient { .. }), "{error:?}");
            assert_eq!(code, Code::TokenUnavailable);
            works(&world, &world.restarted()).await;
            assert_eq!(grant(&world).condition, None);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_a_lost_answer_cost_is_named_and_a_new_consent_mends_it() {
    let world = expired(Rotation::WithoutGrace).await;
    world.simulator.switches().change(|switches| switches.token_faults.push_back(Fault::LoseAnswer));
    token_error(world.read("eu").await);
    let (error, code) = token_error(world.read_with(&world.restarted(), "eu").await);
    assert_eq!(code, Code::Reconnect);
    assert!(error.to_string().contains("cut off before its answer was stored"), "{error}");
    let condition = grant(&world).condition;
    assert!(matches!(condition, Some(Condition::Reconnect { interrupted_ms: Some(_), .. })), "{condition:?}");
    world.connect("eu").await.expect("connected again");
    assert_eq!(grant(&world).condition, None);
    works(&world, &world.restarted()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_refresh_token_is_never_sent_again() {
    let world = expired(Rotation::Never).await;
    let dead = TokenAnswer::Error("invalid_code".to_owned());
    world.simulator.switches().change(|switches| switches.token_answers.push_back(dead));
    let (first, _) = token_error(world.read("eu").await);
    assert_eq!(first, TokenError::Reconnect { code: "invalid_code".to_owned(), interrupted: false });
    let calls = world.simulator.token_calls();
    for days in 0..3 {
        world.advance(days * 24 * 3_600_000);
        let (again, code) = token_error(world.read_with(&world.restarted(), "eu").await);
        assert_eq!((again, code), (first.clone(), Code::Reconnect));
    }
    assert_eq!(world.simulator.token_calls(), calls, "nobody asked the provider again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttle_is_kept_across_a_restart_and_ends_by_itself() {
    let world = expired(Rotation::Never).await;
    let throttled = TokenAnswer::Throttled(ThrottleAnswer::Localised);
    world.simulator.switches().change(|switches| switches.token_answers.push_back(throttled));
    token_error(world.read("eu").await);
    let calls = world.simulator.token_calls();
    world.advance(100_000);
    let (error, _) = token_error(world.read_with(&world.restarted(), "eu").await);
    assert!(matches!(error, TokenError::Throttled { retry_after_seconds: 490..=500 }), "{error:?}");
    assert_eq!(world.simulator.token_calls(), calls, "the provider was left alone");
    world.advance(501_000);
    works(&world, &world.restarted()).await;
    assert_eq!(grant(&world).condition, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_token_in_an_answer_that_is_refused_is_kept_all_the_same() {
    let world = expired(Rotation::WithoutGrace).await;
    let foreign = ApiDomain::Override("https://api.evil.example".to_owned());
    world.simulator.switches().change(|switches| switches.api_domain = foreign);
    let (error, code) = token_error(world.read("eu").await);
    assert!(matches!(error, TokenError::Misconfigured { .. }), "{error:?}");
    assert_eq!(code, Code::Misconfigured);
    world.simulator.switches().change(|switches| switches.api_domain = ApiDomain::Normal);
    works(&world, &world.restarted()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_answer_that_drips_is_read() {
    let world = expired(Rotation::Never).await;
    let drip = Fault::Drip { pause: std::time::Duration::from_millis(1) };
    world.simulator.switches().change(|switches| switches.token_faults.push_back(drip));
    works(&world, &world.egress).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_back_blocks_no_grant_for_longer_than_a_window() {
    let world = expired(Rotation::Never).await;
    world.simulator.switches().change(|switches| switches.throttle.calls = 1000);
    let year_ms = 365 * 24 * 3_600_000;
    world.advance(year_ms);
    for _ in 0..9 {
        world.simulator.expire_access_tokens();
        works(&world, &world.restarted()).await;
    }
    world.set_back(year_ms);
    world.simulator.expire_access_tokens();
    works(&world, &world.restarted()).await;
}
