//! `wardlock vault …`: what concerns the vault as a whole.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_audit::Act;
use wardlock_egress::vault::{Passphrase, Vault};

use super::args::{Cli, RekeyArgs, VaultVerb};
use super::talk::Person;
use super::{copies, init, local, remote, show, talk};
use crate::admin::{AdminClient, Brought, ClientError, Command, Failure};
use crate::config::{HostConfig, KeySource};
use crate::home::Home;
use crate::{anchor, ops};

pub async fn run(cli: &Cli, verb: &VaultVerb) -> Result<ExitCode, Failure> {
    let home = Home::open(&Home::locate(cli.home.as_deref())?)?;
    let result = match verb {
        VaultVerb::Export(export) => return copies::export(cli, &home, export).await,
        VaultVerb::Import(import) => copies::import(cli, &home, import).await?,
        VaultVerb::Status => remote::ask(cli, Command::VaultStatus, Brought::Nothing).await?,
        VaultVerb::Lock => ask_daemon(&home, Command::VaultLock, Brought::Nothing).await?,
        VaultVerb::Unlock => {
            let brought = passphrase(cli, &home)?;
            ask_daemon(&home, Command::VaultUnlock, brought).await?
        }
        VaultVerb::Rekey(rekey) => change_key(cli, &home, rekey)?,
        VaultVerb::AcceptOlder => accept_older(cli, &home).await?,
    };
    if cli.json {
        talk::data(&result);
    } else {
        show::show(&result);
    }
    Ok(ExitCode::SUCCESS)
}

async fn ask_daemon(home: &Home, command: Command, brought: Brought) -> Result<Value, Failure> {
    match AdminClient::connect(&home.state_path("admin.sock")?).await {
        Ok(daemon) => daemon.ask(command, &brought, &Person::new()).await,
        Err(ClientError::NotRunning) => {
            Err(Failure::no("no daemon serves this home, so nothing is open").hint("start it: `wardlock serve`"))
        }
        Err(error) => Err(Failure::no(format!("failed to talk to the daemon: {error}"))),
    }
}

/// Asks for the passphrase, where the vault has one.
fn passphrase(cli: &Cli, home: &Home) -> Result<Brought, Failure> {
    if *HostConfig::load(home)?.key() != KeySource::Passphrase {
        return Ok(Brought::Nothing);
    }
    let read = match cli.passphrase_fd {
        Some(fd) => Passphrase::read_fd(fd),
        None if !std::io::stdin().is_terminal() => Passphrase::read_stdin(),
        None => Passphrase::read_hidden("vault passphrase: "),
    };
    read.map(Brought::Passphrase).map_err(|error| {
        Failure::usage(error).hint("type it at the prompt, pipe it in, or use `--passphrase-fd FD`")
    })
}

fn change_key(cli: &Cli, home: &Home, rekey: &RekeyArgs) -> Result<Value, Failure> {
    let _lock = home.lock("vault rekey")?;
    let old = local::unlock(cli, home)?;
    let new = init::new_source(home.path(), rekey.key, rekey.new_passphrase_fd)?;
    new.probe()?;
    // It is closed again before its lock is changed.
    drop(copies::open_newest(home, &old)?);
    Vault::rekey(&home.state_folder(), &old, &new)?;
    let word = rekey.key.word();
    Ok(json!({
        "key": word,
        "write": format!("key = \"{word}\""),
        "where": "under [vault] in wardlock.toml; take `path` and `credential` out there",
        "older_copies": "backups of vault.db made before this still need the old key",
    }))
}

/// Takes an older vault as the newest, beside its key and in the audit.
async fn accept_older(cli: &Cli, home: &Home) -> Result<Value, Failure> {
    let _lock = home.lock("vault accept-older")?;
    let key = local::unlock(cli, home)?;
    let vault = Arc::new(Vault::open_older(&home.state_folder(), &key)?);
    let grants: Vec<String> = vault.grants()?.into_iter().map(|grant| grant.name.to_string()).collect();
    let revision = vault.revision()?;
    let audit = copies::open_audit(home, &vault)?;
    audit.act(Act::admin(ops::OPERATOR, "vault.accept_older", "vault", revision.to_string())).await?;
    anchor::record(&audit, revision).await?;
    Ok(json!({
        "revision": revision,
        "grants": grants,
        "note": "refresh tokens that were rotated since this copy was made are dead; those grants will say `reconnect`",
    }))
}
