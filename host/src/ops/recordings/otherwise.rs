//! What a component that somebody brings would decide otherwise than what is recorded: than the plugins of its name did, and, where a
//! chain that it is for has none of that name, of what the chain's first plugin was asked.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use wardlock_core::id::{Digest, PluginName};
use wardlock_sandbox::{About, LoadSpec, Plugin};

use super::{places, read};
use crate::admin::Failure;
use crate::config::DEFAULT_MEMORY_BYTES;
use crate::host::Host;
use crate::loaded::State;
use crate::recorder::{AskedRecord, Record, Tried, Word, new_word, tried};

/// How many of a workspace's newest requests a component is asked about.
const NEWEST: u32 = 200;
/// How many differences are told for each place; the rest is counted.
const TOLD: usize = 20;
/// How many reasons are told why something could not be compared.
const REASONS: usize = 3;
/// How long one decision may take.
const TIME: Duration = Duration::from_secs(1);

/// A component that somebody brings.
#[derive(Clone, Copy)]
pub(in crate::ops) struct Brought<'a> {
    pub about: &'a About,
    pub digest: Digest,
    pub bytes: &'a [u8],
}

/// Asks a component about what is recorded: of the plugins of its name in one workspace, or in all that record, and of the connection that
/// it is for. `place` is a workspace and that connection.
pub(in crate::ops) async fn otherwise(
    host: &Arc<Host>,
    place: Option<(&str, &str)>,
    brought: Brought<'_>,
) -> Result<Vec<Value>, Failure> {
    let loaded = host.loaded();
    let recording = host.recorder().recording();
    let name = brought.about.description.name.as_str();
    let mut told = Vec::new();
    for found in loaded.connections() {
        let (its, connection) = (found.connection.workspace.as_str(), found.connection.name.as_str());
        let State::Open(open) = &found.state else { continue };
        if place.is_some_and(|(workspace, _)| workspace != its) {
            continue;
        }
        let is_for = place == Some((its, connection));
        let there = open.plugins.iter().find(|plugin| plugin.name().as_str() == name);
        if there.is_none() && !is_for {
            continue;
        }
        let mut row = if recording.contains_key(its) {
            let records = records(host, its, connection).await?;
            compared(host, &records, brought, there.map(|plugin| &**plugin)).await
        } else if is_for {
            not_compared(format!("nothing is recorded: workspace `{its}` has no `[recorder]`"))
        } else {
            continue;
        };
        row["place"] = format!("{its}/{connection}").into();
        told.push(row);
    }
    Ok(told)
}

/// Reads what is recorded of a connection, the newest first.
async fn records(host: &Arc<Host>, workspace: &str, connection: &str) -> Result<Vec<Record>, Failure> {
    let mut records = Vec::new();
    for place in places(host, Some(workspace), None, NEWEST).await? {
        // What does not open is `audit replay`'s to tell.
        let Ok(Some(record)) = read(host, &place).await? else { continue };
        if record.connection == connection {
            records.push(record);
        }
    }
    Ok(records)
}

/// Compares with what the plugin of its name said; with nothing where none of that name was asked.
async fn compared(host: &Host, records: &[Record], brought: Brought<'_>, there: Option<&Plugin>) -> Value {
    if records.is_empty() {
        return not_compared("nothing is recorded of it yet".to_owned());
    }
    let new = match there {
        Some(plugin) => in_place_of(host, plugin, brought).await,
        None => as_printed(host, brought).await,
    };
    let new = match new {
        Ok(new) => new,
        Err(why) => return not_compared(why),
    };
    let is_its = |asked: &AskedRecord| there.is_some_and(|plugin| asked.plugin == plugin.name().as_str());
    let is_new = !records.iter().flat_map(|record| &record.asked).any(is_its);
    let mut told = Told::default();
    for record in records {
        if is_new {
            for asked in first_asked(record) {
                told.take_new(record, asked, new_word(&new, record, asked).await);
            }
        } else {
            for asked in record.asked.iter().filter(|asked| is_its(asked)) {
                told.take(record, asked, tried(&new, record, asked).await);
            }
        }
    }
    told.into_json(is_new)
}

/// Loads a component in the place of a plugin: with what the workspace file gives that.
async fn in_place_of(host: &Host, of: &Plugin, brought: Brought<'_>) -> Result<Plugin, String> {
    let spec = LoadSpec {
        name: of.name().clone(),
        bytes: brought.bytes.to_vec(),
        expected_digest: Some(brought.digest),
        settings: serde_json::from_str(of.settings()).map_err(|error| error.to_string())?,
        granted: of.granted().clone(),
        files: of.files().cloned(),
        time: TIME,
        memory_bytes: of.memory_bytes(),
    };
    let loaded = host.sandbox().load(spec).await;
    loaded.map_err(|error| format!("it does not load with the settings that stand there: {error}"))
}

