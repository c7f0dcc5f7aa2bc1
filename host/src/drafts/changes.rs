//! What stands at the provider now beside what a request would put there: for whoever approves it, and for dry runs.

use std::pin::Pin;

use serde_json::{Value, json};
use wardlock_core::classify::Classified;
use wardlock_core::id::AgentName;
use wardlock_core::service::Change;

use crate::host::{Host, new_request_id};
use crate::pipeline::{self, Ended, OnBehalf};

/// How many records are read as they are now: each costs a call.
const MOST_RECORDS: usize = 10;

/// Reads each record that a request would change, as its agent would read it: by requests that are judged and recorded like any
/// other. Null where it changes none, or the service does not say how they are read.
///
/// `counted` is the agent whose rates the reads count for; nobody's where a person looks.
///
/// Boxed, because the path of a request that is only looked at leads here, and from here on to those reads.
pub fn changes<'a>(
    host: &'a Host,
    asked: OnBehalf<'a>,
    counted: Option<&'a AgentName>,
    classified: &'a Classified,
) -> Pin<Box<dyn Future<Output = Value> + Send + 'a>> {
    Box::pin(async move {
        let found = changed_records(classified);
        if found.is_empty() {
            return Value::Null;
        }
        let mut rows = Vec::new();
        for (part, change) in found {
            let ended = match counted.map_or(Ok(()), |agent| host.rates().take(agent)) {
                Ok(()) => pipeline::run_for(host, &new_request_id(), asked.clone(), change.read).await,
                Err(refusal) => Ended::refused(refusal),
            };
            let (current, problem) = current_of(&ended, &change.found);
            let fields = change.proposed.iter().map(|(field, proposed)| {
                let now = current.as_ref().map(|record| record.get(field).cloned().unwrap_or(Value::Null));
                json!({ "field": field, "current": now, "proposed": proposed })
            });
            let mut row = json!({ "record": change.id, "fields": fields.collect::<Vec<_>>(), "problem": problem });
            if let Some(part) = part {
                row["part"] = part.into();
            }
            rows.push(row);
        }
        Value::Array(rows)
    })
}

/// Returns whether a request would change records that the service says how to read.
pub fn changes_something(classified: &Classified) -> bool {
    !changed_records(classified).is_empty()
}

/// The records that it would change, and in which of its parts.
fn changed_records(classified: &Classified) -> Vec<(Option<u32>, Change)> {
    let changes = |part: Option<u32>, of: &Classified| {
        of.changes(MOST_RECORDS).into_iter().map(move |change| (part, change)).collect::<Vec<_>>()
    };
    let in_parts = classified.parts().iter().flat_map(|part| changes(Some(part.number()), part.classified()));
    changes(None, classified).into_iter().chain(in_parts).take(MOST_RECORDS).collect()
}

/// The record as it is now, or why it cannot be told.
fn current_of(ended: &Ended, found: &str) -> (Option<Value>, Option<String>) {
    match ended {
        Ended::Refused { refusal, .. } => (None, Some(format!("not read: {}", refusal.detail))),
        Ended::Answered { answer, outcome } => {
            let body = answer.as_ref().and_then(|answer| serde_json::from_slice::<Value>(&answer.body).ok());
            let record = body.as_ref().and_then(|body| body.pointer(found)).cloned();
            let problem = record.is_none().then(|| format!("not found: the answer was {}", outcome.as_str()));
            (record, problem)
        }
    }
}
