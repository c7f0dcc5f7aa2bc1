//! The path of a request, one step a line, as the table in ARCHITECTURE.md has it.
//!
//! Everything before `intend` can only refuse; nothing after it can change what is sent.

mod behalf;
mod days;
mod enter;
mod held;
mod looked;
mod refuse;
mod seen;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tracing::{Instrument as _, Span, debug_span};
use wardlock_audit::{OutcomeGuard, Receipt, Separation, Took, failpoint};
use wardlock_core::canonical::CanonicalRequest;
use wardlock_core::chain::ChainOutcome;
use wardlock_core::classify::Classified;
use wardlock_core::connection::Connection;
use wardlock_core::decision::{Approval, Asked, Decision, Permit, decide};
use wardlock_core::id::{AgentName, RequestId, WorkspaceName};
use wardlock_core::plugin::Caller;
use wardlock_core::refusal::{Code, Refusal};
use wardlock_core::rules::Judge;
use wardlock_egress::Busy;
use wardlock_egress::vault::VaultError;
use wardlock_sandbox::{Quotas, RequestContext, run_chain};
use wardlock_state::Counting;

use crate::delivery::{Judges, UnderWay, deliver};
use crate::drafts;
use crate::gate::Gate;
use crate::host::Host;
use crate::ingress::{AgentRequest, DryRun, Peer, RawRequest, Reply, UnreadBody};
use crate::loaded::OpenConnection;
use crate::metrics::Sending;
use crate::quotas::Taking;
use crate::recorder::{Judged, PendingRecord, Recording};
use crate::{own, report};
use enter::{Entered, enter};
use held::{Concluded, Waits, concluded, dry_run_ends, hold};
use looked::Looked;
use refuse::{refuse, refuse_locked, shape_of};
use seen::{Scheme, Seen};

pub use behalf::{Ended, OnBehalf, run_for};

/// Carries one request all the way, and writes its record whatever happens.
pub async fn run(gate: &Gate, peer: &Peer, id: RequestId, raw: RawRequest, body: UnreadBody) -> Reply {
    failpoint::pass("after-admission");
    let mut seen = Seen::new();
    let entered = match gate.host() {
        Ok(host) => enter(&host, peer, raw, &mut seen)
            .map_err(|stop| (stop, host.rates().told_after(seen.agent.as_ref().map(|agent| &agent.name)))),
        Err(locked) => {
            seen.tell_as(raw);
            Err((locked.into(), Duration::ZERO))
        }
    };
    // No host is held while a body comes: a slow client must not keep the vault from being locked.
    let arrived = match entered {
        Ok(entered) => entered.read(body).await,
        Err((stop, wait)) => {
            body.pass_by().await;
            tokio::time::sleep(wait).await;
            Err(stop)
        }
    };
    seen.began = Instant::now();
    let host = match gate.host() {
        Ok(host) => host,
        Err(locked) => return refuse_locked(gate, &id, &seen, &locked),
    };
    let token = arrived.as_ref().ok().and_then(Entered::token_to_wait_with);
    let carried = match arrived {
        Ok(entered) => carry(&host, peer, &id, entered, &mut seen).await,
        Err(stop) => Err(stop),
    };
    let waits = seen.waits.take();
    let shape = waits.as_ref().and_then(|_| shape_of(&host, &seen)).filter(|_| !seen.wants_problem_json);
    let reply = match carried {
        Ok(reply) => reply,
        Err(stop) => refuse(&host, peer.separation(), &id, seen, stop).await,
    };
    match waits {
        None => reply,
        Some(waits) => {
            // No host is held while a person thinks.
            drop(host);
            Waits { token, shape, ..waits }.out(gate, &id, reply).await
        }
    }
}

/// A request that goes no further.
struct Stop {
    decision: &'static str,
    refusal: Refusal,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self { decision: "deny", refusal }
    }
}

async fn carry(
    host: &Host,
    peer: &Peer,
    id: &RequestId,
    entered: Entered,
    seen: &mut Seen,
) -> Result<Reply, Stop> {
    let (agent, request, place) = entered.still_known(host)?;
    refuse_frozen(host, &agent.workspace)?;
    if own::is_own(&request.target) {
        // Reading about a request of one's own sends nothing and writes no row.
        return answer_own(host, id, &agent, &request, seen).await;
    }
    refuse_secrets(host, request.parts())?;
    seen.purpose.clone_from(&request.purpose);
    seen.prefers = request.prefers;
    let dry_run = request.dry_run;
    // A dry run is told what a request would be told, and takes nothing.
    let counting = if dry_run.is_asked() { Counting::Looks } else { Counting::Takes };
    let via = via(host, &request);
    let canonical = canonicalise(request, seen)?;
    let (open, request) = resolve(host, &agent, canonical, seen)?;
    let issued = Issued {
        agent: agent.name,
        open,
        via,
        dry_run,
        separation: peer.separation(),
        approval: None,
        by_agent: true,
        checks: false,
        counting,
    };
    let reply = judge_and_send(host, id, issued, request, seen).await?;
    Ok(reply.holding(place))
}

