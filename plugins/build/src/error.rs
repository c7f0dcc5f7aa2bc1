//! Why guests could not be built. A build script prints these: each says what to run.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::TARGET;

/// Why guests could not be built.
pub enum Error {
    /// Not called from a build script.
    NoOutDir,
    /// `OUT_DIR` does not look as cargo lays it out.
    Layout {
        /// The folder in question.
        out_dir: PathBuf,
    },
    /// A folder could not be read or made.
    Folder {
        /// The folder in question.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The compiler could not be asked where it keeps its targets.
    Rustc(io::Error),
    /// The target's standard library is missing and nothing here can install it.
    TargetMissing {
        /// The toolchain in use, where rustup named it.
        toolchain: Option<String>,
    },
    /// cargo could not be started.
    Cargo(io::Error),
    /// The guests did not build.
    Build {
        /// The guests' workspace.
        workspace: PathBuf,
        /// Where they are built.
        target_folder: PathBuf,
    },
    /// A finished component could not be copied.
    Copy {
        /// The component.
        from: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoOutDir => f.write_str("`OUT_DIR` is not set: call this from a build script"),
            Self::Layout { out_dir } => {
                write!(f, "cannot tell cargo's target folder from OUT_DIR: {}", out_dir.display())
            }
            Self::Folder { folder, source } => {
                write!(f, "cannot use the folder {}: {source}", folder.display())
            }
            Self::Rustc(source) => write!(f, "cannot run `rustc --print sysroot`: {source}"),
            Self::TargetMissing { toolchain } => {
                let of_toolchain =
                    toolchain.as_ref().map(|name| format!(" --toolchain {name}")).unwrap_or_default();
                write!(
                    f,
                    "the plugins need Rust's standard library for {TARGET}, which is not installed: run \
                     `rustup target add {TARGET}{of_toolchain}` and build again (without rustup: install the \
                     package of your distribution that holds it, or rustup from https://rustup.rs)"
                )
            }
            Self::Cargo(source) => write!(f, "cannot start cargo: {source}"),
            Self::Build { workspace, target_folder } => write!(
                f,
                "the plugins did not build; what the compiler said stands above. To see it again: \
                 `cd {} && cargo build --release --workspace --locked --target {TARGET} --target-dir {}`",
                workspace.display(),
                target_folder.display()
            ),
            Self::Copy { from, source } => {
                write!(f, "cannot copy the component {}: {source}", from.display())
            }
        }
    }
}

// `main` of a build script prints the `Debug` form.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}
