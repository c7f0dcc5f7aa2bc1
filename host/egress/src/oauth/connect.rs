//! Connects an account: consent, callback, exchange, look-up, pin, and only then a stored grant.
//!
//! Until the last step nothing is written, so giving up at any moment leaves nothing behind.

mod alone;
mod device;
mod error;
mod keep;
mod paste;
mod pin;
mod plan;
mod replace;
mod room;

use std::sync::Arc;
use std::time::Duration;

use wardlock_audit::Act;

use crate::egress::Egress;
use crate::oauth::callback::{CallbackListener, Expected, Heard, Taken};
use crate::oauth::consent::{self, Consent, ConsentError, PendingConsent};
use crate::oauth::endpoint::RawAnswer;
use crate::oauth::exchange::{self, TokenError, Tokens};
use crate::oauth::registered::RegisteredClient;
use crate::oauth::scopes;
use crate::vault::{ClientMaterial, Secret};
use keep::{Shown, Storing, Unkept};
use replace::Old;
use room::Room;

pub(crate) use alone::{as_client, by_key};
pub use device::DeviceProblem;
pub(crate) use device::connect as connect_device;
pub use error::ConnectError;
pub(crate) use keep::remember;
pub(crate) use paste::connect as connect_pasted;
pub(crate) use pin::pin;
pub use plan::{ConnectPlan, Connected, Event, Progress, Replaced, Sharing};

/// How a consent is called in the audit.
const HOW: &str = "grant.connect";

/// Tokens that are not stored yet.
struct Obtained {
    tokens: Tokens,
    /// What renews them; `None`: the client asks for itself.
    refresh: Option<Arc<Secret>>,
    environment: String,
    granted: Vec<String>,
    missing: Vec<String>,
}

impl Obtained {
    fn shown<'a>(&'a self, client: &'a ClientMaterial) -> Shown<'a> {
        Shown {
            access: &self.tokens.access,
            refresh: self.refresh.as_deref(),
            secrets: &client.secrets,
            environment: &self.environment,
            granted: &self.granted,
        }
    }
}

/// Connects. See [`Egress::connect`].
pub(crate) async fn connect(
    egress: &Egress,
    plan: ConnectPlan,
    listener: &CallbackListener,
    progress: &dyn Progress,
) -> Result<Connected, ConnectError> {
    let client = Arc::new(client_of(egress, &plan, Some(listener)).await?);
    let old = replace::old(egress, &plan).await?;
    make_sure_of_room(egress, &plan, old.as_ref(), progress).await?;
    let invited = match plan.invite_ms {
        Some(lifetime_ms) => Some(invite(egress, &plan, listener, lifetime_ms, progress).await?),
        None => None,
    };
    let (service, now_ms) = (&plan.service, egress.now_ms());
    let redirect = listener.redirect_uri();
    let pending = Consent::begin(service, &plan.region, &client.client_id, &redirect, &plan.scopes, now_ms)?;
    let page = egress.dialer().shown(pending.authorize_url());
    let is_invited = invited.is_some();
    let expected =
        listener.wait_for(&pending, Arc::clone(service), page.clone(), invited).map_err(ConsentError::Random)?;
    if !is_invited {
        progress.on(Event::Open { start: expected.start(), page: &page, callback: listener.address() });
    }
    let code = wait(expected, progress).await?;
    progress.on(Event::Returned);

    let obtained = exchange_code(egress, &plan, &client, &pending, code).await?;
    keep_consent(egress, plan, &client, obtained, progress).await
}

/// Finds out whose account was consented for, and stores the grant; until then, giving up gives the consent back.
async fn keep_consent(
    egress: &Egress,
    plan: ConnectPlan,
    client: &Arc<ClientMaterial>,
    obtained: Obtained,
    progress: &dyn Progress,
) -> Result<Connected, ConnectError> {
    progress.on(Event::Exchanged { missing: &obtained.missing });
    let unkept = Unkept::new(egress, &plan, client, obtained.refresh.as_ref());
    let identified = keep::identify(egress, &plan, obtained.shown(client)).await?;
    if let Ok(tenant) = &identified.tenant {
        progress.on(Event::Tenant { id: &tenant.id, label: &tenant.label });
    }
    let replacing = identified.replacing(egress, &plan).await?;
    let unkept = Some(unkept);
    Storing { plan, obtained, identified, replacing, how: HOW, unkept }.see_through(egress).await
}