/// A request of an agent on a connection, and how it came here.
struct Issued {
    agent: AgentName,
    open: Arc<OpenConnection>,
    via: Option<String>,
    dry_run: DryRun,
    separation: Separation,
    /// Where it is a draft that is released.
    approval: Option<Approval>,
    /// Whether an agent asks: it counts for its rates, and is kept as a draft where it is held.
    by_agent: bool,
    /// Whether the provider only checks it.
    checks: bool,
    /// Whether it takes of its plugins' quotas.
    counting: Counting,
}

/// Steps 5 to 13, whoever brings the request.
async fn judge_and_send(
    host: &Host,
    id: &RequestId,
    issued: Issued,
    request: CanonicalRequest,
    seen: &mut Seen,
) -> Result<Reply, Stop> {
    let Issued { agent, open, via, dry_run, separation, approval, by_agent, checks, counting } = issued;
    let connection = open.for_agent(&agent);
    // Looked at once: what requests are compared with is what the permit says.
    let pinned = pin(host, id, &connection, seen);
    let (tenant, generation) = pinned.as_ref().map(|asked| (asked.tenant.clone(), asked.generation)).ok().unzip();
    let writes = host.write_level(&open, &connection, generation);
    let judge =
        Judge::new(Arc::clone(&connection), agent.clone(), writes).pinned_to(tenant).that_only_checks(checks);
    let classified = judge.classify(request)?;
    Span::current().record("operation", &*classified.operation().name);
    seen.classified = Some(Arc::new(classified.clone()));
    judge.check(&classified)?;
    if by_agent {
        host.rates().take_parts(&agent, classified.parts().len())?;
    }
    let judge = days::known(host, judge, &classified).await?;
    let asked = Asked { via, approval, ..pinned? };
    let context = context(host, id, &connection, &agent, &asked, dry_run.is_asked());
    let quotas = Taking::new(host.state().reserve(&connection.workspace, counting));
    let chain = ask_plugins(host, &judge, &open, &context, &quotas, classified);
    let (classified, outcome, recording) = chain.instrument(debug_span!("chain")).await;
    let asked_for = Arc::new(classified.clone());
    seen.classified = Some(Arc::clone(&asked_for));
    let decision = decide(&judge, classified, outcome, asked);
    let record = recording.and_then(|recording| record(host, recording, &context, &decision, &open));
    let concluded = concluded(decision, seen);
    if dry_run.is_asked() {
        let looked = Looked { host, concluded: &concluded, connection: &connection, agent: &agent, separation };
        let mut told = json!({ "changes": looked.changes(&asked_for).await });
        if dry_run == DryRun::Provider {
            told["provider"] = looked.by_provider(&asked_for).await;
        }
        return Err(dry_run_ends(concluded, seen, &asked_for, &connection, &told));
    }
    let permit = match concluded {
        Concluded::Permitted(permit) => *permit,
        Concluded::Stopped(stop) => return Err(stop),
        // Nobody waits for it: a proof, or a look at what stands there now.
        Concluded::Held(_, refusal) if !by_agent => return Err(Stop { decision: "hold", refusal }),
        Concluded::Held(held, refusal) => {
            let refusal = drafts::keep(host, &held, refusal, separation).await;
            return Err(hold(refusal, &held, seen));
        }
    };
    failpoint::pass("after-decision");
    let judges = Judges { open, context, classified: asked_for, record };
    carry_out(host, separation, id, Allowed { permit, quotas, judges }, seen).await
}

/// Asks the chain; what it was asked is noted where the workspace records that. Dry runs are not requests.
async fn ask_plugins(
    host: &Host,
    judge: &Judge,
    open: &OpenConnection,
    context: &RequestContext,
    quotas: &Arc<Taking>,
    classified: Classified,
) -> (Classified, ChainOutcome, Option<Recording>) {
    let mut recording = host.recorder().begin(&open.connection.workspace).filter(|_| !context.dry_run);
    let quotas: Arc<dyn Quotas> = quotas.clone();
    let quotas = recording.as_ref().map_or_else(|| Arc::clone(&quotas), |noted| noted.watch(Arc::clone(&quotas)));
    let asked = recording.as_mut().map(Recording::asked);
    let (classified, outcome) = run_chain(judge, &open.plugins, context, &quotas, classified, asked).await;
    (classified, outcome, recording)
}

