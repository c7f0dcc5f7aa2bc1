//! Finds and loads the plugins of a chain: by file in `plugins/`, else by digest among those kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wardlock_core::connection::{Connection, Link};
use wardlock_core::id::Digest;
use wardlock_core::pointer;
use wardlock_sandbox::{Files, LoadError, LoadSpec, MAX_FILE_BYTES, MAX_FILES, Plugin, Sandbox};

use crate::config::{Document, PluginPlan, TextError, nearest};
use crate::home::{Home, HomeError};

use super::{Loaded, Problem, Sources};
use crate::trust::{Publishers, SIGNATURE_END, SignatureError, Standing};

/// Where every plugin that was ever loaded is kept, by digest.
const KEPT: &str = "state/plugins";

/// Loads chains; a file that stands in many chains is read once.
pub(super) struct ChainLoader<'a> {
    home: &'a Home,
    sandbox: &'a Sandbox,
    read: BTreeMap<String, Arc<Vec<u8>>>,
    publishers: &'a Publishers,
    /// What was loaded before.
    before: &'a Loaded,
    pub(super) standings: BTreeMap<String, Result<Standing, SignatureError>>,
    kept: BTreeSet<Digest>,
    notes: Vec<Problem>,
}

/// A component, and the file of the home that it was read from.
pub(super) struct Found {
    pub(super) file: String,
    pub(super) bytes: Arc<Vec<u8>>,
}

/// A chain that loads, in order.
#[derive(Default)]
pub(super) struct Chain {
    pub(super) links: Vec<Link>,
    pub(super) plugins: Vec<Arc<Plugin>>,
    pub(super) standings: Vec<Standing>,
}

impl<'a> ChainLoader<'a> {
    pub(super) fn new(sources: Sources<'a>, before: &'a Loaded) -> Self {
        let Sources { home, sandbox, publishers, .. } = sources;
        let (read, standings) = (BTreeMap::new(), BTreeMap::new());
        Self { home, sandbox, read, publishers, before, standings, kept: BTreeSet::new(), notes: Vec::new() }
    }

