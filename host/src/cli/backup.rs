//! `wardlock backup …`: the whole home, to another machine and back.

use std::path::{Component, Path};
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_audit::{Act, Against};
use wardlock_egress::vault::{
    Copied, CopyError, KeySource as Unlock, Opening, Recipients, Restored, Vault, VaultError,
};

use super::args::{BackupArgs, Cli, KeyChoice, RestoreArgs};
use super::copies::{self, Place};
use super::{init, remote, show, talk};
use crate::admin::{Brought, Command, Failure};
use crate::backup::{self, Unpacked};
use crate::config::{HostConfig, KeySource};
use crate::home::{CONFIG_FILE, Home, Restoring, open_operator_file};
use crate::{anchor, host, ops, record};

/// `wardlock backup create`.
pub async fn create(cli: &Cli, args: &BackupArgs) -> Result<ExitCode, Failure> {
    let home = Home::open(&Home::locate(cli.home.as_deref())?)?;
    let place = Place::of(&args.file)?;
    let (recipients, configured) = (args.recipients.clone(), HostConfig::load(&home)?.recipients().to_vec());
    recipients.iter().try_for_each(|word| Recipients::check(word))?;
    let brought = match (recipients.is_empty() && configured.is_empty(), args.backup_passphrase_fd) {
        (true, fd) => Brought::Passphrase(copies::new_passphrase(fd, "--backup-passphrase-fd")?),
        (false, None) => Brought::Nothing,
        (false, Some(_)) => {
            return Err(Failure::usage(
                "wardlock.toml names recipients, and a backup is for them or by a passphrase",
            )
            .hint("leave `--backup-passphrase-fd` out"));
        }
    };
    let result = remote::ask(cli, Command::BackupCreate { recipients, configured }, brought).await?;
    place.deliver(cli, &home, result)
}

/// `wardlock backup restore`. All of it, or nothing: the folder is no home before the last file is written.
pub async fn restore(cli: &Cli, args: &RestoreArgs) -> Result<ExitCode, Failure> {
    let target = Home::locate(cli.home.as_deref())?;
    let (file, length) = open_operator_file(&args.file).map_err(Failure::usage)?;
    // Before anything is asked: a folder that cannot be taken, and an identity that is none.
    let restoring = Restoring::begin(&target)?;
    let opening = copies::opening(args.identity.as_deref(), args.backup_passphrase_fd, "--backup-passphrase-fd")?;
    let unpacked = backup::unpack(&mut opening.open_backup(file)?, &restoring, length)?;
    let config = HostConfig::parse(CONFIG_FILE, &unpacked.config).map_err(Failure::usage)?;
    let source = key_source(cli, args, config.key(), restoring.home())?;
    source.probe()?;
    let restored = restore_vault(restoring.home(), &unpacked, &opening, &source, args.accept_older)?;
    let audit = look_at_audit(restoring.home(), &config, &source, &unpacked).await?;
    restoring.finish(&unpacked.config)?;
    let mut result = report(&target, args.key, &unpacked, &restored, &audit);
    let reaches_out = reaches_out(&config);
    if !reaches_out.is_empty() {
        result["will"] = json!(reaches_out);
    }
    if cli.json {
        talk::data(&result);
    } else {
        show::show(&result);
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the restored vault's key comes from: what the command says, else what the backup's settings say.
fn key_source(cli: &Cli, args: &RestoreArgs, configured: &KeySource, home: &Home) -> Result<Unlock, Failure> {
    named_outside(args, configured, home)?;
    match (args.key, configured) {
        (Some(choice), _) => init::new_source(home.path(), choice, cli.passphrase_fd),
        (None, KeySource::Passphrase) => init::new_source(home.path(), KeyChoice::Passphrase, cli.passphrase_fd),
        (None, source) => source.resolve(home).map_err(|failure| {
            let hint = failure.hint.clone().unwrap_or_default();
            failure.hint(format!("{hint}; or choose another source for the key: `--key file`"))
        }),
    }
}

/// Refuses a key outside the home that only the backup names: whoever made it would have a file written anywhere.
fn named_outside(args: &RestoreArgs, configured: &KeySource, home: &Home) -> Result<(), Failure> {
    let outside = match configured {
        KeySource::File { path } if args.key.is_none() && !is_within(path, home.path()) => Some(path),
        _ => None,
    };
    match (outside, &args.key_path) {
        (None, None) => Ok(()),
        (Some(path), Some(named)) if path == named => Ok(()),
        (Some(path), _) => {
            let path = path.display();
            Err(Failure::usage(format!(
                "the backup's wardlock.toml keeps the vault's key outside the home: {path}"
            ))
            .hint(format!("if it is to stand there, add `--key-path {path}`; `--key file` keeps it in the home")))
        }
        (None, Some(_)) => Err(Failure::usage("the backup's wardlock.toml names no key file outside the home")
            .hint("leave `--key-path` out")),
    }
}

/// Returns whether a path leads to a file of the home, whatever stands there.
fn is_within(path: &Path, home: &Path) -> bool {
    let within = if path.is_absolute() { path.strip_prefix(home).ok() } else { Some(path) };
    within
        .is_some_and(|path| path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)))
}

