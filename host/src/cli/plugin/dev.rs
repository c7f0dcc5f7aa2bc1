//! `wardlock plugin dev`: builds and tests, and with `--watch` again whenever a source changes.

use std::process::ExitCode;
use std::time::Duration;

use super::project::{built, of_project};
use super::{of_folder, test};
use crate::admin::Failure;
use crate::cli::args::Cli;
use crate::cli::plugin_args::DevArgs;
use crate::cli::talk;
use crate::plugin::project::{Project, Sources};

/// How often the sources are looked at.
const PAUSE: Duration = Duration::from_millis(300);

pub(super) async fn run(cli: &Cli, args: &DevArgs) -> Result<ExitCode, Failure> {
    if !args.watch {
        return Ok(ExitCode::from(u8::from(!round(cli, args).await?)));
    }
    tokio::select! {
        ended = watch(cli, args) => ended,
        stopped = tokio::signal::ctrl_c() => {
            stopped.map_err(Failure::no)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn watch(cli: &Cli, args: &DevArgs) -> Result<ExitCode, Failure> {
    let project = Project::open(&args.folder).map_err(of_project)?;
    loop {
        // Before the build: what is saved meanwhile is built next.
        let sources = Sources::of(&project).map_err(of_folder)?;
        if let Err(failure) = round(cli, args).await {
            talk::line(&format!("error: {}", failure.message));
            failure.hint.iter().for_each(|hint| talk::line(&format!("hint: {hint}")));
        }
        talk::line("waiting for a change; ctrl-C ends");
        while Sources::of(&project).map_err(of_folder)? == sources {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Builds and tests once; returns whether every case holds.
async fn round(cli: &Cli, args: &DevArgs) -> Result<bool, Failure> {
    let folder = args.folder.clone();
    let building = tokio::task::spawn_blocking(move || built(&folder));
    let built = building.await.map_err(|error| Failure::no(format!("a worker thread failed: {error}")))??;
    talk::line(&format!("built {}: {} bytes, sha256 {}", built.path.display(), built.bytes.len(), built.digest()));
    test::run_cases(cli, &built.bytes, &args.folder.join("cases"), test::Update::No).await
}
