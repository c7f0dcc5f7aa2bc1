//! `[plugins]` in `wardlock.toml`: where plugins run, and who is trusted to sign them.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use wardlock_core::id::PublisherName;
use wardlock_sandbox::Runs;

use super::text_error::{Document, TextError};
use crate::trust::{PublisherKey, Publishers};

/// The most workers: each has an engine of its own.
const MOST_WORKERS: u32 = 64;

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PluginsFile {
    run: Place,
    workers: Option<u32>,
    signed: bool,
    publishers: BTreeMap<String, PublisherFile>,
}

/// `[plugins.publishers.<name>]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PublisherFile {
    key: String,
}

/// What the table says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plugins {
    run: Place,
    workers: Option<u32>,
    pub(super) publishers: Publishers,
}

/// Where plugins run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Place {
    /// In processes of their own.
    #[default]
    Worker,
    /// In this one.
    InProcess,
}

impl PluginsFile {
    /// Checks what the types do not, and returns what the table says.
    pub fn check(self, document: &Document<'_>) -> Result<Plugins, TextError> {
        let at = ["plugins", "workers"];
        match (self.run, self.workers) {
            (Place::InProcess, Some(_)) => {
                return Err(document
                    .error_at(&at, "`run = \"in-process\"` has no workers")
                    .hint("leave `workers` out, or set `run = \"worker\"`"));
            }
            (Place::Worker, Some(count)) if !(1..=MOST_WORKERS).contains(&count) => {
                return Err(document.error_at(&at, format!("a number from 1 to {MOST_WORKERS} is wanted")));
            }
            _ => {}
        }
        let publishers = publishers(&self.publishers, self.signed, document)?;
        Ok(Plugins { run: self.run, workers: self.workers, publishers })
    }
}

fn publishers(
    written: &BTreeMap<String, PublisherFile>,
    signed: bool,
    document: &Document<'_>,
) -> Result<Publishers, TextError> {
    let at = |name: &str, rest: &[&str], problem: String| {
        document.error_at(&[&["plugins", "publishers", name], rest].concat(), problem)
    };
    let mut keys = Vec::new();
    for (name, publisher) in written {
        let parsed = PublisherName::parse(name).map_err(|error| at(name, &[], error.to_string()))?;
        let key = PublisherKey::parse(&publisher.key)
            .map_err(|error| at(name, &["key"], error.to_string()).hint(error.hint()))?;
        keys.push((parsed, key));
    }
    if signed && keys.is_empty() {
        let problem = "no plugin would load: no publisher is named whose signatures are taken";
        return Err(document
            .error_at(&["plugins", "signed"], problem)
            .hint("`wardlock plugin trust NAME KEY` prints the table of one"));
    }
    Publishers::new(keys, signed).map_err(|name| {
        at(name.as_str(), &["key"], "another publisher has this key".to_owned())
            .hint("leave one of them out: a signature could not say whose it is")
    })
}

impl Plugins {
    /// Returns where plugins run; `program` is what a worker executes.
    pub fn runs(&self, program: &Path) -> Runs {
        match (self.run, self.workers) {
            (Place::InProcess, _) => Runs::InProcess,
            (Place::Worker, Some(count)) => Runs::Workers { count, program: program.to_owned() },
            (Place::Worker, None) => Runs::workers(program),
        }
    }
}
