//! `wardlock plugin new` and `build`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::{for_shell, print};
use crate::admin::Failure;
use crate::cli::args::Cli;
use crate::cli::plugin_args::NewArgs;
use crate::cli::talk;
use crate::plugin::project::{self, Built, Project, ProjectError};
use crate::text::for_terminal;

pub(super) fn new(cli: &Cli, args: &NewArgs) -> Result<ExitCode, Failure> {
    let folder = args.dir.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    let begun =
        project::create(&folder, &args.name, args.lang.language(), args.world.world()).map_err(of_project)?;
    let shown = folder.display().to_string();
    let mut next = vec![format!("cd {}", for_shell(&folder))];
    next.extend(begun.tools);
    next.push("wardlock plugin build".to_owned());
    next.push(format!("wardlock plugin test {}.wasm", args.name));
    if cli.json {
        talk::data(&json!({ "folder": shown, "files": begun.files, "next": next }));
        return Ok(ExitCode::SUCCESS);
    }
    print(cli, &json!({ "folder": shown, "files": begun.files }));
    talk::line("\nnext:");
    next.iter().for_each(|step| talk::line(&format!("  {}", for_terminal(step))));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn build(cli: &Cli, folder: &Path) -> Result<ExitCode, Failure> {
    let built = built(folder)?;
    let digest = built.digest().to_string();
    print(
        cli,
        &json!({
            "component": built.path.display().to_string(),
            "bytes": built.bytes.len(),
            "sha256": digest,
            "paste": format!("sha256 = \"{digest}\""),
        }),
    );
    Ok(ExitCode::SUCCESS)
}

/// Builds the project of a folder.
pub(super) fn built(folder: &Path) -> Result<Built, Failure> {
    Project::open(folder).and_then(|project| project::build(&project)).map_err(of_project)
}

/// A project that is none is wrong use; a toolchain that fails is a plain no.
#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
pub(super) fn of_project(error: ProjectError) -> Failure {
    let message = crate::text::with_causes(&error);
    let failure = match &error {
        ProjectError::Tool(_) => Failure::no(message),
        _ => Failure::usage(message),
    };
    failure.hint(error.hint())
}
