//! What can go wrong with a registry, and how to mend it. No error holds a credential, a token or a path that a
//! registry named; of its answers only a code.

use wardlock_core::id::Digest;

/// Why a plugin was not pushed or pulled. Hosts are host and port.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The client cannot be made.
    #[error("the client for registries cannot be made")]
    Client,
    /// The user's name cannot be sent.
    #[error("a registry's user name is 1 to 256 visible characters without `:`")]
    BadUser,
    /// No connection came about.
    #[error("{host} cannot be reached")]
    Unreachable {
        /// Who was called.
        host: String,
    },
    /// The connection broke.
    #[error("{host} broke the connection")]
    Broken {
        /// Who was called.
        host: String,
    },
    /// Time ran out.
    #[error("{host} did not answer in time")]
    Timeout {
        /// Who was called.
        host: String,
    },
    /// The registry wants to know who calls.
    #[error("{host} does not let everybody do this")]
    CredentialsWanted {
        /// Who wants it.
        host: String,
    },
    /// User or password are wrong, or do not suffice.
    #[error("{host} does not accept this user and password")]
    CredentialsRefused {
        /// Who refuses.
        host: String,
    },
    /// Whoever calls may not do it.
    #[error("{host} does not allow this user to do this")]
    Denied {
        /// Who refuses.
        host: String,
    },
    /// It asks for credentials in a way that is not spoken here.
    #[error("{host} asks for credentials in another way than Basic and Bearer")]
    Challenge {
        /// Who asks.
        host: String,
    },
    /// The authorization service gave no token.
    #[error("{host} gave no token that can be used")]
    NoToken {
        /// The authorization service.
        host: String,
    },
    /// It leads to a place that is not dialled.
    #[error("{from} leads to {to}, which {why}")]
    Lured {
        /// The registry.
        from: String,
        /// Where to.
        to: String,
        /// Why not there.
        why: &'static str,
    },
    /// It leads on and on, or nowhere.
    #[error("{host} redirects more than {limit} times, or to no address")]
    Redirects {
        /// The registry.
        host: String,
        /// How many are followed.
        limit: usize,
    },
    /// There is nothing of that name.
    #[error("there is no {reference}")]
    NotThere {
        /// What was asked for.
        reference: String,
    },
    /// It answered something else.
    #[error("{host} answers with status {status}{} when asked to {doing}", .code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default())]
    Status {
        /// Who answered.
        host: String,
        /// What was asked for.
        doing: &'static str,
        /// The status.
        status: u16,
        /// The registry's own code, where it says one.
        code: Option<String>,
    },
    /// Its answer lacks what the specification wants.
    #[error("{host} answers without {what}")]
    Incomplete {
        /// Who answered.
        host: String,
        /// What is not there.
        what: &'static str,
    },
    /// Larger than such a thing can be.
    #[error("the {what} is larger than {limit} bytes")]
    TooLarge {
        /// What.
        what: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
    /// Not as long as it was said to be.
    #[error("the {what} is not {size} bytes long, as its manifest says")]
    WrongSize {
        /// What.
        what: &'static str,
        /// What the manifest says, in bytes.
        size: usize,
    },
    /// Other bytes than those that were named.
    #[error("the {what} has the digest sha256:{found}, and sha256:{named} was named")]
    WrongDigest {
        /// What.
        what: &'static str,
        /// The digest that it must have.
        named: Digest,
        /// The digest that it has.
        found: Digest,
    },
    /// Something else than a component.
    #[error("what stands there is no WebAssembly component: {why}")]
    NotAComponent {
        /// Why not.
        why: &'static str,
    },
    /// The signature cannot be carried.
    #[error("the signature is not text of at most {limit} bytes")]
    BadSignature {
        /// The limit in bytes.
        limit: usize,
    },
}

impl RegistryError {
    /// Returns what to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Client => "look at this machine's certificates with `wardlock doctor`",
            Self::BadUser => "name the user with `--user NAME`, and let the password be asked for",
            Self::Unreachable { .. } | Self::Broken { .. } | Self::Timeout { .. } => {
                "check the host of the reference, its certificate and the network; no proxy is taken from the environment"
            }
            Self::CredentialsWanted { .. } => "say who you are with `--user NAME`, and check that it is there",
            Self::CredentialsRefused { .. } => "check `--user`, and copy password or access token once more",
            Self::Denied { .. } => {
                "ask the registry's owner for the right to this repository, or name another one"
            }
            Self::Challenge { .. } | Self::NoToken { .. } => {
                "ask the registry's owner how tools sign in: by password, or by a token that a service gives out"
            }
            Self::Lured { .. } => {
                "nothing went there; if you expect it, ask the registry's owner to serve it over TLS, at an address as public as its own"
            }
            Self::Redirects { .. } | Self::Incomplete { .. } => "ask the registry's owner; nothing was kept",
            Self::NotThere { .. } => {
                "check repository and tag; a registry may also hide what a user may not see: `--user NAME`"
            }
            Self::Status { .. } => "try again later, or ask the registry's owner what the status means there",
            Self::TooLarge { .. } | Self::WrongSize { .. } | Self::WrongDigest { .. } => {
                "nothing was kept; ask whoever published it"
            }
            Self::NotAComponent { .. } => {
                "name an artifact that `wardlock plugin push` or another tool for components made"
            }
            Self::BadSignature { .. } => "sign the component once more, or move the file away",
        }
    }
}
