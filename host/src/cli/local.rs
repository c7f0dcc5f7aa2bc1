//! Commands that need no daemon: serving itself, and what can be read off files.

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_core::id::Region;
use wardlock_core::service::{DefinitionError, ServiceDefinition, json_schema, parse_and_lint};
use wardlock_egress::vault::{KeySource as Unlock, Passphrase, Vault};
use wardlock_sandbox::{Sandbox, SandboxConfig};

use super::args::{Cli, PolicyTestArgs, ServeArgs, ServiceVerb};
use super::{service_new, show, talk};
use crate::admin::Failure;
use crate::config::{HostConfig, KeySource, LogFormat};
use crate::gate::{Gate, Seat};
use crate::home::Home;
use crate::host::{Host, World};
use crate::loaded::{ELSEWHERE_HINT, Services, sent_elsewhere};
use crate::{logs, policy};

/// Serves until told to stop.
pub async fn serve(cli: &Cli, args: &ServeArgs) -> Result<ExitCode, Failure> {
    let home = Home::open(&Home::locate(cli.home.as_deref())?)?;
    let config = HostConfig::load(&home)?;
    let mut log = config.log();
    if args.json_logs {
        log.format = LogFormat::Json;
    }
    let dashboard = config.dashboard(args.dashboard);
    let spans = logs::start(log, config.otlp().is_some());
    if args.simulator {
        let unlock = unlock(cli, &home)?;
        crate::demo::serve_simulator(home, &unlock, dashboard, spans).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let seat = Seat::take(home, World::real()?, "serve")?;
    let gate = open_gate(cli, &seat).await?;
    crate::serve::run(gate, dashboard, spans).await?;
    Ok(ExitCode::SUCCESS)
}

/// Opens the vault; where its key is only out of reach now, the daemon starts locked and waits for `vault unlock`.
async fn open_gate(cli: &Cli, seat: &Arc<Seat>) -> Result<Arc<Gate>, Failure> {
    let nobody = cli.passphrase_fd.is_none() && !std::io::stdin().is_terminal();
    if *seat.config.key() == KeySource::Passphrase && nobody {
        tracing::warn!("nobody can type the passphrase here; run `wardlock vault unlock`");
        return Ok(Gate::locked(Arc::clone(seat)));
    }
    let key = unlock(cli, &seat.home)?;
    if let Err(error) = Vault::reach(&seat.home.state_folder(), &key) {
        tracing::warn!(%error, hint = error.hint(), "the vault stays locked");
        return Ok(Gate::locked(Arc::clone(seat)));
    }
    Ok(Gate::of(Host::unlock(seat, &key).await?))
}

/// Gets what opens the vault: the key file, or the passphrase from its descriptor or the prompt.
pub fn unlock(cli: &Cli, home: &Home) -> Result<Unlock, Failure> {
    let config = HostConfig::load(home)?;
    match config.key() {
        KeySource::Passphrase => {
            let passphrase = match cli.passphrase_fd {
                Some(fd) => Passphrase::read_fd(fd),
                None => Passphrase::read_hidden("vault passphrase: "),
            };
            let passphrase = passphrase.map_err(|error| {
                let hint = error.hint().unwrap_or("type it at the prompt, or use `--passphrase-fd FD`").to_owned();
                Failure::home(error).hint(hint)
            })?;
            Ok(Unlock::Passphrase(passphrase))
        }
        source => source.resolve(home),
    }
}

/// `wardlock service …`: built-in definitions, and the home's own where there is a home.
pub fn service(cli: &Cli, verb: &ServiceVerb) -> Result<ExitCode, Failure> {
    let result = match verb {
        // These three need no services.
        ServiceVerb::Check { file } => return check_service(cli, file),
        ServiceVerb::New(new) => return service_new::run(cli, new),
        ServiceVerb::Schema => {
            talk::data(&json_schema());
            return Ok(ExitCode::SUCCESS);
        }
        ServiceVerb::List => Value::Array(services(cli)?.iter().map(|service| summary(service)).collect()),
        ServiceVerb::Show { service, definition: true } => {
            let text = Services::text_of_built_in(service).ok_or_else(|| {
                Failure::usage(format!("no service `{service}` is built in"))
                    .hint("`wardlock service list` shows them; a definition of your own is a file of yours")
            })?;
            talk::text(text.trim_end());
            return Ok(ExitCode::SUCCESS);
        }
        ServiceVerb::Show { service, definition: false } => details(find(&services(cli)?, service)?),
        ServiceVerb::Guide { service, region } => {
            let services = services(cli)?;
            let definition = find(&services, service)?;
            let redirect = redirect_uri(cli);
            let guide = policy::guide(definition, region.as_deref(), &redirect).map_err(Failure::usage)?;
            if !cli.json {
                talk::text(&guide.text);
                return Ok(ExitCode::SUCCESS);
            }
            guide.to_json()
        }
    };
    print(cli, &result);
    Ok(ExitCode::SUCCESS)
}

/// `wardlock service check`.
fn check_service(cli: &Cli, file: &Path) -> Result<ExitCode, Failure> {
    let bytes = crate::home::read_operator_file(file).map_err(Failure::of_named_file)?;
    let name = file.display().to_string();
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::usage(format!("{name} is not UTF-8")).hint("save it as UTF-8"))?;
    let (service, problems) = match parse_and_lint(&text, &name) {
        Ok((service, mut findings)) => {
            findings.splice(0..0, taken_name(&service, &name).into_iter().chain(strange_hosts(&service, &name)));
            (Some(service), findings)
        }
        Err(error) => (None, vec![error]),
    };
    let found: Vec<Value> = problems
        .iter()
        .map(|found| json!({ "line": found.line, "key": found.key, "problem": found.problem, "mend": found.hint }))
        .collect();
    let ok = problems.is_empty();
    if cli.json {
        let summary = service.as_ref().map(summary);
        talk::data(&json!({ "ok": ok, "parses": service.is_some(), "service": summary, "found": found }));
    } else {
        for found in &problems {
            talk::text(&found.to_string());
        }
        if let (true, Some(service)) = (ok, &service) {
            talk::text(&format!("{name}: {} operations, nothing found", service.operations.len()));
        }
    }
    Ok(ExitCode::from(u8::from(!ok)))
}

