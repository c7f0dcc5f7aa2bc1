//! Commands on the home's state: through the daemon where one serves, else on the home itself.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::Value;
use wardlock_egress::vault::{Role, Secret};

use super::args::{AgentVerb, Cli, ConnectionsVerb, PolicyVerb, Verb};
use super::connect_args::{ConnectArgs, RegistrationVerb};
use super::operator_args::OperatorVerb;
use super::talk::Person;
use super::{explain, local, passkey_link, show, talk};
use crate::admin::{AdminClient, Brought, ClientError, Command, Failure, How};
use crate::drafts::thawed_by;
use crate::home::Home;
use crate::host::{Host, World};
use crate::ops::{self, Talk as _};

/// Runs a command that needs the home's state.
pub async fn run(cli: &Cli) -> Result<ExitCode, Failure> {
    let result = match &cli.command {
        Verb::Connect(connect) => {
            let pasted = if connect.advanced_paste { Some(pasted(connect)?) } else { None };
            let reach = Reach::open(cli).await?;
            let person = asked(cli, connect.no_browser)?;
            let shown = confirm_region(&reach, connect, &person).await?;
            let (command, secret) = connect_command(connect, pasted, &shown)?;
            let brought = secret.map_or(Brought::Nothing, Brought::Secret);
            reach.ask_until_stopped(command, brought, &person).await?
        }
        Verb::Operator(OperatorVerb::Passkey { name }) => passkey_link::make(cli, name).await?,
        verb => {
            let (command, secret) = command_of(verb)?;
            let brought = secret.map_or(Brought::Nothing, Brought::Secret);
            let (reach, person) = (Reach::open(cli).await?, Person::new().signing(cli));
            let command = first_is_admin(&reach, verb, command, &person).await?;
            reach.ask(command, brought, &person).await?
        }
    };
    if cli.json {
        talk::data(&result);
    } else {
        tell(&cli.command, &result);
    }
    Ok(verdict(&cli.command, &result))
}

/// The person who is asked for consent, at this terminal and in a browser.
fn asked(cli: &Cli, no_browser: bool) -> Result<Person, Failure> {
    let person = Person::new().signing(cli);
    if no_browser {
        return Ok(person);
    }
    Ok(person.with_browser(Home::open(&Home::locate(cli.home.as_deref())?)?))
}

