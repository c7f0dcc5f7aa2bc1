//! Has every hook of the contract: takes of quotas, and says of requests and answers what its settings say.
//!
//! `{"takes": [{"key": "a", "limit": 2, "window": 3600}], "request": "allow", "answer": "pass", …}`; the words and what
//! else each reads stand at [`OfRequest`] and [`OfAnswer`].

#![expect(
    unsafe_code,
    clippy::pedantic,
    clippy::expect_used,
    reason = "generated; and the host gives settings first"
)]

wit_bindgen::generate!({ path: "../../../wit", world: "full-plugin", generate_all });

use std::cell::OnceCell;
use std::hint::black_box;

use serde::Deserialize;

use exports::wardlock::policy::request_hook::{self, Answer, Request};
use exports::wardlock::policy::response_hook::{
    self, Editing, Response, ResponseAnswer, ResponseEdit, ResponseVerdict,
};
use exports::wardlock::policy::settings::{self, Description, Problem};
use wardlock::policy::quota;
use wardlock::policy::types::{Attribute, Reason, Verdict};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Taken in order for each request; one that is not granted denies, with what is left and when it resets as notes.
    #[serde(default)]
    takes: Vec<Take>,
    #[serde(default)]
    request: OfRequest,
    #[serde(default)]
    answer: OfAnswer,
    /// For `edit`: `["redact-json", "/data/*/Email"]`, `["remove-json", …]`, `["remove-header", …]`.
    #[serde(default)]
    edits: Vec<[String; 2]>,
    /// For `look-for`.
    #[serde(default)]
    reversed: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Take {
    key: String,
    limit: u32,
    window: u32,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum OfRequest {
    /// Allows.
    #[default]
    Allow,
    /// Denies.
    Deny,
    /// Panics.
    Trap,
    /// Panics for every request whose purpose is `trap`, and allows others.
    TrapOnPurpose,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum OfAnswer {
    /// Passes.
    #[default]
    Pass,
    /// Denies.
    Deny,
    /// Takes `edits` away.
    Edit,
    /// Denies with the beginning of what it was given as its message, and all of it in notes of at most 512 bytes each.
    Dump,
    /// Denies with code `seen` or `unseen`: whether `reversed`, read backwards, is in anything it was given.
    LookFor,
    /// Panics.
    Trap,
    /// Loops.
    Loop,
    /// Takes memory until there is none.
    MemoryBomb,
    /// Says a code that is none.
    Nonsense,
    /// Takes of a quota, which is for requests.
    Take,
}

struct Judge;

thread_local! {
    static SETTINGS: OnceCell<Settings> = const { OnceCell::new() };
}

impl settings::Guest for Judge {
    fn describe() -> Description {
        Description {
            name: "judge".into(),
            version: "0.1.0".into(),
            capabilities: ["response-body", "quota"].map(Into::into).into(),
            attributes: Vec::new(),
        }
    }

    fn schema() -> String {
        r#"{ "type": "object" }"#.into()
    }

    fn configure(settings: String) -> Result<(), Vec<Problem>> {
        let problem = |message: String| vec![Problem { path: String::new(), message }];
        let settings = serde_json::from_str(&settings).map_err(|error| problem(error.to_string()))?;
        SETTINGS.with(|kept| kept.set(settings).map_err(|_| problem("already configured".into())))
    }
}

impl request_hook::Guest for Judge {
    fn on_request(request: Request) -> Answer {
        SETTINGS.with(|kept| on_request(kept.get().expect("settings come first"), &request))
    }
}

impl response_hook::Guest for Judge {
    fn on_response(response: Response) -> ResponseAnswer {
        SETTINGS.with(|kept| on_response(kept.get().expect("settings come first"), &response))
    }
}

fn on_request(settings: &Settings, request: &Request) -> Answer {
    let mut notes = Vec::new();
    for take in &settings.takes {
        let taken = quota::take(&take.key, take.limit, take.window);
        let value = format!("{} {} {}", taken.granted, taken.remaining, taken.resets_ms);
        notes.push(Attribute { name: take.key.clone(), value });
        if !taken.granted {
            return Answer { verdict: Verdict::Deny(reason("used_up", "nothing is left for now")), notes };
        }
    }
    let verdict = match settings.request {
        OfRequest::Allow => Verdict::Allow,
        OfRequest::Deny => Verdict::Deny(reason("told_to", "the judge was told to")),
        OfRequest::Trap => panic!("the judge was told to"),
        OfRequest::TrapOnPurpose if request.purpose.as_deref() == Some("trap") => panic!("on purpose"),
        OfRequest::TrapOnPurpose => Verdict::Allow,
    };
    Answer { verdict, notes }
}

fn on_response(settings: &Settings, response: &Response) -> ResponseAnswer {
    let say = |verdict| ResponseAnswer { verdict, notes: Vec::new() };
    match settings.answer {
        OfAnswer::Pass => say(ResponseVerdict::Pass),
        OfAnswer::Deny => say(ResponseVerdict::Deny(reason("told_to", "the judge was told to"))),
        OfAnswer::Edit => {
            let edits = settings.edits.iter().map(edit).collect();
            say(ResponseVerdict::Edit(Editing { edits, reason: reason("less", "nobody asked for that") }))
        }
        OfAnswer::Dump => dump(&everything(response)),
        OfAnswer::LookFor => {
            let text: String = settings.reversed.chars().rev().collect();
            let seen = !text.is_empty() && everything(response).contains(&text);
            say(ResponseVerdict::Deny(reason(if seen { "seen" } else { "unseen" }, "that is all")))
        }
        OfAnswer::Trap => panic!("the judge was told to"),
        OfAnswer::Loop => loop {
            black_box(());
        },
        OfAnswer::MemoryBomb => {
            let mut taken: Vec<Vec<u8>> = Vec::new();
            loop {
                taken.push(vec![1; 1 << 20]);
                black_box(&taken);
            }
        }
        OfAnswer::Nonsense => say(ResponseVerdict::Deny(reason("No Code", "m"))),
        OfAnswer::Take => {
            quota::take("a", 1, 1);
            say(ResponseVerdict::Pass)
        }
    }
}

fn reason(code: &str, message: &str) -> Reason {
    Reason {
        code: code.into(),
        message: message.into(),
        hint: None,
        retry_after_seconds: None,
        attributes: Vec::new(),
    }
}

fn edit([kind, place]: &[String; 2]) -> ResponseEdit {
    match kind.as_str() {
        "redact-json" => ResponseEdit::RedactJson(place.clone()),
        "remove-json" => ResponseEdit::RemoveJson(place.clone()),
        _ => ResponseEdit::RemoveHeader(place.clone()),
    }
}

/// All that a plugin is given of an answer, its bytes as text.
fn everything(response: &Response) -> String {
    let headers: Vec<String> = response
        .headers
        .iter()
        .map(|header| format!("{}: {}", header.name, String::from_utf8_lossy(&header.value)))
        .collect();
    let content = response.body.as_ref().and_then(|body| body.content.as_deref());
    let content = content.map(String::from_utf8_lossy);
    let (headers, name) = (headers.join(" "), &response.operation.name);
    format!("content: {content:?} redactions: {} {headers} {name} {response:?}", response.redactions)
}

/// One line, since a host takes no control characters.
fn dump(seen: &str) -> ResponseAnswer {
    let seen: String = seen.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let pieces = seen.as_bytes().chunks(512).map(String::from_utf8_lossy).enumerate();
    let notes = pieces.map(|(at, piece)| Attribute { name: format!("seen{at}"), value: piece.into() }).collect();
    let beginning = &seen[..seen.floor_char_boundary(2000)];
    ResponseAnswer { verdict: ResponseVerdict::Deny(reason("dump", beginning)), notes }
}

export!(Judge);