/// A file of a built-in's name passes every other check, and does not load.
fn taken_name(service: &ServiceDefinition, file: &str) -> Option<DefinitionError> {
    let built_in = Services::built_in().get(service.name.as_str())?.digest;
    (built_in != service.digest).then(|| DefinitionError {
        file: file.to_owned(),
        line: 1,
        key: "name".to_owned(),
        problem: format!("a service `{}` is built in, and a file may not take its place", service.name),
        hint: Some("give it another name, and name that in the workspace files".to_owned()),
    })
}

/// Another definition's logins with hosts of somebody else's.
fn strange_hosts(service: &ServiceDefinition, file: &str) -> Option<DefinitionError> {
    sent_elsewhere(service).map(|problem| DefinitionError {
        file: file.to_owned(),
        line: 1,
        key: "regions".to_owned(),
        problem,
        hint: Some(ELSEWHERE_HINT.to_owned()),
    })
}

fn services(cli: &Cli) -> Result<Services, Failure> {
    let path = Home::locate(cli.home.as_deref())?;
    match Home::open(&path) {
        Ok(home) => Ok(Services::load(&home)),
        // Reading about the built-in services needs no home; a home that was named must be one.
        Err(_) if cli.home.is_none() => Ok(Services::built_in()),
        Err(error) => Err(error.into()),
    }
}

/// The redirect URI of this home, or the default one.
fn redirect_uri(cli: &Cli) -> String {
    let home = Home::locate(cli.home.as_deref()).ok().and_then(|path| Home::open(&path).ok());
    home.and_then(|home| HostConfig::load(&home).ok()).unwrap_or_default().redirect_uri()
}

fn find<'a>(services: &'a Services, name: &str) -> Result<&'a ServiceDefinition, Failure> {
    services.get(name).map(|service| &**service).ok_or_else(|| {
        let known: Vec<&str> = services.names().collect();
        Failure::usage(format!("there is no service `{name}`"))
            .hint(format!("services here: {}", known.join(", ")))
    })
}

fn summary(service: &ServiceDefinition) -> Value {
    let regions: Vec<&str> = service.regions.keys().map(Region::as_str).collect();
    json!({
        "service": service.name.as_str(),
        "display": service.display,
        "version": service.version,
        "regions": regions,
        "operations": service.operations.len(),
    })
}

fn details(service: &ServiceDefinition) -> Value {
    let regions = service.regions.iter().map(|(region, row)| {
        json!({ "region": region.as_str(), "accounts": row.accounts, "token": row.token_host(), "hosts": row.hosts, "console": row.console, "evidence": row.evidence })
    });
    let operations = service.operations.iter().map(|operation| {
        json!({
            "operation": operation.name,
            "effect": operation.effect.as_str(),
            "method": operation.method.as_str(),
            "path": operation.path.to_string(),
            "summary": operation.summary,
            "refused": operation.refused,
        })
    });
    json!({
        "service": service.name.as_str(),
        "display": service.display,
        "version": service.version,
        "digest": service.digest.to_string(),
        "regions": regions.collect::<Vec<_>>(),
        "groups": service.groups,
        "operations": operations.collect::<Vec<_>>(),
    })
}

/// Starts workers of this program for one command: what it looks at may be anything.
async fn sandbox() -> Result<Sandbox, Failure> {
    Sandbox::start(SandboxConfig::default()).await.map_err(Failure::no)
}

/// `wardlock policy check`.
pub async fn policy_check(cli: &Cli, cases: Option<&Path>) -> Result<ExitCode, Failure> {
    let home = Home::open(&Home::locate(cli.home.as_deref())?)?;
    let report = policy::check(&home, &sandbox().await?, cases).await?;
    print(cli, &report.to_json());
    Ok(ExitCode::from(u8::from(!report.ok())))
}

/// `wardlock policy test`.
pub async fn policy_test(cli: &Cli, args: &PolicyTestArgs) -> Result<ExitCode, Failure> {
    let home = Home::open(&Home::locate(cli.home.as_deref())?)?;
    let report = policy::test(&home, &sandbox().await?, &args.cases, &args.workspaces).await?;
    print(cli, &report.to_json());
    Ok(ExitCode::from(u8::from(!report.ok())))
}

fn print(cli: &Cli, result: &Value) {
    if cli.json {
        talk::data(result);
    } else {
        show::show(result);
    }
}
