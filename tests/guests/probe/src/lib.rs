//! Does what its settings say.
//!
//! `{"mode": "<mode>", …}`; the modes and what else each reads stand at [`Mode`].

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::Deserialize;
use wardlock_plugin::{
    Answer, Description, Policy, Problem, Request, allow, deny, describe, edit, export, hold, info, shape,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    mode: Mode,
    /// Bytes of `huge-message`, edits of `many-edits`, notes of `many-notes`, lines of `log-spam`.
    #[serde(default)]
    size: usize,
    #[serde(default = "probe_code")]
    code: String,
    #[serde(default = "probe_message")]
    message: String,
    hint: Option<String>,
    retry_after_seconds: Option<u32>,
    /// As golden cases spell them.
    #[serde(default)]
    edits: Vec<Vec<String>>,
    /// For `look-for`.
    #[serde(default)]
    reversed: String,
}

fn probe_code() -> String {
    "probe".into()
}

fn probe_message() -> String {
    "the probe says so".into()
}

#[derive(Deserialize, PartialEq, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    /// Allows.
    Allow,
    /// Denies with `code`, `message`, `hint`, `retry_after_seconds`, whatever they contain.
    Deny,
    /// Holds, with the same.
    Hold,
    /// Shapes by `edits`, with the same.
    Shape,
    /// Allows; its note `count` says how many requests this instance has seen.
    Counter,
    /// Denies with all it was given: in the message, and in notes of at most 512 bytes each.
    Dump,
    /// Denies with code `seen` or `unseen`: whether `reversed`, read backwards, is in anything it was given.
    LookFor,
    /// Writes the message to standard output and standard error, then allows.
    Print,
    /// Logs `size` lines of 1,000 bytes, then allows.
    LogSpam,
    /// Denies with a message of `size` bytes.
    HugeMessage,
    /// Shapes with `size` edits.
    ManyEdits,
    /// Allows with `size` notes.
    ManyNotes,
    /// Loops in `on-request`.
    Loop,
    /// Loops in `configure`.
    LoopInConfigure,
    /// Panics in `on-request`.
    Trap,
    /// Panics in `configure`.
    TrapInConfigure,
    /// Leaves through `wasi:cli/exit`, with success.
    Exit,
    /// Takes memory until there is none.
    MemoryBomb,
    /// Recurses until the call stack ends.
    RecursionBomb,
    /// Recurses with large frames until the stack in its own memory ends.
    FrameBomb,
    /// Refuses every settings.
    Problems,
}

struct Probe(Settings);

static REQUESTS: AtomicU32 = AtomicU32::new(0);

impl Policy for Probe {
    type Settings = Settings;

    fn describe() -> Description {
        describe!("body", "shape")
    }

    fn schema() -> &'static str {
        r#"{ "type": "object", "required": ["mode"] }"#
    }

    fn configure(settings: Settings) -> Result<Self, Vec<Problem>> {
        match settings.mode {
            Mode::LoopInConfigure => spin(),
            Mode::TrapInConfigure => panic!("the probe was told to"),
            Mode::Problems => Err(vec![
                Problem::at("/mode", "is never right"),
                Problem::at("/nowhere", "neither is\nthis \u{1b}[31mline"),
            ]),
            _ => Ok(Self(settings)),
        }
    }

    fn on_request(&self, request: &Request) -> Answer {
        let requests = REQUESTS.fetch_add(1, Ordering::Relaxed) + 1;
        let Settings { mode, size, code, message, edits, .. } = &self.0;
        match mode {
            Mode::Allow => allow(),
            Mode::Deny => self.with_reason(deny(code, message)),
            Mode::Hold => self.with_reason(hold(code, message)),
            Mode::Shape => match edits.iter().map(|words| edit::from_words(words)).collect() {
                Some(edits) => self.with_reason(shape(edits, code, message)),
                None => deny("probe_settings", "an edit in the settings is none"),
            },
            Mode::Counter => allow().note("count", requests.to_string()),
            Mode::Dump => dump(&everything(request)),
            Mode::LookFor => self.look_for(&everything(request)),
            Mode::Print => {
                print(message);
                allow()
            }
            Mode::LogSpam => {
                (0..*size).for_each(|line| info(&format!("{line:01000}")));
                allow()
            }
            Mode::HugeMessage => deny(code, "x".repeat(*size)),
            Mode::ManyEdits => {
                shape(vec![edit::set_query("per_page", "1"); *size], code.as_str(), message.as_str())
            }
            Mode::ManyNotes => (0..*size).fold(allow(), |answer, at| answer.note(format!("n{at}"), "x")),
            Mode::Loop => spin(),
            Mode::Trap => panic!("the probe was told to"),
            Mode::Exit => std::process::exit(0),
            Mode::MemoryBomb => bomb(),
            Mode::RecursionBomb => deny(code, recurse(1).to_string()),
            Mode::FrameBomb => deny(code, recurse_with_frames(1).to_string()),
            Mode::LoopInConfigure | Mode::TrapInConfigure | Mode::Problems => {
                deny("probe_settings", "this mode never gets here")
            }
        }
    }
}

impl Probe {
    fn with_reason(&self, mut answer: Answer) -> Answer {
        if let Some(hint) = &self.0.hint {
            answer = answer.hint(hint);
        }
        match self.0.retry_after_seconds {
            Some(seconds) => answer.retry_after(seconds),
            None => answer,
        }
    }

    fn look_for(&self, seen: &str) -> Answer {
        let text: String = self.0.reversed.chars().rev().collect();
        if !text.is_empty() && seen.contains(&text) {
            return deny("seen", "it was in what the plugin was given");
        }
        deny("unseen", "it was in nothing that the plugin was given")
    }
}

/// All that a plugin is given: the request with its bytes as text, the environment and the arguments.
fn everything(request: &Request) -> String {
    let headers: Vec<String> = request
        .headers
        .iter()
        .map(|header| format!("{}: {}", header.name, String::from_utf8_lossy(&header.value)))
        .collect();
    let body = String::from_utf8_lossy(request.content().unwrap_or_default());
    let environment: Vec<_> = std::env::vars_os().collect();
    let arguments: Vec<_> = std::env::args_os().collect();
    let headers = headers.join("\n");
    format!("{request:?}\n{headers}\nbody: {body}\nenvironment: {environment:?}\narguments: {arguments:?}\n")
}

/// One line, since a host takes no control characters.
fn dump(seen: &str) -> Answer {
    let seen: String = seen.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let pieces = seen.as_bytes().chunks(512).map(String::from_utf8_lossy).enumerate();
    pieces.fold(deny("dump", seen.as_str()), |answer, (at, piece)| answer.note(format!("seen{at}"), piece))
}

fn print(message: &str) {
    println!("{message}");
    eprintln!("{message}");
}

fn spin<T>() -> T {
    loop {
        black_box(());
    }
}

fn bomb() -> Answer {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    loop {
        taken.push(vec![1; 1 << 20]);
        black_box(&taken);
    }
}

/// Keeps no frame in memory, and is no loop in disguise: what comes back is still used.
fn recurse(depth: u32) -> u32 {
    let end = REQUESTS.load(Ordering::Relaxed) == 0;
    if end { 0 } else { recurse(depth.wrapping_add(1)).wrapping_mul(31) ^ depth }
}

fn recurse_with_frames(depth: u32) -> u32 {
    let frame = black_box([depth; 256]);
    if depth == 0 { 0 } else { recurse_with_frames(depth.wrapping_add(1)) ^ frame[black_box(7)] }
}

export!(Probe);
