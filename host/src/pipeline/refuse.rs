//! How a request ends that goes no further: a row where it has one, a number, and words that its client reads.

use std::sync::Arc;

use tracing::{Instrument as _, Span, debug_span};
use wardlock_audit::{Described, Refused, Separation};
use wardlock_core::canonical::CanonicalRequest;
use wardlock_core::id::RequestId;
use wardlock_core::refusal::Refusal;
use wardlock_core::service::{RefusalShape, ServiceDefinition};

use super::{Agent, Seen, Stop, audit_unavailable};
use crate::gate::Gate;
use crate::host::Host;
use crate::ingress::Reply;
use crate::loaded::Services;

/// Tells the agent no, and the audit why. Where even that cannot be recorded, the agent is told so.
pub(super) async fn refuse(host: &Host, separation: Separation, id: &RequestId, seen: Seen, stop: Stop) -> Reply {
    let Stop { decision, refusal } = stop;
    let shape = shape_of(host, &seen).filter(|_| !seen.wants_problem_json);
    let (outcome, respond_async) = (seen.outcome, seen.prefers.respond_async);
    if !seen.recorded {
        // Of a request that was sent it stands there already, and a second one would stand beside the first.
        Span::current().record("decision", decision);
    }
    count_refused(host, &seen, decision);
    // Before authentication, and of floods, only sums are recorded; a sent request has its rows already; a dry run writes nothing
    // when it would have been allowed.
    let unrecorded = !seen.recorded && decision != "allow";
    let has_a_row =
        |agent: &Agent| unrecorded && host.sums().has_a_row(&agent.workspace, &agent.name, refusal.code);
    let record = seen.agent.as_ref().is_some_and(has_a_row);
    let record = record.then(|| host.audit().refuse(refused(id, separation, seen, decision, &refusal)));
    if let Some(record) = record
        && let Err(error) = record.instrument(debug_span!("audit", row = "refused")).await
    {
        let refusal = audit_unavailable(error);
        host.metrics().audit.unrecorded.inc();
        host.metrics().refused(refusal.code);
        return Reply::refused(id, "deny", None, &refusal, shape.as_ref());
    }
    host.metrics().refused(refusal.code);
    let reply = Reply::refused(id, decision, outcome, &refusal, shape.as_ref());
    let accepts = respond_async && refusal.draft.is_some();
    if accepts { reply.accepted(id, &refusal, shape.as_ref()) } else { reply }
}

/// Counts a request of a known agent that was not sent. Only names that the configuration holds become labels.
fn count_refused(host: &Host, seen: &Seen, decision: &str) {
    let (Some(agent), false) = (&seen.agent, seen.recorded) else {
        return;
    };
    if let Some(metrics) = &seen.metrics {
        metrics.request(seen.effect(), decision);
        return metrics.took(seen.began.elapsed());
    }
    let (loaded, workspace) = (host.loaded(), agent.workspace.as_str());
    let named = seen.named.as_ref().filter(|(named, _)| named == workspace).map(|(_, connection)| connection);
    let connection = named.and_then(|name| loaded.connection(workspace, name));
    let connection = connection.map_or("", |found| found.connection.name.as_str());
    let workspace = if loaded.has_workspace(&agent.workspace) { workspace } else { "" };
    host.metrics().request(workspace, connection, seen.effect(), decision);
}

/// Tells an agent that the vault is locked. Nothing more can be known then: agents' tokens and records are behind it.
pub(super) fn refuse_locked(gate: &Gate, id: &RequestId, seen: &Seen, locked: &Refusal) -> Reply {
    gate.seat().metrics.refused(locked.code);
    let shape = if seen.wants_problem_json { None } else { shape_of_scheme(&Services::built_in(), seen) };
    Reply::refused(id, "deny", None, locked, shape.as_ref())
}

/// The error shape that the agent's client reads: its connection's, or where no connection is known, that of the
/// service whose own scheme it used. Which workspaces there are must not show in it.
pub(super) fn shape_of(host: &Host, seen: &Seen) -> Option<RefusalShape> {
    if let Some(connection) = &seen.connection {
        return connection.service.refusal.clone();
    }
    shape_of_scheme(&host.services(), seen)
}

/// Several services may have one scheme; then the one that knows the path is meant.
fn shape_of_scheme(services: &Services, seen: &Seen) -> Option<RefusalShape> {
    let scheme = seen.scheme.as_ref()?;
    let fitting = || services.iter().filter(|service| service.inject.prefix.trim_end() == scheme.name);
    let request = CanonicalRequest::parse(&scheme.method, &scheme.target, Vec::new(), Vec::new()).ok();
    let path = request.and_then(|request| request.split_prefix(2));
    let knows = |service: &&Arc<ServiceDefinition>| {
        path.as_ref().is_some_and(|(_, path)| service.route(path.method(), path.segments()).is_some())
    };
    // Of a path that nobody knows, a scheme that many have (`Bearer`) tells nothing.
    let only = || {
        let first = fitting().next()?;
        fitting().all(|other| first.provider.is_some() && other.provider == first.provider).then_some(first)
    };
    fitting().find(knows).or_else(only)?.refusal.clone()
}

fn refused(id: &RequestId, separation: Separation, seen: Seen, decision: &str, refusal: &Refusal) -> Refused {
    let mut refused = Refused::new(id.clone(), refusal)
        .separation(separation)
        .decided(seen.began.elapsed())
        .verdicts(seen.verdicts)
        .purpose(seen.purpose.as_deref());
    match (&seen.classified, &seen.canonical) {
        (Some(classified), _) => refused = refused.asking(classified),
        (None, Some(canonical)) => {
            let service = seen.connection.as_ref().map(|connection| &*connection.service);
            refused.described = Described::canonical(canonical, service);
        }
        (None, None) => refused.described = Described::unread(&seen.method),
    }
    if let Some(agent) = &seen.agent {
        refused = refused.by(agent.workspace.as_str(), agent.name.as_str());
    }
    if let Some((workspace, connection)) = seen.named {
        let own = seen.agent.as_ref().is_some_and(|agent| agent.workspace.as_str() == workspace);
        refused.connection = own.then_some(connection);
        refused.asked_workspace = (!own).then_some(workspace);
    }
    if let Some(connection) = &seen.connection {
        refused = refused.on(connection);
    }
    refused.tenant = seen.tenant.or(refused.tenant);
    if decision == "hold" { refused.held() } else { refused }
}
