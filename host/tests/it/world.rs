//! A whole Wardlock in this process: home, simulator, consent, agent, listener. Ends with a search for canaries, and with a
//! comparison of what the provider received with what the audit says.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use serde_json::Value;
use tempfile::TempDir;
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use wardlock::admin::{Brought, Command, Failure, How, Page};
use wardlock::gate::Gate;
use wardlock::home::Home;
use wardlock::host::{Host, World as Dialled};
use wardlock::ops::{self, Talk};
use wardlock::serve::Running;
use wardlock::telemetry::{self, Spans};
use wardlock_egress::Dialer;
use wardlock_egress::vault::{KeySource, Vault};
use wardlock_simulator::{Consent, Simulator, SimulatorConfig};
use wardlock_tests::canary::Canaries;
use wardlock_tests::raw::{self, RawReply};

use crate::clients;
use crate::exposition::{self, Series};
use crate::recorded::{self, Log};

/// What a world is made of; [`Plan::default`] is one connection that reads Leads in `eu`.
pub struct Plan {
    /// Workspace files by workspace name. `@starter` and `@guest:name` stand for digests.
    pub workspaces: Vec<(&'static str, String)>,
    /// The services for which there is a registration.
    pub services: Vec<&'static str>,
    /// Hosts that are no provider's, and where they are.
    pub elsewhere: Vec<(String, SocketAddr)>,
    /// Guests of `tests/guests`, written ones included, to drop in as plugin files.
    pub guests: Vec<&'static str>,
    /// Connections to connect: `workspace/connection`.
    pub connect: Vec<&'static str>,
    /// More of the `[listen]` table.
    pub listen: String,
    /// More of `wardlock.toml`, after its `[listen]` table. Where it says nothing of rates, there are none to speak of.
    pub config: String,
}

/// What a plan says of `wardlock.toml`. A test that is not about rates must not fail because the machine is fast.
fn unhurried(config: &str) -> toml::Table {
    let mut config: toml::Table = config.parse().expect("a plan's configuration");
    let limits = config.entry("limits").or_insert_with(|| toml::Table::new().into());
    let limits = limits.as_table_mut().expect("a table of limits");
    for rate in ["rate", "rate_per_agent"] {
        limits.entry(rate).or_insert_with(|| "1000000/s".into());
    }
    config
}

/// Asks what would become of a request on `acme/zoho`; `path` as upstream.
pub fn explain(agent: &str, method: &str, path: &str, body: &str) -> Command {
    Command::PolicyExplain {
        workspace: "acme".to_owned(),
        connection: "zoho".to_owned(),
        agent: agent.to_owned(),
        method: method.to_owned(),
        target: path.to_owned(),
        headers: Vec::new(),
        body: base64::engine::general_purpose::STANDARD.encode(body),
        purpose: None,
    }
}

/// A workspace file with one connection and its plugins.
pub fn workspace(name: &str, region: &str, extra: &str, plugins: &str) -> String {
    format!(
        "workspace = \"{name}\"\n\n[connections.zoho]\nlabel = \"test\"\nservice = \"zoho-crm\"\nregion = \"{region}\"\n\
         grant = \"{name}-zoho\"\nresources = [\"Leads\", \"Contacts\"]\n\
         operations = [\"metadata\", \"records.read\", \"records.write\"]\n{extra}\n{plugins}"
    )
}

/// A plugin table.
pub fn plugin(name: &str, settings: &str) -> String {
    let digest =
        if wardlock_plugins::starter(name).is_some() { format!("@{name}") } else { format!("@guest:{name}") };
    format!(
        "[[connections.zoho.plugins]]\nname = \"{name}\"\nfile = \"{name}.wasm\"\nsha256 = \"{digest}\"\n\
         capabilities = [{}]\nsettings = {settings}\n",
        match name {
            "read-only" | "office-hours" | "require-purpose" => "",
            "field-mask" | "page-cap" => "\"shape\"",
            _ => "\"body\", \"shape\"",
        }
    )
}

impl Default for Plan {
    fn default() -> Self {
        let file = workspace("acme", "eu", "", &plugin("read-only", "{}"));
        Self {
            workspaces: vec![("acme", file)],
            services: vec!["zoho-crm"],
            elsewhere: Vec::new(),
            guests: Vec::new(),
            connect: vec!["acme/zoho"],
            listen: String::new(),
            config: String::new(),
        }
    }
}

/// A running world.
pub struct World {
    pub host: Arc<Host>,
    /// Through which the listeners reach it.
    pub gate: Arc<Gate>,
    pub simulator: Arc<Simulator>,
    pub canaries: Canaries,
    /// Agent tokens by workspace.
    pub tokens: BTreeMap<String, String>,
    pub agents: SocketAddr,
    pub operators: SocketAddr,
    pub dashboard: SocketAddr,
    /// What other hosts of the same simulator recorded.
    pub logs: std::sync::Mutex<Vec<Log>>,
    running: Option<Running>,
    folder: TempDir,
    searched: Searched,
}

/// A home without a host, and the provider that it is connected with.
pub struct Left {
    pub simulator: Arc<Simulator>,
    pub canaries: Canaries,
    /// Agent tokens by workspace.
    pub tokens: BTreeMap<String, String>,
    pub folder: TempDir,
}

/// Fails a test that ends without the search for canaries.
#[derive(Default)]
struct Searched(bool);

impl Drop for Searched {
    fn drop(&mut self) {
        assert!(self.0 || std::thread::panicking(), "a world must be ended by `World::end`, which searches it");
    }
}

/// What was logged, by every world of this process.
static LOGGED: std::sync::Mutex<Vec<u8>> = std::sync::Mutex::new(Vec::new());

/// Keeps the log as the product would write it, and more of our own part of it.
fn keep_logs() {
    struct Kept;

    impl std::io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            LOGGED.lock().expect("a lock").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let ours =
        ["wardlock", "wardlock_core", "wardlock_sandbox", "wardlock_egress", "wardlock_audit", "wardlock_state"];
    let ours: Vec<String> = ours.iter().map(|name| format!("{name}=trace")).collect();
    let filter = tracing_subscriber::EnvFilter::new(format!("info,{}", ours.join(",")));
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(|| Kept).with_filter(filter).boxed();
    // The first world of the process sets it.
    STARTED.call_once(|| {
        let (layer, spans) = telemetry::keep();
        tracing_subscriber::registry().with(vec![lines, layer]).init();
        *SPANS.lock().expect("a lock") = Some(spans);
    });
}

static STARTED: std::sync::Once = std::sync::Once::new();

/// The spans of every world of this process.
static SPANS: std::sync::Mutex<Option<Spans>> = std::sync::Mutex::new(None);

/// Takes the spans of every world of this process; one test can.
pub fn spans() -> Spans {
    SPANS.lock().expect("a lock").take().expect("nobody took them, and there is a world")
}

/// Returns what was logged so far.
pub fn logged() -> String {
    String::from_utf8_lossy(&LOGGED.lock().expect("a lock")).into_owned()
}

/// What every agent ever received, for the search at the end.
static RECEIVED: std::sync::Mutex<Vec<u8>> = std::sync::Mutex::new(Vec::new());

impl World {
    /// Builds and connects everything.
    pub async fn start(plan: Plan) -> Self {
        Self::start_with(plan, |_| {}).await
    }