/// Looks whether the provider would keep one more grant of this person.
async fn make_sure_of_room(
    egress: &Egress,
    plan: &ConnectPlan,
    old: Option<&Old>,
    progress: &dyn Progress,
) -> Result<(), ConnectError> {
    let Some(most) = plan.service.oauth.max_live_grants else {
        return Ok(());
    };
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let registration = plan.registration.clone();
    let live = egress.read_vault(move |vault| vault.live_grants(&registration)).await?;
    let replaced = old.map(|old| &old.info);
    let tenant = replaced.and_then(|info| info.tenant.as_ref()).map(|tenant| tenant.id.clone());
    let expected = room::Expected {
        user: replaced.and_then(|info| info.user.clone()),
        tenant: plan.tenant.clone().or(tenant),
    };
    match room::room(&live, &expected, most) {
        Room::Enough => {}
        Room::Little { live } => progress.on(Event::NearlyFull { live, most }),
        Room::None { oldest, .. } if plan.evict_oldest => {
            progress.on(Event::Evicting { oldest: oldest.as_ref() });
        }
        Room::None { live, oldest } => return Err(ConnectError::Full { live, most, oldest }),
    }
    Ok(())
}

/// Makes a one-time link, and waits until the person has opened it.
async fn invite(
    egress: &Egress,
    plan: &ConnectPlan,
    listener: &CallbackListener,
    lifetime_ms: u64,
    progress: &dyn Progress,
) -> Result<Taken, ConnectError> {
    let expires_ms = egress.now_ms().saturating_add(lifetime_ms);
    let invited = listener.invite(invitation(plan), expires_ms).map_err(ConsentError::Random)?;
    progress.on(Event::Invite { link: invited.link(), expires_ms });
    let taken = tokio::time::timeout(Duration::from_millis(lifetime_ms), invited.taken()).await;
    let taken = taken.ok().flatten().ok_or(ConnectError::InviteEnded)?;
    progress.on(Event::InviteTaken);
    Ok(taken)
}

/// What the person reads before going on.
fn invitation(plan: &ConnectPlan) -> Vec<String> {
    let service = &plan.service.display;
    vec![
        format!("You are asked to connect your {service} account to Wardlock, for `{}`.", plan.label),
        format!("On the next page {service} asks whether you agree. Nothing is connected before you do."),
        format!("Wardlock asks for these permissions: {}.", plan.shown_scopes.join(", ")),
    ]
}

async fn client_of(
    egress: &Egress,
    plan: &ConnectPlan,
    listener: Option<&CallbackListener>,
) -> Result<ClientMaterial, ConnectError> {
    let (registration, region) = (plan.registration.clone(), plan.region.clone());
    let (info, client) = egress
        .read_vault(move |vault| {
            Ok((vault.registration(&registration)?, vault.client_material(&registration, &region)?))
        })
        .await?;
    if info.service != plan.service.name && !plan.also_of.contains(&info.service) {
        return Err(ConnectError::OtherService { registered: info.service.to_string() });
    }
    // Without a consent nothing is sent to it.
    let ours = listener.map_or_else(|| client.redirect_uri.clone(), CallbackListener::redirect_uri);
    let same = client.redirect_uri == ours
        || (plan.service.oauth.any_loopback_port && differ_by_port(&client.redirect_uri, &ours));
    if !same {
        return Err(ConnectError::RedirectUri { registered: client.redirect_uri, ours });
    }
    Ok(client)
}

/// Returns whether two redirect URIs on loopback differ in nothing but their port (RFC 8252 section 7.3).
fn differ_by_port(registered: &str, ours: &str) -> bool {
    let without_port = |text: &str| {
        let mut url = url::Url::parse(text).ok()?;
        let is_loopback = matches!(url.host(), Some(url::Host::Ipv4(ip)) if ip.is_loopback());
        (is_loopback && url.scheme() == "http").then_some(())?;
        url.set_port(None).ok()?;
        Some(url)
    };
    without_port(registered).is_some() && without_port(registered) == without_port(ours)
}

