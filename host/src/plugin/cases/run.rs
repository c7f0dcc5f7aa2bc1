//! Runs cases through the sandbox: schema, `configure`, `on-request`, in a fresh instance each.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use wardlock_core::chain::try_edits;
use wardlock_core::id::{Digest, PluginName};
use wardlock_core::plugin::{Answer, PluginFault, Verdict};
use wardlock_sandbox::{CAPABILITIES, Files, LoadError, LoadSpec, LogFilter, Plugin, Quotas, Sandbox};

use crate::quotas::Untouched;

use super::{Case, Expected, Found};

/// How long one decision may take: the most that the sandbox gives. Cases are about verdicts, not about speed.
const TIME: Duration = Duration::from_secs(5);
/// How long one may take by the table that `plugin add` prints.
pub const USUAL_TIME: Duration = Duration::from_millis(20);
/// The most lines that are taken of what one decision logged: one more than it may leave.
const LOG_LINES: usize = 17;
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
    /// The last line of the plugins' log that was looked at.
    logged: u64,
}

/// What came of asking a plugin, and what can be told beside that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// What came of it.
    pub found: Found,
    /// What the plugin logged or printed meanwhile: level and text, in order.
    pub log: Vec<(&'static str, String)>,
    /// Whether it came to a verdict that [`USUAL_TIME`] would not have been enough for.
    pub slow: bool,
}

/// How a case went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseResult {
    /// What the plugin logged or printed: level and text, in order.
    pub log: Vec<(&'static str, String)>,
    /// Whether it came to a verdict that [`USUAL_TIME`] would not have been enough for.
    pub slow: bool,
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
        Self { sandbox, bytes, digest: Digest::of(bytes), loaded: HashMap::new(), failed: Vec::new(), logged: 0 }
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
        Ok(self.attempt(case).await?.found)
    }

    /// Runs one case likewise, and tells what the plugin logged and whether it took long.
    pub async fn attempt(&mut self, case: &Case) -> Result<Tried, LoadError> {
        let plugin = match self.load(&case.settings, &case.files).await {
            Ok(plugin) => plugin,
            // Other settings may well be taken, so this is the case's own.
            Err(error) if is_of_settings(&error) => {
                return Ok(Tried { found: Found::Fault(error.to_string()), log: Vec::new(), slow: false });
            }
            Err(error) => return Ok(Tried { found: Found::take(Err(error))?, log: Vec::new(), slow: false }),
        };
        let started = Instant::now();
        let decided = decide(&plugin, case).await;
        let took = started.elapsed();
        let log = self.logged();
        if decided.is_err() {
            self.replace(case);
        }
        let slow = decided.is_ok() && took > USUAL_TIME && self.is_slow(&plugin, case).await;
        let found = match refused(&plugin, case, &decided) {
            Some(why) => Found::Refused(why),
            None => Found::take(Ok(decided))?,
        };
        Ok(Tried { found, log, slow })
    }

    /// Asks once more, with the usual time: a busy machine alone makes no plugin slow, because its own running time counts.
    async fn is_slow(&mut self, plugin: &Plugin, case: &Case) -> bool {
        let judged = decide(&plugin.apart(USUAL_TIME), case).await;
        // What it logs this time has been told.
        self.logged();
        matches!(judged, Err(PluginFault::Timeout { .. }))
    }

    /// Takes the lines that were logged since the last look.
    fn logged(&mut self) -> Vec<(&'static str, String)> {
        let page = self.sandbox.logs().after(self.logged, &LogFilter::default(), LOG_LINES);
        self.logged = page.last;
        page.lines.into_iter().map(|line| (line.level.as_str(), line.text)).collect()
    }
}

/// Says why a change of the request would be refused wherever the plugin serves; what it declares is granted here, and no more.
fn refused(plugin: &Plugin, case: &Case, decided: &Result<Answer, PluginFault>) -> Option<String> {
    let Ok(Answer { verdict: Verdict::Shape(edits, _), .. }) = decided else { return None };
    if !plugin.capabilities().contains("shape") {
        return Some("the plugin does not declare the capability `shape`".to_owned());
    }
    try_edits(&case.request, edits).err()
}

/// Returns whether it is the settings that a plugin failed over.
pub fn is_of_settings(error: &LoadError) -> bool {
    matches!(error, LoadError::Fault { during, .. } if during == "configure")
}

async fn decide(plugin: &Plugin, case: &Case) -> Result<Answer, PluginFault> {
    let quotas: Arc<dyn Quotas> = Untouched::at(case.request.now_ms);
    plugin.decide_counted(&case.request, &quotas).await
}

/// Runs cases, and returns how each went, in their order.
pub async fn run(tested: &mut Tested<'_>, cases: &[Case]) -> Result<Vec<CaseResult>, LoadError> {
    // Those that a plugin is loaded for come first: it is compiled once then, and not once for each that is refused.
    let (loading, refusing): (Vec<_>, Vec<_>) =
        cases.iter().enumerate().partition(|(_, case)| matches!(case.expected, Expected::Said(_)));
    let mut results = Vec::new();
    for (at, case) in loading.into_iter().chain(refusing) {
        let Tried { found, log, slow } = tested.attempt(case).await?;
        results.push((at, CaseResult { log, slow, differences: case.differences(&found), found }));
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
