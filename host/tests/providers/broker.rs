//! A Wardlock in this process: its home is real, and the only hosts that it finds are one peer's.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc;
use wardlock::admin::{Brought, Command, Failure, How, Page};
use wardlock::gate::Gate;
use wardlock::home::Home;
use wardlock::host::{Host, World};
use wardlock::ops::{self, Talk};
use wardlock::serve::Running;
use wardlock_core::id::{RegistrationName, ServiceName};
use wardlock_egress::Dialer;
use wardlock_egress::vault::{KeySource, NewRegistration, Secret, Vault};
use wardlock_tests::raw::{self, RawReply};
use zeroize::Zeroizing;

use crate::peer::{Peer, Plan};

pub const CLIENT_ID: &str = "wardlock-test-client";
pub const CLIENT_SECRET: &str = "client-secret-of-the-suite-0123456789";

/// What is connected to what.
pub struct Setting<'a> {
    pub script: &'a str,
    pub hosts: &'a [&'a str],
    /// More for the server's `plan.json`.
    pub more: Value,
    pub service: &'a str,
    /// The text of the definition, where it is not built in.
    pub definition: Option<&'a str>,
    /// The connection's table in the workspace file.
    pub connection: &'a str,
}

pub struct Broker {
    pub peer: Arc<Peer>,
    pub host: Arc<Host>,
    token: String,
    running: Running,
    folder: TempDir,
}

/// What is left of one that was stopped: its home, its provider, its agent's token.
pub struct Left {
    pub peer: Arc<Peer>,
    pub folder: TempDir,
    pub token: String,
}

/// The home within its folder.
const HOME: &str = "home";

impl Broker {
    /// Starts the peer and a host with one connection, `acme/api`, which is not connected yet.
    pub async fn start(setting: &Setting<'_>) -> Self {
        let callback = wardlock_tests::ports::unused();
        let redirect_uri = format!("http://{callback}/callback");
        let peer = Peer::start(&Plan {
            script: setting.script,
            hosts: setting.hosts,
            more: setting.more.clone(),
            client_id: CLIENT_ID,
            client_secret: CLIENT_SECRET,
            redirect_uri: &redirect_uri,
        });
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(HOME);
        let agents = wardlock_tests::ports::unused();
        let home = Home::create(&path).expect("a home");
        home.mark_simulator().expect("a mark");
        let write = |file: &str, text: &[u8]| home.write(file, text).expect("written");
        write("wardlock.toml", format!("[listen]\nagents = \"{agents}\"\ncallback = \"{callback}\"\n").as_bytes());
        if let Some(definition) = setting.definition {
            write(&format!("services/{}.toml", setting.service), definition.as_bytes());
        }
        for starter in wardlock_plugins::STARTERS {
            write(&format!("plugins/{}.wasm", starter.name), starter.bytes);
        }
        let workspace = format!(
            "workspace = \"acme\"\n\n[connections.api]\nlabel = \"test\"\nservice = \"{}\"\ngrant = \"acme-api\"\n{}\n\n\
             [[connections.api.plugins]]\nname = \"read-only\"\nfile = \"read-only.wasm\"\nsha256 = \"@read-only\"\n\
             capabilities = []\nsettings = {{}}\n",
            setting.service, setting.connection
        );
        write("workspaces/acme.toml", wardlock::policy::with_digests(&workspace).as_bytes());
        let key = KeySource::File { path: path.join("state/vault.key") };
        Vault::create(&home.state_folder(), &key).expect("a vault");
        let host = open(home, &peer).await;
        let is_public = setting.more["auth"] == "none";
        let secret = || Secret::from_bytes(Zeroizing::new(CLIENT_SECRET.as_bytes().to_vec())).expect("a secret");
        let registration = NewRegistration {
            name: RegistrationName::parse("client").expect("a name"),
            service: ServiceName::parse(setting.service).expect("a name"),
            client_id: CLIENT_ID.to_owned(),
            redirect_uri,
            secret: (!is_public).then(secret),
            program: Vec::new(),
            region_secrets: BTreeMap::new(),
            created_ms: 1,
        };
        host.vault().add_registration(registration).expect("registered");
        let gate = Gate::of(Arc::clone(&host));
        let running = Running::start(gate, ([127, 0, 0, 1], 0).into(), None).await.expect("listening");
        let mut broker = Self { peer: Arc::new(peer), host, token: String::new(), running, folder };
        let add = Command::AgentAdd { name: "agent".to_owned(), workspace: "acme".to_owned(), expires: None };
        let added = broker.command(add).await.expect("an agent");
        added["token"].as_str().expect("a token").clone_into(&mut broker.token);
        broker
    }

    /// Starts a host again on what is left.
    pub async fn resume(left: Left) -> Self {
        let Left { peer, folder, token } = left;
        let host = open(Home::open(&folder.path().join(HOME)).expect("a home"), &peer).await;
        let gate = Gate::of(Arc::clone(&host));
        let running = Running::start(gate, ([127, 0, 0, 1], 0).into(), None).await.expect("listening");
        Self { peer, host, token, running, folder }
    }

