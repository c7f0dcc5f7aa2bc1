//! Drafts: which wait, what each would do, and what a person's word came to.

use std::sync::Arc;

use askama::Template;
use serde_json::Value;
use wardlock_audit::escape_json;
use wardlock_core::answer::Outcome;
use wardlock_egress::vault::{Operator, Role};

use super::plain::told_in_session;
use super::{Frame, Mark, Prose, failed, maybe, moment, page, rows, word};
use crate::admin::{Command, Failure};
use crate::dashboard::ask::ask;
use crate::dashboard::visit::{Answer, Visit};
use crate::dashboard::visitors::Visitor;
use crate::drafts::{done_of_it, failures_in_words};
use crate::gate::Gate;
use crate::host::Host;
use crate::ops;
use crate::text::{UNCOUNTED, for_terminal_lines};

/// From how many characters or lines on a value is folded up, and how much of it shows then.
const LONG: usize = 300;
const TALL: usize = 12;
const BEGIN: usize = 80;
/// How many records stand open; the rest of them is folded up.
const OPEN: usize = 10;

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
            state: state(row),
            held: moment(&row["held"]),
            expires: moment(&row["expires"]),
            waits: row["state"] == "held",
        }
    }
}

/// Where a draft stands; of one that was sent also how much the provider did.
fn state(row: &Value) -> Mark {
    match row["state"].as_str().unwrap_or_default() {
        "held" => Mark::waits("waits for a person"),
        "releasing" => Mark::waits("is being sent"),
        "sent" => sent(outcome(row)),
        "not-sent" => Mark::bad("approved, and not sent"),
        "rejected" => Mark::plain("rejected"),
        "expired" => Mark::plain("expired"),
        "unknown" => Mark::bad("unknown: it may have been executed, so look at the provider"),
        other => Mark::plain(other),
    }
}

fn outcome(row: &Value) -> Option<Outcome> {
    row["outcome"].as_str().and_then(Outcome::parse)
}

fn sent(outcome: Option<Outcome>) -> Mark {
    let done = outcome.and_then(done_of_it);
    let words = done.map_or_else(|| "sent".to_owned(), |done| format!("sent, and {done}"));
    match outcome {
        Some(Outcome::Failed | Outcome::Unknown) => Mark::bad(words),
        Some(Outcome::Partial) => Mark::part(words),
        Some(Outcome::Scheduled | Outcome::Streamed | Outcome::Aborted) => Mark::plain(words),
        Some(Outcome::Ok) | None => Mark::good(words),
    }
}

#[derive(Template)]
#[template(path = "dashboard/drafts.html")]
struct DraftsPage {
    frame: Frame,
    frozen: Vec<(String, String)>,
    drafts: Vec<DraftRow>,
    all: bool,
}

/// Lists drafts.
pub(in crate::dashboard) async fn drafts(
    gate: &Arc<Gate>,
    host: &Arc<Host>,
    visitor: &Visitor,
    visit: &Visit,
) -> Answer {
    let all = visit.filled("all").is_some();
    let listed = match ask(gate, Command::DraftsList { all }).await {
        Ok(listed) => listed,
        Err(failure) => return failed(&failure),
    };
    let drafts = rows(&listed).map(DraftRow::of).collect();
    let frame = Frame::of(gate, visitor, "drafts", "Drafts").await;
    page(200, &DraftsPage { frame, frozen: super::frozen(host), drafts, all })
}

