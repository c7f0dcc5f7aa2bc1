//! Exports and imports by the executable: a login goes on in another home, and nothing of it stands in the clear.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::Value;
use wardlock::admin::Brought;
use wardlock::gate::Gate;
use wardlock::home::Home;
use wardlock::host::Host;
use wardlock::ops;
use wardlock::serve::Running;
use wardlock_egress::vault::KeySource;
use wardlock_tests::canary::Canaries;
use wardlock_tests::home::Output;
use wardlock_tests::raw;

use crate::recorded::Log;
use crate::world::{Plan, Silent, World, dialled};

const LEADS: &str = "/acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=2";
pub const PHRASE: &str = "correct horse battery staple";

/// Two pairs of `age-keygen`, of nobody.
pub const RECIPIENT: &str = "age1s2aht6wfnnfwx8sq6d722cljg7ap5ea247w0f7pemzpadrp02qnsvje78g";
const IDENTITY: &str = "AGE-SECRET-KEY-1RFU26AADZPE0ATPJVZHEUDD2TGSL03EJAZN2XWJCLMDGJYFRFYYQ8RTEZH";
const STRANGER: &str = "AGE-SECRET-KEY-1NAF9C0YMHW7T3UKSTJY9YNZ2REH4NHQTNHLZ7QGSWXADDFHJZYRSS2EDPC";

/// Runs the executable on a home, and searches what it said.
pub async fn run(canaries: &Canaries, home: &Path, args: &[&str], stdin: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wardlock"));
    command
        .arg("--home")
        .arg(home)
        .arg("--json")
        .args(args)
        .env_clear()
        .env("HOME", home)
        .env("PATH", "/usr/bin:/bin");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let stdin = stdin.to_owned();
    let ran = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().expect("it starts");
        // One that reads nothing may be gone already.
        let _ = child.stdin.take().expect("standard input").write_all(stdin.as_bytes());
        child.wait_with_output().expect("it ends")
    });
    let output = ran.await.expect("a thread");
    canaries.scan("standard output", &output.stdout).expect("no canary");
    canaries.scan("standard error", &output.stderr).expect("no canary");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Output { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// Writes an identity as `age-keygen` leaves it.
fn written(folder: &Path, name: &str, identity: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, format!("# created\n{identity}\n")).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("closed");
    path.to_str().expect("UTF-8").to_owned()
}

pub fn identity(folder: &Path) -> String {
    written(folder, "identity.txt", IDENTITY)
}

pub fn stranger(folder: &Path) -> String {
    written(folder, "stranger.txt", STRANGER)
}

/// A host of its own on another home, in the world's simulator.
pub struct Second {
    pub host: Arc<Host>,
    running: Running,
    token: String,
}

impl Second {
    pub async fn serve(world: &World, path: &Path) -> Self {
        let home = Home::open(path).expect("a home");
        let key = KeySource::File { path: path.join("state/vault.key") };
        let host = Host::open(home, &key, dialled(&world.simulator), "test").await.expect("a host");
        let running =
            Running::start(Gate::of(Arc::clone(&host)), ([127, 0, 0, 1], 0).into(), None).await.expect("serving");
        let command = wardlock::admin::Command::AgentAdd {
            name: "second".to_owned(),
            workspace: "acme".to_owned(),
            expires: None,
        };
        let added = ops::execute(&host, command, Brought::Nothing, &Silent).await.expect("an agent");
        let token = added["token"].as_str().expect("a token").to_owned();
        Self { host, running, token }
    }

    /// Asks for leads, as an agent of this home.
    pub async fn leads(&self, world: &World) -> u16 {
        let (agents, token) = (self.running.agents(), self.token.clone());
        let request = format!(
            "GET {LEADS} HTTP/1.1\r\nHost: {agents}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        let sent = tokio::task::spawn_blocking(move || raw::exchange(agents, request.as_bytes()));
        let reply = sent.await.expect("a thread").expect("a reply");
        world.canaries.scan("a reply", &reply.bytes).expect("no canary");
        reply.status
    }

    pub async fn end(self, world: &World) {
        self.running.stop().await;
        world.logs.lock().expect("a lock").push(Log::of(&self.host));
    }
}

/// A home beside the world's with the same workspace, and no account.
async fn empty_home(world: &World) -> PathBuf {
    let path = world.folder().join("second");
    run(&world.canaries, &path, &["init"], "").await.ok().expect("a home");
    let home = Home::open(&path).expect("a home");
    home.mark_simulator().expect("marked");
    for folder in ["workspaces", "plugins"] {
        for entry in fs::read_dir(world.folder().join("home").join(folder)).expect("a folder") {
            let from = entry.expect("an entry").path();
            let name = from.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
            home.write(&format!("{folder}/{name}"), &fs::read(&from).expect("read")).expect("written");
        }
    }
    path
}

/// Returns what the audit says of how an act ended, the first time.
pub fn act(host: &Host, what: &str) -> String {
    let rows = host.audit().list(&wardlock_audit::Filter::default()).expect("rows");
    let act = rows.into_iter().filter_map(|row| row.detail.act).find(|act| act.what == what);
    act.unwrap_or_else(|| panic!("no act `{what}`")).result
}

pub fn no_leftovers(folder: &Path) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        assert!(!name.contains(".tmp") && !name.starts_with("outgoing-"), "`{name}` was left");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exported_login_goes_on_in_another_home() {
    let world = World::start(Plan::default()).await;
    let (folder, home) = (world.folder().to_owned(), world.folder().join("home"));
    let file = folder.join("vault.age");
    let name = file.to_str().expect("UTF-8");
    let export = ["vault", "export", name, "--recipient", RECIPIENT];
    let told = run(&world.canaries, &home, &export, "").await.ok().expect("exported while it serves");
    let told = told.json().expect("json");
    assert_eq!((&told["registrations"], &told["grants"]), (&1.into(), &1.into()), "{told}");
    assert!(told["warning"].as_str().is_some_and(|text| text.contains("two Wardlocks")), "{told}");
    let written = fs::read(&file).expect("a file");
    world.canaries.scan("the export", &written).expect("no canary");
    assert_eq!(fs::metadata(&file).expect("metadata").permissions().mode() & 0o777, 0o600);
    let again = run(&world.canaries, &home, &export, "").await;
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.stderr.contains("exists already"), "{again:?}");
    assert_eq!(fs::read(&file).expect("a file"), written, "a file that is there is left alone");
    no_leftovers(&folder);
    no_leftovers(&home.join("state"));

