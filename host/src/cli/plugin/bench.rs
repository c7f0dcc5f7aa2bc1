//! `wardlock plugin bench`: how long one decision takes here. It says nothing about whether that is good.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use wardlock_sandbox::LoadError;

use super::{component, print, sandbox_as_served, settings, test};
use crate::admin::Failure;
use crate::cli::args::Cli;
use crate::cli::plugin_args::BenchArgs;
use crate::cli::talk;
use crate::plugin::bench::{Times, measure};
use crate::plugin::cases::{Case, Expected, Tested, is_of_settings};
use crate::text::for_terminal;

pub(super) async fn run(cli: &Cli, args: &BenchArgs) -> Result<ExitCode, Failure> {
    let given = args.settings.as_deref().map(settings).transpose()?;
    let cases = match &args.cases {
        Some(folder) => test::read(folder)?,
        None => vec![Case::usual()],
    };
    let bytes = component(&args.file)?;
    let sandbox = sandbox_as_served().await?;
    let mut tested = Tested::new(&sandbox, &bytes);
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    // A case about settings that are refused judges no request.
    for case in cases.iter().filter(|case| matches!(case.expected, Expected::Said(_))) {
        match timed(&mut tested, case, given.as_ref().unwrap_or(&case.settings), args.runs.get()).await? {
            Ok(times) => rows.push(row(&case.name, times)),
            Err(why) => failed.push((case.name.as_str(), why)),
        }
    }
    if rows.is_empty() && failed.is_empty() {
        return Err(Failure::usage("no case judges a request").hint("name cases that expect a verdict"));
    }
    tell(cli, args.cases.as_deref(), rows, &failed);
    Ok(ExitCode::from(u8::from(!failed.is_empty())))
}

/// Measures one case; the inner error is the case's own, and others may do better.
async fn timed(
    tested: &mut Tested<'_>,
    case: &Case,
    settings: &Value,
    runs: u32,
) -> Result<Result<Times, String>, Failure> {
    let plugin = match tested.load(settings, &case.files).await {
        Ok(plugin) => plugin,
        Err(error) if is_of_settings(&error) || matches!(error, LoadError::Settings { .. }) => {
            return Ok(Err(error.to_string()));
        }
        Err(error) => return Err(error.into()),
    };
    Ok(measure(&plugin, &case.request, runs).await.map_err(|fault| fault.to_string()))
}

/// Shows what was measured, and what could not be.
fn tell(cli: &Cli, folder: Option<&Path>, mut rows: Vec<Value>, failed: &[(&str, String)]) {
    if cli.json {
        rows.extend(failed.iter().map(|(case, fault)| json!({ "case": case, "fault": fault })));
        return talk::data(&Value::Array(rows));
    }
    if !rows.is_empty() {
        print(cli, &Value::Array(rows));
    }
    for (case, fault) in failed {
        let file = folder.map(|folder| folder.join(format!("{case}.toml")).display().to_string());
        let name = for_terminal(file.as_deref().unwrap_or(case));
        talk::line(&format!("FAILED {name}: {}", for_terminal(fault)));
    }
}

fn row(case: &str, times: Times) -> Value {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    json!({ "case": case, "median_us": micros(times.median), "p99_us": micros(times.p99) })
}