    pub(super) fn home(&self) -> &'a Home {
        self.home
    }

    pub(super) fn publishers(&self) -> &'a Publishers {
        self.publishers
    }

    /// Returns what went wrong beside the loading itself.
    pub(super) fn into_notes(self) -> Vec<Problem> {
        self.notes
    }

    /// Loads a chain; the first plugin that does not load is told.
    pub(super) async fn load(
        &mut self,
        document: &Document<'_>,
        connection: &Connection,
        plans: &[PluginPlan],
    ) -> Result<Chain, TextError> {
        let mut chain = Chain::default();
        let before = self.before.serving(connection);
        for (position, plan) in plans.iter().enumerate() {
            let position = position.to_string();
            let place = ["connections", connection.name.as_str(), "plugins", &position];
            let (plugin, standing) = self.load_one(document, &place, plan).await?;
            // What keeps failing goes on being one that does, unless something changed.
            let plugin = match before.iter().find(|before| before.name() == plugin.name()) {
                Some(before) => plugin.in_place_of(before),
                None => plugin,
            };
            chain.links.push(link_of(&plugin, plan));
            chain.plugins.push(Arc::new(plugin));
            chain.standings.push(standing);
        }
        Ok(chain)
    }

    async fn load_one(
        &mut self,
        document: &Document<'_>,
        place: &[&str],
        plan: &PluginPlan,
    ) -> Result<(Plugin, Standing), TextError> {
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
        let found = self.found(document, place, plan, expected)?;
        // Where the digest is another, that is what is told, and nothing runs either.
        let is_pinned = expected.is_some_and(|expected| expected == Digest::of(&found.bytes));
        let standing = if is_pinned { Some(self.standing(document, place, plan, &found)?) } else { None };
        let spec = LoadSpec {
            name: plan.name.clone(),
            bytes: found.bytes.to_vec(),
            expected_digest: expected,
            settings: plan.settings.clone(),
            granted: plan.capabilities.clone(),
            files: self.files(document, place, plan)?,
            time: plan.time,
            memory_bytes: plan.memory_bytes,
        };
        let plugin = self.sandbox.load(spec).await.map_err(|error| told(document, place, plan, &error))?;
        if plan.folder.is_some() && !plugin.capabilities().contains("folder") {
            let problem = format!("plugin `{}` reads no folder: it does not ask for the capability", plan.name);
            return Err(document.error_at(&[place, &["folder"]].concat(), problem).hint("take `folder` out"));
        }
        self.keep(plugin.digest(), &found);
        // What is not pinned has not come so far.
        Ok((plugin, standing.unwrap_or(Standing::Unsigned)))
    }

    /// Reads the files of the folder that a plugin is given.
    fn files(
        &self,
        document: &Document<'_>,
        place: &[&str],
        plan: &PluginPlan,
    ) -> Result<Option<Files>, TextError> {
        let Some(folder) = &plan.folder else { return Ok(None) };
        let wrong = |problem: String| document.error_at(&[place, &["folder"]].concat(), problem);
        let read = self.home.read_folder(&format!("plugins/{folder}"), MAX_FILES, MAX_FILE_BYTES as u64);
        let files = read.map_err(|error| wrong(error.to_string()).maybe_hint(error.hint()))?;
        match files.map(Files::new) {
            Some(Ok(files)) => Ok(Some(files)),
            Some(Err(error)) => Err(wrong(error.to_string())),
            None => {
                let path = self.home.path().join("plugins").join(folder);
                Err(wrong(format!("there is no folder plugins/{folder}")).hint(format!("make {}", path.display())))
            }
        }
    }

    fn found(
        &mut self,
        document: &Document<'_>,
        place: &[&str],
        plan: &PluginPlan,
        expected: Option<Digest>,
    ) -> Result<Found, TextError> {
        let at_file = [place, &["file"]].concat();
        if plan.file.contains('/') {
            let problem = "a plugin's file stands in plugins/ and is named without a folder";
            return Err(document.error_at(&at_file, problem));
        }
        let file = format!("plugins/{}", plan.file);
        let dropped_in = self
            .read(file.clone())
            .map_err(|problem| document.error_at(&at_file, problem.message).maybe_hint(problem.hint))?;
        if let Some(bytes) = dropped_in {
            return Ok(Found { file, bytes });
        }
        let problem = format!("there is no file plugins/{}", plan.file);
        match expected.map(|digest| self.kept_copy(digest)) {
            Some(Ok(Some(found))) => {
                let serves = format!("{problem}; the copy that is kept of it serves, {}", found.file);
                let note = document.error_at(&at_file, serves).hint(self.way_back(plan));
                self.notes.push(Problem::from_text(None, &note).of_connection(place[1]).note());
                return Ok(found);
            }
            // Its bytes are not what was pinned, so their digest is offered to nobody.
            Some(Err(why)) => {
                let problem = format!("{problem}, and {why}");
                return Err(document.error_at(&at_file, problem).hint(self.way_back(plan)));
            }
            Some(Ok(None)) | None => {}
        }
        let files = self.home.list("plugins", "wasm").unwrap_or_default();
        let hint = match nearest(&plan.file, files.iter().map(String::as_str)) {
            Some(file) => format!("did you mean `{file}`?"),
            None => format!("drop it into {}", self.home.path().join("plugins").display()),
        };
        Err(document.error_at(&at_file, problem).hint(hint))
    }

    /// Finds the copy that is kept of a component; `Err` says why one that is there is of no use.
    fn kept_copy(&mut self, digest: Digest) -> Result<Option<Found>, String> {
        let file = kept_name(digest);
        match self.read(file.clone()) {
            Ok(None) => Ok(None),
            Ok(Some(bytes)) if Digest::of(&bytes) == digest => Ok(Some(Found { file, bytes })),
            Ok(Some(_)) => Err(format!("the copy that is kept of it is damaged: {file}")),
            Err(problem) => Err(format!("the copy that is kept of it cannot be read: {}", problem.message)),
        }
    }

    /// Says how a component's file comes back to where the workspace file names it. The copy is mended by the next load.
    fn way_back(&self, plan: &PluginPlan) -> String {
        let file = self.home.path().join("plugins").join(&plan.file);
        format!("put the component back as {}, by `wardlock plugin add` or from a backup", file.display())
    }

    pub(super) fn read(&mut self, name: String) -> Result<Option<Arc<Vec<u8>>>, Problem> {
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
    fn keep(&mut self, digest: Digest, found: &Found) {
        if !self.kept.insert(digest) {
            return;
        }
        let signature = self.read(format!("{}{SIGNATURE_END}", found.file)).ok().flatten();
        let signature = signature.as_ref().map(|bytes| bytes.as_slice());
        if let Err(error) = keep(self.home, digest, &found.bytes, signature) {
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
        hooks: plugin.hooks(),
        capabilities: plugin.capabilities().clone(),
    }
}

/// Keeps a component by digest, with its signature if it has one, and returns where.
pub(crate) fn keep(
    home: &Home,
    digest: Digest,
    bytes: &[u8],
    signature: Option<&[u8]>,
) -> Result<String, HomeError> {
    let name = kept_name(digest);
    home.ensure_folder(KEPT)?;
    let beside = signature.map(|signature| (format!("{name}{SIGNATURE_END}"), signature));
    for (name, bytes) in std::iter::once((name.clone(), bytes)).chain(beside) {
        match home.read(&name)? {
            Some(found) if found == bytes => {}
            _ => home.write(&name, bytes)?,
        }
    }
    Ok(name)
}

/// Reads a component that is kept.
pub(crate) fn kept(home: &Home, digest: Digest) -> Result<Option<Vec<u8>>, HomeError> {
    home.read(&kept_name(digest))
}

/// Returns where a component is kept.
pub(crate) fn kept_name(digest: Digest) -> String {
    format!("{KEPT}/{digest}.wasm")
}

/// Says where in the workspace file it stands that a plugin does not load.
fn told(document: &Document<'_>, place: &[&str], plan: &PluginPlan, error: &LoadError) -> TextError {
    let text = format!("plugin `{}` does not load: {error}", plan.name);
    let path: Vec<String> = match error {
        LoadError::Settings { problems } => {
            let pointer = problems.first().map_or("", |problem| problem.path.as_str());
            std::iter::once("settings".to_owned()).chain(pointer::steps(pointer)).collect()
        }
        LoadError::WrongDigest { .. } => vec!["sha256".to_owned()],
        LoadError::UnknownCapability { .. } => vec!["capabilities".to_owned()],
        LoadError::Limit { limit, .. } => vec!["limits".to_owned(), (*limit).to_owned()],
        LoadError::Memory { .. } => vec!["limits".to_owned(), "memory".to_owned()],
        LoadError::Unpinned { .. } => vec!["name".to_owned()],
        _ => vec!["file".to_owned()],
    };
    let path: Vec<&str> = place.iter().copied().chain(path.iter().map(String::as_str)).collect();
    document.error_at(&path, text).hint(error.hint())
}
