//! The shape of a workspace file. Unknown keys are errors; there is no key for a secret.

use std::collections::BTreeMap;

use serde::Deserialize;
use wardlock_core::connection::WriteMode;

use super::limits::LimitsFile;

/// A whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WorkspaceFile {
    pub(super) workspace: String,
    #[serde(default)]
    pub(super) connections: BTreeMap<String, ConnectionFile>,
    #[serde(default)]
    pub(super) agents: BTreeMap<String, AgentFile>,
    pub(super) recorder: Option<RecorderFile>,
}

/// `[recorder]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecorderFile {
    #[serde(default = "a_week")]
    pub(super) keep: String,
    /// As it was written: its range is told where it is checked.
    #[serde(default = "a_thousand")]
    pub(super) requests: i64,
    /// Whether what plugins see of answers is recorded, too.
    #[serde(default)]
    pub(super) answers: bool,
}

fn a_week() -> String {
    "7d".to_owned()
}

fn a_thousand() -> i64 {
    1000
}

/// `[connections.<name>]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConnectionFile {
    pub(super) label: Option<String>,
    pub(super) service: String,
    pub(super) region: String,
    pub(super) grant: String,
    pub(super) tenant: Option<String>,
    pub(super) environment: Option<String>,
    #[serde(default)]
    pub(super) resources: Vec<String>,
    #[serde(default)]
    pub(super) operations: Vec<String>,
    #[serde(default)]
    pub(super) writes: Writes,
    pub(super) max_records: Option<u32>,
    pub(super) max_records_a_day: Option<u32>,
    #[serde(default)]
    pub(super) limits: BTreeMap<String, WriteLimitFile>,
    /// As it was written: its range is told where it is checked.
    pub(super) approvals: Option<i64>,
    #[serde(default)]
    pub(super) unattended: Vec<String>,
    pub(super) scopes: Option<Vec<String>>,
    pub(super) concurrency: Option<u32>,
    #[serde(default)]
    pub(super) params: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) owner: Owner,
    pub(super) owner_reason: Option<String>,
    #[serde(default)]
    pub(super) plugins: Vec<PluginFile>,
}

/// `limits.<operation or resource>` of a connection.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WriteLimitFile {
    pub(super) max_records: Option<u32>,
    pub(super) max_records_a_day: Option<u32>,
}

/// `writes`
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Writes {
    #[default]
    Off,
    Draft,
    On,
}

impl From<Writes> for WriteMode {
    fn from(writes: Writes) -> Self {
        match writes {
            Writes::Off => Self::Off,
            Writes::Draft => Self::Draft,
            Writes::On => Self::On,
        }
    }
}

/// `owner`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Owner {
    #[default]
    Workspace,
    Agent,
}

/// `[agents.<name>]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AgentFile {
    pub(super) operations: Option<Vec<String>>,
}

/// `[[connections.<name>.plugins]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PluginFile {
    pub(super) name: String,
    pub(super) file: Option<String>,
    pub(super) sha256: Option<String>,
    pub(super) publisher: Option<String>,
    #[serde(default)]
    pub(super) capabilities: Vec<String>,
    pub(super) folder: Option<String>,
    #[serde(default)]
    pub(super) settings: toml::Table,
    #[serde(default)]
    pub(super) limits: LimitsFile,
    #[serde(default)]
    pub(super) mode: Mode,
}

/// `mode` of a plugin.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    #[default]
    Enforce,
    Monitor,
}
