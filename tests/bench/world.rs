//! A whole Wardlock in this process, as `wardlock demo` has it, but with its API host elsewhere: the simulator only
//! gives the consent and the token. It may have neighbours: further workspaces with all that an operator makes for one.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use tempfile::TempDir;
use wardlock::admin::{Brought, Command, Failure, How, Page};
use wardlock::gate::Gate;
use wardlock::home::Home;
use wardlock::host::{Host, World as Dialled};
use wardlock::ops::{self, Talk};
use wardlock::serve::Running;
use wardlock_core::id::{GrantName, Region, RegistrationName, ServiceName};
use wardlock_egress::Dialer;
use wardlock_egress::vault::{KeySource, NewAccess, NewGrant, NewRegistration, Secret, Tenant, Vault};
use wardlock_simulator::{ClientSpec, Simulator, SimulatorConfig};
use zeroize::Zeroizing;

use crate::upstream::{self, Upstream};

const CLIENT_ID: &str = "1000.BENCHCLIENT0000000000000000000001";
const CLIENT_SECRET: &str = "bench-client-secret-of-nobody";

/// One connection with one plugin, which a busy machine may keep waiting, and places for every connection of the bench. The audit is as it comes: what is
/// recorded of a read survives a crash.
const WORKSPACE: &str = r#"
workspace = "acme"

[connections.zoho]
label      = "bench"
service    = "zoho-crm"
region     = "eu"
grant      = "acme-zoho"
resources  = ["Leads"]
operations = ["records.read"]

[[connections.zoho.plugins]]
name   = "read-only"
file   = "read-only.wasm"
sha256 = "@read-only"
limits = { time = "500ms" }
"#;
const LIMITS: &str =
    "[limits]\nrequests = 512\nrequests_per_agent = 512\nrate = \"1000000/s\"\nrate_per_agent = \"1000000/s\"\n";

/// A workspace beside it, whose connections, named after their plugins, are hostile.
const HOSTILE: &str = r#"
[connections.{name}]
label      = "bench"
service    = "zoho-crm"
region     = "eu"
grant      = "noisy-zoho"
resources  = ["Leads"]
operations = ["records.read"]

[[connections.{name}.plugins]]
name   = "{name}"
file   = "{name}.wasm"
sha256 = "{digest}"
limits = { time = "20ms", memory = "32MiB" }
"#;

/// A running world.
pub struct World {
    pub host: Arc<Host>,
    pub agents: SocketAddr,
    /// The token of each workspace's agent.
    pub tokens: BTreeMap<&'static str, String>,
    running: Running,
    simulator: Arc<Simulator>,
    key: KeySource,
    // Last: what is open in it is dropped before it goes.
    folder: TempDir,
}

/// What stands beside `acme`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Others<'a> {
    /// Guests: with any there is a workspace `noisy`, with a connection for each.
    pub hostile: &'a [&'a str],
    /// How many further workspaces there are, with all that an operator makes for one.
    pub neighbours: u32,
}

impl World {
    /// Does what an operator would: home, registration, consent, agent, serve.
    pub async fn start(upstream: &Upstream, others: Others<'_>) -> anyhow::Result<Self> {
        let simulator = Arc::new(Simulator::start(SimulatorConfig::default()).await?);
        let callback = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let redirect_uri = format!("http://{callback}/callback");
        simulator.add_client(ClientSpec::new(CLIENT_ID, CLIENT_SECRET, &redirect_uri));
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("home");
        let home = Home::create(&path)?;
        home.mark_simulator()?;
        home.write("wardlock.toml", format!("[listen]\ncallback = \"{callback}\"\n{LIMITS}").as_bytes())?;
        for starter in wardlock_plugins::STARTERS {
            home.write(&format!("plugins/{}.wasm", starter.name), starter.bytes)?;
        }
        home.write("workspaces/acme.toml", wardlock::policy::with_digests(WORKSPACE).as_bytes())?;
        if !others.hostile.is_empty() {
            write_hostile(&home, others.hostile)?;
        }
        for number in 0..others.neighbours {
            let text = WORKSPACE.replace("acme", &neighbour(number));
            let name = format!("workspaces/{}.toml", neighbour(number));
            home.write(&name, wardlock::policy::with_digests(&text).as_bytes())?;
        }
        let key = KeySource::File { path: path.join("state/vault.key") };
        Vault::create(&home.state_folder(), &key)?;
        let host = Host::open(home, &key, dialled(&simulator, upstream)?, "bench")
            .await
            .map_err(|failure| told(&failure))?;
        host.vault().add_registration(registration(redirect_uri)?)?;
        connect(&host, &simulator, "acme", "zoho").await?;
        let mut tokens = BTreeMap::from([("acme", add_agent(&host, "reporter", "acme").await?)]);
        if let Some(connection) = others.hostile.first() {
            connect(&host, &simulator, "noisy", connection).await?;
            tokens.insert("noisy", add_agent(&host, "noisy", "noisy").await?);
        }
        for number in 0..others.neighbours {
            host.vault().put_grant(grant(&neighbour(number))?)?;
            add_agent(&host, &neighbour(number), &neighbour(number)).await?;
        }
        let running = run(&host).await?;
        Ok(Self { agents: running.agents(), host, tokens, running, simulator, key, folder })
    }

