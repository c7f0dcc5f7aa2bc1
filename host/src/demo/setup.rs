//! What an operator does by hand, done for the demo: a home, two workspaces, a registration, a consent, an agent.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use wardlock_core::id::{RegistrationName, ServiceName};
use wardlock_egress::Dialer;
use wardlock_egress::vault::{KeySource, NewRegistration, Secret, Vault};
use wardlock_sandbox::ITSELF;
use wardlock_simulator::{Simulator, SimulatorConfig};
use zeroize::Zeroizing;

use super::clients::{self, CLIENT_ID, CLIENT_SECRET};
use crate::admin::{Brought, Command, Failure, How, Page};
use crate::gate::Gate;
use crate::home::{self, CONFIG_FILE, Home};
use crate::host::{Host, World};
use crate::ops::{self, Talk};
use crate::serve::Running;

/// The demo's workspaces: one that is connected, one that belongs to another client.
const ACME: &str = include_str!("acme.toml");
const GLOBEX: &str = include_str!("globex.toml");

/// A running demo.
pub struct Demo {
    /// Every part of the product.
    pub host: Arc<Host>,
    /// The stand-in for the provider.
    pub simulator: Arc<Simulator>,
    /// The agent's token.
    pub token: String,
    running: Running,
    // Last: what is open in it is dropped before it goes.
    _folder: Folder,
}

/// The demo's home folder, gone when dropped.
struct Folder(PathBuf);

impl Folder {
    /// Names a folder that nobody can have foreseen; it is not made yet.
    fn new() -> Result<Self, Failure> {
        let mut bits = [0; 8];
        getrandom::fill(&mut bits)
            .map_err(|error| Failure::no(format!("the system has no randomness: {error}")))?;
        let name = format!("wardlock-demo-{:016x}", u64::from_be_bytes(bits));
        Ok(Self(std::env::temp_dir().join(name)))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.0.exists()
            && let Err(error) = home::remove_simulator_home(&self.0)
        {
            crate::cli::line(&format!("the demo's folder stays: {error}"));
        }
    }
}

/// Where the demo looks for a port: beside the one that a real home has, and below those that systems give out.
const CALLBACK_PORTS: std::ops::Range<u16> = 7431..7531;

impl Demo {
    /// Sets everything up, as an operator would.
    pub async fn start(once: bool) -> Result<Self, Failure> {
        let simulator = Arc::new(start_simulator().await?);
        let callback = free_address()?;
        clients::add(&simulator, callback);
        let folder = Folder::new()?;
        let home = make_home(&folder.0, callback)?;
        let unlock = KeySource::File { path: key_path(&home) };
        let host = Host::open(home, &unlock, world(&simulator)?, "demo").await?;
        register(&host, callback)?;
        connect(&host, &simulator).await?;
        let added = Command::AgentAdd { name: "reporter".to_owned(), workspace: "acme".to_owned(), expires: None };
        let agent = ops::execute(&host, added, Brought::Nothing, &Silent).await?;
        let token = agent["token"].as_str().unwrap_or_default().to_owned();
        let running = start_listeners(&host, once).await?;
        Ok(Self { host, simulator, token, running, _folder: folder })
    }

    /// Returns the agents' address.
    pub fn agents(&self) -> SocketAddr {
        self.running.agents()
    }

