//! `wardlock service new`: asks what a definition begins with, and writes it.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;
use wardlock_core::service::{Login, Start, StartError, TokenGoes};

use super::args::Cli;
use super::service_args::NewServiceArgs;
use super::{show, talk};
use crate::admin::Failure;
use crate::home::NewFile;

/// The largest metadata that is read; real ones have some KiB.
const LIMIT: u64 = 1 << 20;

/// Writes the beginning of a definition.
pub fn run(cli: &Cli, args: &NewServiceArgs) -> Result<ExitCode, Failure> {
    // The name is taken before anything is asked: a file that is there is never touched.
    let out = match &args.out {
        Some(path) => Some((path, NewFile::create(path).map_err(named)?)),
        None => None,
    };
    let text = start(args)?.definition().map_err(unfit)?;
    let Some((path, mut file)) = out else {
        talk::lines(text.lines());
        return Ok(ExitCode::SUCCESS);
    };
    file.write_all(text.as_bytes())
        .map_err(|error| Failure::no(format!("failed to write {}: {error}", path.display())))?;
    file.finish().map_err(named)?;
    let result = json!({ "file": path.display().to_string(), "next": format!("wardlock service check {}", path.display()) });
    if cli.json {
        talk::data(&result);
    } else {
        show::show(&result);
    }
    Ok(ExitCode::SUCCESS)
}

fn start(args: &NewServiceArgs) -> Result<Start, Failure> {
    // What may be wrong with the words is found before anything is asked.
    let token_in = args.token_in.as_deref().map(TokenGoes::parse).transpose().map_err(unfit)?;
    let announced = match (&args.issuer_metadata, &args.issuer) {
        (Some(file), Some(issuer)) => Some(Login::from_metadata(&metadata(file)?, issuer).map_err(unfit)?),
        _ => None,
    };
    let name = said(args.name.as_ref(), "--name", "Name, in lower-case words", None)?;
    let display = said(args.display.as_ref(), "--display", "Name shown to people", Some(&name))?;
    let api_host = said(args.api_host.as_ref(), "--api-host", "Host of the API", None)?;
    let login = announced.map_or_else(|| by_hand(args), Ok)?;
    let scopes = if args.scopes.is_empty() {
        let answer = talk::ask("Scopes that its operations need, spaces between (enter: not known yet): ");
        answer.split_whitespace().map(str::to_owned).collect()
    } else {
        args.scopes.clone()
    };
    let token_goes = match token_in {
        Some(token_in) => token_in,
        None => {
            let example = said(None, "--token-in", "Where the access token goes", Some(TokenGoes::USUAL))?;
            TokenGoes::parse(&example).map_err(unfit)?
        }
    };
    Ok(Start {
        name,
        display,
        version: args.api_version.clone(),
        api_host,
        console: args.console_host.clone(),
        token_goes,
        scopes,
        login,
    })
}

fn by_hand(args: &NewServiceArgs) -> Result<Login, Failure> {
    let accounts = said(args.accounts_host.as_ref(), "--accounts-host", "Host of the consent page", None)?;
    let authorize =
        said(args.authorize_path.as_ref(), "--authorize-path", "Path of the consent page", Some("/authorize"))?;
    let token = said(args.token_host.as_ref(), "--token-host", "Host of the token endpoint", Some(&accounts))?;
    let token_path = said(args.token_path.as_ref(), "--token-path", "Path of the token endpoint", Some("/token"))?;
    Ok(Login::by_hand(accounts, Some(token), authorize, token_path))
}

/// Returns what an option says, or the answer to a question; an empty answer, or nobody there, means what is usual.
fn said(given: Option<&String>, option: &str, question: &str, usual: Option<&str>) -> Result<String, Failure> {
    if let Some(given) = given {
        return Ok(given.clone());
    }
    let answer = match usual {
        Some(usual) => talk::ask(&format!("{question} [{usual}]: ")),
        None => talk::ask(&format!("{question}: ")),
    };
    match (answer.is_empty(), usual) {
        (false, _) => Ok(answer),
        (true, Some(usual)) => Ok(usual.to_owned()),
        (true, None) => {
            Err(Failure::usage(format!("`{option}` is not known")).hint("give it, or answer on a terminal"))
        }
    }
}

fn metadata(file: &Path) -> Result<String, Failure> {
    let bytes = if file == Path::new("-") {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().take(LIMIT).read_to_end(&mut bytes);
        read.map_err(|error| Failure::usage(format!("failed to read standard input: {error}")))?;
        bytes
    } else {
        crate::home::read_operator_file(file).map_err(Failure::of_named_file)?
    };
    String::from_utf8(bytes).map_err(|_| Failure::usage("the metadata is not UTF-8"))
}

/// A file that cannot be made where it was named is a plain no.
fn named(error: crate::home::HomeError) -> Failure {
    Failure { exit: 1, ..error.into() }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn unfit(error: StartError) -> Failure {
    let hint = match &error {
        StartError::NotMetadata { .. } => {
            "fetch it yourself: `curl https://ISSUER/.well-known/oauth-authorization-server`, or `…/openid-configuration`"
        }
        StartError::Issuer { .. } => "give the issuer as the metadata's owner writes it, to the letter",
        StartError::Missing { .. } | StartError::Definition(_) => {
            "write the definition by hand: see docs/services.md"
        }
        StartError::Value { .. } | StartError::Name(_) => "mend it, and begin again",
    };
    Failure::usage(crate::text::for_terminal(&error.to_string())).hint(hint)
}
