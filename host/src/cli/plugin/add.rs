//! `wardlock plugin add`: keeps a component in the home, and prints the table for the workspace file.

use std::process::ExitCode;

use serde_json::Value;
use wardlock_core::id::Digest;

use super::{component, printed, signature};
use crate::admin::{Brought, Command, Failure};
use crate::cli::args::Cli;
use crate::cli::plugin_args::AddArgs;
use crate::cli::{remote, talk};
use crate::text::{for_terminal, for_terminal_lines};
use crate::trust::SignatureError;

pub(super) async fn run(cli: &Cli, args: &AddArgs) -> Result<ExitCode, Failure> {
    let bytes = component(&args.file)?;
    let signature = signature(&args.file)?
        .map(String::from_utf8)
        .transpose()
        .map_err(|_| Failure::no(SignatureError::Torn).hint(SignatureError::Torn.hint()))?;
    let (workspace, connection) = (args.workspace.clone(), args.connection.clone());
    let (length, sha256) = (bytes.len() as u64, Digest::of(&bytes).to_string());
    let command = Command::PluginAdd { bytes: length, sha256, signature, workspace, connection };
    let added = remote::ask(cli, command, Brought::File(bytes)).await?;
    if cli.json {
        talk::data(&added);
        return Ok(ExitCode::SUCCESS);
    }
    let text = |key: &str| added[key].as_str().unwrap_or_default();
    talk::line(&format!("kept as plugins/{} and {}", text("file"), text("kept")));
    talk::line(&for_terminal(text("signer")));
    let goes_into = match text("workspace_file") {
        "" => "a workspace file",
        file => file,
    };
    match added["replaces_line"].as_u64() {
        _ if added["unread"].is_string() => {
            talk::line(&format!("\n{goes_into} does not parse, so what stands there is not known:\n"));
            talk::line(&for_terminal_lines(text("unread")));
            talk::line("\nMend it, put this into the plugin's table, then run `wardlock reload`:\n");
        }
        Some(line) => talk::line(&format!(
            "\nreplace the table of that name in {goes_into}, line {line}, by this, then run `wardlock reload`:\n"
        )),
        None => {
            talk::line(&format!("\nPut this into {goes_into}, then run `wardlock reload`:\n"));
            // Behind a last line that has no end, too.
            talk::text("");
        }
    }
    talk::text(printed::toml(text("toml")).trim_end());
    for warning in added["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        talk::line(&format!("\nwarning: {}", for_terminal(warning)));
    }
    tell_recorded(&added);
    Ok(ExitCode::SUCCESS)
}

/// Says what the component would decide otherwise than what was recorded.
fn tell_recorded(added: &Value) {
    if let Some(why) = added["not_compared"].as_str() {
        return talk::line(&format!("\nnot compared with what was recorded: {why}"));
    }
    let places = added["recorded"].as_array().map(Vec::as_slice).unwrap_or_default();
    if places.is_empty() {
        let name = for_terminal(added["name"].as_str().unwrap_or_default());
        return talk::line(&format!(
            "\nnone recorded: no workspace with `[recorder]` has a plugin `{name}`; `--workspace` and `--connection` say which \
             recorded requests a new one is to be asked about"
        ));
    }
    places.iter().for_each(tell_place);
}

/// Says it of one place.
fn tell_place(place: &Value) {
    let name = place["place"].as_str().unwrap_or_default();
    if let Some(why) = place["why"].as_str() {
        return talk::line(&format!("\n{name}: not compared: {}", for_terminal(why)));
    }
    talk::line(&format!("\n{name}: {}", for_terminal(&in_sum(place))));
    let differing = place["differing"].as_array().map(Vec::as_slice).unwrap_or_default();
    let (then, now) = if place["is_new"] == true { ("decided", "it says") } else { ("recorded", "now") };
    for row in differing {
        let text = |key: &str| row[key].as_str().unwrap_or_default();
        let (request, operation) = (text("request"), text("operation"));
        let line = format!("  {request} {operation}: {then} `{}`, {now} `{}`", text("recorded"), text("now"));
        talk::line(&for_terminal(&line));
    }
    let more = place["otherwise"].as_u64().unwrap_or(0).saturating_sub(differing.len() as u64);
    if more > 0 {
        talk::line(&format!("  and {more} more"));
    }
}

/// Says how much of what was recorded it decides otherwise in a place; of one that is new there, what it would do.
fn in_sum(place: &Value) -> String {
    let count = |key: &str| place[key].as_u64().unwrap_or(0);
    let whys: Vec<&str> =
        place["not_compared_why"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let not = match count("not_compared") {
        0 => String::new(),
        not => format!("; {not} more could not be compared: {}", whys.join("; ")),
    };
    let (compared, requests) = (many(count("compared"), "recorded decision"), many(count("requests"), "request"));
    if place["is_new"] != true {
        return format!("of {compared} ({requests}) it decides {} otherwise{not}", count("otherwise"));
    }
    format!(
        "no plugin of its name was asked there. Asked first, of {compared} ({requests}) it would refuse {}, hold {} and change {}{not}",
        count("would_refuse"),
        count("would_hold"),
        count("would_change")
    )
}

/// Says how many there are of something.
fn many(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
