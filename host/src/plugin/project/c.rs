//! Builds a project in C: clang compiles, with the libc of WASI, and `wasm-component-ld` makes a component of it.

use std::path::{Path, PathBuf};

use super::tools::{Tool, ToolError};
use super::{Project, ProjectError};
use crate::plugin::folder::Folder;

const GET: &str = "install clang, lld and wasi-libc; with apt: `sudo apt-get install clang lld wasi-libc libclang-rt-dev-wasm32`";
const CLANG: Tool<'_> = Tool { program: "clang", get: GET };
const WASM_LD: Tool<'_> = Tool { program: "wasm-ld", get: GET };
const SHELL: Tool<'_> = Tool { program: "sh", get: "install a POSIX shell" };
const RUSTC: Tool<'_> = Tool { program: "rustc", get: LINKER };
const LINKER: &str = "install Rust with rustup, which brings it, or run `cargo install wasm-component-ld`";

/// What the build makes beside the component.
const MADE: &str = "build";
/// The program that made the component, where it made none.
pub(super) const MAKER: &str = "wasm-component-ld";

/// Builds the component `name` of every C file in the project's folder and of the bindings.
pub(super) fn build(project: &Project, name: &str) -> Result<(), ProjectError> {
    let folder = project.path.as_path();
    CLANG.output(folder, &["--version"])?;
    WASM_LD.output(folder, &["--version"])?;
    let linker = format!("-fuse-ld={}", linker(folder)?.display());
    let schema = project.folder.read_text("schema.json")?;
    Folder::make(&folder.join(MADE))?.write("schema.inc", literal(&schema).as_bytes())?;
    let sources: Vec<String> = project.folder.list("c")?.iter().map(|file| format!("./{file}")).collect();
    let mut arguments = vec![
        "--target=wasm32-wasi",
        "-mexec-model=reactor",
        "-std=c11",
        "-Os",
        "-Wall",
        "-Wextra",
        "-Wl,--strip-all",
    ];
    arguments.extend([linker.as_str(), "-I", "bindings", "-I", MADE]);
    arguments.extend(sources.iter().map(String::as_str));
    let bindings = bindings(project)?;
    arguments.extend(bindings.iter().map(String::as_str));
    arguments.extend(["-o", name]);
    Ok(CLANG.run(folder, &arguments)?)
}

/// Finds the bindings, and the type of the world that they are for.
fn bindings(project: &Project) -> Result<Vec<String>, ProjectError> {
    let folder = Folder::open(&project.path.join("bindings"))?;
    let files = [folder.list("c")?, folder.list("o")?].concat();
    Ok(files.iter().map(|file| format!("bindings/{file}")).collect())
}

/// Finds what links components: the one that is installed, or Rust's own.
fn linker(folder: &Path) -> Result<PathBuf, ToolError> {
    let found = SHELL.output(folder, &["-c", &format!("command -v {MAKER} || true")])?;
    if !found.trim().is_empty() {
        return Ok(PathBuf::from(found.trim()));
    }
    let missing = || ToolError::Missing { what: format!("`{MAKER}`"), get: LINKER.to_owned() };
    let printed = |what: &str| RUSTC.output(folder, &["--print", what]).map_err(|_| missing());
    let of_rust = Path::new(printed("sysroot")?.trim())
        .join("lib/rustlib")
        .join(printed("host-tuple")?.trim())
        .join("bin")
        .join(MAKER);
    if of_rust.is_file() { Ok(of_rust) } else { Err(missing()) }
}

/// Writes a text as string literals of C, one for each line.
fn literal(text: &str) -> String {
    let mut literals = String::with_capacity(text.len() * 2);
    for line in text.lines() {
        literals.push('"');
        for c in line.chars() {
            // Two question marks would begin a trigraph.
            if matches!(c, '"' | '\\' | '?') {
                literals.push('\\');
            }
            literals.push(c);
        }
        literals.push_str("\\n\"\n");
    }
    literals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_literals_that_say_the_same() {
        assert_eq!(
            literal("{ \"a\": \"b\\\\c\" }\nwhy??/\n"),
            "\"{ \\\"a\\\": \\\"b\\\\\\\\c\\\" }\\n\"\n\"why\\?\\?/\\n\"\n"
        );
        assert_eq!(literal(""), "");
    }
}
