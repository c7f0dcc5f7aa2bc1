//! Every command that needs the home's state, the same whether a daemon carries it out for the command line or the
//! command line does so itself.

mod abilities;
mod accept;
mod agents;
mod attempts;
mod audit;
mod connect;
mod connections;
mod copies;
mod dashboard;
mod doctor;
mod drafts;
mod explain;
mod export;
mod freeze;
mod grants;
mod look;
mod operators;
mod plugin_logs;
mod plugins;
mod proof;
mod readiness;
mod recordings;
mod registrations;
mod released;
mod vault;
mod verified;
mod writes;

use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_audit::Act;
use wardlock_core::connection::{Connection, WriteMode};
use wardlock_egress::vault::Role;

use crate::admin::{Brought, Command, Failure, Page};
use crate::anchor;
use crate::config::HostConfig;
use crate::gate::{Gate, Seat};
use crate::home::CONFIG_FILE;
use crate::host::Host;
use crate::ids::random;
use crate::loaded::{Loaded, LoadedConnection, PolicyFiles, Problem, Severity, State};
use crate::metrics::Format;
use crate::operators::{Unauthorised, authorise, takes_signature, text_of};

pub(crate) use attempts::refused as refused_attempt;
pub(crate) use audit::standing as audit_standing;
pub(crate) use connections::find as find_connection;
pub use copies::DANGER;
pub(crate) use copies::not_written;
pub(crate) use dashboard::{Enrolled, dashboard_is_off, enrol, told};
pub use doctor::examine;
pub(crate) use drafts::{connection_of as connection_of_draft, decided_already, is_there as is_draft};
pub(crate) use freeze::frozen;
pub use look::{Looks, sieve};
pub(crate) use operators::all as operators_of;
pub(crate) use readiness::AuditLooked;
pub(crate) use verified::{against, verified};

pub use crate::operators::passkey;
pub use crate::operators::{HomeIdentity, Signature, Signed};

/// Who does administrative acts where nobody signed them.
pub(crate) const OPERATOR: &str = "operator";

/// Names that the audit has for what nobody signed. No operator may have one.
pub(crate) const UNSIGNED: [&str; 3] = [OPERATOR, "wardlock", crate::dashboard::NAME];

tokio::task_local! {
    /// Whose word the command under way has.
    static DOER: Doer;
}

/// Who does a command.
struct Doer {
    /// The operator whose signature it has; without one, through what it came.
    name: String,
    /// What the operator may who signed.
    signed_by: Option<Role>,
}

/// Returns in whose name the command under way is carried out. Ask it before work is handed to another task or thread.
pub(crate) fn who() -> String {
    DOER.try_with(|doer| doer.name.clone()).unwrap_or_else(|_| OPERATOR.to_owned())
}

/// Returns whether an operator signed the command under way. Ask it as [`who`].
fn is_signed() -> bool {
    signed_by().is_some()
}

/// Returns the role of the operator who signed the command under way. Ask it as [`who`].
fn signed_by() -> Option<Role> {
    DOER.try_with(|doer| doer.signed_by).ok().flatten()
}

/// How a command talks to the person while it works.
pub trait Talk: Send + Sync {
    /// Says something.
    fn say(&self, text: String);
    /// Has a page opened in the person's browser.
    fn open(&self, page: Page);
    /// Shows that it waits, and for what.
    fn wait(&self, text: String);

    /// Returns the operator's signature over a command for a home, if somebody signs it.
    fn signed(&self, home: &HomeIdentity, command: &Command, brought: &Brought) -> Result<Option<Signed>, String> {
        let Some(operator) = self.signs_as() else { return Ok(None) };
        let nonce = random().map_err(|error| error.to_string())?;
        let passphrase = brought.bound_to(&nonce).map_err(|error| error.to_string())?;
        let signature = Signature::Ssh(self.sign(&text_of(home, command, &nonce, passphrase.as_deref()))?);
        Ok(Some(Signed { operator, nonce, signature }))
    }

    /// Returns the operator in whose name this person signs.
    fn signs_as(&self) -> Option<String> {
        None
    }

    /// Returns who the audit says did it, where nobody signed.
    fn name(&self) -> &'static str {
        OPERATOR
    }

    /// Signs a text; an error says why it was not.
    fn sign(&self, _text: &str) -> Result<String, String> {
        Err("nobody signs here".to_owned())
    }
}

