//! What plugins saw, as far as it is recorded: asked again, asked of another component, and made a golden case of.

mod otherwise;

use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_audit::Act;
use wardlock_state::{RecordPlace, RecordQuery};

use super::{blocking, note, who};
use crate::admin::Failure;
use crate::host::Host;
use crate::plugin::cases::{Case, Found, Tested, write};
use crate::recorder::{AskedRecord, Now, Record, RecordError, Replay, Replayed, Tried, Word};

pub(super) use otherwise::{Brought, otherwise};

/// What is replayed.
pub(super) struct Asked {
    pub workspace: Option<String>,
    pub request_id: Option<String>,
    pub limit: u32,
}

/// The most rows of one answer: what is beyond is counted only.
const ROWS: usize = 1000;

/// Asks recorded decisions again.
pub(super) async fn replay(host: &Arc<Host>, asked: Asked) -> Result<Value, Failure> {
    let places = places(host, asked.workspace.as_deref(), asked.request_id.as_deref(), asked.limit).await?;
    let mut replay = Replay::new(host);
    let mut told = Told::default();
    for place in &places {
        match read(host, place).await? {
            Ok(Some(record)) => {
                told.requests += 1;
                for asked in &record.asked {
                    let again = replay.again(&record, asked).await;
                    let now = replay.now(&record, asked).await;
                    told.take(&record, asked, &again, now.as_ref());
                }
            }
            Ok(None) => {}
            Err(error) => told.unreadable(place, &error),
        }
    }
    let target = asked.request_id.or_else(|| asked.workspace.clone());
    let target = target.unwrap_or_else(|| "all workspaces".to_owned());
    let result = if told.is_ok() { "ok" } else { "defects" };
    let act = Act::admin(who(), "audit.replay", target, result);
    note(host, Act { workspace: asked.workspace, ..act }).await;
    let recording: Vec<String> = host.recorder().recording().into_keys().collect();
    Ok(json!({
        "ok": told.is_ok(),
        "requests": told.requests,
        "decisions": told.decisions,
        "same": told.same,
        "defects": told.defects,
        "unreadable": told.unreadable,
        "not_replayed": told.not_replayed,
        "otherwise_now": told.otherwise_now,
        "rows": told.rows,
        "recording": recording,
    }))
}

/// What a replay comes to.
#[derive(Default)]
struct Told {
    requests: usize,
    decisions: usize,
    same: usize,
    defects: usize,
    unreadable: usize,
    not_replayed: usize,
    otherwise_now: usize,
    rows: Vec<Value>,
}

impl Told {
    fn is_ok(&self) -> bool {
        self.defects == 0 && self.unreadable == 0
    }

    fn take(&mut self, record: &Record, asked: &AskedRecord, again: &Replayed, now: Option<&Now>) {
        self.decisions += 1;
        let none = Vec::new();
        let (result, differences, why) = match again {
            Replayed::Same => ("same", &none, None),
            Replayed::Defect(lines) => ("defect", lines, None),
            Replayed::Unknown(why) => ("not replayed", &none, Some(why)),
        };
        match again {
            Replayed::Same => self.same += 1,
            Replayed::Defect(_) => self.defects += 1,
            Replayed::Unknown(_) => self.not_replayed += 1,
        }
        let is_other = matches!(now, Some(Now { tried: Some(Tried::Otherwise { .. }), .. }));
        self.otherwise_now += usize::from(is_other);
        if (*again == Replayed::Same && now.is_none()) || self.rows.len() >= ROWS {
            return;
        }
        self.rows.push(json!({
            "request": record.request_id,
            "time": crate::text::time(record.at_ms),
            "connection": format!("{}/{}", record.workspace, record.connection),
            "agent": record.agent,
            "plugin": asked.plugin,
            "asked_of": if record.is_of_answer(asked) { "answer" } else { "request" },
            "sha256": asked.component.to_string(),
            "recorded": asked.word.short(),
            "result": result,
            "differences": differences,
            "why": why,
            "now": now.map(now_json),
        }));
    }

