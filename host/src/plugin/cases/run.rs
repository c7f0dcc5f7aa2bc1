//! Runs cases through the sandbox: schema, `configure`, `on-request`, in a fresh instance each.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use wardlock_core::id::{Digest, PluginName};
use wardlock_sandbox::{CAPABILITIES, Files, LoadError, LoadSpec, Plugin, Quotas, Sandbox};

use crate::quotas::Untouched;

use super::{Case, Expected, Found};

/// How long one decision may take: the most that the sandbox gives. Cases are about verdicts, not about speed.
const TIME: Duration = Duration::from_secs(5);
/// How much memory one decision may take.
const MEMORY: u64 = 64 << 20;

/// A component under test.
pub struct Tested<'a> {
    sandbox: &'a Sandbox,
    bytes: &'a [u8],
    digest: Digest,
    /// By the settings' text and the files. What is loaded stays loaded: a component compiles as long as somebody holds it.
    loaded: HashMap<(String, Digest), Result<Arc<Plugin>, LoadError>>,
    failed: Vec<Arc<Plugin>>,
}

/// How a case went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseResult {
    /// What came of it.
    pub found: Found,
    /// How that differs from what is expected, a line each; empty: the case holds.
    pub differences: Vec<String>,
}

impl CaseResult {
    /// Returns whether the case holds.
    pub fn holds(&self) -> bool {
        self.differences.is_empty()
    }
}

impl<'a> Tested<'a> {
    /// Takes a component.
    pub fn new(sandbox: &'a Sandbox, bytes: &'a [u8]) -> Self {
        Self { sandbox, bytes, digest: Digest::of(bytes), loaded: HashMap::new(), failed: Vec::new() }
    }

    /// Returns its digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Loads it with settings and files to read, and with every capability granted. Settings that it refuses are [`LoadError::Settings`].
    pub async fn load(&mut self, settings: &serde_json::Value, files: &Files) -> Result<Arc<Plugin>, LoadError> {
        let key = (settings.to_string(), files.digest());
        if let Some(loaded) = self.loaded.get(&key) {
            return loaded.clone();
        }
        let spec = LoadSpec {
            name: name()?,
            bytes: self.bytes.to_vec(),
            expected_digest: Some(self.digest),
            settings: settings.clone(),
            granted: all_capabilities(),
            files: Some(files.clone()),
            time: TIME,
            memory_bytes: MEMORY,
        };
        let loaded = self.sandbox.load(spec).await.map(Arc::new);
        self.loaded.insert(key, loaded.clone());
        loaded
    }

    /// Has a plugin loaded anew: one that failed five times in a row is not run for a while, and cases know nothing of
    /// each other. The old one is held on to, and with it what was compiled.
    fn replace(&mut self, case: &Case) {
        if let Some(Ok(plugin)) = self.loaded.remove(&(case.settings.to_string(), case.files.digest())) {
            self.failed.push(plugin);
        }
    }

    /// Runs one case. An error says that the component is no plugin, whatever the case.
    pub async fn case(&mut self, case: &Case) -> Result<Found, LoadError> {
        let outcome = match self.load(&case.settings, &case.files).await {
            Ok(plugin) => {
                let quotas: Arc<dyn Quotas> = Untouched::at(case.request.now_ms);
                let decided = plugin.decide_counted(&case.request, &quotas).await;
                if decided.is_err() {
                    self.replace(case);
                }
                Ok(decided)
            }
            Err(error) => Err(error),
        };
        Found::take(outcome)
    }
}

/// Runs cases, and returns how each went, in their order.
pub async fn run(tested: &mut Tested<'_>, cases: &[Case]) -> Result<Vec<CaseResult>, LoadError> {
    // Those that a plugin is loaded for come first: it is compiled once then, and not once for each that is refused.
    let (loading, refusing): (Vec<_>, Vec<_>) =
        cases.iter().enumerate().partition(|(_, case)| matches!(case.expected, Expected::Said(_)));
    let mut results = Vec::new();
    for (at, case) in loading.into_iter().chain(refusing) {
        let found = tested.case(case).await?;
        results.push((at, CaseResult { differences: case.differences(&found), found }));
    }
    results.sort_by_key(|(at, _)| *at);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// Returns every capability that there is.
pub fn all_capabilities() -> BTreeSet<String> {
    CAPABILITIES.iter().map(|&name| name.to_owned()).collect()
}

/// What it is called while it is tested: nobody sees it but the plugin's log.
fn name() -> Result<PluginName, LoadError> {
    PluginName::parse("tested").map_err(|error| LoadError::Engine { what: error.to_string() })
}
