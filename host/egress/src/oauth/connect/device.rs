//! Connects an account by the device flow: the person enters a short code on any device, and the host asks until they have
//! agreed (RFC 8628, or the provider's own words for it).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wardlock_audit::Act;
use wardlock_core::service::DeviceFlow;

use super::{ConnectError, ConnectPlan, Connected, Event, Progress, client_at, client_of, keep_consent, replace};
use super::{make_sure_of_room, renewable};
use crate::egress::Egress;
use crate::oauth::endpoint::RawAnswer;
use crate::oauth::exchange::{self, TokenError, Tokens};
use crate::vault::wire::{DeviceAnswer, error_of, parse_device_answer};
use crate::vault::{ClientMaterial, Secret};

/// How much longer to wait each time after `slow_down` (RFC 8628 section 3.5).
const SLOWER: Duration = Duration::from_secs(5);
/// How long a code lives where the answer does not say.
const USUAL_LIFETIME: Duration = Duration::from_mins(10);
/// The longest that a person is waited for, and that one answer may ask to wait.
const LONGEST_LIFETIME: Duration = Duration::from_mins(30);
const LONGEST_INTERVAL: Duration = Duration::from_mins(1);

/// Why the device flow brought no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceProblem {
    /// The service has no device flow.
    #[error("the service has no device flow")]
    None,
    /// The provider gave no code.
    #[error("the provider gave no device code (`{0}`)")]
    NoCode(String),
    /// The person said no.
    #[error("the person did not agree")]
    Denied,
    /// The code ended before anybody entered it.
    #[error("nobody entered the code before it ended")]
    Expired,
    /// The account lives in another region.
    #[error("the account lives in another region than the connection's")]
    OtherRegion,
}

/// How one question for the token ended.
enum Polled {
    Tokens(Box<Tokens>),
    NotYet,
    SlowDown,
}

/// Connects. See [`Egress::connect_device`].
pub(crate) async fn connect(
    egress: &Egress,
    plan: ConnectPlan,
    progress: &dyn Progress,
) -> Result<Connected, ConnectError> {
    let service = Arc::clone(&plan.service);
    let device = service.oauth.device.as_ref().ok_or(ConnectError::Device(DeviceProblem::None))?;
    let client = Arc::new(client_of(egress, &plan, None).await?);
    let old = replace::old(egress, &plan).await?;
    make_sure_of_room(egress, &plan, old.as_ref(), progress).await?;

    let (code, answer) = match code(egress, &plan, &client, device).await {
        Ok(given) => given,
        Err(error) => {
            egress.record(Act::grant("token.exchange", plan.grant.as_str(), error.word())).await?;
            return Err(error);
        }
    };
    let shown = answer.verification_uri_complete.as_ref().unwrap_or(&answer.verification_uri);
    let shown = egress.dialer().shown(shown);
    progress.on(Event::Device { url: &shown, user_code: &answer.user_code });
    let tokens = wait(egress, &plan, &client, device, &code, &answer).await;
    let word = tokens.as_ref().map_or_else(ConnectError::word, |_| "ok");
    egress.record(Act::grant("token.exchange", plan.grant.as_str(), word)).await?;
    progress.on(Event::Returned);
    let obtained = renewable(egress, &plan, &client, tokens?).await?;
    keep_consent(egress, plan, &client, obtained, progress).await
}

async fn code(
    egress: &Egress,
    plan: &ConnectPlan,
    client: &ClientMaterial,
    device: &DeviceFlow,
) -> Result<(Secret, DeviceAnswer), ConnectError> {
    egress.record(Act::grant("token.exchange", plan.grant.as_str(), "begun")).await?;
    let raw = client_at(egress, plan, client).device_code(device, &plan.scopes).await;
    let raw = raw.map_err(|error| ConnectError::Exchange(TokenError::from(error)))?;
    let paths = &plan.service.oauth.answer;
    parse_device_answer(&raw.body, paths, device.answer_in_milliseconds).map_err(|word| {
        let cause = plan.service.oauth.misconfigured_errors.get(&word).cloned();
        match cause {
            Some(cause) => ConnectError::Exchange(TokenError::Misconfigured { code: word, cause }),
            None => ConnectError::Device(DeviceProblem::NoCode(word)),
        }
    })
}

/// Asks, at the pace that the provider wants, until the person has answered.
async fn wait(
    egress: &Egress,
    plan: &ConnectPlan,
    client: &ClientMaterial,
    device: &DeviceFlow,
    code: &Secret,
    answer: &DeviceAnswer,
) -> Result<Tokens, ConnectError> {
    let seconds = |given: Option<u64>, usual: Duration, most: Duration| {
        given.map_or(usual, Duration::from_secs).clamp(Duration::from_secs(1), most)
    };
    let ends = Instant::now() + seconds(answer.expires_in, USUAL_LIFETIME, LONGEST_LIFETIME);
    let mut pause = seconds(answer.interval, Duration::from_secs(device.interval_seconds), LONGEST_INTERVAL);
    loop {
        if Instant::now() + pause > ends {
            return Err(ConnectError::Device(DeviceProblem::Expired));
        }
        tokio::time::sleep(pause).await;
        let raw = match client_at(egress, plan, client).device_token(device, code).await {
            Ok(raw) => raw,
            // RFC 8628 section 3.5: a connection that fails is tried again, more slowly.
            Err(error) => {
                tracing::debug!(%error, "a question for the token failed");
                pause = (pause * 2).min(LONGEST_INTERVAL);
                continue;
            }
        };
        match polled(plan, device, raw)? {
            Polled::Tokens(tokens) => return Ok(*tokens),
            Polled::NotYet => {}
            Polled::SlowDown => pause = (pause + SLOWER).min(LONGEST_INTERVAL),
        }
    }
}

fn polled(plan: &ConnectPlan, device: &DeviceFlow, raw: RawAnswer) -> Result<Polled, ConnectError> {
    let word = error_of(&raw.body, &plan.service.oauth.answer);
    let is = |words: &std::collections::BTreeSet<String>| word.as_ref().is_some_and(|word| words.contains(word));
    if is(&device.pending_errors) {
        return Ok(Polled::NotYet);
    }
    if is(&device.slow_down_errors) {
        return Ok(Polled::SlowDown);
    }
    for (words, problem) in [
        (&device.denied_errors, DeviceProblem::Denied),
        (&device.expired_errors, DeviceProblem::Expired),
        (&device.other_region_errors, DeviceProblem::OtherRegion),
    ] {
        if is(words) {
            return Err(ConnectError::Device(problem));
        }
    }
    match exchange::read(&plan.service, &plan.region, raw).map_err(|failed| failed.error) {
        Ok(tokens) => Ok(Polled::Tokens(Box::new(tokens))),
        // The person may be agreeing just now; the code's end bounds the wait.
        Err(TokenError::Transient { .. } | TokenError::Throttled { .. }) => Ok(Polled::SlowDown),
        Err(error) => Err(ConnectError::Exchange(error)),
    }
}
