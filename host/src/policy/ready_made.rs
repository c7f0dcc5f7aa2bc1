//! The ready-made workspaces of `policies/`, and how one becomes a workspace of a home.

use wardlock_core::id::{BadName, Digest, GrantName, Region, WorkspaceName};
use wardlock_plugins::{STARTERS, Starter};

use crate::config::nearest;
use crate::home::{Home, HomeError};
use crate::loaded::Services;

/// Every ready-made workspace: name and template.
pub const READY_MADE: [(&str, &str); 3] = [
    ("zoho-readonly", include_str!("../../../policies/zoho-readonly.toml")),
    ("zoho-lead-intake", include_str!("../../../policies/zoho-lead-intake.toml")),
    ("zoho-sales-desk", include_str!("../../../policies/zoho-sales-desk.toml")),
];

/// Why a ready-made workspace cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// There is none of that name.
    #[error("there is no ready-made policy `{given}`; {known}")]
    Unknown {
        /// What was asked for.
        given: String,
        /// What there is.
        known: String,
    },
    /// The service has no such region.
    #[error("service `{service}` has no region `{given}`; {known}")]
    NoRegion {
        /// The service that the policy is for.
        service: String,
        /// What was asked for.
        given: String,
        /// What there is.
        known: String,
    },
    /// A name breaks its rule.
    #[error(transparent)]
    Name(#[from] BadName),
}

/// A ready-made workspace, filled in: names given, starter plugins pinned as this build has them.
#[derive(Debug, Clone)]
pub struct ReadyMade {
    workspace: WorkspaceName,
    text: String,
}

impl ReadyMade {
    /// Fills in a ready-made workspace. Its grant is called `<workspace>-zoho`.
    pub fn new(policy: &str, workspace: &str, region: &str) -> Result<Self, PolicyError> {
        instantiate(policy, workspace, region, &format!("{workspace}-zoho"))
    }

    /// Returns the workspace's name.
    pub fn name(&self) -> &WorkspaceName {
        &self.workspace
    }

    /// Returns the workspace file's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Writes the workspace file and the starter plugins into a home. What stands there already stays as it is.
    pub fn write(&self, home: &Home) -> Result<(), HomeError> {
        let file = format!("workspaces/{}.toml", self.workspace);
        if home.read(&file)?.is_some() {
            return Err(HomeError::FileExists { path: home.path().join(file) });
        }
        let text = write_starters(home)?.into_iter().fold(self.text.clone(), |text, (plain, name)| {
            text.replace(&format!("\"{plain}\""), &format!("\"{name}\""))
        });
        home.write(&file, text.as_bytes())
    }
}

/// Writes the starter plugins into a home and returns what each is called: by itself, and there. A starter of another
/// build keeps its file, and this build's goes beside it, its digest in its name.
pub fn write_starters(home: &Home) -> Result<Vec<(String, String)>, HomeError> {
    let write = |starter: &Starter| {
        let plain = format!("{}.wasm", starter.name);
        let name = match home.read(&format!("plugins/{plain}"))? {
            Some(found) if found != starter.bytes => {
                format!("{}-{}.wasm", starter.name, &Digest::of(starter.bytes).to_string()[..8])
            }
            _ => plain.clone(),
        };
        home.write(&format!("plugins/{name}"), starter.bytes)?;
        Ok((plain, name))
    };
    STARTERS.iter().map(write).collect()
}

/// Fills in a ready-made workspace.
pub fn instantiate(policy: &str, workspace: &str, region: &str, grant: &str) -> Result<ReadyMade, PolicyError> {
    let names = READY_MADE.iter().map(|(name, _)| *name);
    let Some((_, template)) = READY_MADE.iter().find(|(name, _)| *name == policy) else {
        return Err(PolicyError::Unknown {
            given: policy.escape_debug().to_string(),
            known: known(policy, names),
        });
    };
    let (workspace, region, grant) =
        (WorkspaceName::parse(workspace)?, Region::parse(region)?, GrantName::parse(grant)?);
    // Every ready-made workspace is for this one.
    if let Some(service) = Services::built_in().get("zoho-crm")
        && !service.regions.contains_key(&region)
    {
        let known = known(region.as_str(), service.regions.keys().map(Region::as_str));
        return Err(PolicyError::NoRegion { service: service.name.to_string(), given: region.to_string(), known });
    }
    let text = with_digests(template)
        .replace("@workspace", workspace.as_str())
        .replace("@region", region.as_str())
        .replace("@grant", grant.as_str());
    Ok(ReadyMade { workspace, text })
}

/// Names the nearest of what there is, or all of it.
fn known<'a>(given: &str, names: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(given, names.clone()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("there are {}", names.collect::<Vec<_>>().join(", ")),
    }
}

/// Replaces `"@<starter>"` by the digest of the starter plugin that this build carries.
pub fn with_digests(template: &str) -> String {
    STARTERS.iter().fold(template.to_owned(), |text, starter| {
        text.replace(&format!("\"@{}\"", starter.name), &format!("\"{}\"", Digest::of(starter.bytes)))
    })
}
