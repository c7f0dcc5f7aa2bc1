//! Builds the starter plugins and writes the table that `src/lib.rs` includes.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The starters, in the order in which `plugin list` shows them.
const STARTERS: [&str; 5] = ["read-only", "field-mask", "page-cap", "office-hours", "require-purpose"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    let built = wardlock_build_guests::build(&here.join("../guests"), &[&here.join("../../wit")])?;
    let mut table = String::from("&[\n");
    for name in STARTERS {
        let component = built.copy(name, &out_dir)?;
        writeln!(table, "    Starter {{ name: {name:?}, bytes: include_bytes!({:?}) }},", text(&component)?)?;
    }
    table.push_str("]\n");
    fs::write(out_dir.join("starters.rs"), table)?;
    Ok(())
}

fn text(path: &Path) -> Result<&str, String> {
    path.to_str().ok_or_else(|| format!("the path is not UTF-8: {}", path.display()))
}
