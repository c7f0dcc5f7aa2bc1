//! `wardlock init`: a home folder with configuration, key and empty vault; or a workspace more in one that is there.

use std::process::ExitCode;

use serde_json::{Value, json};
use wardlock_egress::vault::{KeySource, Passphrase, Recipients, Vault};

use super::args::{Cli, InitArgs, KeyChoice};
use super::{show, system, talk};
use crate::admin::Failure;
use crate::config;
use crate::home::{CONFIG_FILE, Home};
use crate::policy;
use crate::shown::without;

/// Makes the home.
pub fn run(cli: &Cli, args: &InitArgs) -> Result<ExitCode, Failure> {
    if args.system {
        return system::install(cli);
    }
    let path = Home::locate(cli.home.as_deref())?;
    // Everything that can be wrong with the words is found before anything is made.
    let workspace = args.policy.as_deref().map(|policy| ready_made(args, policy)).transpose()?;
    args.recovery.iter().try_for_each(|word| Recipients::check(word))?;
    // Key and recipients are a new home's.
    let is_new_home = args.key != KeyChoice::File || !args.recovery.is_empty();
    if let Some(workspace) = workspace.as_ref().filter(|_| !is_new_home && Home::exists(&path)) {
        return add(cli, &path, workspace);
    }
    let source = new_source(&path, args.key, cli.passphrase_fd)?;
    source.probe()?;
    let home = Home::create(&path)?;
    write_choices(&home, args)?;
    Vault::create(&home.state_folder(), &source)?;
    let mut next = vec!["wardlock registration add NAME --service zoho-crm --client-id ID".to_owned()];
    policy::write_starters(&home)?;
    if let Some(workspace) = workspace {
        workspace.write(&home)?;
        next.push(format!("wardlock connect {}/zoho", workspace.name()));
        next.push(format!("wardlock agent add NAME --workspace {}", workspace.name()));
    }
    next.push("wardlock serve".to_owned());
    let result = json!({ "home": home.path().display().to_string(), "key": args.key.word(), "recovery": args.recovery, "next": next });
    tell(cli, &result);
    Ok(ExitCode::SUCCESS)
}

/// Adds a ready-made workspace to a home that is there: a file of its own, which `reload` takes.
fn add(cli: &Cli, path: &std::path::Path, workspace: &policy::ReadyMade) -> Result<ExitCode, Failure> {
    let home = Home::open(path)?;
    workspace.write(&home)?;
    let name = workspace.name();
    let next = [
        "wardlock reload".to_owned(),
        format!("wardlock connect {name}/zoho"),
        format!("wardlock agent add NAME --workspace {name}"),
    ];
    let file = format!("workspaces/{name}.toml");
    tell(cli, &json!({ "home": home.path().display().to_string(), "workspace": file, "next": next }));
    Ok(ExitCode::SUCCESS)
}

/// Shows what was made, and what comes next.
fn tell(cli: &Cli, result: &Value) {
    if cli.json {
        return talk::data(result);
    }
    show::show(&without(result, &["next", "recovery"]));
    talk::line("\nnext:");
    let next = result["next"].as_array().into_iter().flatten();
    next.filter_map(Value::as_str).for_each(|step| talk::line(&format!("  {step}")));
}

/// Writes what was chosen into the new wardlock.toml.
fn write_choices(home: &Home, args: &InitArgs) -> Result<(), Failure> {
    let template = home.read_text(CONFIG_FILE)?.unwrap_or_default();
    let lines = template.lines().map(|line| {
        if line == "# key = \"file\"" && args.key != KeyChoice::File {
            format!("key = \"{}\"\n", args.key.word())
        } else if line.starts_with("# recipients = ") && !args.recovery.is_empty() {
            format!("recipients = {}\n", json!(args.recovery))
        } else {
            format!("{line}\n")
        }
    });
    let text: String = lines.collect();
    if text == template {
        return Ok(());
    }
    Ok(home.write(CONFIG_FILE, text.as_bytes())?)
}

/// Returns where a new key shall come from, as wardlock.toml names it by default.
pub(super) fn new_source(
    home: &std::path::Path,
    choice: KeyChoice,
    passphrase_fd: Option<u32>,
) -> Result<KeySource, Failure> {
    match choice {
        KeyChoice::File => Ok(KeySource::File { path: home.join("state").join("vault.key") }),
        KeyChoice::Passphrase => Ok(KeySource::Passphrase(new_passphrase(passphrase_fd)?)),
        KeyChoice::Keychain => Ok(KeySource::Keychain),
        KeyChoice::Credential => config::credential(),
    }
}

fn new_passphrase(passphrase_fd: Option<u32>) -> Result<Passphrase, Failure> {
    let read = match passphrase_fd {
        Some(fd) => Passphrase::read_fd(fd),
        None => Passphrase::read_hidden_twice("new vault passphrase: ", "again: "),
    };
    read.map_err(|error| {
        let hint = error.hint().unwrap_or("type it at the prompt, or use `--passphrase-fd FD`").to_owned();
        Failure::usage(error).hint(hint)
    })
}

fn ready_made(args: &InitArgs, policy: &str) -> Result<policy::ReadyMade, Failure> {
    let workspace = args.workspace.as_deref().unwrap_or_default();
    let region = args.region.as_deref().unwrap_or_default();
    policy::ReadyMade::new(policy, workspace, region).map_err(Failure::usage)
}
