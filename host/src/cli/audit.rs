//! `wardlock audit …`: what each verb asks of the daemon or the home, and what needs neither.

use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;
use wardlock_audit::verify_copy;

use super::args::Cli;
use super::audit_args::{AuditVerb, AuditVerifyArgs};
use super::{remote, show, talk};
use crate::admin::{Brought, Command, Failure};
use crate::ops::{against, verified};

/// Runs one verb.
pub async fn run(cli: &Cli, verb: &AuditVerb) -> Result<ExitCode, Failure> {
    let result = match verb {
        AuditVerb::List(list) => {
            let command = Command::AuditList {
                limit: list.limit,
                workspace: list.workspace.clone(),
                connection: list.connection.clone(),
                agent: list.agent.clone(),
                decision: list.decision.clone(),
            };
            remote::ask(cli, command, Brought::Nothing).await?
        }
        AuditVerb::Show { request_id } => {
            remote::ask(cli, Command::AuditShow { request_id: request_id.clone() }, Brought::Nothing).await?
        }
        AuditVerb::Verify(args) => verify(cli, args).await?,
        AuditVerb::Head => return head(cli).await,
    };
    tell(cli, &result);
    let is_no = matches!(verb, AuditVerb::Verify(_)) && result["ok"] == false;
    Ok(ExitCode::from(u8::from(is_no)))
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
    let Some(file) = &args.file else {
        return remote::ask(
            cli,
            Command::AuditVerify { heads, public_key: args.public_key.clone() },
            Brought::Nothing,
        )
        .await;
    };
    let against = against(&heads, args.public_key.as_deref())?;
    let found = verify_copy(file, &against)?;
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
