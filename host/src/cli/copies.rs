//! `wardlock vault export` and `import`: registrations and grants, to another home and from there.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_audit::{Act, Audit};
use wardlock_egress::vault::{Existing, KeySource, Opening, Passphrase, PromptError, Recipients, Vault};

use super::args::{Cli, ExportArgs, ImportArgs};
use super::{local, remote, show, talk};
use crate::admin::{Brought, Command, Failure};
use crate::anchor::Anchor;
use crate::config::HostConfig;
use crate::home::{Home, NewFile};
use crate::{host, ops};

/// `wardlock vault export`.
pub async fn export(cli: &Cli, home: &Home, args: &ExportArgs) -> Result<ExitCode, Failure> {
    let place = Place::of(&args.file)?;
    args.recipients.iter().try_for_each(|word| Recipients::check(word))?;
    let brought = if args.recipients.is_empty() {
        Brought::Passphrase(new_passphrase(args.export_passphrase_fd, "--export-passphrase-fd")?)
    } else {
        Brought::Nothing
    };
    let command = Command::VaultExport { recipients: args.recipients.clone() };
    let result = remote::ask(cli, command, brought).await?;
    place.deliver(cli, home, result)
}

/// Where a copy goes.
pub(super) enum Place {
    File(NewFile, String),
    Output,
}

impl Place {
    /// Takes the name before anything is asked or made: a file that is there is never touched.
    pub(super) fn of(file: &Path) -> Result<Self, Failure> {
        if file == Path::new("-") {
            return Ok(Self::Output);
        }
        let new = NewFile::create(file).map_err(|error| Failure { exit: 1, ..error.into() })?;
        Ok(Self::File(new, file.display().to_string()))
    }

    /// Takes the outgoing file that the result names to its place, and tells the rest of the result.
    pub(super) fn deliver(self, cli: &Cli, home: &Home, mut result: Value) -> Result<ExitCode, Failure> {
        let outgoing = home.take_outgoing(result["outgoing"].as_str().unwrap_or_default())?;
        if let Value::Object(members) = &mut result {
            members.remove("outgoing");
        }
        match self {
            Self::Output => {
                outgoing.copy_to(&mut std::io::stdout().lock())?;
                // Standard output is taken; what there is to know is talk here.
                talk::line(&crate::text::for_terminal(&result.to_string()));
            }
            Self::File(mut new, name) => {
                outgoing.copy_to(&mut new)?;
                new.finish()?;
                result["file"] = json!(name);
                if cli.json { talk::data(&result) } else { show::show(&result) }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// `wardlock vault import`. Tokens that a daemon holds in memory would outlive it, so none may serve.
pub async fn import(cli: &Cli, home: &Home, args: &ImportArgs) -> Result<Value, Failure> {
    let _lock = home.lock("vault import")?;
    let file = crate::home::read_operator_file(&args.file).map_err(Failure::usage)?;
    let opening = opening(args.identity.as_deref(), args.export_passphrase_fd, "--export-passphrase-fd")?;
    let (vault, audit, anchor) = open_newest(home, &local::unlock(cli, home)?)?;
    let existing = if args.replace { Existing::Replace } else { Existing::Refuse };
    let imported = vault.import(&file, &opening, existing, host::clock()())?;
    let counts = format!(
        "{} registrations, {} grants, {} replaced",
        imported.registrations.len(),
        imported.grants.len(),
        imported.replaced.len()
    );
    audit.act(Act::admin(ops::OPERATOR, "vault.import", "vault", counts)).await?;
    anchor.note(&audit, &vault).await;
    Ok(json!({
        "made": crate::text::time(imported.made_ms),
        "registrations": imported.registrations,
        "grants": imported.grants,
        "replaced": imported.replaced,
        "warning": ops::DANGER,
        "next": "`wardlock grants` says of each grant that it came from a copy, until the provider replaces its token or \
                 a person consents anew",
    }))
}

/// Opens the vault of a home that this process holds, and its audit, unless that knows of a newer one.
pub(super) fn open_newest(home: &Home, key: &KeySource) -> Result<(Arc<Vault>, Audit, Anchor), Failure> {
    let vault = Arc::new(Vault::open(&home.state_folder(), key)?);
    let audit = open_audit(home, &vault)?;
    let anchor = Anchor::check(&audit, &vault)?;
    Ok((vault, audit, anchor))
}

/// Opens the audit of a home that this process holds.
pub(super) fn open_audit(home: &Home, vault: &Arc<Vault>) -> Result<Audit, Failure> {
    crate::record::open(home, &HostConfig::load(home)?, vault, &crate::metrics::Metrics::new())
}

/// Reads a new passphrase for a copy.
pub(super) fn new_passphrase(fd: Option<u32>, option: &str) -> Result<Passphrase, Failure> {
    let read = match fd {
        Some(fd) => Passphrase::read_fd(fd),
        None => Passphrase::read_hidden_twice("new passphrase for the file: ", "again: "),
    };
    read.map_err(|error| not_read(error, option, "name a recipient with `--recipient age1…`"))
}

/// Gets what opens a copy.
pub(super) fn opening(identity: Option<&Path>, fd: Option<u32>, option: &str) -> Result<Opening, Failure> {
    if let Some(file) = identity {
        return Ok(Opening::identity_file(file)?);
    }
    let read = match fd {
        Some(fd) => Passphrase::read_fd(fd),
        None => Passphrase::read_hidden("passphrase of the file: "),
    };
    let read = read.map_err(|error| not_read(error, option, "name an identity with `--identity FILE`"))?;
    Ok(Opening::passphrase(&read))
}

fn not_read(error: PromptError, option: &str, otherwise: &str) -> Failure {
    Failure::usage(error).hint(format!("type it at the prompt, use `{option} FD`, or {otherwise}"))
}