    /// Builds everything, with the simulator's configuration changed first.
    pub async fn start_with(plan: Plan, change: impl FnOnce(&mut SimulatorConfig)) -> Self {
        keep_logs();
        let canaries = Canaries::new();
        let mut config = SimulatorConfig { tokens: canaries.token_factory(), ..SimulatorConfig::default() };
        change(&mut config);
        let simulator = Arc::new(Simulator::start(config).await.expect("a simulator"));
        let callback = wardlock_tests::ports::unused();
        let redirect = format!("http://{callback}/callback");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("home");
        let home = Home::create(&path).expect("a home");
        home.mark_simulator().expect("a mark");
        let config = format!(
            "[listen]\ncallback = \"{callback}\"\noperators = \"127.0.0.1:0\"\n{}\n\n{}",
            plan.listen,
            unhurried(&plan.config)
        );
        home.write("wardlock.toml", config.as_bytes()).expect("written");
        let key = KeySource::File { path: path.join("state/vault.key") };
        Vault::create(&home.state_folder(), &key).expect("a vault");
        write_plan(&home, &plan);
        let dialled = dialled_and(&simulator, plan.elsewhere.clone());
        let host = Host::open(home, &key, dialled, "test").await.expect("a host");
        clients::register(&host, &simulator, &canaries, &redirect, &plan.services).await;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let gate = Gate::of(Arc::clone(&host));
        let running = Running::start(Arc::clone(&gate), any, Some(any)).await.expect("listening");
        let (agents, operators) = (running.agents(), running.operators().expect("an operators' listener"));
        let dashboard = running.dashboard().expect("a dashboard");
        let tokens = BTreeMap::new();
        let mut world = Self {
            host,
            simulator,
            canaries,
            tokens,
            agents,
            operators,
            dashboard,
            gate,
            logs: std::sync::Mutex::default(),
            running: Some(running),
            folder,
            searched: Searched::default(),
        };
        for (name, _) in &plan.workspaces {
            world.add_agent(&format!("agent-{name}"), name).await;
        }
        for connection in &plan.connect {
            world.connect(connection).await.expect("connected");
        }
        world
    }

