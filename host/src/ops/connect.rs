//! Connecting an account, and giving one up.

use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_core::connection::Connection;
use wardlock_core::id::{GrantName, RegistrationName};
use wardlock_egress::vault::{RegistrationInfo, Secret};
use wardlock_egress::{ConnectPlan, Connected, Event, Progress, Replaced, scopes_for};

use super::{OPERATOR, Talk, agents, blocking, connections, named};
use crate::admin::{Failure, How, Page};
use crate::host::Host;

/// The longest that an invitation lives, milliseconds: a week.
const LONGEST_INVITATION_MS: u64 = 7 * 24 * 60 * 60 * 1000;

/// What is to be connected, and how.
pub(super) struct Asked {
    pub workspace: String,
    pub connection: String,
    pub registration: Option<String>,
    pub how: How,
    pub evict_oldest: bool,
}

pub(super) async fn connect(
    host: &Arc<Host>,
    asked: Asked,
    secret: Option<Secret>,
    talk: &dyn Talk,
) -> Result<Value, Failure> {
    let loaded = host.loaded();
    let found = connections::find(&loaded, &asked.workspace, &asked.connection)?;
    let connection = Arc::clone(&found.connection);
    let scopes = found.scopes.clone().unwrap_or_else(|| scopes_for(&connection));
    let invite_ms = match &asked.how {
        How::Invite { expires } => Some(invitation_lifetime(expires)?),
        How::Consent | How::AdvancedPaste | How::LookUp => None,
    };
    let registration = choose(host, &connection, asked.registration.as_deref()).await?;
    let plan = ConnectPlan {
        grant: connection.grant.clone(),
        registration: registration.name,
        service: Arc::clone(&connection.service),
        region: connection.region.clone(),
        environment: connection.environment.clone(),
        scopes,
        tenant: connection.tenant.clone(),
        label: if connection.label.is_empty() { asked.workspace.clone() } else { connection.label.clone() },
        invite_ms,
        evict_oldest: asked.evict_oldest,
        who: OPERATOR.to_owned(),
    };
    let connected = match asked.how {
        How::AdvancedPaste => {
            let pasted = secret.ok_or_else(|| Failure::usage("the refresh token is missing"))?;
            host.egress().connect_pasted(plan, pasted).await
        }
        How::LookUp => host.egress().pin(plan).await,
        How::Consent | How::Invite { .. } => {
            // The listener stands before anybody is sent to the provider.
            let listener = host.callback().await.map_err(|error| {
                Failure::no(crate::text::with_causes(&error)).hint(
                    "another program has the port; set `callback` under [listen] in wardlock.toml and at the provider",
                )
            })?;
            let redirect_uri = listener.redirect_uri();
            if invite_ms.is_none() {
                talk.say(before_consent(&connection, &redirect_uri));
            }
            let told = Told { talk, redirect_uri };
            host.egress().connect(plan, &listener, &told).await
        }
    };
    let connected = connected.map_err(|error| Failure {
        message: crate::text::with_causes(&error),
        hint: Some(error.hint()),
        exit: 1,
    })?;
    Ok(told(&connected, &format!("{}/{}", asked.workspace, asked.connection)))
}

/// How long an invitation lives, milliseconds.
fn invitation_lifetime(text: &str) -> Result<u64, Failure> {
    let lifetime_ms = agents::lifetime_ms(text)?;
    if lifetime_ms <= LONGEST_INVITATION_MS {
        return Ok(lifetime_ms);
    }
    Err(Failure::usage(format!("`{text}` is longer than an invitation lives"))
        .hint("a week is the most, such as `--expires 7d`"))
}

fn told(connected: &Connected, name: &str) -> Value {
    let tenant = connected.tenant.as_ref();
    let unpinned = connected.unpinned.as_ref().map(|error| {
        format!("stored but unpinned, so it serves nothing: {error}; when that is mended, run `wardlock connect {name} --look-up`")
    });
    let replaced = connected.replaced.map(|replaced| match replaced {
        Replaced::Revoked(revoked) => revoked.as_str(),
        Replaced::Spared => "left alive at the provider, where revoking it would end the new one too",
    });
    json!({
        "grant": connected.grant.as_str(),
        "generation": connected.generation,
        "region": connected.region.as_str(),
        "tenant": tenant.map(|tenant| tenant.id.as_str()),
        "account": tenant.map(|tenant| tenant.label.as_str()),
        "environment": tenant.map(|tenant| tenant.environment.as_str()),
        "unpinned": unpinned,
        "scopes": connected.scopes,
        "missing_scopes": connected.missing,
        "replaced_grant": replaced,
    })
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
struct Told<'a> {
    talk: &'a dyn Talk,
    redirect_uri: String,
}

impl Progress for Told<'_> {
    fn on(&self, event: Event<'_>) {
        let say = |text: String| self.talk.say(text);
        match event {
            Event::NearlyFull { live, most } => say(format!(
                "{live} grants of this person live under the registration; the provider keeps {most} and then drops the \
                 oldest in silence. `wardlock grants` shows which are no longer needed"
            )),
            Event::Evicting { oldest: Some(oldest) } => {
                say(format!("the provider will drop grant `{oldest}`, the oldest of this person"));
            }
            Event::Evicting { oldest: None } => {
                say("the provider will drop the oldest grant of this person".to_owned());
            }
            Event::Open { url, callback } => self.talk.open(Page {
                url: url.to_string(),
                redirect_uri: self.redirect_uri.clone(),
                listener: callback,
            }),
            Event::Invite { link, expires_ms } => {
                say(invitation(link, expires_ms));
                self.talk.wait("waiting for the person to open the link; ctrl-C takes it back".to_owned());
            }
            Event::InviteTaken => {
                say("the person has opened the link and is at the provider's page".to_owned());
                self.talk.wait("waiting for the consent; ctrl-C stops and leaves nothing behind".to_owned());
            }
            Event::Notice(text) => say(format!("the provider says: {text}")),
            Event::Returned => say("the browser came back; exchanging the code".to_owned()),
            Event::Exchanged { missing: [] } => say("consent given".to_owned()),
            Event::Exchanged { missing } => say(format!(
                "consent given, without these scopes: {}; operations that need them will fail",
                missing.join(", ")
            )),
            Event::Tenant { id, label } => say(format!("the account is {label} (tenant {id})")),
        }
    }
}

/// What to do with a one-time link.
fn invitation(link: &str, expires_ms: u64) -> String {
    let reach = if link.starts_with("https://") {
        "It works from any browser that reaches this address."
    } else {
        "It works in a browser on this machine only, or through a tunnel to it; `callback_url` under [listen] in \
         wardlock.toml makes it reachable for others."
    };
    format!(
        "Give this link to the person whose account it is. It works once, until {}:\n\n  {link}\n\n{reach}\nWhoever opens it can \
         connect an account of their own here, so send it where only that person reads it.",
        crate::text::time(expires_ms)
    )
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
