//! One home against one simulator: vault, audit, egress, a consent that a person accepts, and permits.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::fault::Fault;
use tokio::sync::mpsc;
use url::Url;
use wardlock_audit::{Audit, Filter, OutcomeGuard, Receipt};
use wardlock_core::connection::Connection;
use wardlock_core::decision::Permit;
use wardlock_core::id::{ConnectionName, RegistrationName};
use wardlock_core::service::ServiceDefinition;
use wardlock_egress::vault::{NewRegistration, Secret};
use wardlock_egress::{
    CallbackListener, ConnectError, ConnectPlan, Connected, Dialer, Egress, Event, Limits, Progress, SendError,
    Sent,
};
use wardlock_simulator::{Approval, ClientSpec, Consent, Recording, Role, Simulator, SimulatorConfig};

pub use crate::home::LEADS;
use crate::home::{self, moving};

/// The simulated client's secret: a canary, looked for where it must not be.
pub const CLIENT_SECRET: &str = "canary-client-secret-0123456789abcdef";
pub const CLIENT_ID: &str = "1000.ABCDEFGHIJKLMNOPQRSTUVWXYZ0123";

/// What outlives a process of ours: the provider, the home's files, the clock.
pub struct Left {
    pub simulator: Arc<Simulator>,
    pub ahead_ms: Arc<AtomicU64>,
    pub folder: tempfile::TempDir,
    listener: CallbackListener,
}

impl Left {
    /// Opens the home.
    pub fn open(self) -> World {
        let Self { simulator, ahead_ms, folder, listener } = self;
        let clock = moving(Arc::clone(&ahead_ms));
        let (vault, audit) = home::open(folder.path(), &clock);
        let egress = Egress::new(vault, dialer(&simulator), audit.clone(), clock);
        let service = Arc::new(home::service());
        World { simulator, egress, audit, service, listener, ahead_ms, folder }
    }
}

/// A home, its provider, and a clock that can be moved.
pub struct World {
    pub simulator: Arc<Simulator>,
    pub egress: Egress,
    pub audit: Audit,
    pub service: Arc<ServiceDefinition>,
    listener: CallbackListener,
    ahead_ms: Arc<AtomicU64>,
    folder: tempfile::TempDir,
}

impl World {
    pub async fn new() -> Self {
        let ahead_ms = Arc::new(AtomicU64::new(0));
        let clock = moving(Arc::clone(&ahead_ms));
        let config = SimulatorConfig { clock: Arc::clone(&clock), ..SimulatorConfig::default() };
        let simulator = Arc::new(Simulator::start(config).await.expect("a simulator"));
        let free: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        let listener = CallbackListener::bind(free, None, Arc::clone(&clock)).await.expect("a listener");
        simulator.add_client(ClientSpec::new(CLIENT_ID, CLIENT_SECRET, listener.redirect_uri()));

        let folder = tempfile::tempdir().expect("a folder");
        let vault = home::make_vault(folder.path());
        vault.add_registration(registration(&listener.redirect_uri())).expect("a registration");
        drop(vault);
        Left { simulator, ahead_ms, folder, listener }.open()
    }

    /// Closes vault and audit, as the end of the process does.
    pub fn leave(self) -> Left {
        let Self { simulator, listener, ahead_ms, folder, .. } = self;
        Left { simulator, ahead_ms, folder, listener }
    }

    pub fn redirect_uri(&self) -> String {
        self.listener.redirect_uri()
    }

    pub fn service(&self) -> Arc<ServiceDefinition> {
        Arc::clone(&self.service)
    }

    /// Moves the clock of both sides forward.
    pub fn advance(&self, milliseconds: u64) {
        self.ahead_ms.fetch_add(milliseconds, Ordering::SeqCst);
    }

    /// Moves the clock of both sides back by as much as it was moved forward, or less.
    pub fn set_back(&self, milliseconds: u64) {
        self.ahead_ms.fetch_sub(milliseconds, Ordering::SeqCst);
    }

    /// Makes another handle on the same vault, with nothing in memory: as after a restart.
    pub fn restarted(&self) -> Egress {
        let clock = moving(Arc::clone(&self.ahead_ms));
        Egress::new(Arc::clone(self.egress.vault()), dialer(&self.simulator), self.audit.clone(), clock)
    }

    /// Makes another handle on the same vault for which every host of the provider is at this address.
    pub fn elsewhere(&self, address: SocketAddr) -> Egress {
        let hosts = self.simulator.hosts().into_keys().map(|host| (host, address)).collect();
        let dialer = Dialer::fixed(hosts, vec![self.simulator.ca_der()]).expect("a dialer");
        let total = Duration::from_millis(300);
        let limits = Limits { connect: Duration::from_secs(1), total, idle: total };
        let clock = moving(Arc::clone(&self.ahead_ms));
        Egress::with_limits(Arc::clone(self.egress.vault()), dialer, self.audit.clone(), clock, limits)
    }

