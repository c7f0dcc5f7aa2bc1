//! Releases that are cut off: wherever the host dies between a person's word and the end, the draft is sent at most once, and
//! the next start says what became of it. One that was surely not sent can be approved again.

use serde_json::Value;
use wardlock_tests::raw::RawClient;

use crate::suite::{Host, PATIENCE, Suite};
use crate::world::{Plan, plugin, workspace};

/// The instants of a release, in order.
const INSTANTS: [&str; 11] = [
    "after-approval",
    "after-noting",
    "after-decision",
    "after-quotas",
    "audit-before-commit",
    "audit-after-commit",
    "before-writing",
    "after-head",
    "before-outcome",
    "after-outcome",
    "after-release",
];

/// A home whose plugin holds everything.
pub fn plan() -> Plan {
    let file = workspace("acme", "eu", "", &plugin("probe", r#"{ mode = "hold" }"#));
    Plan { workspaces: vec![("acme", file)], guests: vec!["probe"], ..Plan::default() }
}

/// Kills releases at each instant.
pub fn cut_off(suite: &mut Suite) -> Result<String, String> {
    let mut host = Host::start(suite);
    let (mut waited, mut sent, mut unknown) = (0, 0, 0);
    for (number, instant) in INSTANTS.into_iter().enumerate() {
        let wrong = |what: &str| format!("killed {instant}: {what}");
        let id = held(&host, suite.token(), number).map_err(|problem| wrong(&problem))?;
        suite.received();
        host.tell(&format!("kill {instant} 1")).ok_or_else(|| wrong("the child is gone before its time"))?;
        let answer = host.tell(&format!("approve {id}"));
        if answer.is_some() || host.ended(PATIENCE).is_none() {
            return Err(wrong(&format!("it was not killed: {answer:?}")));
        }
        let came = suite.received().len();
        host = Host::start(suite);
        let state = told(&mut host, &format!("draft {id}"), "state").map_err(|problem| wrong(&problem))?;
        match (state.as_str(), came) {
            ("held", 0) => waited += 1,
            ("sent", 1) => sent += 1,
            ("unknown", 0 | 1) => unknown += 1,
            _ => return Err(wrong(&format!("it is {state}, and the provider received {came}"))),
        }
        let again = host.tell(&format!("approve {id}")).ok_or_else(|| wrong("the child is gone"))?;
        let came_again = suite.received().len();
        let expected = if state == "held" { ("sent", 1) } else { ("", 0) };
        let got = (again["state"].as_str().unwrap_or_default(), came_again);
        if got != expected {
            return Err(wrong(&format!(
                "it is {state}, and another approval came to {again}, {came_again} received"
            )));
        }
    }
    let books = suite.books(&mut host)?;
    suite.seen = books.last;
    if waited == 0 || sent == 0 {
        return Err(format!("{waited} waited on and {sent} were sent: some instants were none of a release"));
    }
    Ok(format!(
        "{} kills: {waited} wait on and were sent later, {sent} were sent, {unknown} unknown",
        INSTANTS.len()
    ))
}

/// Asks for something that is held, and returns its draft.
fn held(host: &Host, token: &str, number: usize) -> Result<String, String> {
    let target = format!("/acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=1&page={}", number + 1);
    let head = format!("HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n", host.agents);
    let mut client = RawClient::connect(host.agents).map_err(|error| error.to_string())?;
    client.send(format!("GET {target} {head}Accept: application/problem+json\r\n\r\n").as_bytes());
    let reply = client.read_reply().map_err(|error| error.to_string())?;
    let said = reply.json().unwrap_or_default();
    let id = said["draft"].as_str().map(str::to_owned);
    id.ok_or_else(|| format!("it was not held: {said}"))
}

fn told(host: &mut Host, words: &str, member: &str) -> Result<String, String> {
    let answer: Value = host.tell(words).ok_or("the child is gone")?;
    answer[member].as_str().map(str::to_owned).ok_or_else(|| format!("no {member}: {answer}"))
}