/// Carries out one command at a gate that may be locked.
pub async fn at_the_gate(
    gate: &Arc<Gate>,
    command: Command,
    brought: Brought,
    talk: &dyn Talk,
) -> Result<Value, Failure> {
    match (command, gate.opened()) {
        (Command::VaultLock, _) => vault::lock(gate).await,
        (Command::VaultUnlock, _) => vault::unlock(gate, brought).await,
        (Command::Status, None) => Ok(status(gate.seat(), false)),
        (Command::Metrics, _) => Ok(metrics(gate).await),
        (Command::PluginPublishers, _) => Ok(gate.seat().config.publishers().to_json()),
        (Command::VaultStatus, None) => vault::locked_status(gate.seat()),
        (_, None) => Err(Failure::home("the vault is locked").hint("run `wardlock vault unlock` first")),
        (command, Some(host)) => execute(&host, command, brought, talk).await,
    }
}

/// Carries out one command, once somebody has signed it who may: where operators have keys, and it is one that wants that.
pub async fn execute(
    host: &Arc<Host>,
    command: Command,
    mut brought: Brought,
    talk: &dyn Talk,
) -> Result<Value, Failure> {
    let mut doer = Doer { name: talk.name().to_owned(), signed_by: None };
    if takes_signature(&command) {
        let (known, home) = (operators::all(host).await?, HomeIdentity::of(host.home(), host.vault()));
        let signed = match talk.signed(&home, &command, &brought) {
            Ok(signed) => signed,
            Err(problem) => {
                let refused = Unauthorised::unsigned(Failure::no(problem));
                return Err(attempts::refused(host, talk.name(), &command, refused).await);
            }
        };
        let passphrase;
        (brought, passphrase) = stands_for(brought, signed.as_ref()).await?;
        let word = match authorise(&home, &known, &command, signed, passphrase.as_deref()) {
            Ok(word) => word,
            Err(refused) => return Err(attempts::refused(host, talk.name(), &command, refused).await),
        };
        if let Some(word) = word {
            operators::note_use(host, &word).await?;
            doer = Doer { name: word.operator.to_string(), signed_by: Some(word.role) };
        }
    }
    let is_anchored = anchor::is_for(&command);
    // In a box: what commands await is deep.
    let done = DOER.scope(doer, Box::pin(carry_out(host, command, brought, talk))).await;
    if is_anchored {
        host.note_revision().await;
    }
    done
}

/// Returns what stands for a passphrase in the text that was signed, beside what was brought.
async fn stands_for(brought: Brought, signed: Option<&Signed>) -> Result<(Brought, Option<String>), Failure> {
    let Some(nonce) = signed.map(|signed| signed.nonce.clone()) else { return Ok((brought, None)) };
    blocking(move || {
        let stands = brought.bound_to(&nonce)?;
        Ok((brought, stands))
    })
    .await?
}