    /// Ends it and opens its home again, and returns how long that took, up to where it listens.
    pub async fn again(self, upstream: &Upstream) -> anyhow::Result<(Self, Duration)> {
        let Self { host, tokens, running, simulator, key, folder, .. } = self;
        running.stop().await;
        // Tasks that were told to end still hold it for a moment.
        let mut held = host;
        while let Err(still) = Arc::try_unwrap(held) {
            held = still;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let dialled = dialled(&simulator, upstream)?;
        let began = Instant::now();
        let home = Home::open(&folder.path().join("home"))?;
        let host = Host::open(home, &key, dialled, "bench").await.map_err(|failure| told(&failure))?;
        let running = run(&host).await?;
        let took = began.elapsed();
        Ok((Self { agents: running.agents(), host, tokens, running, simulator, key, folder }, took))
    }

    /// Stores a consent, as any new token is stored.
    pub fn store(&self) -> anyhow::Result<()> {
        self.host.vault().put_grant(grant("newcomer")?)?;
        Ok(())
    }

    /// Stops it, with everything recorded.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}

/// The year 2100, by the wall clock.
const FAR: u64 = 4_102_444_800_000;

/// The name of a neighbour: of its workspace and its agent.
fn neighbour(number: u32) -> String {
    format!("client-{number:05}")
}

/// A consent of a neighbour, as one that was given long ago.
fn grant(workspace: &str) -> anyhow::Result<NewGrant> {
    let token = || {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits)?;
        let (one, other) = bits.split_at(16);
        let token = format!("1000.{}.{}", hex::encode(one), hex::encode(other));
        anyhow::Ok(Secret::from_bytes(Zeroizing::new(token.into_bytes()))?)
    };
    let tenant = Tenant {
        id: upstream::TENANT.to_owned(),
        label: workspace.to_owned(),
        environment: "production".to_owned(),
    };
    Ok(NewGrant {
        name: GrantName::parse(&format!("{workspace}-zoho"))?,
        registration: RegistrationName::parse("zoho")?,
        service: ServiceName::parse("zoho-crm")?,
        region: Region::parse("eu")?,
        environment: "production".to_owned(),
        scopes: vec!["ZohoCRM.modules.ALL".to_owned()],
        refresh_token: Some(Arc::new(token()?)),
        access: Some(NewAccess { token: Arc::new(token()?), expires_ms: FAR }),
        api_host: None,
        tenant: Some(tenant),
        accounts: BTreeMap::new(),
        user: None,
        created_ms: 1,
    })
}

async fn add_agent(host: &Arc<Host>, name: &str, workspace: &str) -> anyhow::Result<String> {
    let add = Command::AgentAdd { name: name.to_owned(), workspace: workspace.to_owned(), expires: None };
    let added = ops::execute(host, add, Brought::Nothing, &Silent).await.map_err(|failure| told(&failure))?;
    Ok(added["token"].as_str().context("a token")?.to_owned())
}

async fn run(host: &Arc<Host>) -> anyhow::Result<Running> {
    let gate = Gate::of(Arc::clone(host));
    Running::start(gate, (Ipv4Addr::LOCALHOST, 0).into(), None).await.map_err(|failure| told(&failure))
}

/// The simulator's world, but for the one API host.
fn dialled(simulator: &Arc<Simulator>, upstream: &Upstream) -> anyhow::Result<Dialled> {
    let mut hosts = simulator.hosts();
    hosts.insert(upstream::HOST.to_owned(), upstream.address);
    let dialer = Dialer::fixed(hosts, vec![simulator.ca_der(), upstream.ca_der.clone()])?;
    let shown = Arc::clone(simulator);
    let dialer = dialer.showing(move |url| shown.consent_url(url.as_str()).parse().unwrap_or(url));
    Ok(Dialled { dialer, simulated: true, worker: wardlock_sandbox::ITSELF.into() })
}

fn registration(redirect_uri: String) -> anyhow::Result<NewRegistration> {
    Ok(NewRegistration {
        name: RegistrationName::parse("zoho")?,
        service: ServiceName::parse("zoho-crm")?,
        client_id: CLIENT_ID.to_owned(),
        redirect_uri,
        secret: Some(Secret::from_bytes(Zeroizing::new(CLIENT_SECRET.as_bytes().to_vec()))?),
        program: Vec::new(),
        region_secrets: BTreeMap::new(),
        created_ms: 1,
    })
}

fn write_hostile(home: &Home, guests: &[&str]) -> anyhow::Result<()> {
    let mut text = "workspace = \"noisy\"\n".to_owned();
    for name in guests {
        let bytes = wardlock_tests::guests::guest(name);
        home.write(&format!("plugins/{name}.wasm"), bytes)?;
        let digest = wardlock_core::id::Digest::of(bytes).to_string();
        text += &HOSTILE.replace("{name}", name).replace("{digest}", &digest);
    }
    Ok(home.write("workspaces/noisy.toml", text.as_bytes())?)
}

async fn connect(
    host: &Arc<Host>,
    simulator: &Arc<Simulator>,
    workspace: &str,
    connection: &str,
) -> anyhow::Result<()> {
    let command = Command::Connect {
        workspace: workspace.to_owned(),
        connection: connection.to_owned(),
        registration: None,
        agent: None,
        how: How::Consent,
        evict_oldest: false,
        tenant: None,
        scopes: None,
    };
    let person = Willing(Arc::clone(simulator));
    ops::execute(host, command, Brought::Nothing, &person).await.map(drop).map_err(|failure| told(&failure))
}

fn told(failure: &Failure) -> anyhow::Error {
    anyhow!("{failure}")
}

/// Says nothing, opens nothing.
struct Silent;

impl Talk for Silent {
    fn say(&self, _text: String) {}

    fn open(&self, _page: Page) {}

    fn wait(&self, _text: String) {}
}

/// The person at the browser, who accepts.
struct Willing(Arc<Simulator>);

impl Talk for Willing {
    fn say(&self, _text: String) {}

    fn wait(&self, _text: String) {}

    fn open(&self, page: Page) {
        let simulator = Arc::clone(&self.0);
        // Where this fails, the consent that waits for it fails.
        tokio::spawn(async move { simulator.approve(&page.url).await.map(drop) });
    }
}
