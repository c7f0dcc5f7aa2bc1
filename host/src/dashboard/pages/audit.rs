//! The audit: its newest rows, those that a filter lets through, and those that come while somebody looks.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use url::form_urlencoded;
use wardlock_audit::escape_json;

use super::{Frame, Mark, Prose, failed, moment, page, rows, word};
use crate::admin::{AuditFilter, Command, Failure};
use crate::dashboard::ask::ask;
use crate::dashboard::visit::{Answer, Visit};
use crate::dashboard::visitors::Visitor;
use crate::gate::Gate;
use crate::host::now_ms;

/// From which length on a result is no word.
const LONG: usize = 40;
/// How many rows a page shows.
const ROWS: u32 = 50;
/// How long a page that renews itself waits for new rows, and how often it is looked.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(400);

/// A row in words: for the page, and for its script, which builds the same.
#[derive(Debug, Serialize)]
pub(super) struct Seen {
    pub(super) sequence: u64,
    pub(super) time: String,
    pub(super) stamp: String,
    pub(super) what: String,
    pub(super) place: String,
    pub(super) agent: String,
    pub(super) class: &'static str,
    pub(super) sign: &'static str,
    pub(super) words: String,
    pub(super) code: String,
    pub(super) request: String,
}

impl Seen {
    fn of(row: &Value) -> Self {
        let some = |name: &str| super::maybe(&row[name]).unwrap_or_default();
        let Mark { class, sign, words } = mark(row);
        let place = [some("workspace"), some("connection")];
        Self {
            sequence: row["sequence"].as_u64().unwrap_or_default(),
            time: moment(&row["time"]),
            stamp: some("time"),
            what: super::maybe(&row["act"]).unwrap_or_else(|| word(&row["operation"])),
            place: place.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/"),
            agent: some("agent"),
            class,
            sign,
            words,
            // What the mark says already is not said twice.
            code: Some(some("code")).filter(|code| code != "held").unwrap_or_default(),
            request: some("request"),
        }
    }
}

fn mark(row: &Value) -> Mark {
    let word_of = |name: &str| row[name].as_str().unwrap_or_default();
    match (word_of("kind"), word_of("decision"), word_of("outcome")) {
        ("intent", ..) => Mark::plain("allowed, and sent"),
        ("outcome", _, "ok") => Mark::good("answered: ok"),
        ("outcome", _, "failed" | "unknown" | "aborted") => {
            Mark::bad(format!("answered: {}", word(&row["outcome"])))
        }
        ("outcome", ..) => Mark::plain(format!("answered: {}", word(&row["outcome"]))),
        ("refusal", "hold", _) => Mark::waits("held for a person"),
        ("refusal", ..) => Mark::bad("denied"),
        ("admin", ..) => act("act", word_of("result")),
        ("grant", ..) => act("act on a grant", word_of("result")),
        (kind, ..) => Mark::plain(kind),
    }
}

/// How an act ended; of one that was done as it was meant to, only what it was.
fn act(what: &str, result: &str) -> Mark {
    let is_bad =
        ["refused", "failed", "problems", "not-sent", "unknown"].iter().any(|bad| result.starts_with(bad));
    match result {
        bad if is_bad => Mark::bad(word(&bad.into())),
        "ok" | "" => Mark::plain(what),
        // A digest says nothing here.
        long if long.len() > LONG => Mark::plain(what),
        word_of => Mark::plain(format!("{what}: {}", word(&word_of.into()))),
    }
}

/// Returns the newest rows, the newest first.
pub(super) async fn newest(gate: &Arc<Gate>, limit: u32) -> Result<Vec<Seen>, Failure> {
    let filter = Box::new(AuditFilter { limit, ..AuditFilter::default() });
    let listed = ask(gate, Command::AuditList { filter }).await?;
    let mut seen: Vec<Seen> = rows(&listed).map(Seen::of).collect();
    seen.reverse();
    Ok(seen)
}

/// A field of the filter.
struct Field {
    name: &'static str,
    label: &'static str,
    value: String,
    hint: &'static str,
    options: &'static [&'static str],
}

