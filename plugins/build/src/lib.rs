//! Builds guest components from a build script.
//!
//! A build script calls [`build`] with a cargo workspace of guests and gets the folder with the finished
//! components. Everything happens under `<target>/guests`, apart from the folders that the outer cargo has
//! locked, and with an environment in which the outer cargo's flags and wrappers do not show: the same
//! sources give the same bytes under `cargo build`, `check`, `clippy`, `test` and `doc`.

// A build script talks to cargo through its standard output.
#![expect(clippy::print_stdout, reason = "`cargo:` lines are how a build script talks to cargo")]

mod error;
mod rustup;

pub use error::Error;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target that every guest is built for.
pub const TARGET: &str = "wasm32-wasip2";

/// Where the components of one guest workspace are.
#[derive(Debug)]
pub struct Built {
    folder: PathBuf,
}

impl Built {
    /// Returns the file of the component that the package `name` became.
    pub fn component(&self, name: &str) -> PathBuf {
        self.folder.join(name.replace('-', "_")).with_extension("wasm")
    }

    /// Copies the component of package `name` to `into/<name>.wasm` and returns that path.
    pub fn copy(&self, name: &str, into: &Path) -> Result<PathBuf, Error> {
        let from = self.component(name);
        let to = into.join(name).with_extension("wasm");
        fs::copy(&from, &to).map_err(|source| Error::Copy { from, source })?;
        Ok(to)
    }
}

/// Builds every package of the cargo workspace `workspace` for [`TARGET`], in release.
///
/// The build script runs again when a source under `workspace` or under one of `sources` changes (the WIT
/// package; an SDK that lives elsewhere).
pub fn build(workspace: &Path, sources: &[&Path]) -> Result<Built, Error> {
    for folder in [workspace].iter().chain(sources) {
        rerun_if_changed(folder)?;
    }
    let target_folder = target_folder()?;
    fs::create_dir_all(&target_folder)
        .map_err(|source| Error::Folder { folder: target_folder.clone(), source })?;
    rustup::ensure_target(&target_folder)?;
    run_cargo(workspace, &target_folder)?;
    Ok(Built { folder: target_folder.join(TARGET).join("release") })
}

fn run_cargo(workspace: &Path, target_folder: &Path) -> Result<(), Error> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(workspace)
        .args(["build", "--release", "--workspace", "--locked", "--target", TARGET])
        .arg("--target-dir")
        .arg(target_folder);
    for (name, _) in env::vars_os().filter(|(name, _)| disturbs(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command.env("CARGO_ENCODED_RUSTFLAGS", encoded_rustflags());
    let status = command.status().map_err(Error::Cargo)?;
    if !status.success() {
        return Err(Error::Build { workspace: workspace.to_owned(), target_folder: target_folder.to_owned() });
    }
    Ok(())
}

/// Returns whether the variable would make the inner cargo do something else than in a plain shell.
///
/// Of cargo's own variables only those pass that say where crates come from, how to talk and how many jobs
/// to run; clippy's wrapper, coverage flags and profiles stay outside.
fn disturbs(name: &str) -> bool {
    const PASS: [&str; 8] = [
        "CARGO_HOME",
        "CARGO_MAKEFLAGS",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
        "CARGO_TERM_",
        "CARGO_CACHE_",
    ];
    const BLOCK: [&str; 12] = [
        "__CARGO",
        "CLIPPY_",
        "LLVM_",
        "OUT_DIR",
        "PROFILE",
        "RUSTC_LINKER",
        "RUSTC_LOG",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTDOCFLAGS",
        "RUSTFLAGS",
        "TARGET",
    ];
    if name.starts_with("CARGO_TARGET_") && name.ends_with("_LINKER") {
        return false; // the host's linker, for proc macros
    }
    if name.starts_with("CARGO") {
        return !PASS.iter().any(|prefix| name.starts_with(prefix));
    }
    BLOCK.iter().any(|prefix| name.starts_with(prefix))
}

/// Keeps this machine's paths out of the components, so that their digests do not depend on it. Members of a
/// workspace have relative paths already; and the flags must be the same for every workspace, because cargo
/// would build what they share again and again.
fn encoded_rustflags() -> OsString {
    let home = || env::home_dir().map(|home| home.join(".cargo"));
    let Some(cargo_home) = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home) else {
        return OsString::new();
    };
    let mut flags = OsString::from("--remap-path-prefix=");
    flags.push(cargo_home);
    flags.push("=/cargo");
    flags
}

