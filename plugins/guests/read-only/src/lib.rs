//! Denies every effect but read.
//!
//! An operation that the service definition does not know is destructive, so it is denied as well.

use serde::Deserialize;
use wardlock_plugin::{Answer, Description, Effect, Policy, Problem, Request, allow, deny, describe, export};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Operations that pass all the same, by name.
    except: Vec<String>,
}

struct ReadOnly {
    except: Vec<String>,
}

impl Policy for ReadOnly {
    type Settings = Settings;

    fn describe() -> Description {
        describe!()
    }

    fn schema() -> &'static str {
        include_str!("../schema.json")
    }

    fn configure(settings: Settings) -> Result<Self, Vec<Problem>> {
        Ok(Self { except: settings.except })
    }

    fn on_request(&self, request: &Request) -> Answer {
        let operation = &request.operation;
        // Names are compared to the letter: what nearly looks like an exception is none.
        let excepted = !operation.name.is_empty() && self.except.contains(&operation.name);
        match operation.effect {
            Effect::Read => allow(),
            Effect::Write | Effect::Destructive if excepted => {
                allow().note("read_only_exception", &*operation.name)
            }
            effect @ (Effect::Write | Effect::Destructive) => deny(
                "read_only",
                format!("`{}` is a {} operation and this connection only reads", operation.name, effect.name()),
            )
            .hint("send reads only, or ask the operator to name the operation under `except`"),
        }
    }
}

export!(ReadOnly);

#[cfg(test)]
mod tests {
    #[test]
    fn cases_hold() {
        wardlock_plugin::cases::check::<super::ReadOnly>(env!("CARGO_MANIFEST_DIR"));
    }
}
