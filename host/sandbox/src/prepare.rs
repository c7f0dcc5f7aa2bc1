//! From a component to code that is ready to be loaded: checked, asked what it is, given its settings on trial, and
//! compiled, once for each digest and settings. All of it runs where guests run: in a confined child, or in this process.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wardlock_core::id::Digest;
use wardlock_core::plugin::PluginFault;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::description::Described;
use crate::error::LoadError;
use crate::files::Files;
use crate::imports::{self, Names};
use crate::instance::{Bounds, Linked, Live, within};
use crate::log::{self, SharedLog};
use crate::nesting;
use crate::runtime::Runtime;
use crate::schema::{self, Schema};
use crate::snapshot::Instrumented;
use crate::text::escaped;

/// How long `describe`, `schema` and the first `configure` may take: a first run is slower than a request.
const ASK_TIME: Duration = Duration::from_secs(1);
/// The most bytes that a plugin may hand over when it is asked: its schema.
const ASK_BYTES: usize = 512 << 10;
/// How every module and component in binary form begins; text is not taken.
const WASM: &[u8] = b"\0asm";
/// What follows in a core module; a component says another layer there.
const CORE: &[u8] = b"\x01\0\0\0";

/// What is to be made ready.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The component's digest.
    pub(crate) digest: Digest,
    /// The settings, as JSON; `None`: it is only looked at.
    pub(crate) settings: Option<String>,
    /// What it may read.
    pub(crate) files: Option<Files>,
    /// The most memory while it is asked.
    pub(crate) memory_bytes: usize,
    /// Whether a snapshot is tried.
    pub(crate) snapshot: bool,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Prepared {
    /// What it imports and exports.
    pub(crate) names: Names,
    /// What it says of itself, or why it would not load.
    pub(crate) described: Result<Described, LoadError>,
    /// Whether the code holds the settings already; the reason where it does not, and serves other settings too.
    pub(crate) snapshot: Result<(), String>,
    /// How much memory it has taken before it is asked about a request, bytes: a limit below that lets it judge nothing. Where it is
    /// only looked at, what its settings take is not in it.
    pub(crate) start_bytes: u64,
    /// Why it would not load with empty settings, where it is only looked at and says what it is.
    pub(crate) unset: Option<LoadError>,
}

/// Compiled code; empty where nothing was to be made ready.
pub(crate) type Code = Vec<u8>;

impl Runtime {
    /// Prepares a component. It blocks its thread for as long as the compiler takes, which is seconds for large ones.
    pub(crate) async fn prepare(&self, bytes: &[u8], job: &Job) -> Result<(Prepared, Code), LoadError> {
        check_form(bytes)?;
        let _running = self.running();
        let Some(settings) = &job.settings else {
            return Ok((self.look(bytes, job).await?, Code::new()));
        };
        let instrumented =
            if job.snapshot { Instrumented::new(bytes) } else { Err("snapshots are off".to_owned()) };
        if let Ok(instrumented) = &instrumented
            && let Some(prepared) = self.prepare_snapshot(instrumented, settings, job).await?
        {
            return Ok(prepared);
        }
        let why_not = instrumented.err().unwrap_or_else(|| "its snapshot does not run as it does".to_owned());
        let component = self.compile(bytes)?;
        let (names, linked, described) = self.ask(&component, job).await?;
        check_schema(&described, settings)?;
        let log = log::of_loading();
        let mut live = self.live(&linked, job, &log).await?;
        try_settings(&mut live, settings, &log).await?;
        let start_bytes = live.taken_bytes();
        drop(live);
        let code = component.serialize().map_err(|error| failed(&error))?;
        Ok((Prepared { names, described: Ok(described), snapshot: Err(why_not), start_bytes, unset: None }, code))
    }

    /// Tries settings on code that holds none. Returns how much memory it takes with them before it is asked about a request.
    pub(crate) async fn configure(&self, linked: &Linked, job: &Job) -> Result<u64, LoadError> {
        let _running = self.running();
        let described = self.describe(linked, job).await?;
        let settings = job.settings.as_deref().unwrap_or("{}");
        check_schema(&described, settings)?;
        let log = log::of_loading();
        let mut live = self.live(linked, job, &log).await?;
        try_settings(&mut live, settings, &log).await?;
        Ok(live.taken_bytes())
    }

    async fn look(&self, bytes: &[u8], job: &Job) -> Result<Prepared, LoadError> {
        let component = self.compile(bytes)?;
        let names = imports::names(&self.engine, &component);
        // An empty folder, for who asks for one: what is missing in it is a problem, and not a trap.
        let job = &Job { files: Some(Files::default()), ..job.clone() };
        let (described, start_bytes, unset) = match self.ask(&component, job).await {
            Ok((_, linked, described)) => {
                let log = log::of_loading();
                let mut live = self.live(&linked, job, &log).await?;
                let start_bytes = live.taken_bytes();
                let unset = match check_schema(&described, "{}") {
                    Ok(()) => try_settings(&mut live, "{}", &log).await.err(),
                    refused => refused.err(),
                };
                (Ok(described), start_bytes, unset)
            }
            Err(error) => (Err(error), 0, None),
        };
        let snapshot = Err("nothing was to be loaded".to_owned());
        Ok(Prepared { names, described, snapshot, start_bytes, unset })
    }

