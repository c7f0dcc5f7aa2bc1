//! Never says what it is; it logs a line before.

use serde::Deserialize;
use wardlock_plugin::{Answer, Description, Policy, Problem, Request, allow, export};

#[derive(Deserialize)]
struct Settings {}

struct LoopInDescribe;

impl Policy for LoopInDescribe {
    type Settings = Settings;

    fn describe() -> Description {
        println!("it thinks about itself");
        loop {
            std::hint::black_box(());
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

export!(LoopInDescribe);
