//! Notices that a project's sources changed, by looking at them: a few files, a few times a second.

use std::collections::BTreeMap;
use std::time::SystemTime;

use cap_std::fs::Dir;

use super::Project;
use crate::plugin::folder::{FolderError, io_at};

/// What toolchains make, and no author writes.
const MADE: [&str; 6] = ["target", "build", "node_modules", "__pycache__", "Cargo.lock", "package-lock.json"];
/// How many folders deep sources stand.
const DEEPEST: usize = 8;

/// A project's sources as they stood at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sources(BTreeMap<String, (Option<SystemTime>, u64)>);

impl Sources {
    /// Looks at a project.
    pub fn of(project: &Project) -> Result<Self, FolderError> {
        let mut sources = Self::default();
        let failed = io_at("look at the files of", project.path());
        sources.look(project.folder.dir(), "", 0).map_err(failed)?;
        Ok(sources)
    }

    fn look(&mut self, dir: &Dir, above: &str, depth: usize) -> std::io::Result<()> {
        for entry in dir.entries()? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let component = std::path::Path::new(&name).extension().is_some_and(|end| end == "wasm");
            if name.starts_with('.') || component || MADE.contains(&name.as_str()) {
                continue;
            }
            // A file that is gone by now is one that changed.
            let Ok(metadata) = entry.metadata() else { continue };
            let path = format!("{above}/{name}");
            if metadata.is_dir() {
                if depth < DEEPEST {
                    self.look(&entry.open_dir()?, &path, depth + 1)?;
                }
            } else {
                let modified = metadata.modified().ok().map(cap_std::time::SystemTime::into_std);
                self.0.insert(path, (modified, metadata.len()));
            }
        }
        Ok(())
    }
}
