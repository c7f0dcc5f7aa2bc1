//! The command line, as clap knows it. No argument ever takes a secret.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::audit_args::AuditVerb;
use super::connect_args::{ConnectArgs, RegistrationVerb};
use super::operator_args::OperatorVerb;
use super::plugin_args::PluginVerb;
use super::service_args::NewServiceArgs;
use super::write_args::{DraftsVerb, ProofArgs, WritesArgs};

/// Wardlock stands between agents and the APIs that people have accounts for.
///
/// Agents call it instead of the API, with a token of its own; policy plugins say what may pass; the host alone
/// holds the credentials. Exit codes: 0 yes, 1 no, 2 usage, 3 the home or its key, 4 another wardlock holds the home.
#[derive(Debug, Parser)]
#[command(name = "wardlock", version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// The home folder; else `WARDLOCK_HOME`, else the platform's configuration folder.
    #[arg(long, global = true, value_name = "FOLDER")]
    pub home: Option<PathBuf>,
    /// Print data as JSON on standard output, for programs.
    #[arg(long, global = true)]
    pub json: bool,
    /// Read the vault's passphrase from this open file descriptor.
    #[arg(long, global = true, value_name = "FD")]
    pub passphrase_fd: Option<u32>,
    /// The operator in whose name this is signed, where operators have keys.
    #[arg(long = "as", global = true, value_name = "OPERATOR", requires = "sign_with")]
    pub operator: Option<String>,
    /// The SSH key that signs: a private key's file, or the public one of a key that the SSH agent holds.
    #[arg(long, global = true, value_name = "KEY", requires = "operator")]
    pub sign_with: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a home folder: configuration, key, empty vault.
    Init(InitArgs),
    /// Run the whole product on the embedded simulator: nothing to set up, nothing left behind.
    Demo(DemoArgs),
    /// Serve agents until told to stop.
    Serve(ServeArgs),
    /// Make a one-time link to the dashboard, which `serve --dashboard` turns on. It waits for five minutes.
    Dashboard,
    /// Check the home, the key, the wall and every workspace, and say what to mend.
    Doctor(DoctorArgs),
    /// Print what the daemon has counted and measured, as Prometheus reads it.
    Metrics,
    /// Load workspaces, services and plugins anew.
    Reload,
    /// The vault: open or locked, and where its key comes from.
    #[command(subcommand)]
    Vault(VaultVerb),
    /// The whole home as one encrypted file, and back.
    #[command(subcommand)]
    Backup(BackupVerb),
    /// The services that are known.
    #[command(subcommand)]
    Service(ServiceVerb),
    /// OAuth clients at providers.
    #[command(subcommand)]
    Registration(RegistrationVerb),
    /// Get a person's consent and store the grant.
    Connect(ConnectArgs),
    /// Revoke a grant at the provider and remove it.
    Disconnect {
        /// The grant's name.
        grant: String,
    },
    /// The grants that are stored.
    Grants,
    /// What workspaces use which grants.
    #[command(subcommand)]
    Connections(ConnectionsVerb),
    /// People who may approve and enable, each by an SSH key of their own.
    ///
    /// As soon as there is one, what widens wants a signature: `--as NAME --sign-with KEY`.
    #[command(subcommand)]
    Operator(OperatorVerb),
    /// Show by a few reads that a connection works, for the right account, with nothing exposed.
    ///
    /// Ends with 1 if a criterion does not hold. Writes can be enabled only while the newest proof holds.
    Proof(ProofArgs),
    /// Say how far writes are enabled on a connection: off, draft (each is held for a person), or on.
    Writes(WritesArgs),
    /// Requests that wait for a person.
    #[command(subcommand)]
    Drafts(DraftsVerb),
    /// Callers with tokens of their own.
    #[command(subcommand)]
    Agent(AgentVerb),
    /// Deny everything of a workspace, or of all, at once; tokens and grants stay as they are.
    Freeze(FreezeArgs),
    /// Lift a freeze.
    Thaw(FreezeArgs),
    /// Policy plugins: what their authors and operators do.
    #[command(subcommand)]
    Plugin(PluginVerb),
    /// Workspaces' rules and plugins.
    #[command(subcommand)]
    Policy(PolicyVerb),
    /// What was asked, decided, sent and answered.
    #[command(subcommand)]
    Audit(AuditVerb),
}