/// Returns `<target>/guests`, found from this build script's `OUT_DIR`.
fn target_folder() -> Result<PathBuf, Error> {
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").ok_or(Error::NoOutDir)?);
    let triple = env::var("TARGET").unwrap_or_default();
    target_folder_of(&out_dir, &triple).ok_or(Error::Layout { out_dir })
}

/// `<target>[/<triple>]/<profile>/build/<package>/out` → `<target>/guests`.
fn target_folder_of(out_dir: &Path, triple: &str) -> Option<PathBuf> {
    let build = out_dir.ancestors().find(|folder| folder.ends_with("build"))?;
    let above_profile = build.parent()?.parent()?;
    let target = if above_profile.ends_with(triple) && !triple.is_empty() {
        above_profile.parent()?
    } else {
        above_profile
    };
    Some(target.join("guests"))
}

fn rerun_if_changed(folder: &Path) -> Result<(), Error> {
    let failed = |source| Error::Folder { folder: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "target" || name == "cases" {
            continue;
        }
        if path.is_dir() {
            rerun_if_changed(&path)?;
        } else if path.extension().is_none_or(|extension| extension != "md") {
            println!("cargo:rerun-if-changed={}", path.display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_target_folder(out_dir: &str, expected: Option<&str>) {
        let found = target_folder_of(Path::new(out_dir), "x86_64-unknown-linux-gnu");
        assert_eq!(found.as_deref(), expected.map(Path::new), "{out_dir}");
    }

    #[test]
    fn target_folder_is_beside_the_profiles() {
        check_target_folder("/w/target/debug/build/embed-1a2b/out", Some("/w/target/guests"));
        check_target_folder("/w/target/release/build/embed/1a2b/out", Some("/w/target/guests"));
        check_target_folder(
            "/build/t/x86_64-unknown-linux-gnu/debug/build/embed-1a2b/out",
            Some("/build/t/guests"),
        );
        check_target_folder("/somewhere/out", None);
    }

    fn check_disturbs(name: &str, expected: bool) {
        assert_eq!(disturbs(name), expected, "{name}");
    }

    #[test]
    fn flags_and_wrappers_of_the_outer_cargo_stay_outside() {
        for name in [
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "RUSTC_WRAPPER",
            "RUSTC_WORKSPACE_WRAPPER",
            "CARGO_TARGET_DIR",
            "CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS",
            "CARGO_BUILD_TARGET",
            "CARGO_BUILD_RUSTC_WRAPPER",
            "CARGO_PROFILE_RELEASE_LTO",
            "CARGO_FEATURE_STD",
            "CARGO_INCREMENTAL",
            "CARGO_LLVM_COV",
            "LLVM_PROFILE_FILE",
            "CLIPPY_ARGS",
        ] {
            check_disturbs(name, true);
        }
    }

    #[test]
    fn where_crates_come_from_and_the_toolchain_stay() {
        for name in [
            "PATH",
            "HOME",
            "RUSTC",
            "RUSTUP_TOOLCHAIN",
            "CARGO_HOME",
            "CARGO_MAKEFLAGS",
            "CARGO_NET_OFFLINE",
            "CARGO_REGISTRIES_MIRROR_INDEX",
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER",
        ] {
            check_disturbs(name, false);
        }
    }
}
