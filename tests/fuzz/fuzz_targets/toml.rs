//! Any service definition and any workspace file is read without a panic, and so is the document beneath
//! `wardlock.toml`; what is wrong is told with a place inside the file and in a sentence without control characters;
//! and what a definition calls its operations can be shown.
//!
//! The first character of the input says what the rest is. The checks of `wardlock.toml` that lie above its document
//! (addresses, recipients of backups) need egress, which would be built for this; a test beside them mutates the file
//! that ships.
#![no_main]

// The host's crate links wasmtime; these files of it stand alone, over core.
#[allow(dead_code, unreachable_pub, unused_imports)]
#[path = "../../../host/src/config"]
mod config {
    pub mod secrets;
    pub mod text_error;
    pub mod units;
    pub mod wording;
    pub mod workspace;
}

mod support;

/// The services that a workspace file may name: what ships.
mod loaded {
    use std::sync::Arc;

    use wardlock_core::service::ServiceDefinition;

    pub struct Services;

    impl Services {
        pub fn get(&self, name: &str) -> Option<&Arc<ServiceDefinition>> {
            (name == "zoho-crm").then_some(&*super::support::ZOHO)
        }

        pub fn iter(&self) -> impl Iterator<Item = &Arc<ServiceDefinition>> {
            std::iter::once(&*super::support::ZOHO)
        }

        pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
            ["zoho-crm"].into_iter()
        }

        pub fn broken(&self, name: &str) -> Option<&str> {
            (name == "broken").then_some("it does not load")
        }
    }
}

use config::text_error::{Document, TextError};
use config::units::{Bytes, Rate, Span};
use config::workspace::WorkspacePlan;
use libfuzzer_sys::fuzz_target;
use wardlock_core::id::WorkspaceName;
use wardlock_core::service::parse;

/// A table of `wardlock.toml`, as they are read.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    #[allow(dead_code)]
    body: Option<Bytes>,
    #[allow(dead_code)]
    time: Option<Span>,
    #[allow(dead_code)]
    rate: Option<Rate>,
    #[allow(dead_code)]
    connections: Option<usize>,
}

fuzz_target!(|input: &str| {
    let (kind, text) = input.split_at(input.chars().next().map_or(0, char::len_utf8));
    match kind {
        "s" => match parse(text, "tested.toml") {
            Ok(definition) => {
                for operation in &definition.operations {
                    plain(operation.name.as_str());
                }
            }
            Err(error) => {
                plain(&error.to_string());
                assert!((1..=lines(text)).contains(&error.line), "line {} of {}", error.line, lines(text));
            }
        },
        "w" => {
            let name = WorkspaceName::parse("acme").expect("a name");
            let document = match Document::parse("workspaces/acme.toml", text) {
                Ok(document) => document,
                Err(error) => return told(text, &error),
            };
            match WorkspacePlan::read(&document, &name, &loaded::Services) {
                Ok(plan) => plan.notes.iter().for_each(|note| told(text, note)),
                Err(errors) => {
                    assert!(!errors.is_empty());
                    errors.iter().for_each(|error| told(text, error));
                }
            }
        }
        _ => {
            let read = Document::parse("wardlock.toml", text).and_then(|document| document.decode::<Limits>());
            if let Err(error) = read {
                told(text, &error);
            }
        }
    }
});

/// An error points into the file, and every line of what it says can be shown.
fn told(text: &str, error: &TextError) {
    let line = text.split('\n').nth(error.line - 1);
    let line = line.unwrap_or_else(|| panic!("line {} of {}: {error:?}", error.line, lines(text)));
    assert!((1..=line.chars().count() + 1).contains(&error.column), "column {}: {error:?}", error.column);
    plain(&error.summary());
    error.to_string().lines().for_each(plain);
    error.hint.as_deref().into_iter().flat_map(str::lines).for_each(plain);
}

#[track_caller]
fn plain(text: &str) {
    assert!(!text.chars().any(char::is_control), "control characters: {text:?}");
}

fn lines(text: &str) -> usize {
    text.split('\n').count()
}