async fn carry_out(
    host: &Arc<Host>,
    command: Command,
    brought: Brought,
    talk: &dyn Talk,
) -> Result<Value, Failure> {
    match command {
        Command::Status => Ok(status(host.seat(), true)),
        Command::Reload => Ok(reload(host).await),
        Command::Doctor => Ok(doctor::examine(host).await.to_json()),
        Command::LookBegin => look::begin(host).await,
        Command::LookAt { look, pieces } => look::at(host, &look, pieces).await,
        Command::RegistrationAdd { name, service, client_id, program } => {
            let new = registrations::New { name: &name, service: &service, client_id: &client_id, program };
            registrations::add(host, new, brought.secret()).await
        }
        Command::RegistrationList => registrations::list(host).await,
        Command::Connect { workspace, connection, registration, agent, how, evict_oldest, tenant, scopes } => {
            let asked =
                connect::Asked { workspace, connection, registration, agent, how, evict_oldest, tenant, scopes };
            connect::connect(host, asked, brought.secret(), talk).await
        }
        Command::Disconnect { grant } => connect::disconnect(host, &grant).await,
        Command::Grants => grants::list(host).await,
        Command::ConnectionsList => connections::list(host).await,
        Command::ConnectionsShow { workspace, connection, agent } => {
            connections::show(host, (&workspace, &connection), agent.as_deref()).await
        }
        Command::OperatorAdd { name, role, public_key } => operators::add(host, &name, role, &public_key).await,
        Command::OperatorList => operators::list(host).await,
        Command::OperatorPasskey { name, origin, secret_sha256 } => {
            dashboard::passkey_link(host, &name, &origin, &secret_sha256).await
        }
        Command::Dashboard => dashboard::login_link(host).await,
        Command::OperatorRevoke { name } => operators::revoke(host, &name).await,
        Command::Proof { place, agent } => {
            let place = place.as_ref().map(|(workspace, connection)| (workspace.as_str(), connection.as_str()));
            Box::pin(proof::prove(host, place, agent.as_deref())).await
        }
        Command::Writes { workspace, connection, agent, level, confirmed, basis } => {
            let confirmed = confirmed.then(|| basis.unwrap_or_default());
            writes::set(host, (&workspace, &connection), agent.as_deref(), &level, confirmed.as_deref()).await
        }
        Command::DraftsList { all } => drafts::list(host, all).await,
        Command::DraftsShow { id } => Box::pin(drafts::show(host, &id)).await,
        Command::DraftsApprove { id, request_sha256, shown } => {
            Box::pin(drafts::approve(host, &id, &request_sha256, shown.as_deref())).await
        }
        Command::DraftsReject { id } => drafts::reject(host, &id).await,
        Command::DraftsRejectOf { agent } => drafts::reject_of(host, &agent).await,
        Command::AgentAdd { name, workspace, expires } => {
            agents::add(host, &name, &workspace, expires.as_deref()).await
        }
        Command::AgentRotate { name, overlap, expires } => {
            agents::rotate(host, &name, &overlap, expires.as_deref()).await
        }
        Command::Freeze { workspace } => freeze::freeze(host, workspace.as_deref()).await,
        Command::Thaw { workspace } => freeze::thaw(host, workspace.as_deref()).await,
        Command::RegistrationSetSecret { name, region, which, unproved, program } => {
            let new = registrations::NewSecret { name: &name, region, which, unproved, program };
            registrations::set_secret(host, new, brought.secret()).await
        }
        Command::AgentList => agents::list(host).await,
        Command::AgentRevoke { name } => agents::revoke(host, &name).await,
        Command::PolicyExplain { workspace, connection, agent, method, target, headers, body, purpose } => {
            let body = explain::body(&body)?;
            let headers = explain::headers(headers, &body);
            let asked = explain::Asked { workspace, connection, agent, method, target, headers, body, purpose };
            Box::pin(explain::explain(host, asked)).await
        }
        Command::PolicyExplainRequest { request_id } => Box::pin(explain::of_request(host, &request_id)).await,
        Command::PolicyExplainDraft { id } => Box::pin(explain::of_draft(host, &id)).await,
        Command::PolicyAccept { basis } => Box::pin(accept::accept(host, basis.as_deref())).await,
        Command::PluginAdd { workspace, connection, signature, sha256, .. } => {
            let place = workspace.as_deref().zip(connection.as_deref());
            plugins::add(host, place, plugins::came(brought, &sha256)?, signature).await
        }
        Command::PluginList => Ok(plugins::list(host)),
        Command::PluginLogs { filter, json } => plugin_logs::page(host, filter, json),
        Command::PluginPublishers => Ok(host.config().publishers().to_json()),
        Command::AuditList { filter } => audit::list(host, *filter).await,
        Command::AuditRows { filter, form } => audit::rows(host, *filter, form).await,
        Command::AuditExport { what } => audit::export(host, what).await,
        Command::AuditShow { request_id } => audit::show(host, &request_id).await,
        Command::AuditVerify { heads, public_key } => audit::verify(host, &heads, public_key.as_deref()).await,
        Command::AuditHead => audit::head(host).await,
        Command::AuditReplay { workspace, request_id, limit } => {
            // Boxed: what they await is deep, and its size would be in every command's future.
            Box::pin(recordings::replay(host, recordings::Asked { workspace, request_id, limit })).await
        }
        Command::PluginCase { request_id, plugin, promise } => {
            Box::pin(recordings::case(host, &request_id, plugin.as_deref(), &promise)).await
        }
        Command::VaultStatus => vault::status(host).await,
        Command::VaultExport { recipients } => copies::export(host, &recipients, brought).await,
        Command::BackupCreate { recipients, configured } => {
            copies::back_up(host, recipients, configured, brought).await
        }
        Command::Metrics => {
            Err(Failure::no("no daemon serves this home, so nothing is counted").hint("start `wardlock serve`"))
        }
        Command::VaultLock | Command::VaultUnlock => {
            Err(Failure::no("no daemon serves this home, so nothing is unlocked")
                .hint("`wardlock serve` asks for what it needs"))
        }
    }
}

