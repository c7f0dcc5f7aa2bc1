//! `wardlock audit …`: what each verb asks of the daemon or the home, and what needs neither.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use wardlock_audit::verify_copies;

use super::args::Cli;
use super::audit_args::{
    AuditExportArgs, AuditListArgs, AuditTailArgs, AuditVerb, AuditVerifyArgs, ExportFormat, FilterArgs,
};
use super::remote::Reach;
use super::talk::Person;
use super::{remote, replay, show, talk};
use crate::admin::{AuditFilter, Brought, Command, Failure, RowForm};
use crate::host::now_ms;
use crate::ops::{against, verified};
use crate::text::{MOMENT_HINT, moment};

/// How often it is looked for new rows.
const LOOK: Duration = Duration::from_millis(300);

/// How many rows are asked for at a time.
const PAGE: u32 = 200;

/// Runs one verb.
pub async fn run(cli: &Cli, verb: &AuditVerb) -> Result<ExitCode, Failure> {
    let result = match verb {
        AuditVerb::List(list) => return self::list(cli, list).await,
        AuditVerb::Show { request_id } => {
            remote::ask(cli, Command::AuditShow { request_id: request_id.clone() }, Brought::Nothing).await?
        }
        AuditVerb::Tail(args) => return tail(cli, args).await,
        AuditVerb::Export(args) => return export(cli, args).await,
        AuditVerb::Verify(args) => verify(cli, args).await?,
        AuditVerb::Replay(args) => return replay::run(cli, args).await,
        AuditVerb::Head => return head(cli).await,
    };
    match verb {
        AuditVerb::Show { .. } if !cli.json => show::show_blocks(&result),
        _ => tell(cli, &result),
    }
    let is_no = matches!(verb, AuditVerb::Verify(_)) && result["ok"] == false;
    Ok(ExitCode::from(u8::from(is_no)))
}

