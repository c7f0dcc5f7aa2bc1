//! `wardlock plugin test`: golden cases through the real sandbox.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{component, of_folder, sandbox};
use crate::admin::Failure;
use crate::cli::args::Cli;
use crate::cli::plugin_args::TestArgs;
use crate::cli::talk;
use crate::plugin::cases::{self, Case, CaseResult, CasesError, Found, Tested, USUAL_TIME};
use crate::plugin::folder::Folder;
use crate::text::for_terminal;

/// Whether what a plugin says is written into cases that expect something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Update {
    Yes,
    No,
}

pub(super) async fn run(cli: &Cli, args: &TestArgs) -> Result<ExitCode, Failure> {
    let update = if args.update { Update::Yes } else { Update::No };
    let ok = run_cases(cli, &component(&args.file)?, &args.cases, update).await?;
    Ok(ExitCode::from(u8::from(!ok)))
}

/// Runs the cases of a folder and shows how they went; returns whether all is well.
pub(super) async fn run_cases(cli: &Cli, bytes: &[u8], folder: &Path, update: Update) -> Result<bool, Failure> {
    let cases = read(folder)?;
    let sandbox = sandbox().await?;
    let mut tested = Tested::new(&sandbox, bytes);
    let results = cases::run(&mut tested, &cases).await?;
    let mut ran = Vec::new();
    for (case, result) in cases.iter().zip(&results) {
        let updated = update == Update::Yes && !result.holds() && rewrite(folder, case, result)?;
        ran.push(Ran { case, result, updated });
    }
    let ok = ran.iter().all(Ran::is_well);
    if cli.json {
        talk::data(&to_json(ok, &tested, &ran));
    } else {
        tell(folder, &ran);
    }
    Ok(ok)
}

/// Reads the cases that somebody named.
pub(super) fn read(folder: &Path) -> Result<Vec<Case>, Failure> {
    cases::read(folder).map_err(|error| match error {
        CasesError::Folder(error) => of_folder(error),
        CasesError::Text { .. } => Failure::usage(error),
        CasesError::None { .. } => Failure::usage(error)
            .hint("write one (plugins/guests/CASES.md is the format), or name the folder with `--cases`"),
    })
}

/// A case that was run.
struct Ran<'a> {
    case: &'a Case,
    result: &'a CaseResult,
    updated: bool,
}

impl Ran<'_> {
    fn is_well(&self) -> bool {
        self.updated || self.result.holds()
    }
}

/// Writes what was found into the case's file; returns whether that is possible.
fn rewrite(folder: &Path, case: &Case, result: &CaseResult) -> Result<bool, Failure> {
    match cases::update(case, &result.found).map_err(Failure::usage)? {
        Some(text) => {
            let folder = Folder::open(folder).map_err(of_folder)?;
            folder.write(&case.file(), text.as_bytes()).map_err(of_folder)?;
            Ok(true)
        }
        None => Ok(false),
    }
}

fn tell(folder: &Path, ran: &[Ran<'_>]) {
    for Ran { case, result, updated } in ran.iter().filter(|ran| !ran.result.holds()) {
        let word = if *updated { "updated" } else { "FAILED" };
        talk::text(&format!("{word} {}", for_terminal(&folder.join(case.file()).display().to_string())));
        result.differences.iter().for_each(|line| talk::text(&format!("  {}", for_terminal(line))));
        log_lines(&result.log).for_each(|line| talk::text(&format!("  {line}")));
    }
    let failed = ran.iter().filter(|ran| !ran.is_well()).count();
    let updated = ran.iter().filter(|ran| ran.updated).count();
    let count = |count: usize| format!("{count} case{}", if count == 1 { "" } else { "s" });
    let line = match failed {
        0 => format!("{} hold{}", count(ran.len()), if ran.len() == 1 { "s" } else { "" }),
        _ => format!("{}, {failed} of them failed", count(ran.len())),
    };
    let updated = if updated > 0 { format!("; {updated} of them as updated") } else { String::new() };
    talk::text(&format!("{line}{updated}"));
    tell_slow(folder, ran);
}

/// Says what a plugin logged or printed, a line each.
pub(super) fn log_lines(log: &[(&'static str, String)]) -> impl Iterator<Item = String> {
    log.iter().map(|(level, text)| format!("it logged ({level}): {}", for_terminal(text)))
}

/// Warns of verdicts that a chain would not wait for.
fn tell_slow(folder: &Path, ran: &[Ran<'_>]) {
    let slow: Vec<&Ran<'_>> = ran.iter().filter(|ran| ran.result.slow).collect();
    let Some(first) = slow.first() else { return };
    let file = for_terminal(&folder.join(first.case.file()).display().to_string());
    let more = if slow.len() > 1 { format!(" and {} more", slow.len() - 1) } else { String::new() };
    talk::line(&format!(
        "warning: {file}{more} took longer than {} ms, the limit in the table that `plugin add` prints: requests would end with \
         `plugin_timeout`. Raise `limits.time` there, or make the plugin faster",
        USUAL_TIME.as_millis()
    ));
}

fn to_json(ok: bool, tested: &Tested<'_>, ran: &[Ran<'_>]) -> Value {
    let differing = ran.iter().filter(|ran| !ran.result.holds()).map(|ran| {
        json!({
            "case": ran.case.name,
            "differences": ran.result.differences,
            "found": found_json(&ran.result.found),
            "log": log_json(&ran.result.log),
            "updated": ran.updated,
        })
    });
    let results = ran.iter().map(|ran| {
        json!({
            "case": ran.case.name,
            "holds": ran.result.holds(),
            "log": log_json(&ran.result.log),
            "slow": ran.result.slow,
        })
    });
    json!({
        "ok": ok,
        "sha256": tested.digest().to_string(),
        "cases": ran.len(),
        "failed": ran.iter().filter(|ran| !ran.is_well()).count(),
        "updated": ran.iter().filter(|ran| ran.updated).count(),
        "differing": differing.collect::<Vec<_>>(),
        "results": results.collect::<Vec<_>>(),
    })
}

fn log_json(log: &[(&'static str, String)]) -> Value {
    log.iter().map(|(level, text)| json!({ "level": level, "text": text })).collect()
}

fn found_json(found: &Found) -> Value {
    match found {
        Found::Said(said, message) => json!({
            "verdict": said.verdict,
            "code": said.code,
            "retry_after_seconds": said.retry_after_seconds,
            "edits": said.edits,
            "message": message,
        }),
        Found::Problems(problems) => json!({ "problems": problems }),
        Found::Fault(fault) => json!({ "fault": fault }),
        Found::Refused(why) => json!({ "refused": why }),
    }
}
