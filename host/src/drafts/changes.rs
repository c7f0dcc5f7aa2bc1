//! What stands at the provider now beside what a request would put there: for whoever approves it, and for dry runs.

use std::pin::Pin;

use serde_json::{Value, json};
use wardlock_core::answer::Outcome;
use wardlock_core::classify::Classified;
use wardlock_core::id::AgentName;
use wardlock_core::plugin::Effect;
use wardlock_core::service::Change;

use crate::host::{Host, new_request_id};
use crate::pipeline::{self, Ended, OnBehalf};

/// How many records are read as they are now: each costs a call.
const MOST_READ: usize = 10;
/// How many records have a row of their own. A provider takes a hundred at once; a body may hold as many as it likes.
const MOST_ROWS: usize = 200;

/// A record that a request would change, and in which of its parts.
struct Row {
    part: Option<u32>,
    of: Of,
}

enum Of {
    /// The body says what would stand there.
    Record(Change),
    /// A whole request that destroys: its operation and its line.
    Destroyed { id: Option<String>, operation: String, line: String },
}

/// Returns a row for each record that a request would change or take away: what would stand there, and what stands there now as far
/// as it is read, as its agent would read it: by requests that are judged and recorded like any other. What is not read, and how
/// many are not shown, stands in the rows. Null where it changes none, or its definition does not say where they stand.
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
        let found = found(classified);
        if found.is_empty() {
            return Value::Null;
        }
        let more = found.len().saturating_sub(MOST_ROWS);
        let mut reader = Reader { host, asked, counted, left: MOST_READ };
        let mut rows = Vec::new();
        for row in found.into_iter().take(MOST_ROWS) {
            rows.push(reader.row(row).await);
        }
        if more > 0 {
            rows.push(told(None, &format!("{more} more records are in the request and not shown here")));
        }
        Value::Array(rows)
    })
}

/// Reads records as they are now, as long as it may.
struct Reader<'a> {
    host: &'a Host,
    asked: OnBehalf<'a>,
    counted: Option<&'a AgentName>,
    left: usize,
}

impl Reader<'_> {
    async fn row(&mut self, row: Row) -> Value {
        let mut shown = match row.of {
            Of::Record(change) => {
                let (current, problem) = self.read(&change).await;
                beside(&change, current.as_ref(), problem.as_deref())
            }
            Of::Destroyed { id, operation, line } => {
                let problem =
                    format!("not read: `{operation}` is destructive, and what it names would be gone: {line}");
                told(id.as_deref(), &problem)
            }
        };
        if let Some(part) = row.part {
            shown["part"] = part.into();
        }
        shown
    }

    /// The record as it is now, or why it cannot be told.
    async fn read(&mut self, change: &Change) -> (Option<Value>, Option<String>) {
        let Some(read) = &change.read else {
            return (None, Some("not read: how it is named here tells no read of it".to_owned()));
        };
        let Some(left) = self.left.checked_sub(1) else {
            return (None, Some(format!("not read: only the first {MOST_READ} are")));
        };
        self.left = left;
        let ended = match self.counted.map_or(Ok(()), |agent| self.host.rates().take(agent)) {
            Ok(()) => pipeline::run_for(self.host, &new_request_id(), self.asked.clone(), read.clone()).await,
            Err(refusal) => Ended::refused(refusal),
        };
        current_of(&ended, &change.found)
    }
}

/// A row that only says something.
fn told(id: Option<&str>, problem: &str) -> Value {
    json!({ "record": id, "fields": [], "problem": problem })
}

/// What would stand there beside what does.
fn beside(change: &Change, current: Option<&Value>, problem: Option<&str>) -> Value {
    let fields = change.proposed.iter().map(|(field, proposed)| {
        let now = current.map(|record| record.get(field).cloned().unwrap_or(Value::Null));
        json!({ "field": field, "current": now, "proposed": proposed })
    });
    json!({ "record": change.id, "fields": fields.collect::<Vec<_>>(), "problem": problem })
}

/// All that it would change, in the order in which it names them.
fn found(classified: &Classified) -> Vec<Row> {
    if classified.parts().is_empty() {
        return found_in(None, classified);
    }
    classified.parts().iter().flat_map(|part| found_in(Some(part.number()), part.classified())).collect()
}

fn found_in(part: Option<u32>, of: &Classified) -> Vec<Row> {
    let records: Vec<Row> = of.changes().into_iter().map(|change| Row { part, of: Of::Record(change) }).collect();
    if !records.is_empty() || of.operation().effect != Effect::Destructive {
        return records;
    }
    let id = of.parameters().iter().find(|given| given.name == "id").map(|given| given.value.clone());
    let line = format!("{} {}", of.request().method().as_str(), of.request().path_and_query());
    vec![Row { part, of: Of::Destroyed { id, operation: of.operation().name.clone(), line } }]
}

/// Says why a request has no row of what it would change; `None`: it has some.
pub fn unread(classified: &Classified) -> Option<String> {
    if !found(classified).is_empty() {
        return None;
    }
    let operation = classified.operation();
    Some(match operation.effect {
        Effect::Read => "not read: it changes nothing".to_owned(),
        Effect::Write | Effect::Destructive => format!(
            "not read: the service's definition does not tell how what `{}` changes is read, and what it would make stands nowhere yet",
            operation.name
        ),
    })
}

/// Says that no record stands in the answer to a read.
fn not_found(outcome: Outcome) -> String {
    match outcome {
        Outcome::Ok => "not found: the provider has no such record, or shows it to nobody here".to_owned(),
        other => format!("not found: the provider's answer to the read was `{}`", other.as_str()),
    }
}

/// The record as it is now, or why it cannot be told.
fn current_of(ended: &Ended, found: &str) -> (Option<Value>, Option<String>) {
    match ended {
        Ended::Refused { refusal, .. } => (None, Some(format!("not read: {}", refusal.detail))),
        Ended::Answered { answer, outcome } => {
            let body = answer.as_ref().and_then(|answer| serde_json::from_slice::<Value>(&answer.body).ok());
            let record = body.as_ref().and_then(|body| body.pointer(found)).cloned();
            let problem = record.is_none().then(|| not_found(*outcome));
            (record, problem)
        }
    }
}
