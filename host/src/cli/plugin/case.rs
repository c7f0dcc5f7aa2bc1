//! `wardlock plugin case`: makes a golden case of a recorded request, with what a plugin said to it; or of a line for curl, with
//! what one says to it now.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_core::connection::Connection;
use wardlock_core::id::AgentName;
use wardlock_sandbox::Sandbox;

use super::{component, print, sandbox, settings, test};
use crate::admin::{Brought, Command, Failure};
use crate::cli::args::Cli;
use crate::cli::plugin_args::CaseArgs;
use crate::cli::{remote, talk};
use crate::config::HostConfig;
use crate::home::{Home, NewFile};
use crate::loaded::{Loaded, Services, Sources};
use crate::ops::find_connection;
use crate::plugin::cases::{self, Case, Expected, Tested, Tried};
use crate::plugin::curl::{self, CurlRequest};
use crate::plugin::observed::{Observed, named, observe};

/// Who asks, where nobody is named.
const AGENT: &str = "reporter";

pub(super) async fn run(cli: &Cli, args: &CaseArgs) -> Result<ExitCode, Failure> {
    // The name is taken before anything is looked at: a file that is there is never touched.
    let out = args.out.as_deref().map(NewFile::create).transpose().map_err(of_new_file)?;
    let (request_id, line) = match &args.request {
        Some(line) if curl::is_line(line) => (None, Some(line)),
        request => (request.as_deref(), args.curl.as_ref()),
    };
    let made = match (request_id, line, &args.plugin) {
        (Some(request_id), _, plugin) => recorded(cli, args, request_id, plugin.as_deref()).await?,
        (None, Some(line), Some(plugin)) => asked_now(cli, args, line, plugin).await?,
        (None, _, _) => {
            return Err(Failure::usage(
                "a recorded request's id is wanted, or `--curl LINE` with `--plugin FILE`",
            )
            .hint("wardlock plugin case --plugin FILE.wasm --curl 'curl http://HOST/WORKSPACE/CONNECTION/PATH'"));
        }
    };
    let text = made["text"].as_str().unwrap_or_default();
    let Some((mut file, path)) = out.zip(args.out.as_deref()) else {
        if cli.json {
            talk::data(&made);
        } else {
            talk::text(text.trim_end());
        }
        return Ok(ExitCode::SUCCESS);
    };
    file.write_all(text.as_bytes())
        .map_err(|error| Failure::no(format!("failed to write {}: {error}", path.display())))?;
    file.finish().map_err(of_new_file)?;
    let mut told = json!({ "file": path.display().to_string() });
    for key in ["operation", "effect", "verdict", "code"] {
        told[key] = made[key].clone();
    }
    print(cli, &told);
    Ok(ExitCode::SUCCESS)
}

/// Has a case made of a recorded request, by who holds the home.
async fn recorded(cli: &Cli, args: &CaseArgs, request_id: &str, plugin: Option<&str>) -> Result<Value, Failure> {
    if args.settings.is_some() || args.connection.is_some() || args.agent.is_some() {
        return Err(Failure::usage("a recorded request has its own settings, connection and agent")
            .hint("`--settings`, `--connection` and `--agent` go with `--curl`"));
    }
    let command = Command::PluginCase {
        request_id: request_id.to_owned(),
        plugin: plugin.map(str::to_owned),
        promise: args.promise.clone(),
    };
    let made = remote::ask(cli, command, Brought::Nothing).await?;
    if made["checked"] == false {
        talk::line("note: the component is not kept in this home, so it was not tried whether the case holds");
    }
    Ok(made)
}

/// Makes a case of a line for curl, with what the plugin says now.
async fn asked_now(cli: &Cli, args: &CaseArgs, curl: &str, plugin: &str) -> Result<Value, Failure> {
    let sent = curl::parse(curl).map_err(|error| Failure::usage(&error).hint(error.hint()))?;
    let agent = AgentName::parse(args.agent.as_deref().unwrap_or(AGENT)).map_err(Failure::usage)?;
    let settings = args.settings.as_deref().map(settings).transpose()?.unwrap_or_else(|| json!({}));
    let bytes = component(plugin)?;
    let sandbox = sandbox().await?;
    let connection = connection(cli, args, &sandbox, &sent).await?;
    let Observed { request, refused } = observe(&connection, &agent, sent).map_err(|refusal| {
        Failure::no(format!("no plugin would see this request: {}", refusal.detail))
            .hint("mend the request; a case is about one that reaches the plugins")
    })?;
    if let Some(refusal) = &refused {
        talk::line(&format!(
            "note: the host's own rules refuse this request, so no plugin is asked: {}",
            refusal.detail
        ));
    }
    let case = Case { settings, request, ..Case::usual() };
    let Tried { found, log, .. } = Tested::new(&sandbox, &bytes).attempt(&case).await?;
    test::log_lines(&log).for_each(|line| talk::line(&line));
    let text = cases::write(&args.promise, &case.settings, &case.request, &found).map_err(Failure::no)?;
    let case = checked(&text)?;
    let (verdict, code) = match &case.expected {
        Expected::Said(said) => (said.verdict, said.code.clone()),
        Expected::Problems(_) => ("settings refused", None),
    };
    Ok(json!({
        "text": text,
        "operation": case.request.operation.name,
        "effect": case.request.operation.effect.as_str(),
        "verdict": verdict,
        "code": code,
    }))
}

/// Reads what is about to be written as any reader of cases would: it must be one, and hold no secret.
fn checked(text: &str) -> Result<Case, Failure> {
    Case::parse("case.toml", text).map_err(|error| {
        Failure::no(format!("the request becomes no case: {error}"))
            .hint("leave out what a case must not hold; tokens have no place in one")
    })
}

/// Finds the connection that was named, by `--connection` or by the address.
async fn connection(
    cli: &Cli,
    args: &CaseArgs,
    sandbox: &Sandbox,
    sent: &CurlRequest,
) -> Result<Arc<Connection>, Failure> {
    let split = |text: &str| text.split_once('/').map(|(a, b)| (a.to_owned(), b.to_owned()));
    let named = match &args.connection {
        Some(text) => split(text).ok_or_else(|| {
            Failure::usage(format!("`{text}` names no connection")).hint("write it as `workspace/connection`")
        })?,
        None => named(&sent.target).map(|(a, b)| (a.to_owned(), b.to_owned())).ok_or_else(|| {
            Failure::usage("the address names no connection")
                .hint("give an agent's own address, `http://HOST/WORKSPACE/CONNECTION/PATH`, or `--connection`")
        })?,
    };
    let home = Home::open(&Home::locate(cli.home.as_deref())?)?;
    let loaded = Loaded::load(Sources {
        home: &home,
        sandbox,
        services: &Services::load(&home),
        publishers: HostConfig::load(&home)?.publishers(),
        accepted: None,
    })
    .await;
    let (workspace, connection) = (named.0.as_str(), named.1.as_str());
    Ok(Arc::clone(&find_connection(&loaded, workspace, connection)?.connection))
}

/// A file that cannot be made where it was named is a plain no.
fn of_new_file(error: crate::home::HomeError) -> Failure {
    Failure { exit: 1, ..error.into() }
}
