//! Why a plugin does not load. Each closes that plugin's own place in a chain and nothing else.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wardlock_core::id::Digest;
use wardlock_core::plugin::PluginFault;

use crate::log::LastLines;

/// Something wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsProblem {
    /// A JSON pointer into the settings; empty for the settings as a whole.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

/// Why a sandbox cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The engine refuses this machine or its settings.
    #[error("the plugin engine does not start")]
    Engine(#[source] wasmtime::Error),
    /// No process that runs plugins can be started.
    #[error("the process that runs plugins does not start: {what}")]
    Worker {
        /// What happened.
        what: String,
    },
    /// The ticker's thread cannot be started.
    #[error("the thread that limits plugins' time does not start")]
    Ticker(#[source] std::io::Error),
}

/// Why a plugin does not load.
///
/// What comes up where guests run crosses from there; the rest is the host's own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum LoadError {
    /// The file is too large.
    #[error("the component is {size} bytes large, and {limit} is the most that loads")]
    TooLarge {
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// No digest is pinned.
    #[error("the plugin is not pinned to a digest")]
    Unpinned {
        /// The digest of the file.
        found: Digest,
    },
    /// The file is not the pinned one.
    #[error("the component is not the pinned one: its digest is {found}, and `sha256` says {expected}")]
    WrongDigest {
        /// What the workspace file pins.
        expected: Digest,
        /// The digest of the file.
        found: Digest,
    },
    /// The file is compiled code, which would run unchecked.
    #[error("the file is precompiled code, not a component")]
    Precompiled,
    /// The file does not compile.
    #[error("the file is not a component that runs here: {what}")]
    Invalid {
        /// What the compiler says.
        what: String,
    },
    /// The file compiles for too long.
    #[error("the component did not compile within {} s", .limit.as_secs_f32())]
    SlowToCompile {
        /// The limit.
        limit: Duration,
    },
    /// The component is built for another version of the contract.
    #[error("the plugin targets `{targets}`; this host speaks {speaks}")]
    Version {
        /// What it is built for.
        targets: String,
        /// What this host speaks.
        speaks: Cow<'static, str>,
    },
    /// The component imports what no plugin gets.
    #[error("the plugin imports `{name}`, which no plugin gets")]
    Import {
        /// The import.
        name: String,
    },
    /// The component exports nothing of the contract.
    #[error("the component is no plugin: it does not export `wardlock:policy/settings`")]
    NotAPlugin {
        /// What it exports.
        exports: Vec<String>,
    },
    /// The component has no hook that this host calls.
    #[error(
        "the plugin judges nothing: it exports neither `wardlock:policy/request-hook` nor `wardlock:policy/response-hook`"
    )]
    NoHook,
    /// An export has other types than the contract's.
    #[error("the plugin's exports differ from the contract: {what}")]
    Contract {
        /// What differs.
        what: String,
    },
    /// The plugin failed while it was asked what it is.
    #[error("the plugin failed in `{during}`: {fault}{log}")]
    Fault {
        /// The function that was called.
        during: Cow<'static, str>,
        /// How it failed.
        fault: PluginFault,
        /// What it logged before.
        log: LastLines,
    },
    /// What the plugin says of itself breaks a rule.
    #[error("the plugin's description of itself is not one: {what}")]
    Description {
        /// What is wrong.
        what: String,
    },
    /// The plugin's schema is not a JSON Schema.
    #[error("the plugin's settings schema is not one: {what}")]
    Schema {
        /// What is wrong.
        what: String,
    },
    /// The settings are not what the plugin takes.
    #[error("the plugin does not take its settings: {}", list(.problems))]
    Settings {
        /// Every problem found.
        problems: Vec<SettingsProblem>,
    },
    /// The operator grants a capability that does not exist.
    #[error("`{name}` is not a capability; there are {}", .known.join(", "))]
    UnknownCapability {
        /// What was granted.
        name: String,
        /// What there is.
        #[serde(skip)]
        known: &'static [&'static str],
    },
    /// The limits are outside what this host gives.
    #[error("the plugin's {limit} limit is {given}, and {range} is what this host gives")]
    Limit {
        /// `time` or `memory`.
        #[serde(skip)]
        limit: &'static str,
        /// What was given.
        given: String,
        /// What can be given.
        range: String,
    },
    /// It cannot live in its memory limit: each request would be refused.
    #[error("the plugin takes {needed} bytes of memory before it judges anything, and its limit is {limit} bytes")]
    Memory {
        /// What it takes when it starts and is given its settings.
        needed: u64,
        /// What it may take.
        limit: u64,
    },
    /// The host failed.
    #[error("the plugin engine failed: {what}")]
    Engine {
        /// What happened.
        what: String,
    },
}

