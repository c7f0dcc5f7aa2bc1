//! `wardlock doctor`: which protections are active, and what to mend.

mod agents;
mod plugins;
mod recorder;
mod records;

use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_audit::Filter;
use wardlock_core::connection::{Connection, Owner};
use wardlock_core::id::AgentName;
use wardlock_core::service::GrantType;
use wardlock_egress::vault::{Condition, GrantInfo, KeyKind, Role};
use wardlock_sandbox::Measure;

use super::{blocking, grants, readiness};
use crate::harden::{self, Hardening};
use crate::host::Host;
use crate::loaded::{Severity, State};

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// As it must be.
    Green,
    /// It works, and could be better.
    Yellow,
    /// To be mended.
    Red,
}

/// One check.
#[derive(Debug, Clone)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it came out.
    pub colour: Colour,
    /// What was found.
    pub found: String,
    /// How to mend it.
    pub mend: Option<String>,
}

/// Every check.
#[derive(Debug, Clone)]
pub struct Examination(Vec<Check>);

impl Examination {
    /// Returns whether nothing is red.
    pub fn ok(&self) -> bool {
        self.0.iter().all(|check| check.colour != Colour::Red)
    }

    /// Renders it for people and programs.
    pub fn to_json(&self) -> Value {
        let checks = self.0.iter().map(|check| {
            let colour = match check.colour {
                Colour::Green => "green",
                Colour::Yellow => "yellow",
                Colour::Red => "red",
            };
            json!({ "check": check.name, "state": colour, "found": check.found, "mend": check.mend })
        });
        json!({ "ok": self.ok(), "checks": checks.collect::<Vec<_>>() })
    }
}

fn green(name: &str, found: impl Into<String>) -> Check {
    Check { name: name.to_owned(), colour: Colour::Green, found: found.into(), mend: None }
}

fn yellow(name: &str, found: impl Into<String>, mend: &str) -> Check {
    Check { colour: Colour::Yellow, mend: Some(mend.to_owned()), ..green(name, found) }
}

fn red(name: &str, found: impl Into<String>, mend: &str) -> Check {
    Check { colour: Colour::Red, ..yellow(name, found, mend) }
}

/// Looks at everything.
pub async fn examine(host: &Arc<Host>) -> Examination {
    let mut checks =
        vec![home(host), key(host).await, memory(host), engine(host), workers(host), separation(host).await];
    checks.extend([files(host), operators(host), signatures(host).await]);
    checks.extend(collector(host));
    checks.extend(records::examine(host).await);
    checks.push(plugins::signed(host));
    checks.extend(plugins::tripped(host));
    checks.extend(recorder::examine(host).await);
    checks.push(agents::examine(host).await);
    checks.extend(agents::frozen(host).await);
    checks.extend(workspaces(host));
    checks.extend(connections(host).await);
    checks.extend(redirects(host).await);
    Examination(checks)
}

/// Whether approving and enabling wants a key that no other process of this user has.
async fn signatures(host: &Arc<Host>) -> Check {
    const NAME: &str = "operators' keys";
    match super::operators::all(host).await {
        Ok(operators) if operators.is_empty() => yellow(
            NAME,
            "nobody has one: whoever reaches this home's socket can approve drafts and enable writes",
            "add yourself: `wardlock operator add NAME --key FILE.pub`",
        ),
        Ok(operators) => {
            let of = |role| operators.iter().filter(|operator| operator.role == role).count();
            let (admins, approvers) = (of(Role::Admin), of(Role::Approver));
            green(NAME, format!("{admins} sign what widens, and {approvers} more may approve drafts"))
        }
        Err(failure) => red(NAME, failure.message, "see the check `key`"),
    }
}

fn home(host: &Host) -> Check {
    let path = host.home().path().display();
    if host.world().simulated {
        return yellow("home", format!("{path}, of the simulator"), "use another home for real accounts");
    }
    green("home", format!("{path}: owner, modes and links are as they must be"))
}

async fn key(host: &Host) -> Check {
    const NAME: &str = "key";
    let vault = Arc::clone(host.vault());
    if let Ok(Err(error)) = blocking(move || vault.key_is_reachable()).await {
        let mend = error.hint().unwrap_or_else(|| "look at the keychain".to_owned());
        return yellow(NAME, format!("the vault is open, but could not be opened again: {error}"), &mend);
    }
    match host.vault().opened_with() {
        KeyKind::Passphrase => green(NAME, "from a passphrase (Argon2id)"),
        KeyKind::Keychain => green(NAME, "from the operating system's keychain, which answers"),
        KeyKind::Credential => green(NAME, "from a systemd credential"),
        KeyKind::File => yellow(
            NAME,
            "from a file: whoever reads the whole home reads the vault",
            "use `key = \"passphrase\"` where somebody can type it at start",
        ),
    }
}