    /// Makes another handle on the same vault for which these hosts are faulty ones, and the others the simulator. It
    /// waits so long for connections, answers and pieces of them.
    pub fn with_hosts(&self, hosts: &[(&str, SocketAddr)], fault: &Fault, patience: Duration) -> Egress {
        let mut all = self.simulator.hosts();
        all.extend(hosts.iter().map(|(host, address)| ((*host).to_owned(), *address)));
        let roots = vec![self.simulator.ca_der(), fault.ca_der.clone()];
        let dialer = Dialer::fixed(all, roots).expect("a dialer");
        let limits = Limits { connect: patience, total: patience, idle: patience };
        let clock = moving(Arc::clone(&self.ahead_ms));
        Egress::with_limits(Arc::clone(self.egress.vault()), dialer, self.audit.clone(), clock, limits)
    }

    /// The same, with more patience than any machine needs.
    pub fn at(&self, hosts: &[(&str, SocketAddr)], fault: &Fault) -> Egress {
        self.with_hosts(hosts, fault, Duration::from_mins(1))
    }

    /// The API of `eu` at the faulty provider.
    pub fn api_at(&self, fault: &Fault) -> Egress {
        self.at(&[("www.zohoapis.eu", fault.address)], fault)
    }

    /// The same, for faults that end with patience.
    pub fn hurried_api_at(&self, fault: &Fault) -> Egress {
        self.with_hosts(&[("www.zohoapis.eu", fault.address)], fault, Duration::from_millis(1200))
    }

    /// The accounts server of `eu` at the faulty provider.
    pub fn accounts_at(&self, fault: &Fault) -> Egress {
        self.at(&[("accounts.zoho.eu", fault.address)], fault)
    }

    pub fn plan(&self, region: &str) -> ConnectPlan {
        let connection = self.connection(region);
        ConnectPlan {
            grant: connection.grant.clone(),
            registration: RegistrationName::parse("main").expect("a name"),
            service: Arc::clone(&self.service),
            region: connection.region.clone(),
            environment: "production".to_owned(),
            scopes: wardlock_egress::scopes_for(&connection),
            tenant: None,
            named_tenant: None,
            also_of: std::collections::BTreeSet::new(),
            sharing: Vec::new(),
            pinning: [self.service.name.clone()].into(),
            shown_scopes: Vec::new(),
            params: std::collections::BTreeMap::new(),
            label: "Acme".to_owned(),
            invite_ms: None,
            evict_oldest: false,
            who: "test".to_owned(),
        }
    }

    /// Connects, with a person who accepts.
    pub async fn connect(&self, region: &str) -> Result<Connected, ConnectError> {
        self.connect_as(self.plan(region), Consent::default()).await.0
    }

    /// Connects, with a person who decides as told; returns what the browser saw last.
    pub async fn connect_as(
        &self,
        plan: ConnectPlan,
        consent: Consent,
    ) -> (Result<Connected, ConnectError>, Option<Approval>) {
        let person = async |url: Url| {
            assert_eq!(url.scheme(), "http", "the simulator's page is plain http on loopback");
            self.simulator.consent(url.as_str(), &consent).await.ok()
        };
        let (connected, approval, _) = self.connect_with(plan, person).await;
        (connected, approval)
    }

    /// Connects, with a person who does something with the first address that is shown; returns what was told, too.
    pub async fn connect_with(
        &self,
        plan: ConnectPlan,
        person: impl AsyncFnOnce(Url) -> Option<Approval>,
    ) -> (Result<Connected, ConnectError>, Option<Approval>, Vec<String>) {
        let (tell, mut told) = mpsc::unbounded_channel();
        let events = Arc::new(Mutex::new(Vec::new()));
        let progress = Told { open: tell, events: Arc::clone(&events) };
        let person = async { person(told.recv().await?).await };
        let ours = async {
            let connected = sendable(self.egress.connect(plan, &self.listener, &progress)).await;
            drop(progress);
            connected
        };
        let (connected, approval) = tokio::join!(ours, person);
        let events = std::mem::take(&mut *events.lock().expect("a lock"));
        (connected, approval, events)
    }

    pub fn connection(&self, region: &str) -> Arc<Connection> {
        home::connection(&self.service, region)
    }

    /// Lets a request through rules and chain, and records its intent.
    pub async fn permit(
        &self,
        region: &str,
        method: &str,
        target: &str,
        body: &[u8],
    ) -> (Permit, Receipt, OutcomeGuard) {
        home::permit(&self.egress, &self.audit, self.connection(region), method, target, body).await
    }

