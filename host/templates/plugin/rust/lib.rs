//! The policy of @name@. It judges one request at a time, in a fresh instance: nothing that is kept here lives on.

use std::sync::OnceLock;

use exports::wardlock::policy::request_hook::Guest as RequestHook;
use exports::wardlock::policy::settings::{Description, Guest as Settings, Problem};
use serde::Deserialize;
use wardlock::policy::types::{Answer, Effect, Reason, Request, Verdict};

wit_bindgen::generate!({ world: "@world@", path: "wit" });

/// The settings, as schema.json describes them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Configured {
    #[serde(default = "only_reads")]
    allow: Vec<String>,
}

static CONFIGURED: OnceLock<Configured> = OnceLock::new();

fn only_reads() -> Vec<String> {
    vec!["read".to_owned()]
}

struct Policy;

export!(Policy);

impl Settings for Policy {
    fn describe() -> Description {
        Description {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            capabilities: @capabilities@,
            attributes: Vec::new(),
        }
    }

    fn schema() -> String {
        include_str!("../schema.json").to_owned()
    }

    /// Wardlock has checked the settings against the schema already. What the schema cannot say is checked here.
    fn configure(settings: String) -> Result<(), Vec<Problem>> {
        let configured = serde_json::from_str(&settings)
            .map_err(|error| vec![Problem { path: String::new(), message: error.to_string() }])?;
        CONFIGURED.get_or_init(|| configured);
        Ok(())
    }
}

impl RequestHook for Policy {
    fn on_request(request: Request) -> Answer {
        let effect = match request.operation.effect {
            Effect::Read => "read",
            Effect::Write => "write",
            Effect::Destructive => "destructive",
        };
        let allow = CONFIGURED.get().map(|configured| configured.allow.as_slice()).unwrap_or_default();
        if !allow.iter().any(|allowed| allowed == effect) {
            return deny(
                "effect_not_allowed",
                &format!("this connection takes no {effect}"),
                &format!("send one of: {}", allow.join(", ")),
            );
        }
        Answer { verdict: Verdict::Allow, notes: Vec::new() }
    }
}

fn deny(code: &str, message: &str, hint: &str) -> Answer {
    let reason = Reason {
        code: code.to_owned(),
        message: message.to_owned(),
        hint: Some(hint.to_owned()),
        retry_after_seconds: None,
        attributes: Vec::new(),
    };
    Answer { verdict: Verdict::Deny(reason), notes: Vec::new() }
}
@answers@
