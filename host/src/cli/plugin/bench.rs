//! `wardlock plugin bench`: how long one decision takes here. It says nothing about whether that is good.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use super::{component, print, sandbox_as_served, settings, test};
use crate::admin::Failure;
use crate::cli::args::Cli;
use crate::cli::plugin_args::BenchArgs;
use crate::plugin::bench::{Times, measure};
use crate::plugin::cases::{Case, Expected, Tested};

pub(super) async fn run(cli: &Cli, args: &BenchArgs) -> Result<ExitCode, Failure> {
    let given = args.settings.as_deref().map(settings).transpose()?;
    let cases = match &args.cases {
        Some(folder) => test::read(folder)?,
        None => vec![Case::usual()],
    };
    let bytes = component(&args.file)?;
    let sandbox = sandbox_as_served().await?;
    let mut tested = Tested::new(&sandbox, &bytes);
    let mut rows = Vec::new();
    // A case about settings that are refused judges no request.
    for case in cases.iter().filter(|case| matches!(case.expected, Expected::Said(_))) {
        let settings = given.as_ref().unwrap_or(&case.settings);
        let plugin = tested.load(settings, &case.files).await?;
        let times = measure(&plugin, &case.request, args.runs.get()).await;
        rows.push(row(&case.name, times.map_err(|fault| Failure::no(format!("case `{}`: {fault}", case.name)))?));
    }
    if rows.is_empty() {
        return Err(Failure::usage("no case judges a request").hint("name cases that expect a verdict"));
    }
    print(cli, &Value::Array(rows));
    Ok(ExitCode::SUCCESS)
}

fn row(case: &str, times: Times) -> Value {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    json!({ "case": case, "median_us": micros(times.median), "p99_us": micros(times.p99) })
}
