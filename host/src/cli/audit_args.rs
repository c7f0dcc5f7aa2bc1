//! `wardlock audit …`, as clap knows it.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `wardlock audit`.
#[derive(Debug, Subcommand)]
pub enum AuditVerb {
    /// List the newest rows.
    List(AuditListArgs),
    /// Show every row of one request.
    Show {
        /// The request's id.
        request_id: String,
    },
    /// Walk the chain and say whether it holds, and what cannot be said.
    Verify(AuditVerifyArgs),
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
    /// Verify this copy of an audit.db instead; needs no home, no vault and no daemon.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// `wardlock audit list`.
#[derive(Debug, Args)]
pub struct AuditListArgs {
    /// How many rows.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Of one workspace.
    #[arg(long)]
    pub workspace: Option<String>,
    /// Of one connection.
    #[arg(long)]
    pub connection: Option<String>,
    /// Of one agent.
    #[arg(long)]
    pub agent: Option<String>,
    /// With one decision.
    #[arg(long, value_parser = ["allow", "hold", "deny"])]
    pub decision: Option<String>,
}