    /// Makes an agent of a workspace.
    pub async fn add_agent(&mut self, name: &str, workspace: &str) -> String {
        let command = Command::AgentAdd { name: name.to_owned(), workspace: workspace.to_owned(), expires: None };
        let added = self.command(command).await.expect("an agent");
        let token = added["token"].as_str().expect("a token").to_owned();
        self.tokens.insert(workspace.to_owned(), token.clone());
        token
    }

    /// Connects as the default user of the region.
    pub async fn connect(&self, connection: &str) -> Result<Value, Failure> {
        self.connect_as(connection, Consent::default()).await
    }

    /// Connects as somebody, or refuses as somebody.
    pub async fn connect_as(&self, connection: &str, consent: Consent) -> Result<Value, Failure> {
        let person = Person { simulator: Arc::clone(&self.simulator), consent };
        self.connect_by(connection, How::Consent, &person).await
    }

    /// Connects in a way of its own, with somebody of one's own.
    pub async fn connect_by(&self, connection: &str, how: How, person: &dyn Talk) -> Result<Value, Failure> {
        let (workspace, connection) = connection.split_once('/').expect("workspace/connection");
        let command = Command::Connect {
            workspace: workspace.to_owned(),
            connection: connection.to_owned(),
            registration: None,
            agent: None,
            how,
            evict_oldest: false,
            tenant: None,
            scopes: None,
        };
        ops::execute(&self.host, command, Brought::Nothing, person).await
    }

    /// Carries a command out, with somebody at the browser.
    pub async fn command_as(
        &self,
        command: Command,
        brought: Brought,
        consent: Consent,
    ) -> Result<Value, Failure> {
        let person = Person { simulator: Arc::clone(&self.simulator), consent };
        ops::execute(&self.host, command, brought, &person).await
    }

    /// Carries a command out.
    pub async fn command(&self, command: Command) -> Result<Value, Failure> {
        ops::execute(&self.host, command, Brought::Nothing, &Silent).await
    }

    /// Sends a GET as the agent of `acme`.
    pub async fn get(&self, path: &str) -> RawReply {
        self.ask("acme", "GET", path, "", "").await
    }

