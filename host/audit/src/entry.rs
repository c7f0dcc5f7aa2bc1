//! A row before it has its place in the chain, and how long its texts may be.

use serde::{Deserialize, Serialize};

use crate::detail::Detail;
use crate::terms::{Names, words};

/// How long one text may be, bytes. What an agent makes is data here, but not without bound.
pub(crate) const TEXT_BYTES: usize = 512;

/// How many items of one list a row keeps.
pub const LIST_ITEMS: usize = 64;

/// What kind of row it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A request that is about to be sent.
    Intent,
    /// What came of it.
    Outcome,
    /// A request that was refused or held.
    Refusal,
    /// An administrative act.
    Admin,
    /// A call to a token endpoint, or a look-up of a tenant.
    Grant,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Intent, Self::Outcome, Self::Refusal, Self::Admin, Self::Grant];

    /// Returns the word used on every surface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Outcome => "outcome",
            Self::Refusal => "refusal",
            Self::Admin => "admin",
            Self::Grant => "grant",
        }
    }

    /// Parses the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Whether the operating system keeps the agent away from Wardlock's files and memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Separation {
    /// The agent's peer has our own uid: nothing does (promise 13).
    None,
    /// The agent's peer is another user.
    OwnUser,
    /// The peer's user could not be found.
    Unknown,
}

impl Separation {
    /// Returns the word used on every surface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::OwnUser => "own-user",
            Self::Unknown => "unknown",
        }
    }
}

/// What a row must survive before its request is sent (promise 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// The end of the process.
    Crash,
    /// The loss of power.
    Power,
}

/// What the rows of requests must survive, by effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Durabilities {
    /// Reads.
    pub reads: Durability,
    /// Writes and whatever destroys.
    pub writes: Durability,
}

impl Default for Durabilities {
    /// Reads survive kill -9, writes the loss of power.
    fn default() -> Self {
        Self { reads: Durability::Crash, writes: Durability::Power }
    }
}

impl Durabilities {
    pub(crate) fn of(self, effect: wardlock_core::plugin::Effect) -> Durability {
        use wardlock_core::plugin::Effect;
        match effect {
            Effect::Read => self.reads,
            Effect::Write | Effect::Destructive => self.writes,
        }
    }
}

/// A row to be written.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) durability: Durability,
    pub(crate) subject: Subject,
    pub(crate) decision: Option<&'static str>,
    pub(crate) outcome: Option<&'static str>,
    pub(crate) closes: Option<u64>,
    /// The rendered [`Detail`].
    pub(crate) detail: String,
    /// What the row can be looked for by.
    pub(crate) words: Vec<i64>,
}

impl Entry {
    /// Renders a row, and finds its words, on the thread of whoever writes it: the writing thread has enough to do.
    pub(crate) fn new(kind: Kind, durability: Durability, subject: Subject, says: Says, detail: &Detail) -> Self {
        let Says { decision, outcome, closes } = says;
        let names = Names {
            kind,
            workspace: subject.workspace.as_deref(),
            connection: subject.connection.as_deref(),
            agent: subject.agent.as_deref(),
            operation: subject.operation.as_deref(),
            effect: subject.effect,
            decision,
            outcome,
            detail,
        };
        let (words, detail) = (words(&names), render(detail));
        Self { kind, durability, subject, decision, outcome, closes, detail, words }
    }
}

/// What a row says in its columns besides what it is about.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Says {
    pub(crate) decision: Option<&'static str>,
    pub(crate) outcome: Option<&'static str>,
    /// The intent that it ends.
    pub(crate) closes: Option<u64>,
}

/// What a row is about: the columns that an outcome shares with its intent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Subject {
    pub(crate) request_id: Option<String>,
    pub(crate) workspace: Option<String>,
    pub(crate) connection: Option<String>,
    pub(crate) agent: Option<String>,
    pub(crate) operation: Option<String>,
    pub(crate) effect: Option<&'static str>,
}

/// Renders a detail. Structs of strings and numbers always render; the fallback keeps the row, without its detail.
fn render(detail: &Detail) -> String {
    serde_json::to_string(detail).unwrap_or_else(|_| format!("{{\"version\":{}}}", detail.version))
}

/// Cuts a text to what a row keeps, at a character's boundary.
pub(crate) fn bounded(text: &str) -> String {
    if text.len() <= TEXT_BYTES {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(TEXT_BYTES - '…'.len_utf8());
    format!("{}…", &text[..end])
}