async fn list(cli: &Cli, list: &AuditListArgs) -> Result<ExitCode, Failure> {
    let asked = AuditFilter { limit: list.limit, before: list.before, after: list.after, ..filter(&list.filter)? };
    let rows = remote::ask(cli, Command::AuditList { filter: Box::new(asked) }, Brought::Nothing).await?;
    tell(cli, &rows);
    let shown = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    if !cli.json && shown.len() == list.limit as usize {
        let (oldest, newest) = (shown.first(), shown.last());
        match (list.after, oldest, newest) {
            (None, Some(row), _) => talk::line(&format!("\nolder ones: --before {}", row["sequence"])),
            (Some(_), _, Some(row)) => talk::line(&format!("\nnewer ones: --after {}", row["sequence"])),
            (_, _, _) => {}
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows the newest rows, and then those that come.
async fn tail(cli: &Cli, args: &AuditTailArgs) -> Result<ExitCode, Failure> {
    let reach = Reach::open(cli).await?;
    if matches!(reach, Reach::Here(_)) {
        return Err(Failure::no("no daemon serves this home, so no row will come")
            .hint("`wardlock audit list` shows what there is"));
    }
    let form = if cli.json { RowForm::Jsonl } else { RowForm::Line };
    let (follow, asked) = (filter(&args.filter)?, AuditFilter { limit: args.lines, ..filter(&args.filter)? });
    let following = async {
        let mut page = rows(&reach, asked, form).await?;
        let mut last = page["last"].as_u64();
        while print(&page) {
            tokio::time::sleep(LOOK).await;
            let newer = AuditFilter { after: Some(last.unwrap_or(0)), limit: PAGE, ..follow.clone() };
            page = rows(&reach, newer, form).await?;
            last = page["last"].as_u64().or(last);
        }
        Ok(ExitCode::SUCCESS)
    };
    tokio::select! {
        ended = following => ended,
        stopped = tokio::signal::ctrl_c() => stopped.map_err(Failure::no).map(|()| ExitCode::SUCCESS),
    }
}

/// Writes rows page by page: neither side ever holds many.
async fn export(cli: &Cli, args: &AuditExportArgs) -> Result<ExitCode, Failure> {
    let asked = filter(&args.filter)?;
    let (form, word) = match args.format {
        ExportFormat::Jsonl => (RowForm::Jsonl, "jsonl"),
        ExportFormat::Csv => (RowForm::Csv, "csv"),
    };
    let reach = Reach::open(cli).await?;
    let begun = ask(&reach, Command::AuditExport { what: word.to_owned() }).await?;
    let until = begun["until"].as_u64().unwrap_or(0);
    let head = begun["head"].as_str().unwrap_or_default();
    let mut goes_on = form != RowForm::Csv || talk::lines([begun["columns"].as_str().unwrap_or_default()]);
    let mut after = 0;
    while goes_on {
        let page = AuditFilter { after: Some(after), before: Some(until + 1), limit: PAGE, ..asked.clone() };
        let page = rows(&reach, page, form).await?;
        goes_on = print(&page) && page["more"] == true;
        after = page["last"].as_u64().unwrap_or(after);
    }
    match form {
        RowForm::Csv | RowForm::Line => talk::line(&format!("the rows end at this signed head:\n{head}")),
        RowForm::Jsonl => {
            talk::lines([json!({ "version": 1, "head": head }).to_string().as_str()]);
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn ask(reach: &Reach, command: Command) -> Result<Value, Failure> {
    reach.ask(command, Brought::Nothing, &Person::new()).await
}

async fn rows(reach: &Reach, filter: AuditFilter, form: RowForm) -> Result<Value, Failure> {
    ask(reach, Command::AuditRows { filter: Box::new(filter), form }).await
}

/// Prints the lines of a page; returns whether somebody still reads.
fn print(page: &Value) -> bool {
    let lines = page["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
    talk::lines(lines.iter().filter_map(Value::as_str))
}

fn filter(args: &FilterArgs) -> Result<AuditFilter, Failure> {
    let time = |text: &Option<String>| {
        text.as_deref()
            .map(|text| moment(text, now_ms()))
            .transpose()
            .map_err(|problem| Failure::usage(problem).hint(MOMENT_HINT))
    };
    Ok(AuditFilter {
        since_ms: time(&args.since)?,
        until_ms: time(&args.until)?,
        before: None,
        after: None,
        limit: 0,
        workspace: args.workspace.clone(),
        connection: args.connection.clone(),
        agent: args.agent.clone(),
        service: args.service.clone(),
        operation: args.operation.clone(),
        effect: args.effect.clone(),
        resource: args.resource.clone(),
        region: args.region.clone(),
        tenant: args.tenant.clone(),
        decision: args.decision.clone(),
        outcome: args.outcome.clone(),
        code: args.code.clone(),
        plugin: args.plugin.clone(),
        value: args.path_value.clone(),
        kind: args.kind.clone(),
        act: args.act.clone(),
    })
}

fn tell(cli: &Cli, result: &Value) {
    if cli.json {
        talk::data(result);
    } else {
        show::show(result);
    }
}

async fn verify(cli: &Cli, args: &AuditVerifyArgs) -> Result<Value, Failure> {
    let mut heads = args.kept.join("\n");
    if let Some(file) = &args.heads {
        heads.push('\n');
        heads.push_str(&text_of(file)?);
    }
    if args.files.is_empty() {
        let command = Command::AuditVerify { heads, public_key: args.public_key.clone() };
        return remote::ask(cli, command, Brought::Nothing).await;
    }
    let against = against(&heads, args.public_key.as_deref())?;
    let found = verify_copies(&args.files, &against)?;
    Ok(verified(&found, &against, false))
}

fn text_of(file: &Path) -> Result<String, Failure> {
    let bytes = crate::home::read_operator_file(file).map_err(Failure::usage)?;
    String::from_utf8(bytes).map_err(|_| Failure::usage(format!("{} is no text", file.display())))
}

/// Data is the one line; whose key signed it is said beside it.
async fn head(cli: &Cli) -> Result<ExitCode, Failure> {
    let head = remote::ask(cli, Command::AuditHead, Brought::Nothing).await?;
    if cli.json {
        talk::data(&head);
        return Ok(ExitCode::SUCCESS);
    }
    talk::text(head["line"].as_str().unwrap_or_default());
    let told = |name: &str| head[name].as_str().unwrap_or_default().to_owned();
    talk::line(&format!(
        "\nrow {} of {}; keep the line where nobody who reaches this machine can change it.\npublic key: {}",
        head["sequence"],
        told("time"),
        told("public_key")
    ));
    Ok(ExitCode::SUCCESS)
}
