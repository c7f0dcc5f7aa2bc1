//! Golden cases, run natively against the policy's own code. `plugins/guests/CASES.md` is the format; the host
//! runs the same files against the component. What a policy asks of the host, a `Host` answers.

#![expect(clippy::panic, reason = "a failed case fails its test")]

pub(crate) mod host;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::value::{Datetime, Offset};

use crate::{
    Answer, Caller, Effect, Field, FieldUse, Header, Operation, Parameter, Payload, Policy, Request, Verdict,
    edit, export::glue,
};

pub use host::Host;

/// Runs every case in `<folder>/cases`.
///
/// # Panics
/// When a case fails or cannot be read: with all that went wrong.
pub fn check<P: Policy>(folder: &str) {
    let failures: Vec<String> = files(&Path::new(folder).join("cases"))
        .iter()
        .filter_map(|path| {
            let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let case = toml::from_str(&text).map_err(|error| error.to_string());
            case.and_then(run::<P>).err().map(|failure| format!("{}: {failure}", path.display()))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    assert!(!files.is_empty(), "{} has no cases", folder.display());
    files
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(default)]
    settings: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    folder: BTreeMap<String, String>,
    #[serde(default)]
    request: RequestOfCase,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    verdict: Option<String>,
    code: Option<String>,
    retry_after_seconds: Option<u32>,
    edits: Option<Vec<Vec<String>>>,
    problems: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RequestOfCase {
    id: String,
    now: Datetime,
    method: String,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Option<String>,
    content_type: Option<String>,
    purpose: Option<String>,
    dry_run: bool,
    approved_by: Option<String>,
    caller: CallerOfCase,
    operation: OperationOfCase,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CallerOfCase {
    workspace: String,
    connection: String,
    agent: String,
    region: String,
    tenant: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct OperationOfCase {
    service: String,
    name: String,
    effect: String,
    resources: Vec<String>,
    fields: Option<Vec<(String, String, String)>>,
    breadth: Option<u32>,
}

impl Default for RequestOfCase {
    fn default() -> Self {
        Self {
            id: "case".into(),
            now: "2026-01-05T12:00:00Z".parse().unwrap_or_else(|error| panic!("{error}")),
            method: "GET".into(),
            path: "/crm/v8/Leads".into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            content_type: None,
            purpose: None,
            dry_run: false,
            approved_by: None,
            caller: CallerOfCase::default(),
            operation: OperationOfCase::default(),
        }
    }
}

impl Default for CallerOfCase {
    fn default() -> Self {
        Self {
            workspace: "acme".into(),
            connection: "zoho".into(),
            agent: "reporter".into(),
            region: "eu".into(),
            tenant: None,
        }
    }
}

impl Default for OperationOfCase {
    fn default() -> Self {
        Self {
            service: "zoho-crm".into(),
            name: "records.list".into(),
            effect: "read".into(),
            resources: vec!["Leads".into()],
            fields: None,
            breadth: None,
        }
    }
}

fn run<P: Policy>(case: Case) -> Result<(), String> {
    let settings = serde_json::Value::Object(case.settings).to_string();
    let policy = OnceCell::<P>::new();
    let mut host = Host::of::<P>();
    for (name, text) in case.folder {
        host = host.file(name, text);
    }
    let configured = host.outside_requests(|| glue::configure(&policy, &settings));
    if let Some(expected) = case.expect.problems {
        let problems = configured.err().ok_or("the settings were taken")?;
        let found: BTreeSet<String> = problems.into_iter().map(|problem| problem.path).collect();
        let missed = expected.iter().find(|path| !found.contains(*path));
        return missed.map_or(Ok(()), |path| Err(format!("no problem at {path:?}, only at {found:?}")));
    }
    configured.map_err(|problems| format!("the settings were refused: {problems:?}"))?;
    let request = request::<P>(case.request)?;
    compare(&case.expect, &host.during_request(request.now_ms, || glue::on_request(&policy, &request)))
}

fn compare(expect: &Expect, answer: &Answer) -> Result<(), String> {
    let (verdict, edits) = match &answer.verdict {
        Verdict::Allow => ("allow", None),
        Verdict::Deny(_) => ("deny", None),
        Verdict::Hold(_) => ("hold", None),
        Verdict::Shape(shaping) => ("shape", Some(shaping.edits.iter().map(edit::to_words).collect())),
    };
    let code = answer.reason().map(|reason| reason.code.clone());
    let retry_after_seconds = answer.reason().and_then(|reason| reason.retry_after_seconds);
    let same = expect.verdict.as_deref() == Some(verdict)
        && expect.code == code
        && expect.retry_after_seconds == retry_after_seconds
        && expect.edits == edits;
    if same { Ok(()) } else { Err(format!("the answer is {answer:?}")) }
}

fn request<P: Policy>(of_case: RequestOfCase) -> Result<Request, String> {
    let sees_body = P::describe().capabilities.iter().any(|capability| capability == "body");
    let RequestOfCase { caller, content_type, .. } = of_case;
    Ok(Request {
        id: of_case.id,
        now_ms: epoch_ms(&of_case.now)?,
        caller: Caller {
            workspace: caller.workspace,
            connection: caller.connection,
            agent: caller.agent,
            region: caller.region,
            tenant: caller.tenant,
        },
        operation: operation(of_case.operation)?,
        method: of_case.method,
        path: of_case.path,
        query: of_case.query.into_iter().map(|(name, value)| Parameter { name, value }).collect(),
        headers: of_case
            .headers
            .into_iter()
            .map(|(name, value)| Header { name, value: value.into_bytes() })
            .collect(),
        body: of_case.body.map(|text| Payload {
            length: text.len() as u64,
            content_type,
            sha256: vec![0; 32],
            content: sees_body.then(|| text.into_bytes()),
        }),
        purpose: of_case.purpose,
        dry_run: of_case.dry_run,
        approved_by: of_case.approved_by,
        attributes: Vec::new(),
    })
}

fn operation(of_case: OperationOfCase) -> Result<Operation, String> {
    let uses = [FieldUse::Read, FieldUse::Filter, FieldUse::Write];
    let field = |(of, name, how): (String, String, String)| {
        let how = uses.into_iter().find(|known| known.name() == how).ok_or("a field's use is unknown")?;
        Ok(Field { of, name, how })
    };
    let fields = of_case.fields.map(|fields| fields.into_iter().map(field).collect::<Result<_, String>>());
    let effects = [Effect::Read, Effect::Write, Effect::Destructive];
    let effect = effects.into_iter().find(|known| known.name() == of_case.effect);
    Ok(Operation {
        service: of_case.service,
        name: of_case.name,
        effect: effect.ok_or("the effect is unknown")?,
        resources: of_case.resources,
        fields: fields.transpose()?,
        breadth: of_case.breadth,
        attributes: Vec::new(),
    })
}

/// Days since 1970 by Howard Hinnant's `days_from_civil`, for years from 1970 on.
fn epoch_ms(now: &Datetime) -> Result<u64, String> {
    let (Some(date), Some(time), Some(offset)) = (now.date, now.time, now.offset) else {
        return Err("`now` needs a date, a time and an offset".into());
    };
    let (year, month, day) = (i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    let offset_minutes = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let minutes = days * 1440 + i64::from(time.hour) * 60 + i64::from(time.minute) - offset_minutes;
    let ms = (minutes * 60 + i64::from(time.second.unwrap_or(0))) * 1000
        + i64::from(time.nanosecond.unwrap_or(0)) / 1_000_000;
    u64::try_from(ms).map_err(|_| "`now` is before 1970".into())
}

#[cfg(test)]
mod tests;
