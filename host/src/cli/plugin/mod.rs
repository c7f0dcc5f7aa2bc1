//! `wardlock plugin …`: what plugins' authors and operators do. Only `add`, `case`, `list`, `logs` and the list of `trust`
//! need a home.

mod add;
mod bench;
mod case;
mod check;
mod dev;
mod inspect;
mod logs;
mod printed;
mod project;
mod registry;
mod test;
mod trust;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use wardlock_sandbox::{Sandbox, SandboxConfig};

use super::args::Cli;
use super::plugin_args::PluginVerb;
use super::remote::ask;
use super::{show, talk};
use crate::admin::{Brought, Command, Failure};
use crate::config::HostConfig;
use crate::home::{Home, HomeError};
use crate::plugin::folder::FolderError;
use crate::plugin::wit;
use crate::trust::{LONGEST, SIGNATURE_END, SignatureError, Standing};

/// Runs one of its commands.
pub async fn run(cli: &Cli, verb: &PluginVerb) -> Result<ExitCode, Failure> {
    match verb {
        PluginVerb::Inspect { file } => inspect::run(cli, file).await,
        PluginVerb::New(args) => project::new(cli, args),
        PluginVerb::Build { folder } => project::build(cli, folder),
        PluginVerb::Check { file } => check::run(cli, file).await,
        PluginVerb::Add(args) => add::run(cli, args).await,
        PluginVerb::Push(args) => registry::push(cli, args).await,
        PluginVerb::Pull(args) => registry::pull(cli, args).await,
        PluginVerb::Case(args) => case::run(cli, args).await,
        PluginVerb::Bench(args) => bench::run(cli, args).await,
        PluginVerb::Dev(args) => dev::run(cli, args).await,
        PluginVerb::Test(args) => test::run(cli, args).await,
        PluginVerb::List => list(cli).await,
        PluginVerb::Logs(args) => logs::run(cli, args).await,
        PluginVerb::Trust(args) => trust::run(cli, args).await,
        PluginVerb::Wit { folder } => write_wit(cli, folder),
    }
}

/// The chains, and whether their plugins run.
async fn list(cli: &Cli) -> Result<ExitCode, Failure> {
    let result = ask(cli, Command::PluginList, Brought::Nothing).await?;
    if cli.json {
        talk::data(&result);
    } else {
        show::show_with_stale(&result);
    }
    Ok(ExitCode::SUCCESS)
}

fn write_wit(cli: &Cli, folder: &Path) -> Result<ExitCode, Failure> {
    wit::write(folder).map_err(of_folder)?;
    let files: Vec<&str> = wit::FILES.iter().map(|(name, _)| *name).collect();
    let folder = folder.display().to_string();
    print(cli, &json!({ "folder": folder, "files": files, "world": wit::WORLD }));
    Ok(ExitCode::SUCCESS)
}

/// Reads the component that somebody named: a file, or a starter plugin.
fn component(file: &str) -> Result<Vec<u8>, Failure> {
    match wardlock_plugins::starter(file) {
        Some(starter) => Ok(starter.bytes.to_vec()),
        None => crate::home::read_regular_file(Path::new(file)).map_err(|error| of_component(file, error)),
    }
}

/// Reads the signature that stands beside a component that somebody named. A starter has none.
fn signature(file: &str) -> Result<Option<Vec<u8>>, Failure> {
    if wardlock_plugins::starter(file).is_some() {
        return Ok(None);
    }
    let beside = format!("{file}{SIGNATURE_END}");
    crate::home::find_operator_file(Path::new(&beside), LONGEST as u64).map_err(of_plugin_file)
}

/// A plugin's file that cannot be read; one that is a folder or a pipe is not to be moved, but the wrong one.
fn of_plugin_file(error: HomeError) -> Failure {
    let is_other = matches!(error, HomeError::NotFile { .. });
    let failure = Failure::of_named_file(error);
    if is_other { failure.hint("name a regular file") } else { failure }
}

