//! Builds the guests that misbehave and writes the table that `src/guests.rs` includes.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

const GUESTS: [&str; 13] = [
    "probe",
    "nosy",
    "no-hook",
    "wrong-version",
    "bad-schema",
    "bad-describe",
    "loop-in-describe",
    "judge",
    "reader",
    "answers-only",
    "redactor",
    "counter",
    "listed",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    let (wit, sdk) = (here.join("../wit"), here.join("../plugins/guests/sdk"));
    let built = wardlock_build_guests::build(&here.join("guests"), &[&wit, &sdk])?;
    let mut table = String::from("&[\n");
    for name in GUESTS {
        let component = built.copy(name, &out_dir)?;
        let path = component.to_str().ok_or("the path of a guest is not UTF-8")?;
        writeln!(table, "    ({name:?}, include_bytes!({path:?})),")?;
    }
    table.push_str("]\n");
    fs::write(out_dir.join("guests.rs"), table)?;
    Ok(())
}