/// Waits for the callback, as long as the consent lasts.
async fn wait(mut expected: Expected, progress: &dyn Progress) -> Result<Secret, ConnectError> {
    let heard = async {
        loop {
            match expected.next().await {
                Some(Heard::Code(code)) => return Ok(code),
                Some(Heard::Problem(problem)) => return Err(ConnectError::Callback(problem)),
                Some(Heard::Notice(sentence)) => progress.on(Event::Notice(&sentence)),
                None => return Err(ConnectError::TimedOut),
            }
        }
    };
    let lifetime = Duration::from_millis(consent::LIFETIME_MS);
    tokio::time::timeout(lifetime, heard).await.unwrap_or(Err(ConnectError::TimedOut))
}

async fn exchange_code(
    egress: &Egress,
    plan: &ConnectPlan,
    client: &ClientMaterial,
    pending: &PendingConsent,
    code: Secret,
) -> Result<Obtained, ConnectError> {
    egress.record(Act::grant("token.exchange", plan.grant.as_str(), "begun")).await?;
    let tokens = post_code(egress, plan, client, pending, &code).await;
    let word = tokens.as_ref().map_or_else(TokenError::word, |_| "ok");
    egress.record(Act::grant("token.exchange", plan.grant.as_str(), word)).await?;
    let tokens = tokens.map_err(ConnectError::Exchange)?;
    renewable(egress, plan, client, tokens).await
}

/// Makes sure that what a consent brought can be renewed.
async fn renewable(
    egress: &Egress,
    plan: &ConnectPlan,
    client: &ClientMaterial,
    mut tokens: Tokens,
) -> Result<Obtained, ConnectError> {
    if plan.service.oauth.refresh.on_connect {
        tokens = lasting(egress, plan, client, &tokens).await?;
    }
    let most = plan.service.oauth.max_live_grants;
    let refresh = tokens.refresh.take().ok_or(ConnectError::NoRefreshToken { most })?;
    Ok(obtained(plan, tokens, Some(refresh)))
}

/// Exchanges a token that ends within hours for one that lasts (Meta).
async fn lasting(
    egress: &Egress,
    plan: &ConnectPlan,
    client: &ClientMaterial,
    short: &Tokens,
) -> Result<Tokens, ConnectError> {
    egress.record(Act::grant("token.refresh", plan.grant.as_str(), "begun")).await?;
    let raw = client_at(egress, plan, client).renew(Some(&short.access), &plan.scopes).await;
    let tokens = raw.map_err(TokenError::from).and_then(|raw| read(plan, raw));
    let word = tokens.as_ref().map_or_else(TokenError::word, |_| "ok");
    egress.record(Act::grant("token.refresh", plan.grant.as_str(), word)).await?;
    let mut tokens = tokens.map_err(ConnectError::Exchange)?;
    tokens.scope = tokens.scope.or_else(|| short.scope.clone());
    Ok(tokens)
}

async fn post_code(
    egress: &Egress,
    plan: &ConnectPlan,
    client: &ClientMaterial,
    pending: &PendingConsent,
    code: &Secret,
) -> Result<Tokens, TokenError> {
    let raw = client_at(egress, plan, client).exchange(pending, code).await?;
    read(plan, raw)
}

fn read(plan: &ConnectPlan, raw: RawAnswer) -> Result<Tokens, TokenError> {
    exchange::read(&plan.service, &plan.region, raw).map_err(|failed| failed.error)
}

/// The client of a plan, at its region's endpoints.
fn client_at<'a>(egress: &'a Egress, plan: &'a ConnectPlan, client: &'a ClientMaterial) -> RegisteredClient<'a> {
    RegisteredClient {
        dialer: egress.dialer(),
        service: &plan.service,
        region: &plan.region,
        client_id: &client.client_id,
        client_secret: client.secrets.client_secret.as_deref(),
    }
}

/// Says what was granted.
fn obtained(plan: &ConnectPlan, tokens: Tokens, refresh: Option<Arc<Secret>>) -> Obtained {
    let granted =
        tokens.scope.as_deref().map(|scope| scopes::split(&plan.service.oauth, scope)).unwrap_or_default();
    // Older answers hold no scope; then nothing is known to be missing.
    let missing = if granted.is_empty() { Vec::new() } else { scopes::missing(&plan.scopes, &granted) };
    let environment = tokens.environment.clone().unwrap_or_else(|| plan.environment.clone());
    Obtained { tokens, refresh, environment, granted, missing }
}
