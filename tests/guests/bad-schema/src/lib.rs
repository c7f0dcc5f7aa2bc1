//! Its schema is not JSON.

use serde::Deserialize;
use wardlock_plugin::{Answer, Description, Policy, Problem, Request, allow, describe, export};

#[derive(Deserialize)]
struct Settings {}

struct BadSchema;

impl Policy for BadSchema {
    type Settings = Settings;

    fn describe() -> Description {
        describe!()
    }

    fn schema() -> &'static str {
        "{ this is no JSON"
    }

    fn configure(_settings: Settings) -> Result<Self, Vec<Problem>> {
        Ok(Self)
    }

    fn on_request(&self, _request: &Request) -> Answer {
        allow()
    }
}

export!(BadSchema);
