//! Other people's programs: cargo, npm, componentize-py, clang. What they say goes to standard error, as it comes.

use std::io::ErrorKind;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Why a toolchain did not do it.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It is not there.
    #[error("{what} is missing")]
    Missing {
        /// What is missing.
        what: String,
        /// How to get it.
        get: String,
    },
    /// It cannot be started.
    #[error("`{program}` does not start")]
    Start {
        /// The program.
        program: String,
        /// Why not.
        source: std::io::Error,
    },
    /// It ended badly; it has said why.
    #[error("`{program}` ended with {ended}")]
    Failed {
        /// The program.
        program: String,
        /// How.
        ended: String,
    },
    /// It did not make what it should.
    #[error("`{program}` made no component")]
    Nothing {
        /// The program.
        program: String,
    },
    /// It left the component of an earlier build as it was.
    #[error("`{program}` did not write {}, which is of an earlier build", .path.display())]
    Untouched {
        /// The program.
        program: String,
        /// The component.
        path: PathBuf,
    },
}

impl ToolError {
    /// Returns how to mend it.
    pub fn hint(&self) -> String {
        match self {
            Self::Missing { get, .. } => get.clone(),
            Self::Start { program, .. } => format!("see whether `{program} --version` runs"),
            Self::Failed { .. } => "what it says stands above".to_owned(),
            Self::Untouched { program, .. } => format!(
                "see which file `{program}` is told to write; where it writes only what has changed, remove this one and build again"
            ),
            Self::Nothing { program } => {
                format!(
                    "a Rust plugin has `crate-type = [\"cdylib\"]`; others write NAME.wasm; look at what `{program}` is told to do"
                )
            }
        }
    }
}

/// A program and how to get it.
pub(super) struct Tool<'a> {
    pub(super) program: &'a str,
    /// Where it comes from, for whoever has not got it.
    pub(super) get: &'a str,
}

impl Tool<'_> {
    /// Runs it in a folder, and returns what it prints.
    pub(super) fn output(&self, folder: &Path, arguments: &[&str]) -> Result<String, ToolError> {
        let mut command = self.command(folder, arguments);
        command.stdout(Stdio::piped());
        let output = command.output().map_err(|error| self.not_started(error))?;
        if !output.status.success() {
            return Err(self.failed(output.status));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs it in a folder. What it prints is talk.
    pub(super) fn run(&self, folder: &Path, arguments: &[&str]) -> Result<(), ToolError> {
        let mut command = self.command(folder, arguments);
        match std::io::stderr().as_fd().try_clone_to_owned() {
            Ok(stderr) => command.stdout(stderr),
            Err(_) => command.stdout(Stdio::null()),
        };
        let status = command.status().map_err(|error| self.not_started(error))?;
        if status.success() { Ok(()) } else { Err(self.failed(status)) }
    }

    fn command(&self, folder: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        command.args(arguments).current_dir(folder).stdin(Stdio::null()).stderr(Stdio::inherit());
        command
    }

    fn not_started(&self, error: std::io::Error) -> ToolError {
        if error.kind() == ErrorKind::NotFound {
            return ToolError::Missing { what: format!("`{}`", self.program), get: self.get.to_owned() };
        }
        ToolError::Start { program: self.program.to_owned(), source: error }
    }

    fn failed(&self, status: std::process::ExitStatus) -> ToolError {
        ToolError::Failed { program: self.program.to_owned(), ended: status.to_string() }
    }
}
