//! Golden cases: one request each, and the verdict that a plugin must give on it. The format stands in
//! plugins/guests/CASES.md; they run through the real sandbox, as a connection's chain would.

mod format;
mod request;
mod run;
mod update;
mod verdict;
mod write;

use std::path::Path;

use serde_json::Value;
use wardlock_core::plugin::PluginRequest;
use wardlock_sandbox::Files;

use crate::config::{Document, TextError, json_of};

use super::folder::{Folder, FolderError};
use format::CaseFile;

pub use request::DEFAULT_NOW_MS;
pub use run::{CaseResult, Tested, Tried, USUAL_TIME, all_capabilities, is_of_settings, run};
pub use update::update;
pub use verdict::{EditWords, Expected, Found, Said};
pub use write::{WriteError, write};

/// Why cases cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CasesError {
    /// The folder or a file cannot be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A case is not one.
    #[error("{}: {error}", .folder.display())]
    Text {
        /// The folder.
        folder: std::path::PathBuf,
        /// What is wrong.
        error: TextError,
    },
    /// The folder holds none.
    #[error("{} holds no case", .folder.display())]
    None {
        /// The folder.
        folder: std::path::PathBuf,
    },
}

/// One case.
#[derive(Debug, Clone)]
pub struct Case {
    /// The promise: the file's name without its end.
    pub name: String,
    /// The plugin's settings.
    pub settings: Value,
    /// The files of the folder that the plugin may read.
    pub files: Files,
    /// The request.
    pub request: PluginRequest,
    /// What must come of it.
    pub expected: Expected,
    /// The file as it stands.
    pub text: String,
}

impl Case {
    /// Reads a case's text; `file` is its name in messages.
    pub fn parse(file: &str, text: &str) -> Result<Self, TextError> {
        let document = Document::parse(file, text)?;
        let case: CaseFile = document.decode()?;
        let settings = json_of(&case.settings).map_err(|key| {
            document
                .error_at(&["settings", &key], "settings become JSON, which has no dates and no `nan` or `inf`")
                .hint("write it in quotes")
        })?;
        let files = case.folder.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
        let files = Files::new(files).map_err(|error| document.error_at(&["folder"], error.to_string()))?;
        Ok(Self {
            name: file.trim_end_matches(".toml").to_owned(),
            settings,
            files,
            request: request::request(&document, case.request)?,
            expected: Expected::take(case.expect).map_err(|problem| document.error_at(&["expect"], problem))?,
            text: text.to_owned(),
        })
    }

    /// Returns the case that says nothing: the request that every key of a case has by default, allowed.
    pub fn usual() -> Self {
        let said = Said { verdict: "allow", code: None, retry_after_seconds: None, edits: None };
        Self {
            name: "usual".to_owned(),
            settings: Value::Object(serde_json::Map::new()),
            files: Files::default(),
            request: request::usual(),
            expected: Expected::Said(said),
            text: String::new(),
        }
    }

    /// Says how what was found differs from what is expected, a line each; nothing: the case holds.
    pub fn differences(&self, found: &Found) -> Vec<String> {
        verdict::differences(&self.expected, found)
    }

    /// Returns the name of its file.
    pub fn file(&self) -> String {
        format!("{}.toml", self.name)
    }
}

/// Reads every case of a folder, sorted by name. A folder without one is an error: it would hold for every plugin.
pub fn read(path: &Path) -> Result<Vec<Case>, CasesError> {
    let folder = Folder::open(path)?;
    let mut cases = Vec::new();
    for file in folder.list("toml")? {
        let text = folder.read_text(&file)?;
        let case = Case::parse(&file, &text);
        cases.push(case.map_err(|error| CasesError::Text { folder: path.to_owned(), error })?);
    }
    if cases.is_empty() {
        return Err(CasesError::None { folder: path.to_owned() });
    }
    Ok(cases)
}

#[cfg(test)]
mod tests;
