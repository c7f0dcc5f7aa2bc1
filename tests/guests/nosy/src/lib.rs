//! Tries to reach what a plugin has no business with, and says what it got.
//!
//! `{"try": ["environment", …]}`: denies with code `report`; each attempt is a line of the message and a note,
//! `<name>=<what came of it>`. Unlike an ordinary plugin it imports clocks, randomness, files and sockets.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::io::Read;
use std::net::{TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde::Deserialize;
use wardlock_plugin::{Answer, Description, Policy, Problem, Request, deny, describe, export};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    r#try: Vec<Attempt>,
}

#[derive(Deserialize, Debug, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Attempt {
    /// Environment variables.
    Environment,
    /// Arguments.
    Arguments,
    /// The current folder.
    Folder,
    /// The list of files in `/`.
    ListFiles,
    /// `/etc/passwd`.
    ReadFile,
    /// A new file `/tmp/nosy`.
    WriteFile,
    /// The wall clock, in milliseconds since 1970.
    Clock,
    /// Whether a monotonic clock moves during some work: `0` or `1`.
    Monotonic,
    /// 64 random bits.
    Random,
    /// A TCP connection to 127.0.0.1:80.
    Tcp,
    /// A UDP socket.
    Udp,
    /// Standard input.
    Stdin,
    /// Sleeping for an hour.
    Sleep,
    /// A thread.
    Thread,
}

struct Nosy(Vec<Attempt>);

impl Policy for Nosy {
    type Settings = Settings;

    fn describe() -> Description {
        describe!("body")
    }

    fn schema() -> &'static str {
        r#"{ "type": "object", "required": ["try"] }"#
    }

    fn configure(settings: Settings) -> Result<Self, Vec<Problem>> {
        Ok(Self(settings.r#try))
    }

    fn on_request(&self, _request: &Request) -> Answer {
        let attempts: Vec<(String, String)> =
            self.0.iter().map(|attempt| (name(*attempt), make(*attempt))).collect();
        let lines: Vec<String> = attempts.iter().map(|(name, got)| format!("{name}={got}")).collect();
        attempts.into_iter().fold(deny("report", lines.join("\n")), |answer, (name, got)| answer.note(name, got))
    }
}

/// The name as in the settings: `ListFiles` is `list-files`.
fn name(attempt: Attempt) -> String {
    let name: String = format!("{attempt:?}")
        .chars()
        .flat_map(|c| [c.is_uppercase().then_some('-'), Some(c.to_ascii_lowercase())].into_iter().flatten())
        .collect();
    name.trim_start_matches('-').to_owned()
}

fn make(attempt: Attempt) -> String {
    match attempt {
        Attempt::Environment => format!("{:?}", std::env::vars_os().collect::<Vec<_>>()),
        Attempt::Arguments => format!("{:?}", std::env::args_os().collect::<Vec<_>>()),
        Attempt::Folder => format!("{:?}", std::env::current_dir()),
        Attempt::ListFiles => format!("{:?}", fs::read_dir("/").map(|entries| entries.flatten().count())),
        Attempt::ReadFile => format!("{:?}", fs::read_to_string("/etc/passwd")),
        Attempt::WriteFile => format!("{:?}", fs::write("/tmp/nosy", "nosy")),
        Attempt::Clock => match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => since.as_millis().to_string(),
            Err(error) => error.to_string(),
        },
        Attempt::Monotonic => {
            let start = Instant::now();
            let busy: u64 = (0..1_000_000).fold(0, |sum, n| std::hint::black_box(sum + n));
            u8::from(start.elapsed() > Duration::ZERO && busy > 0).to_string()
        }
        Attempt::Random => format!("{:016x}", RandomState::new().build_hasher().finish()),
        Attempt::Tcp => format!("{:?}", TcpStream::connect("127.0.0.1:80").map(|_| "connected")),
        Attempt::Udp => format!("{:?}", UdpSocket::bind("127.0.0.1:0").map(|_| "bound")),
        Attempt::Stdin => {
            let mut text = String::new();
            format!("{:?} {text:?}", std::io::stdin().read_to_string(&mut text))
        }
        Attempt::Sleep => {
            thread::sleep(Duration::from_hours(1));
            "slept".into()
        }
        Attempt::Thread => format!("{:?}", thread::Builder::new().spawn(|| ()).map(|_| "started")),
    }
}

export!(Nosy);
