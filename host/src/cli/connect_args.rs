//! The arguments of `wardlock registration` and `wardlock connect`.

use clap::{Args, Subcommand};

/// `wardlock registration`.
#[derive(Debug, Subcommand)]
pub enum RegistrationVerb {
    /// Store an OAuth client. The client secret is asked for, or read from standard input or a descriptor.
    ///
    /// Where a provider gives each data centre a client secret of its own, make one registration for each.
    Add {
        /// A name for it.
        name: String,
        /// The service it is for.
        #[arg(long)]
        service: String,
        /// The client id from the provider's console. Not a secret.
        #[arg(long)]
        client_id: String,
        /// Read the client secret from standard input.
        #[arg(long, conflicts_with = "secret_fd")]
        secret_stdin: bool,
        /// Read the client secret from this open file descriptor.
        #[arg(long, value_name = "FD")]
        secret_fd: Option<u32>,
        /// A public client, which has no secret.
        #[arg(long, conflicts_with_all = ["secret_stdin", "secret_fd", "program"])]
        public: bool,
        /// Have this program print the client secret: `-- op read op://vault/item/secret`. It gets no secret as an argument.
        #[arg(last = true, value_name = "PROGRAM", conflicts_with_all = ["secret_stdin", "secret_fd"])]
        program: Vec<String>,
    },
    /// Replace a client secret. The old one stays until the new one has brought a token.
    SetSecret {
        /// The registration's name.
        name: String,
        /// Which of the service's further secrets it is, such as `developer-token`.
        #[arg(long = "name", value_name = "SECRET", conflicts_with = "region")]
        which: Option<String>,
        /// Run the program again that gave it last time.
        #[arg(long, conflicts_with_all = ["secret_stdin", "secret_fd", "program", "region"])]
        again: bool,
        /// Have this program print the secret: `-- op read op://vault/item/secret`. It gets no secret as an argument.
        #[arg(last = true, value_name = "PROGRAM", conflicts_with_all = ["secret_stdin", "secret_fd"])]
        program: Vec<String>,
        /// The region that has a secret of its own.
        #[arg(long)]
        region: Option<String>,
        /// Store it even if it cannot be tried now.
        #[arg(long)]
        unproved: bool,
        /// Read the client secret from standard input.
        #[arg(long, conflicts_with = "secret_fd")]
        secret_stdin: bool,
        /// Read the client secret from this open file descriptor.
        #[arg(long, value_name = "FD")]
        secret_fd: Option<u32>,
    },
    /// List the OAuth clients.
    List,
}

/// `wardlock connect`.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line, and clap lets one way pass only"
)]
pub struct ConnectArgs {
    /// The connection: `workspace/connection`.
    pub connection: String,
    /// The registration to use, where the service has more than one.
    #[arg(long)]
    pub registration: Option<String>,
    /// The agent whose own consent it is, where consents are each agent's own (`owner = "agent"`).
    #[arg(long)]
    pub agent: Option<String>,
    /// The region; must be the connection's. Asked for first when not given.
    #[arg(long)]
    pub region: Option<String>,
    /// Print the address instead of opening a browser, and take the address that the browser ended at on standard input.
    #[arg(long, group = "way")]
    pub no_browser: bool,
    /// Print a one-time link for the client's own person, and wait until they have given consent.
    #[arg(long, group = "way")]
    pub invite: bool,
    /// How long the link lives: at most a week.
    #[arg(long, value_name = "TIME", default_value = "24h", requires = "invite")]
    pub expires: String,
    /// Show a short code, which the person enters on any device.
    #[arg(long, group = "way")]
    pub device: bool,
    /// Take a refresh token that was obtained by other means, in place of a consent. Asks twice.
    #[arg(long, group = "way")]
    pub advanced_paste: bool,
    /// Read that refresh token, or the key of a service that has one, from this open file descriptor.
    #[arg(long, value_name = "FD")]
    pub secret_fd: Option<u32>,
    /// Have this program print the key of a service that has one: `-- vault kv get -field=key secret/weather`.
    #[arg(last = true, value_name = "PROGRAM", conflicts_with = "secret_fd")]
    pub program: Vec<String>,
    /// Look up the account of a grant that is stored unpinned, or that this connection's service was never asked for. No new consent.
    #[arg(long, group = "way")]
    pub look_up: bool,
    /// The account that it must be, by its id. A grant that is there for another account is replaced by none that is not named here.
    #[arg(long, value_name = "ID")]
    pub tenant: Option<String>,
    /// Go on although the provider will drop the person's oldest grant.
    #[arg(long)]
    pub evict_oldest: bool,
}