    /// Reads Leads through everything.
    pub async fn read(&self, region: &str) -> Result<Sent, SendError> {
        self.read_with(&self.egress, region).await
    }

    /// The same, by another connection of the region's grant.
    pub async fn read_of(&self, region: &str, name: &str) -> Result<Sent, SendError> {
        let mut connection = Connection::clone(&self.connection(region));
        connection.name = ConnectionName::parse(name).expect("a name");
        let (permit, receipt, _guard) =
            home::permit(&self.egress, &self.audit, Arc::new(connection), "GET", LEADS, b"").await;
        self.egress.send(permit, receipt).await
    }

    /// Reads Leads on a connection with a plugin that judges answers.
    pub async fn read_judged(&self, egress: &Egress, region: &str) -> Result<Sent, SendError> {
        let mut connection = Connection::clone(&self.connection(region));
        connection.chain[0].hooks = wardlock_core::connection::Hooks::Both;
        let (permit, receipt, _guard) =
            home::permit(&self.egress, &self.audit, Arc::new(connection), "GET", LEADS, b"").await;
        egress.send(permit, receipt).await
    }

    pub async fn read_with(&self, egress: &Egress, region: &str) -> Result<Sent, SendError> {
        let (permit, receipt, _guard) = self.permit(region, "GET", LEADS, b"").await;
        egress.send(permit, receipt).await
    }

    /// Returns every request that reached an accounts or API host.
    pub fn recorded(&self) -> Vec<Recording> {
        let recordings = self.simulator.recordings();
        recordings.into_iter().filter(|recording| recording.sni.is_some()).collect()
    }

    pub fn api_calls(&self) -> usize {
        let of_leads = |r: &&Recording| r.role == Role::Api && r.path().ends_with("/Leads");
        self.recorded().iter().filter(of_leads).count()
    }

    /// Returns the audit's rows as they are shown, and every byte of both databases.
    #[expect(clippy::disallowed_methods, reason = "a test looks at files that the product opens itself")]
    pub fn audit_bytes(&self) -> Vec<u8> {
        let rows = self.audit.list(&Filter::default()).expect("rows");
        let mut bytes = format!("{rows:?}").into_bytes();
        for name in ["audit.db", "audit.db-wal", "vault/vault.db", "vault/vault.db-wal"] {
            bytes.extend(std::fs::read(self.folder.path().join(name)).unwrap_or_default());
        }
        bytes
    }

    /// Fails if a secret shows in these bytes.
    #[track_caller]
    pub fn assert_no_secret(&self, bytes: &[u8]) {
        let mut secrets = self.simulator.access_tokens();
        secrets.extend(self.simulator.refresh_tokens());
        secrets.push(CLIENT_SECRET.to_owned());
        for secret in secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "a stored secret shows");
        }
    }
}

/// Returns the hosts that were called.
pub fn hosts(recorded: &[Recording]) -> BTreeSet<&str> {
    recorded.iter().map(|recording| recording.host.as_str()).collect()
}

struct Told {
    open: mpsc::UnboundedSender<Url>,
    events: Arc<Mutex<Vec<String>>>,
}

impl Progress for Told {
    fn on(&self, event: Event<'_>) {
        match &event {
            Event::Open { start, .. } => self.open.send(start.parse().expect("a URL")).expect("somebody opens it"),
            Event::Invite { link, .. } => self.open.send(link.parse().expect("a URL")).expect("somebody opens it"),
            _ => {}
        }
        self.events.lock().expect("a lock").push(format!("{event:?}"));
    }
}

/// The host spawns it, so it must be able to move between threads.
fn sendable<F: Future + Send>(future: F) -> F {
    future
}

fn dialer(simulator: &Arc<Simulator>) -> Dialer {
    let base = simulator.consent_base();
    let show = move |url: Url| {
        let rest = url.as_str().strip_prefix("https://").expect("https").to_owned();
        Url::parse(&format!("{base}/{rest}")).expect("a URL")
    };
    Dialer::fixed(simulator.hosts(), vec![simulator.ca_der()]).expect("a dialer").showing(show)
}

/// The simulated client, as it is stored.
pub fn registration(redirect_uri: &str) -> NewRegistration {
    NewRegistration {
        name: RegistrationName::parse("main").expect("a name"),
        service: wardlock_core::id::ServiceName::parse("zoho-crm").expect("a name"),
        client_id: CLIENT_ID.to_owned(),
        redirect_uri: redirect_uri.to_owned(),
        secret: Some(Secret::from_bytes(CLIENT_SECRET.as_bytes().to_vec().into()).expect("a secret")),
        program: Vec::new(),
        region_secrets: BTreeMap::new(),
        created_ms: 0,
    }
}
