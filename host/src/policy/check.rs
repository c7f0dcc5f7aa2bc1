//! `policy check`: loads a home as `serve` would, and runs its cases. Nothing is opened but files, nothing is sent.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wardlock_core::id::WorkspaceName;
use wardlock_sandbox::{Sandbox, SandboxConfig, SandboxError};

use crate::home::Home;
use crate::loaded::{Loaded, Problem, Services, Severity};

use super::cases::{CaseError, CaseResult, case_folders, read_cases, run_cases};

/// Why a check cannot be made at all.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The plugin engine does not start.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The cases cannot be read.
    #[error(transparent)]
    Cases(#[from] CaseError),
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
            Self::Sandbox(_) | Self::Cases(_) => None,
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

/// Checks a home. `cases` is a folder of cases for the home's only workspace, or of one folder for each workspace.
pub async fn check(home: &Home, cases: Option<&Path>) -> Result<CheckReport, CheckError> {
    let sandbox = Sandbox::new(SandboxConfig::default())?;
    let services = Services::load(home);
    let loaded = Loaded::load(home, &sandbox, &services).await;
    let mut results = Vec::new();
    for (workspace, folder) in cases.map(|folder| whose(&loaded, folder)).transpose()?.unwrap_or_default() {
        let cases = read_cases(&folder)?;
        let ran = run_cases(&loaded, &workspace, &cases).await;
        results.extend(ran.into_iter().map(|result| (workspace.clone(), result)));
    }
    Ok(CheckReport {
        workspaces: loaded.workspaces().count(),
        problems: loaded.problems().to_vec(),
        cases: results,
    })
}

fn whose(loaded: &Loaded, folder: &Path) -> Result<Vec<(WorkspaceName, PathBuf)>, CheckError> {
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