/// The same of a component, which may have been meant as a starter.
fn of_component(file: &str, error: HomeError) -> Failure {
    let failure = of_plugin_file(error);
    if file.contains(['/', '.']) {
        return failure;
    }
    let starters: Vec<&str> = wardlock_plugins::STARTERS.iter().map(|starter| starter.name).collect();
    failure.hint(format!("name a `.wasm` file, or a starter plugin: {}", starters.join(", ")))
}

/// Returns the name of the file that would hold a component's signature. A starter's is that of its file in the home.
fn signature_name(file: &str) -> String {
    let end = if wardlock_plugins::starter(file).is_some() { ".wasm" } else { "" };
    format!("{file}{end}{SIGNATURE_END}")
}

/// What a component's signature says, and whether that keeps the component from loading.
struct Signed {
    standing: Result<Standing, SignatureError>,
    refused: Option<String>,
    hint: Option<String>,
}

/// Says who signed a component: as the home trusts publishers, or as nobody does where there is no home.
fn signed(cli: &Cli, file: &str, component: &[u8]) -> Result<Signed, Failure> {
    let signature = signature(file)?;
    let home = Home::locate(cli.home.as_deref()).and_then(|path| Home::open(&path));
    let config = match home {
        Ok(home) => HostConfig::load(&home)?,
        // Looking at a component needs no home; a home that was named must be one.
        Err(_) if cli.home.is_none() => HostConfig::default(),
        Err(error) => return Err(error.into()),
    };
    let standing = config.publishers().standing(component, signature.as_deref());
    let (refused, hint) = match &standing {
        Err(error) => (Some(error.to_string()), Some(error.hint().to_owned())),
        Ok(found) => match config.publishers().admit(found, None) {
            Ok(()) => (None, None),
            Err(error) => (Some(error.to_string()), Some(error.hint(&signature_name(file)))),
        },
    };
    Ok(Signed { standing, refused, hint })
}

impl Signed {
    fn words(&self) -> String {
        self.standing.as_ref().map_or_else(ToString::to_string, Standing::words)
    }

    /// A signature that says nothing comes with the reason.
    fn to_json(&self) -> Value {
        match &self.standing {
            Ok(standing) => standing.to_json(),
            Err(error) => json!({ "state": "broken", "problem": error.to_string(), "hint": error.hint() }),
        }
    }
}

/// Reads settings that were given on the command line.
fn settings(text: &str) -> Result<serde_json::Value, Failure> {
    match serde_json::from_str(text) {
        Ok(settings @ serde_json::Value::Object(_)) => Ok(settings),
        Ok(_) | Err(_) => Err(Failure::usage("`--settings` is no JSON object")
            .hint(r#"write it as --settings '{"allow": ["read"]}'"#)),
    }
}

/// Starts workers of this program: what they look at may be anything. An author waits for a compiler rather than try
/// again, and rather once than for every settings that there are cases of: so there are no snapshots.
async fn sandbox() -> Result<Sandbox, Failure> {
    start(SandboxConfig { snapshots: false, ..SandboxConfig::default() }).await
}

/// Starts them as `serve` does, with snapshots.
async fn sandbox_as_served() -> Result<Sandbox, Failure> {
    start(SandboxConfig::default()).await
}

async fn start(config: SandboxConfig) -> Result<Sandbox, Failure> {
    Sandbox::start(SandboxConfig { max_compile: Duration::from_mins(10), ..config }).await.map_err(Failure::no)
}

/// A folder that was named on the command line and cannot be used.
#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn of_folder(error: FolderError) -> Failure {
    Failure::usage(crate::text::with_causes(&error)).hint(error.hint())
}

/// Returns a path as a shell takes it for one word that is no option.
fn for_shell(path: &Path) -> String {
    let path = path.display().to_string();
    let path = if path.starts_with('-') { format!("./{path}") } else { path };
    if path.chars().all(|character| character.is_ascii_alphanumeric() || "/._-+,:@%".contains(character)) {
        return path;
    }
    format!("'{}'", path.replace('\'', r"'\''"))
}

fn print(cli: &Cli, result: &serde_json::Value) {
    if cli.json {
        talk::data(result);
    } else {
        show::show(result);
    }
}
