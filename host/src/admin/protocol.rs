//! What is said over the admin socket. A wire format: versioned, its own types.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wardlock_egress::vault::Role;

use super::failure::Failure;
use super::rows::{AuditFilter, PluginLogFilter, RowForm};
use crate::operators::HomeIdentity;

/// The protocol's version; a daemon of another version says so instead of guessing.
pub const VERSION: u32 = 14;

/// One question, on one line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The protocol's version.
    pub version: u32,
    /// What to do.
    pub command: Command,
    /// Whether a secret follows, in a raw frame, once the daemon asks for it.
    pub secret_follows: bool,
    /// The operator who will sign it, once the daemon says what.
    #[serde(default)]
    pub signed_as: Option<String>,
}

/// A command that needs the home's state.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// Who serves.
    Status,
    /// Load workspaces, services and plugins anew.
    Reload,
    /// Write every metric as text.
    Metrics,
    /// Check everything.
    Doctor,
    /// Begin a look for stored secrets in files: give the fingerprints of every one.
    LookBegin,
    /// Say whose secret begins at these places of files.
    LookAt {
        /// The look's handle, which its beginning gave.
        look: String,
        /// What stands there, base64.
        pieces: Vec<String>,
    },
    /// Store an OAuth client; its secret follows.
    RegistrationAdd {
        /// Name.
        name: String,
        /// Service.
        service: String,
        /// Client id.
        client_id: String,
        /// The program that gives the secret, with its arguments; without one the secret follows.
        #[serde(default)]
        program: Vec<String>,
    },
    /// List the OAuth clients.
    RegistrationList,
    /// Get consent.
    Connect {
        /// Workspace.
        workspace: String,
        /// Connection.
        connection: String,
        /// Registration, where there are several.
        registration: Option<String>,
        /// The agent whose own consent it is.
        #[serde(default)]
        agent: Option<String>,
        /// How the account is connected.
        how: How,
        /// Whether to go on where the provider will drop the person's oldest grant.
        evict_oldest: bool,
        /// The account that it must be, also in the place of another's grant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tenant: Option<String>,
        /// The scopes that the consent asks for, as they were shown: no other consent is begun. Without them it asks for what the
        /// files say, which nobody signs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scopes: Option<Vec<String>>,
    },
    /// Revoke and remove a grant.
    Disconnect {
        /// Grant.
        grant: String,
    },
    /// List the grants.
    Grants,
    /// List the connections.
    ConnectionsList,
    /// Show one connection.
    ConnectionsShow {
        /// Workspace.
        workspace: String,
        /// Connection.
        connection: String,
        /// The agent whose own consent it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent: Option<String>,
    },
    /// Add an operator.
    OperatorAdd {
        /// Name.
        name: String,
        /// Role.
        role: Role,
        /// Public key, as OpenSSH writes it.
        public_key: String,
    },
    /// List the operators.
    OperatorList,
    /// Make a one-time link by which an operator's browser brings a passkey.
    OperatorPasskey {
        /// Name.
        name: String,
        /// Where the dashboard is, as whoever prints the link was told: elsewhere its secret would be another's.
        origin: String,
        /// SHA-256 of the link's secret, which whoever prints the link makes and tells nobody.
        secret_sha256: String,
    },
    /// Make a one-time link to the dashboard.
    Dashboard,
    /// Take an operator's word away.
    OperatorRevoke {
        /// Name.
        name: String,
    },
    /// Prove a connection, or all of them.
    Proof {
        /// Workspace and connection; without them, every connection that serves.
        place: Option<(String, String)>,
        /// The agent whose own consent is proved.
        agent: Option<String>,
    },
    /// Say how far writes are enabled.
    Writes {
        /// Workspace.
        workspace: String,
        /// Connection.
        connection: String,
        /// The agent whose own consent it is.
        agent: Option<String>,
        /// `off`, `draft` or `on`.
        level: String,
        /// Set it; otherwise only what it would mean is told.
        confirmed: bool,
        /// For what it was shown, as told before: other rules or another grant are not what was confirmed.
        #[serde(default)]
        basis: Option<String>,
    },
    /// List drafts.
    DraftsList {
        /// Those that have ended, too.
        all: bool,
    },
    /// Show one draft.
    DraftsShow {
        /// Its id.
        id: String,
    },
    /// Release a draft.
    DraftsApprove {
        /// Its id.
        id: String,
        /// SHA-256 of the request as it was shown.
        request_sha256: String,
        /// The connection, with a digest of what else was shown of the draft, where it was: the same request means another thing
        /// elsewhere, and from another agent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shown: Option<String>,
    },
    /// End a draft.
    DraftsReject {
        /// Its id.
        id: String,
    },
    /// End every draft of an agent that waits.
    DraftsRejectOf {
        /// The agent.
        agent: String,
    },
    /// Make an agent.
    AgentAdd {
        /// Name.
        name: String,
        /// Workspace.
        workspace: String,
        /// After what time its token ends, such as `90d`.
        #[serde(default)]
        expires: Option<String>,
    },
    /// Give an agent a new token.
    AgentRotate {
        /// Name.
        name: String,
        /// How long the old one works.
        overlap: String,
        /// After what time the new one ends.
        expires: Option<String>,
    },
    /// Deny everything of a workspace, or of all, until it is thawed.
    Freeze {
        /// Workspace; all of them without it.
        workspace: Option<String>,
    },
    /// Lift a freeze.
    Thaw {
        /// Workspace; the freeze of all without it.
        workspace: Option<String>,
    },
    /// Replace a client secret, which follows, once it has worked.
    RegistrationSetSecret {
        /// Name.
        name: String,
        /// The region whose own secret it is.
        region: Option<String>,
        /// Which of the service's further secrets it is; without a name, the client secret.
        #[serde(default)]
        which: Option<String>,
        /// Store it even if it cannot be tried now.
        unproved: bool,
        /// The program that gives the secret, with its arguments; without one the secret follows.
        #[serde(default)]
        program: Vec<String>,
    },
    /// List the agents.
    AgentList,
    /// Revoke an agent.
    AgentRevoke {
        /// Name.
        name: String,
    },
    /// Accept what stands in the workspace files, where operators have keys.
    PolicyAccept {
        /// What was told when it was shown; without it, it is only shown.
        basis: Option<String>,
    },
    /// Explain a decision.
    PolicyExplain {
        /// Workspace.
        workspace: String,
        /// Connection.
        connection: String,
        /// Agent.
        agent: String,
        /// Method.
        method: String,
        /// Path and query.
        target: String,
        /// Headers: names and values. Tokens have no place here.
        headers: Vec<(String, String)>,
        /// Body, base64.
        body: String,
        /// Purpose.
        purpose: Option<String>,
    },
    /// Explain what would be decided now of a request that was recorded.
    PolicyExplainRequest {
        /// Its id.
        request_id: String,
    },
    /// Explain what would be decided now of a draft's request.
    PolicyExplainDraft {
        /// The draft's id.
        id: String,
    },
    /// Keep a plugin's component, which follows.
    PluginAdd {
        /// Its length in bytes.
        bytes: u64,
        /// Its SHA-256: whoever signs the command signs for this component and no other.
        sha256: String,
        /// The signature that stood beside it, if one did.
        signature: Option<String>,
        /// The workspace whose table is to be written, with its connection.
        workspace: Option<String>,
        /// The connection.
        connection: Option<String>,
    },
    /// List the plugins of every chain, and whether they run.
    PluginList,
    /// Return the lines that plugins logged, a page at a time.
    PluginLogs {
        /// Which.
        filter: PluginLogFilter,
        /// As JSON, or as lines for people.
        json: bool,
    },
    /// Say who is trusted to sign plugins.
    PluginPublishers,
    /// List audit rows, shortly.
    AuditList {
        /// Which.
        filter: Box<AuditFilter>,
    },
    /// Return audit rows as lines, a page at a time.
    AuditRows {
        /// Which.
        filter: Box<AuditFilter>,
        /// How.
        form: RowForm,
    },
    /// Begin an export: record it, and sign the end of what it holds.
    AuditExport {
        /// What is exported, for the record.
        what: String,
    },
    /// Show one request's rows.
    AuditShow {
        /// Request id.
        request_id: String,
    },
    /// Walk the audit's chain.
    AuditVerify {
        /// A text with heads that were kept elsewhere.
        heads: String,
        /// The public key under which every head must be signed.
        public_key: Option<String>,
    },
    /// Sign the end of the audit.
    AuditHead,
    /// Ask recorded decisions again.
    AuditReplay {
        /// Only of one workspace.
        workspace: Option<String>,
        /// Only of one request.
        request_id: Option<String>,
        /// How many requests at most, the newest.
        limit: u32,
    },
    /// Make a golden case of a recorded request.
    PluginCase {
        /// The request's id.
        request_id: String,
        /// The plugin's name in the chain, where several were asked.
        plugin: Option<String>,
        /// What the case says of itself.
        promise: String,
    },
    /// Say whether the vault is open, and where its key comes from.
    VaultStatus,
    /// Forget every key and token until the vault is unlocked again.
    VaultLock,
    /// Open the vault; where its key comes from a passphrase, that follows.
    VaultUnlock,
    /// Encrypt every registration and grant into a file of the home, for the command to take out. Without recipients a
    /// passphrase follows.
    VaultExport {
        /// age recipients.
        recipients: Vec<String>,
    },
    /// Encrypt the whole home into a file of it, as [`Command::VaultExport`] does the vault.
    BackupCreate {
        /// age recipients that were named with the command.
        recipients: Vec<String>,
        /// Those of wardlock.toml: where operators have keys, each must be one that an admin has named before, or names now.
        configured: Vec<String>,
    },
}

