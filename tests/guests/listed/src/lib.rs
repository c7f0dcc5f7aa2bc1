//! Judges requests, with the SDK: those pass whose purpose is a line of `purposes.txt` in its folder, which it reads in
//! `configure`.

use serde::Deserialize;
use wardlock_plugin::{
    Answer, Description, Policy, Problem, Request, allow, deny, describe, export, folder, info,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {}

struct Listed {
    purposes: Vec<String>,
}

impl Policy for Listed {
    type Settings = Settings;

    fn describe() -> Description {
        describe!("folder")
    }

    fn schema() -> &'static str {
        r#"{ "type": "object", "additionalProperties": false }"#
    }

    fn configure(Settings {}: Settings) -> Result<Self, Vec<Problem>> {
        let text = folder::read("purposes.txt").and_then(|bytes| String::from_utf8(bytes).ok());
        let Some(text) = text else {
            let there = folder::names().join(", ");
            return Err(vec![Problem::at("", format!("the folder has no text `purposes.txt`, but: {there}"))]);
        };
        Ok(Self { purposes: text.lines().map(str::to_owned).collect() })
    }

    fn on_request(&self, request: &Request) -> Answer {
        let is_listed = request.purpose.as_ref().is_some_and(|purpose| self.purposes.contains(purpose));
        if is_listed {
            return allow();
        }
        info("a purpose is not on the list");
        deny("unlisted", "the purpose is not on the list")
    }
}

export!(Listed);