/// The fields that are always shown, then the rest: name, label, hint, and what may stand there.
type FieldOf = (&'static str, &'static str, &'static str, &'static [&'static str]);
const FIRST: [FieldOf; 6] = [
    ("workspace", "Workspace", "", &[]),
    ("connection", "Connection", "", &[]),
    ("agent", "Agent", "", &[]),
    ("decision", "Decision", "", &AuditFilter::DECISIONS),
    ("kind", "Kind of row", "", &AuditFilter::KINDS),
    ("since", "Since", "24h, or 2026-11-25", &[]),
];
const MORE: [FieldOf; 12] = [
    ("until", "Until", "24h, or 2026-11-25", &[]),
    ("service", "Service", "", &[]),
    ("operation", "Operation", "records.list", &[]),
    ("effect", "Effect", "", &AuditFilter::EFFECTS),
    ("resource", "Resource", "Leads", &[]),
    ("region", "Region", "", &[]),
    ("tenant", "Account", "", &[]),
    ("outcome", "Outcome", "", &AuditFilter::OUTCOMES),
    ("code", "Code of a refusal", "writes_off", &[]),
    ("plugin", "Plugin", "name or digest", &[]),
    ("value", "Value in a path", "a record's id", &[]),
    ("act", "Act", "agent.add", &[]),
];

fn fields(visit: &Visit, of: &[FieldOf]) -> Vec<Field> {
    let field = |&(name, label, hint, options): &FieldOf| {
        let value = visit.filled(name).unwrap_or_default();
        Field { name, label, value, hint, options }
    };
    of.iter().map(field).collect()
}

/// What is filled in, as an address has it.
fn query(visit: &Visit) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, ..) in FIRST.iter().chain(&MORE) {
        query.extend_pairs(visit.filled(name).map(|value| (*name, value)));
    }
    query.finish()
}

fn filter(visit: &Visit) -> Result<AuditFilter, Failure> {
    let number = |name: &str| visit.filled(name).and_then(|text| text.parse().ok());
    let time = |name: &str| visit.filled(name).map(|text| crate::text::moment(&text, now_ms())).transpose();
    Ok(AuditFilter {
        since_ms: time("since").map_err(no_time)?,
        until_ms: time("until").map_err(no_time)?,
        before: number("before"),
        after: number("after"),
        limit: ROWS,
        workspace: visit.filled("workspace"),
        connection: visit.filled("connection"),
        agent: visit.filled("agent"),
        service: visit.filled("service"),
        operation: visit.filled("operation"),
        effect: visit.filled("effect"),
        resource: visit.filled("resource"),
        region: visit.filled("region"),
        tenant: visit.filled("tenant"),
        decision: visit.filled("decision"),
        outcome: visit.filled("outcome"),
        code: visit.filled("code"),
        plugin: visit.filled("plugin"),
        value: visit.filled("value"),
        kind: visit.filled("kind"),
        act: visit.filled("act"),
    })
}

fn no_time(problem: String) -> Failure {
    Failure::usage(problem).hint(crate::text::MOMENT_HINT)
}

#[derive(Template)]
#[template(path = "dashboard/audit.html")]
struct AuditPage {
    frame: Frame,
    /// Why no rows are shown: what is filled in cannot be asked.
    problem: Option<Prose>,
    first: Vec<Field>,
    more: Vec<Field>,
    more_open: bool,
    seen: Vec<Seen>,
    query: String,
    /// The newest row that is shown, behind which the live ones come; none where older ones are looked at.
    live_after: Option<u64>,
    older: Option<u64>,
}

/// Shows rows.
pub(in crate::dashboard) async fn audit(gate: &Arc<Gate>, visitor: &Visitor, visit: &Visit) -> Answer {
    let form = form(gate, visitor, visit).await;
    match shown(gate, visit).await {
        Ok(Shown { seen, live_after, older }) => page(200, &AuditPage { seen, live_after, older, ..form }),
        // A wrong use: the form stays as it was filled in, for whoever mends it.
        Err(failure) if failure.is_usage() => {
            page(400, &AuditPage { problem: Some(super::sentences(&failure)), ..form })
        }
        Err(failure) => failed(&failure),
    }
}

/// The page without rows.
async fn form(gate: &Arc<Gate>, visitor: &Visitor, visit: &Visit) -> AuditPage {
    let more = fields(visit, &MORE);
    AuditPage {
        frame: Frame::of(gate, visitor, "audit", "Audit").await,
        problem: None,
        first: fields(visit, &FIRST),
        more_open: more.iter().any(|field| !field.value.is_empty()),
        more,
        seen: Vec::new(),
        query: query(visit),
        live_after: None,
        older: None,
    }
}

/// The rows of a page.
struct Shown {
    seen: Vec<Seen>,
    live_after: Option<u64>,
    older: Option<u64>,
}