/// What others of the same user, or the swap, could read of the process.
fn memory(host: &Host) -> Check {
    let Hardening { no_core, closed_memory } = harden::look();
    let locked = host.vault().keys().are_locked_in_memory();
    let found = [
        (no_core, "core dumps are forbidden", "core dumps are possible"),
        (closed_memory, "other programs of this user cannot read it", "other programs of this user can read it"),
        (locked, "the keys' pages are never swapped out", "the keys' pages may be swapped out"),
    ];
    let told: Vec<&str> = found.iter().map(|(holds, yes, no)| if *holds { *yes } else { *no }).collect();
    if found.iter().all(|(holds, ..)| *holds) {
        green("memory", told.join(", "))
    } else {
        yellow(
            "memory",
            told.join(", "),
            "raise the limit on locked memory (`ulimit -l`), and run as a user of its own",
        )
    }
}

/// How many files may be open: connections, databases and sockets upstream share them.
fn files(host: &Host) -> Check {
    const NAME: &str = "open files";
    let Some(files) = harden::open_files() else {
        return green(NAME, "no limit");
    };
    let (wanted, taken) = (host.config().connections(), harden::agents_connections(host.config().connections()));
    if taken == wanted {
        return green(NAME, format!("up to {files}, enough for {wanted} connections of agents"));
    }
    yellow(
        NAME,
        format!(
            "up to {files}, so agents may have {taken} connections and not the {wanted} of `limits.connections`"
        ),
        "raise the hard limit (`ulimit -Hn`, `LimitNOFILE=` in a unit) and start again",
    )
}

fn engine(host: &Host) -> Check {
    let features = host.sandbox().features();
    let found = format!("a fresh instance per request, {} at once", features.max_concurrent);
    if features.pagemap_scan {
        green("plugins' engine", format!("{found}, memory reset by PAGEMAP_SCAN"))
    } else {
        yellow(
            "plugins' engine",
            format!("{found}, without PAGEMAP_SCAN"),
            "decisions are faster on Linux 6.7 or newer",
        )
    }
}

/// Where plugins run, and what holds them there.
fn workers(host: &Host) -> Check {
    const NAME: &str = "plugins' workers";
    let Some((count, confinement)) = host.sandbox().features().workers else {
        return yellow(
            NAME,
            "plugins run in this process, beside every secret",
            "take `run = \"in-process\"` out of [plugins] in wardlock.toml, unless you measured and chose it",
        );
    };
    let told = |hold: &Measure| match &hold.holds {
        Ok(what) => format!("{}: {what}", hold.name),
        Err(why) => format!("no {}: {why}", hold.name),
    };
    let holds = confinement.holds.iter().map(told).collect::<Vec<_>>().join("; ");
    let found = format!("{count} processes without secrets; {holds}");
    // What seccomp refuses, Landlock would refuse once more.
    let open = confinement.holds.iter().any(|hold| hold.holds.is_err() && hold.name != "landlock");
    if open {
        return yellow(NAME, found, "a newer kernel, or another container runtime, may offer what is missing");
    }
    green(NAME, found)
}

fn operators(host: &Host) -> Check {
    const NAME: &str = "operators' listener";
    let Some(address) = host.config().operators() else {
        return green(NAME, "off; `wardlock metrics` shows the same numbers");
    };
    let found = format!("{address} answers `/metrics` and `/health`");
    if address.ip().is_loopback() {
        return green(NAME, format!("{found} to every user of this machine"));
    }
    yellow(
        NAME,
        format!("{found} to whoever reaches that address, without TLS and without asking who they are"),
        "let a firewall admit the monitoring only, or set `operators` to a loopback address",
    )
}

/// Spans name agents and what they do.
fn collector(host: &Host) -> Option<Check> {
    const NAME: &str = "collector";
    let address = host.config().otlp()?;
    let host = address.host().unwrap_or_default();
    let here = host == "localhost"
        || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let found = format!("spans of requests go to {address}");
    if here || address.scheme() == Some(&http::uri::Scheme::HTTPS) {
        return Some(green(NAME, found));
    }
    let found = format!("{found} in the clear: whoever is on the way reads which agent does what");
    Some(yellow(NAME, found, "use `https`, or a collector on this machine that passes them on"))
}

/// Against an agent with a shell under Wardlock's own user there is no promise.
async fn separation(host: &Arc<Host>) -> Check {
    const NAME: &str = "separation";
    const MEND: &str = "run Wardlock as a user of its own: `wardlock init --system`";
    let audit = host.audit().clone();
    let newest = Filter { limit: 200, ..Filter::default() };
    let rows = blocking(move || audit.list(&newest)).await;
    let Ok(Ok(rows)) = rows else {
        return red(NAME, "the audit cannot be read", "see the check `audit`");
    };
    let requests = rows.iter().filter_map(|row| row.detail.request.as_ref());
    let together = requests.filter(|request| request.separation.as_deref() == Some("none")).count();
    if together > 0 {
        let found = format!("{together} of the newest requests came from a process under Wardlock's own user");
        return red(NAME, format!("{found}: such an agent can read the home and the daemon's memory"), MEND);
    }
    let uid = rustix::process::geteuid().as_raw();
    // Ordinary users begin at 1000 on every Linux that has login.defs(5) as it comes.
    if uid == 0 || uid >= 1000 {
        return yellow(NAME, format!("Wardlock runs as user {uid}, which agents may share"), MEND);
    }
    green(NAME, format!("Wardlock runs as system user {uid}, and no agent shares it"))
}

