//! `wardlock plugin logs`: what plugins logged, as the daemon remembers it.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use crate::admin::{AdminClient, Brought, ClientError, Command, Failure, PluginLogFilter};
use crate::cli::args::Cli;
use crate::cli::plugin_args::LogsArgs;
use crate::cli::talk;
use crate::cli::talk::Person;
use crate::home::Home;

/// How often it is looked for new lines.
const LOOK: Duration = Duration::from_millis(300);

/// How many lines are asked for at a time.
const PAGE: u32 = 200;

pub(super) async fn run(cli: &Cli, args: &LogsArgs) -> Result<ExitCode, Failure> {
    let home = Home::open(&Home::locate(cli.home.as_deref())?)?;
    let socket = home.state_path("admin.sock")?;
    let asked = filter(args)?;
    let shown = show(cli, args, &socket, asked);
    if !args.follow {
        return shown.await;
    }
    tokio::select! {
        ended = shown => ended,
        stopped = tokio::signal::ctrl_c() => stopped.map_err(Failure::no).map(|()| ExitCode::SUCCESS),
    }
}

async fn show(cli: &Cli, args: &LogsArgs, socket: &Path, asked: PluginLogFilter) -> Result<ExitCode, Failure> {
    let mut page = ask(cli, socket, asked.clone()).await?;
    if !args.follow && cli.json {
        talk::data(&rows(&page));
        return Ok(ExitCode::SUCCESS);
    }
    if !args.follow {
        print(&page);
        if page["lines"].as_array().is_some_and(Vec::is_empty) {
            talk::line("(none)");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut last = page["last"].as_u64();
    while print(&page) {
        if page["full"] != true {
            tokio::time::sleep(LOOK).await;
        }
        let newer = PluginLogFilter { after: Some(last.unwrap_or(0)), limit: PAGE, ..asked.clone() };
        page = ask(cli, socket, newer).await?;
        last = page["last"].as_u64().or(last);
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks the daemon: it alone remembers anything.
async fn ask(cli: &Cli, socket: &Path, filter: PluginLogFilter) -> Result<Value, Failure> {
    let daemon = AdminClient::connect(socket).await.map_err(|error| match error {
        ClientError::NotRunning => Failure::no(
            "no daemon serves this home, and what plugins log is kept in its memory alone",
        )
        .hint("start `wardlock serve`; what it logs itself, plugins' lines among it, goes to its standard error"),
        ClientError::Io(_) => Failure::no(error),
    })?;
    daemon.ask(Command::PluginLogs { filter, json: cli.json }, &Brought::Nothing, &Person::new()).await
}

/// Prints the lines of a page; returns whether somebody still reads.
fn print(page: &Value) -> bool {
    let lines = page["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
    talk::lines(lines.iter().filter_map(Value::as_str))
}

/// Returns the lines of a page as one document; what follows without an end is a document a line.
fn rows(page: &Value) -> Value {
    let lines = page["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
    lines.iter().filter_map(Value::as_str).filter_map(|line| serde_json::from_str::<Value>(line).ok()).collect()
}

fn filter(args: &LogsArgs) -> Result<PluginLogFilter, Failure> {
    let mut parts = args.of.as_deref().map(|of| of.split('/').map(str::to_owned)).into_iter().flatten();
    let (workspace, connection, plugin) = (parts.next(), parts.next(), parts.next());
    let is_named = |part: &Option<String>| part.as_deref() != Some("");
    let is_whole = workspace.is_none() || connection.is_some();
    if !is_whole || parts.next().is_some() || ![&workspace, &connection, &plugin].into_iter().all(is_named) {
        let of = args.of.as_deref().unwrap_or_default();
        return Err(Failure::usage(format!("`{}` names no connection and no plugin of one", of.escape_debug()))
            .hint("write it as `workspace/connection` or `workspace/connection/plugin`"));
    }
    Ok(PluginLogFilter {
        workspace,
        connection,
        plugin,
        request: args.request.clone(),
        after: None,
        limit: args.limit,
    })
}
