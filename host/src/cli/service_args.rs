//! The command line of `wardlock service new`.

use std::path::PathBuf;

use clap::Args;

/// `wardlock service new`.
#[derive(Debug, Args)]
pub struct NewServiceArgs {
    /// By what name connections shall refer to it.
    #[arg(long)]
    pub name: Option<String>,
    /// The name shown to people.
    #[arg(long, value_name = "NAME")]
    pub display: Option<String>,
    /// The API's version, as the provider writes it.
    #[arg(long, value_name = "VERSION", default_value = "v1")]
    pub api_version: String,
    /// The host of the API, without scheme or path.
    #[arg(long, value_name = "HOST")]
    pub api_host: Option<String>,
    /// The host of the provider's developer console.
    #[arg(long, value_name = "HOST")]
    pub console_host: Option<String>,
    /// The host of the consent page.
    #[arg(long, value_name = "HOST", conflicts_with = "issuer_metadata")]
    pub accounts_host: Option<String>,
    /// The host of the token endpoint, if it is another one.
    #[arg(long, value_name = "HOST", conflicts_with = "issuer_metadata")]
    pub token_host: Option<String>,
    /// The path of the consent page.
    #[arg(long, value_name = "PATH", conflicts_with = "issuer_metadata")]
    pub authorize_path: Option<String>,
    /// The path of the token endpoint.
    #[arg(long, value_name = "PATH", conflicts_with = "issuer_metadata")]
    pub token_path: Option<String>,
    /// A scope that its operations need, the narrowest first; may be given several times.
    #[arg(long = "scope", value_name = "SCOPE")]
    pub scopes: Vec<String>,
    /// Where the access token goes: `authorization: Bearer TOKEN`, `x-api-token: TOKEN` or `?key=TOKEN`, with the word TOKEN.
    #[arg(long, value_name = "EXAMPLE")]
    pub token_in: Option<String>,
    /// The authorization server's metadata (RFC 8414), as a file or `-` for standard input.
    #[arg(long, value_name = "FILE", requires = "issuer")]
    pub issuer_metadata: Option<PathBuf>,
    /// The issuer that the metadata must be of, such as `https://login.example.com`.
    #[arg(long, value_name = "URL", requires = "issuer_metadata")]
    pub issuer: Option<String>,
    /// The file to make, which must not be there yet; else standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}
