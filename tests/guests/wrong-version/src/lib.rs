//! A plugin for `wardlock:policy@0.9.0`: the host must say so before it runs anything.

#![expect(unsafe_code, clippy::pedantic, reason = "generated")]

wit_bindgen::generate!({ path: "wit", world: "request-plugin" });

use exports::wardlock::policy::request_hook::{self, Request, Verdict};
use exports::wardlock::policy::settings;

struct WrongVersion;

impl settings::Guest for WrongVersion {
    fn describe() -> String {
        "wrong-version".into()
    }
}

impl request_hook::Guest for WrongVersion {
    fn on_request(_request: Request) -> Verdict {
        Verdict::Allow
    }
}

export!(WrongVersion);
