//! Cases of a workspace: a request, and the decision that it must meet. The format stands in policies/README.md.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use serde::{Deserialize, Serialize};
use wardlock_core::canonical::Header;
use wardlock_core::connection::WriteMode;
use wardlock_core::id::{AgentName, WorkspaceName};
use wardlock_sandbox::Quotas;

use crate::config::{Document, TextError};
use crate::loaded::{Loaded, Workspace};
use crate::quotas::Untouched;
use crate::text::millis;

use super::explain::{Question, explain};
use super::explanation::Explanation;

/// Monday, 2026-01-05T12:00:00Z: what a case that says nothing runs at.
const DEFAULT_NOW_MS: u64 = 1_767_614_400_000;

/// Why cases cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// The folder or a file cannot be read.
    #[error("could not read {}", .path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A case is not one.
    #[error(transparent)]
    Text(#[from] TextError),
}

/// One case.
#[derive(Debug, Clone)]
pub struct Case {
    /// The promise: the file's name without its end.
    pub name: String,
    file: CaseFile,
}

/// How a case went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaseResult {
    /// The case.
    pub name: String,
    /// What differs from what is expected, a sentence each; empty: it holds.
    pub differences: Vec<String>,
    /// What was decided, and why.
    pub explanation: Option<Explanation>,
}