/// Prints the daemon's metrics. Without a daemon there are none, so the home's key is not asked for.
pub async fn metrics(cli: &Cli) -> Result<ExitCode, Failure> {
    let home = Home::open(&Home::locate(cli.home.as_deref())?)?;
    let daemon = AdminClient::connect(&home.state_path("admin.sock")?).await.map_err(|error| {
        Failure::no(error).hint("start `wardlock serve`: what it counts, it counts from its start on")
    })?;
    let result = daemon.ask(Command::Metrics, &Brought::Nothing, &Person::new().signing(cli)).await?;
    if cli.json {
        talk::data(&result);
    } else {
        talk::lines(result["text"].as_str().unwrap_or_default().lines());
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks for what needs nobody to talk to.
pub async fn ask(cli: &Cli, command: Command, brought: Brought) -> Result<Value, Failure> {
    Reach::open(cli).await?.ask(command, brought, &Person::new().signing(cli)).await
}

/// Who carries commands out: the daemon that holds the home, or this process.
pub(super) enum Reach {
    /// The daemon, by its socket.
    Daemon(PathBuf),
    /// This process.
    Here(Arc<Host>),
}

impl Reach {
    /// Finds out who it is, and opens the home where nobody else does.
    pub(super) async fn open(cli: &Cli) -> Result<Self, Failure> {
        let home = Home::open(&Home::locate(cli.home.as_deref())?)?;
        let socket = home.state_path("admin.sock")?;
        match AdminClient::connect(&socket).await {
            Ok(_) => Ok(Self::Daemon(socket)),
            Err(ClientError::Io(error)) => Err(Failure::no(format!("failed to talk to the daemon: {error}"))),
            Err(ClientError::NotRunning) if home.is_simulator() => {
                Err(Failure::home("this home belongs to the simulator, and no daemon serves it")
                    .hint("run `wardlock serve --simulator` in another terminal first"))
            }
            Err(ClientError::NotRunning) => {
                let unlock = local::unlock(cli, &home)?;
                Ok(Self::Here(Host::open(home, &unlock, World::real()?, "a command").await?))
            }
        }
    }

    /// Has a command carried out.
    pub(super) async fn ask(&self, command: Command, brought: Brought, person: &Person) -> Result<Value, Failure> {
        match self {
            Self::Here(host) => ops::execute(host, command, brought, person).await,
            Self::Daemon(socket) => {
                let daemon = AdminClient::connect(socket).await.map_err(Failure::no)?;
                daemon.ask(command, &brought, person).await
            }
        }
    }

    /// The same, until the person presses ctrl-C: then nothing is left by half, here or at the provider. The daemon sees to that by
    /// itself.
    async fn ask_until_stopped(
        &self,
        command: Command,
        brought: Brought,
        person: &Person,
    ) -> Result<Value, Failure> {
        let stopped = tokio::select! {
            answered = self.ask(command, brought, person) => return answered,
            stopped = tokio::signal::ctrl_c() => stopped,
        };
        stopped.map_err(Failure::no)?;
        if let Self::Here(host) = self {
            host.egress().finish().await;
        }
        Err(Failure::no("stopped; a consent that was not stored yet is given back")
            .hint("`wardlock grants` shows what is stored"))
    }
}

/// Asks for the region first: a wrong data centre is the commonest way for a consent to fail, and the provider then
/// says only `invalid_client`.
/// Returns what is known of the connection.
async fn confirm_region(reach: &Reach, connect: &ConnectArgs, person: &Person) -> Result<Value, Failure> {
    let (workspace, connection) = split(&connect.connection)?;
    let looked = Command::ConnectionsShow { workspace, connection, agent: None };
    let shown = reach.ask(looked, Brought::Nothing, person).await?;
    let configured = shown["region"].as_str().unwrap_or_default();
    let said = match &connect.region {
        Some(region) => region.clone(),
        None => talk::ask(&format!(
            "Which data centre holds the account? The workspace file says `{configured}` ({}); Enter if so: ",
            shown["accounts_host"].as_str().unwrap_or_default()
        )),
    };
    if said.is_empty() || said == configured {
        return Ok(shown);
    }
    Err(Failure::no(format!("the workspace file says region `{configured}`, and you said `{said}`"))
        .hint(format!("set `region = \"{said}\"` in the workspace file and run `wardlock reload`, or connect an account of `{configured}`")))
}

fn command_of(verb: &Verb) -> Result<(Command, Option<Secret>), Failure> {
    let command = match verb {
        Verb::Doctor(_) => Command::Doctor,
        Verb::Dashboard => Command::Dashboard,
        Verb::Reload => Command::Reload,
        Verb::Grants => Command::Grants,
        Verb::Disconnect { grant } => Command::Disconnect { grant: grant.clone() },
        Verb::Registration(verb) => return registration_command(verb),
        Verb::Freeze(freeze) => Command::Freeze { workspace: freeze.workspace.clone() },
        Verb::Thaw(thaw) => Command::Thaw { workspace: thaw.workspace.clone() },
        Verb::Connections(ConnectionsVerb::List) => Command::ConnectionsList,
        Verb::Connections(ConnectionsVerb::Show { connection, agent }) => {
            let (workspace, connection) = split(connection)?;
            Command::ConnectionsShow { workspace, connection, agent: agent.clone() }
        }
        Verb::Operator(verb) => operator_command(verb)?,
        Verb::Agent(AgentVerb::Add { name, workspace, expires }) => {
            Command::AgentAdd { name: name.clone(), workspace: workspace.clone(), expires: expires.clone() }
        }
        Verb::Agent(AgentVerb::Rotate { name, overlap, expires }) => {
            Command::AgentRotate { name: name.clone(), overlap: overlap.clone(), expires: expires.clone() }
        }
        Verb::Agent(AgentVerb::List) => Command::AgentList,
        Verb::Agent(AgentVerb::Revoke { name }) => Command::AgentRevoke { name: name.clone() },
        Verb::Policy(PolicyVerb::Explain(explain)) => explain::command(explain)?,
        Verb::Connect(_)
        | Verb::Init(_)
        | Verb::Demo(_)
        | Verb::Serve(_)
        | Verb::Vault(_)
        | Verb::Backup(_)
        | Verb::Service(_)
        | Verb::Plugin(_)
        | Verb::Metrics
        | Verb::Proof(_)
        | Verb::Writes(_)
        | Verb::Drafts(_)
        | Verb::Audit(_)
        | Verb::Policy(PolicyVerb::Check { .. } | PolicyVerb::Test(_) | PolicyVerb::Accept { .. }) => {
            return Err(Failure::usage("this command runs by itself"));
        }
    };
    Ok((command, None))
}

/// Makes the first operator an admin, where no role is named: nobody else could add another.
async fn first_is_admin(
    reach: &Reach,
    verb: &Verb,
    mut command: Command,
    person: &Person,
) -> Result<Command, Failure> {
    // Where somebody signs, there is no first operator to make, whatever answers here says.
    let signed = person.signs_as().is_some();
    if let (Verb::Operator(OperatorVerb::Add { role: None, .. }), Command::OperatorAdd { role, .. }) =
        (verb, &mut command)
        && !signed
    {
        let known = reach.ask(Command::OperatorList, Brought::Nothing, person).await?;
        if known.as_array().is_some_and(Vec::is_empty) {
            *role = Role::Admin;
        }
    }
    Ok(command)
}

fn operator_command(verb: &OperatorVerb) -> Result<Command, Failure> {
    Ok(match verb {
        OperatorVerb::List => Command::OperatorList,
        OperatorVerb::Passkey { .. } => return Err(Failure::usage("this command runs by itself")),
        OperatorVerb::Revoke { name } => Command::OperatorRevoke { name: name.clone() },
        OperatorVerb::Add { name, key, role } => {
            let key = crate::home::read_operator_file(key).map_err(Failure::of_named_file)?;
            let public_key = String::from_utf8_lossy(&key).into_owned();
            let role = role.map_or(Role::Approver, Role::from);
            Command::OperatorAdd { name: name.clone(), role, public_key }
        }
    })
}

fn registration_command(verb: &RegistrationVerb) -> Result<(Command, Option<Secret>), Failure> {
    match verb {
        RegistrationVerb::List => Ok((Command::RegistrationList, None)),
        RegistrationVerb::Add { name, service, client_id, secret_stdin, secret_fd, public, program } => {
            let asked = !public && program.is_empty();
            let secret =
                if asked { Some(asked_secret("client secret: ", *secret_stdin, *secret_fd)?) } else { None };
            let (name, service, client_id) = (name.clone(), service.clone(), client_id.clone());
            Ok((Command::RegistrationAdd { name, service, client_id, program: program.clone() }, secret))
        }
        RegistrationVerb::SetSecret { name, which, region, unproved, again, secret_stdin, secret_fd, program } => {
            let prompt = which.as_ref().map_or("client secret: ".to_owned(), |which| format!("{which}: "));
            let asked = !again && program.is_empty();
            let secret = if asked { Some(asked_secret(&prompt, *secret_stdin, *secret_fd)?) } else { None };
            let (name, region, which) = (name.clone(), region.clone(), which.clone());
            let (unproved, program) = (*unproved, program.clone());
            Ok((Command::RegistrationSetSecret { name, region, which, unproved, program }, secret))
        }
    }
}

fn asked_secret(prompt: &str, stdin: bool, fd: Option<u32>) -> Result<Secret, Failure> {
    let secret = match (stdin, fd) {
        (true, _) => Secret::read_stdin(),
        (false, Some(fd)) => Secret::read_fd(fd),
        (false, None) => Secret::read_hidden(prompt),
    };
    secret.map_err(|error| {
        Failure::usage(error)
            .hint("type it at the prompt, or use `--secret-stdin` or `--secret-fd FD`; never an argument")
    })
}

fn connect_command(
    connect: &ConnectArgs,
    pasted: Option<Secret>,
    shown: &Value,
) -> Result<(Command, Option<Secret>), Failure> {
    let (workspace, connection) = split(&connect.connection)?;
    let has_key = shown["grant_types"][0] == "key";
    if !has_key && !connect.program.is_empty() {
        return Err(Failure::usage("only a service with a key takes a program here")
            .hint("a program that gives a client secret goes with `wardlock registration add` or `set-secret`"));
    }
    if connect.secret_fd.is_some() && !has_key && !connect.advanced_paste {
        return Err(Failure::usage("nothing is read from `--secret-fd` here")
            .hint("it goes with `--advanced-paste`, or with a service that has a key"));
    }
    let (how, secret) = if connect.device {
        (How::Device, None)
    } else if has_key && !connect.look_up {
        if connect.invite || connect.no_browser || connect.advanced_paste {
            return Err(Failure::usage("this service has a key, and nobody consents to anything")
                .hint("run `wardlock connect` without that flag; the key is asked for"));
        }
        let program = connect.program.clone();
        let prompt = format!("{}: ", shown["key"].as_str().unwrap_or("key"));
        let key = if program.is_empty() { Some(asked_secret(&prompt, false, connect.secret_fd)?) } else { None };
        (How::Key { program }, key)
    } else if connect.invite {
        (How::Invite { expires: connect.expires.clone() }, None)
    } else if connect.look_up {
        (How::LookUp, None)
    } else if connect.advanced_paste {
        (How::AdvancedPaste, pasted)
    } else {
        (How::Consent, None)
    };
    let (registration, agent) = (connect.registration.clone(), connect.agent.clone());
    let (evict_oldest, tenant) = (connect.evict_oldest, connect.tenant.clone());
    // What is signed names them: a line in a file must not widen a consent that somebody gives for another reason.
    let scopes = shown["scopes_of_consent"].as_array().map(|scopes| {
        scopes.iter().map(|scope| scope.as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    });
    let command =
        Command::Connect { workspace, connection, registration, agent, how, evict_oldest, tenant, scopes };
    Ok((command, secret))
}

/// Takes a refresh token in place of a consent, after two questions: it is the one way in without the provider's page.
fn pasted(connect: &ConnectArgs) -> Result<Secret, Failure> {
    let name = &connect.connection;
    let first = format!(
        "This takes a refresh token that somebody obtained elsewhere: nobody sees at the provider who asks for what.\n\
         Type the connection's name, {name}, to go on: "
    );
    let second = "From here on Wardlock alone may use this token; whoever else uses it can end the login for both.\n\
                  Type yes if nobody else will: ";
    if talk::answer(&first) != *name || talk::answer(second) != "yes" {
        return Err(
            Failure::no("not confirmed, so nothing was stored").hint("start again, and answer both questions")
        );
    }
    let secret = match connect.secret_fd {
        Some(fd) => Secret::read_fd(fd),
        None => Secret::read_hidden("refresh token: "),
    };
    secret.map_err(|error| {
        Failure::usage(error).hint("type it at the prompt, or use `--secret-fd FD`; never an argument")
    })
}

/// Splits `workspace/connection`.
pub(super) fn split(text: &str) -> Result<(String, String), Failure> {
    match text.split_once('/') {
        Some((workspace, connection)) if !workspace.is_empty() && !connection.is_empty() => {
            Ok((workspace.to_owned(), connection.to_owned()))
        }
        _ => {
            Err(Failure::usage(format!("`{text}` names no connection")).hint("write it as `workspace/connection`"))
        }
    }
}

fn tell(verb: &Verb, result: &Value) {
    if let Verb::Agent(AgentVerb::Add { .. } | AgentVerb::Rotate { .. }) = verb {
        talk::line("The agent's token, shown this once; only its digest is kept:\n");
        talk::text(result["token"].as_str().unwrap_or_default());
        return;
    }
    if let Verb::Dashboard | Verb::Operator(OperatorVerb::Passkey { .. }) = verb {
        talk::line(&format!(
            "Open this in the browser of whoever it is for, before {}. It works once:\n",
            crate::text::for_terminal(result["expires"].as_str().unwrap_or_default())
        ));
        talk::text(&crate::text::for_terminal(result["link"].as_str().unwrap_or_default()));
        return;
    }
    if let Verb::Connections(ConnectionsVerb::List) = verb {
        return show::show_with_stale(&with_names(result.clone()));
    }
    let mut result = result.clone();
    if let Verb::Connections(ConnectionsVerb::Show { .. }) = verb {
        result["frozen"] = frozen(&result["frozen"]);
    }
    show::changes_in_words(&mut result);
    show::show(&result);
}

/// Says what lifts a freeze, for people.
fn frozen(names: &Value) -> Value {
    let names: Vec<&str> = names.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if names.is_empty() { false.into() } else { format!("yes, until {}", thawed_by(&names)).into() }
}

/// A list of connections with agents' names alone: a cell has no room for what is known of each, nor for what lifts a freeze.
fn with_names(mut listed: Value) -> Value {
    for row in listed.as_array_mut().into_iter().flatten() {
        if let Some(names) = row["frozen"].as_array() {
            row["frozen"] = (!names.is_empty()).into();
        }
    }
    for agent in
        listed.as_array_mut().into_iter().flatten().filter_map(|row| row["agents"].as_array_mut()).flatten()
    {
        *agent = agent["agent"].take();
    }
    listed
}

/// A program reads the answer off the exit code: 1 where the answer is no.
fn verdict(verb: &Verb, result: &Value) -> ExitCode {
    let no = match verb {
        Verb::Doctor(_) | Verb::Reload => result["ok"] == false,
        Verb::Policy(PolicyVerb::Explain(_)) => result["decision"] != "allow",
        _ => false,
    };
    ExitCode::from(u8::from(no))
}
