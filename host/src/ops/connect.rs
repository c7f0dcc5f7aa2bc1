//! Connecting an account, and giving one up.

mod wanted;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_core::connection::{Connection, Owner};
use wardlock_core::id::{AgentName, GrantName, RegistrationName};
use wardlock_core::service::{GrantType, ServiceDefinition, TenantOf};
use wardlock_egress::vault::{NewRegistration, RegistrationInfo, Secret, VaultError};
use wardlock_egress::{ConnectError, ConnectPlan, Connected, Event, Progress, Replaced};

use super::{Talk, agents, blocking, connections, named, registrations, who};
use crate::admin::{Failure, How, Page};
use crate::host::Host;
use crate::policy;

pub(super) use wanted::wanted_scopes;
use wanted::{are_shown, asked_for, pinning, sharing, shown_scopes};

/// The longest that an invitation lives, milliseconds: a week.
const LONGEST_INVITATION_MS: u64 = 7 * 24 * 60 * 60 * 1000;

/// What is to be connected, and how.
pub(super) struct Asked {
    pub workspace: String,
    pub connection: String,
    pub registration: Option<String>,
    pub agent: Option<String>,
    pub how: How,
    pub evict_oldest: bool,
    pub tenant: Option<String>,
    pub scopes: Option<Vec<String>>,
}

pub(super) async fn connect(
    host: &Arc<Host>,
    asked: Asked,
    secret: Option<Secret>,
    talk: &dyn Talk,
) -> Result<Value, Failure> {
    let loaded = host.loaded();
    let found = connections::find(&loaded, &asked.workspace, &asked.connection)?;
    let scopes = wanted_scopes(&loaded, &found.connection);
    are_shown(&scopes, asked.scopes.as_deref())?;
    let connection = whose(host, &found.connection, asked.agent.as_deref())?;
    let how = Way::of(&connection.service, asked.how)?;
    fits_grant(host, &connection, matches!(how, Way::LookUp))?;
    can_be_named(&connection.service, asked.tenant.as_deref())?;
    let invite_ms = match &how {
        Way::Browser { invite: Some(expires) } => Some(invitation_lifetime(expires)?),
        _ => None,
    };
    let registration = match &how {
        Way::Key { .. } => registration_of_key(host, &connection).await?,
        _ => choose(host, &connection, asked.registration.as_deref()).await?,
    };
    let plan = ConnectPlan {
        grant: connection.grant.clone(),
        registration: registration.name,
        service: Arc::clone(&connection.service),
        also_of: connection.grant_services.clone(),
        sharing: sharing(&loaded, &connection),
        pinning: pinning(&host.services()),
        region: connection.region.clone(),
        environment: connection.environment.clone(),
        shown_scopes: shown_scopes(host, &connection, &scopes),
        scopes,
        tenant: connection.tenant.clone().filter(|_| connection.service.tenant.of == TenantOf::Grant),
        named_tenant: asked.tenant,
        params: connection.params.clone(),
        label: if connection.label.is_empty() { asked.workspace.clone() } else { connection.label.clone() },
        invite_ms,
        evict_oldest: asked.evict_oldest,
        who: who(),
    };
    let connected = go(host, plan, how, secret, &connection, talk).await?;
    let connected = connected.map_err(|error| Failure {
        message: crate::text::with_causes(&error),
        hint: Some(error.hint()),
        exit: 1,
    })?;
    Ok(told(&connected, &format!("{}/{}", asked.workspace, asked.connection)))
}

/// Connects as it was asked for; the inner result is what egress says.
async fn go(
    host: &Arc<Host>,
    plan: ConnectPlan,
    how: Way,
    secret: Option<Secret>,
    connection: &Connection,
    talk: &dyn Talk,
) -> Result<Result<Connected, ConnectError>, Failure> {
    let connected = match how {
        Way::Paste => {
            let pasted = secret.ok_or_else(|| Failure::usage("the refresh token is missing"))?;
            host.egress().connect_pasted(plan, pasted).await
        }
        Way::LookUp => host.egress().pin(plan).await,
        Way::Client => host.egress().connect_client(plan).await,
        Way::Key { program } => {
            let key = match secret {
                None if !program.is_empty() => Some(registrations::printed(program).await?),
                given => given,
            };
            let key = key.ok_or_else(|| Failure::usage("the key is missing"))?;
            host.egress().connect_key(plan, key).await
        }
        Way::Device => {
            talk.say(asked_for(&plan.shown_scopes));
            let told = Told { talk, redirect_uri: String::new() };
            host.egress().connect_device(plan, &told).await
        }
        Way::Browser { .. } => {
            // The listener stands before anybody is sent to the provider.
            let listener = host.callback().await.map_err(|error| {
                Failure::no(crate::text::with_causes(&error)).hint(
                    "another program has the port; set `callback` under [listen] in wardlock.toml and at the provider",
                )
            })?;
            let redirect_uri = listener.redirect_uri();
            if plan.invite_ms.is_none() {
                talk.say(before_consent(connection, &redirect_uri));
                talk.say(asked_for(&plan.shown_scopes));
            }
            let told = Told { talk, redirect_uri };
            host.egress().connect(plan, &listener, &told).await
        }
    };
    Ok(connected)
}

