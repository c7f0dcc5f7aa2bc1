//! Who may come in is what the vault knows: whoever edits `state.db` lets nobody in, takes back no revocation and lifts no freeze.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use wardlock::admin::{Brought, Command, Failure};
use wardlock::gate::Gate;
use wardlock::home::Home;
use wardlock::host::Host;
use wardlock::ops::{self, Talk};
use wardlock::serve::Running;
use wardlock_core::id::Digest;
use wardlock_egress::vault::{KeySource, Role, Vault};
use wardlock_simulator::{Simulator, SimulatorConfig};
use wardlock_tests::raw;

use crate::copies::act;
use crate::signed::{Operator, add};
use crate::world::{Plan, Silent, World, dialled, logged};

const LEADS: &str = "/acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=2";
/// A token in the form of one, which somebody made without Wardlock; an older state holds its digest, too.
const EVES: &str = "wl_te0I8tXdjt_jMrqp43ePAUFXwWpgy7SldBxySXXfMyvUwwo4ZcF8LW_3qHY4G";

/// A home that is served once more.
struct Again {
    host: Arc<Host>,
    running: Running,
}

impl Again {
    async fn serve(folder: &Path, simulator: &Arc<Simulator>) -> Self {
        let home = Home::open(&folder.join("home")).expect("the home");
        let key = KeySource::File { path: folder.join("home/state/vault.key") };
        let host = Host::open(home, &key, dialled(simulator), "test").await.expect("a host");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let running = Running::start(Gate::of(Arc::clone(&host)), any, None).await.expect("serving");
        Self { host, running }
    }

