//! Drafts: which wait, what each would do, and what a person's word came to.

use std::sync::Arc;

use askama::Template;
use serde_json::Value;
use wardlock_audit::escape_json;
use wardlock_egress::vault::{Operator, Role};

use super::plain::told_in_session;
use super::{Frame, Mark, failed, maybe, moment, page, rows, word};
use crate::admin::{Command, Failure};
use crate::dashboard::ask::ask;
use crate::dashboard::visit::{Answer, Visit};
use crate::dashboard::visitors::Visitor;
use crate::gate::Gate;
use crate::host::Host;
use crate::ops;
use crate::text::{UNCOUNTED, for_terminal_lines};

/// A draft as the list shows it.
struct DraftRow {
    id: String,
    operation: String,
    connection: String,
    agent: String,
    effect: Mark,
    state: Mark,
    held: String,
    expires: String,
    waits: bool,
}

impl DraftRow {
    fn of(row: &Value) -> Self {
        let effect = word(&row["effect"]);
        Self {
            id: word(&row["draft"]),
            operation: word(&row["operation"]),
            connection: word(&row["connection"]),
            agent: word(&row["agent"]),
            effect: if effect == "destructive" { Mark::bad(effect) } else { Mark::plain(effect) },
            state: state(row["state"].as_str().unwrap_or_default()),
            held: moment(&row["held"]),
            expires: moment(&row["expires"]),
            waits: row["state"] == "held",
        }
    }
}

fn state(word: &str) -> Mark {
    match word {
        "held" => Mark::waits("waits for a person"),
        "releasing" => Mark::waits("is being sent"),
        "sent" => Mark::good("sent"),
        "not-sent" => Mark::bad("approved, and not sent"),
        "rejected" => Mark::plain("rejected"),
        "expired" => Mark::plain("expired"),
        "unknown" => Mark::bad("unknown: it may have been executed, so look at the provider"),
        other => Mark::plain(other),
    }
}

#[derive(Template)]
#[template(path = "dashboard/drafts.html")]
struct DraftsPage {
    frame: Frame,
    drafts: Vec<DraftRow>,
    all: bool,
}

/// Lists drafts.
pub(in crate::dashboard) async fn drafts(gate: &Arc<Gate>, visitor: &Visitor, visit: &Visit) -> Answer {
    let all = visit.filled("all").is_some();
    let listed = match ask(gate, Command::DraftsList { all }).await {
        Ok(listed) => listed,
        Err(failure) => return failed(&failure),
    };
    let drafts = rows(&listed).map(DraftRow::of).collect();
    page(200, &DraftsPage { frame: Frame::of(gate, visitor, "drafts", "Drafts").await, drafts, all })
}