    /// Prepares a snapshot; `None` where it says other things of itself than what it was taken of.
    async fn prepare_snapshot(
        &self,
        instrumented: &Instrumented<'_>,
        settings: &str,
        job: &Job,
    ) -> Result<Option<(Prepared, Code)>, LoadError> {
        let component = self.compile(instrumented.bytes())?;
        let (names, linked, described) = self.ask(&component, job).await?;
        check_schema(&described, settings)?;
        let log = log::of_loading();
        let mut live = self.live(&linked, job, &log).await?;
        try_settings(&mut live, settings, &log).await?;
        let (store, instance) = live.parts();
        // Reading a memory is handing all of it over.
        store.set_hostcall_fuel(usize::MAX);
        let Ok(snapshot) = instrumented.snapshot(store, instance).await else {
            return Ok(None);
        };
        drop(live);
        let component = self.compile(&snapshot)?;
        match self.ask(&component, job).await {
            Ok((_, linked, again)) if again == described => {
                let start_bytes = self.live(&linked, job, &log::of_loading()).await?.taken_bytes();
                let code = component.serialize().map_err(|error| failed(&error))?;
                let described = Ok(described);
                Ok(Some((Prepared { names, described, snapshot: Ok(()), start_bytes, unset: None }, code)))
            }
            Ok(_) | Err(_) => Ok(None),
        }
    }

    fn compile(&self, bytes: &[u8]) -> Result<Component, LoadError> {
        Component::from_binary(&self.engine, bytes).map_err(|error| {
            // One line: what is too large is broken down in several.
            let cause = error.root_cause().to_string();
            let words: Vec<&str> = cause.split_whitespace().collect();
            LoadError::Invalid { what: escaped(&words.join(" "), 500) }
        })
    }

    /// Checks, links and asks a compiled component.
    async fn ask(&self, component: &Component, job: &Job) -> Result<(Names, Linked, Described), LoadError> {
        let names = imports::check(&self.engine, component)?;
        let linked = self.link(component, job.digest).map_err(|error| differs(&error))?;
        let described = self.describe(&linked, job).await?;
        let files = job.files.clone().filter(|_| described.asks_for("folder"));
        let linked = linked.reading(files);
        Ok((names, linked, described))
    }

    async fn describe(&self, linked: &Linked, job: &Job) -> Result<Described, LoadError> {
        let log = log::of_loading();
        let mut live = self.live(linked, job, &log).await?;
        live.check_types().map_err(|error| differs(&error))?;
        let failed = |fault| fault_during("describe", fault, &log);
        let description = within(ASK_TIME, async { live.describe().await.map_err(failed) }, failed).await?;
        let failed = |fault| fault_during("schema", fault, &log);
        let schema = within(ASK_TIME, async { live.schema().await.map_err(failed) }, failed).await?;
        Ok(Described::new(description, schema))
    }

    /// Makes an instance outside any request: with little time and memory.
    async fn live<'a>(&self, linked: &'a Linked, job: &Job, log: &SharedLog) -> Result<Live<'a>, LoadError> {
        let bounds = Bounds {
            request_id: "load",
            now_ms: 0,
            memory_bytes: job.memory_bytes,
            handover_bytes: ASK_BYTES,
            log,
        };
        let failed = |fault| fault_during("load", fault, log);
        within(ASK_TIME, async { linked.instantiate(bounds).await.map_err(failed) }, failed).await
    }
}

fn check_form(bytes: &[u8]) -> Result<(), LoadError> {
    if Engine::detect_precompiled(bytes).is_some() {
        return Err(LoadError::Precompiled);
    }
    if !bytes.starts_with(WASM) {
        return Err(LoadError::Invalid { what: "it does not begin as WebAssembly does".to_owned() });
    }
    if bytes.get(WASM.len()..8) == Some(CORE) {
        return Err(LoadError::Invalid { what: "it is a core module, not a component".to_owned() });
    }
    if nesting::is_too_deep(bytes) {
        let what = format!("components stand in it more than {} deep", nesting::DEEPEST);
        return Err(LoadError::Invalid { what });
    }
    Ok(())
}

fn check_schema(described: &Described, settings: &str) -> Result<(), LoadError> {
    let settings =
        serde_json::from_str(settings).map_err(|error| LoadError::Engine { what: error.to_string() })?;
    let problems = Schema::parse(&described.schema)?.problems(&settings);
    if problems.is_empty() { Ok(()) } else { Err(LoadError::Settings { problems }) }
}

async fn try_settings(live: &mut Live<'_>, settings: &str, log: &SharedLog) -> Result<(), LoadError> {
    let failed = |fault| fault_during("configure", fault, log);
    match within(ASK_TIME, async { live.configure(settings).await.map_err(failed) }, failed).await? {
        Ok(()) => Ok(()),
        Err(problems) => Err(schema::found(&problems)),
    }
}

fn fault_during(during: &'static str, fault: PluginFault, log: &SharedLog) -> LoadError {
    LoadError::Fault { during: during.into(), fault, log: log::last(log) }
}

fn differs(error: &wasmtime::Error) -> LoadError {
    LoadError::Contract { what: escaped(&format!("{error:#}"), 500) }
}

fn failed(error: &wasmtime::Error) -> LoadError {
    LoadError::Engine { what: escaped(&format!("{error:#}"), 500) }
}
