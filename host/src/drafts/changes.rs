//! What stands at the provider now beside what a request would put there: for whoever approves it, and for dry runs.

use std::pin::Pin;

use serde_json::{Map, Value, json};
use wardlock_core::answer::Outcome;
use wardlock_core::canonical::Method;
use wardlock_core::classify::{Becomes, By, Change, Classified, Look, Most};
use wardlock_core::id::AgentName;
use wardlock_core::plugin::Effect;

use crate::host::Host;
use crate::ids::new_request_id;
use crate::ingress::KeptAnswer;
use crate::pipeline::{self, Ended, OnBehalf};

/// How many records are read as they are now: each costs a call.
const MOST_READ: usize = 10;
/// How many records have a row of their own. A provider takes a hundred at once; a body may hold as many as it likes.
const MOST_ROWS: usize = 200;
/// How many fields of a record are shown that would be written. No provider has as many.
const MOST_WRITTEN: usize = 500;
/// How many fields of a record that would be gone are shown, where the read tells all.
const MOST_LOST: usize = 40;
/// How long a field's name may be that stands in a sentence of each row.
const LONGEST_NAME: usize = 100;

/// A record that a request would change, and in which of its parts.
struct Row {
    part: Option<u32>,
    of: Of,
}

enum Of {
    /// The request names it in a way that is known here.
    Record(Box<Change>),
    /// A whole request that destroys: its operation and its line.
    Destroyed { id: Option<String>, operation: String, line: String },
}

/// All that a request would change: the first of it, in the order in which it names it, and how much more there is.
#[derive(Default)]
struct Found {
    rows: Vec<Row>,
    looks: usize,
    more: usize,
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
        let found = Found::in_all(classified);
        if found.rows.is_empty() {
            return Value::Null;
        }
        let mut reader = Reader { host, asked, counted, left: MOST_READ };
        let mut rows = Vec::new();
        for row in found.rows {
            rows.push(reader.row(row).await);
        }
        if found.more > 0 {
            let told_of = format!("{} more records are in the request and not shown here", found.more);
            rows.push(told(None, &told_of));
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
                let now = self.read(&change).await;
                shown(&change, &now)
            }
            Of::Destroyed { id, operation, line } => {
                let problem = format!(
                    "not read: `{operation}` is destructive, and the service's definition does not tell how what it names is read: {line}"
                );
                told(id.as_deref(), &problem)
            }
        };
        if let Some(part) = row.part {
            shown["part"] = part.into();
        }
        shown
    }

    /// What stands there now.
    async fn read(&mut self, change: &Change) -> Now {
        let look = match (&change.look, &change.becomes) {
            (Some(look), _) => look,
            (None, Becomes::Made) => return Now::Nothing,
            (None, Becomes::Upserted(by)) if by.more > 0 || by.first.is_empty() || self.left > 0 => {
                return Now::Unread(unsearched(by));
            }
            (None, _) if self.left == 0 => {
                return Now::Unread(format!("not read: only the first {MOST_READ} are"));
            }
            (None, _) => {
                return Now::Unread("not read: how it is named here tells no read of it".to_owned());
            }
        };
        self.left = self.left.saturating_sub(1);
        let ended = match self.counted.map_or(Ok(()), |agent| self.host.rates().take(agent)) {
            Ok(()) => {
                pipeline::run_for(self.host, &new_request_id(), self.asked.clone(), look.request.clone()).await
            }
            Err(refusal) => Ended::refused(refusal),
        };
        now(&ended, look, &change.becomes)
    }
}

/// What stands where a request would change something.
enum Now {
    /// This record.
    Record(Map<String, Value>),
    /// Surely nothing: it would be made.
    Nothing,
    /// It is not known, and why.
    Unread(String),
}

/// A row that only says something.
fn told(id: Option<&str>, problem: &str) -> Value {
    json!({ "record": id, "fields": [], "problem": problem })
}