/// Refuses what would put another provider's consent in the place of a grant that serves other connections, and a look-up where the
/// grant is not.
fn fits_grant(host: &Arc<Host>, connection: &Connection, looks_up: bool) -> Result<(), Failure> {
    let grant = &connection.grant;
    let Some(stored) = host.egress().grant_status(grant)? else {
        return Ok(());
    };
    let service = &connection.service.name;
    if !connection.takes_grant_of(&stored.service) {
        let problem = format!(
            "grant `{grant}` is for service `{}`, which is not of the same provider as `{service}`",
            stored.service
        );
        return Err(Failure::no(problem).hint(format!(
            "give this connection a `grant` of its own in the workspace file, or run `wardlock disconnect {grant}`"
        )));
    }
    let is_there = stored.region == connection.region && stored.environment == connection.environment;
    if looks_up && !is_there {
        let problem = format!("grant `{grant}` is for {} in region `{}`", stored.environment, stored.region);
        return Err(
            Failure::no(problem).hint("look its account up by a connection of that region and environment")
        );
    }
    Ok(())
}

/// Refuses the name of an account where a login reaches several: the workspace file names the one that requests are for.
fn can_be_named(service: &ServiceDefinition, tenant: Option<&str>) -> Result<(), Failure> {
    if tenant.is_none() || service.tenant.of == TenantOf::Grant {
        return Ok(());
    }
    Err(Failure::usage(format!("a login of service `{}` reaches several accounts", service.name))
        .hint("leave `--tenant` out: `tenant` in the workspace file says which one every request is for"))
}

/// How an account is connected: what was asked for, as the service can do it.
enum Way {
    Browser { invite: Option<String> },
    Device,
    Client,
    Key { program: Vec<String> },
    Paste,
    LookUp,
}

impl Way {
    fn of(service: &ServiceDefinition, how: How) -> Result<Self, Failure> {
        let allows = |grant| service.oauth.allows(grant);
        let cannot = |what: &str| {
            let known: Vec<&str> = service.oauth.grants.iter().map(|grant| grant.as_str()).collect();
            Failure::usage(format!("service `{}` cannot be connected {what}", service.name))
                .hint(format!("it has: {}", known.join(", ")))
        };
        match how {
            How::AdvancedPaste if service.oauth.is_key() => Err(cannot("by a refresh token")),
            How::AdvancedPaste => Ok(Self::Paste),
            How::LookUp => Ok(Self::LookUp),
            How::Key { program } if service.oauth.is_key() => Ok(Self::Key { program }),
            How::Key { .. } => Err(cannot("by a key")),
            How::Device if allows(GrantType::DeviceCode) => Ok(Self::Device),
            How::Device => Err(cannot("by a device code")),
            How::Invite { expires } if allows(GrantType::AuthorizationCode) => {
                Ok(Self::Browser { invite: Some(expires) })
            }
            How::Invite { .. } => Err(cannot("by invitation")),
            How::Consent => match service.oauth.grants.first() {
                Some(GrantType::DeviceCode) => Ok(Self::Device),
                Some(GrantType::ClientCredentials) => Ok(Self::Client),
                Some(GrantType::Key) => Ok(Self::Key { program: Vec::new() }),
                Some(GrantType::AuthorizationCode) | None => Ok(Self::Browser { invite: None }),
            },
        }
    }
}

/// Finds what holds the key of a service without OAuth clients, or makes it: its name is the service's.
async fn registration_of_key(host: &Arc<Host>, connection: &Connection) -> Result<RegistrationInfo, Failure> {
    let service = connection.service.name.clone();
    let name = named(RegistrationName::parse(service.as_str()))?;
    let (vault, now_ms) = (Arc::clone(host.vault()), host.now_ms());
    let found = blocking(move || {
        if let Some(found) = vault.registrations()?.into_iter().find(|one| one.name == name) {
            return Ok(found);
        }
        vault.add_registration(NewRegistration {
            name: name.clone(),
            service,
            client_id: String::new(),
            redirect_uri: String::new(),
            secret: None,
            region_secrets: BTreeMap::new(),
            program: Vec::new(),
            created_ms: now_ms,
        })?;
        vault.registration(&name)
    });
    let found: Result<RegistrationInfo, VaultError> = found.await?;
    Ok(found?)
}

