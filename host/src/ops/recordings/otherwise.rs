//! What a component that somebody brings would decide otherwise than what is recorded: than the plugins of its name did, and, where a
//! chain that it is for has none of that name, of what the chain's first plugin was asked.

mod told;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use wardlock_core::id::{Digest, PluginName};
use wardlock_egress::vault::Role;
use wardlock_sandbox::{About, LoadSpec, Plugin};
use wardlock_state::RecordPlace;

use super::super::{operators, signed_by};
use super::{places, read};
use crate::admin::Failure;
use crate::config::DEFAULT_MEMORY_BYTES;
use crate::host::Host;
use crate::loaded::State;
use crate::recorder::{AskedRecord, Record, new_word, tried};
use told::{Told, not_compared};

/// How many of a workspace's newest requests a component is asked about.
const NEWEST: u32 = 200;
/// How long one decision may take.
const TIME: Duration = Duration::from_secs(1);
/// How long all of it may take: a component that loops takes all the time of each decision.
const IN_ALL: Duration = Duration::from_secs(20);
/// Why a component is asked about nothing that is recorded.
const UNSIGNED: &str = "components are asked about recorded requests for an admin who signs: give the command as \
                        `wardlock --as NAME --sign-with KEY plugin add …`";

/// A component that somebody brings.
#[derive(Clone, Copy)]
pub(in crate::ops) struct Brought<'a> {
    pub about: &'a About,
    pub digest: Digest,
    pub bytes: &'a [u8],
}

/// Asks a component about what is recorded: of the plugins of its name in one workspace, or in all that record, and of the connection that
/// it is for. `place` is a workspace and that connection. The component says what it likes of what agents asked, so where operators have
/// keys, it is asked for an admin who signs.
pub(in crate::ops) async fn otherwise(
    host: &Arc<Host>,
    place: Option<(&str, &str)>,
    brought: Brought<'_>,
) -> Result<Vec<Value>, Failure> {
    let loaded = host.loaded();
    let recording = host.recorder().recording();
    let may_ask = signed_by() >= Some(Role::Admin) || operators::all(host).await?.is_empty();
    let asking = Asking { host, brought, until: Instant::now() + IN_ALL };
    let name = brought.about.description.name.as_str();
    let mut newest: BTreeMap<&str, Newest> = BTreeMap::new();
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
        let mut row = if !recording.contains_key(its) {
            if !is_for {
                continue;
            }
            not_compared(format!("nothing is recorded: workspace `{its}` has no `[recorder]`"))
        } else if may_ask {
            let newest = match newest.entry(its) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(vacant) => vacant.insert(looked_through(host, its, name).await?),
            };
            asking.compared(newest, connection, there.map(|plugin| &**plugin)).await?
        } else {
            not_compared(UNSIGNED.to_owned())
        };
        row["place"] = format!("{its}/{connection}").into();
        told.push(row);
    }
    Ok(told)
}

/// A workspace's newest records.
struct Newest {
    /// Whether that is all of them.
    is_all: bool,
    seen: Vec<Seen>,
}

/// A record, as far as it must be known what is asked about it: without the bodies that it holds.
struct Seen {
    place: RecordPlace,
    connection: String,
    /// How many times a plugin of the component's name was asked.
    of_name: u32,
    /// How many times the chain's first plugin was.
    of_first: u32,
}

impl Seen {
    fn asked(&self, is_new: bool) -> u32 {
        if is_new { self.of_first } else { self.of_name }
    }
}

/// Looks through a workspace's newest records, and keeps none: together they may be large.
async fn looked_through(host: &Arc<Host>, workspace: &str, name: &str) -> Result<Newest, Failure> {
    let count = |asked: usize| u32::try_from(asked).unwrap_or(u32::MAX);
    let places = places(host, Some(workspace), None, NEWEST).await?;
    let is_all = places.len() < NEWEST as usize;
    let mut seen = Vec::new();
    for place in places {
        // What does not open is `audit replay`'s to tell.
        let Ok(Some(record)) = read(host, &place).await? else { continue };
        let (of_name, of_first) = (count(asked_of(&record, name).count()), count(first_asked(&record).count()));
        seen.push(Seen { place, connection: record.connection, of_name, of_first });
    }
    Ok(Newest { is_all, seen })
}

/// A component that is asked about what is recorded, as long as there is time.
struct Asking<'a> {
    host: &'a Arc<Host>,
    brought: Brought<'a>,
    until: Instant,
}

impl Asking<'_> {
    /// Compares with what the plugin of its name said on one connection; with nothing where none of that name was asked.
    async fn compared(&self, newest: &Newest, connection: &str, there: Option<&Plugin>) -> Result<Value, Failure> {
        let seen: Vec<&Seen> = newest.seen.iter().filter(|seen| seen.connection == connection).collect();
        if seen.is_empty() {
            return Ok(not_compared(none_of_it(newest)));
        }
        let is_new = there.is_none() || seen.iter().all(|seen| seen.of_name == 0);
        let mut told = Told::default();
        if self.is_late() {
            told.late(seen.iter().map(|seen| seen.asked(is_new)).sum(), IN_ALL);
            return Ok(told.into_json(is_new));
        }
        let new = match there {
            Some(plugin) => in_place_of(self.host, plugin, self.brought).await,
            None => as_printed(self.host, self.brought).await,
        };
        let new = match new {
            Ok(new) => new,
            Err(why) => return Ok(not_compared(why)),
        };
        for seen in seen {
            if self.is_late() {
                told.late(seen.asked(is_new), IN_ALL);
            } else if let Ok(Some(record)) = read(self.host, &seen.place).await? {
                self.ask(&new, &record, is_new, &mut told).await;
            }
        }
        Ok(told.into_json(is_new))
    }

    /// Asks about one record. Boxed: what is awaited is deep.
    async fn ask(&self, new: &Plugin, record: &Record, is_new: bool, told: &mut Told) {
        if is_new {
            for asked in first_asked(record) {
                match self.in_time(Box::pin(new_word(new, record, asked))).await {
                    Some(word) => told.take_new(record, asked, word),
                    None => told.late(1, IN_ALL),
                }
            }
            return;
        }
        for asked in asked_of(record, new.name().as_str()) {
            match self.in_time(Box::pin(tried(new, record, asked))).await {
                Some(tried) => told.take(record, asked, tried),
                None => told.late(1, IN_ALL),
            }
        }
    }

    /// Returns what comes in time.
    async fn in_time<T>(&self, asked: impl Future<Output = T>) -> Option<T> {
        if self.is_late() {
            return None;
        }
        tokio::time::timeout_at(self.until, asked).await.ok()
    }

    fn is_late(&self) -> bool {
        Instant::now() >= self.until
    }
}

/// Says that nothing of a connection is among a workspace's newest records.
fn none_of_it(newest: &Newest) -> String {
    if newest.is_all {
        return "nothing is recorded of it yet".to_owned();
    }
    format!("none of the workspace's newest {NEWEST} recorded requests is of it")
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

/// What the plugins of a name were asked.
fn asked_of<'a>(record: &'a Record, name: &str) -> impl Iterator<Item = &'a AskedRecord> {
    record.asked.iter().filter(move |asked| asked.plugin == name)
}
