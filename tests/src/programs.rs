//! Programs that stand in for others: a browser, a keeper of secrets, a signer.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

/// Makes a shell script that its owner can run.
///
/// It is a copy that another process made: a file that this one wrote is busy (`ETXTBSY`) for as long as a program that
/// another test's thread is just starting holds its descriptor.
///
/// # Errors
///
/// Says why it cannot be made.
pub fn script(program: &Path, text: &str) -> anyhow::Result<()> {
    let source = program.with_extension("sh");
    std::fs::write(&source, format!("#!/bin/sh\n{text}"))?;
    let copied = Command::new("install").args(["-m", "700"]).args([&source, program]).status();
    ensure!(copied.context("`install` does not run")?.success(), "{} is not made", program.display());
    Ok(())
}