    /// Asks for leads by a token.
    async fn status(&self, token: &str) -> u16 {
        let agents = self.running.agents();
        let request = format!(
            "GET {LEADS} HTTP/1.1\r\nHost: {agents}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        let sent = tokio::task::spawn_blocking(move || raw::exchange(agents, request.as_bytes()));
        sent.await.expect("a thread").expect("a reply").status
    }

    async fn command(&self, command: Command, by: &dyn Talk) -> Result<Value, Failure> {
        ops::execute(&self.host, command, Brought::Nothing, by).await
    }

    /// A check of `doctor`: how it came out, and what was found.
    async fn check(&self, name: &str) -> (String, String) {
        let told = self.command(Command::Doctor, &Silent).await.expect("told");
        let checks = told["checks"].as_array().expect("checks");
        let check = checks.iter().find(|check| check["check"] == name);
        let word =
            |of: &str| check.map_or_else(String::new, |check| check[of].as_str().expect("a word").to_owned());
        (word("state"), word("found"))
    }

    async fn end(self) {
        self.running.stop().await;
    }
}

fn edit(folder: &Path, sql: &str) {
    let state = rusqlite::Connection::open(folder.join("home/state/state.db")).expect("the state");
    state.execute_batch(sql).expect(sql);
}

/// Writes an agent into the state, as whoever reaches the file can.
fn write_eve(folder: &Path) {
    let digest = Digest::of(EVES.as_bytes());
    let sql = format!(
        "INSERT INTO agents (token_id, token_sha256, name, workspace, created_ms) \
         VALUES ('te0I8tXdjt', x'{digest}', 'eve', 'acme', 1)"
    );
    edit(folder, &sql);
}

fn adding(name: &str, expires: Option<&str>) -> Command {
    let expires = expires.map(str::to_owned);
    Command::AgentAdd { name: name.to_owned(), workspace: "acme".to_owned(), expires }
}

fn revoking(name: &str) -> Command {
    Command::AgentRevoke { name: name.to_owned() }
}

fn thawing() -> Command {
    Command::Thaw { workspace: Some("acme".to_owned()) }
}

fn freezing() -> Command {
    Command::Freeze { workspace: Some("acme".to_owned()) }
}

fn token(told: Result<Value, Failure>) -> String {
    told.expect("a token")["token"].as_str().expect("a text").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn l10_what_somebody_wrote_into_the_state_lets_nobody_in_and_is_told() {
    let world = World::start(Plan::default()).await;
    let good = world.tokens["acme"].clone();
    let [gone, moved, short] = [("gone", None), ("moved", None), ("short", Some("1s"))];
    let mut tokens = Vec::new();
    for (name, expires) in [gone, moved, short] {
        tokens.push(token(world.command(adding(name, expires)).await));
    }
    let ada = Operator::new("ada", 1);
    world.command(add(&ada, Role::Admin)).await.expect("added");
    world.command(revoking("gone")).await.expect("revoked");
    world.command(freezing()).await.expect("frozen");
    let left = world.leave().await;
    let folder = left.folder.path();
    write_eve(folder);
    edit(
        folder,
        "UPDATE agents SET revoked_ms = NULL WHERE name = 'gone'; UPDATE agents SET expires_ms = NULL WHERE name = 'short'; \
         UPDATE agents SET workspace = 'globex' WHERE name = 'moved'; DELETE FROM frozen",
    );
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;

    let again = Again::serve(folder, &left.simulator).await;
    for token in tokens.iter().map(String::as_str).chain([EVES]) {
        assert_eq!(again.status(token).await, 401);
    }
    assert_eq!(again.status(&good).await, 403, "frozen as before");
    let (state, found) = again.check("agents").await;
    assert!(state == "red" && found.contains("eve, gone, moved, short"), "{state}: {found}");
    let (state, found) = again.check("freeze").await;
    assert!(
        state == "red" && found.contains("taken out of state.db") && found.contains("acme"),
        "{state}: {found}"
    );
    let listed = again.command(Command::AgentList, &Silent).await.expect("agents");
    let counts = listed.as_array().expect("rows").iter().map(|row| (row["agent"].clone(), row["counts"].clone()));
    let counting: Vec<_> = counts.filter(|(_, counts)| *counts == json!(true)).collect();
    assert_eq!(counting, [(json!("agent-acme"), json!(true))], "{listed}");
    assert_eq!(act(&again.host, "agents.left_out"), "unconfirmed");
    assert!(logged().contains("the state says of agents what the vault does not know"));
    let unsigned = again.command(thawing(), &Silent).await.expect_err("the freeze wants a signature to be lifted");
    assert!(unsigned.message.contains("wants an operator's signature"), "{unsigned:?}");

    // And how it is mended.
    for name in ["eve", "gone", "moved", "short"] {
        again.command(revoking(name), &Silent).await.expect("revoked");
    }
    again.command(thawing(), &ada).await.expect("thawed");
    let moved = token(again.command(adding("moved", None), &ada).await);
    assert_eq!(
        (again.check("agents").await.0, again.check("freeze").await.0),
        ("green".to_owned(), String::new())
    );
    assert_eq!((again.status(&good).await, again.status(&moved).await), (200, 200));
    again.end().await;
    let again = Again::serve(folder, &left.simulator).await;
    assert_eq!((again.status(&good).await, again.status(&moved).await, again.status(EVES).await), (200, 200, 401));
    assert_eq!(again.check("agents").await.0, "green");
    again.end().await;
    left.canaries.scan_folder(folder, &[]).expect("no canary in the home");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_to_agents_and_freezes_outlives_a_restart() {
    let world = World::start(Plan::default()).await;
    let [kept, gone] =
        [token(world.command(adding("a1", None)).await), token(world.command(adding("a2", None)).await)];
    let rotate = |overlap: &str| Command::AgentRotate {
        name: "a1".to_owned(),
        overlap: overlap.to_owned(),
        expires: Some("90d".to_owned()),
    };
    let rotated = token(world.command(rotate("1h")).await);
    world.command(revoking("a2")).await.expect("revoked");
    world.command(freezing()).await.expect("frozen");
    world.command(thawing()).await.expect("thawed");
    let left = world.leave().await;
    let again = Again::serve(left.folder.path(), &left.simulator).await;
    let statuses = [again.status(&kept).await, again.status(&rotated).await, again.status(&gone).await];
    assert_eq!(statuses, [200, 200, 401]);
    assert_eq!(again.check("agents").await.0, "green");
    let newest = token(again.command(rotate("0s"), &Silent).await);
    again.command(freezing(), &Silent).await.expect("frozen");
    again.end().await;

    let again = Again::serve(left.folder.path(), &left.simulator).await;
    let statuses = [again.status(&kept).await, again.status(&rotated).await, again.status(&newest).await];
    assert_eq!(statuses, [401, 401, 403]);
    again.command(thawing(), &Silent).await.expect("thawed");
    assert!(again.command(thawing(), &Silent).await.is_err(), "nothing is frozen any more");
    again.end().await;
    let again = Again::serve(left.folder.path(), &left.simulator).await;
    assert_eq!((again.status(&newest).await, again.check("agents").await.0), (200, "green".to_owned()));
    again.end().await;
    left.canaries.scan_folder(left.folder.path(), &[]).expect("no canary in the home");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_from_before_is_taken_over_once() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("home");
    let home = Home::create(&path).expect("a home");
    home.mark_simulator().expect("a mark");
    home.write("wardlock.toml", b"").expect("written");
    Vault::create(&home.state_folder(), &KeySource::File { path: path.join("state/vault.key") }).expect("a vault");
    drop(home);
    // Its agent is `reporter` in acme; globex is frozen.
    edit(folder.path(), include_str!("../../state/src/fixtures/format-3.sql"));
    fs::set_permissions(path.join("state/state.db"), fs::Permissions::from_mode(0o600)).expect("changed");
    let simulator = Arc::new(Simulator::start(SimulatorConfig::default()).await.expect("a simulator"));
    let again = Again::serve(folder.path(), &simulator).await;
    assert_ne!(again.status(EVES).await, 401, "it is the reporter's there");
    assert_eq!(act(&again.host, "agents.taken_over"), "tokens: 3, freezes: 1");
    assert_eq!(again.check("agents").await.0, "green");
    again.end().await;

    edit(folder.path(), "DELETE FROM frozen; DELETE FROM agents WHERE name = 'reporter'");
    write_eve(folder.path());
    let again = Again::serve(folder.path(), &simulator).await;
    assert_eq!(again.status(EVES).await, 401, "in another's name");
    let (state, found) = again.check("agents").await;
    assert!(state == "red" && found.contains("eve"), "{state}: {found}");
    assert!(again.check("freeze").await.1.contains("globex"));
    again.end().await;
}