/// Hands over what the chain was asked; where plugins will judge the answer, what to go on noting with.
fn record(
    host: &Host,
    recording: Recording,
    context: &RequestContext,
    decision: &Decision,
    open: &OpenConnection,
) -> Option<PendingRecord> {
    let decided = match decision {
        Decision::Allow(_) => "allow",
        Decision::Hold { .. } => "hold",
        Decision::Deny { .. } => "deny",
    };
    let judged = Judged {
        id: context.id.clone(),
        at_ms: context.now_ms,
        caller: context.caller.clone(),
        decision: decided,
    };
    let goes_on = recording.wants_answers() && matches!(decision, Decision::Allow(_)) && open.judges_answers();
    let pending = recording.judged(host.recorder(), judged);
    goes_on.then_some(pending)
}

/// A request that is allowed, what its plugins took, and who judges its answer.
struct Allowed {
    permit: Permit,
    quotas: Arc<Taking>,
    judges: Judges,
}

/// Writes down that an allowed request is sent, sends it, and delivers its answer.
async fn carry_out(
    host: &Host,
    separation: Separation,
    id: &RequestId,
    allowed: Allowed,
    seen: &mut Seen,
) -> Result<Reply, Stop> {
    let Allowed { permit, quotas, judges } = allowed;
    let turn = host.egress().turn(&permit, host.config().queue_timeout()).await.map_err(busy)?;
    // Once more: plugins and other calls take their time, and a freeze is meant at once.
    refuse_frozen(host, &judges.open.connection.workspace)?;
    // Before the quotas: what is refused here takes none.
    days::count(host, &permit).await?;
    let taken = quotas.commit().await?;
    failpoint::pass("after-quotas");
    let (receipt, guard) = record_intent(host, &permit, separation, &taken, seen).await?;
    let waited = turn.waited();
    let under_way = UnderWay {
        began: seen.began,
        guard,
        counted: count_allowed(seen, waited),
        unread_timeout: host.config().unread_timeout(),
        _turn: turn,
    };
    let sent = host.egress().send(permit, receipt).await;
    match deliver(id, sent, judges, under_way).await.map_err(audit_unavailable)? {
        Ok(reply) => Ok(reply.after_waiting(waited)),
        Err((outcome, refusal)) => {
            seen.outcome = Some(outcome);
            Err(Stop { decision: "allow", refusal })
        }
    }
}

/// Writes INTENT: without its receipt nothing is sent.
async fn record_intent(
    host: &Host,
    permit: &Permit,
    separation: Separation,
    taken: &[Took],
    seen: &mut Seen,
) -> Result<(Receipt, OutcomeGuard), Stop> {
    let intent = host.audit().intend(permit, separation, seen.began.elapsed(), taken);
    let written = intent.instrument(debug_span!("audit", row = "intent")).await.map_err(audit_unavailable)?;
    seen.recorded = true;
    Ok(written)
}

/// Counts a request that is recorded as allowed, and what will come of it.
fn count_allowed(seen: &Seen, waited: Duration) -> Option<Sending> {
    Span::current().record("decision", "allow");
    let metrics = seen.metrics.as_ref()?;
    metrics.request(seen.effect(), "allow");
    metrics.waited(waited);
    Some(Sending::new(Arc::clone(metrics)))
}

/// An agent, authenticated.
#[derive(Clone)]
struct Agent {
    name: AgentName,
    workspace: WorkspaceName,
}

fn refuse_frozen(host: &Host, workspace: &WorkspaceName) -> Result<(), Refusal> {
    if host.state().is_frozen(workspace) { Err(report::frozen(workspace)) } else { Ok(()) }
}

/// The address under which the agent reached the host, where it named one.
fn via(host: &Host, request: &AgentRequest) -> Option<String> {
    request.host.as_ref().map(|name| format!("{}://{name}", host.config().scheme_of(name)))
}

async fn answer_own(
    host: &Host,
    id: &RequestId,
    agent: &Agent,
    request: &AgentRequest,
    seen: &mut Seen,
) -> Result<Reply, Stop> {
    let whose = (agent.workspace.as_str(), agent.name.as_str());
    let via = via(host, request);
    let asked = (request.method.as_str(), request.target.as_str());
    let reply = own::answer(host, id, whose, asked, via.as_deref()).await?;
    if let (Some(patience), Some(draft)) = (request.prefers.wait, own::draft_asked_about(&request.target)) {
        seen.waits = Some(Waits {
            draft: draft.to_owned(),
            patience,
            via,
            whose: agent.clone(),
            wants_answer: false,
            token: None,
            shape: None,
        });
    }
    Ok(reply)
}

