//! The process that is killed: opens the home, sends one read, says how it went.

use std::io::{BufRead as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use wardlock_audit::failpoint::kill_at;
use wardlock_egress::{Dialer, Egress};

use crate::home;

/// What it says before it waits to be told to go on.
pub const READY: &str = "ready";
/// What it says when the provider's API answered with the token.
pub const WORKS: &str = "works";
/// The name of the thread on which the vault's calls run. With only one its system calls come in one order.
pub const BLOCKING: &str = "blocking";

/// Files in the home's folder that say where the provider is.
pub const HOSTS: &str = "provider.hosts";
pub const AUTHORITY: &str = "provider.der";

/// Takes the home's folder, how far the clock is ahead, and when to end or wait: `-`, `wait`, or a failpoint with how
/// often it is passed.
pub fn run(arguments: &[&str]) -> ExitCode {
    let [folder, ahead_ms, when @ ..] = arguments else {
        return ExitCode::from(2);
    };
    let ahead_ms = Arc::new(AtomicU64::new(ahead_ms.parse().expect("milliseconds")));
    if let [failpoint, times] = when {
        kill_at(failpoint, times.parse().expect("a number")).expect("a failpoint");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .thread_name(BLOCKING)
        .build()
        .expect("a runtime");
    let said = runtime.block_on(refresh(Path::new(folder), ahead_ms, when == ["wait"]));
    println!("{said}");
    ExitCode::SUCCESS
}

async fn refresh(folder: &Path, ahead_ms: Arc<AtomicU64>, waits: bool) -> String {
    let clock = home::moving(ahead_ms);
    let (vault, audit) = home::open(folder, &clock);
    let egress = Egress::new(vault, dialer(folder), audit.clone(), clock);
    let connection = home::connection(&Arc::new(home::service()), "eu");
    // The thread is there before anybody attaches to it.
    tokio::task::spawn_blocking(|| ()).await.expect("a thread");
    if waits {
        println!("{READY}");
        std::io::stdout().flush().expect("flushed");
        std::io::stdin().lock().read_line(&mut String::new()).expect("a line");
    }
    let (permit, receipt, _guard) = home::permit(&egress, &audit, connection, "GET", home::LEADS, b"").await;
    match egress.send(permit, receipt).await {
        Ok(sent) if sent.answer.status() == 200 => WORKS.to_owned(),
        Ok(sent) => format!("the API answered {}", sent.answer.status()),
        Err(error) => format!("{}: {error}: {}", error.refusal().code.as_str(), error.fault),
    }
}

#[expect(clippy::disallowed_methods, reason = "files of the suite itself")]
fn dialer(folder: &Path) -> Dialer {
    let hosts = std::fs::read_to_string(folder.join(HOSTS)).expect("hosts");
    let pair = |line: &str| {
        let (host, address) = line.split_once(' ').expect("a pair");
        (host.to_owned(), address.parse::<SocketAddr>().expect("an address"))
    };
    let authority = std::fs::read(folder.join(AUTHORITY)).expect("an authority");
    Dialer::fixed(hosts.lines().map(pair).collect(), vec![authority]).expect("a dialer")
}
