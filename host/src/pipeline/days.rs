//! Bounds on a day's records: looked at when a write is judged, and counted before it is sent.

use wardlock_core::classify::Classified;
use wardlock_core::decision::Permit;
use wardlock_core::plugin::Effect;
use wardlock_core::refusal::{Code, Refusal};
use wardlock_core::rules::{Judge, written};
use wardlock_state::DayLimit;

use crate::host::Host;

/// Tells the judge what writes have touched today, where anything bounds that.
pub(super) async fn known(host: &Host, judge: Judge, classified: &Classified) -> Result<Judge, Refusal> {
    let connection = judge.connection();
    if classified.operation().effect == Effect::Read || !connection.write_rules.bound_days() {
        return Ok(judge);
    }
    let (state, workspace, name) = (host.state().clone(), connection.workspace.clone(), connection.name.clone());
    let touched =
        tokio::task::spawn_blocking(move || state.touched_today(workspace.as_str(), name.as_str())).await;
    match touched {
        Ok(Ok(touched)) => Ok(judge.having_touched(touched)),
        Ok(Err(error)) => Err(uncounted(&error)),
        Err(error) => Err(uncounted(&error)),
    }
}

/// Counts what a permitted write touches. What a person approved is counted, and passes; another may have had the last of
/// the day's records since this one was judged.
pub(super) async fn count(host: &Host, permit: &Permit) -> Result<(), Refusal> {
    let (connection, operation) = (permit.connection(), permit.classified().operation());
    let rules = &connection.write_rules;
    if operation.effect == Effect::Read || !rules.bound_days() {
        return Ok(());
    }
    let is_approved = permit.approval().is_some();
    let bounds = rules.a_day(written(permit.classified())).into_iter();
    let limits = bounds.map(|bound| DayLimit {
        what: bound.what.to_owned(),
        most: (!is_approved).then_some(bound.most),
        // What a person approved may be without bound; as much of it is counted as is known.
        records: bound.known,
    });
    let (limits, state): (Vec<DayLimit>, _) = (limits.collect(), host.state().clone());
    let (workspace, name) = (connection.workspace.clone(), connection.name.clone());
    let counted = tokio::task::spawn_blocking(move || state.touch(workspace.as_str(), name.as_str(), &limits));
    match counted.await {
        Ok(Ok(None)) => Ok(()),
        Ok(Ok(Some(_))) => {
            let detail =
                "other writes have touched the last of the records that pass today without a person's approval";
            Err(Refusal::new(Code::DayLimitReached, "max_records_a_day", detail))
        }
        Ok(Err(error)) => Err(uncounted(&error)),
        Err(error) => Err(uncounted(&error)),
    }
}

fn uncounted(error: &impl std::fmt::Display) -> Refusal {
    tracing::error!(%error, "what writes touch in a day cannot be counted");
    let detail = "what writes touch in a day cannot be counted, so nothing is sent";
    Refusal::new(Code::QuotaUnavailable, "max_records_a_day", detail)
}
