//! The end in order (promise R11): SIGTERM stops accepting, what ends within `shutdown_time` is answered, the rest is cut
//! off, and every INTENT has its outcome. A second SIGTERM ends at once.

use std::io::Write as _;
use std::net::TcpStream;
use std::thread::JoinHandle;
use std::time::{Duration, Instant as Moment};

use rustix::process::Signal;
use wardlock_simulator::{ApiAnswer, Fault, Role};
use wardlock_tests::raw::{RawClient, RawReply};

use crate::books::Books;
use crate::load::{Ask, Told};
use crate::suite::{Host, PATIENCE, Suite};

/// What requests under way are given.
const SHUTDOWN: Duration = Duration::from_secs(2);
/// What the audit and the process may take on top, on a busy machine.
const MORE: Duration = Duration::from_secs(4);
/// A byte of an answer comes so slowly.
const PAUSE: Duration = Duration::from_millis(50);

/// How an agent is answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Within a second.
    Soon,
    /// Long after the host has ended.
    Late,
    /// At once and for ever, piece by piece.
    Flowing,
}

/// SIGTERM while agents wait for all kinds of answers.
pub fn in_order(suite: &mut Suite) -> Result<String, String> {
    let mut host = Host::start(suite);
    let idle = idle_connections(&host, suite.token());
    let answers = [Answer::Soon, Answer::Late, Answer::Flowing, Answer::Soon, Answer::Late];
    let asked = answers.map(|answer| (answer, ask(suite, &host, answer)));
    let began = Moment::now();
    host.signal(Signal::TERM);
    let refused = || TcpStream::connect(host.agents).is_err();
    while !refused() {
        if began.elapsed() > SHUTDOWN {
            return Err("it accepts connections while it stops".to_owned());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let status = host.ended(SHUTDOWN + MORE).ok_or("what is held open keeps it alive")?;
    let took = began.elapsed();
    if status.code() != Some(0) {
        return Err(format!("it ended with {status}"));
    }
    let mut told = Vec::new();
    for (answer, (key, reply)) in asked {
        match (answer, reply.join().expect("an agent")) {
            (Answer::Soon, Some(reply)) => told.push(Told::of(key, reply)),
            (Answer::Soon, None) => return Err("a request that ended in time was cut off".to_owned()),
            (Answer::Late | Answer::Flowing, None) => {}
            (Answer::Late | Answer::Flowing, Some(_)) => {
                return Err("an answer came whole that never ends".to_owned());
            }
        }
    }
    drop(idle);
    let (books, closed) = books(suite)?;
    books.compare(&suite.received(), &told)?;
    let aborted = books.count("aborted");
    if (closed, books.unknown, aborted) != (0, 0, 3) {
        return Err(format!("{closed} were left open, {} are unknown, {aborted} aborted", books.unknown));
    }
    Ok(format!("in {} ms: {} answered, {aborted} cut off, none left open", took.as_millis(), told.len()))
}

/// A second SIGTERM while the first one waits.
pub fn at_once(suite: &mut Suite) -> Result<String, String> {
    let mut host = Host::start(suite);
    let asked = [Answer::Late, Answer::Flowing].map(|answer| ask(suite, &host, answer));
    host.signal(Signal::TERM);
    if host.ended(Duration::from_millis(500)).is_some() {
        return Err("it did not wait for requests under way".to_owned());
    }
    let second = Moment::now();
    host.signal(Signal::TERM);
    let status = host.ended(MORE).ok_or("it goes on after a second SIGTERM")?;
    let took = second.elapsed();
    if status.code() != Some(0) {
        return Err(format!("it ended with {status}"));
    }
    for (_, reply) in asked {
        drop(reply.join().expect("an agent"));
    }
    let (books, _) = books(suite)?;
    books.compare(&suite.received(), &[])?;
    let (unknown, aborted) = (books.unknown, books.count("aborted"));
    if unknown + aborted != 2 {
        return Err(format!("{unknown} are unknown, {aborted} aborted"));
    }
    Ok(format!("in {} ms: {aborted} aborted, {unknown} unknown", took.as_millis()))
}

/// Asks, and returns once the provider has the request. The answer is `None` where it did not come whole.
fn ask(suite: &Suite, host: &Host, answer: Answer) -> (String, JoinHandle<Option<RawReply>>) {
    let bytes = if answer == Answer::Soon { 8 } else { 20_000 };
    let content_type = if answer == Answer::Flowing { "text/event-stream" } else { "application/json" };
    let body = format!("[{}]", " ".repeat(bytes)).into_bytes();
    suite.left.simulator.switches().change(|switches| {
        switches.api_answers.push_back(ApiAnswer::Raw {
            status: 200,
            content_type: content_type.to_owned(),
            body,
        });
        switches.api_faults.push_back(Fault::Drip { pause: PAUSE });
    });
    let came = || suite.left.simulator.recordings().iter().filter(|seen| seen.role == Role::Api).count();
    let before = came();
    let Ask { key, bytes } = Ask::new(host.agents, suite.token());
    let mut client = RawClient::connect(host.agents).expect("connected");
    client.send(&bytes);
    let reply = std::thread::spawn(move || client.read_reply().ok());
    let patience = Moment::now() + PATIENCE;
    while came() == before {
        assert!(Moment::now() < patience, "the request reaches the provider");
        std::thread::sleep(Duration::from_millis(2));
    }
    (key, reply)
}

/// Connections on which nothing is under way: one that never asked, one in the middle of a head, one that was answered.
fn idle_connections(host: &Host, token: &str) -> (TcpStream, TcpStream, RawClient) {
    let silent = TcpStream::connect(host.agents).expect("connected");
    let mut begun = TcpStream::connect(host.agents).expect("connected");
    begun.write_all(b"GET /acme/zoho/crm/v8/Leads HTTP/1.1\r\nHost: ").expect("sent");
    let mut answered = RawClient::connect(host.agents).expect("connected");
    let request =
        format!("GET /-/whoami HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\r\n", host.agents);
    answered.send(request.as_bytes());
    answered.read_reply().expect("an answer");
    (silent, begun, answered)
}

/// What the next start shows, and how many requests it found open.
fn books(suite: &Suite) -> Result<(Books, u64), String> {
    let mut host = Host::start(suite);
    let books = suite.books(&mut host)?;
    Ok((books, host.closed_as_unknown))
}