fn status(seat: &Seat, unlocked: bool) -> Value {
    json!({
        "pid": std::process::id(),
        "home": seat.home.path().display().to_string(),
        "agents": seat.config.agents().to_string(),
        "operators": seat.config.operators().map(|address| address.to_string()),
        "dashboard": seat.dashboard.get().map(|address| crate::dashboard::origin(*address)),
        "simulator": seat.world.simulated,
        "vault": if unlocked { "open" } else { "locked" },
        "version": env!("CARGO_PKG_VERSION"),
    })
}

async fn metrics(gate: &Gate) -> Value {
    let format = Format::Prometheus;
    let text = gate.seat().metrics.render(gate, format).await;
    json!({ "content_type": format.content_type(), "text": text })
}

/// Loads workspaces, services and plugins anew, and says what came of it.
pub async fn reload(host: &Arc<Host>) -> Value {
    let [before, loaded] = host.reload().await;
    crate::serve::tell_problems(&loaded);
    let mut problems: Vec<Value> = loaded.problems().iter().map(Problem::to_json).collect();
    problems.extend(changed_settings(host).as_ref().map(Problem::to_json));
    problems.extend(lapsed_levels(host, &before, &loaded).iter().map(Problem::to_json));
    let ok = loaded.problems().iter().all(|problem| problem.severity == Severity::Note);
    let connections = loaded.connections().filter(|found| matches!(found.state, State::Open(_))).count();
    let result = if ok { "ok" } else { "problems" };
    note(host, Act::admin(who(), "reload", "workspaces", result)).await;
    for (file, digest) in loaded.files().changed_since(before.files()) {
        let result = digest.map_or_else(|| "removed".to_owned(), |digest| digest.to_string());
        note(host, Act::admin(who(), "policy.changed", file, result)).await;
    }
    note(host, host.policy_loaded()).await;
    json!({ "ok": ok, "connections_open": connections, "problems": problems })
}

/// Says where writes passed before and do not now, because other rules are others than were proved.
fn lapsed_levels(host: &Host, before: &Loaded, loaded: &Loaded) -> Vec<Problem> {
    let level = |of: &Loaded, connection: &Connection| {
        let found = of.connection(connection.workspace.as_str(), connection.name.as_str())?;
        let State::Open(open) = &found.state else { return None };
        let grant = host.egress().grant_status(&connection.grant).ok()??;
        Some(host.write_level(open, connection, Some(grant.generation)))
    };
    let lapsed = loaded.connections().filter(|found| {
        let connection = &found.connection;
        level(loaded, connection) == Some(WriteMode::Off)
            && level(before, connection).is_some_and(|before| before != WriteMode::Off)
    });
    let problem = |found: &LoadedConnection| {
        let connection = &found.connection;
        let (workspace, name) = (connection.workspace.as_str(), connection.name.as_str());
        let hint = format!("run `wardlock proof {workspace}/{name}`, then `wardlock writes on` or `draft`");
        let message = "writes are off: its rules are others than those for which they were enabled";
        let problem = Problem::new(Some(workspace), message).of_connection(name);
        Problem { hint: Some(hint), ..problem.note() }
    };
    lapsed.map(problem).collect()
}

/// Says that `wardlock.toml` is not what it was at the start: nothing but a start reads it.
fn changed_settings(host: &Host) -> Option<Problem> {
    let mut now = PolicyFiles::default();
    now.note(CONFIG_FILE, &HostConfig::text(host.home()).ok()?);
    if now == host.seat().config_file {
        return None;
    }
    let hint = "restart `wardlock serve` to have them".to_owned();
    let problem = Problem::new(None, "wardlock.toml holds other settings than those that hold now");
    Some(Problem { hint: Some(hint), ..problem.note() })
}

/// Sees work through, whoever stays to hear of it: what is done must have its row. Ask [`who`] before.
async fn seen_through<T: Send + 'static>(
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    tokio::spawn(work).await.map_err(|error| Failure::no(format!("the work failed: {error}")))?
}

/// Records an administrative act. The act is done already, so a failing audit is reported, not undone.
async fn note(host: &Host, act: Act) {
    if let Err(error) = host.audit().act(act).await {
        tracing::error!(%error, "the audit cannot record an administrative act");
    }
}

/// Runs a blocking piece of work off the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::no(format!("a worker thread failed: {error}")))
}

/// Parses a name that a person typed.
fn named<T, E: std::fmt::Display>(parsed: Result<T, E>) -> Result<T, Failure> {
    parsed.map_err(Failure::usage)
}
