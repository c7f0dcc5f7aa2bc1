//! Judges requests and answers, with the SDK: an agent has `limit` requests an hour, and gets no answer of which stored secrets
//! had to be cut.

use serde::Deserialize;
use wardlock_plugin::{
    Answer, Description, Policy, Problem, Request, Response, ResponseAnswer, ResponsePolicy, allow, deny,
    describe, export, pass, quota, withhold,
};

const HOUR: u32 = 3600;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    limit: u32,
}

struct Counter(Settings);

impl Policy for Counter {
    type Settings = Settings;

    fn describe() -> Description {
        describe!("quota")
    }

    fn schema() -> &'static str {
        r#"{ "type": "object", "required": ["limit"], "properties": { "limit": { "type": "integer", "minimum": 1 } } }"#
    }

    fn configure(settings: Settings) -> Result<Self, Vec<Problem>> {
        Ok(Self(settings))
    }

    fn on_request(&self, request: &Request) -> Answer {
        let taken = quota::take(&request.caller.agent, self.0.limit, HOUR);
        if taken.granted {
            return allow().note("left", taken.remaining.to_string());
        }
        let wait_ms = taken.resets_ms.saturating_sub(request.now_ms);
        deny("used_up", "the agent has had its requests of this hour")
            .retry_after(u32::try_from(wait_ms.div_ceil(1000)).unwrap_or(HOUR))
    }
}

impl ResponsePolicy for Counter {
    fn on_response(&self, response: &Response) -> ResponseAnswer {
        if response.redactions == 0 {
            return pass();
        }
        withhold("held_secrets", "the answer held stored secrets")
            .note("redactions", response.redactions.to_string())
    }
}

export!(Counter: request, response);
