//! `wardlock operator`, as clap knows it.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use wardlock_egress::vault::Role;

/// `wardlock operator`.
#[derive(Debug, Subcommand)]
pub enum OperatorVerb {
    /// Add a person with a key. The first must be an admin.
    Add {
        /// The person's name.
        name: String,
        /// The public key: a file that ends in `.pub`.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// What the person may do; without it the first is an admin, and every other an approver.
        #[arg(long, value_enum)]
        role: Option<RoleChoice>,
    },
    /// Make a one-time link by which a person's browser brings a passkey, to say yes in the dashboard.
    ///
    /// Wants the signature of that person, or of an admin. The link waits for five minutes.
    Passkey {
        /// The person's name.
        name: String,
    },
    /// List them.
    List,
    /// Take a person's word away.
    Revoke {
        /// The person's name.
        name: String,
    },
}

/// What an operator may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleChoice {
    /// Looks: an explanation under this signature reads what stands at the provider now.
    Viewer,
    /// Releases drafts.
    Approver,
    /// Does everything.
    Admin,
}

impl From<RoleChoice> for Role {
    fn from(choice: RoleChoice) -> Self {
        match choice {
            RoleChoice::Viewer => Self::Viewer,
            RoleChoice::Approver => Self::Approver,
            RoleChoice::Admin => Self::Admin,
        }
    }
}
