//! A plugin's project: a folder in one of the languages that Wardlock has a template for and can build.

mod build;
mod c;
mod new;
mod tools;
mod watch;
mod world;

use std::path::{Path, PathBuf};

use super::folder::{Folder, FolderError};

pub use build::{Built, build};
pub use new::{NewProject, create};
pub use tools::ToolError;
pub use watch::Sources;
pub use world::World;

/// A language of projects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Rust, by cargo.
    Rust,
    /// JavaScript, by jco.
    Js,
    /// Python, by componentize-py.
    Python,
    /// C, by clang and wasm-component-ld.
    C,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 4] = [Self::Rust, Self::Js, Self::Python, Self::C];

    /// Returns its word on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Js => "js",
            Self::Python => "python",
            Self::C => "c",
        }
    }

    /// Returns the file by which a project of it is known, and which holds its name.
    pub fn manifest(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::Js => "package.json",
            Self::Python => "pyproject.toml",
            Self::C => "plugin.toml",
        }
    }
}

/// Why a folder is no project that can be built.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// The folder or a file of it cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Nothing says which language it is in.
    #[error("{} is no plugin's project: it holds none of {}", .folder.display(), manifests())]
    Unknown {
        /// The folder.
        folder: PathBuf,
    },
    /// Several languages.
    #[error("{} holds {}, so it is not clear which of them is the plugin", .folder.display(), .manifests.join(" and "))]
    Several {
        /// The folder.
        folder: PathBuf,
        /// What it holds.
        manifests: Vec<&'static str>,
    },
    /// The manifest is not of its language.
    #[error("{what}")]
    Unreadable {
        /// What is wrong, and at which line of which file.
        what: String,
    },
    /// The manifest gives no name.
    #[error("{} names no plugin: `{key}` is missing", .manifest.display())]
    Nameless {
        /// The file.
        manifest: PathBuf,
        /// Where the name would be.
        key: &'static str,
    },
    /// The name fits no plugin.
    #[error("`{name}` is no name for a plugin")]
    BadName {
        /// What was given.
        name: String,
    },
    /// Something stands there already.
    #[error("{} is not empty", .folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// There is no template of that world in C.
    #[error("the template in C has bindings for `request-plugin`, and none for `{world}`")]
    NoBindings {
        /// The world that was asked for.
        world: &'static str,
    },
    /// The toolchain is missing or fails.
    #[error(transparent)]
    Tool(#[from] ToolError),
}

impl ProjectError {
    /// Returns how to mend it.
    pub fn hint(&self) -> String {
        match self {
            Self::Folder(error) => error.hint().to_owned(),
            Self::Unknown { .. } => {
                "name the project's folder; `wardlock plugin new NAME --lang rust` begins one".to_owned()
            }
            Self::Several { .. } => "keep one plugin in a folder".to_owned(),
            Self::Unreadable { .. } => "mend that line".to_owned(),
            Self::Nameless { key: key @ JSON_KEY, .. } => format!("give it one, such as \"{key}\": \"my-policy\""),
            Self::Nameless { key, .. } => format!("give it one, such as {key} = \"my-policy\""),
            Self::BadName { .. } => "take 1 to 64 of a-z, 0-9, `-` and `_`, a letter first".to_owned(),
            Self::NotEmpty { .. } => "name a new or an empty folder with `--dir`".to_owned(),
            Self::NoBindings { .. } => {
                "take another language, or leave `--world` out: the README of the project says how its bindings are made for another world"
                    .to_owned()
            }
            Self::Tool(error) => error.hint(),
        }
    }
}

/// Where package.json has its name.
const JSON_KEY: &str = "name";

fn manifests() -> String {
    Language::ALL.map(Language::manifest).join(", ")
}

/// A project.
#[derive(Debug)]
pub struct Project {
    folder: Folder,
    path: PathBuf,
    language: Language,
    name: String,
}

impl Project {
    /// Finds out what stands in a folder.
    pub fn open(path: &Path) -> Result<Self, ProjectError> {
        let folder = Folder::open(path)?;
        let found: Vec<Language> =
            Language::ALL.into_iter().filter(|language| folder.path_of(language.manifest()).is_file()).collect();
        let language = match found.as_slice() {
            [only] => *only,
            [] => return Err(ProjectError::Unknown { folder: path.to_owned() }),
            several => {
                let manifests = several.iter().map(|language| language.manifest()).collect();
                return Err(ProjectError::Several { folder: path.to_owned(), manifests });
            }
        };
        let name = name(&folder, language)?;
        Ok(Self { path: path.to_owned(), folder, language, name: checked(&name)? })
    }

    /// Returns its language.
    pub fn language(&self) -> Language {
        self.language
    }

    /// Returns its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns where its component stands once it is built.
    pub fn component(&self) -> PathBuf {
        self.path.join(self.component_name())
    }

    fn component_name(&self) -> String {
        format!("{}.wasm", self.name)
    }
}

/// Reads the name off a manifest.
fn name(folder: &Folder, language: Language) -> Result<String, ProjectError> {
    let text = folder.read_text(language.manifest())?;
    let manifest = folder.path_of(language.manifest());
    let (name, key) = match language {
        Language::Rust => (of_toml(&manifest, &text, "package")?, "package.name"),
        Language::Js => (of_json(&manifest, &text)?, JSON_KEY),
        Language::Python => (of_toml(&manifest, &text, "project")?, "project.name"),
        Language::C => (of_toml(&manifest, &text, "plugin")?, "plugin.name"),
    };
    name.ok_or(ProjectError::Nameless { manifest, key })
}

fn of_json(manifest: &Path, text: &str) -> Result<Option<String>, ProjectError> {
    let json: serde_json::Value = serde_json::from_str(text).map_err(|error| ProjectError::Unreadable {
        what: format!("{}: this is not JSON: {error}", manifest.display()),
    })?;
    Ok(json.get(JSON_KEY).and_then(|name| Some(name.as_str()?.to_owned())))
}

fn of_toml(manifest: &Path, text: &str, table: &str) -> Result<Option<String>, ProjectError> {
    let read: toml::Table = toml::from_str(text).map_err(|error| {
        let line = text
            .get(..error.span().unwrap_or_default().start)
            .map_or(1, |before| before.matches('\n').count() + 1);
        let what = format!("{}:{line}: this is not TOML: {}", manifest.display(), error.message());
        ProjectError::Unreadable { what }
    })?;
    Ok(read.get(table).and_then(|table| Some(table.get("name")?.as_str()?.to_owned())))
}

/// Returns a name that fits every toolchain: it becomes a package's, a file's and the plugin's own.
fn checked(name: &str) -> Result<String, ProjectError> {
    let slug = wardlock_core::id::PluginName::parse(name).is_ok();
    if slug && name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Ok(name.to_owned());
    }
    Err(ProjectError::BadName { name: name.chars().take(80).collect::<String>().escape_debug().to_string() })
}

#[cfg(test)]
mod tests;