    let second = empty_home(&world).await;
    let (good, bad) = (identity(&folder), stranger(&folder));
    let refused = run(&world.canaries, &second, &["vault", "import", name, "--identity", &bad], "").await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    for (what, bytes, told) in damaged(&written) {
        let path = folder.join(what);
        fs::write(&path, bytes).expect("written");
        let import = ["vault", "import", path.to_str().expect("UTF-8"), "--identity", &good];
        let refused = run(&world.canaries, &second, &import, "").await;
        assert!(matches!(refused.code, Some(1 | 2)) && refused.stderr.contains(told), "{what}: {refused:?}");
    }
    let imported = run(&world.canaries, &second, &["vault", "import", name, "--identity", &good], "").await;
    assert_eq!(imported.ok().expect("imported").json().expect("json")["grants"][0], "acme-zoho");
    let twice = run(&world.canaries, &second, &["vault", "import", name, "--identity", &good], "").await;
    assert!(twice.code == Some(1) && twice.stderr.contains("grant `acme-zoho`"), "{twice:?}");
    let replaced =
        run(&world.canaries, &second, &["vault", "import", name, "--identity", &good, "--replace"], "").await;
    replaced.ok().expect("replaced");

    let host = Second::serve(&world, &second).await;
    assert_eq!(host.leads(&world).await, 200, "the imported login works");
    let grants = run(&world.canaries, &second, &["grants"], "").await.json().expect("json");
    let state = grants[0]["state"].as_str().expect("a state");
    assert!(state.starts_with("works") && state.contains("came from a copy"), "{state}");
    assert_eq!(act(&host.host, "vault.import"), "1 registrations, 1 grants, 0 replaced");
    host.end(&world).await;
    assert_eq!(act(&world.host, "vault.export"), format!("1 registrations, 1 grants, for {RECIPIENT}"));
    world.end().await;
}

/// What a good file may have become, and what is said of it.
pub fn damaged(good: &[u8]) -> [(&'static str, Vec<u8>, &'static str); 3] {
    let mut flipped = good.to_vec();
    flipped[good.len() / 2 + 100] ^= 1;
    [
        ("cut.age", good[..good.len() - 20].to_vec(), "changed or damaged"),
        ("flipped.age", flipped, "changed or damaged"),
        ("foreign.age", b"[listen]\n".to_vec(), "not encrypted with age"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn passphrase_of_an_export_is_asked_for_and_a_wrong_one_opens_nothing() {
    let world = World::start(Plan::default()).await;
    world.canaries.watch("passphrase", PHRASE.as_bytes());
    let (folder, home) = (world.folder().to_owned(), world.folder().join("home"));
    let file = folder.join("vault.age");
    let name = file.to_str().expect("UTF-8");
    let nobody = run(&world.canaries, &home, &["vault", "export", name], "").await;
    assert_eq!(nobody.code, Some(2), "nobody is there to be asked: {nobody:?}");
    let export = ["vault", "export", name, "--export-passphrase-fd", "0"];
    let short = run(&world.canaries, &home, &export, "short").await;
    assert!(short.code == Some(2) && short.stderr.contains("12 characters"), "{short:?}");
    no_leftovers(&folder);
    run(&world.canaries, &home, &export, PHRASE).await.ok().expect("exported");
    let second = empty_home(&world).await;
    let import = ["vault", "import", name, "--export-passphrase-fd", "0"];
    let wrong = run(&world.canaries, &second, &import, "another long passphrase").await;
    assert!(wrong.code == Some(1) && wrong.stderr.contains("passphrase does not open"), "{wrong:?}");
    run(&world.canaries, &second, &import, PHRASE).await.ok().expect("imported");
    let output = run(&world.canaries, &home, &["vault", "export", "-", "--recipient", RECIPIENT], "").await;
    assert!(output.stdout.starts_with("age-encryption.org/v1\n"), "{output:?}");
    let refused =
        run(&world.canaries, &home, &["vault", "import", name, "--export-passphrase-fd", "0"], PHRASE).await;
    assert_eq!(refused.code, Some(4), "not while a daemon serves: {refused:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recipient_that_is_none_is_refused_before_anything_is_made() {
    let world = World::start(Plan::default()).await;
    let (folder, home) = (world.folder().to_owned(), world.folder().join("home"));
    let file = folder.join("vault.age");
    let name = file.to_str().expect("UTF-8");
    for word in ["age1nobody", IDENTITY] {
        let refused = run(&world.canaries, &home, &["vault", "export", name, "--recipient", word], "").await;
        let told: Value = refused.json().expect("json");
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(told["hint"].as_str().is_some_and(|hint| hint.contains("age-keygen")), "{told}");
        assert!(!refused.stderr.contains(IDENTITY), "a secret is not repeated");
    }
    assert!(!file.exists());
    no_leftovers(&folder);
    world.end().await;
}
