//! Allows a request whose purpose is a line of `{settings.list}`, a file of its folder, which it reads in `configure`. With
//! `{"at": "request"}` it reads the file at each request. Its notes are the names of the folder's files.

#![expect(
    unsafe_code,
    clippy::pedantic,
    clippy::expect_used,
    reason = "generated; and the host gives settings first"
)]

wit_bindgen::generate!({ path: "../../../wit", world: "folder-plugin", generate_all });

use std::cell::OnceCell;

use serde_json::Value;

use exports::wardlock::policy::request_hook::{self, Answer, Request};
use exports::wardlock::policy::settings::{self, Description, Problem};
use wardlock::policy::folder;
use wardlock::policy::types::{Attribute, Reason, Verdict};

struct Reader;

struct Settings {
    list: String,
    /// What `configure` read; `None`: each request reads it.
    lines: Option<Vec<String>>,
}

thread_local! {
    static SETTINGS: OnceCell<Settings> = const { OnceCell::new() };
}

fn lines(list: &str) -> Option<Vec<String>> {
    let text = String::from_utf8(folder::read(list)?).ok()?;
    Some(text.lines().map(str::to_owned).collect())
}

impl settings::Guest for Reader {
    fn describe() -> Description {
        Description {
            name: "reader".into(),
            version: "0.1.0".into(),
            capabilities: vec!["folder".into()],
            attributes: Vec::new(),
        }
    }

    fn schema() -> String {
        r#"{ "type": "object" }"#.into()
    }

    fn configure(settings: String) -> Result<(), Vec<Problem>> {
        let settings: Value = serde_json::from_str(&settings).expect("JSON");
        let list = settings["list"].as_str().unwrap_or("allowed.txt").to_owned();
        let missing =
            || vec![Problem { path: "/list".into(), message: format!("the folder has no text `{list}`") }];
        let lines = match settings["at"].as_str() {
            Some("request") => None,
            _ => Some(lines(&list).ok_or_else(missing)?),
        };
        SETTINGS.with(|kept| kept.set(Settings { list, lines }).map_err(|_| Vec::new()))
    }
}

impl request_hook::Guest for Reader {
    fn on_request(request: Request) -> Answer {
        let purpose = request.purpose.unwrap_or_default();
        let is_listed = SETTINGS.with(|kept| {
            let settings = kept.get().expect("settings come first");
            let read = settings.lines.clone().or_else(|| lines(&settings.list)).unwrap_or_default();
            read.contains(&purpose)
        });
        let notes = folder::names().into_iter().map(|name| Attribute { name, value: String::new() }).collect();
        let reason = Reason {
            code: "unlisted".into(),
            message: "the purpose is not on the list".into(),
            hint: None,
            retry_after_seconds: None,
            attributes: Vec::new(),
        };
        Answer { verdict: if is_listed { Verdict::Allow } else { Verdict::Deny(reason) }, notes }
    }
}

export!(Reader);