#[derive(Template)]
#[template(path = "dashboard/draft.html")]
struct DraftPage {
    frame: Frame,
    draft: DraftRow,
    facts: Vec<(&'static str, String)>,
    ended: Vec<(&'static str, String)>,
    records: Vec<Record>,
    sends: Option<Sends>,
    request_sha256: String,
    /// How one says yes here.
    yes: Yes,
}

/// A record that would change.
struct Record {
    id: Option<String>,
    /// In which part, where the request carries several.
    part: Option<String>,
    problem: Option<String>,
    fields: Vec<ChangedField>,
}

struct ChangedField {
    name: String,
    /// `None`: it could not be read.
    current: Option<String>,
    proposed: String,
    same: bool,
}

/// Exactly what would be sent.
struct Sends {
    method: String,
    host: String,
    target: String,
    headers: Vec<String>,
    body: Option<String>,
    body_sha256: String,
    parts: Vec<PartRow>,
}

/// One of the requests that another carries.
struct PartRow {
    part: String,
    operation: String,
    effect: String,
    line: String,
    records: String,
}

/// How a person says yes.
#[derive(Debug, PartialEq, Eq)]
enum Yes {
    /// By typing the connection's name: nobody has a key here.
    Typed,
    /// By a passkey of one of these operators.
    Passkey {
        /// Their names.
        operators: String,
    },
    /// By no means in a browser: no operator has a passkey.
    CommandLine,
}

impl Yes {
    fn of(operators: &[Operator]) -> Self {
        if operators.is_empty() {
            return Self::Typed;
        }
        let with: Vec<&str> = operators
            .iter()
            .filter(|operator| operator.role >= Role::Approver && !operator.passkeys.is_empty())
            .map(|operator| operator.name.as_str())
            .collect();
        if with.is_empty() { Self::CommandLine } else { Self::Passkey { operators: with.join(", ") } }
    }
}

/// Shows one draft. What stands at the provider now is read for it, as `drafts show` does.
pub(in crate::dashboard) async fn draft(
    gate: &Arc<Gate>,
    host: &Arc<Host>,
    visitor: &Visitor,
    id: &str,
) -> Answer {
    match shown(gate, host, visitor, id).await {
        Ok(shown) => page(200, &shown),
        Err(_) if matches!(ops::is_draft(host, id).await, Ok(false)) => {
            let sentences =
                ["There is no such draft: the address is wrong, or the draft ended more than a week ago."];
            told_in_session(404, "No such draft", &sentences, ("/drafts", "To the drafts"))
        }
        Err(failure) => failed(&failure),
    }
}

async fn shown(gate: &Arc<Gate>, host: &Arc<Host>, visitor: &Visitor, id: &str) -> Result<DraftPage, Failure> {
    let shown = ask(gate, Command::DraftsShow { id: id.to_owned() }).await?;
    let operators = ops::operators_of(host).await?;
    let draft = DraftRow::of(&shown);
    let would = &shown["would_send"];
    let title = format!("{} on {}", draft.operation, draft.connection);
    Ok(DraftPage {
        frame: Frame::of(gate, visitor, "drafts", title).await,
        facts: facts(&draft, &shown),
        ended: ended(&shown),
        records: rows(&shown["changes"]).map(record).collect(),
        sends: would.is_object().then(|| sends(would)),
        request_sha256: word(&shown["request_sha256"]),
        yes: Yes::of(&operators),
        draft,
    })
}

fn facts(draft: &DraftRow, shown: &Value) -> Vec<(&'static str, String)> {
    let would = &shown["would_send"];
    let mut facts = vec![("Asked by", format!("agent {}", draft.agent))];
    let records = would.is_object().then(|| maybe(&would["records"]).unwrap_or_else(|| UNCOUNTED.to_owned()));
    let more = [
        ("Its purpose", maybe(&would["purpose"])),
        ("Held because", maybe(&would["reason"])),
        ("Held by", maybe(&would["held_by"])),
        ("Account", maybe(&would["tenant"])),
        ("Touches", maybe(&would["resources"])),
        ("How many records", records),
        ("What stands there now", maybe(&shown["changes_note"]).filter(|_| draft.waits)),
        ("Approvals", approvals(shown)),
        ("Held since", Some(format!("{} UTC", draft.held))),
        ("Waits until", Some(format!("{} UTC", draft.expires)).filter(|_| draft.waits)),
    ];
    facts.extend(more.into_iter().filter_map(|(name, value)| Some((name, value?))));
    facts
}

/// Who has approved so far, where several people must.
fn approvals(shown: &Value) -> Option<String> {
    let wanted = shown["approvals_wanted"].as_u64().filter(|wanted| *wanted > 1)?;
    let by = rows(&shown["approved_by"]).count();
    Some(match by {
        0 => format!("none of {wanted} yet"),
        _ => format!("{by} of {wanted}: {}", word(&shown["approved_by"])),
    })
}

fn ended(shown: &Value) -> Vec<(&'static str, String)> {
    let facts = [
        ("Decided", maybe(&shown["decided"]).map(|_| format!("{} UTC", moment(&shown["decided"])))),
        ("By", maybe(&shown["decided_by"])),
        ("Outcome", maybe(&shown["outcome"])),
        ("Code", maybe(&shown["code"]).filter(|code| code != "held")),
        ("Why", maybe(&shown["why"])),
    ];
    facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn record(row: &Value) -> Record {
    let field = |field: &Value| {
        let (current, proposed) = (&field["current"], &field["proposed"]);
        ChangedField {
            name: word(&field["field"]),
            current: row["problem"].is_null().then(|| written(current)),
            proposed: written(proposed),
            same: row["problem"].is_null() && current == proposed,
        }
    };
    Record {
        id: maybe(&row["record"]),
        part: row["part"].as_u64().map(|part| part.to_string()),
        problem: maybe(&row["problem"]),
        fields: rows(&row["fields"]).map(field).collect(),
    }
}

/// A value of a record: nothing is told apart from an empty text.
fn written(value: &Value) -> String {
    match value {
        Value::Null => "(nothing)".to_owned(),
        Value::String(text) if text.is_empty() => "(empty)".to_owned(),
        Value::Array(_) | Value::Object(_) => pretty(value),
        value => word(value),
    }
}

fn pretty(value: &Value) -> String {
    escape_json(&serde_json::to_string_pretty(value).unwrap_or_default())
}

fn sends(would: &Value) -> Sends {
    Sends {
        method: word(&would["method"]),
        host: word(&would["host"]),
        target: word(&would["target"]),
        headers: rows(&would["headers"]).map(word).collect(),
        body: match &would["body"] {
            Value::Null => None,
            Value::String(text) => Some(for_terminal_lines(text)),
            json => Some(pretty(json)),
        },
        body_sha256: word(&would["body_sha256"]),
        parts: rows(&would["parts"]).map(part).collect(),
    }
}

fn part(row: &Value) -> PartRow {
    PartRow {
        part: row["part"].to_string(),
        operation: word(&row["operation"]),
        effect: word(&row["effect"]),
        line: format!("{} {}", word(&row["method"]), word(&row["target"])),
        records: row["records"].as_u64().map_or_else(|| "not known".to_owned(), |records| records.to_string()),
    }
}

#[derive(Template)]
#[template(path = "dashboard/decided.html")]
struct Decided {
    frame: Frame,
    draft: String,
    mark: Mark,
    facts: Vec<(&'static str, String)>,
    request: Option<String>,
}

/// Shows what a person's word came to.
pub(in crate::dashboard) async fn decided(gate: &Arc<Gate>, visitor: &Visitor, ended: &Value) -> Answer {
    let state_word = ended["state"].as_str().unwrap_or_default();
    let mark = match state_word {
        "held" if !ended["approvals_wanted"].is_null() => Mark::waits("approved, and more people must"),
        "held" => Mark::bad("not sent: it waits on, for another approval"),
        "rejected" => Mark::plain("rejected: nothing was sent, and its agent learns that"),
        other => state(other),
    };
    let title = match state_word {
        "sent" => "Approved and sent",
        "rejected" => "Rejected",
        "held" if !ended["approvals_wanted"].is_null() => "Approved",
        _ => "Not sent",
    };
    let facts = [
        ("Approvals", approvals(ended)),
        ("Outcome", maybe(&ended["outcome"])),
        ("The provider answered", maybe(&ended["status"])),
        ("Code", maybe(&ended["code"])),
        ("Why", maybe(&ended["detail"])),
        ("What to do", maybe(&ended["hint"])),
    ];
    let decided = Decided {
        frame: Frame::of(gate, visitor, "drafts", title).await,
        draft: word(&ended["draft"]),
        mark,
        facts: facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
        request: maybe(&ended["request_id"]),
    };
    page(200, &decided)
}
