//! `wardlock plugin check`: what a component is in words, and whether it would load.

use std::process::ExitCode;

use serde_json::{Value, json};
use wardlock_sandbox::{Inspection, LoadError};

use super::{Signed, component, sandbox, signed};
use crate::admin::Failure;
use crate::cli::args::Cli;
use crate::cli::talk;
use crate::plugin::words::{Engine, Word, required, words};
use crate::text::for_terminal;

pub(super) async fn run(cli: &Cli, file: &str) -> Result<ExitCode, Failure> {
    let bytes = component(file)?;
    let signed = signed(cli, file, &bytes)?;
    let engine = Engine::of(&bytes);
    let inspection = sandbox().await?.inspect(bytes).await?;
    let mut words = words(&inspection, engine);
    words.push(Word { what: "signature".to_owned(), means: signed.words() });
    if cli.json {
        talk::data(&to_json(&inspection, &words, &signed));
    } else {
        tell(file, &inspection, &words, &signed);
    }
    Ok(ExitCode::from(u8::from(!loads(&inspection, &signed))))
}

fn loads(inspection: &Inspection, signed: &Signed) -> bool {
    error(inspection).is_none() && signed.refused.is_none()
}

/// Returns why it would not load, or how it fails over empty settings that its schema takes.
fn error(inspection: &Inspection) -> Option<&LoadError> {
    match &inspection.about {
        Ok(about) => about.unset.as_ref().filter(|error| !matches!(error, LoadError::Settings { .. })),
        Err(error) => Some(error),
    }
}

fn tell(file: &str, inspection: &Inspection, words: &[Word], signed: &Signed) {
    let (file, size, digest) = (for_terminal(file), inspection.size, inspection.digest);
    talk::text(&format!("{file}: {size} bytes, sha256 {digest}"));
    for Word { what, means } in words {
        talk::text(&format!("{}: {}", for_terminal(what), for_terminal(means)));
    }
    talk::text(&for_terminal(&verdict(inspection, signed)));
    if let Some(hint) = hint(inspection, signed) {
        talk::line(&format!("\nhint: {hint}"));
    }
}

fn hint(inspection: &Inspection, signed: &Signed) -> Option<String> {
    error(inspection).map(LoadError::hint).or_else(|| signed.hint.clone())
}

fn verdict(inspection: &Inspection, signed: &Signed) -> String {
    match (&inspection.about, &signed.refused) {
        (Ok(_), Some(refused)) => format!("it would not load: {refused}"),
        (Err(error), _) => format!("it would not load: {error}"),
        (Ok(about), None) => match &about.unset {
            None => "it loads".to_owned(),
            Some(LoadError::Settings { .. }) if !required(about).is_empty() => {
                format!("it loads once it is given {}", required(about).join(", "))
            }
            Some(error @ LoadError::Settings { .. }) => {
                let given = if about.description.capabilities.contains("folder") {
                    "settings and files"
                } else {
                    "settings"
                };
                format!("it loads only with {given}; without any, {error}")
            }
            Some(error) => format!("it would not load without settings: {error}"),
        },
    }
}

fn to_json(inspection: &Inspection, words: &[Word], signed: &Signed) -> Value {
    let words: Vec<Value> = words.iter().map(|word| json!({ "what": word.what, "means": word.means })).collect();
    let capabilities = inspection.about.as_ref().ok().map(|about| &about.description.capabilities);
    json!({
        "ok": loads(inspection, signed),
        "sha256": inspection.digest.to_string(),
        "bytes": inspection.size,
        "contract": inspection.package_version.as_ref().map(|version| format!("wardlock:policy@{version}")),
        "capabilities": capabilities,
        "signature": signed.to_json(),
        "found": words,
        "verdict": verdict(inspection, signed),
        "hint": hint(inspection, signed),
    })
}
