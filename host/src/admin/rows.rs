//! Which audit rows and plugins' lines are asked for, and in which form they come.

use serde::{Deserialize, Serialize};

/// Which rows. Everything given must hold.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditFilter {
    /// Written then or later, milliseconds since 1970-01-01T00:00:00Z.
    pub since_ms: Option<u64>,
    /// Written before then.
    pub until_ms: Option<u64>,
    /// Before this row.
    pub before: Option<u64>,
    /// After this row, the oldest first.
    pub after: Option<u64>,
    /// How many.
    pub limit: u32,
    /// Workspace.
    pub workspace: Option<String>,
    /// Connection.
    pub connection: Option<String>,
    /// Agent.
    pub agent: Option<String>,
    /// Service.
    pub service: Option<String>,
    /// Operation.
    pub operation: Option<String>,
    /// Effect.
    pub effect: Option<String>,
    /// Resource.
    pub resource: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// Tenant.
    pub tenant: Option<String>,
    /// Decision.
    pub decision: Option<String>,
    /// Outcome.
    pub outcome: Option<String>,
    /// Code of a refusal.
    pub code: Option<String>,
    /// A plugin's name or digest.
    pub plugin: Option<String>,
    /// A value of a path or query.
    pub value: Option<String>,
    /// Kind of row.
    pub kind: Option<String>,
    /// Act.
    pub act: Option<String>,
}

impl AuditFilter {
    /// The words that `effect` may be.
    pub const EFFECTS: [&str; 3] = ["read", "write", "destructive"];
    /// The words that `decision` may be.
    pub const DECISIONS: [&str; 3] = ["allow", "hold", "deny"];
    /// The words that `outcome` may be.
    pub const OUTCOMES: [&str; 7] = ["ok", "partial", "failed", "scheduled", "aborted", "unknown", "streamed"];
    /// The words that `kind` may be.
    pub const KINDS: [&str; 5] = ["intent", "outcome", "refusal", "admin", "grant"];
}

/// How rows come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowForm {
    /// A line for people.
    Line,
    /// A JSON object a line.
    Jsonl,
    /// Comma-separated values.
    Csv,
}

/// Which of the lines that plugins logged. Everything given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PluginLogFilter {
    /// Workspace.
    pub workspace: Option<String>,
    /// Connection.
    pub connection: Option<String>,
    /// Plugin.
    pub plugin: Option<String>,
    /// A request's id.
    pub request: Option<String>,
    /// Behind this line, the oldest first; without it, the newest.
    pub after: Option<u64>,
    /// How many.
    pub limit: u32,
}

#[cfg(test)]
mod tests {
    use wardlock_audit::Kind;
    use wardlock_core::answer::Outcome;
    use wardlock_core::plugin::Effect;

    use super::*;

    #[test]
    fn every_word_is_one_that_rows_have() {
        assert_eq!(AuditFilter::EFFECTS, Effect::ALL.map(Effect::as_str));
        assert_eq!(AuditFilter::OUTCOMES, Outcome::ALL.map(Outcome::as_str));
        assert_eq!(AuditFilter::KINDS, Kind::ALL.map(Kind::as_str));
    }
}