    fn unreadable(&mut self, place: &RecordPlace, error: &RecordError) {
        self.unreadable += 1;
        if self.rows.len() < ROWS {
            self.rows.push(json!({
                "request": place.request_id,
                "time": crate::text::time(place.at_ms),
                "workspace": place.workspace,
                "result": "unreadable",
                "why": crate::text::with_causes(error),
            }));
        }
    }
}

fn now_json(now: &Now) -> Value {
    let (says, differences, why) = match &now.tried {
        Some(Tried::Otherwise { says, differences }) => (Some(says.as_str()), differences.as_slice(), None),
        Some(Tried::Same) => (Some("the same"), &[][..], None),
        Some(Tried::Unknown(why)) => (None, &[][..], Some(why)),
        None => (None, &[][..], None),
    };
    json!({ "changed": now.changed, "says": says, "differences": differences, "why": why })
}

/// Spaces stand in a case for a body that no plugin saw, up to so many bytes.
const STAND_IN: u64 = 64 << 10;

/// Writes a golden case: what a plugin was asked in a request, and what it said.
pub(super) async fn case(
    host: &Arc<Host>,
    request_id: &str,
    plugin: Option<&str>,
    promise: &str,
) -> Result<Value, Failure> {
    let record = recorded(host, request_id).await?;
    let asked = choose(&record, plugin)?;
    let Word::Said { said, message, .. } = &asked.word else {
        return Err(Failure::no(format!("plugin `{}` gave no verdict on this request", asked.plugin))
            .hint("no case can expect a fault; `wardlock audit show` has what it was"));
    };
    let Some(mut request) = record.inputs[asked.input].request().cloned() else {
        return Err(no_record(request_id));
    };
    let mut promise = promise.to_owned();
    if let Some(body) = request.body.as_mut().filter(|_| !record.inputs[asked.input].is_whole()) {
        if body.length > STAND_IN {
            return Err(Failure::no("the request has a body that no plugin saw, so it is not recorded")
                .hint("a case needs a whole request: make one with `--curl`, or grant the capability `body`"));
        }
        body.content = vec![b' '; usize::try_from(body.length).unwrap_or(0)];
        promise.push_str(" (The body was not recorded: spaces stand for it.)");
    }
    let settings = serde_json::from_str(&asked.settings).map_err(Failure::no)?;
    let recorded = Found::Said(said.clone(), message.clone());
    let text = write(&promise, &settings, &request, &recorded).map_err(Failure::no)?;
    let checked = check(host, asked, &text).await?;
    note(host, Act::admin(who(), "plugin.case", request_id, "ok")).await;
    Ok(json!({
        "text": text,
        "plugin": asked.plugin,
        "sha256": asked.component.to_string(),
        "operation": request.operation.name,
        "effect": request.operation.effect.as_str(),
        "verdict": said.verdict,
        "code": said.code,
        "checked": checked,
    }))
}

/// Returns what is recorded of a request.
pub(super) async fn recorded(host: &Arc<Host>, request_id: &str) -> Result<Record, Failure> {
    let found = places(host, None, Some(request_id), 1).await?;
    let [place] = found.as_slice() else { return Err(no_record(request_id)) };
    let record = read(host, place).await?.map_err(|error| not_read(request_id, &error))?;
    record.ok_or_else(|| no_record(request_id))
}