fn workspaces(host: &Host) -> Vec<Check> {
    let loaded = host.loaded();
    let problems = loaded.problems().iter().map(|problem| {
        let name = format!("workspace {}", problem.workspace.as_deref().unwrap_or("-"));
        let mend = problem.hint.clone().unwrap_or_else(|| "mend the file, then `wardlock reload`".to_owned());
        match problem.severity {
            Severity::Closes | Severity::Stale => red(&name, problem.message.clone(), &mend),
            Severity::Note => yellow(&name, problem.message.clone(), &mend),
        }
    });
    let checks: Vec<Check> = problems.collect();
    if checks.is_empty() {
        return vec![green("workspaces", format!("{} load, every plugin is pinned", loaded.workspaces().count()))];
    }
    checks
}

/// A registration keeps the redirect URI of the day on which it was stored; a consent is compared with today's.
async fn redirects(host: &Arc<Host>) -> Vec<Check> {
    let vault = Arc::clone(host.vault());
    let Ok(Ok(registrations)) = blocking(move || vault.registrations()).await else {
        return Vec::new();
    };
    let (services, ours) = (host.services(), host.config().redirect_uri());
    let consents = |name: &str| {
        services.get(name).is_some_and(|service| {
            service.oauth.allows(GrantType::AuthorizationCode) && !service.oauth.any_loopback_port
        })
    };
    let other = registrations.into_iter().filter(|one| one.redirect_uri != ours && consents(one.service.as_str()));
    other
        .map(|one| {
            yellow(
                &format!("registration {}", one.name),
                format!("it was stored with the redirect URI {}, and this home listens on {ours}", one.redirect_uri),
                "set `callback` or `callback_url` under [listen] as it was, or enter the new one at the provider and store \
                 the registration anew under another name",
            )
        })
        .collect()
}

async fn connections(host: &Arc<Host>) -> Vec<Check> {
    let vault = Arc::clone(host.vault());
    let Ok(Ok(stored)) = blocking(move || vault.grants()).await else {
        return vec![red("grants", "the vault cannot be read", "see the check `key`")];
    };
    let loaded = host.loaded();
    let open = loaded.connections().filter(|found| matches!(found.state, State::Open(_)));
    open.map(|found| {
        let connection = &found.connection;
        let name = format!("connection {}/{}", connection.workspace, connection.name);
        let mend = format!("wardlock connect {}/{}", connection.workspace, connection.name);
        if let Some(words) = readiness::allows_nothing(connection) {
            let mend = "add a plugin, or take `mode = \"monitor\"` from one, and run `wardlock reload`";
            return yellow(&name, format!("its plugins: {words}"), mend);
        }
        if connection.owner == Owner::Agent {
            return own_grants(connection, &stored, &name);
        }
        let Some(grant) = stored.iter().find(|grant| grant.name == connection.grant) else {
            return yellow(&name, format!("grant `{}` is not there yet", connection.grant), &mend);
        };
        match crate::report::pinned_tenant(connection, grant) {
            Err(refusal) => red(&name, refusal.detail, &mend),
            Ok(tenant) => match &grant.condition {
                None => match grants::copied(grant) {
                    None => green(&name, format!("serves tenant {tenant} in {}", connection.region)),
                    Some(copied) => {
                        let found = format!("serves tenant {tenant} in {}; {copied}", connection.region);
                        yellow(
                            &name,
                            found,
                            &format!("stop the other Wardlock; `{mend}` makes a grant of its own"),
                        )
                    }
                },
                Some(Condition::Throttled { .. }) => {
                    yellow(&name, grants::condition(grant), "wait; asking sooner does not help")
                }
                Some(Condition::Reconnect { .. }) => red(&name, grants::condition(grant), &mend),
            },
        }
    })
    .collect()
}

/// Where consents are each agent's own: what hinders any of them.
fn own_grants(connection: &Connection, stored: &[GrantInfo], name: &str) -> Check {
    let theirs: Vec<&GrantInfo> = stored.iter().filter(|grant| connection.uses(&grant.name)).collect();
    let hindered = theirs.iter().find_map(|grant| {
        let agent = grant.name.agent()?;
        let own = connection.of_agent(&AgentName::parse(agent).ok()?);
        let what = crate::report::pinned_tenant(&own, grant).err().map(|refusal| refusal.detail);
        let what = what.or_else(|| grant.condition.as_ref().map(|_| grants::condition(grant)))?;
        Some((agent.to_owned(), what))
    });
    let connect = format!("wardlock connect {}/{} --agent", connection.workspace, connection.name);
    match hindered {
        Some((agent, what)) => red(name, format!("agent `{agent}`: {what}"), &format!("{connect} {agent}")),
        None if theirs.is_empty() => {
            yellow(name, "no agent has a consent of its own yet", &format!("{connect} NAME"))
        }
        None => green(name, format!("{} agents have consents of their own", theirs.len())),
    }
}
