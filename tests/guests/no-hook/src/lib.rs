//! Exports settings and nothing that judges: the host must say so, not allow.

#![expect(unsafe_code, clippy::pedantic, reason = "generated")]

wit_bindgen::generate!({
    inline: "
        package test:no-hook;
        world no-hook {
            export wardlock:policy/settings@0.1.0;
        }
    ",
    path: "../../../wit",
    world: "test:no-hook/no-hook",
    generate_all,
});

use exports::wardlock::policy::settings::{Description, Guest, Problem};

struct NoHook;

impl Guest for NoHook {
    fn describe() -> Description {
        Description {
            name: "no-hook".into(),
            version: "0.1.0".into(),
            capabilities: Vec::new(),
            attributes: Vec::new(),
        }
    }

    fn schema() -> String {
        r#"{ "type": "object" }"#.into()
    }

    fn configure(_settings: String) -> Result<(), Vec<Problem>> {
        Ok(())
    }
}

export!(NoHook);
