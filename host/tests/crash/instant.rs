//! When the child is killed.

use std::fmt;
use std::time::Duration;

use wardlock_simulator::{ApiAnswer, Fault, Switches};

use crate::load::{Load, Trigger};
use crate::suite::{Host, PATIENCE, Suite};

/// More answers than are asked for before the child is gone.
const ANSWERS: usize = 400;

/// When the child is killed.
#[derive(Debug, Clone, Copy)]
pub enum Instant {
    /// When it passes this failpoint for the nth time.
    Failpoint { name: &'static str, nth: usize },
    /// Once the provider has received the nth request: written, and perhaps not answered.
    Received { nth: usize },
    /// Once an agent got the first byte of the nth reply, the rest of which is under way.
    FirstBytes { nth: usize },
    /// So long after agents began to ask.
    After { micros: u64 },
}

/// The failpoints, in the order of a request's path.
const FAILPOINTS: [&str; 11] = [
    "after-admission",
    "after-decision",
    "after-quotas",
    "audit-before-commit",
    "audit-after-commit",
    "before-token",
    "before-writing",
    "after-head",
    "flowing",
    "before-outcome",
    "after-outcome",
];

/// Which passing it is; the first ones are while nothing is warm yet.
const PASSINGS: [usize; 8] = [1, 2, 3, 5, 8, 13, 21, 34];

impl Instant {
    /// Returns the nth of all instants: every kind in turn, each time later.
    pub fn number(number: usize) -> Self {
        let (kind, turn) = (number % (FAILPOINTS.len() + 4), number / (FAILPOINTS.len() + 4));
        let nth = PASSINGS[(turn * 3 + kind) % PASSINGS.len()];
        match kind.checked_sub(FAILPOINTS.len()) {
            None => Self::Failpoint { name: FAILPOINTS[kind], nth },
            Some(0) => Self::Received { nth },
            Some(1) => Self::FirstBytes { nth: nth.min(8) },
            // Anything between the first request and some dozens, without a pattern.
            Some(_) => Self::After { micros: (number as u64).wrapping_mul(2_654_435_761) % 400_000 },
        }
    }

    /// How many there are before the kinds begin anew.
    pub const KINDS: usize = FAILPOINTS.len() + 4;

    /// What it is counted under.
    pub fn group(&self) -> &'static str {
        match self {
            Self::Failpoint { name, .. } => name,
            Self::Received { .. } => "the provider has received it",
            Self::FirstBytes { .. } => "in the middle of a reply",
            Self::After { .. } => "at any time, from outside",
        }
    }

    /// Whether somebody surely is between INTENT and OUTCOME then.
    pub fn leaves_unknown(&self) -> bool {
        let between = ["before-token", "before-writing", "after-head", "flowing", "before-outcome"];
        matches!(self, Self::Failpoint { name, .. } if between.contains(name))
    }

    /// Has the provider answer as this instant needs it.
    pub fn prepare(&self, switches: &mut Switches) {
        let raw = |content_type: &str, body: Vec<u8>| ApiAnswer::Raw {
            status: 200,
            content_type: content_type.to_owned(),
            body,
        };
        let (answer, fault) = match self {
            Self::Failpoint { name: "flowing", .. } => {
                let drip = Fault::Drip { pause: Duration::from_millis(1) };
                (raw("text/event-stream", b"data: something\n\n".repeat(4)), Some(drip))
            }
            Self::FirstBytes { .. } => {
                // More than the sockets between take in at once.
                let text = "x".repeat(3 << 20);
                (raw("application/json", format!("{{\"data\": [\"{text}\"]}}").into_bytes()), None)
            }
            _ => return,
        };
        switches.api_answers = std::iter::repeat_n(answer, ANSWERS).collect();
        switches.api_faults = fault.into_iter().flat_map(|fault| std::iter::repeat_n(fault, ANSWERS)).collect();
    }

    /// Sets agents to work and kills the child. Returns them once it is gone; an error says why it is not.
    pub fn carry_out(&self, suite: &Suite, host: &mut Host) -> Result<Load, String> {
        let mut trigger = Trigger::None;
        match self {
            Self::Failpoint { name, nth } => {
                host.tell(&format!("kill {name} {nth}")).ok_or("the child is gone before its time")?;
            }
            Self::FirstBytes { nth } => trigger = Trigger::FirstBytes { nth: *nth, pid: host.pid() },
            Self::Received { .. } | Self::After { .. } => {}
        }
        let load = Load::start(host.agents, suite.token(), &trigger);
        match self {
            Self::After { micros } => {
                std::thread::sleep(Duration::from_micros(*micros));
                host.kill();
            }
            Self::Received { nth } => {
                let patience = std::time::Instant::now() + PATIENCE;
                while suite.left.simulator.recordings().len() < *nth && std::time::Instant::now() < patience {
                    std::hint::spin_loop();
                }
                host.kill();
            }
            Self::Failpoint { .. } | Self::FirstBytes { .. } => {}
        }
        match host.ended(PATIENCE) {
            Some(_) => Ok(load),
            None => Err("the instant was never reached".to_owned()),
        }
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failpoint { nth, .. } | Self::Received { nth } | Self::FirstBytes { nth } => {
                write!(f, "{}, {nth}", self.group())
            }
            Self::After { micros } => write!(f, "{}, after {micros} µs", self.group()),
        }
    }
}
