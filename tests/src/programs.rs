//! Programs that stand in for others: a browser, a keeper of secrets, a signer.

use std::path::Path;
use std::process::Command;

/// Makes a shell script that can be run, readable by its owner only.
///
/// It is a copy that another process made: a file that this one wrote is busy (`ETXTBSY`) for as long as a program that
/// another test's thread is just starting holds its descriptor.
///
/// # Panics
///
/// Panics where it cannot be made.
pub fn script(program: &Path, text: &str) {
    let source = program.with_extension("sh");
    std::fs::write(&source, format!("#!/bin/sh\n{text}")).expect("a script is written");
    let copied = Command::new("install").args(["-m", "700"]).args([&source, program]).status();
    assert!(copied.expect("install runs").success(), "{} is made", program.display());
}
