//! Makes sure that the toolchain in use has the guests' target.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Error, TARGET};

/// Installs the target for the toolchain in use when it is missing.
///
/// Two build scripts may come here at once and rustup does not lock, so a file in `target_folder` does.
pub fn ensure_target(target_folder: &Path) -> Result<(), Error> {
    if is_installed()? {
        return Ok(());
    }
    let failed = |source| Error::Folder { folder: target_folder.to_owned(), source };
    let lock = File::create(target_folder.join(".rustup-lock")).map_err(failed)?;
    lock.lock().map_err(failed)?;
    if is_installed()? {
        return Ok(());
    }
    let toolchain = env::var("RUSTUP_TOOLCHAIN").ok();
    let mut command = Command::new("rustup");
    command.args(["target", "add", TARGET]);
    if let Some(toolchain) = &toolchain {
        command.args(["--toolchain", toolchain]);
    }
    println!("cargo:warning=the target {TARGET} is missing; running `rustup target add {TARGET}`");
    let added = command.status().is_ok_and(|status| status.success());
    if added && is_installed()? { Ok(()) } else { Err(Error::TargetMissing { toolchain }) }
}

fn is_installed() -> Result<bool, Error> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let output = Command::new(rustc).args(["--print", "sysroot"]).output().map_err(Error::Rustc)?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    Ok(sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir())
}
