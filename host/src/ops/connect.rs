//! Connecting an account, and giving one up.

use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_core::connection::Connection;
use wardlock_core::id::{GrantName, RegistrationName};
use wardlock_egress::vault::RegistrationInfo;
use wardlock_egress::{CallbackListener, ConnectPlan, Event, Progress, scopes_for};

use super::{OPERATOR, Talk, blocking, connections, named};
use crate::admin::Failure;
use crate::host::{Host, clock};

pub(super) async fn connect(
    host: &Arc<Host>,
    workspace: &str,
    connection: &str,
    registration: Option<&str>,
    talk: &dyn Talk,
) -> Result<Value, Failure> {
    let loaded = host.loaded();
    let found = connections::find(&loaded, workspace, connection)?;
    let connection = Arc::clone(&found.connection);
    let scopes = found.scopes.clone().unwrap_or_else(|| scopes_for(&connection));
    let registration = choose(host, &connection, registration).await?;
    // The listener stands before anybody is sent to the provider.
    let listener = CallbackListener::bind(host.config().callback(), clock()).await.map_err(|error| {
        Failure::no(crate::text::with_causes(&error))
            .hint("another connect may be under way, or set `callback` under [listen] in wardlock.toml and at the provider")
    })?;
    talk.say(before_consent(&connection, &listener.redirect_uri()));
    let plan = ConnectPlan {
        grant: connection.grant.clone(),
        registration: registration.name,
        service: Arc::clone(&connection.service),
        region: connection.region.clone(),
        environment: connection.environment.clone(),
        scopes,
        tenant: connection.tenant.clone(),
        who: OPERATOR.to_owned(),
    };
    let connected = host.egress().connect(plan, &listener, &Told(talk)).await.map_err(|error| Failure {
        message: crate::text::with_causes(&error),
        hint: Some(error.hint()),
        exit: 1,
    })?;
    Ok(json!({
        "grant": connected.grant.as_str(),
        "generation": connected.generation,
        "region": connected.region.as_str(),
        "tenant": connected.tenant.id,
        "account": connected.tenant.label,
        "environment": connected.tenant.environment,
        "scopes": connected.scopes,
        "missing_scopes": connected.missing,
    }))
}

/// What a person must know before the provider's page: what its console wants, and what its own error pages mean,
/// because those never come back here.
fn before_consent(connection: &Connection, redirect_uri: &str) -> String {
    let service = &connection.service;
    let guide = &service.guide;
    let console = service.regions.get(&connection.region).map_or("", |row| row.console.as_str());
    let mut lines = vec![
        format!(
            "{} in region `{}` wants this in its console at https://{console} :",
            service.display, connection.region
        ),
        format!("  client type   {}", guide.client_type),
        format!("  client name   {} ({})", guide.client_name, guide.client_name_rule),
        format!("  homepage      {}", guide.homepage),
        "  redirect URI, exactly:".to_owned(),
        redirect_uri.to_owned(),
    ];
    lines.extend(guide.notes.iter().map(|note| format!("  - {note}")));
    lines.push(String::new());
    lines.push("An error page of the provider never comes back here. What each means:".to_owned());
    lines.extend(guide.page_errors.iter().map(|(error, meaning)| format!("  {error}: {meaning}")));
    lines.join("\n")
}

/// The registration to use: the one that is named, or the only one of the service.
async fn choose(
    host: &Arc<Host>,
    connection: &Connection,
    named_one: Option<&str>,
) -> Result<RegistrationInfo, Failure> {
    let vault = Arc::clone(host.vault());
    let registrations = blocking(move || vault.registrations()).await??;
    let service = &connection.service.name;
    if let Some(name) = named_one {
        let name = named(RegistrationName::parse(name))?;
        return registrations.into_iter().find(|registration| registration.name == name).ok_or_else(|| {
            Failure::no(format!("there is no registration `{name}`")).hint(add_one(service.as_str()))
        });
    }
    let mut fitting: Vec<_> = registrations.into_iter().filter(|one| one.service == *service).collect();
    match (fitting.pop(), fitting.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(Failure::no(format!("there is no registration for service `{service}`"))
            .hint(add_one(service.as_str()))),
        (Some(last), false) => {
            let names: Vec<&str> = fitting.iter().chain([&last]).map(|one| one.name.as_str()).collect();
            Err(Failure::usage(format!("service `{service}` has several registrations"))
                .hint(format!("say which with `--registration`: {}", names.join(", "))))
        }
    }
}

fn add_one(service: &str) -> String {
    format!(
        "`wardlock service guide {service}` says what to enter at the provider; then `wardlock registration add NAME --service {service} --client-id ID`"
    )
}

/// Tells a person what egress reports.
struct Told<'a>(&'a dyn Talk);

impl Progress for Told<'_> {
    fn on(&self, event: Event<'_>) {
        match event {
            Event::Open(url) => self.0.open(url.to_string()),
            Event::Notice(text) => self.0.say(format!("the provider says: {text}")),
            Event::Returned => self.0.say("the browser came back; exchanging the code".to_owned()),
            Event::Exchanged { missing: [] } => self.0.say("consent given".to_owned()),
            Event::Exchanged { missing } => self.0.say(format!(
                "consent given, without these scopes: {}; operations that need them will fail",
                missing.join(", ")
            )),
            Event::Tenant { id, label } => self.0.say(format!("the account is {label} (tenant {id})")),
        }
    }
}

pub(super) async fn disconnect(host: &Arc<Host>, grant: &str) -> Result<Value, Failure> {
    let grant = named(GrantName::parse(grant))?;
    let status = host.egress().grant_status(&grant)?;
    let status = status
        .ok_or_else(|| Failure::no(format!("there is no grant `{grant}`")).hint("`wardlock grants` lists them"))?;
    let service = host.service(status.service.as_str())?;
    let gone = host.egress().disconnect(&grant, &service, OPERATOR).await;
    let gone = gone.map_err(|error| Failure::no(crate::text::with_causes(&error)))?;
    Ok(json!({ "grant": grant.as_str(), "revoked_at_provider": gone.revoked.as_str(), "removed": true }))
}