#[derive(Template)]
#[template(path = "dashboard/draft.html")]
struct DraftPage {
    frame: Frame,
    /// What freezes it, while it waits.
    frozen: Vec<(String, String)>,
    draft: DraftRow,
    facts: Vec<(&'static str, String)>,
    /// What came of the form that led here.
    decided: Option<Decided>,
    ended: Vec<(&'static str, String)>,
    /// The request that released it.
    release: Option<String>,
    records: Vec<Record>,
    /// Those that are folded up.
    more_records: Vec<Record>,
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
    problem: Option<Prose>,
    /// What it would be, where that is more than changed: `gone`, `made`.
    would_be: Option<String>,
    note: Option<Prose>,
    fields: Vec<ChangedField>,
}

struct ChangedField {
    name: String,
    /// `None`: it could not be read.
    current: Option<Written>,
    /// `None`: nothing, because the record would be gone.
    proposed: Option<Written>,
    same: bool,
}

/// A value of a record. Agents write them, so only what a template marks up is a word of the host's.
#[derive(Debug, PartialEq, Eq)]
enum Written {
    /// No value.
    Nothing,
    /// The JSON that it is: a text stands in quotation marks.
    Json(String),
    /// The same, so long that it is folded up behind its beginning.
    Long { begin: String, chars: usize, json: String },
}

impl Written {
    fn of(value: &Value) -> Self {
        if value.is_null() {
            return Self::Nothing;
        }
        let json = pretty(value);
        let chars = json.chars().count();
        if chars <= LONG && json.lines().count() <= TALL {
            return Self::Json(json);
        }
        let begin = json.lines().next().unwrap_or_default().chars().take(BEGIN).collect();
        Self::Long { begin, chars, json }
    }
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
    let mut records: Vec<Record> = rows(&shown["changes"]).map(record).collect();
    let more_records = records.split_off(OPEN.min(records.len()));
    Ok(DraftPage {
        frame: Frame::of(gate, visitor, "drafts", title).await,
        frozen: freezing(host, &shown),
        facts: facts(&draft, &shown),
        decided: host.visitors().kept(visitor, id).as_ref().map(Decided::of),
        ended: ended(&shown),
        release: maybe(&shown["request_id"]),
        records,
        more_records,
        sends: would.is_object().then(|| sends(would)),
        request_sha256: word(&shown["request_sha256"]),
        yes: Yes::of(&operators),
        draft,
    })
}

fn freezing(host: &Host, shown: &Value) -> Vec<(String, String)> {
    let names: Vec<String> = rows(&shown["frozen"]).map(word).collect();
    super::frozen(host).into_iter().filter(|(name, _)| names.contains(name)).collect()
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
        ("Fields", maybe(&would["fields"])),
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
        ("The provider's code", maybe(&shown["provider_code"])),
        ("What failed", failures_in_words(&shown["failures"])),
        ("Code", maybe(&shown["code"]).filter(|code| code != "held")),
        ("Why", maybe(&shown["why"])),
    ];
    facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn record(row: &Value) -> Record {
    let field = |field: &Value| {
        let current = field.get("current").filter(|_| row["problem"].is_null());
        let proposed = field.get("proposed");
        ChangedField {
            name: name(&field["field"]),
            current: current.map(Written::of),
            proposed: proposed.map(Written::of),
            same: current.is_some() && current == proposed && row["would_be"].is_null(),
        }
    };
    Record {
        id: (!row["record"].is_null()).then(|| name(&row["record"])),
        part: row["part"].as_u64().map(|part| part.to_string()),
        problem: maybe(&row["problem"]).map(Prose),
        would_be: maybe(&row["would_be"]),
        note: maybe(&row["note"]).map(Prose),
        fields: rows(&row["fields"]).map(field).collect(),
    }
}

/// A name that an agent wrote, of a record or a field: as JSON where it is more than a word.
fn name(value: &Value) -> String {
    let is_word =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    match value {
        Value::String(text) if is_word(text) => text.clone(),
        value => pretty(value),
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

/// What a person's word came to, told once on the page to which the form leads.
struct Decided {
    title: &'static str,
    mark: Mark,
    facts: Vec<(&'static str, Prose)>,
}

impl Decided {
    fn of(ended: &Value) -> Self {
        let waits_for_others = !ended["approvals_wanted"].is_null();
        let (title, mark) = match ended["state"].as_str().unwrap_or_default() {
            "sent" => (title_of_sent(outcome(ended)), state(ended)),
            "rejected" => ("Rejected", Mark::plain("rejected: nothing was sent, and its agent learns that")),
            "held" if waits_for_others => ("Approved", Mark::waits("approved, and more people must")),
            "held" => ("Not sent", Mark::bad("not sent: it waits on, for another approval")),
            _ => ("Not sent", state(ended)),
        };
        let facts = [
            ("Approvals", approvals(ended)),
            ("Outcome", maybe(&ended["outcome"])),
            ("The provider answered", maybe(&ended["status"])),
            ("The provider's code", maybe(&ended["provider_code"])),
            ("What failed", failures_in_words(&ended["failures"])),
            ("Code", maybe(&ended["code"])),
            ("Why", maybe(&ended["detail"])),
            ("What to do", maybe(&ended["hint"])),
        ];
        let facts = facts.into_iter().filter_map(|(name, value)| Some((name, Prose(value?)))).collect();
        Self { title, mark, facts }
    }
}

fn title_of_sent(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::Failed) => "Approved and sent, and not done",
        Some(Outcome::Partial) => "Approved and sent, and done in part",
        _ => "Approved and sent",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(value: &Value, expect: &str) {
        assert_eq!(Written::of(value), Written::Json(expect.to_owned()));
    }

    #[test]
    fn a_value_is_no_word_of_the_hosts_and_no_other_value() {
        assert_eq!(Written::of(&Value::Null), Written::Nothing);
        for text in ["", "(nothing)", "(empty)", "not known", "180000", "true", "null"] {
            check(&json!(text), &format!("\"{text}\""));
        }
        check(&json!(180_000), "180000");
        check(&json!(true), "true");
        check(&json!("\u{202e}x"), r#""\u202ex""#);
        check(&json!("\\u202ex"), r#""\\u202ex""#);
        check(&json!("a\"b"), r#""a\"b""#);
    }

    #[test]
    fn a_long_value_is_folded_up_behind_its_beginning() {
        check(&json!("x".repeat(LONG - 2)), &format!("\"{}\"", "x".repeat(LONG - 2)));
        let long = json!("x".repeat(LONG));
        let begin = format!("\"{}", "x".repeat(BEGIN - 1));
        assert_eq!(Written::of(&long), Written::Long { begin, chars: LONG + 2, json: long.to_string() });
        let tall = Written::of(&json!(vec![1; TALL]));
        assert!(matches!(&tall, Written::Long { begin, .. } if begin == "["), "{tall:?}");
    }

    #[test]
    fn a_name_that_is_more_than_a_word_stands_in_quotation_marks() {
        assert_eq!((name(&json!("Last_Name")).as_str(), name(&json!("5")).as_str()), ("Last_Name", "5"));
        assert_eq!(name(&json!("1 (part 2): not read")), r#""1 (part 2): not read""#);
    }

    #[test]
    fn what_was_sent_and_not_done_looks_like_no_success() {
        let mark = |outcome: &str| state(&json!({ "state": "sent", "outcome": outcome }));
        assert_eq!((mark("ok").sign, mark("ok").words.as_str()), ("✓", "sent"));
        assert_eq!((mark("failed").sign, mark("failed").class), ("✕", "bad"));
        assert!(mark("failed").words.contains("did none of it"));
        assert_eq!((mark("partial").sign, mark("partial").class), ("◐", "waits"));
        assert!(mark("partial").words.contains("only a part of it"));
    }
}