    /// Stops the host, and leaves its home.
    pub async fn leave(self) -> Left {
        let Self { peer, host, token, running, folder } = self;
        running.stop().await;
        drop(host);
        Left { peer, folder, token }
    }

    /// Connects, with a person who agrees.
    pub async fn connect(&self) -> Result<Value, Failure> {
        self.connect_by(How::Consent).await
    }

    /// Connects in one of the ways, with a person who agrees.
    pub async fn connect_by(&self, how: How) -> Result<Value, Failure> {
        let command = Command::Connect {
            workspace: "acme".to_owned(),
            connection: "api".to_owned(),
            registration: None,
            agent: None,
            how,
            evict_oldest: false,
            tenant: None,
            scopes: None,
        };
        let (lost, mut way) = mpsc::unbounded_channel();
        let person = Person { peer: Arc::clone(&self.peer), lost };
        tokio::select! {
            connected = ops::execute(&self.host, command, Brought::Nothing, &person) => connected,
            Some(why) = way.recv() => panic!("the person lost the way: {why}"),
        }
    }

    pub async fn command(&self, command: Command) -> Result<Value, Failure> {
        ops::execute(&self.host, command, Brought::Nothing, &Nobody).await
    }

    /// What `connections show` says.
    pub async fn shown(&self) -> Value {
        let command =
            Command::ConnectionsShow { workspace: "acme".to_owned(), connection: "api".to_owned(), agent: None };
        self.command(command).await.expect("shown")
    }

    /// Sends a request as the agent.
    pub async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> RawReply {
        let agents = self.running.agents();
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request(agents, &self.token, method, path, &body);
        let sent = tokio::task::spawn_blocking(move || raw::exchange(agents, request.as_bytes()));
        sent.await.expect("a thread").expect("a reply")
    }

    /// Every call of an endpoint, oldest first.
    pub fn calls(&self, host: &str, path: &str) -> Vec<Value> {
        self.peer.seen(host).into_iter().filter(|request| request["target"] == path).collect()
    }

    /// Stops, and searches the home for what must not lie there.
    pub async fn end(self) {
        let secrets = self.stored_secrets();
        self.running.stop().await;
        drop(self.host);
        for file in files(self.folder.path()) {
            let bytes = match std::fs::read(&file) {
                Ok(bytes) => bytes,
                // The host's last threads close their databases meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => panic!("{}: {error}", file.display()),
            };
            for secret in &secrets {
                let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "a secret lies in {}", file.display());
            }
        }
    }

    /// The client's secret, and every token that came over the wire.
    fn stored_secrets(&self) -> Vec<String> {
        let mut secrets = vec![CLIENT_SECRET.to_owned()];
        for host in self.peer.hosts().keys() {
            for request in self.peer.seen(host) {
                let bearer = request["headers"]["authorization"].as_str().and_then(|line| line.split(' ').nth(1));
                secrets.extend(bearer.map(str::to_owned));
                secrets.extend(request["body"]["refresh_token"].as_str().map(str::to_owned));
            }
        }
        assert!(secrets.len() > 1, "tokens were seen on the wire");
        secrets
    }
}

/// Opens a home whose only hosts are the peer's.
async fn open(home: Home, peer: &Peer) -> Arc<Host> {
    let key = KeySource::File { path: home.path().join("state/vault.key") };
    let dialer = Dialer::fixed(peer.hosts(), vec![peer.authority()]).expect("a dialer");
    let host = Host::open(
        home,
        &key,
        World { dialer, simulated: true, worker: env!("CARGO_BIN_EXE_wardlock").into() },
        "test",
    )
    .await
    .expect("a host");
    let problems = host.loaded().problems().to_vec();
    assert!(problems.is_empty(), "{problems:?}");
    host
}

/// Writes a request as an agent sends it.
pub fn request(agents: SocketAddr, token: &str, method: &str, path: &str, body: &str) -> String {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    let length = body.len();
    format!(
        "{method} /acme/api{path} HTTP/1.1\r\nHost: {agents}\r\nAuthorization: Bearer {token}\r\n{kind}\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found
}

/// The person at the browser.
struct Person {
    peer: Arc<Peer>,
    lost: mpsc::UnboundedSender<String>,
}

impl Person {
    fn goes_to(&self, url: String) {
        let (peer, lost) = (Arc::clone(&self.peer), self.lost.clone());
        tokio::task::spawn_blocking(move || peer.consent(&url).or_else(|why| lost.send(why)));
    }
}

impl Talk for Person {
    /// A device's code is told with the address of its page.
    fn say(&self, text: String) {
        if let Some(page) = text.strip_prefix("Open ").and_then(|rest| rest.split(' ').next()) {
            self.goes_to(page.to_owned());
        }
    }

    fn open(&self, page: Page) {
        self.goes_to(page.url);
    }

    fn wait(&self, _text: String) {}
}

struct Nobody;

impl Talk for Nobody {
    fn say(&self, _text: String) {}

    fn open(&self, _page: Page) {}

    fn wait(&self, _text: String) {}
}