/// Returns the connection as it is connected: for the workspace, or for one agent.
fn whose(host: &Arc<Host>, connection: &Arc<Connection>, agent: Option<&str>) -> Result<Arc<Connection>, Failure> {
    let name = format!("{}/{}", connection.workspace, connection.name);
    match (connection.owner, agent) {
        (Owner::Workspace, None) => Ok(Arc::clone(connection)),
        (Owner::Workspace, Some(_)) => Err(Failure::usage(format!("one login serves every agent of `{name}`"))
            .hint("leave `--agent` out, or write `owner = \"agent\"` into the workspace file")),
        (Owner::Agent, None) => Err(Failure::usage(format!("each agent of `{name}` has a login of its own"))
            .hint("say whose this is: `--agent NAME`; `wardlock agent list` shows them")),
        (Owner::Agent, Some(agent)) => {
            let agent = named(AgentName::parse(agent))?;
            let known = host.state().list()?;
            let is_theirs = |one: &wardlock_state::Agent| {
                let theirs = one.name == agent && one.workspace == connection.workspace;
                theirs && one.confirmed && one.revoked_ms.is_none()
            };
            if !known.iter().any(is_theirs) {
                return Err(Failure::no(format!("workspace `{}` has no agent `{agent}`", connection.workspace))
                    .hint(format!("`wardlock agent add {agent} --workspace {}`", connection.workspace)));
            }
            Ok(Arc::new(connection.of_agent(&agent)))
        }
    }
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
    let others = connected.others.iter().map(|(service, told)| {
        let unpinned = told.as_ref().err().map(|error| {
            format!("{error}; when that is mended, run `wardlock connect WORKSPACE/CONNECTION --look-up` for one of its connections")
        });
        let told = told.as_ref().ok();
        json!({
            "service": service.as_str(),
            "tenant": told.map(|tenant| tenant.id.as_str()),
            "account": told.map(|tenant| tenant.label.as_str()),
            "unpinned": unpinned,
        })
    });
    json!({
        "grant": connected.grant.as_str(),
        "generation": connected.generation,
        "region": connected.region.as_str(),
        "tenant": tenant.map(|tenant| tenant.id.as_str()),
        "account": tenant.map(|tenant| tenant.label.as_str()),
        "environment": tenant.map(|tenant| tenant.environment.as_str()),
        "unpinned": unpinned,
        "accounts_of_other_services": others.collect::<Vec<_>>(),
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
    let mut lines = vec![format!(
        "{} in region `{}` wants this in its console at https://{console} :",
        service.display, connection.region
    )];
    let name = match (guide.client_name.as_str(), guide.client_name_rule.as_str()) {
        (name, "") => name.to_owned(),
        (name, rule) => format!("{name} ({rule})"),
    };
    let homepage = policy::homepage(service, redirect_uri);
    for (title, text) in [("client type", &guide.client_type), ("client name", &name), ("homepage", &homepage)] {
        if !text.is_empty() {
            lines.push(format!("  {title:13} {text}"));
        }
    }
    lines.extend(["  redirect URI, exactly:".to_owned(), redirect_uri.to_owned()]);
    lines.extend(guide.notes.iter().map(|note| format!("  - {note}")));
    if !guide.page_errors.is_empty() {
        lines.push(String::new());
        lines.push("An error page of the provider never comes back here. What each means:".to_owned());
        lines.extend(guide.page_errors.iter().map(|(error, meaning)| format!("  {error}: {meaning}")));
    }
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
    let mut fitting: Vec<_> =
        registrations.into_iter().filter(|one| connection.takes_grant_of(&one.service)).collect();
    // One of the service itself goes before those of its provider's other services.
    if fitting.iter().any(|one| one.service == *service) {
        fitting.retain(|one| one.service == *service);
    }
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
            Event::Open { start, page, callback } => self.talk.open(Page {
                url: start.to_owned(),
                provider_url: page.to_string(),
                redirect_uri: self.redirect_uri.clone(),
                listener: callback,
            }),
            Event::Device { url, user_code } => {
                say(format!("Open {url} on any device and enter the code  {user_code}"));
                self.talk.wait("waiting for the consent; ctrl-C stops and leaves nothing behind".to_owned());
            }
            Event::Invite { link, expires_ms } => {
                say(invitation(link, expires_ms));
                self.talk.wait("waiting for the person to open the link; ctrl-C takes it back".to_owned());
            }
            Event::InviteTaken => {
                say("the person has opened the link and is at the provider's page".to_owned());
                self.talk.wait("waiting for the consent; ctrl-C stops and leaves nothing behind".to_owned());
            }
            Event::Notice(text) => say(text.to_owned()),
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
    let gone = host.egress().disconnect(&grant, &service, &who()).await;
    let gone = gone.map_err(|error| Failure::no(crate::text::with_causes(&error)))?;
    Ok(json!({ "grant": grant.as_str(), "revoked_at_provider": gone.revoked.as_str(), "removed": true }))
}
