//! What a component says of what is recorded in one place, in sum.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::recorder::{AskedRecord, Record, Tried, Word};

/// How many differences are told for each place; the rest is counted.
const TOLD: usize = 20;
/// How many reasons are told why something could not be compared.
const REASONS: usize = 3;

/// What a component comes to in one place.
#[derive(Default)]
pub(super) struct Told {
    requests: BTreeSet<String>,
    compared: u32,
    unknown: u32,
    whys: BTreeSet<String>,
    otherwise: u32,
    refused: u32,
    held: u32,
    changed: u32,
    differing: Vec<Value>,
}

impl Told {
    /// Takes what a component says in the place of another.
    pub(super) fn take(&mut self, record: &Record, asked: &AskedRecord, tried: Tried) {
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
    pub(super) fn take_new(&mut self, record: &Record, asked: &AskedRecord, word: Result<Word, String>) {
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

    /// Takes what is not compared any more, because so much time went by with all of it. That is told whatever else is.
    pub(super) fn late(&mut self, asked: u32, in_all: Duration) {
        self.unknown += asked;
        self.whys.insert(format!("all of it may take {} seconds, and they were over", in_all.as_secs()));
    }

    fn unknown(&mut self, why: String) {
        self.unknown += 1;
        if self.whys.len() < REASONS {
            self.whys.insert(why);
        }
    }

    fn compared(&mut self, record: &Record) {
        self.compared += 1;
        self.requests.insert(record.request_id.clone());
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

    /// Writes it.
    pub(super) fn into_json(self, is_new: bool) -> Value {
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
pub(super) fn not_compared(why: String) -> Value {
    let mut row = Told::default().into_json(false);
    row["why"] = why.into();
    row
}
