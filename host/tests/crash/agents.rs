//! Commands on agents and freezes that are cut off between the vault and the state: nobody comes in of whom nobody was told, who is
//! revoked stays so, and what is frozen stays frozen. Each can be done again.

use serde_json::Value;
use wardlock_tests::raw::RawClient;

use crate::suite::{Host, PATIENCE, Suite};

/// The instants around the vault's commit; the state's comes after it.
const INSTANTS: [(&str, bool); 2] = [("before-commit", false), ("after-commit", true)];

/// Kills every such command at each instant.
pub fn cut_off(suite: &mut Suite) -> Result<String, String> {
    let mut host = Host::start(suite);
    for (instant, vault_knows) in INSTANTS {
        let killed = |host: &mut Host, command: &str| kill(suite, host, instant, command);
        let name = format!("a-{instant}");
        killed(&mut host, &format!("agent-add {name}"))?;
        let listed = tell(&mut host, "agents")?.to_string();
        if listed.contains(&name) {
            return Err(format!("killed {instant}: whoever was added is there: {listed}"));
        }
        let old = token(&tell(&mut host, &format!("agent-add {name}"))?)?;
        is(&host, &old, 200, "added once more")?;

        killed(&mut host, &format!("agent-rotate {name}"))?;
        is(&host, &old, 200, "the old token, within its overlap")?;
        let new = token(&tell(&mut host, &format!("agent-rotate {name}"))?)?;
        is(&host, &new, 200, "rotated once more")?;

        killed(&mut host, &format!("agent-revoke {name}"))?;
        is(&host, &new, if vault_knows { 401 } else { 200 }, "revoked, as far as the vault knows")?;
        tell(&mut host, &format!("agent-revoke {name}"))?;
        is(&host, &new, 401, "revoked once more")?;

        let works = suite.token().to_owned();
        killed(&mut host, "freeze")?;
        is(&host, &works, if vault_knows { 403 } else { 200 }, "frozen, as far as the vault knows")?;
        tell(&mut host, "freeze")?;
        killed(&mut host, "thaw")?;
        is(&host, &works, 403, "frozen until it is thawed as a whole")?;
        tell(&mut host, "thaw")?;
        is(&host, &works, 200, "thawed once more")?;
    }
    let books = suite.books(&mut host)?;
    suite.seen = books.last;
    Ok(format!("{} kills: all fail closed, and all can be done again", 5 * INSTANTS.len()))
}

/// Has a command cut off, and starts another host.
fn kill(suite: &Suite, host: &mut Host, instant: &str, command: &str) -> Result<(), String> {
    host.tell(&format!("kill {instant} 1")).ok_or("the child is gone before its time")?;
    let answer = host.tell(command);
    if answer.is_some() || host.ended(PATIENCE).is_none() {
        return Err(format!("`{command}` was not killed {instant}: {answer:?}"));
    }
    *host = Host::start(suite);
    Ok(())
}

fn tell(host: &mut Host, command: &str) -> Result<Value, String> {
    let answer = host.tell(command).ok_or_else(|| format!("the child is gone at `{command}`"))?;
    if answer["failure"].is_null() { Ok(answer) } else { Err(format!("`{command}` came to {answer}")) }
}

fn token(told: &Value) -> Result<String, String> {
    told["token"].as_str().map(str::to_owned).ok_or_else(|| format!("no token: {told}"))
}

/// Asks by a token.
fn is(host: &Host, token: &str, expected: u16, what: &str) -> Result<(), String> {
    let head = format!("HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\r\n", host.agents);
    let mut client = RawClient::connect(host.agents).map_err(|error| error.to_string())?;
    client.send(format!("GET /acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=1 {head}").as_bytes());
    let status = client.read_reply().map_err(|error| error.to_string())?.status;
    if status == expected { Ok(()) } else { Err(format!("{what}: {status} and not {expected}")) }
}
