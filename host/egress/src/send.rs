//! Sends one permitted request. Two attempts at most, and the second only where the first surely did nothing.

mod error;

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Uri;
use tracing::{Instrument as _, debug_span};
use wardlock_audit::Receipt;
use wardlock_core::answer::{AnswerReading, Outcome, read_answer_to};
use wardlock_core::decision::Permit;

use crate::client::PoolKey;
use crate::egress::Egress;
use crate::failpoint;
use crate::inject::{self, Filling};
use crate::oauth::mint::{Live, Wanted};
use crate::route;
use crate::scan::{Scan, Scrubbed};

pub use error::{SendError, SendFault};

/// A scanned answer, and what is known of how it came.
#[derive(Debug)]
#[must_use]
pub struct Sent {
    /// The answer.
    pub answer: Scrubbed,
    /// What it says.
    pub reading: AnswerReading,
    /// What the provider's error means and how to mend it, in the service's words.
    pub hint: Option<String>,
    /// The host that gave it.
    pub host: String,
    /// How often the request was put on the wire: 1 or 2.
    pub attempts: u32,
    /// How long it took from the permit to the answer, microseconds.
    pub micros: u64,
}

/// What is being sent, and how far it came.
struct Sending<'a> {
    egress: &'a Egress,
    permit: &'a Permit,
    url: Uri,
    wanted: Wanted,
    started: Instant,
    attempts: u32,
}

/// See [`Egress::send`].
pub(crate) async fn send(egress: &Egress, permit: Permit, receipt: Receipt) -> Result<Sent, SendError> {
    let started = Instant::now();
    let before = |fault| SendError { fault, host: String::new(), attempts: 0, micros: micros(started.elapsed()) };
    if receipt.permit_digest() != permit.digest() {
        return Err(before(SendFault::OtherReceipt));
    }
    check_grant(egress, &permit).map_err(before)?;
    let url = route::of_permit(&permit).map_err(|error| before(SendFault::Route(error)))?;
    let wanted = Wanted {
        grant: permit.connection().grant.clone(),
        generation: permit.generation(),
        service: Arc::clone(permit.classified().service()),
    };
    let mut sending = Sending { egress, permit: &permit, url, wanted, started, attempts: 0 };
    match sending.run().await {
        Ok((answer, reading)) => Ok(Sent {
            answer,
            hint: hint(&sending, &reading),
            reading,
            host: sending.host(),
            attempts: sending.attempts,
            micros: micros(started.elapsed()),
        }),
        Err(fault) => Err(sending.failed(fault)),
    }
}

/// Returns what the service's definition says of the provider's error.
fn hint(sending: &Sending<'_>, reading: &AnswerReading) -> Option<String> {
    let failed = matches!(reading.outcome, Outcome::Failed | Outcome::Partial);
    let help = &sending.wanted.service.answer.help;
    reading.code.as_ref().filter(|_| failed).and_then(|code| help.get(code)).cloned()
}

impl Sending<'_> {
    async fn run(&mut self) -> Result<(Scrubbed, AnswerReading), SendFault> {
        failpoint::pass("before-token");
        let token = self.egress.owner().token(&self.wanted).instrument(debug_span!("token"));
        let live = token.await.map_err(SendFault::Token)?;
        let (answer, reading) = self.attempt(&live).instrument(debug_span!("upstream", attempt = 1)).await?;
        if !reading.stale_token {
            return Ok((answer, reading));
        }
        if !self.surely_not_executed(&answer) {
            self.egress.owner().note_stale(&self.wanted, &live);
            return Ok((answer, reading));
        }
        let renewed = self.egress.owner().after_stale(&self.wanted, &live);
        let renewed = renewed.instrument(debug_span!("token")).await;
        match renewed.map_err(SendFault::Token)? {
            Some(live) => self.attempt(&live).instrument(debug_span!("upstream", attempt = 2)).await,
            None => Ok((answer, reading)),
        }
    }

    /// A 401 is said before anything is done (RFC 9110 section 15.5.2); otherwise only the definition can know.
    fn surely_not_executed(&self, answer: &Scrubbed) -> bool {
        let replay_safe = self.permit.classified().definition().is_some_and(|operation| operation.replay_safe);
        answer.status() == 401 || replay_safe
    }

    /// Puts the request on the wire once.
    async fn attempt(&mut self, live: &Live) -> Result<(Scrubbed, AnswerReading), SendFault> {
        let (egress, connection) = (self.egress, self.permit.connection());
        let service = self.permit.classified().service();
        let companions = live.companions(service).map_err(SendFault::Token)?;
        let filling = Filling {
            credential: live.token(),
            companions: &companions,
            params: &connection.params,
            tenant: Some(self.permit.tenant()),
        };
        let request = inject::of_permit(self.permit, self.url.clone(), &filling).map_err(SendFault::Inject)?;
        let needles = egress.needles().map_err(|_| SendFault::VaultLocked)?;
        let needles = companions.among(needles);
        let key = PoolKey {
            owner: format!("{}/{}", connection.workspace, connection.name),
            grant: connection.grant.clone(),
            generation: self.permit.generation(),
        };
        let limits = egress.clients().limits();
        let deadline = tokio::time::Instant::now() + limits.total;
        self.attempts += 1;
        failpoint::pass("before-writing");
        let answer = egress.clients().call(key, service, request).await.map_err(SendFault::Call)?;
        failpoint::pass("after-head");
        let host = self.url.host().unwrap_or_default();
        let vault = Arc::downgrade(egress.vault());
        let idle = limits.idle;
        let links_to = self.permit.via().map(|via| format!("{via}/{}/{}", connection.workspace, connection.name));
        let scan = Scan {
            service,
            connection: &connection.name,
            host,
            links_to,
            needles,
            companions: &companions,
            vault,
            holds: connection.holds_answers(),
            deadline,
            idle,
        };
        let answer = scan.scrub(answer).await.map_err(SendFault::Scan)?;
        let reading = read_answer_to(self.permit.classified(), answer.status(), answer.body().map(AsRef::as_ref));
        Ok((answer, reading))
    }

    fn host(&self) -> String {
        self.url.host().unwrap_or_default().to_owned()
    }

    fn failed(&self, fault: SendFault) -> SendError {
        SendError { fault, host: self.host(), attempts: self.attempts, micros: micros(self.started.elapsed()) }
    }
}

/// The grant must be the one for which the permit was given: same consent, region, environment and account.
fn check_grant(egress: &Egress, permit: &Permit) -> Result<(), SendFault> {
    let connection = permit.connection();
    let status = egress.grant_status(&connection.grant).map_err(|_| SendFault::VaultLocked)?;
    let grant = status.ok_or(SendFault::NoGrant)?;
    if grant.generation != permit.generation() {
        return Err(SendFault::GrantRenewed);
    }
    let tenant = grant.tenant_of(connection);
    let place = grant.region == connection.region && grant.environment == connection.environment;
    if tenant.as_deref() == Some(permit.tenant()) && place && connection.takes_grant_of(&grant.service) {
        return Ok(());
    }
    Err(SendFault::OtherAccount)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