/// Loads a component as the table has it that is printed for a new one: without settings, with all that it asks for.
async fn as_printed(host: &Host, brought: Brought<'_>) -> Result<Plugin, String> {
    let description = &brought.about.description;
    let again = "put its table into the chain, run `wardlock reload`, then `plugin add` once more";
    if description.capabilities.contains("folder") {
        return Err(format!("it reads a folder that no table gives it yet: {again}"));
    }
    let name = PluginName::parse(&description.name).or_else(|_| PluginName::parse("plugin"));
    let spec = LoadSpec {
        name: name.map_err(|error| error.to_string())?,
        bytes: brought.bytes.to_vec(),
        expected_digest: Some(brought.digest),
        settings: json!({}),
        granted: description.capabilities.clone(),
        files: None,
        time: TIME,
        memory_bytes: DEFAULT_MEMORY_BYTES,
    };
    let loaded = host.sandbox().load(spec).await;
    loaded.map_err(|error| format!("it does not load without settings ({error}): {again}"))
}

/// What the chain's first plugin was asked: of the request, or each of its parts, and of its answer.
fn first_asked(record: &Record) -> impl Iterator<Item = &AskedRecord> {
    let [mut of_request, mut of_answer]: [Option<&str>; 2] = [None; 2];
    record.asked.iter().filter(move |asked| {
        let first = if record.is_of_answer(asked) { &mut of_answer } else { &mut of_request };
        *first.get_or_insert(&asked.plugin) == asked.plugin
    })
}

/// What a component comes to in one place.
#[derive(Default)]
struct Told<'a> {
    requests: BTreeSet<&'a str>,
    compared: u32,
    unknown: u32,
    whys: BTreeSet<String>,
    otherwise: u32,
    refused: u32,
    held: u32,
    changed: u32,
    differing: Vec<Value>,
}

impl<'a> Told<'a> {
    fn take(&mut self, record: &'a Record, asked: &AskedRecord, tried: Tried) {
        match tried {
            Tried::Unknown(why) => return self.unknown(why),
            Tried::Same => {}
            Tried::Otherwise { says, differences } => {
                self.differs(record, asked, (&asked.word.short(), &says), &differences);
            }
        }
        self.compared(record);
    }

    /// Takes what a component says that nobody was asked in the place of.
    fn take_new(&mut self, record: &'a Record, asked: &AskedRecord, word: Result<Word, String>) {
        let word = match word {
            Ok(word) => word,
            Err(why) => return self.unknown(why),
        };
        self.compared(record);
        let counted = match &word {
            Word::Fault { .. } => &mut self.refused,
            Word::Said { said, .. } => match said.verdict {
                "allow" | "pass" => return,
                "hold" => &mut self.held,
                "shape" | "edit" => &mut self.changed,
                _ => &mut self.refused,
            },
        };
        *counted += 1;
        self.differs(record, asked, (&record.decision, &word.short()), &[]);
    }

    fn unknown(&mut self, why: String) {
        self.unknown += 1;
        if self.whys.len() < REASONS {
            self.whys.insert(why);
        }
    }

    fn compared(&mut self, record: &'a Record) {
        self.compared += 1;
        self.requests.insert(&record.request_id);
    }

    fn differs(
        &mut self,
        record: &Record,
        asked: &AskedRecord,
        (recorded, now): (&str, &str),
        differences: &[String],
    ) {
        self.otherwise += 1;
        if self.differing.len() < TOLD {
            self.differing.push(json!({
                "request": record.request_id,
                "time": crate::text::time(record.at_ms),
                "operation": record.inputs.get(asked.input).map(|input| &input.operation().name),
                "recorded": recorded,
                "now": now,
                "differences": differences,
            }));
        }
    }

    fn into_json(self, is_new: bool) -> Value {
        json!({
            "is_new": is_new,
            "requests": self.requests.len(),
            "compared": self.compared,
            "not_compared": self.unknown,
            "not_compared_why": self.whys,
            "otherwise": self.otherwise,
            "would_refuse": is_new.then_some(self.refused),
            "would_hold": is_new.then_some(self.held),
            "would_change": is_new.then_some(self.changed),
            "cut": (self.differing.len() as u64) < u64::from(self.otherwise),
            "differing": self.differing,
            "why": null,
        })
    }
}

/// Says why nothing is compared in a place.
fn not_compared(why: String) -> Value {
    let mut row = Told::default().into_json(false);
    row["why"] = why.into();
    row
}