impl Command {
    /// Returns whether what follows it is a passphrase, and not a credential.
    pub fn brings_passphrase(&self) -> bool {
        matches!(self, Self::VaultUnlock | Self::VaultExport { .. } | Self::BackupCreate { .. })
    }

    /// Returns whether its answer is a secret of somebody's or tells something of secrets, or it holds what may be some.
    pub fn tells_a_secret(&self) -> bool {
        matches!(
            self,
            Self::AgentAdd { .. }
                | Self::AgentRotate { .. }
                | Self::Dashboard
                | Self::LookBegin
                | Self::LookAt { .. }
        )
    }

    /// Returns the length of the file that follows it, if one does.
    pub fn file_follows(&self) -> Option<u64> {
        match self {
            Self::PluginAdd { bytes, .. } => Some(*bytes),
            _ => None,
        }
    }
}

/// What the daemon says while it works, and at the end.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// Talk for the person.
    Say {
        /// One line or more.
        text: String,
    },
    /// A page for the person's browser.
    Open {
        /// The page.
        page: Page,
    },
    /// The person waits from here on.
    Wait {
        /// For what.
        text: String,
    },
    /// The secret's frame may come now.
    SendSecret,
    /// The file's bytes may come now.
    SendFile,
    /// The signature over the command that was given may come now, on a line.
    Sign {
        /// What makes its text one that was never signed before. The text itself is made on both sides from the command: nobody
        /// signs what another process says.
        nonce: String,
        /// The home that the daemon serves. Whoever signs takes their own from its files, and only compares.
        home: HomeIdentity,
    },
    /// The end, good.
    Done {
        /// Data.
        result: Value,
    },
    /// The end, bad.
    Failed {
        /// Why.
        failure: Failure,
    },
}

/// How an account is connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "way", rename_all = "kebab-case", deny_unknown_fields)]
pub enum How {
    /// Somebody here gives consent in a browser.
    Consent,
    /// The client's own person gets a one-time link.
    Invite {
        /// How long it lives, such as `24h`.
        expires: String,
    },
    /// Somebody gives consent on another device, with a short code.
    Device,
    /// A key, which follows, is stored.
    Key {
        /// The program that gives the key, with its arguments; without one the key follows.
        program: Vec<String>,
    },
    /// A refresh token, which follows, was obtained by other means.
    AdvancedPaste,
    /// The account of a grant that is stored is looked up; nobody is asked.
    LookUp,
}

/// A page for the person's browser, and where that comes back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Where the browser begins: at the listener, which knows it again and leads it to the provider.
    pub url: String,
    /// The provider's own page, for a browser that cannot reach the listener.
    pub provider_url: String,
    /// The redirect URI.
    pub redirect_uri: String,
    /// Where the listener for it is.
    pub listener: SocketAddr,
}
