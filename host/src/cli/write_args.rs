//! `wardlock proof`, `wardlock writes` and `wardlock drafts`, as clap knows them.

use clap::{Args, Subcommand, ValueEnum};

/// `wardlock proof`.
#[derive(Debug, Args)]
pub struct ProofArgs {
    /// `workspace/connection`.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub connection: Option<String>,
    /// Every connection that serves.
    #[arg(long)]
    pub all: bool,
    /// The agent whose own consent is proved, and in whose name it is asked; `--all` without it proves each agent's.
    #[arg(long, value_name = "AGENT")]
    pub agent: Option<String>,
}

/// `wardlock writes`.
#[derive(Debug, Args)]
pub struct WritesArgs {
    /// How far.
    pub level: Level,
    /// `workspace/connection`.
    pub connection: String,
    /// The agent whose own consent it is; without it `off` is for every agent.
    #[arg(long, value_name = "AGENT")]
    pub agent: Option<String>,
    /// The connection once more, instead of typing it when asked.
    #[arg(long, value_name = "CONNECTION")]
    pub confirm: Option<String>,
}

/// How far writes are enabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// No write passes.
    Off,
    /// Every write is held for a person.
    Draft,
    /// Rules and plugins decide; what destroys or is broad is held.
    On,
}

impl Level {
    /// Returns the word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Draft => "draft",
            Self::On => "on",
        }
    }
}

/// `wardlock drafts`.
#[derive(Debug, Subcommand)]
pub enum DraftsVerb {
    /// List the drafts that wait.
    List {
        /// Those that have ended, too, for a week.
        #[arg(long)]
        all: bool,
    },
    /// Show exactly what a draft would send, and why it waits.
    Show {
        /// Its id.
        draft: String,
    },
    /// Send it: exactly what was shown, once, if rules and plugins still let it pass.
    ///
    /// Ends with 1 if nothing was sent.
    Approve {
        /// Its id.
        draft: String,
        /// SHA-256 of the request, as `drafts show` prints it, instead of typing its beginning when asked.
        #[arg(long, value_name = "SHA256")]
        request: Option<String>,
    },
    /// Say no: nothing is sent, and its agent learns that.
    Reject {
        /// Its id.
        #[arg(required_unless_present = "agent", conflicts_with = "agent")]
        draft: Option<String>,
        /// Every one of this agent that waits.
        #[arg(long, value_name = "AGENT")]
        agent: Option<String>,
    },
}
