//! The command line: parses, runs, shows, and maps every ending to an exit code. Standard output is data, standard
//! error is talk.

mod args;
mod audit;
mod audit_args;
mod backup;
mod connect_args;
mod copies;
mod explain;
mod init;
mod local;
mod look;
mod opener;
mod operator_args;
mod passkey_link;
mod plugin;
mod plugin_args;
mod remote;
mod replay;
mod service_args;
mod service_new;
mod show;
mod system;
mod talk;
mod vault;
mod write_args;
mod writes;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::admin::Failure;
use crate::text::for_terminal_lines;

use args::{Cli, Verb};
pub(crate) use talk::{data, line, text};

/// Runs the command line to its end.
pub fn main() -> ExitCode {
    // Before anything else is there: a plugin worker starts with nothing.
    if std::env::args_os().nth(1).is_some_and(|first| first == wardlock_sandbox::WORKER) {
        return wardlock_sandbox::worker_main();
    }
    crate::harden::forbid_core_dumps();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misused(&error),
    };
    let json = cli.json;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Failure::no(format!("failed to start: {error}")), json),
    };
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(failure) => fail(&failure, json),
    }
}

async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    match &cli.command {
        Verb::Init(init) => init::run(&cli, init),
        Verb::Demo(demo) => crate::demo::run(demo.once, cli.json).await,
        Verb::Serve(serve) => local::serve(&cli, serve).await,
        Verb::Service(verb) => local::service(&cli, verb),
        Verb::Vault(verb) => vault::run(&cli, verb).await,
        Verb::Backup(args::BackupVerb::Create(create)) => backup::create(&cli, create).await,
        Verb::Backup(args::BackupVerb::Restore(restore)) => backup::restore(&cli, restore).await,
        Verb::Plugin(verb) => plugin::run(&cli, verb).await,
        Verb::Policy(args::PolicyVerb::Check { cases }) => local::policy_check(&cli, cases.as_deref()).await,
        Verb::Policy(args::PolicyVerb::Test(test)) => local::policy_test(&cli, test).await,
        Verb::Policy(args::PolicyVerb::Accept { basis }) => writes::accept(&cli, basis.as_deref()).await,
        Verb::Doctor(args::DoctorArgs { look: Some(folder) }) => look::run(&cli, folder).await,
        Verb::Metrics => remote::metrics(&cli).await,
        Verb::Proof(proof) => writes::prove(&cli, proof).await,
        Verb::Writes(asked) => writes::set(&cli, asked).await,
        Verb::Drafts(verb) => writes::drafts(&cli, verb).await,
        Verb::Audit(verb) => audit::run(&cli, verb).await,
        _ => remote::run(&cli).await,
    }
}

/// Tells what is wrong with the command line itself, or the help that was asked for.
fn misused(error: &clap::Error) -> ExitCode {
    // The words of such a line are taken for ours.
    let mut own = std::env::args_os().take_while(|word| word != "--");
    let is_line = error.kind() == ErrorKind::UnknownArgument && own.any(|word| word == "curl");
    let tip = is_line.then_some(crate::plugin::curl::QUOTED);
    let is_json = std::env::args_os().take_while(|word| word != "--").any(|word| word == "--json");
    if is_json && error.use_stderr() {
        let text = error.render().to_string();
        let (first, rest) = text.trim().split_once("\n\n").unwrap_or((&text, ""));
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let rest = tip.unwrap_or(rest);
        talk::data(&serde_json::json!({
            "error": flat(first.trim_start_matches("error: ")), "hint": flat(rest), "exit": error.exit_code(),
        }));
    }
    // Nobody is left to tell where that fails.
    let _ = error.print();
    if let Some(tip) = tip {
        talk::line(&format!("\nhint: {tip}"));
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Tells a failure: a sentence, then what to do.
fn fail(failure: &Failure, json: bool) -> ExitCode {
    if json {
        talk::data(&serde_json::json!({
            "error": failure.message, "hint": failure.hint, "exit": failure.exit,
        }));
    }
    talk::line(&format!("error: {}", for_terminal_lines(&failure.message)));
    if let Some(hint) = &failure.hint {
        talk::line(&format!("\nhint: {}", for_terminal_lines(hint)));
    }
    ExitCode::from(failure.exit)
}
