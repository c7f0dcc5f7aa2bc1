//! Builds a project with its language's own toolchain.

use std::path::{Path, PathBuf};

use serde_json::Value;
use wardlock_core::id::Digest;

use super::tools::{Tool, ToolError};
use super::{Language, Project, ProjectError, c};
use crate::plugin::folder::read_file;
use crate::plugin::wit::WORLD;

const TARGET: &str = "wasm32-wasip2";

const CARGO: Tool<'_> =
    Tool { program: "cargo", get: "install Rust with rustup, then run `rustup target add wasm32-wasip2`" };
const RUSTC: Tool<'_> = Tool { program: "rustc", get: CARGO.get };
const NPM: Tool<'_> = Tool { program: "npm", get: "install Node.js 20 or newer, which brings `npm`" };
/// What of Python's tools a project has of its own, and what `PATH` has.
const VENV: &str = ".venv/bin/componentize-py";
const PYTHON: &str = "in the project: `python3 -m venv .venv`, then `.venv/bin/pip install -r requirements.txt`";

/// A component that was built.
#[derive(Debug)]
pub struct Built {
    /// Where it stands.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Built {
    /// Returns its digest: what `sha256` pins.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }
}

/// Builds a project's component, `NAME.wasm` in its folder.
pub fn build(project: &Project) -> Result<Built, ProjectError> {
    let (folder, name) = (project.path.as_path(), project.component_name());
    let before = project.folder.stamp(&name);
    let program = match project.language {
        Language::Rust => {
            let bytes = read_file(&cargo(folder)?)?;
            project.folder.write(&name, &bytes)?;
            CARGO.program
        }
        Language::Js => {
            if !has_jco(folder) {
                // Whoever has no npm is told that first.
                NPM.output(folder, &["--version"])?;
                let get = format!("run `npm install` in {}", folder.display());
                return Err(ToolError::Missing { what: "the project's `jco`".to_owned(), get }.into());
            }
            NPM.run(folder, &["run", "build"])?;
            NPM.program
        }
        Language::Python => {
            let own = std::path::absolute(folder.join(VENV)).ok().filter(|own| own.exists());
            let own = own.as_deref().and_then(Path::to_str);
            let tool = Tool { program: own.unwrap_or("componentize-py"), get: PYTHON };
            let world = python_world(&project.folder.read_text(project.language.manifest())?);
            let arguments = ["-d", "wit", "-w", &world, "componentize", "app", "-o", &name];
            tool.run(folder, &arguments)?;
            "componentize-py"
        }
        Language::C => {
            c::build(project, &name)?;
            c::MAKER
        }
    };
    let path = project.component();
    if !path.is_file() {
        return Err(ToolError::Nothing { program: program.to_owned() }.into());
    }
    if project.folder.stamp(&name) == before {
        return Err(ToolError::Untouched { program: program.to_owned(), path }.into());
    }
    Ok(Built { bytes: project.folder.read(&name)?, path })
}

/// Returns whether npm finds jco: in a workspace of npm's it stands in a folder above.
fn has_jco(folder: &Path) -> bool {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    folder.ancestors().any(|folder| folder.join("node_modules/.bin/jco").exists())
}

/// Returns the world that a project in Python is built for: the toolchain reads it from no file.
fn python_world(manifest: &str) -> String {
    let manifest: toml::Table = toml::from_str(manifest).unwrap_or_default();
    let world = manifest.get("tool").and_then(|tool| tool.get("wardlock")?.get("world")?.as_str());
    world.unwrap_or(WORLD).to_owned()
}

/// Runs cargo, and returns the component that it made.
fn cargo(folder: &Path) -> Result<PathBuf, ProjectError> {
    let installed = RUSTC.output(folder, &["--print", "target-libdir", "--target", TARGET])?;
    if !Path::new(installed.trim()).is_dir() {
        let what = format!("the Rust target `{TARGET}`");
        return Err(ToolError::Missing { what, get: format!("run `rustup target add {TARGET}`") }.into());
    }
    let arguments = ["build", "--release", "--target", TARGET, "--message-format", "json-render-diagnostics"];
    let messages = CARGO.output(folder, &arguments)?;
    // The last artifact is the package's own: what it depends on comes before it.
    let made = messages.lines().rev().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let files = message["filenames"].as_array()?;
        files
            .iter()
            .filter_map(Value::as_str)
            .map(PathBuf::from)
            .find(|file| file.extension().is_some_and(|end| end == "wasm"))
    });
    made.ok_or_else(|| ToolError::Nothing { program: CARGO.program.to_owned() }.into())
}
