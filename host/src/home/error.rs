//! What can be wrong with a home folder, and how the operator mends it.

use std::io;
use std::path::PathBuf;

use super::lock::Holder;

/// Why a home cannot be found, made, opened, locked, read or written. All of them are the operator's to mend;
/// [`HomeError::hint`] says how.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// No place for a home is known.
    #[error("no home folder is named, and neither `XDG_CONFIG_HOME` nor `HOME` says where one would be")]
    Nowhere,
    /// `XDG_CONFIG_HOME` or `HOME` is not an absolute path.
    #[error("the environment variable `{variable}` is not an absolute path")]
    NotAbsolute {
        /// Which variable.
        variable: &'static str,
    },
    /// There is nothing at the path.
    #[error("there is no Wardlock home at {}", .path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// A folder that holds something else.
    #[error("{} is not empty and is not a Wardlock home", .path.display())]
    Foreign {
        /// The path.
        path: PathBuf,
    },
    /// A home stands there already.
    #[error("{} is a Wardlock home already", .path.display())]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// A symbolic link where a folder or file must stand.
    #[error("{} is a symbolic link, which may be turned to another place", .path.display())]
    Symlink {
        /// The path.
        path: PathBuf,
    },
    /// Not a folder.
    #[error("{} is not a folder", .path.display())]
    NotFolder {
        /// The path.
        path: PathBuf,
    },
    /// Not a regular file.
    #[error("{} is not a regular file", .path.display())]
    NotFile {
        /// The path.
        path: PathBuf,
    },
    /// Somebody else's.
    #[error("{} belongs to user {owner}, and Wardlock runs as user {user}", .path.display())]
    Owner {
        /// The path.
        path: PathBuf,
        /// Its owner's id.
        owner: u32,
        /// Our effective id.
        user: u32,
    },
    /// Others may do what they must not.
    #[error("{} has mode {mode:03o}, so other users of this machine may {may}", .path.display())]
    Mode {
        /// The path.
        path: PathBuf,
        /// Permission bits.
        mode: u32,
        /// Permission bits that it should have.
        should: u32,
        /// What others may do.
        may: &'static str,
    },
    /// Anybody may replace what is under this folder.
    #[error("{} can be written by every user of this machine, who could put another home in this one's place", .path.display())]
    OpenParent {
        /// The folder above the home.
        path: PathBuf,
    },
    /// A file stands there that must not be replaced.
    #[error("{} exists already, and was left as it is", .path.display())]
    FileExists {
        /// The path.
        path: PathBuf,
    },
    /// Not a simulator's home.
    #[error("{} is not a home that the simulator made", .path.display())]
    NotSimulator {
        /// The path.
        path: PathBuf,
    },
    /// Another process holds the home.
    #[error("{} is in use by {holder}", .path.display())]
    Locked {
        /// The home.
        path: PathBuf,
        /// Who holds it.
        holder: Holder,
    },
    /// A name that is not one plain file name.
    #[error("`{name}` is not a plain file name")]
    Name {
        /// The name, escaped.
        name: String,
    },
    /// Larger than such a file can be.
    #[error("{} is larger than {limit} bytes", .path.display())]
    TooLarge {
        /// The path.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// Not text.
    #[error("{} is not UTF-8 text", .path.display())]
    NotText {
        /// The path.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("could not {doing} {}", .path.display())]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl HomeError {
    /// Returns what to do.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Nowhere | Self::NotAbsolute { .. } => {
                "name the home with `--home <folder>` or the environment variable `WARDLOCK_HOME`".to_owned()
            }
            Self::Missing { path } => format!("make one with `wardlock --home {} init`", path.display()),
            Self::Foreign { .. } => "choose an empty or a new folder".to_owned(),
            Self::Exists { .. } => "nothing was changed; `wardlock doctor` looks at it".to_owned(),
            Self::FileExists { .. } => "choose another name, or move the file away".to_owned(),
            Self::NotSimulator { .. } => "nothing was removed".to_owned(),
            Self::Symlink { path } => format!("put the real one at {}", path.display()),
            Self::NotFolder { path } | Self::NotFile { path } => format!("move {} away", path.display()),
            Self::Owner { path, user, .. } => {
                format!("run Wardlock as that user, or `chown {user} {}`", path.display())
            }
            Self::Mode { path, should, .. } => format!("run `chmod {should:03o} {}`", path.display()),
            Self::OpenParent { path } => format!("run `chmod o-w {}`, or move the home", path.display()),
            Self::Locked { holder, .. } => {
                format!("its commands go through it; to stop it: `kill {}`", holder.pid_text())
            }
            Self::Name { .. } => "use letters, digits, `-`, `_` and `.`, without a folder".to_owned(),
            Self::TooLarge { .. } => "nothing was read from it".to_owned(),
            Self::NotText { .. } => "save it as UTF-8".to_owned(),
            Self::Io { .. } => return None,
        })
    }
}

/// Makes a closure that turns an [`io::Error`] into a [`HomeError`] which names the path.
pub(super) fn io_at(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> HomeError {
    move |source| HomeError::Io { doing, path: path.into(), source }
}