/// What the restored settings run, write to or dial, once the home is served.
fn reaches_out(config: &HostConfig) -> Vec<String> {
    let approvers = config.approvers();
    let runs = (!approvers.command.is_empty()).then(|| format!("runs `{}`", approvers.command.join(" ")));
    let posts = approvers.webhook.as_ref().map(|to| format!("posts to {to}"));
    let traces = config.otlp().map(|to| format!("sends traces to {to}"));
    let mirrors = config.audit_mirror().map(|path| format!("writes the audit's mirror to {}", path.display()));
    [runs, posts, traces, mirrors].into_iter().flatten().collect()
}

fn restore_vault(
    home: &Home,
    unpacked: &Unpacked,
    opening: &Opening,
    source: &Unlock,
    older: bool,
) -> Result<Restored, Failure> {
    let copied = Copied { made_ms: unpacked.manifest.made_ms, brought_ms: host::clock()() };
    let restored = Vault::restore(&home.state_folder(), &unpacked.key, opening, source, copied, older);
    restored.map_err(|error| match error {
        CopyError::Vault(error @ VaultError::RolledBack { .. }) => Failure::home(error).hint(
            "a newer state of this vault was used on this machine: restore a newer backup, or, if you want this one, add \
             `--accept-older`; tokens that were rotated since are dead, and those grants will say `reconnect`",
        ),
        other => other.into(),
    })
}

/// Opens what was restored, writes the act into its audit and walks the chain.
async fn look_at_audit(
    home: &Home,
    config: &HostConfig,
    source: &Unlock,
    unpacked: &Unpacked,
) -> Result<Value, Failure> {
    let vault = Arc::new(Vault::open(&home.state_folder(), source)?);
    let audit = record::open_restored(home, config, &vault)?;
    let made = format!("a backup of {}", crate::text::time(unpacked.manifest.made_ms));
    audit.act(Act::admin(ops::OPERATOR, "backup.restore", "home", made)).await?;
    // The log may have been copied a little later than the vault.
    anchor::record(&audit, vault.revision()?).await?;
    let verified = audit.verify(&Against::default())?;
    let faults: Vec<String> = verified.faults.iter().map(ToString::to_string).collect();
    Ok(json!({ "rows": verified.rows, "holds": verified.is_sound(), "faults": faults }))
}

fn report(
    target: &Path,
    chosen: Option<KeyChoice>,
    unpacked: &Unpacked,
    restored: &Restored,
    audit: &Value,
) -> Value {
    let mut result = json!({
        "home": target.display().to_string(),
        "made": crate::text::time(unpacked.manifest.made_ms),
        "made_by": unpacked.manifest.wardlock,
        "grants": restored.grants,
        "audit": audit,
        "key": if restored.key_was_there { "the one that is there already" } else { "a new one" },
        "warning": ops::DANGER,
        "next": "see that no other Wardlock uses this home's grants, then `wardlock doctor` and `wardlock serve`",
    });
    if let Some(choice) = chosen {
        let word = choice.word();
        result["write"] = json!(format!(
            "key = \"{word}\" under [vault] in wardlock.toml; take `path` and `credential` out there"
        ));
    }
    result
}
