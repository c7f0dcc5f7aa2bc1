//! Few files (`ulimit -n 256`) and more connections than that: who is connected is served, nothing breaks, and it recovers.

use std::net::TcpStream;
use std::time::{Duration, Instant as Moment};

use wardlock_tests::raw::RawClient;

use crate::load::{self, Ask, Told};
use crate::suite::{Host, PATIENCE, Suite};

/// How many files the host may open.
const FILES: &str = "--nofile=256:256";
/// More connections than that.
const CONNECTIONS: usize = 400;
/// A log that nothing fills: lines.
const LOG_LINES: usize = 40;

/// A healthy agent asks while others open connections and leave them.
pub fn few(suite: &mut Suite) -> Result<String, String> {
    let mut host = Host::start_by(suite, &["prlimit", FILES]);
    let mut healthy = RawClient::connect(host.agents).map_err(|error| error.to_string())?;
    let mut told = Vec::new();
    ask(&mut healthy, suite, &host, &mut told)?;
    let mut others: Vec<TcpStream> = Vec::new();
    for number in 0..CONNECTIONS {
        others.extend(TcpStream::connect(host.agents));
        if number.is_multiple_of(20) {
            ask(&mut healthy, suite, &host, &mut told)?;
        }
    }
    let open = others.iter().filter(|stream| is_open(stream)).count();
    if open == 0 || open >= CONNECTIONS {
        return Err(format!("{open} of {} connections are open; nothing is tested", others.len()));
    }
    ask(&mut healthy, suite, &host, &mut told)?;
    // The audit opens files to be read, and the vault mints a token.
    suite.left.simulator.expire_access_tokens();
    ask(&mut healthy, suite, &host, &mut told)?;
    suite.books(&mut host)?;
    drop(others);
    let patience = Moment::now() + PATIENCE;
    loop {
        match load::once(host.agents, suite.token()) {
            Ok(one) if one.status != 503 => break told.push(one),
            _ if Moment::now() > patience => return Err("it does not recover".to_owned()),
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    let books = suite.books(&mut host)?;
    let mut received = suite.received();
    // The dead token cost one of them a second attempt.
    received.dedup_by(|one, other| one.target == other.target && one.body == other.body);
    books.compare(&received, &told)?;
    let lines = std::fs::read_to_string(suite.log()).map_or(0, |log| log.lines().count());
    if lines > LOG_LINES {
        return Err(format!("the log has {lines} lines"));
    }
    host.stop().filter(std::process::ExitStatus::success).ok_or("it does not end in order")?;
    Ok(format!("{open} of {CONNECTIONS} connections open, {} requests served, {lines} lines of log", told.len()))
}

fn ask(client: &mut RawClient, suite: &Suite, host: &Host, told: &mut Vec<Told>) -> Result<(), String> {
    let Ask { key, bytes } = Ask::new(host.agents, suite.token());
    client.send(&bytes);
    let reply = client.read_reply().map_err(|error| format!("a connected agent is not served: {error}"))?;
    if ![200, 204, 400].contains(&reply.status) {
        return Err(format!("a connected agent is answered with {}", reply.status));
    }
    told.push(Told::of(key, reply));
    Ok(())
}

/// Whether the host has not closed it.
fn is_open(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("an option");
    stream.peek(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}
