//! `policy check` and `policy test`: load a home as `serve` would, and run its cases. Nothing is opened but files, nothing is sent.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wardlock_core::id::WorkspaceName;
use wardlock_sandbox::Sandbox;

use crate::config::{ConfigError, HostConfig};
use crate::home::Home;
use crate::loaded::{Loaded, Problem, Services, Severity, Sources};

use super::cases::{CaseError, CaseResult, case_folders, read_cases, run_cases};

/// Why a check cannot be made at all.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The cases cannot be read.
    #[error(transparent)]
    Cases(#[from] CaseError),
    /// A workspace was named that is not there.
    #[error("there is no workspace `{workspace}`")]
    UnknownWorkspace {
        /// What was named.
        workspace: String,
        /// The workspaces that there are.
        known: Vec<String>,
    },
    /// There is no case to run.
    #[error("{} holds no case{}", .folder.display(), of(workspace.as_deref()))]
    NoCases {
        /// The folder.
        folder: PathBuf,
        /// The workspace whose cases were looked for; `None`: any.
        workspace: Option<String>,
    },
    /// What `wardlock.toml` says cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It is not clear whose the cases are.
    #[error("{} holds cases, and the home has not exactly one workspace", .folder.display())]
    Whose {
        /// The folder.
        folder: PathBuf,
    },
    /// Cases for a workspace that is not there.
    #[error("{} holds cases, and there is no workspace `{workspace}`", .folder.display())]
    NoWorkspace {
        /// The folder.
        folder: PathBuf,
        /// The workspace.
        workspace: String,
    },
}

impl CheckError {
    /// Returns what to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Whose { folder } => Some(format!("put them into {}/<workspace>/", folder.display())),
            Self::NoWorkspace { .. } => Some("a folder of cases is called like its workspace".to_owned()),
            Self::UnknownWorkspace { known, .. } if known.is_empty() => {
                Some("write workspaces/NAME.toml, or run `wardlock init --policy POLICY --workspace NAME --region REGION`".to_owned())
            }
            Self::UnknownWorkspace { known, .. } => Some(format!("workspaces here: {}", known.join(", "))),
            Self::NoCases { folder, workspace } => Some(format!(
                "a case is a TOML file in {}/{}, or in the folder that `--cases` names",
                folder.display(),
                workspace.as_deref().unwrap_or("<workspace>")
            )),
            Self::Cases(CaseError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Some(
                "`--cases` names the folder of cases: in it one for each workspace, with a TOML file for each case"
                    .to_owned(),
            ),
            Self::Cases(_) | Self::Config(_) => None,
        }
    }
}

/// What a check found.
#[derive(Debug)]
pub struct CheckReport {
    workspaces: usize,
    problems: Vec<Problem>,
    cases: Vec<(WorkspaceName, CaseResult)>,
}

impl CheckReport {
    /// Returns whether everything loads and every case holds. Mere notes do not count.
    pub fn ok(&self) -> bool {
        self.problems.iter().all(|problem| problem.severity == Severity::Note)
            && self.cases.iter().all(|(_, result)| result.holds())
    }

    /// Returns what is wrong with the home.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Returns how each case went.
    pub fn cases(&self) -> &[(WorkspaceName, CaseResult)] {
        &self.cases
    }

    /// Returns the report for programs; cases that hold are only counted.
    pub fn to_json(&self) -> Value {
        let problems = self.problems.iter().map(Problem::to_json);
        let failed = self.cases.iter().filter(|(_, result)| !result.holds()).map(|(workspace, result)| {
            json!({ "workspace": workspace.as_str(), "case": result.name, "differences": result.differences })
        });
        let failed: Vec<Value> = failed.collect();
        json!({
            "ok": self.ok(),
            "workspaces": self.workspaces,
            "problems": problems.collect::<Vec<_>>(),
            "cases": self.cases.len(),
            "failed": failed,
        })
    }
}

fn of(workspace: Option<&str>) -> String {
    workspace.map(|workspace| format!(" of workspace `{workspace}`")).unwrap_or_default()
}