/// A stored secret inside an agent's own request is refused before any plugin or row sees it (promise 1).
pub fn refuse_secrets<'a>(host: &Host, parts: impl Iterator<Item = &'a [u8]>) -> Result<(), Refusal> {
    for part in parts {
        if host.egress().contains_secret(part).map_err(|error| vault_locked(&error))? {
            return Err(Refusal::new(Code::SecretInRequest, "secrets", "a stored secret stands in the request")
                .hint("agents never need a credential here; find out how this one came by it"));
        }
    }
    Ok(())
}

fn vault_locked(error: &VaultError) -> Refusal {
    tracing::error!(%error, "the vault cannot be read");
    Refusal::new(Code::VaultLocked, "vault", "the vault is locked or cannot be read")
        .hint("the operator runs `wardlock doctor`")
}

fn canonicalise(request: AgentRequest, seen: &mut Seen) -> Result<CanonicalRequest, Refusal> {
    let AgentRequest { method, target, headers, body, .. } = request;
    let canonical = CanonicalRequest::parse(&method, &target, headers, body).map_err(|error| error.refusal())?;
    seen.canonical = Some(canonical.clone());
    Ok(canonical)
}

fn resolve(
    host: &Host,
    agent: &Agent,
    canonical: CanonicalRequest,
    seen: &mut Seen,
) -> Result<(Arc<OpenConnection>, CanonicalRequest), Refusal> {
    let Some((named, request)) = canonical.split_prefix(2) else {
        return Err(Refusal::new(Code::UnknownConnection, "workspace", "the path names no connection")
            .hint("call `/{workspace}/{connection}/{path as upstream}`"));
    };
    let [workspace, connection] = <[String; 2]>::try_from(named).unwrap_or_default();
    seen.named = Some((workspace.clone(), connection.clone()));
    seen.canonical = Some(request.clone());
    if workspace != agent.workspace.as_str() {
        let detail = format!("this agent belongs to workspace `{}` and asked for another", agent.workspace);
        return Err(Refusal::new(Code::WorkspaceMismatch, "workspace", detail)
            .hint(format!("call `/{}/…`", agent.workspace)));
    }
    let open = host.loaded().open(&agent.workspace, &connection)?;
    Span::current().record("connection", open.connection.name.as_str());
    seen.connection = Some(Arc::clone(&open.connection));
    seen.metrics = Some(open.metrics(host.metrics()));
    Ok((open, request))
}

/// Checks that the grant is there and is the tenant that the connection is pinned to.
fn pin(host: &Host, id: &RequestId, connection: &Connection, seen: &mut Seen) -> Result<Asked, Refusal> {
    let grant = host.egress().grant_status(&connection.grant).map_err(|error| vault_locked(&error))?;
    let grant = grant.ok_or_else(|| {
        let detail = format!("connection `{}` has no grant `{}`", connection.name, connection.grant);
        Refusal::new(Code::ServiceNotConnected, "grant", detail)
            .hint(format!("the operator runs `{}`", report::connect_command(connection)))
    })?;
    let tenant = report::pinned_tenant(connection, &grant)?;
    seen.tenant = Some(tenant.clone());
    Ok(Asked {
        id: id.clone(),
        purpose: seen.purpose.clone(),
        tenant,
        generation: grant.generation,
        via: None,
        approval: None,
    })
}

fn context(
    host: &Host,
    id: &RequestId,
    connection: &Connection,
    agent: &AgentName,
    asked: &Asked,
    dry_run: bool,
) -> RequestContext {
    let caller = Caller {
        workspace: connection.workspace.to_string(),
        connection: connection.name.to_string(),
        agent: agent.to_string(),
        region: connection.region.to_string(),
        tenant: Some(asked.tenant.clone()),
    };
    RequestContext {
        id: id.clone(),
        now_ms: host.now_ms(),
        caller,
        purpose: asked.purpose.clone(),
        dry_run,
        approved_by: asked.approval.as_ref().map(|approval| approval.by.join(", ")),
    }
}

fn busy(busy: Busy) -> Refusal {
    Refusal::new(Code::UpstreamBusy, "turns", busy.to_string())
        .hint("nothing was sent; send fewer at once, or have the operator set `concurrency` to what the edition takes")
        .retry_after(2)
}

#[expect(clippy::needless_pass_by_value, reason = "fits `map_err`")]
fn audit_unavailable(error: wardlock_audit::AuditError) -> Refusal {
    tracing::error!(%error, "the audit cannot record");
    Refusal::new(Code::AuditUnavailable, "audit", "the audit cannot record, so nothing more is done")
        .hint("the operator runs `wardlock doctor`")
}
