//! Finds and loads the plugins of a chain: by file in `plugins/`, else by digest among those kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wardlock_core::connection::Link;
use wardlock_core::id::Digest;
use wardlock_sandbox::{LoadError, LoadSpec, Plugin, Sandbox};

use crate::config::{Document, PluginPlan, TextError, nearest};
use crate::home::Home;

use super::Problem;

/// Where every plugin that was ever loaded is kept, by digest.
const KEPT: &str = "state/plugins";

/// Loads chains; a file that stands in many chains is read once.
pub(super) struct ChainLoader<'a> {
    home: &'a Home,
    sandbox: &'a Sandbox,
    read: BTreeMap<String, Arc<Vec<u8>>>,
    kept: BTreeSet<Digest>,
    notes: Vec<Problem>,
}

impl<'a> ChainLoader<'a> {
    pub(super) fn new(home: &'a Home, sandbox: &'a Sandbox) -> Self {
        Self { home, sandbox, read: BTreeMap::new(), kept: BTreeSet::new(), notes: Vec::new() }
    }

    pub(super) fn home(&self) -> &'a Home {
        self.home
    }

    /// Returns what went wrong beside the loading itself.
    pub(super) fn into_notes(self) -> Vec<Problem> {
        self.notes
    }

    /// Loads a chain; the first plugin that does not load is told.
    pub(super) async fn load(
        &mut self,
        document: &Document<'_>,
        connection: &str,
        plans: &[PluginPlan],
    ) -> Result<(Vec<Link>, Vec<Arc<Plugin>>), TextError> {
        let (mut links, mut plugins) = (Vec::new(), Vec::new());
        for (position, plan) in plans.iter().enumerate() {
            let position = position.to_string();
            let place = ["connections", connection, "plugins", &position];
            let plugin = self.load_one(document, &place, plan).await?;
            links.push(link_of(&plugin, plan));
            plugins.push(Arc::new(plugin));
        }
        Ok((links, plugins))
    }

    async fn load_one(
        &mut self,
        document: &Document<'_>,
        place: &[&str],
        plan: &PluginPlan,
    ) -> Result<Plugin, TextError> {
        let expected = match plan.sha256.as_deref().map(Digest::parse) {
            None => None,
            Some(Ok(digest)) => Some(digest),
            Some(Err(error)) => {
                let problem = error.to_string();
                return Err(document
                    .error_at(&[place, &["sha256"]].concat(), problem)
                    .hint(self.line_to_paste(plan)));
            }
        };
        let bytes = self.bytes(document, place, plan, expected)?;
        let spec = LoadSpec {
            name: plan.name.clone(),
            bytes: bytes.to_vec(),
            expected_digest: expected,
            settings: plan.settings.clone(),
            granted: plan.capabilities.clone(),
            time: plan.time,
            memory_bytes: plan.memory_bytes,
        };
        let plugin = self.sandbox.load(spec).await.map_err(|error| told(document, place, plan, &error))?;
        self.keep(plugin.digest(), &bytes);
        Ok(plugin)
    }

    fn bytes(
        &mut self,
        document: &Document<'_>,
        place: &[&str],
        plan: &PluginPlan,
        expected: Option<Digest>,
    ) -> Result<Arc<Vec<u8>>, TextError> {
        let at_file = [place, &["file"]].concat();
        if plan.file.contains('/') {
            let problem = "a plugin's file stands in plugins/ and is named without a folder";
            return Err(document.error_at(&at_file, problem));
        }
        let dropped_in = self
            .read(format!("plugins/{}", plan.file))
            .map_err(|problem| document.error_at(&at_file, problem.message).maybe_hint(problem.hint))?;
        if let Some(bytes) = dropped_in {
            return Ok(bytes);
        }
        let kept = expected.map(|digest| self.read(kept_name(digest)));
        if let Some(Ok(Some(bytes))) = kept {
            return Ok(bytes);
        }
        let problem = format!("there is no file plugins/{}", plan.file);
        let files = self.home.list("plugins", "wasm").unwrap_or_default();
        let hint = match nearest(&plan.file, files.iter().map(String::as_str)) {
            Some(file) => format!("did you mean `{file}`?"),
            None => format!("drop it into {}", self.home.path().join("plugins").display()),
        };
        Err(document.error_at(&at_file, problem).hint(hint))
    }

    fn read(&mut self, name: String) -> Result<Option<Arc<Vec<u8>>>, Problem> {
        if let Some(bytes) = self.read.get(&name) {
            return Ok(Some(Arc::clone(bytes)));
        }
        let Some(bytes) = self.home.read(&name).map_err(|error| Problem::from_home(None, &error))? else {
            return Ok(None);
        };
        let bytes = Arc::new(bytes);
        self.read.insert(name, Arc::clone(&bytes));
        Ok(Some(bytes))
    }

    /// Returns the line that pins the file that stands there now.
    fn line_to_paste(&mut self, plan: &PluginPlan) -> String {
        match self.read(format!("plugins/{}", plan.file)) {
            Ok(Some(bytes)) => {
                format!("if plugins/{} is the file that you mean: sha256 = \"{}\"", plan.file, Digest::of(&bytes))
            }
            Ok(None) | Err(_) => "`sha256sum` prints it".to_owned(),
        }
    }

    /// Keeps a plugin by digest, so that an audit can be replayed and a lost file does not close a connection.
    fn keep(&mut self, digest: Digest, bytes: &[u8]) {
        if !self.kept.insert(digest) {
            return;
        }
        let name = kept_name(digest);
        let kept = self.home.ensure_folder(KEPT).and_then(|()| match self.home.read(&name)? {
            Some(found) if found == bytes => Ok(()),
            _ => self.home.write(&name, bytes),
        });
        if let Err(error) = kept {
            self.notes.push(Problem::from_home(None, &error).note());
        }
    }
}

fn link_of(plugin: &Plugin, plan: &PluginPlan) -> Link {
    Link {
        name: plugin.name().clone(),
        digest: plugin.digest(),
        settings: plugin.settings_digest(),
        mode: plan.mode,
        capabilities: plugin.capabilities().clone(),
    }
}

fn kept_name(digest: Digest) -> String {
    format!("{KEPT}/{digest}.wasm")
}

/// Says where in the workspace file it stands that a plugin does not load.
fn told(document: &Document<'_>, place: &[&str], plan: &PluginPlan, error: &LoadError) -> TextError {
    let text = format!("plugin `{}` does not load: {error}", plan.name);
    let path: Vec<String> = match error {
        LoadError::Settings { problems } => {
            let pointer = problems.first().map_or("", |problem| problem.path.as_str());
            let parts = pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~"));
            std::iter::once("settings".to_owned()).chain(parts).collect()
        }
        LoadError::WrongDigest { .. } => vec!["sha256".to_owned()],
        LoadError::UnknownCapability { .. } => vec!["capabilities".to_owned()],
        LoadError::Limit { limit, .. } => vec!["limits".to_owned(), (*limit).to_owned()],
        LoadError::Unpinned { .. } => vec!["name".to_owned()],
        _ => vec!["file".to_owned()],
    };
    let path: Vec<&str> = place.iter().copied().chain(path.iter().map(String::as_str)).collect();
    document.error_at(&path, text).hint(error.hint())
}
