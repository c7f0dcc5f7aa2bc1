//! `wardlock init`: a home folder with configuration, key and empty vault.

use std::process::ExitCode;

use serde_json::json;
use wardlock_egress::vault::{KeySource, Passphrase, Recipients, Vault};

use super::args::{Cli, InitArgs, KeyChoice};
use super::{show, system, talk};
use crate::admin::Failure;
use crate::config;
use crate::home::{CONFIG_FILE, Home};
use crate::policy;

/// Makes the home.
pub fn run(cli: &Cli, args: &InitArgs) -> Result<ExitCode, Failure> {
    if args.system {
        return system::install(cli);
    }
    let path = Home::locate(cli.home.as_deref())?;
    // Everything that can be wrong with the words is found before anything is made.
    let workspace = args.policy.as_deref().map(|policy| ready_made(args, policy)).transpose()?;
    args.recovery.iter().try_for_each(|word| Recipients::check(word))?;
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
    if cli.json {
        talk::data(&result);
    } else {
        show::show(&json!({ "home": result["home"], "key": result["key"] }));
        talk::line("\nnext:");
        next.iter().for_each(|step| talk::line(&format!("  {step}")));
    }
    Ok(ExitCode::SUCCESS)
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
