//! Golden cases: `plugins/guests/CASES.md` is the format. The plugins' own tests run the same files natively; here
//! they go through the real host: schema, `configure`, `on-request`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use toml::value::{Datetime, Offset};
use wardlock_core::canonical::{Header, Parameter};
use wardlock_core::id::{Digest, PluginName};
use wardlock_core::plugin::{
    Answer, Caller, Edit, Effect, Field, FieldUse, OperationView, Payload, PluginRequest, Verdict,
};
use wardlock_plugins::{STARTERS, Starter};
use wardlock_sandbox::{LoadError, LoadSpec};

use crate::support::sandbox;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(default)]
    settings: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    request: RequestOfCase,
    expect: Expect,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RequestOfCase {
    id: Option<String>,
    now: Option<Datetime>,
    method: Option<String>,
    path: Option<String>,
    #[serde(default)]
    query: Vec<(String, String)>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    body: Option<String>,
    content_type: Option<String>,
    purpose: Option<String>,
    #[serde(default)]
    dry_run: bool,
    approved_by: Option<String>,
    #[serde(default)]
    caller: CallerOfCase,
    #[serde(default)]
    operation: OperationOfCase,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct CallerOfCase {
    workspace: Option<String>,
    connection: Option<String>,
    agent: Option<String>,
    region: Option<String>,
    tenant: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct OperationOfCase {
    service: Option<String>,
    name: Option<String>,
    effect: Option<String>,
    resources: Option<Vec<String>>,
    fields: Option<Vec<(String, String, String)>>,
    breadth: Option<u32>,
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

#[tokio::test(flavor = "multi_thread")]
async fn golden_cases_hold_through_the_real_host() {
    let mut failures = Vec::new();
    for starter in STARTERS {
        for path in cases(starter.name) {
            let text = fs::read_to_string(&path).expect("a readable case");
            let case: Case = toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            if let Err(failure) = run(starter, case).await {
                failures.push(format!("{}: {failure}", path.display()));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn cases(plugin: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/guests").join(plugin).join("cases");
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} has no cases", folder.display());
    files
}

async fn run(starter: &Starter, case: Case) -> Result<(), String> {
    let spec = LoadSpec {
        name: PluginName::parse(starter.name).expect("a name"),
        bytes: starter.bytes.to_vec(),
        expected_digest: Some(Digest::of(starter.bytes)),
        settings: serde_json::Value::Object(case.settings),
        granted: BTreeSet::from(["body".to_owned(), "shape".to_owned()]),
        time: Duration::from_secs(5),
        memory_bytes: 32 << 20,
    };
    let mut expect = case.expect;
    let plugin = match (sandbox().load(spec).await, expect.problems.take()) {
        (Err(LoadError::Settings { problems }), Some(expected)) => {
            let found: BTreeSet<String> = problems.into_iter().map(|problem| problem.path).collect();
            let missed = expected.iter().find(|path| !found.contains(*path));
            return missed.map_or(Ok(()), |path| Err(format!("no problem at {path:?}, only at {found:?}")));
        }
        (Ok(_), Some(_)) => return Err("the settings were taken".to_owned()),
        (Err(error), _) => return Err(error.to_string()),
        (Ok(plugin), None) => plugin,
    };
    let answer = plugin.decide(&request(case.request)).await.map_err(|fault| fault.to_string())?;
    let (verdict, edits, reason) = match &answer.verdict {
        Verdict::Allow => ("allow", None, None),
        Verdict::Deny(reason) => ("deny", None, Some(reason)),
        Verdict::Hold(reason) => ("hold", None, Some(reason)),
        Verdict::Shape(edits, reason) => ("shape", Some(edits.iter().map(words).collect()), Some(reason)),
    };
    let same = expect.verdict.as_deref() == Some(verdict)
        && expect.code == reason.map(|reason| reason.code.clone())
        && expect.retry_after_seconds == reason.and_then(|reason| reason.retry_after_seconds)
        && expect.edits == edits;
    if same { Ok(()) } else { Err(describe(&answer)) }
}

fn describe(answer: &Answer) -> String {
    format!("the answer is {answer:?}")
}

fn words(edit: &Edit) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    match edit {
        Edit::SetHeader(header) => words(&["set-header", &header.name, &text(&header.value)]),
        Edit::RemoveHeader(name) => words(&["remove-header", name]),
        Edit::SetQuery(parameter) => words(&["set-query", &parameter.name, &parameter.value]),
        Edit::RemoveQuery(name) => words(&["remove-query", name]),
        Edit::SetJson(pointer, json) => words(&["set-json", pointer, json]),
        Edit::ReplaceBody(body) => words(&["replace-body", &text(body)]),
    }
}

fn request(of: RequestOfCase) -> PluginRequest {
    let or = |given: Option<String>, default: &str| given.unwrap_or_else(|| default.to_owned());
    let content_type = of.content_type;
    let payload = |body: String| Payload {
        length: body.len() as u64,
        content_type,
        sha256: Digest::of(body.as_bytes()),
        content: body.into_bytes(),
    };
    PluginRequest {
        id: or(of.id, "case"),
        now_ms: of.now.map_or(1_767_614_400_000, epoch_ms),
        caller: Caller {
            workspace: or(of.caller.workspace, "acme"),
            connection: or(of.caller.connection, "zoho"),
            agent: or(of.caller.agent, "reporter"),
            region: or(of.caller.region, "eu"),
            tenant: of.caller.tenant,
        },
        operation: operation(of.operation),
        method: method(&or(of.method, "GET")),
        path: or(of.path, "/crm/v8/Leads"),
        query: of.query.into_iter().map(|(name, value)| Parameter { name, value }).collect(),
        headers: of.headers.into_iter().map(|(name, value)| Header { name, value: value.into_bytes() }).collect(),
        body: of.body.map(payload),
        purpose: of.purpose,
        dry_run: of.dry_run,
        approved_by: of.approved_by,
        attributes: Vec::new(),
    }
}

fn method(name: &str) -> &'static str {
    wardlock_core::canonical::Method::parse(name).expect("a method").as_str()
}

fn operation(of: OperationOfCase) -> OperationView {
    let field = |(of, name, how): (String, String, String)| {
        let how = match how.as_str() {
            "read" => FieldUse::Read,
            "filter" => FieldUse::Filter,
            "write" => FieldUse::Write,
            other => panic!("`{other}` is no use of a field"),
        };
        Field { of, name, how }
    };
    OperationView {
        service: of.service.unwrap_or_else(|| "zoho-crm".to_owned()),
        name: of.name.unwrap_or_else(|| "records.list".to_owned()),
        effect: match of.effect.as_deref() {
            None | Some("read") => Effect::Read,
            Some("write") => Effect::Write,
            Some("destructive") => Effect::Destructive,
            Some(other) => panic!("`{other}` is no effect"),
        },
        resources: of.resources.unwrap_or_else(|| vec!["Leads".to_owned()]),
        fields: of.fields.map(|fields| fields.into_iter().map(field).collect()),
        breadth: of.breadth,
        attributes: Vec::new(),
    }
}

/// Days since 1970 by Howard Hinnant's `days_from_civil`, for years from 1970 on.
fn epoch_ms(now: Datetime) -> u64 {
    let (date, time) = (now.date.expect("a date"), now.time.expect("a time"));
    let (year, month, day) = (i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    let offset = match now.offset.expect("an offset") {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let minutes = days * 1440 + i64::from(time.hour) * 60 + i64::from(time.minute) - offset;
    let seconds = minutes * 60 + i64::from(time.second.unwrap_or(0));
    u64::try_from(seconds * 1000).expect("a time after 1970") + u64::from(time.nanosecond.unwrap_or(0)) / 1_000_000
}