    /// Stops everything and removes the demo's home.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}

/// Starts the simulator as it comes.
pub async fn start_simulator() -> Result<Simulator, Failure> {
    Simulator::start(SimulatorConfig::default())
        .await
        .map_err(|error| Failure::no(format!("failed to start the simulator: {error}")))
}

/// The simulator's world: its hosts on loopback under its own certificate authority, its consent page as plain http.
pub fn world(simulator: &Arc<Simulator>) -> Result<World, Failure> {
    let dialer = Dialer::fixed(simulator.hosts(), vec![simulator.ca_der()])
        .map_err(|error| Failure::no(format!("failed to dial the simulator: {error}")))?;
    let shown = Arc::clone(simulator);
    let dialer = dialer.showing(move |url| shown.consent_url(url.as_str()).parse().unwrap_or(url));
    Ok(World { dialer, simulated: true, worker: ITSELF.into() })
}

/// The redirect URI that a listener on this address stands for.
pub fn redirect_uri(callback: SocketAddr) -> String {
    format!("http://{callback}/callback")
}

fn key_path(home: &Home) -> PathBuf {
    home.state_folder().join("vault.key")
}

/// Finds a port for the callback that nobody listens on. Not one that the system would give out by itself: a connection
/// of the demo's own could take it before the listener does.
fn free_address() -> Result<SocketAddr, Failure> {
    let mut addresses = CALLBACK_PORTS.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    addresses.find(|&address| std::net::TcpListener::bind(address).is_ok()).ok_or_else(|| {
        let (first, last) = (CALLBACK_PORTS.start, CALLBACK_PORTS.end - 1);
        Failure::no(format!("all ports from {first} to {last} are taken")).hint("end another demo first")
    })
}

fn make_home(folder: &std::path::Path, callback: SocketAddr) -> Result<Home, Failure> {
    let home = Home::create(folder)?;
    home.mark_simulator()?;
    home.write(CONFIG_FILE, format!("[listen]\ncallback = \"{callback}\"\n").as_bytes())?;
    Vault::create(&home.state_folder(), &KeySource::File { path: key_path(&home) })?;
    for starter in wardlock_plugins::STARTERS {
        home.write(&format!("plugins/{}.wasm", starter.name), starter.bytes)?;
    }
    for (name, text) in [("acme", ACME), ("globex", GLOBEX)] {
        home.write(&format!("workspaces/{name}.toml"), crate::policy::with_digests(text).as_bytes())?;
    }
    Ok(home)
}

fn register(host: &Host, callback: SocketAddr) -> Result<(), Failure> {
    let secret = Secret::from_bytes(Zeroizing::new(CLIENT_SECRET.as_bytes().to_vec())).map_err(Failure::no)?;
    host.vault().add_registration(NewRegistration {
        name: RegistrationName::parse("zoho").map_err(Failure::no)?,
        service: ServiceName::parse("zoho-crm").map_err(Failure::no)?,
        client_id: CLIENT_ID.to_owned(),
        redirect_uri: redirect_uri(callback),
        secret: Some(secret),
        program: Vec::new(),
        region_secrets: std::collections::BTreeMap::new(),
        created_ms: host.now_ms(),
    })?;
    Ok(())
}

/// The real consent flow; the simulator plays the person at the browser.
async fn connect(host: &Arc<Host>, simulator: &Arc<Simulator>) -> Result<(), Failure> {
    let command = Command::Connect {
        workspace: "acme".to_owned(),
        connection: "zoho".to_owned(),
        registration: Some("zoho".to_owned()),
        agent: None,
        how: How::Consent,
        evict_oldest: false,
        tenant: None,
        scopes: None,
    };
    let person = Willing { simulator: Arc::clone(simulator) };
    ops::execute(host, command, Brought::Nothing, &person).await.map(drop)
}

async fn start_listeners(host: &Arc<Host>, once: bool) -> Result<Running, Failure> {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    if once {
        return Running::start(Gate::of(Arc::clone(host)), any, None).await;
    }
    match Running::start(Gate::of(Arc::clone(host)), host.config().agents(), None).await {
        Ok(running) => Ok(running),
        // Another Wardlock may hold the usual port; a demo must not fail over that.
        Err(_) => Running::start(Gate::of(Arc::clone(host)), any, None).await,
    }
}

/// Marks a home for the simulator while nothing real stands in it.
pub fn mark_new_home(home: &Home, unlock: &KeySource) -> Result<(), Failure> {
    let vault = Vault::open(&home.state_folder(), unlock)?;
    if vault.registrations()?.is_empty() && vault.grants()?.is_empty() {
        return Ok(home.mark_simulator()?);
    }
    Err(Failure::home(format!("{} holds registrations or grants of real providers", home.path().display()))
        .hint("make a home for the simulator: `wardlock --home FOLDER init`"))
}

/// Says nothing.
struct Silent;

impl Talk for Silent {
    fn say(&self, _text: String) {}

    fn open(&self, _page: Page) {}

    fn wait(&self, _text: String) {}
}

/// A person who accepts.
struct Willing {
    simulator: Arc<Simulator>,
}

impl Talk for Willing {
    fn say(&self, _text: String) {}

    fn wait(&self, _text: String) {}

    fn open(&self, page: Page) {
        let simulator = Arc::clone(&self.simulator);
        tokio::spawn(async move {
            if let Err(error) = simulator.approve(&page.url).await {
                tracing::error!(%error, "the simulated person could not consent");
            }
        });
    }
}

/// Prints the report for programs.
pub fn data(report: &Value) {
    crate::cli::data(report);
}

/// Tells the report to a person.
pub fn told(report: &Value) -> String {
    let mut lines = Vec::new();
    for case in super::CASES {
        let seen = &report[case.name];
        let said = |name: &str| seen[name].as_str().unwrap_or("-").to_owned();
        lines.push(format!("{} {}", case.method, case.path));
        lines.push(format!("  {}", case.says));
        let plugins: Vec<String> = seen["plugins"].as_array().into_iter().flatten().map(plugin_line).collect();
        if !plugins.is_empty() {
            lines.push(format!("  plugins   {}", plugins.join(", ")));
        }
        let code = seen["code"].as_str().map(|code| format!(" {code}")).unwrap_or_default();
        lines.push(format!("  decision  {}{code}", said("decision")));
        if seen["upstream_status"].is_number() {
            lines.push(format!(
                "  upstream  {} answered {}, outcome {}, secret exposed: {}",
                said("api_host"),
                seen["upstream_status"],
                said("outcome"),
                seen["secret_exposed"]
            ));
        }
        lines.push(String::new());
    }
    lines.push(format!(
        "token calls: {}   audit rows: {}   chain verified: {}   all as it must be: {}",
        report["token_calls"], report["audit"]["rows"], report["audit"]["verified"], report["ok"]
    ));
    lines.join("\n")
}

fn plugin_line(plugin: &Value) -> String {
    format!(
        "{} {} ({} µs)",
        plugin["name"].as_str().unwrap_or("-"),
        plugin["verdict"].as_str().unwrap_or("-"),
        plugin["micros"]
    )
}

/// Says how to try it by hand.
pub fn invite(demo: &Demo) {
    crate::cli::line(&format!(
        "\nThe proxy runs; the provider is the simulator. Try:\n\n  curl -H 'Authorization: Bearer {}' \\\n    'http://{}/acme/zoho/crm/v8/Leads?fields=Last_Name,Email&per_page=2'\n\nctrl-C ends the demo and leaves nothing behind.",
        demo.token,
        demo.agents()
    ));
}
