//! Which home a signature is for.

use std::path::Path;

use serde::{Deserialize, Serialize};
use wardlock_egress::vault::Vault;

use crate::admin::Failure;
use crate::home::Home;

/// A home, as it stands in every text that is signed: what somebody signs for one is none for another, whoever carries it there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HomeIdentity {
    /// The folder's absolute path, without links.
    pub path: String,
    /// The vault's id: of two homes that stand at one path, on two machines or one after the other, each has its own.
    pub vault: String,
}

impl HomeIdentity {
    /// Returns that of a home whose vault is open here.
    pub fn of(home: &Home, vault: &Vault) -> Self {
        Self::new(home, vault.id())
    }

    /// Returns that of the home at a path, by its files alone: whoever answers for it has no say.
    pub fn of_files(path: &Path) -> Result<Self, Failure> {
        let home = Home::open(path)?;
        let vault = Vault::id_of(&home.state_folder())?;
        Ok(Self::new(&home, &vault))
    }

    fn new(home: &Home, vault: &str) -> Self {
        Self { path: home.real_path().to_string_lossy().into_owned(), vault: vault.to_owned() }
    }

    /// Returns the lines that name it. Whatever stands in a name stands in one line.
    pub(super) fn lines(&self) -> String {
        let quoted = |name: &str| serde_json::to_string(name).unwrap_or_default();
        format!("home: {}\nvault: {}\n", quoted(&self.path), quoted(&self.vault))
    }

    /// Returns why nobody signs here for what serves another home.
    pub(crate) fn is_not(&self, serving: &Self) -> Failure {
        let problem = format!(
            "what answers at the admin socket serves another home: {} with vault {}, and this is {} with vault {}",
            serving.path, serving.vault, self.path, self.vault
        );
        Failure::home(problem).hint("nothing was signed; look who has `admin.sock` in this home's `state/`")
    }
}
