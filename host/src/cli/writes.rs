//! Proofs, write levels, drafts and what files widen: what a person looks at, and says.

use std::process::ExitCode;

use serde_json::{Value, json};
use wardlock_state::DraftState;

use super::args::Cli;
use super::remote::{ask, split};
use super::write_args::{DraftsVerb, Level, ProofArgs, WritesArgs};
use super::{show, talk};
use crate::admin::{Brought, Command, Failure};
use crate::drafts::{failures_in_words, frozen_in_words, is_as_shown, word_for};
use crate::ops::decided_already;
use crate::shown::{is_named, only, without};
use crate::text::UNCOUNTED;

/// How many characters of a request's hash a person types: enough to show that they mean this one.
const TYPED: usize = 8;

/// Proves connections.
pub async fn prove(cli: &Cli, asked: &ProofArgs) -> Result<ExitCode, Failure> {
    let place = asked.connection.as_deref().map(split).transpose()?;
    let result = ask(cli, Command::Proof { place, agent: asked.agent.clone() }, Brought::Nothing).await?;
    if cli.json {
        talk::data(&result);
    } else {
        let rows = |name: &str| result[name].as_array().into_iter().flatten();
        rows("proofs").for_each(tell_proof);
        rows("not_proved").for_each(tell_unproved);
        if rows("proofs").chain(rows("not_proved")).next().is_none() {
            talk::line("There is no connection, so nothing was proved.");
        }
    }
    Ok(ExitCode::from(u8::from(result["passed"] != true)))
}

fn word(value: &Value) -> String {
    crate::text::for_terminal(value.as_str().unwrap_or_default())
}

fn tell_unproved(row: &Value) {
    talk::text(&format!("{}: not proved\n  {}", word(&row["connection"]), word(&row["why"])));
}

fn tell_proof(proof: &Value) {
    let passed = if proof["passed"] == true { "passed" } else { "FAILED" };
    talk::text(&format!("{}: {passed}", word(&proof["connection"])));
    let tell = |indent: &str, criterion: &Value| {
        if criterion["note"].is_string() {
            let (name, note) = (word(&criterion["criterion"]), word(&criterion["note"]));
            return talk::text(&format!("{indent}-      {name}: {note}"));
        }
        let mark = if criterion["holds"] == true { "ok    " } else { "FAILED" };
        talk::text(&format!("{indent}{mark} {}", word(&criterion["criterion"])));
        if criterion["holds"] != true {
            talk::text(&format!("{indent}       {}", word(&criterion["problem"])));
            if criterion["hint"].is_string() {
                talk::text(&format!("{indent}       hint: {}", word(&criterion["hint"])));
            }
        }
    };
    proof["criteria"].as_array().into_iter().flatten().for_each(|criterion| tell("  ", criterion));
    for request in proof["requests"].as_array().into_iter().flatten() {
        if request["left_out"].is_string() {
            talk::text(&format!("  left out: {} ({})", word(&request["what"]), word(&request["left_out"])));
            continue;
        }
        talk::text(&format!("  {}: {}", word(&request["what"]), word(&request["request"])));
        request["criteria"].as_array().into_iter().flatten().for_each(|criterion| tell("    ", criterion));
    }
    if proof["writes_ended"] == true {
        talk::text("  writes are off now: what was enabled rested on a proof that is no longer the newest");
    }
}

/// Sets how far writes are enabled, once the person has seen what that means.
pub async fn set(cli: &Cli, asked: &WritesArgs) -> Result<ExitCode, Failure> {
    let (workspace, connection) = split(&asked.connection)?;
    let command = |confirmed, basis: Option<String>| Command::Writes {
        workspace: workspace.clone(),
        connection: connection.clone(),
        agent: asked.agent.clone(),
        level: asked.level.word().to_owned(),
        confirmed,
        basis,
    };
    let mut basis = None;
    if asked.level != Level::Off {
        let shown = ask(cli, command(false, None), Brought::Nothing).await?;
        show::show_before(&shown);
        let typed = asked.confirm.clone().unwrap_or_else(|| {
            talk::answer(&format!("\nType the connection, {}, to enable this: ", asked.connection))
        });
        if typed != asked.connection {
            return Err(Failure::no("not confirmed, so nothing was changed")
                .hint("type the connection as it stands there, or give it with `--confirm`"));
        }
        basis = Some(basis_of(&shown, &without(&shown, &["basis", "enabled"]))?);
    }
    let mut result = ask(cli, command(true, basis), Brought::Nothing).await?;
    if !cli.json {
        // What it means was shown before; what has changed is this.
        result = only(&result, &["connection", "writes", "enabled", "agents"]);
    }
    tell(cli, &result);
    Ok(ExitCode::SUCCESS)
}

