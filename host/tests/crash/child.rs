//! The process that is killed: a whole host, told what to do by lines on standard input. It says in lines of JSON what it
//! found when it opened its home, and then what it did.

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use wardlock::admin::{Brought, Command};
use wardlock::gate::Gate;
use wardlock::home::Home;
use wardlock::host::{Host, World};
use wardlock::{ops, serve};
use wardlock_audit::{Against, Filter, Kind, Row, failpoint};
use wardlock_egress::Dialer;
use wardlock_egress::vault::KeySource;

use crate::world::Silent;

/// Files beside the home that say where the provider is.
pub const HOSTS: &str = "provider.json";
pub const AUTHORITY: &str = "provider.der";
/// The home within the suite's folder.
pub const HOME: &str = "home";

/// Takes the suite's folder.
pub fn run(arguments: &[&str]) -> ExitCode {
    let [folder] = arguments else {
        return ExitCode::from(2);
    };
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(host(Path::new(folder)));
    ExitCode::SUCCESS
}

async fn host(folder: &Path) {
    let path = folder.join(HOME);
    let home = Home::open(&path).expect("a home");
    let key = KeySource::File { path: path.join("state/vault.key") };
    let world = World { dialer: dialer(folder), simulated: true, worker: env!("CARGO_BIN_EXE_wardlock").into() };
    let host = Host::open(home, &key, world, "the crash suite").await.expect("a host");
    tokio::select! {
        served = serve::run(Gate::of(Arc::clone(&host)), None, None) => served.expect("it served"),
        () = obey(&host) => {}
    }
}

/// Does what it is told for as long as the host serves.
async fn obey(host: &Arc<Host>) {
    let agents = host.config().agents();
    while tokio::net::TcpStream::connect(agents).await.is_err() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let closed_as_unknown = host.audit().opened().closed_as_unknown;
    say(&json!({ "agents": agents.to_string(), "closed_as_unknown": closed_as_unknown }));
    let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        std::io::stdin().lock().lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
    });
    while let Some(line) = lines.recv().await {
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["rows", after] => say(&rows(host, after.parse().expect("a row"))),
            ["kill", instant, nth] => {
                failpoint::kill_at(instant, nth.parse().expect("a number")).expect("an instant");
                say(&json!("armed"));
            }
            ["approve", id] => say(&approve(host, id).await),
            ["draft", id] => say(&show(host, id).await),
            ["agents"] => say(&command(host, Command::AgentList).await),
            ["agent-add", name] => {
                let (name, workspace) = ((*name).to_owned(), "acme".to_owned());
                say(&command(host, Command::AgentAdd { name, workspace, expires: None }).await);
            }
            ["agent-rotate", name] => {
                let (name, overlap) = ((*name).to_owned(), "1h".to_owned());
                say(&command(host, Command::AgentRotate { name, overlap, expires: None }).await);
            }
            ["agent-revoke", name] => {
                say(&command(host, Command::AgentRevoke { name: (*name).to_owned() }).await);
            }
            ["freeze"] => say(&command(host, Command::Freeze { workspace: Some("acme".to_owned()) }).await),
            ["thaw"] => say(&command(host, Command::Thaw { workspace: Some("acme".to_owned()) }).await),
            _ => panic!("what does `{line}` mean?"),
        }
    }
    std::future::pending::<()>().await;
}

async fn show(host: &Arc<Host>, id: &str) -> Value {
    command(host, Command::DraftsShow { id: id.to_owned() }).await
}

/// Approves a draft as it is shown.
async fn approve(host: &Arc<Host>, id: &str) -> Value {
    let shown = show(host, id).await;
    let request_sha256 = shown["request_sha256"].as_str().unwrap_or_default().to_owned();
    command(host, Command::DraftsApprove { id: id.to_owned(), request_sha256, shown: None }).await
}

async fn command(host: &Arc<Host>, command: Command) -> Value {
    let done = ops::execute(host, command, Brought::Nothing, &Silent).await;
    done.unwrap_or_else(|failure| json!({ "failure": failure.message }))
}

/// Everything that the audit shows after a row, and whether it is sound.
fn rows(host: &Host, after: u64) -> Value {
    let audit = host.audit();
    let list = |filter: Filter| audit.list(&filter).expect("rows");
    let all = Filter { after: Some(after), ..Filter::newest(usize::MAX) };
    let unknown = Filter { kind: Some(Kind::Outcome), outcome: Some("unknown".to_owned()), ..all.clone() };
    let found = audit.verify(&Against::default()).expect("walked");
    json!({
        "rows": list(all).iter().map(Row::to_json).collect::<Vec<_>>(),
        "unknown": list(unknown).iter().filter_map(|row| row.closes).collect::<Vec<_>>(),
        "faults": format!("{:?}", found.faults),
        "is_sound": found.is_sound(),
        "open_intents": found.open_intents,
    })
}

fn dialer(folder: &Path) -> Dialer {
    let hosts = std::fs::read(folder.join(HOSTS)).expect("hosts");
    let hosts: BTreeMap<String, SocketAddr> = serde_json::from_slice(&hosts).expect("hosts");
    let authority = std::fs::read(folder.join(AUTHORITY)).expect("an authority");
    Dialer::fixed(hosts, vec![authority]).expect("a dialer")
}

fn say(value: &Value) {
    println!("{value}");
}