/// `wardlock init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Where the vault's key comes from.
    #[arg(long, value_enum, default_value_t = KeyChoice::File)]
    pub key: KeyChoice,
    /// Start with a ready-made workspace, or add it to a home that is there: `zoho-readonly`, `zoho-lead-intake` or `zoho-sales-desk`.
    #[arg(long, value_name = "POLICY", requires = "workspace", requires = "region")]
    pub policy: Option<String>,
    /// The ready-made workspace's name.
    #[arg(long, value_name = "NAME")]
    pub workspace: Option<String>,
    /// The ready-made workspace's region, such as `eu`.
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// An age recipient (`age1…`) who can restore every backup of this home; may be given several times.
    #[arg(long, value_name = "RECIPIENT")]
    pub recovery: Vec<String>,
    /// Make an installation under a user of its own (root only): user, folder, systemd unit.
    #[arg(long)]
    pub system: bool,
}

/// Where the vault's key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeyChoice {
    /// A file in the home, readable by its owner only.
    File,
    /// A passphrase, asked for at every start.
    Passphrase,
    /// The operating system's keychain.
    Keychain,
    /// A systemd credential, made with `systemd-creds`.
    Credential,
}

impl KeyChoice {
    /// Returns the word as `key` in wardlock.toml has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Passphrase => "passphrase",
            Self::Keychain => "keychain",
            Self::Credential => "credential",
        }
    }
}

/// `wardlock vault`.
#[derive(Debug, Subcommand)]
pub enum VaultVerb {
    /// Say whether it is open, and where its key comes from.
    Status,
    /// Open it in the daemon, which starts locked where its key is out of reach.
    Unlock,
    /// Have the daemon forget every key and token; agents are told `vault_locked`.
    Lock,
    /// Take the key from another source from now on. The daemon must be stopped.
    Rekey(RekeyArgs),
    /// Write every registration and grant, with their secrets, into a new file that is encrypted with age.
    Export(ExportArgs),
    /// Take the registrations and grants of an export into this vault. The daemon must be stopped.
    Import(ImportArgs),
    /// Take a `vault.db` that is older than the last one as the newest, because it was restored on purpose.
    AcceptOlder,
}

/// `wardlock vault rekey`.
#[derive(Debug, Args)]
pub struct RekeyArgs {
    /// The new source.
    #[arg(long, value_enum)]
    pub key: KeyChoice,
    /// Read the new passphrase from this open file descriptor.
    #[arg(long, value_name = "FD")]
    pub new_passphrase_fd: Option<u32>,
}

/// `wardlock vault export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The file to make, or `-` for standard output.
    pub file: PathBuf,
    /// An age recipient (`age1…`) who can open it; may be given several times. Without one a passphrase is asked for.
    #[arg(long = "recipient", value_name = "RECIPIENT", conflicts_with = "export_passphrase_fd")]
    pub recipients: Vec<String>,
    /// Read the file's passphrase from this open file descriptor.
    #[arg(long, value_name = "FD")]
    pub export_passphrase_fd: Option<u32>,
}

/// `wardlock vault import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The file that `vault export` made.
    pub file: PathBuf,
    /// A file with an age identity that opens it. Without one the passphrase is asked for.
    #[arg(long, value_name = "FILE", conflicts_with = "export_passphrase_fd")]
    pub identity: Option<PathBuf>,
    /// Read the file's passphrase from this open file descriptor.
    #[arg(long, value_name = "FD")]
    pub export_passphrase_fd: Option<u32>,
    /// Put the file's records in the place of those of the same names.
    #[arg(long)]
    pub replace: bool,
}