/// A record's row: what stands there beside what would.
fn shown(change: &Change, now: &Now) -> Value {
    let own = || change.look.as_ref().zip(record_of(now)).and_then(|(look, record)| record.get(&look.id));
    let id = change.id.clone().or_else(|| own().and_then(Value::as_str).map(str::to_owned));
    let (fields, more) = match change.becomes {
        Becomes::Gone => lost(change, now),
        Becomes::Made | Becomes::Changed | Becomes::Upserted(_) => (beside(change, now), change.more_fields),
    };
    let problem = match now {
        Now::Unread(problem) => Some(problem),
        Now::Record(_) | Now::Nothing => None,
    };
    let mut row = json!({ "record": id, "fields": fields, "problem": problem });
    let becomes = match (&change.becomes, now) {
        (Becomes::Gone, _) => Some("gone"),
        (_, Now::Nothing) => Some("made"),
        (Becomes::Made | Becomes::Changed | Becomes::Upserted(_), Now::Record(_) | Now::Unread(_)) => None,
    };
    if let Some(becomes) = becomes {
        row["would_be"] = becomes.into();
    }
    if let Some(note) = note(change, now, more) {
        row["note"] = note.into();
    }
    row
}

/// What a row says besides.
fn note(change: &Change, now: &Now, more: usize) -> Option<String> {
    let found = match (&change.becomes, now) {
        (Becomes::Upserted(by), Now::Record(_)) => {
            Some(format!("it has the same value in {}, so it would be overwritten", listed(by)))
        }
        (Becomes::Upserted(by), Now::Nothing) => Some(format!(
            "the search finds nothing that has the same value in {}; it may lag behind, and the provider may look in fields of its \
             own besides",
            listed(by)
        )),
        _ => None,
    };
    let unshown = (more > 0).then(|| match change.becomes {
        Becomes::Gone => format!("{more} more fields stand there and are not shown here"),
        Becomes::Made | Becomes::Changed | Becomes::Upserted(_) => {
            format!("{more} more fields would be written and are not shown here")
        }
    });
    let all: Vec<String> = found.into_iter().chain(unshown).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

fn record_of(now: &Now) -> Option<&Map<String, Value>> {
    match now {
        Now::Record(record) => Some(record),
        Now::Nothing | Now::Unread(_) => None,
    }
}

/// What would stand there beside what does. A field that was not asked for, or does not stand in the answer, has no current value, not
/// even none.
fn beside(change: &Change, now: &Now) -> Vec<Value> {
    let of = |(field, proposed): (&String, &Value)| {
        let current = match (now, &change.look) {
            (Now::Record(record), Some(look)) => look.value(record, field),
            _ => Some(Value::Null),
        };
        match current {
            Some(current) => json!({ "field": field, "current": current, "proposed": proposed }),
            None => json!({ "field": field, "proposed": proposed }),
        }
    };
    change.proposed.iter().map(of).collect()
}

/// What would be lost, and how many more fields would.
fn lost(change: &Change, now: &Now) -> (Vec<Value>, usize) {
    let (Some(look), Some(record)) = (&change.look, record_of(now)) else { return (Vec::new(), 0) };
    let all: Vec<String> = look.fields.clone().unwrap_or_else(|| record.keys().cloned().collect());
    let of = |field: &String| match look.value(record, field) {
        Some(current) => json!({ "field": field, "current": current }),
        None => json!({ "field": field }),
    };
    let fields: Vec<Value> = all.iter().take(MOST_LOST).map(of).collect();
    let more = all.len() - fields.len();
    (fields, more)
}

/// Why nothing is looked for that an upsert would overwrite.
fn unsearched(by: &By) -> String {
    let place = &by.place;
    if by.first.is_empty() {
        return format!(
            "not read: the request names no fields in `{place}`, so the provider chooses by which it finds a record that it overwrites, \
             and makes one where it finds none"
        );
    }
    if by.more > 0 {
        let most = by.first.len();
        return format!(
            "not read: the request names more than {most} fields in `{place}`, and no more than {most} are searched by"
        );
    }
    format!(
        "not read: it overwrites the record that has the same value in {}, and those values tell no search of it",
        listed(by)
    )
}

/// Fields in a sentence of ours, in which an agent's words have no place.
fn listed(by: &By) -> String {
    let is_plain = |name: &String| {
        name.len() <= LONGEST_NAME && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
    };
    if !by.first.iter().all(is_plain) {
        return "the fields that it names for that".to_owned();
    }
    let quoted: Vec<String> = by.first.iter().map(|field| format!("`{field}`")).collect();
    quoted.join(" or ")
}

impl Found {
    fn in_all(classified: &Classified) -> Self {
        let mut found = Self::default();
        if classified.parts().is_empty() {
            found.add(None, classified);
        }
        for part in classified.parts() {
            found.add(Some(part.number()), part.classified());
        }
        found
    }

    /// Adds as much as still has its row of what one request would change.
    fn add(&mut self, part: Option<u32>, of: &Classified) {
        let most = Most {
            records: MOST_ROWS.saturating_sub(self.rows.len()),
            fields: MOST_WRITTEN,
            looks: MOST_READ.saturating_sub(self.looks),
        };
        if destroys_as_a_whole(of) {
            match most.records {
                0 => self.more += 1,
                _ => self.rows.push(Row { part, of: destroyed(of) }),
            }
            return;
        }
        let changes = of.changes(most);
        self.looks += changes.first.iter().filter(|change| change.look.is_some()).count();
        self.more += changes.more;
        self.rows.extend(changes.first.into_iter().map(|change| Row { part, of: Of::Record(Box::new(change)) }));
    }
}

fn has_row(of: &Classified) -> bool {
    of.names_changes() || destroys_as_a_whole(of)
}

/// Whether a request is destructive and does not say of what in a way that is known here.
fn destroys_as_a_whole(of: &Classified) -> bool {
    of.operation().effect == Effect::Destructive && !of.names_changes()
}

fn destroyed(of: &Classified) -> Of {
    let id = of.parameters().iter().find(|given| given.name == "id").map(|given| given.value.clone());
    let line = format!("{} {}", of.request().method().as_str(), of.request().path_and_query());
    Of::Destroyed { id, operation: of.operation().name.clone(), line }
}

/// Says why a request has no row of what it would change; `None`: it has some.
pub fn unread(classified: &Classified) -> Option<String> {
    let parts = classified.parts();
    if parts.iter().any(|part| has_row(part.classified())) || parts.is_empty() && has_row(classified) {
        return None;
    }
    let operation = classified.operation();
    Some(match operation.effect {
        Effect::Read => "not read: it changes nothing".to_owned(),
        // What a POST does is its definition's to tell; whatever another method changes is there already.
        Effect::Write | Effect::Destructive if classified.request().method() == Method::Post => format!(
            "not read: the service's definition does not tell how what `{}` changes is read; what it makes anew stands nowhere yet",
            operation.name
        ),
        Effect::Write | Effect::Destructive => format!(
            "not read: the service's definition does not tell how what `{}` changes is read",
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

/// What an answer says of what stands there now.
fn now(ended: &Ended, look: &Look, becomes: &Becomes) -> Now {
    let (answer, outcome) = match ended {
        Ended::Refused { refusal, .. } => return Now::Unread(format!("not read: {}", refusal.detail)),
        Ended::Answered { answer: Some(answer), outcome } => (answer, *outcome),
        Ended::Answered { answer: None, .. } => {
            return Now::Unread("not read: the answer is too large to be kept, or broke off".to_owned());
        }
    };
    let body = serde_json::from_slice::<Value>(&answer.body).ok();
    // What a failed read answers with is no record, wherever it stands.
    let records =
        body.as_ref().filter(|_| outcome == Outcome::Ok).map(|body| look.records(body)).unwrap_or_default();
    match (records.as_slice(), becomes) {
        ([record], _) => Now::Record((*record).clone()),
        ([], Becomes::Upserted(_)) if outcome == Outcome::Ok => found_nothing(answer),
        ([], _) => Now::Unread(not_found(outcome)),
        ([_, _, ..], Becomes::Upserted(by)) => Now::Unread(format!(
            "not read: several records have the same value in {}, and the provider decides which it overwrites",
            listed(by)
        )),
        ([_, _, ..], _) => Now::Unread("not read: its answer holds several records in its place".to_owned()),
    }
}

/// What a search says that shows no record: surely nothing only where there is no body at all. Of one that has a body, a plugin may
/// have cut the record on the way.
fn found_nothing(answer: &KeptAnswer) -> Now {
    if answer.body.is_empty() {
        return Now::Nothing;
    }
    Now::Unread("not read: the answer shows no record, and may not show all".to_owned())
}
