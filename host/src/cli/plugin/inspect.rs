//! `wardlock plugin inspect`: what a component says of itself, as data.

use std::process::ExitCode;

use serde_json::{Value, json};
use wardlock_sandbox::Inspection;

use super::{component, print, sandbox, signed};
use crate::admin::Failure;
use crate::cli::args::Cli;

pub(super) async fn run(cli: &Cli, file: &str) -> Result<ExitCode, Failure> {
    let bytes = component(file)?;
    let signed = signed(cli, file, &bytes)?;
    let inspection = sandbox().await?.inspect(bytes).await?;
    let mut shown = inspection_json(&inspection);
    shown["signature"] = signed.to_json();
    print(cli, &shown);
    Ok(ExitCode::SUCCESS)
}

fn inspection_json(inspection: &Inspection) -> Value {
    let mut shown = json!({
        "sha256": inspection.digest.to_string(),
        "bytes": inspection.size,
        "contract": inspection.package_version.as_ref().map(|version| format!("wardlock:policy@{version}")),
        "imports": inspection.imports,
        "exports": inspection.exports,
    });
    match &inspection.about {
        Ok(about) => {
            shown["name"] = json!(about.description.name);
            shown["version"] = json!(about.description.version);
            shown["capabilities"] = json!(about.description.capabilities);
            shown["schema"] = about.schema.clone();
        }
        Err(error) => shown["would_not_load"] = json!(error.to_string()),
    }
    shown
}