/// `wardlock backup`.
#[derive(Debug, Subcommand)]
pub enum BackupVerb {
    /// Write the whole home into a new file that is encrypted with age; `serve` may go on.
    Create(BackupArgs),
    /// Make the home that `--home` names out of a backup. The folder must be empty or not there yet.
    Restore(RestoreArgs),
}

/// `wardlock backup create`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The file to make, or `-` for standard output.
    pub file: PathBuf,
    /// An age recipient (`age1…`) who can restore it, besides those of wardlock.toml; may be given several times. Where
    /// there is none at all a passphrase is asked for.
    #[arg(long = "recipient", value_name = "RECIPIENT", conflicts_with = "backup_passphrase_fd")]
    pub recipients: Vec<String>,
    /// Read the file's passphrase from this open file descriptor.
    #[arg(long, value_name = "FD")]
    pub backup_passphrase_fd: Option<u32>,
}

/// `wardlock backup restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The file that `backup create` made.
    pub file: PathBuf,
    /// A file with an age identity that opens it. Without one the passphrase is asked for.
    #[arg(long, value_name = "FILE", conflicts_with = "backup_passphrase_fd")]
    pub identity: Option<PathBuf>,
    /// Read the file's passphrase from this open file descriptor.
    #[arg(long, value_name = "FD")]
    pub backup_passphrase_fd: Option<u32>,
    /// Where the vault's new key comes from; else what the backup's wardlock.toml says.
    #[arg(long, value_enum)]
    pub key: Option<KeyChoice>,
    /// The key file outside the home that the backup's wardlock.toml names. It is used, or made, only where it is named here, too.
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    pub key_path: Option<PathBuf>,
    /// Restore it even if a newer state of this vault was used on this machine.
    #[arg(long)]
    pub accept_older: bool,
}

/// `wardlock demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Run it, check it, print the result and exit 0 or 1.
    #[arg(long)]
    pub once: bool,
}

/// `wardlock serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Serve on the embedded simulator instead of the real providers. The home is marked as such.
    #[arg(long)]
    pub simulator: bool,
    /// Turn the dashboard on, at `dashboard` under `[listen]` in wardlock.toml, else on port 7423 of `localhost`.
    #[arg(long)]
    pub dashboard: bool,
    /// Log as JSON lines, whatever `[log]` in wardlock.toml says.
    #[arg(long)]
    pub json_logs: bool,
}

/// `wardlock service`.
#[derive(Debug, Subcommand)]
pub enum ServiceVerb {
    /// List the services.
    List,
    /// Show one service: regions, operations, groups.
    Show {
        /// Its name.
        service: String,
        /// Print the built-in definition itself: to be saved under another name, with the API's version or hosts changed.
        #[arg(long)]
        definition: bool,
    },
    /// Find what is wrong in a definition, and what is seldom meant: each with its line and how to mend it.
    ///
    /// Ends with 1 if there is anything.
    Check {
        /// The file, which need not be in a home yet.
        file: PathBuf,
    },
    /// Print the JSON Schema of definitions, for editors.
    Schema,
    /// Write the beginning of a definition, from a few questions or from an authorization server's metadata.
    ///
    /// Wardlock fetches nothing: it dials no host outside its tables. Fetch the metadata yourself:
    /// `curl https://ISSUER/.well-known/oauth-authorization-server | wardlock service new --issuer https://ISSUER
    /// --issuer-metadata - --name NAME --api-host HOST`.
    New(Box<NewServiceArgs>),
    /// What to enter in the provider's console.
    Guide {
        /// Its name.
        service: String,
        /// The region to set up.
        #[arg(long)]
        region: Option<String>,
    },
}

/// `wardlock connections`.
#[derive(Debug, Subcommand)]
pub enum ConnectionsVerb {
    /// List the connections.
    List,
    /// Show one connection.
    Show {
        /// `workspace/connection`.
        connection: String,
        /// The agent whose own consent it is about.
        #[arg(long, value_name = "AGENT")]
        agent: Option<String>,
    },
}

