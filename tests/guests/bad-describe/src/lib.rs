//! Describes itself in ways that no host should repeat.

use serde::Deserialize;
use wardlock_plugin::{Answer, Attribute, Description, Policy, Problem, Request, allow, export};

#[derive(Deserialize)]
struct Settings {}

struct BadDescribe;

impl Policy for BadDescribe {
    type Settings = Settings;

    fn describe() -> Description {
        Description {
            name: "read-only\n\u{1b}[2J../../etc".into(),
            version: String::new(),
            capabilities: vec!["shape".into(), "everything".into(), "\0".into()],
            attributes: vec![Attribute { name: String::new(), value: "\u{202e}".into() }; 1000],
        }
    }

    fn schema() -> &'static str {
        r#"{ "type": "object" }"#
    }

    fn configure(_settings: Settings) -> Result<Self, Vec<Problem>> {
        Ok(Self)
    }

    fn on_request(&self, _request: &Request) -> Answer {
        allow()
    }
}

export!(BadDescribe);
