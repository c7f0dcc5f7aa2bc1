//! The worlds of the contract that a project can be begun for: what its component imports and exports besides its settings.

use super::Language;

/// A world, by what its plugins can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum World {
    /// They judge requests.
    #[default]
    Request,
    /// They judge requests, and count.
    Quota,
    /// They judge requests by files that the operator grants.
    Folder,
    /// They judge requests and answers, and count.
    Full,
}

impl World {
    /// Every world.
    pub const ALL: [Self; 4] = [Self::Request, Self::Quota, Self::Folder, Self::Full];

    /// Returns its name in `wit/worlds.wit`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request-plugin",
            Self::Quota => "quota-plugin",
            Self::Folder => "folder-plugin",
            Self::Full => "full-plugin",
        }
    }

    /// Returns the capability without which its import ends the plugin, so that `describe` declares it. What judges answers counts only
    /// if its author says so.
    fn capability(self) -> Option<&'static str> {
        match self {
            Self::Request | Self::Full => None,
            Self::Quota => Some("quota"),
            Self::Folder => Some("folder"),
        }
    }

    /// Returns the list of capabilities that `describe` declares, as a language writes it.
    pub(super) fn capabilities(self, language: Language) -> String {
        match (language, self.capability()) {
            (Language::Rust, Some(name)) => format!("vec![\"{name}\".to_owned()]"),
            (Language::Rust, None) => "Vec::new()".to_owned(),
            (Language::Js | Language::Python | Language::C, Some(name)) => format!("[\"{name}\"]"),
            (Language::Js | Language::Python | Language::C, None) => "[]".to_owned(),
        }
    }

    /// Returns what stands behind a policy that judges answers, too.
    pub(super) fn on_answers(self, language: Language) -> &'static str {
        match (self, language) {
            (Self::Full, Language::Rust) => include_str!("../../../templates/plugin/rust/answers.rs.in"),
            (Self::Full, Language::Js) => include_str!("../../../templates/plugin/js/answers.js"),
            (Self::Full, Language::Python) => include_str!("../../../templates/plugin/python/answers.py"),
            (Self::Request | Self::Quota | Self::Folder, _) | (Self::Full, Language::C) => "",
        }
    }
}