/// `wardlock agent`.
#[derive(Debug, Subcommand)]
pub enum AgentVerb {
    /// Make an agent and print its token, once.
    Add {
        /// Its name.
        name: String,
        /// The one workspace it belongs to.
        #[arg(long)]
        workspace: String,
        /// After what time its token ends, such as `12h` or `90d`; without it, never.
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
    },
    /// Give an agent a new token and print it, once; the old one works a while longer.
    Rotate {
        /// Its name.
        name: String,
        /// How long the old token works.
        #[arg(long, value_name = "TIME", default_value = "1h")]
        overlap: String,
        /// After what time the new token ends; without it, never.
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
    },
    /// List the agents.
    List,
    /// Revoke an agent's token at once.
    Revoke {
        /// Its name.
        name: String,
    },
}

/// `wardlock freeze` and `wardlock thaw`.
#[derive(Debug, Args)]
pub struct FreezeArgs {
    /// The workspace.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub workspace: Option<String>,
    /// Every workspace, those to come too.
    #[arg(long)]
    pub all: bool,
}

/// `wardlock policy`.
#[derive(Debug, Subcommand)]
pub enum PolicyVerb {
    /// Load every workspace and run the cases: request → expected decision.
    Check {
        /// A folder of cases; without it only the loading is checked.
        #[arg(long, value_name = "FOLDER")]
        cases: Option<PathBuf>,
    },
    /// Run the cases of workspaces: request → expected decision. Ends with 1 if one does not hold.
    Test(PolicyTestArgs),
    /// Say what would be decided, and what would be sent, without sending it.
    Explain(ExplainArgs),
    /// Accept what workspace files let agents do beyond what was accepted, where operators have keys.
    Accept {
        /// What was shown, as it was told then; without it you are shown it and asked.
        #[arg(long, value_name = "BASIS")]
        basis: Option<String>,
    },
}

/// `wardlock policy test`.
#[derive(Debug, Args)]
pub struct PolicyTestArgs {
    /// The workspaces; without one, every workspace that has cases.
    #[arg(value_name = "WORKSPACE")]
    pub workspaces: Vec<String>,
    /// The folder of cases: one folder for each workspace, or the cases of one.
    #[arg(long, value_name = "FOLDER", default_value = "cases")]
    pub cases: PathBuf,
}

/// `wardlock policy explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// `workspace/connection`, before a method and a target; or by itself a line for curl, or the id of a recorded request or of a draft.
    #[arg(value_name = "CONNECTION|ID|LINE", required_unless_present = "curl")]
    pub what: Option<String>,
    /// The method.
    #[arg(conflicts_with = "curl")]
    pub method: Option<String>,
    /// Path and query as upstream, such as `/crm/v8/Leads?fields=Last_Name`.
    #[arg(conflicts_with = "curl")]
    pub target: Option<String>,
    /// The request, as a line for curl; nothing is sent, and a token in it counts for nothing. The address names the connection, as agents'
    /// addresses do, unless it stands before.
    #[arg(long, value_name = "LINE")]
    pub curl: Option<String>,
    /// The agent; else nobody in particular.
    #[arg(long)]
    pub agent: Option<String>,
    /// A header, as `Name: value`; may be given several times. A body is JSON, or a form where it reads as one, unless `Content-Type` says
    /// something else.
    #[arg(long = "header", short = 'H', value_name = "HEADER")]
    pub headers: Vec<String>,
    /// A file that holds the body.
    #[arg(long, value_name = "FILE")]
    pub body: Option<PathBuf>,
    /// The purpose that the agent would give.
    #[arg(long)]
    pub purpose: Option<String>,
}

/// `wardlock doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Look for stored secrets in this folder instead, or in what comes on standard input if it is `-`: prints places
    /// and never values, and exits with 1 if there is one.
    #[arg(long, value_name = "DIR")]
    pub look: Option<PathBuf>,
}