async fn shown(gate: &Arc<Gate>, visit: &Visit) -> Result<Shown, Failure> {
    let asked = AuditFilter { after: None, ..filter(visit)? };
    let is_newest = asked.before.is_none();
    // Before the rows are: what comes in between is then shown as new, and not lost. It is a row that was there, whether or not the
    // filter lets it through.
    let last = newest(gate, 1).await?.first().map_or(0, |row| row.sequence);
    let listed = ask(gate, Command::AuditList { filter: Box::new(asked) }).await?;
    let mut seen: Vec<Seen> = rows(&listed).map(Seen::of).collect();
    seen.reverse();
    let after = seen.first().map_or(last, |row| row.sequence.max(last));
    let is_full = seen.len() == ROWS as usize;
    Ok(Shown {
        live_after: is_newest.then_some(after),
        older: seen.last().map(|row| row.sequence).filter(|_| is_full),
        seen,
    })
}

/// Gives a page's script the rows that came, as soon as there are some. It is asked again then; so nothing is held for long, and whoever
/// signs out or locks the vault ends it.
pub(in crate::dashboard) async fn live(gate: &Arc<Gate>, visit: &Visit) -> Answer {
    let asked = match filter(visit) {
        Ok(asked) => AuditFilter { after: Some(asked.after.unwrap_or_default()), before: None, ..asked },
        Err(failure) => return failed(&failure),
    };
    let end = Instant::now() + PATIENCE;
    loop {
        if !is_signed_in(gate, visit) {
            return super::sign_in();
        }
        let listed = match ask(gate, Command::AuditList { filter: Box::new(asked.clone()) }).await {
            Ok(listed) => listed,
            Err(failure) => return failed(&failure),
        };
        let seen: Vec<Seen> = rows(&listed).map(Seen::of).collect();
        if !seen.is_empty() || Instant::now() >= end {
            return Answer::data(&json!({ "rows": seen }));
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn is_signed_in(gate: &Gate, visit: &Visit) -> bool {
    let host = gate.opened();
    let visitor = host
        .as_ref()
        .zip(visit.session())
        .and_then(|(host, cookie)| host.visitors().visitor(cookie, visit.user, false, host.now_ms()));
    visitor.is_some()
}

#[derive(Template)]
#[template(path = "dashboard/request.html")]
struct RequestPage {
    frame: Frame,
    id: String,
    rows: Vec<(String, String)>,
}

/// Shows everything that is recorded of one request.
pub(in crate::dashboard) async fn request(gate: &Arc<Gate>, visitor: &Visitor, id: &str) -> Answer {
    let found = match ask(gate, Command::AuditShow { request_id: id.to_owned() }).await {
        Ok(found) => found,
        Err(failure) => return failed(&failure),
    };
    let shown = rows(&found).map(|row| {
        let text = serde_json::to_string_pretty(row).unwrap_or_default();
        (format!("Row {}: {}", word(&row["sequence"]), word(&row["kind"])), escape_json(&text))
    });
    let rows = shown.collect();
    let frame = Frame::of(gate, visitor, "audit", "One request").await;
    page(200, &RequestPage { frame, id: word(&Value::from(id)), rows })
}

#[derive(Template)]
#[template(path = "dashboard/verified.html")]
struct Verified {
    frame: Frame,
    sound: Mark,
    text: String,
}

/// Shows what walking the log found.
pub(in crate::dashboard) async fn verified(gate: &Arc<Gate>, visitor: &Visitor, found: &Value) -> Answer {
    let sound = if found["ok"] == true {
        Mark::good("every row, head and index entry is as it was written, as far as the log itself tells")
    } else {
        Mark::bad("the log is not as it was written")
    };
    let text = escape_json(&serde_json::to_string_pretty(found).unwrap_or_default());
    let frame = Frame::of(gate, visitor, "audit", "The audit, checked").await;
    page(200, &Verified { frame, sound, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: &str, result: &str, expect: (&str, &str)) {
        let mark = mark(&json!({ "kind": kind, "act": "drafts.approve draft_1", "result": result }));
        assert_eq!((mark.class, mark.words.as_str()), expect);
    }

    #[test]
    fn a_refused_act_does_not_look_like_one_that_was_done() {
        check("admin", "ok", ("plain", "act"));
        check("admin", "refused", ("bad", "refused"));
        check("admin", "sent", ("plain", "act: sent"));
        check("grant", "failed: invalid_code", ("bad", "failed: invalid_code"));
        check("admin", &"0".repeat(64), ("plain", "act"));
    }
}