/// Checks a home. `cases` is a folder of cases for the home's only workspace, or of one folder for each workspace.
pub async fn check(home: &Home, sandbox: &Sandbox, cases: Option<&Path>) -> Result<CheckReport, CheckError> {
    let loaded = load(home, sandbox).await?;
    let folders = cases.map(|folder| whose(&loaded, folder, None)).transpose()?.unwrap_or_default();
    Ok(CheckReport {
        workspaces: loaded.workspaces().count(),
        problems: loaded.problems().to_vec(),
        cases: run(&loaded, folders).await?,
    })
}

/// Runs the cases of some workspaces, or of all that have any; what is wrong with other workspaces is not told. To run none is an
/// error.
pub async fn test(
    home: &Home,
    sandbox: &Sandbox,
    cases: &Path,
    workspaces: &[String],
) -> Result<CheckReport, CheckError> {
    let loaded = load(home, sandbox).await?;
    if workspaces.is_empty() {
        let ran = run(&loaded, whose(&loaded, cases, None)?).await?;
        if ran.is_empty() {
            return Err(CheckError::NoCases { folder: cases.to_owned(), workspace: None });
        }
        let problems = loaded.problems().to_vec();
        return Ok(CheckReport { workspaces: loaded.workspaces().count(), problems, cases: ran });
    }
    let mut results = Vec::new();
    for workspace in workspaces {
        let ran = run(&loaded, whose(&loaded, cases, Some(workspace))?).await?;
        if ran.is_empty() {
            return Err(CheckError::NoCases { folder: cases.to_owned(), workspace: Some(workspace.clone()) });
        }
        results.extend(ran);
    }
    let concerns = |problem: &&Problem| problem.workspace.as_ref().is_none_or(|name| workspaces.contains(name));
    let problems = loaded.problems().iter().filter(concerns).cloned().collect();
    Ok(CheckReport { workspaces: workspaces.len(), problems, cases: results })
}

async fn load(home: &Home, sandbox: &Sandbox) -> Result<Loaded, CheckError> {
    let services = Services::load(home);
    Ok(Loaded::load(Sources {
        home,
        sandbox,
        services: &services,
        publishers: HostConfig::load(home)?.publishers(),
        accepted: None,
    })
    .await)
}

async fn run(
    loaded: &Loaded,
    folders: Vec<(WorkspaceName, PathBuf)>,
) -> Result<Vec<(WorkspaceName, CaseResult)>, CheckError> {
    let mut results = Vec::new();
    for (workspace, folder) in folders {
        let cases = read_cases(&folder)?;
        let ran = run_cases(loaded, &workspace, &cases).await;
        results.extend(ran.into_iter().map(|result| (workspace.clone(), result)));
    }
    Ok(results)
}

/// Returns where the cases of which workspace stand; `only` is the one that is asked about.
fn whose(loaded: &Loaded, folder: &Path, only: Option<&str>) -> Result<Vec<(WorkspaceName, PathBuf)>, CheckError> {
    if let Some(only) = only {
        let Some(workspace) = loaded.workspaces().find(|workspace| workspace.as_str() == only) else {
            let known = loaded.workspaces().map(ToString::to_string).collect();
            return Err(CheckError::UnknownWorkspace { workspace: only.to_owned(), known });
        };
        let folders = case_folders(folder)?;
        return Ok(match folders.iter().find(|name| *name == only) {
            Some(name) => vec![(workspace.clone(), folder.join(name))],
            // The folder itself, where it holds cases and no folders of them.
            None if folders.is_empty() => vec![(workspace.clone(), folder.to_owned())],
            None => Vec::new(),
        });
    }
    let folders = case_folders(folder)?;
    if !folders.is_empty() {
        let find = |name: String| {
            let inner = folder.join(&name);
            match loaded.workspaces().find(|workspace| workspace.as_str() == name) {
                Some(workspace) => Ok((workspace.clone(), inner)),
                None => Err(CheckError::NoWorkspace { folder: inner, workspace: name }),
            }
        };
        return folders.into_iter().map(find).collect();
    }
    let mut workspaces = loaded.workspaces();
    match (workspaces.next(), workspaces.next()) {
        (Some(only), None) => Ok(vec![(only.clone(), folder.to_owned())]),
        _ => Err(CheckError::Whose { folder: folder.to_owned() }),
    }
}
