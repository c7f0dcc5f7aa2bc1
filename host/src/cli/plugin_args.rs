//! `wardlock plugin`, as clap knows it.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::plugin::curl;
use crate::plugin::project::{Language, World};

/// `wardlock plugin`.
#[derive(Debug, Subcommand)]
pub enum PluginVerb {
    /// Show what a component is, asks for and is set by.
    Inspect {
        /// The `.wasm` file, or the name of a starter plugin.
        file: String,
    },
    /// Begin a plugin's project: a policy that builds, with its cases and the contract.
    New(NewArgs),
    /// Build a project with its language's own toolchain, and print what to pin.
    Build {
        /// The project's folder.
        #[arg(default_value = ".")]
        folder: PathBuf,
    },
    /// Say in words what a component imports, exports and asks for, and whether it would load. Ends with 1 if not.
    Check {
        /// The `.wasm` file, or the name of a starter plugin.
        file: String,
    },
    /// Run golden cases through the sandbox: request → verdict. Ends with 1 if one does not hold.
    Test(TestArgs),
    /// Make a golden case: of a recorded request, with what a plugin said to it; or of a line for curl, with what it says now.
    Case(CaseArgs),
    /// Measure one decision: median and 99th percentile, with a fresh instance each time.
    Bench(BenchArgs),
    /// Build a project and run its cases; with `--watch`, again whenever a source changes.
    Dev(DevArgs),
    /// Keep a component in the home, and print the table that puts it into a connection's chain.
    ///
    /// Nothing judges by it until the table stands in the workspace file: Wardlock never edits TOML. Where operators have keys, it is
    /// asked about recorded requests for an admin who signs (`--as` and `--sign-with`).
    Add(AddArgs),
    /// List the plugins of every chain, and whether they run.
    List,
    /// Show what plugins logged, the newest lines; the daemon keeps them in memory, and nothing on disk.
    Logs(LogsArgs),
    /// List the publishers whose signatures are taken; with a name and a key, print the table that adds one.
    ///
    /// Nothing is trusted by it until the table stands in wardlock.toml: Wardlock never edits TOML.
    Trust(TrustArgs),
    /// Publish a component in an OCI registry, with the signature `FILE.minisig` where that stands beside it.
    Push(PushArgs),
    /// Get a component from an OCI registry into a new file; a signature that came along goes beside it.
    Pull(PullArgs),
    /// Write the contract, `wit/`, for a toolchain.
    Wit {
        /// Where; its files there are replaced.
        #[arg(default_value = "wit")]
        folder: PathBuf,
    },
}

/// `wardlock plugin test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// The `.wasm` file, or the name of a starter plugin.
    pub file: String,
    /// The folder of cases.
    #[arg(long, value_name = "FOLDER", default_value = "cases")]
    pub cases: PathBuf,
    /// Write what the plugin says now as what each case that does not hold expects; the rest of its file stays.
    #[arg(long)]
    pub update: bool,
}

/// `wardlock plugin new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The plugin's name.
    pub name: String,
    /// The language.
    #[arg(long, value_enum)]
    pub lang: LanguageChoice,
    /// What it is to do: the world of the contract that it is built for.
    #[arg(long, value_enum, default_value = "request-plugin")]
    pub world: WorldChoice,
    /// The folder, new or empty; else one of the plugin's name.
    #[arg(long, value_name = "FOLDER")]
    pub dir: Option<PathBuf>,
}

/// A language that there is a template for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LanguageChoice {
    /// Rust, by cargo.
    Rust,
    /// JavaScript, by jco.
    Js,
    /// Python, by componentize-py.
    Python,
    /// C, by clang and wasm-component-ld.
    C,
}

impl LanguageChoice {
    /// Returns the language.
    pub fn language(self) -> Language {
        match self {
            Self::Rust => Language::Rust,
            Self::Js => Language::Js,
            Self::Python => Language::Python,
            Self::C => Language::C,
        }
    }
}

/// A world that projects are begun for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WorldChoice {
    /// Judges requests.
    #[value(name = "request-plugin")]
    Request,
    /// Judges requests, and counts.
    #[value(name = "quota-plugin")]
    Quota,
    /// Judges requests by files that the operator grants.
    #[value(name = "folder-plugin")]
    Folder,
    /// Judges requests and answers, and counts.
    #[value(name = "full-plugin")]
    Full,
}

impl WorldChoice {
    /// Returns the world.
    pub fn world(self) -> World {
        match self {
            Self::Request => World::Request,
            Self::Quota => World::Quota,
            Self::Folder => World::Folder,
            Self::Full => World::Full,
        }
    }
}

/// `wardlock plugin add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The `.wasm` file, or the name of a starter plugin.
    pub file: String,
    /// The workspace whose file it goes into.
    #[arg(long, value_name = "NAME", requires = "connection")]
    pub workspace: Option<String>,
    /// The connection of that workspace.
    #[arg(long, value_name = "NAME", requires = "workspace")]
    pub connection: Option<String>,
}