impl CaseResult {
    /// Returns whether the case holds.
    pub fn holds(&self) -> bool {
        self.differences.is_empty()
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    connection: Option<String>,
    agent: Option<String>,
    now: Option<toml::value::Datetime>,
    writes: Option<Enabled>,
    request: RequestFile,
    expect: ExpectFile,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Enabled {
    Off,
    Draft,
    On,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestFile {
    method: String,
    target: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
    purpose: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectFile {
    decision: DecisionWord,
    code: Option<String>,
    rule: Option<String>,
    plugin: Option<String>,
    plugin_code: Option<String>,
    operation: Option<String>,
    sends: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DecisionWord {
    Allow,
    Hold,
    Deny,
}

/// Reads every case of a folder, sorted by name.
pub fn read_cases(folder: &Path) -> Result<Vec<Case>, CaseError> {
    let (dir, entries) = entries(folder)?;
    let names = entries
        .into_iter()
        .filter(|(name, is_folder)| !is_folder && Path::new(name).extension().is_some_and(|end| end == "toml"));
    let mut cases = Vec::new();
    for (name, _) in names {
        let text = dir.read_to_string(&name).map_err(at(folder.join(&name)))?;
        let file: CaseFile = Document::parse(&name, &text)?.decode()?;
        cases.push(Case { name: name.trim_end_matches(".toml").to_owned(), file });
    }
    Ok(cases)
}

/// Returns the names of the folders within a folder, sorted.
pub(super) fn case_folders(folder: &Path) -> Result<Vec<String>, CaseError> {
    let (_, entries) = entries(folder)?;
    Ok(entries.into_iter().filter(|(_, is_folder)| *is_folder).map(|(name, _)| name).collect())
}

fn entries(folder: &Path) -> Result<(Dir, Vec<(String, bool)>), CaseError> {
    let dir = Dir::open_ambient_dir(folder, ambient_authority()).map_err(at(folder.to_owned()))?;
    let mut found = Vec::new();
    for entry in dir.entries().map_err(at(folder.to_owned()))? {
        let entry = entry.map_err(at(folder.to_owned()))?;
        let is_folder = entry.file_type().map_err(at(folder.to_owned()))?.is_dir();
        found.push((entry.file_name().to_string_lossy().into_owned(), is_folder));
    }
    found.sort();
    Ok((dir, found))
}

fn at(path: PathBuf) -> impl FnOnce(std::io::Error) -> CaseError {
    move |source| CaseError::Io { path, source }
}

/// Runs cases against one workspace. Nothing is sent.
pub async fn run_cases(loaded: &Loaded, workspace: &WorkspaceName, cases: &[Case]) -> Vec<CaseResult> {
    let mut results = Vec::new();
    for case in cases {
        let result = match question(loaded, workspace, case) {
            Ok(question) => {
                let quotas: Arc<dyn Quotas> = Untouched::at(question.now_ms);
                let explanation = explain(loaded, &quotas, question).await;
                let differences = differences(&case.file.expect, &explanation);
                CaseResult { name: case.name.clone(), differences, explanation: Some(explanation) }
            }
            Err(difference) => {
                CaseResult { name: case.name.clone(), differences: vec![difference], explanation: None }
            }
        };
        results.push(result);
    }
    results
}

fn question(loaded: &Loaded, workspace: &WorkspaceName, case: &Case) -> Result<Question, String> {
    let CaseFile { connection, agent, now, writes, request, .. } = case.file.clone();
    let connection = match connection {
        Some(connection) => connection,
        None => only_connection(loaded.workspace(workspace.as_str()))
            .ok_or("the workspace has several connections or none: name one with `connection`")?,
    };
    let agent = AgentName::parse(agent.as_deref().unwrap_or("agent")).map_err(|error| error.to_string())?;
    let headers = request.headers.into_iter().map(|(name, value)| Header { name, value: value.into_bytes() });
    Ok(Question {
        workspace: workspace.clone(),
        connection,
        agent,
        method: request.method,
        target: request.target,
        headers: headers.collect(),
        body: request.body.into_bytes(),
        purpose: request.purpose,
        now_ms: now.map_or(Ok(DEFAULT_NOW_MS), |now| millis(&now.to_string()))?,
        touched: BTreeMap::new(),
        frozen: None,
        refused: None,
        enabled: match writes {
            Some(Enabled::Off) => WriteMode::Off,
            Some(Enabled::Draft) => WriteMode::Draft,
            Some(Enabled::On) | None => WriteMode::On,
        },
    })
}

fn only_connection(workspace: Option<&Workspace>) -> Option<String> {
    let connections = workspace?.connections.as_ref().ok()?;
    let mut names = connections.keys();
    let only = names.next()?;
    names.next().is_none().then(|| only.to_string())
}

fn differences(expect: &ExpectFile, explanation: &Explanation) -> Vec<String> {
    let refusal = explanation.refusal.as_ref();
    let decision = match expect.decision {
        DecisionWord::Allow => "allow",
        DecisionWord::Hold => "hold",
        DecisionWord::Deny => "deny",
    };
    let compared = [
        ("decision", Some(decision), Some(explanation.decision)),
        ("code", expect.code.as_deref(), refusal.map(|refusal| refusal.code)),
        ("rule", expect.rule.as_deref(), refusal.and_then(|refusal| refusal.rule)),
        ("plugin", expect.plugin.as_deref(), refusal.and_then(|refusal| refusal.plugin.as_deref())),
        ("plugin_code", expect.plugin_code.as_deref(), refusal.and_then(|refusal| refusal.plugin_code.as_deref())),
        (
            "operation",
            expect.operation.as_deref(),
            explanation.operation.as_ref().map(|found| found.name.as_str()),
        ),
        (
            "sends",
            expect.sends.as_deref(),
            explanation.would_send.as_ref().map(|sent| sent.path_and_query.as_str()),
        ),
    ];
    let differing = compared.into_iter().filter(|(_, expected, found)| expected.is_some() && expected != found);
    let mut differences: Vec<String> = differing
        .map(|(what, expected, found)| {
            format!(
                "{what}: `{}` is expected, and it is `{}`",
                expected.unwrap_or_default(),
                found.unwrap_or("none")
            )
        })
        .collect();
    if let (false, Some(refusal)) = (differences.is_empty(), refusal) {
        differences.push(format!("the host says: {}", refusal.detail));
    }
    differences
}

#[cfg(test)]
mod tests;