/// Returns the word that stands for what is shown, if it does.
fn basis_of(answer: &Value, shown: &Value) -> Result<String, Failure> {
    let basis = answer["basis"].as_str().unwrap_or_default();
    if is_named(basis, shown) { Ok(basis.to_owned()) } else { Err(not_as_shown()) }
}

fn not_as_shown() -> Failure {
    Failure::home("what answers at the admin socket shows one thing and wants another confirmed; nothing was confirmed")
        .hint("something else may stand in the daemon's place: end `wardlock serve`, look who has `admin.sock`, and start it again")
}

/// Accepts what stands in the workspace files, once the person has seen what that widens.
pub async fn accept(cli: &Cli, basis: Option<&str>) -> Result<ExitCode, Failure> {
    let (shown, basis) = match basis {
        Some(basis) => (Value::Null, basis.to_owned()),
        None => {
            let shown = ask(cli, Command::PolicyAccept { basis: None }, Brought::Nothing).await?;
            let basis = basis_of(&shown, &shown["wider"])?;
            (shown, basis)
        }
    };
    if shown["wider"].as_array().is_some_and(Vec::is_empty) {
        talk::line("Nothing in the files goes beyond what was accepted; `wardlock reload` takes what narrows.");
        if cli.json {
            talk::data(&shown);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if shown["wider"].is_array() {
        show::show_before(&shown["wider"]);
        let question = format!("\nType the first {TYPED} characters of {basis} to accept exactly this: ");
        let typed = talk::answer(&question);
        if typed.len() < TYPED || !basis.starts_with(&typed) {
            return Err(Failure::no("not confirmed, so nothing was changed")
                .hint("type them as they stand there, or give all of it with `--basis`"));
        }
    }
    let result = ask(cli, Command::PolicyAccept { basis: Some(basis) }, Brought::Nothing).await?;
    tell(cli, &result);
    Ok(ExitCode::from(u8::from(result["reload"]["ok"] != true)))
}

/// Looks at drafts, and decides.
pub async fn drafts(cli: &Cli, verb: &DraftsVerb) -> Result<ExitCode, Failure> {
    let command = match verb {
        DraftsVerb::List { all } => Command::DraftsList { all: *all },
        DraftsVerb::Show { draft } => {
            let shown = look_at(cli, draft).await?;
            if cli.json {
                talk::data(&shown);
            } else {
                show::show(&for_person(&shown));
            }
            return Ok(ExitCode::SUCCESS);
        }
        DraftsVerb::Reject { agent: Some(agent), .. } => Command::DraftsRejectOf { agent: agent.clone() },
        DraftsVerb::Reject { draft, agent: None } => {
            Command::DraftsReject { id: draft.clone().unwrap_or_default() }
        }
        DraftsVerb::Approve { draft, request: Some(request) } => {
            Command::DraftsApprove { id: draft.clone(), request_sha256: request.clone(), shown: None }
        }
        DraftsVerb::Approve { draft, request: None } => looked_at(cli, draft).await?,
    };
    let result = ask(cli, command, Brought::Nothing).await?;
    if cli.json {
        talk::data(&result);
    } else {
        show::show(&ended_in_words(&result));
    }
    let unsent = matches!(verb, DraftsVerb::Approve { .. }) && result["sent"] != true;
    Ok(ExitCode::from(u8::from(unsent)))
}

/// Returns a draft as it is shown: what it would send is made here, from the bytes that its hash is of.
async fn look_at(cli: &Cli, draft: &str) -> Result<Value, Failure> {
    let said = ask(cli, Command::DraftsShow { id: draft.to_owned() }, Brought::Nothing).await?;
    let mut shown = known(&said);
    let is_it = shown["draft"] == draft && is_as_shown(&mut shown);
    if is_it { Ok(shown) } else { Err(not_as_shown()) }
}

/// Members of a draft that are shown, but for its rows: whatever else stands in an answer is nothing that anybody confirms.
const OF_DRAFT: [&str; 23] = [
    "draft",
    "connection",
    "agent",
    "operation",
    "effect",
    "state",
    "frozen",
    "held",
    "expires",
    "code",
    "why",
    "outcome",
    "provider_code",
    "failures",
    "decided",
    "decided_by",
    "request_id",
    "approved_by",
    "approvals_wanted",
    "request_sha256",
    "exact",
    "would_send",
    "changes_note",
];
/// Of what it would send, besides what is made here.
const OF_REQUEST: [&str; 8] = ["reason", "held_by", "purpose", "tenant", "resources", "records", "fields", "host"];
/// Of a record that it would change, and of a field of one.
const OF_CHANGE: [&str; 6] = ["record", "would_be", "fields", "problem", "note", "part"];
const OF_FIELD: [&str; 3] = ["field", "current", "proposed"];
/// Of a request that it carries.
const OF_PART: [&str; 11] = [
    "part",
    "operation",
    "effect",
    "resources",
    "records",
    "method",
    "target",
    "headers",
    "body_sha256",
    "body_is",
    "body",
];

/// Takes of a draft as it is told what is known here.
fn known(said: &Value) -> Value {
    let mut shown = only(said, &OF_DRAFT);
    if said["would_send"].is_object() {
        shown["would_send"] = only(&said["would_send"], &OF_REQUEST);
        if let Some(parts) = said["would_send"]["parts"].as_array() {
            shown["would_send"]["parts"] = parts.iter().map(|part| only(part, &OF_PART)).collect();
        }
    }
    let changes = said["changes"].as_array().map(|rows| rows.iter().map(known_change).collect());
    shown["changes"] = changes.unwrap_or_default();
    shown
}

fn known_change(row: &Value) -> Value {
    let mut change = only(row, &OF_CHANGE);
    for field in change["fields"].as_array_mut().into_iter().flatten() {
        *field = only(field, &OF_FIELD);
    }
    change
}

/// Shows a draft and has the person type the beginning of its hash: what they approve is what they were shown.
async fn looked_at(cli: &Cli, draft: &str) -> Result<Command, Failure> {
    let shown = look_at(cli, draft).await?;
    let word = |name: &str| shown[name].as_str().unwrap_or_default().to_owned();
    let (state, request_sha256, as_shown) = (word("state"), word("request_sha256"), word_for(&shown));
    if state != DraftState::Held.as_str() || shown["exact"].is_null() {
        return Err(Failure::no(format!("draft `{draft}` is {state} and can no longer be approved"))
            .hint(decided_already(&shown)));
    }
    show::show_before(&for_person(&shown));
    let frozen = frozen_in_words(&shown["frozen"]).map(|words| format!("\nfrozen: {words}")).unwrap_or_default();
    let question = format!("{frozen}\nType the first {TYPED} characters of request sha256 to send exactly this: ");
    let typed = talk::answer(&question);
    if typed.len() >= TYPED && request_sha256.starts_with(&typed) {
        return Ok(Command::DraftsApprove { id: draft.to_owned(), request_sha256, shown: Some(as_shown) });
    }
    Err(Failure::no("not confirmed, so nothing was sent")
        .hint("type them as they stand there, or give the whole hash with `--request`"))
}

/// What a person's word came to, as people read it: which records failed in words, and without what is not there.
fn ended_in_words(ended: &Value) -> Value {
    const WHERE_THERE: [&str; 5] = ["code", "provider_code", "failures", "detail", "hint"];

    let absent: Vec<&str> = WHERE_THERE.into_iter().filter(|name| ended[*name].is_null()).collect();
    let mut ended = without(ended, &absent);
    if ended["rejected"].as_array().is_some_and(Vec::is_empty) {
        ended["rejected"] = "none".into();
    }
    if let Some(words) = failures_in_words(&ended["failures"]) {
        ended["failures"] = words.into();
    }
    ended
}

/// A draft as a person reads it: of a record that was not read, nothing stands there as its value.
fn for_person(whole: &Value) -> Value {
    let mut shown = ended_in_words(&without(whole, &["exact", "frozen"]));
    if let Some(words) = frozen_in_words(&whole["frozen"]) {
        shown["frozen"] = words.into();
    }
    show::changes_in_words(&mut shown);
    for record in shown["changes"].as_array_mut().into_iter().flatten() {
        let is_unread = !record["problem"].is_null();
        for field in record["fields"].as_array_mut().into_iter().flatten() {
            if field.get("current").is_some() && !is_unread {
                continue;
            }
            let mut told =
                json!({ "field": field["field"], "value_now": if is_unread { "not read" } else { "not known" } });
            if let Some(proposed) = field.get("proposed") {
                told["proposed"] = proposed.clone();
            }
            *field = told;
        }
    }
    if shown["would_send"]["records"].is_null() && shown["would_send"].is_object() {
        shown["would_send"]["records"] = UNCOUNTED.into();
    }
    shown
}

fn tell(cli: &Cli, result: &Value) {
    if cli.json {
        talk::data(result);
    } else {
        show::show(result);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_provider_did_not_do_is_told_and_nothing_that_is_not_there() {
        let failures = json!({ "failed": 1, "of": 2, "first": [{ "number": 2, "code": "DUPLICATE_DATA" }] });
        let ended = json!({ "outcome": "partial", "code": null, "failures": failures, "hint": "look" });
        let expect =
            json!({ "outcome": "partial", "failures": "1 of 2 (place 2: DUPLICATE_DATA)", "hint": "look" });
        assert_eq!(ended_in_words(&ended), expect);
        assert_eq!(ended_in_words(&json!({ "outcome": "ok", "failures": null })), json!({ "outcome": "ok" }));
        let none = json!({ "agent": "reporter", "rejected": "none", "detail": "none waits" });
        let ended = json!({ "agent": "reporter", "rejected": [], "detail": "none waits" });
        assert_eq!(ended_in_words(&ended), none);
        let rows = json!([{ "draft": "draft_1", "code": null }]);
        assert_eq!(ended_in_words(&rows), rows, "a list stays what it is");
    }

    #[test]
    fn what_was_not_read_is_no_null_and_what_nobody_counted_is_said() {
        let field = json!({ "field": "Phone", "current": null, "proposed": "1" });
        let record = |problem: Value| json!({ "record": "1", "fields": [field.clone()], "problem": problem });
        let changes = json!([record(Value::Null), record(json!("not read: nobody may"))]);
        let shown = for_person(&json!({ "would_send": { "records": null }, "changes": changes }));
        assert_eq!(shown["changes"][0]["fields"][0], field);
        let unread = json!({ "field": "Phone", "value_now": "not read", "proposed": "1" });
        assert_eq!(shown["changes"][1]["fields"][0], unread);
        assert_eq!(shown["would_send"]["records"], UNCOUNTED);
        // What would be gone has nothing proposed, and what was not asked for no value.
        let lost = json!({ "field": "Phone", "current": "1" });
        let unasked = json!({ "field": "a b", "proposed": "1" });
        let row = json!({ "record": "1", "would_be": "gone", "fields": [lost.clone(), unasked], "problem": null });
        let shown = for_person(&known(&json!({ "changes": [row] })));
        assert_eq!((&shown["changes"][0]["would_be"], &shown["changes"][0]["fields"][0]), (&json!("gone"), &lost));
        assert_eq!(shown["changes"][0]["fields"][1]["value_now"], "not known");
        let why = json!({ "changes": null, "changes_note": "not read: so it is" });
        assert_eq!(for_person(&why), json!({ "changes": "not read: so it is" }));
        let read = for_person(&json!({ "would_send": { "records": 3 }, "changes": null }));
        assert_eq!(read, json!({ "would_send": { "records": 3 }, "changes": null }));
    }
}
