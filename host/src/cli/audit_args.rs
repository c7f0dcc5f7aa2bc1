//! `wardlock audit …`, as clap knows it.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::admin::AuditFilter;

/// `wardlock audit`.
#[derive(Debug, Subcommand)]
pub enum AuditVerb {
    /// List the newest rows.
    List(Box<AuditListArgs>),
    /// Show every row of one request.
    Show {
        /// The request's id.
        request_id: String,
    },
    /// Show rows as they are written, until ctrl-C.
    Tail(Box<AuditTailArgs>),
    /// Write rows to standard output, in order and however many there are.
    Export(Box<AuditExportArgs>),
    /// Walk the chain and say whether it holds, and what cannot be said.
    Verify(AuditVerifyArgs),
    /// Ask recorded decisions again: the same plugins on the same input must say the same. Ends with 1 if one does not.
    ///
    /// Only workspaces with `[recorder]` have records. Nothing is sent, and nothing is taken of any quota.
    Replay(AuditReplayArgs),
    /// Sign the end of the log, and print one line to keep elsewhere.
    Head,
}

/// `wardlock audit verify`.
#[derive(Debug, Args)]
pub struct AuditVerifyArgs {
    /// A line of `wardlock audit head` that was kept elsewhere; may be given more than once.
    #[arg(long = "head", value_name = "LINE")]
    pub kept: Vec<String>,
    /// A file with such lines; a mirror or an export does, too.
    #[arg(long, value_name = "FILE")]
    pub heads: Option<PathBuf>,
    /// The public key under which every head must be signed, as `wardlock audit head` prints it.
    #[arg(long, value_name = "KEY")]
    pub public_key: Option<String>,
    /// Verify copies of a log's files instead; needs no home, no vault and no daemon.
    #[arg(long = "file", value_name = "FILE", num_args = 1..)]
    pub files: Vec<PathBuf>,
}

/// `wardlock audit replay`.
#[derive(Debug, Args)]
pub struct AuditReplayArgs {
    /// Only what one workspace recorded.
    #[arg(long, value_name = "NAME")]
    pub workspace: Option<String>,
    /// Only one request.
    #[arg(long, value_name = "ID", value_parser = super::plugin_args::request_id)]
    pub request: Option<String>,
    /// How many requests at most, the newest.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
}

/// `wardlock audit list`.
#[derive(Debug, Args)]
pub struct AuditListArgs {
    /// How many rows.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Only rows before this one: the page before.
    #[arg(long, value_name = "ROW")]
    pub before: Option<u64>,
    /// Only rows after this one, the oldest first: the next page.
    #[arg(long, value_name = "ROW", conflicts_with = "before")]
    pub after: Option<u64>,
    /// Which rows.
    #[command(flatten)]
    pub filter: FilterArgs,
}

/// `wardlock audit tail`.
#[derive(Debug, Args)]
pub struct AuditTailArgs {
    /// How many rows to begin with.
    #[arg(long, short = 'n', default_value_t = 10)]
    pub lines: u32,
    /// Which rows.
    #[command(flatten)]
    pub filter: FilterArgs,
}

/// `wardlock audit export`.
#[derive(Debug, Args)]
pub struct AuditExportArgs {
    /// JSON lines, which end with a signed head, or a table for spreadsheets.
    #[arg(long, value_enum, default_value_t = ExportFormat::Jsonl)]
    pub format: ExportFormat,
    /// Which rows; all of them without a filter.
    #[command(flatten)]
    pub filter: FilterArgs,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A JSON object a line.
    Jsonl,
    /// Comma-separated values (RFC 4180).
    Csv,
}

/// Which rows. Everything given must hold.
#[derive(Debug, Args)]
pub struct FilterArgs {
    /// Written then or later: `2026-11-25T08:00:00Z`, `2026-11-25`, or `24h` ago.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Written before then.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Of one workspace.
    #[arg(long)]
    pub workspace: Option<String>,
    /// Of one connection.
    #[arg(long)]
    pub connection: Option<String>,
    /// Of one agent.
    #[arg(long)]
    pub agent: Option<String>,
    /// Of one service.
    #[arg(long)]
    pub service: Option<String>,
    /// Of one operation.
    #[arg(long)]
    pub operation: Option<String>,
    /// Of one effect.
    #[arg(long, value_parser = AuditFilter::EFFECTS)]
    pub effect: Option<String>,
    /// Touching one resource.
    #[arg(long)]
    pub resource: Option<String>,
    /// Of one region.
    #[arg(long)]
    pub region: Option<String>,
    /// Of one tenant.
    #[arg(long)]
    pub tenant: Option<String>,
    /// With one decision.
    #[arg(long, value_parser = AuditFilter::DECISIONS)]
    pub decision: Option<String>,
    /// With one outcome.
    #[arg(long, value_parser = AuditFilter::OUTCOMES)]
    pub outcome: Option<String>,
    /// Refused with one code, of the host or of a plugin.
    #[arg(long)]
    pub code: Option<String>,
    /// Judged by one plugin: its name, or the SHA-256 of its component.
    #[arg(long)]
    pub plugin: Option<String>,
    /// Holding this value of a path or query, such as a record's id. Rows hold its keyed hash only.
    #[arg(long, value_name = "VALUE")]
    pub path_value: Option<String>,
    /// Of one kind.
    #[arg(long, value_parser = AuditFilter::KINDS)]
    pub kind: Option<String>,
    /// Being one act, such as `agent.add`.
    #[arg(long)]
    pub act: Option<String>,
}
