//! `wardlock plugin push` and `wardlock plugin pull`: plugins to and from OCI registries. The command dials, on a person's
//! word; no home is needed, and no daemon takes part.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;
use wardlock_egress::Dialer;
use wardlock_egress::registry::{self, Artifact, Credentials, Pulled, Reference, RegistryError};
use wardlock_egress::vault::Secret;

use super::{component, for_shell, sandbox, signature};
use crate::admin::Failure;
use crate::cli::args::Cli;
use crate::cli::plugin_args::{AccountArgs, PullArgs, PushArgs};
use crate::cli::talk;
use crate::home::{HomeError, NewFile};
use crate::text::for_terminal;
use crate::trust::{SIGNATURE_END, Signature, SignatureError};

pub(super) async fn push(cli: &Cli, args: &PushArgs) -> Result<ExitCode, Failure> {
    let reference = parse(&args.reference)?;
    let artifact = artifact(&args.file).await?;
    let credentials = credentials(&args.account)?;
    let pushed = registry::push(&dialer()?, &reference, credentials, &artifact).await.map_err(of_push)?;
    let pinned = reference.pinned(pushed.manifest).to_string();
    let signed = artifact.signature.is_some();
    if cli.json {
        talk::data(&json!({
            "reference": reference.to_string(),
            "pinned": pinned,
            "sha256": pushed.component.to_string(),
            "bytes": artifact.component.len(),
            "signature": signed,
        }));
        return Ok(ExitCode::SUCCESS);
    }
    let beside = if signed { ", with its signature" } else { "" };
    talk::line(&format!("pushed {} bytes to {reference}{beside}", artifact.component.len()));
    talk::line("\nWhoever pulls this gets exactly these bytes:\n");
    talk::text(&pinned);
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn pull(cli: &Cli, args: &PullArgs) -> Result<ExitCode, Failure> {
    let reference = parse(&args.reference)?;
    let file = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.wasm", reference.short_name())));
    // Before anything is asked: files that cannot be made.
    let (component, signature) = (new_file(&file)?, new_file(&beside(&file))?);
    let credentials = credentials(&args.account)?;
    let pulled = registry::pull(&dialer()?, &reference, credentials).await.map_err(no)?;
    // As before a push: what would not load is not kept.
    sandbox().await?.inspect(pulled.component.clone()).await?.about?;
    // The signature first, so that a component is never without one that came with it.
    if let Some(text) = &pulled.signature {
        keep(signature, &beside(&file), text.as_bytes())?;
    }
    keep(component, &file, &pulled.component)?;
    tell(cli, &reference, &pulled, &file);
    Ok(ExitCode::SUCCESS)
}

fn tell(cli: &Cli, reference: &Reference, pulled: &Pulled, path: &Path) {
    let pinned = reference.pinned(pulled.manifest).to_string();
    let signed = pulled.signature.is_some();
    let shown = path.display().to_string();
    if cli.json {
        return talk::data(&json!({
            "file": shown,
            "sha256": pulled.digest.to_string(),
            "bytes": pulled.component.len(),
            "pinned": pinned,
            "signature": signed.then(|| beside(path).display().to_string()),
        }));
    }
    let file = for_terminal(&shown);
    let with =
        if signed { format!(", and its signature, unchecked, into {file}{SIGNATURE_END}") } else { String::new() };
    talk::line(&format!("pulled {pinned}"));
    talk::line(&format!("{} bytes into {file}{with}", pulled.component.len()));
    talk::text(&format!("sha256 = \"{}\"", pulled.digest));
    talk::line("\nNothing runs by it yet. Look at what it is, then put it into a chain:\n");
    let file = for_terminal(&for_shell(path));
    talk::line(&format!("  wardlock plugin check {file}"));
    talk::line(&format!("  wardlock plugin add {file} --workspace WORKSPACE --connection CONNECTION"));
}

/// Reads a component with its signature, and what it says of itself: what would not load is not published.
async fn artifact(file: &str) -> Result<Artifact, Failure> {
    let component = component(file)?;
    let signature = signature(file)?.map(|bytes| published(file, bytes)).transpose()?;
    let inspection = sandbox().await?.inspect(component.clone()).await?;
    let description = inspection.about?.description;
    Ok(Artifact {
        component,
        name: description.name,
        version: description.version,
        exports: inspection.exports,
        imports: inspection.imports,
        signature,
    })
}

/// Returns a signature as it is published, if it is one: what stands in its place may be a link to anything.
fn published(file: &str, bytes: Vec<u8>) -> Result<String, Failure> {
    let torn = |error: SignatureError| {
        let path = beside(Path::new(file)).display().to_string();
        Failure::usage(format!("{path} is not published: {error}")).hint(error.hint())
    };
    Signature::parse(&bytes).map_err(torn)?;
    String::from_utf8(bytes).map_err(|_| torn(SignatureError::Torn))
}

/// Where a component's signature stands.
fn beside(file: &Path) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(SIGNATURE_END);
    PathBuf::from(name)
}

fn new_file(path: &Path) -> Result<NewFile, Failure> {
    NewFile::create(path).map_err(|error| {
        let is_refused = matches!(error, HomeError::Io { .. });
        let failure = Failure::of_named_file(error);
        if is_refused {
            failure.hint("name a file in a folder that is there and that this user may write to")
        } else {
            failure
        }
    })
}

fn keep(mut file: NewFile, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let written = file.write_all(bytes);
    written.map_err(|source| HomeError::Io { doing: "write", path: path.to_owned(), source })?;
    Ok(file.finish()?)
}

fn credentials(account: &AccountArgs) -> Result<Option<Credentials>, Failure> {
    let Some(user) = &account.user else { return Ok(None) };
    let password = if account.password_stdin {
        Secret::read_stdin()
    } else {
        Secret::read_hidden("password or access token: ")
    };
    let password = password.map_err(|error| {
        Failure::usage(error)
            .hint("type it at the prompt, or pipe it in with `--password-stdin`; never an argument")
    })?;
    let credentials = Credentials::new(user, password);
    credentials.map(Some).map_err(|error| Failure::usage(&error).hint(error.hint()))
}

fn parse(reference: &str) -> Result<Reference, Failure> {
    Reference::parse(reference).map_err(|error| Failure::usage(error).hint(error.hint()))
}

fn dialer() -> Result<Dialer, Failure> {
    Dialer::system().map_err(|error| Failure::no(crate::text::with_causes(&error)))
}

/// Of a push the digest in the reference is the pusher's own word.
fn of_push(error: RegistryError) -> Failure {
    let is_other = matches!(error, RegistryError::WrongDigest { .. });
    let failure = no(error);
    if is_other { failure.hint("leave `@sha256:…` out of the reference: `push` prints it") } else { failure }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn no(error: RegistryError) -> Failure {
    Failure::no(for_terminal(&error.to_string())).hint(error.hint())
}