/// Runs a case as `plugin test` would, so that none is made that does not hold. Returns whether that could be done.
async fn check(host: &Host, asked: &AskedRecord, text: &str) -> Result<bool, Failure> {
    let case = Case::parse("case.toml", text).map_err(|error| {
        Failure::no(format!("the request becomes no case: {error}"))
            .hint("what a case must not hold, a recorded request may hold; make one with `--curl`")
    })?;
    let Some(bytes) = crate::loaded::kept(host.home(), asked.component)? else { return Ok(false) };
    let found = Tested::new(host.sandbox(), &bytes).case(&case).await?;
    let differences = case.differences(&found);
    if differences.is_empty() {
        return Ok(true);
    }
    let why = if asked.capabilities.contains("folder") {
        "it may read the files of a folder, which are not recorded: write what they held under `[folder]`"
    } else if asked.takes.is_empty() {
        "a case grants every capability, and the workspace file did not; or the plugin looked at a body that was not recorded"
    } else {
        "a case starts from nothing taken, and the plugin had taken of its quotas before"
    };
    Err(Failure::no(format!("the case would not hold: {}", differences.join("; "))).hint(why))
}

fn choose<'a>(record: &'a Record, plugin: Option<&str>) -> Result<&'a AskedRecord, Failure> {
    let of_request: Vec<&AskedRecord> = record.asked.iter().filter(|asked| !record.is_of_answer(asked)).collect();
    let names: Vec<&str> = of_request.iter().map(|asked| asked.plugin.as_str()).collect();
    let hint = format!("plugins that were asked of the request: {}", names.join(", "));
    match (plugin, of_request.as_slice()) {
        (None, [only]) => Ok(only),
        (None, []) => Err(Failure::no("plugins were asked of its answer only, and cases are of requests")
            .hint("`wardlock audit replay` asks them again")),
        (None, _) => Err(Failure::usage("several plugins were asked: name one with `--plugin`").hint(hint)),
        (Some(name), asked) => asked
            .iter()
            .find(|asked| asked.plugin == name)
            .copied()
            .ok_or_else(|| Failure::no(format!("plugin `{name}` was not asked of this request")).hint(hint)),
    }
}

/// Finds where records stand, once all that was handed over is written.
async fn places(
    host: &Arc<Host>,
    workspace: Option<&str>,
    request_id: Option<&str>,
    limit: u32,
) -> Result<Vec<RecordPlace>, Failure> {
    let (recorder, now_ms) = (Arc::clone(host.recorder()), host.now_ms());
    let (workspace, request_id) = (workspace.map(str::to_owned), request_id.map(str::to_owned));
    if let Some(name) = &workspace
        && host.loaded().workspace(name).is_none()
    {
        return Err(Failure::no(format!("there is no workspace `{name}`"))
            .hint("`wardlock connections list` shows what there is"));
    }
    let found = blocking({
        let request_id = request_id.clone();
        move || {
            recorder.flush();
            let query = RecordQuery { workspace: workspace.as_deref(), request_id: request_id.as_deref(), limit };
            recorder.places(now_ms, &query)
        }
    });
    let found = found.await?.map_err(|error| unusable(&error))?;
    match (&request_id, found.is_empty()) {
        (Some(request_id), true) => Err(no_record(request_id)),
        _ => Ok(found),
    }
}

/// Opens a record. What fails with the file fails the command; what is wrong with the one record is for its row.
async fn read(host: &Arc<Host>, place: &RecordPlace) -> Result<Result<Option<Record>, RecordError>, Failure> {
    let (recorder, place) = (Arc::clone(host.recorder()), place.clone());
    match blocking(move || recorder.read(&place)).await? {
        Err(error @ (RecordError::State(_) | RecordError::Unusable(_))) => Err(unusable(&error)),
        read => Ok(read),
    }
}

fn unusable(error: &RecordError) -> Failure {
    Failure::home(crate::text::with_causes(error))
        .hint("look at `wardlock doctor`; state/recordings.db holds nothing else, so it may be moved away")
}

fn not_read(request_id: &str, error: &RecordError) -> Failure {
    Failure::no(format!("the record of request `{request_id}` is not read: {error}"))
        .hint("it was changed, or put there from another place; `wardlock audit show` has what the audit knows")
}

fn no_record(request_id: &str) -> Failure {
    Failure::no(format!("there is no record of request `{request_id}`")).hint(
        "recorded are requests whose plugins were asked, in workspaces with `[recorder]`, until their time ends or newer ones push \
         them out",
    )
}