impl LoadError {
    /// Says how to mend it.
    pub fn hint(&self) -> String {
        match self {
            Self::TooLarge { .. } => "build it without debug information, or strip it".to_owned(),
            Self::Unpinned { found } | Self::WrongDigest { found, .. } => {
                format!("if this is the file that you mean, put in the plugin's table: sha256 = \"{found}\"")
            }
            Self::Precompiled => "give the component itself (`.wasm`), not what wasmtime made of it".to_owned(),
            Self::Invalid { what } => how_to_make_valid(what).to_owned(),
            Self::SlowToCompile { .. } => {
                "if the machine is busy, `wardlock reload` tries again; otherwise build it \
                smaller: what policies need compiles within seconds"
                    .to_owned()
            }
            Self::Version { speaks, .. } => {
                format!("build it against wardlock:policy@{speaks}.x, or use a host that speaks its version")
            }
            Self::Import { .. } => "a plugin has no network and no other services; build it without that import \
                (JavaScript: with `http` disabled; Python: `--stub-wasi` takes it away, and the clock and printing with it)"
                .to_owned(),
            Self::NotAPlugin { .. } | Self::NoHook => {
                "export the interfaces of one of the worlds in wit/worlds.wit, for example `request-plugin`"
                    .to_owned()
            }
            Self::Contract { .. } => "build it again against this host's wit/ folder".to_owned(),
            Self::Fault { .. } | Self::Description { .. } | Self::Schema { .. } => {
                "this is for the plugin's author to mend".to_owned()
            }
            Self::Settings { .. } => "`wardlock plugin inspect` shows the settings that it takes".to_owned(),
            Self::UnknownCapability { .. } => "take it out of `capabilities`".to_owned(),
            Self::Limit { .. } => "set it within that range".to_owned(),
            Self::Memory { .. } => {
                "give it more in `limits.memory`, with room for what requests need besides".to_owned()
            }
            Self::Engine { .. } => "`wardlock doctor` shows what this machine lacks".to_owned(),
        }
    }
}

/// Says what fits of a file that does not compile, by what the compiler says.
fn how_to_make_valid(what: &str) -> &'static str {
    if what.contains("unexpected end") || what.contains("out of bounds (bound") {
        return "the file ends too early: copy it once more, or build it again";
    }
    if what.contains("exceeds") {
        return "build it smaller, with fewer functions, types and instances: what policies need is far below the limits";
    }
    "build it for wasm32-wasip2, or make a component of it; threads, 64-bit memories, several memories, GC and exceptions are not \
     available"
}

fn list(problems: &[SettingsProblem]) -> String {
    let shown = problems.iter().map(|problem| match problem.path.as_str() {
        "" => problem.message.clone(),
        path => format!("`{path}`: {}", problem.message),
    });
    shown.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(what: &str, hint: &str) {
        let error = LoadError::Invalid { what: what.to_owned() };
        assert!(error.hint().contains(hint), "{what}: {}", error.hint());
    }

    #[test]
    fn hint_fits_what_the_compiler_says() {
        check("unexpected end-of-file (at offset 0x10)", "ends too early");
        check("section range 2465..130778 is out of bounds (bound = 71935)", "ends too early");
        check("functions count exceeds limit of 1000000 (at offset 0x20)", "build it smaller");
        check("threads must be enabled for shared memories", "wasm32-wasip2");
    }
}
