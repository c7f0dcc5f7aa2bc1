//! A golden case as it stands in its file; plugins/guests/CASES.md is the format.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::value::Datetime;

/// The request id of a case that says none.
pub(super) const DEFAULT_ID: &str = "case";

/// A case's file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CaseFile {
    #[serde(default)]
    pub(super) settings: toml::Table,
    #[serde(default)]
    pub(super) folder: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) request: RequestFile,
    pub(super) expect: ExpectFile,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RequestFile {
    pub(super) id: String,
    pub(super) now: Option<Datetime>,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) purpose: Option<String>,
    pub(super) dry_run: bool,
    pub(super) approved_by: Option<String>,
    pub(super) caller: CallerFile,
    pub(super) operation: OperationFile,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CallerFile {
    pub(super) workspace: String,
    pub(super) connection: String,
    pub(super) agent: String,
    pub(super) region: String,
    pub(super) tenant: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OperationFile {
    pub(super) service: String,
    pub(super) name: String,
    pub(super) effect: EffectWord,
    pub(super) resources: Vec<String>,
    pub(super) fields: Option<Vec<(String, String, UseWord)>>,
    pub(super) breadth: Option<u32>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum EffectWord {
    Read,
    Write,
    Destructive,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum UseWord {
    Read,
    Filter,
    Write,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectFile {
    pub(super) verdict: Option<VerdictWord>,
    pub(super) code: Option<String>,
    pub(super) retry_after_seconds: Option<u32>,
    pub(super) edits: Option<Vec<Vec<String>>>,
    pub(super) problems: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum VerdictWord {
    Allow,
    Deny,
    Hold,
    Shape,
}

impl VerdictWord {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Hold => "hold",
            Self::Shape => "shape",
        }
    }
}

impl Default for RequestFile {
    fn default() -> Self {
        Self {
            id: DEFAULT_ID.to_owned(),
            now: None,
            method: "GET".to_owned(),
            path: "/crm/v8/Leads".to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            content_type: None,
            purpose: None,
            dry_run: false,
            approved_by: None,
            caller: CallerFile::default(),
            operation: OperationFile::default(),
        }
    }
}

impl Default for CallerFile {
    fn default() -> Self {
        Self {
            workspace: "acme".to_owned(),
            connection: "zoho".to_owned(),
            agent: "reporter".to_owned(),
            region: "eu".to_owned(),
            tenant: None,
        }
    }
}

impl Default for OperationFile {
    fn default() -> Self {
        Self {
            service: "zoho-crm".to_owned(),
            name: "records.list".to_owned(),
            effect: EffectWord::Read,
            resources: vec!["Leads".to_owned()],
            fields: None,
            breadth: None,
        }
    }
}
