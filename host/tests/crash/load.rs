//! Agents that ask, each request another one, until somebody stops them or the host is gone.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant as Moment};

use rustix::process::{Pid, Signal, kill_process};
use wardlock_core::id::Digest;
use wardlock_tests::raw::{RawClient, RawReply};

/// How many ask at once.
pub const AGENTS: usize = 4;

/// What tells requests apart, in this process.
static NUMBER: AtomicU64 = AtomicU64::new(1);

/// What a request is known by at the provider and in the audit: its page, or the SHA-256 of its body.
pub type Key = String;

/// A request, and what it is known by.
pub struct Ask {
    pub key: Key,
    pub bytes: Vec<u8>,
}

impl Ask {
    /// Makes one that differs from every other: a GET, or a query that comes as a body.
    pub fn new(host: SocketAddr, token: &str) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let head = format!("HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n");
        if number.is_multiple_of(2) {
            let target = format!("/acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=1&page={number}");
            return Self {
                key: page_key(&number.to_string()),
                bytes: format!("GET {target} {head}\r\n").into_bytes(),
            };
        }
        let query = format!("select Last_Name from Leads where Last_Name != 'n{number}' limit 2");
        let body = format!("{{\"select_query\": \"{query}\"}}");
        let head = format!("POST /acme/zoho/crm/v8/coql {head}Content-Length: {}\r\n\r\n", body.len());
        Self { key: body_key(&Digest::of(body.as_bytes()).to_string()), bytes: (head + &body).into_bytes() }
    }
}

pub fn page_key(page: &str) -> Key {
    format!("page {page}")
}

pub fn body_key(digest: &str) -> Key {
    format!("body {digest}")
}

/// What an agent was told of a request.
pub struct Told {
    pub key: Key,
    pub status: u16,
    pub request_id: String,
    pub outcome: Option<String>,
    pub body: Vec<u8>,
}

impl Told {
    pub fn of(key: Key, reply: RawReply) -> Self {
        let header = |name: &str| reply.header(name).map(str::to_owned);
        let request_id = header("wardlock-request-id").unwrap_or_default();
        Self { key, status: reply.status, request_id, outcome: header("wardlock-outcome"), body: reply.body }
    }
}

/// Who kills the host from outside, and when.
#[derive(Clone)]
pub enum Trigger {
    /// Nobody here.
    None,
    /// Whoever gets the first bytes of the nth reply.
    FirstBytes { nth: usize, pid: Pid },
}

/// Agents at work.
pub struct Load {
    stop: Arc<AtomicBool>,
    agents: Vec<JoinHandle<Vec<Told>>>,
}

impl Load {
    /// Sets them to work, each with a connection that is kept alive.
    pub fn start(host: SocketAddr, token: &str, trigger: &Trigger) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let replies = Arc::new(AtomicUsize::new(0));
        let agent = |_| {
            let (stop, replies) = (Arc::clone(&stop), Arc::clone(&replies));
            let (token, trigger) = (token.to_owned(), trigger.clone());
            std::thread::spawn(move || ask(host, &token, &stop, &replies, &trigger))
        };
        let agents = (0..AGENTS).map(agent).collect();
        Self { stop, agents }
    }

    /// Returns what they were told, once they have ended: told to, or because the host is gone.
    pub fn end(self) -> Vec<Told> {
        self.stop.store(true, Ordering::SeqCst);
        self.agents.into_iter().flat_map(|agent| agent.join().expect("an agent")).collect()
    }
}

fn ask(host: SocketAddr, token: &str, stop: &AtomicBool, replies: &AtomicUsize, trigger: &Trigger) -> Vec<Told> {
    let mut told = Vec::new();
    if let Trigger::FirstBytes { nth, pid } = trigger {
        while !stop.load(Ordering::SeqCst) && begin_reply(host, &Ask::new(host, token)).is_ok() {
            if replies.fetch_add(1, Ordering::SeqCst) + 1 == *nth {
                let _ = kill_process(*pid, Signal::KILL);
            }
        }
        return told;
    }
    let Ok(mut client) = RawClient::connect(host) else { return told };
    while !stop.load(Ordering::SeqCst) {
        let Ask { key, bytes } = Ask::new(host, token);
        client.send(&bytes);
        match client.read_reply() {
            Ok(reply) => told.push(Told::of(key, reply)),
            Err(_) => break,
        }
    }
    told
}

/// Asks, and takes only the first byte of the reply, while the rest is still being written.
fn begin_reply(host: SocketAddr, ask: &Ask) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(&ask.bytes)?;
    stream.read_exact(&mut [0])
}

/// Asks once, on a connection of its own.
pub fn once(host: SocketAddr, token: &str) -> Result<Told, String> {
    let Ask { key, bytes } = Ask::new(host, token);
    let reply = wardlock_tests::raw::exchange(host, &bytes).map_err(|error| format!("no answer: {error}"))?;
    Ok(Told::of(key, reply))
}

/// Asks until the provider has answered, for at most a time; returns every answer.
pub fn until_served(host: SocketAddr, token: &str, within: Duration) -> Result<Vec<Told>, String> {
    let patience = Moment::now() + within;
    let mut all = Vec::new();
    loop {
        let told = once(host, token)?;
        let (status, body) = (told.status, String::from_utf8_lossy(&told.body).into_owned());
        all.push(told);
        match status {
            // It finds nothing on a page that it does not have.
            200 | 204 | 400 => return Ok(all),
            _ if Moment::now() > patience => return Err(format!("it does not serve: {status} {body}")),
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}