    /// Sends a request as the agent of a workspace; `headers` are whole lines.
    pub async fn ask(&self, workspace: &str, method: &str, path: &str, headers: &str, body: &str) -> RawReply {
        let token = &self.tokens[workspace];
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        self.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n{length}{headers}Connection: close\r\n\r\n{body}",
            self.agents
        ))
        .await
    }

    /// Sends bytes as they are.
    pub async fn send(&self, request: impl Into<Vec<u8>>) -> RawReply {
        self.send_to(self.agents, request).await
    }

    /// Sends bytes as they are to one of the listeners.
    pub async fn send_to(&self, listener: SocketAddr, request: impl Into<Vec<u8>>) -> RawReply {
        let request = request.into();
        let sent = tokio::task::spawn_blocking(move || raw::exchange(listener, &request));
        let reply = sent.await.expect("a thread").expect("a reply");
        RECEIVED.lock().expect("a lock").extend_from_slice(&reply.bytes);
        reply
    }

    /// Asks the operators' listener.
    pub async fn operate(&self, path: &str, headers: &str) -> RawReply {
        let host = self.operators;
        self.send_to(host, format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n")).await
    }

    /// Every series that the metrics show, in text that is what it says to be.
    pub async fn series(&self) -> Series {
        let reply = self.operate("/metrics", "").await;
        assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        exposition::read(std::str::from_utf8(&reply.body).expect("UTF-8"))
    }

    /// Sends bytes as they are and returns all that comes until the host closes.
    pub async fn send_all(&self, requests: impl Into<Vec<u8>>) -> Vec<u8> {
        let (agents, requests) = (self.agents, requests.into());
        let sent = tokio::task::spawn_blocking(move || raw::exchange_all(agents, &requests));
        let bytes = sent.await.expect("a thread").expect("an answer");
        RECEIVED.lock().expect("a lock").extend_from_slice(&bytes);
        bytes
    }

    /// The audit rows of a reply's request.
    pub fn rows(&self, reply: &RawReply) -> Vec<wardlock_audit::Row> {
        let id = reply.header("wardlock-request-id").expect("a request id");
        self.host.audit().show(id).expect("rows")
    }

    /// How many requests the provider's APIs received, beside those that the host makes of its own.
    pub fn api_calls(&self) -> usize {
        let recordings = self.simulator.recordings();
        recordings.iter().filter(|seen| seen.sni.is_some() && !recorded::is_own(seen)).count()
    }

    /// Stops serving and waits until everything is written down.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }

    /// Ends the host, and leaves what outlives it: who takes it searches it.
    pub async fn leave(mut self) -> Left {
        self.stop().await;
        self.searched.0 = true;
        drop(self.host);
        Left { simulator: self.simulator, canaries: self.canaries, tokens: self.tokens, folder: self.folder }
    }

    /// Ends the world, compares what was sent with what was recorded, and searches everything that it leaves and said for
    /// canaries.
    pub async fn end(mut self) {
        if self.running.is_some() {
            self.series().await;
        }
        self.stop().await;
        let mut logs = vec![Log::of(&self.host)];
        logs.append(&mut self.logs.lock().expect("a lock"));
        let received = self.simulator.recordings();
        recorded::check(&logs, &received).expect("what was received is what was recorded");
        // What is derived from secrets is none of the simulator's tokens, and no less secret.
        for proof in received.iter().filter_map(|seen| seen.target.split_once("appsecret_proof=")) {
            let proof = proof.1.split('&').next().unwrap_or_default();
            self.canaries.watch("proof", proof.as_bytes());
        }
        self.canaries
            .scan("what agents received", &RECEIVED.lock().expect("a lock"))
            .expect("no canary in a reply");
        self.canaries.scan("the log", &LOGGED.lock().expect("a lock")).expect("no canary in the log");
        self.searched.0 = true;
        drop(self.host);
        // The key file is the one file that must hold its secret.
        self.canaries.scan_folder(self.folder.path(), &[]).expect("no canary in the home");
        self.canaries.scan_processes().expect("no canary in a command line");
    }

    /// The home's folder.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }
}

/// The simulator's world, for one more host in it.
pub fn dialled(simulator: &Arc<Simulator>) -> Dialled {
    dialled_and(simulator, Vec::new())
}

fn dialled_and(simulator: &Arc<Simulator>, elsewhere: Vec<(String, SocketAddr)>) -> Dialled {
    let hosts = simulator.hosts().into_iter().chain(elsewhere).collect();
    let dialer = Dialer::fixed(hosts, vec![simulator.ca_der()]).expect("a dialer");
    let shown = Arc::clone(simulator);
    let dialer = dialer.showing(move |url| shown.consent_url(url.as_str()).parse().expect("a url"));
    Dialled { dialer, simulated: true, worker: env!("CARGO_BIN_EXE_wardlock").into() }
}

fn write_plan(home: &Home, plan: &Plan) {
    for starter in wardlock_plugins::STARTERS {
        home.write(&format!("plugins/{}.wasm", starter.name), starter.bytes).expect("written");
    }
    for guest in &plan.guests {
        home.write(&format!("plugins/{guest}.wasm"), wardlock_tests::guests::guest(guest)).expect("written");
    }
    for (name, text) in &plan.workspaces {
        let mut text = text.clone();
        for guest in &plan.guests {
            let digest = wardlock_core::id::Digest::of(wardlock_tests::guests::guest(guest));
            text = text.replace(&format!("\"@guest:{guest}\""), &format!("\"{digest}\""));
        }
        let text = wardlock::policy::with_digests(&text);
        home.write(&format!("workspaces/{name}.toml"), text.as_bytes()).expect("written");
    }
}

/// Says nothing, opens nothing.
pub struct Silent;

impl Talk for Silent {
    fn say(&self, _text: String) {}

    fn open(&self, _page: Page) {}

    fn wait(&self, _text: String) {}
}

/// The person at the browser.
struct Person {
    simulator: Arc<Simulator>,
    consent: Consent,
}

impl Talk for Person {
    fn say(&self, _text: String) {}

    fn open(&self, page: Page) {
        let (simulator, consent) = (Arc::clone(&self.simulator), self.consent.clone());
        tokio::spawn(async move { simulator.consent(&page.url, &consent).await });
    }

    fn wait(&self, _text: String) {}
}
