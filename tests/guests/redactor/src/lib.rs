//! Judges answers and no requests, with the SDK: redacts the places in `hide`, and takes the header `etag` with them. Withholds
//! an answer whose content it is not shown.

use serde::Deserialize;
use wardlock_plugin::{
    Description, Plugin, Problem, Response, ResponseAnswer, ResponsePolicy, describe, export, pass, redact,
    remove_header, take_away, withhold,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    hide: Vec<String>,
}

struct Redactor {
    hide: Vec<String>,
}

impl Plugin for Redactor {
    type Settings = Settings;

    fn describe() -> Description {
        describe!("response-body")
    }

    fn schema() -> &'static str {
        r#"{ "type": "object", "properties": { "hide": { "type": "array", "items": { "type": "string" } } } }"#
    }

    fn configure(settings: Settings) -> Result<Self, Vec<Problem>> {
        if settings.hide.is_empty() {
            return Err(vec![Problem::at("/hide", "names no place")]);
        }
        Ok(Self { hide: settings.hide })
    }
}

impl ResponsePolicy for Redactor {
    fn on_response(&self, response: &Response) -> ResponseAnswer {
        if response.body.is_none() {
            return pass();
        }
        if response.content().is_none() {
            return withhold("unseen", "the plugin is not shown what it would have to redact")
                .hint("ask the operator to grant `response-body`");
        }
        let mut edits: Vec<_> = self.hide.iter().map(redact).collect();
        edits.push(remove_header("etag"));
        take_away(edits, "hidden", "these places are not for agents").note("places", self.hide.len().to_string())
    }
}

export!(Redactor: response);
