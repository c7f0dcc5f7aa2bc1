//! Proofs, write levels, drafts and what files widen: what a person looks at, and says.

use std::process::ExitCode;

use serde_json::Value;

use super::args::Cli;
use super::remote::{ask, split};
use super::write_args::{DraftsVerb, Level, ProofArgs, WritesArgs};
use super::{show, talk};
use crate::admin::{Brought, Command, Failure};

/// How many characters of a request's hash a person types: enough to show that they mean this one.
const TYPED: usize = 8;

/// Proves connections.
pub async fn prove(cli: &Cli, asked: &ProofArgs) -> Result<ExitCode, Failure> {
    let place = asked.connection.as_deref().map(split).transpose()?;
    let result = ask(cli, Command::Proof { place, agent: asked.agent.clone() }, Brought::Nothing).await?;
    if cli.json {
        talk::data(&result);
    } else {
        result["proofs"].as_array().into_iter().flatten().for_each(tell_proof);
    }
    Ok(ExitCode::from(u8::from(result["passed"] != true)))
}

fn tell_proof(proof: &Value) {
    let word = |value: &Value| crate::text::for_terminal(value.as_str().unwrap_or_default());
    let passed = if proof["passed"] == true { "passed" } else { "FAILED" };
    talk::text(&format!("{}: {passed}", word(&proof["connection"])));
    let tell = |indent: &str, criterion: &Value| {
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
}

/// Sets how far writes are enabled, once the person has seen what that means.
pub async fn set(cli: &Cli, asked: &WritesArgs) -> Result<ExitCode, Failure> {
    let (workspace, connection) = split(&asked.connection)?;
    let command = |confirmed, basis: Option<&Value>| Command::Writes {
        workspace: workspace.clone(),
        connection: connection.clone(),
        agent: asked.agent.clone(),
        level: asked.level.word().to_owned(),
        confirmed,
        basis: basis.and_then(Value::as_str).map(str::to_owned),
    };
    let mut basis = None;
    if asked.level != Level::Off {
        let shown = ask(cli, command(false, None), Brought::Nothing).await?;
        let typed = match &asked.confirm {
            Some(typed) => typed.clone(),
            None => {
                show::show(&shown);
                let question = format!("\nType the connection, {}, to enable this: ", asked.connection);
                talk::answer(&question)
            }
        };
        if typed != asked.connection {
            return Err(Failure::no("not confirmed, so nothing was changed")
                .hint("type the connection as it stands there, or give it with `--confirm`"));
        }
        basis = Some(shown["basis"].clone());
    }
    let result = ask(cli, command(true, basis.as_ref()), Brought::Nothing).await?;
    tell(cli, &result);
    Ok(ExitCode::SUCCESS)
}

/// Accepts what stands in the workspace files, once the person has seen what that widens.
pub async fn accept(cli: &Cli, basis: Option<&str>) -> Result<ExitCode, Failure> {
    let shown = match basis {
        Some(basis) => serde_json::json!({ "basis": basis }),
        None => ask(cli, Command::PolicyAccept { basis: None }, Brought::Nothing).await?,
    };
    let basis = shown["basis"].as_str().unwrap_or_default();
    if shown["wider"].as_array().is_some_and(Vec::is_empty) {
        talk::line("Nothing in the files goes beyond what was accepted; `wardlock reload` takes what narrows.");
        return Ok(ExitCode::SUCCESS);
    }
    if shown["wider"].is_array() {
        show::show(&shown["wider"]);
        let question = format!("\nType the first {TYPED} characters of {basis} to accept exactly this: ");
        let typed = talk::answer(&question);
        if typed.len() < TYPED || !basis.starts_with(&typed) {
            return Err(Failure::no("not confirmed, so nothing was changed")
                .hint("type them as they stand there, or give all of it with `--basis`"));
        }
    }
    let result = ask(cli, Command::PolicyAccept { basis: Some(basis.to_owned()) }, Brought::Nothing).await?;
    tell(cli, &result);
    Ok(ExitCode::from(u8::from(result["reload"]["ok"] != true)))
}

/// Looks at drafts, and decides.
pub async fn drafts(cli: &Cli, verb: &DraftsVerb) -> Result<ExitCode, Failure> {
    let command = match verb {
        DraftsVerb::List { all } => Command::DraftsList { all: *all },
        DraftsVerb::Show { draft } => Command::DraftsShow { id: draft.clone() },
        DraftsVerb::Reject { draft } => Command::DraftsReject { id: draft.clone() },
        DraftsVerb::Approve { draft, request } => {
            let request_sha256 = match request {
                Some(request) => request.clone(),
                None => looked_at(cli, draft).await?,
            };
            Command::DraftsApprove { id: draft.clone(), request_sha256 }
        }
    };
    let result = ask(cli, command, Brought::Nothing).await?;
    tell(cli, &result);
    let unsent = matches!(verb, DraftsVerb::Approve { .. }) && result["sent"] != true;
    Ok(ExitCode::from(u8::from(unsent)))
}

/// Shows a draft and has the person type the beginning of its hash: what they approve is what they were shown.
async fn looked_at(cli: &Cli, draft: &str) -> Result<String, Failure> {
    let shown = ask(cli, Command::DraftsShow { id: draft.to_owned() }, Brought::Nothing).await?;
    let hash = shown["request_sha256"].as_str().unwrap_or_default().to_owned();
    if shown["state"] != "held" {
        let state = shown["state"].as_str().unwrap_or_default();
        return Err(Failure::no(format!("draft `{draft}` is {state} and can no longer be approved")));
    }
    if !cli.json {
        show::show(&shown);
    }
    let question = format!("\nType the first {TYPED} characters of request sha256 to send exactly this: ");
    let typed = talk::answer(&question);
    if typed.len() >= TYPED && hash.starts_with(&typed) {
        return Ok(hash);
    }
    Err(Failure::no("not confirmed, so nothing was sent")
        .hint("type them as they stand there, or give the whole hash with `--request`"))
}

fn tell(cli: &Cli, result: &Value) {
    if cli.json {
        talk::data(result);
    } else {
        show::show(result);
    }
}