/// `wardlock plugin logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Of one connection, or of one plugin in its chain; else of all.
    #[arg(value_name = "WORKSPACE/CONNECTION[/PLUGIN]")]
    pub of: Option<String>,
    /// Of one request.
    #[arg(long, value_name = "ID", value_parser = request_id)]
    pub request: Option<String>,
    /// Go on with lines as they come, until ctrl-C.
    #[arg(long, short)]
    pub follow: bool,
    /// How many lines, or how many to begin with.
    #[arg(long, short = 'n', default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub limit: u32,
}

/// Takes a request's id as agents are told it; anything else could name no request.
pub fn request_id(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix("req_").unwrap_or_default();
    let is_one = digits.len() == 32 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    is_one.then(|| text.to_owned()).ok_or_else(|| "a request's id is `req_` and 32 hexadecimal digits".to_owned())
}

/// Reads what a case is made of.
fn request_id_or_line(text: &str) -> Result<String, String> {
    if curl::is_line(text) {
        return Ok(text.to_owned());
    }
    if text == "curl" {
        Err(format!("a line for curl is one word here; {}", curl::QUOTED))
    } else {
        request_id(text)
    }
}

/// `wardlock plugin trust`.
#[derive(Debug, Args)]
pub struct TrustArgs {
    /// What the publisher is called here.
    #[arg(requires = "key")]
    pub name: Option<String>,
    /// The publisher's minisign public key: its file, or the line of base64 in it.
    #[arg(value_name = "KEY|FILE")]
    pub key: Option<String>,
}

/// `wardlock plugin push`.
#[derive(Debug, Args)]
pub struct PushArgs {
    /// The `.wasm` file, or the name of a starter plugin.
    pub file: String,
    /// Where to: `HOST/REPOSITORY:TAG`.
    pub reference: String,
    /// Who does it.
    #[command(flatten)]
    pub account: AccountArgs,
}

/// `wardlock plugin pull`.
#[derive(Debug, Args)]
pub struct PullArgs {
    /// What: `HOST/REPOSITORY:TAG`, or `HOST/REPOSITORY@sha256:DIGEST`, which is always the same bytes.
    pub reference: String,
    /// The file to make; else one of the repository's name in this folder.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Who does it.
    #[command(flatten)]
    pub account: AccountArgs,
}

/// Who somebody is to a registry; without it, anybody.
#[derive(Debug, Args)]
pub struct AccountArgs {
    /// The user's name there; the password or access token is asked for.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Read it from standard input instead.
    #[arg(long, requires = "user")]
    pub password_stdin: bool,
}

/// `wardlock plugin case`.
#[derive(Debug, Args)]
pub struct CaseArgs {
    /// The id of a request that was recorded; or a line for curl, as `--curl` takes it.
    #[arg(value_name = "REQUEST-ID|LINE", conflicts_with = "curl", value_parser = request_id_or_line)]
    pub request: Option<String>,
    /// The request, as a line for curl; nothing is sent. A token in it goes into no case.
    #[arg(long, value_name = "LINE")]
    pub curl: Option<String>,
    /// The plugin: with `--curl` a `.wasm` file, or the name of a starter plugin; with a request's id its name in the chain, where
    /// several were asked.
    #[arg(long, value_name = "PLUGIN")]
    pub plugin: Option<String>,
    /// With `--curl`: its settings, as JSON; else none.
    #[arg(long, value_name = "JSON")]
    pub settings: Option<String>,
    /// With `--curl`: `workspace/connection` that the request is for; else the address says it, as agents' addresses do.
    #[arg(long, value_name = "NAME")]
    pub connection: Option<String>,
    /// With `--curl`: the agent who asks; else `reporter`.
    #[arg(long)]
    pub agent: Option<String>,
    /// What the case promises, in a line.
    #[arg(long, value_name = "TEXT", default_value = "Made of a request: say here what it promises.")]
    pub promise: String,
    /// The file to make; without it the case is printed.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `wardlock plugin bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// The `.wasm` file, or the name of a starter plugin.
    pub file: String,
    /// A folder of cases whose requests are judged; without it, one read of a list.
    #[arg(long, value_name = "FOLDER")]
    pub cases: Option<PathBuf>,
    /// The plugin's settings, as JSON; else those of each case.
    #[arg(long, value_name = "JSON")]
    pub settings: Option<String>,
    /// How many decisions are measured for each case.
    #[arg(long, value_name = "COUNT", default_value = "500", value_parser = at_least_one)]
    pub runs: NonZeroU32,
}

/// `wardlock plugin dev`.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// The project's folder.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// Go on until ctrl-C.
    #[arg(long)]
    pub watch: bool,
}

fn at_least_one(text: &str) -> Result<NonZeroU32, String> {
    text.parse().map_err(|_| "a whole number from 1 on is wanted".to_owned())
}
