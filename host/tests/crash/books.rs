//! What the provider received and agents were told, against what the audit holds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use wardlock_core::id::Digest;
use wardlock_simulator::Recording;

use crate::load::{Key, Told, body_key, page_key};

/// What the audit shows of some requests.
pub struct Books {
    /// INTENT rows by what the request is known by.
    intents: BTreeMap<Key, Vec<Intent>>,
    /// Outcomes by the row that they close.
    outcomes: BTreeMap<u64, Vec<String>>,
    /// The newest row.
    pub last: u64,
    /// How many outcomes are `unknown`.
    pub unknown: usize,
}

struct Intent {
    sequence: u64,
    request_id: String,
}

impl Books {
    /// Takes the child's answer to `rows`; what is wrong with the log by itself is an error.
    pub fn read(answer: &Value) -> Result<Self, String> {
        if answer["is_sound"] != true || answer["open_intents"] != 0 {
            return Err(format!("the chain: {}, {} open", answer["faults"], answer["open_intents"]));
        }
        let mut books = Self { intents: BTreeMap::new(), outcomes: BTreeMap::new(), last: 0, unknown: 0 };
        let mut unknown = BTreeSet::new();
        for row in answer["rows"].as_array().ok_or("no rows")? {
            let number = |name: &str| row[name].as_u64().ok_or_else(|| format!("no `{name}` in {row}"));
            books.last = books.last.max(number("sequence")?);
            match row["kind"].as_str() {
                Some("intent") => {
                    let request_id = row["request_id"].as_str().unwrap_or_default().to_owned();
                    let intent = Intent { sequence: number("sequence")?, request_id };
                    books.intents.entry(key_of_row(row)).or_default().push(intent);
                }
                Some("outcome") => {
                    let outcome = row["outcome"].as_str().unwrap_or_default().to_owned();
                    if outcome == "unknown" {
                        unknown.insert(number("closes")?);
                    }
                    books.outcomes.entry(number("closes")?).or_default().push(outcome);
                }
                _ => {}
            }
        }
        let shown: BTreeSet<u64> =
            answer["unknown"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
        if shown != unknown {
            return Err(format!("a search for `unknown` shows {shown:?}, and there are {unknown:?}"));
        }
        books.unknown = unknown.len();
        Ok(books)
    }

    /// Compares. Each request that the provider received has one INTENT of its own, nothing came twice, every INTENT has
    /// one outcome, and it is the one that the agent was told.
    pub fn compare(&self, received: &[Recording], told: &[Told]) -> Result<(), String> {
        let mut came = BTreeSet::new();
        for recording in received {
            let key = key_of(recording);
            let count = self.intents.get(&key).map_or(0, Vec::len);
            if count != 1 {
                return Err(format!(
                    "{} {} was received and has {count} INTENTs",
                    recording.method, recording.target
                ));
            }
            if !came.insert(key) {
                return Err(format!("{} {} was received twice", recording.method, recording.target));
            }
        }
        for (key, intent) in self.intents.iter().flat_map(|(key, all)| all.iter().map(move |intent| (key, intent)))
        {
            match self.outcomes.get(&intent.sequence).map(Vec::as_slice) {
                Some([one]) if one == "ok" && !came.contains(key) => {
                    return Err(format!("row {} is told to have gone well, and nothing came", intent.sequence));
                }
                Some([_]) => {}
                found => return Err(format!("row {} has the outcomes {found:?}", intent.sequence)),
            }
        }
        told.iter().try_for_each(|told| self.fits(told))
    }

    /// What an agent was told of a request that was sent stands in the audit.
    fn fits(&self, told: &Told) -> Result<(), String> {
        let Some(outcome) = told.outcome.as_ref().filter(|outcome| *outcome != "pending") else {
            return Ok(());
        };
        let intents = self.intents.get(&told.key).map(Vec::as_slice).unwrap_or_default();
        let intent = intents.iter().find(|intent| intent.request_id == told.request_id);
        let recorded = intent.and_then(|intent| self.outcomes.get(&intent.sequence)).and_then(|all| all.first());
        if recorded == Some(outcome) {
            return Ok(());
        }
        Err(format!("request {} was told {outcome}, and its outcome is {recorded:?}", told.request_id))
    }

    /// How many outcomes are this one.
    pub fn count(&self, outcome: &str) -> usize {
        self.outcomes.values().flatten().filter(|one| *one == outcome).count()
    }

    /// How many INTENTs there are.
    pub fn intents(&self) -> usize {
        self.intents.values().map(Vec::len).sum()
    }
}

fn key_of(recording: &Recording) -> Key {
    let page = recording.target.split(['?', '&']).find_map(|part| part.strip_prefix("page="));
    page.map_or_else(|| body_key(&Digest::of(&recording.body).to_string()), page_key)
}

fn key_of_row(row: &Value) -> Key {
    let request = &row["request"];
    let query = request["query"].as_array().into_iter().flatten();
    let page = query.filter(|value| value["name"] == "page").find_map(|value| value["value"].as_str());
    page.map_or_else(|| body_key(request["body_sha256"].as_str().unwrap_or_default()), page_key)
}
