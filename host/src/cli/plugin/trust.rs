//! `wardlock plugin trust`: who is trusted to sign plugins, and the table that adds somebody.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};
use wardlock_core::id::PublisherName;

use crate::admin::{AdminClient, Brought, ClientError, Command, Failure};
use crate::cli::args::Cli;
use crate::cli::plugin_args::TrustArgs;
use crate::cli::talk::Person;
use crate::cli::{show, talk};
use crate::config::HostConfig;
use crate::home::{Home, read_regular_file};
use crate::trust::{PublisherKey, Publishers};

pub(super) async fn run(cli: &Cli, args: &TrustArgs) -> Result<ExitCode, Failure> {
    match (&args.name, &args.key) {
        (Some(name), Some(key)) => add(cli, name, key),
        _ => list(cli).await,
    }
}

/// Checks a key, and prints the table with it.
fn add(cli: &Cli, name: &str, given: &str) -> Result<ExitCode, Failure> {
    let name = PublisherName::parse(name).map_err(Failure::usage)?;
    let key = read(given)?;
    let toml = format!("[plugins.publishers.{name}]\nkey = \"{}\" # {}\n", key.line(), key.id());
    let trusted = trusted(cli)?;
    let before = trusted.key(name.as_str()).map(PublisherKey::id);
    let owner = trusted.names().find(|&known| trusted.key(known).is_some_and(|known| known.id() == key.id()));
    if cli.json {
        talk::data(&json!({
            "publisher": name.as_str(), "key_id": key.id().to_string(), "key": key.line(), "toml": toml,
            "replaces": before.map(|id| id.to_string()), "key_of": owner,
        }));
        return Ok(ExitCode::SUCCESS);
    }
    talk::line(&format!("The key's id is {}: compare it with what its publisher says elsewhere.", key.id()));
    match (before, owner) {
        (_, Some(owner)) => {
            talk::line(&format!(
                "It is `{owner}`'s in wardlock.toml already, and two publishers have not one key:\n"
            ));
        }
        (Some(before), None) => talk::line(&format!(
            "`{name}` is trusted with the key {before}. If another one is meant, put this in that table's place in wardlock.toml, then \
             start `wardlock serve` anew:\n"
        )),
        (None, None) => {
            talk::line("Put this into wardlock.toml, then start `wardlock serve` anew:\n");
            // Behind a last line that has no end, too.
            talk::text("");
        }
    }
    talk::text(toml.trim_end());
    Ok(ExitCode::SUCCESS)
}

/// Reads whom wardlock.toml trusts. A key is looked at without a home, too; a home that was named must be one.
fn trusted(cli: &Cli) -> Result<Publishers, Failure> {
    match Home::locate(cli.home.as_deref()).and_then(|path| Home::open(&path)) {
        Ok(home) => Ok(HostConfig::load(&home)?.publishers().clone()),
        Err(_) if cli.home.is_none() => Ok(Publishers::default()),
        Err(error) => Err(error.into()),
    }
}

/// Reads a key: the line itself, or else the file of that name.
fn read(given: &str) -> Result<PublisherKey, Failure> {
    let wrong = |error: crate::trust::KeyError| Failure::usage(error).hint(error.hint());
    match PublisherKey::parse(given) {
        Err(crate::trust::KeyError::NotOne) if names_a_file(given) => {
            let bytes = read_regular_file(Path::new(given)).map_err(super::of_plugin_file)?;
            PublisherKey::parse(&String::from_utf8_lossy(&bytes)).map_err(wrong)
        }
        parsed => parsed.map_err(wrong),
    }
}

/// Returns whether it is meant as a file's name: one is there, or it has an end, which no line of base64 has.
fn names_a_file(given: &str) -> bool {
    let has_end = given.contains('.') && !given.contains(char::is_whitespace);
    has_end || Path::new(given).exists()
}

/// Lists the publishers that the daemon trusts; without one, those that the next one will.
async fn list(cli: &Cli) -> Result<ExitCode, Failure> {
    let home = Home::open(&Home::locate(cli.home.as_deref())?)?;
    let publishers = match AdminClient::connect(&home.state_path("admin.sock")?).await {
        Ok(daemon) => daemon.ask(Command::PluginPublishers, &Brought::Nothing, &Person::new()).await?,
        Err(ClientError::NotRunning) => HostConfig::load(&home)?.publishers().to_json(),
        Err(error @ ClientError::Io(_)) => return Err(Failure::no(error)),
    };
    if cli.json {
        talk::data(&publishers);
        return Ok(ExitCode::SUCCESS);
    }
    show::show(&publishers["publishers"]);
    if publishers["signed"] == Value::Bool(true) {
        talk::line("\nOnly plugins that one of them signed load.");
    }
    Ok(ExitCode::SUCCESS)
}
