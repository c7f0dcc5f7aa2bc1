//! The running simulator and its handle.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use http::Method;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::config::{ClientSpec, SimulatorConfig};
use crate::error::SimulatorError;
use crate::google::{self, GoogleHandle};
use crate::meta::{self, MetaHandle};
use crate::mint::Mint;
use crate::notes::{self, NotesHandle};
use crate::person::{self, Approval, Consent, Led};
use crate::record::{ConnectionRecording, Journal, Recording};
use crate::region::Role;
use crate::server::{Shared, serve_plain, serve_tls};
use crate::site;
use crate::switches::SwitchBoard;
use crate::tls;
use crate::world::{Decision, SharedWorld, World, lock};
use crate::{books, desk, workdrive};

/// A running provider. Its listeners and connections end when it is dropped.
pub struct Simulator {
    world: SharedWorld,
    google: GoogleHandle,
    meta: MetaHandle,
    notes: NotesHandle,
    switches: SwitchBoard,
    journal: Arc<Journal>,
    ca_der: Vec<u8>,
    tls_address: SocketAddr,
    consent_address: SocketAddr,
    listeners: Vec<JoinHandle<()>>,
}

impl Drop for Simulator {
    fn drop(&mut self) {
        for listener in &self.listeners {
            listener.abort();
        }
    }
}

impl std::fmt::Debug for Simulator {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Simulator").field("tls_address", &self.tls_address).finish_non_exhaustive()
    }
}

impl Simulator {
    /// Starts the provider on two free loopback ports.
    pub async fn start(config: SimulatorConfig) -> Result<Simulator, SimulatorError> {
        let tls = tls::make(site::names())?;
        let tls_listener = TcpListener::bind("127.0.0.1:0").await.map_err(SimulatorError::Bind)?;
        let consent_listener = TcpListener::bind("127.0.0.1:0").await.map_err(SimulatorError::Bind)?;
        let tls_address = tls_listener.local_addr().map_err(SimulatorError::Bind)?;
        let consent_address = consent_listener.local_addr().map_err(SimulatorError::Bind)?;
        let switches = SwitchBoard::new(config.switches.clone());
        let mint = Mint::new(Arc::clone(&config.clock), Arc::clone(&config.tokens));
        let lifetime_ms = config.access_token_lifetime_ms;
        let shared = Shared {
            google: google::World::shared(config.google.clone(), lifetime_ms, mint.clone()),
            meta: meta::World::shared(config.meta.clone(), mint.clone()),
            notes: notes::World::shared(config.notes.clone(), lifetime_ms, mint.clone()),
            world: World::shared(config, mint),
            switches,
            journal: Arc::default(),
        };
        let listeners = vec![
            tokio::spawn(serve_tls(tls_listener, TlsAcceptor::from(tls.config), shared.clone())),
            tokio::spawn(serve_plain(consent_listener, shared.clone())),
        ];
        let Shared { world, google, meta, notes, switches, journal } = shared;
        Ok(Simulator {
            world,
            google: GoogleHandle(google),
            meta: MetaHandle(meta),
            notes: NotesHandle(notes),
            switches,
            journal,
            ca_der: tls.ca_der,
            tls_address,
            consent_address,
            listeners,
        })
    }

    /// Returns every host name that the simulator answers for, with its loopback address.
    pub fn hosts(&self) -> BTreeMap<String, SocketAddr> {
        site::names().into_iter().map(|name| (name, self.tls_address)).collect()
    }

    /// Returns the test authority's certificate in DER.
    pub fn ca_der(&self) -> Vec<u8> {
        self.ca_der.clone()
    }

    /// Returns the base of the browser's consent page: the authorize endpoint of a data centre is at
    /// `{base}/{accounts host}/oauth/v2/auth`.
    pub fn consent_base(&self) -> String {
        format!("http://{}", self.consent_address)
    }

    /// Rewrites `https://{accounts host}/…` to the consent page; other URLs are returned as they are.
    pub fn consent_url(&self, authorize_url: &str) -> String {
        match authorize_url.strip_prefix("https://") {
            Some(rest) => format!("{}/{rest}", self.consent_base()),
            None => authorize_url.to_owned(),
        }
    }

    /// Registers a client, or replaces the one with its id. Grants are kept.
    pub fn add_client(&self, client: ClientSpec) {
        lock(&self.world).add_client(client);
    }

    /// Deletes a client with all that was granted to it.
    pub fn remove_client(&self, client_id: &str) {
        lock(&self.world).remove_client(client_id);
    }

    /// Returns the handle to Google: its clients, tokens and customers.
    pub fn google(&self) -> &GoogleHandle {
        &self.google
    }

    /// Returns the handle to Meta: its apps, tokens and objects.
    pub fn meta(&self) -> &MetaHandle {
        &self.meta
    }

    /// Returns the handle to the provider of notes: its clients, keys, tokens and notes.
    pub fn notes(&self) -> &NotesHandle {
        &self.notes
    }

    /// Returns the switches, to be read or changed while the simulator runs.
    pub fn switches(&self) -> &SwitchBoard {
        &self.switches
    }

    /// Returns every request received so far (since the last clearing), in the order of arrival.
    pub fn recordings(&self) -> Vec<Recording> {
        self.journal.recordings()
    }

    /// Returns every connection accepted so far with its bytes, even where they were no valid HTTP.
    pub fn connections(&self) -> Vec<ConnectionRecording> {
        self.journal.connections()
    }

    /// Counts the recorded POSTs at any token endpoint, refused ones too; at Meta's, GETs as well.
    pub fn token_calls(&self) -> usize {
        let is_token_call = |recording: &&Recording| match recording.role {
            Role::Accounts => {
                recording.method == Method::POST.as_str()
                    && matches!(recording.path(), "/oauth/v2/token" | "/token")
            }
            Role::Api => recording.path().ends_with("/oauth/access_token"),
            Role::Upload | Role::Console | Role::Consent | Role::Unknown => false,
        };
        self.recordings().iter().filter(is_token_call).count()
    }

    /// Forgets the recorded requests; connections are kept.
    pub fn clear_recordings(&self) {
        self.journal.clear();
    }

    /// Returns the live access tokens of every provider, each provider's oldest first, for tests that look for them
    /// where they must not be.
    pub fn access_tokens(&self) -> Vec<String> {
        let zoho = lock(&self.world).access_tokens();
        [zoho, self.google.access_tokens(), self.meta.access_tokens(), self.notes.access_tokens()].concat()
    }

    /// Returns the live refresh tokens of every provider, each provider's oldest first. Meta has none.
    pub fn refresh_tokens(&self) -> Vec<String> {
        let zoho = lock(&self.world).refresh_tokens();
        [zoho, self.google.refresh_tokens(), self.notes.refresh_tokens()].concat()
    }

    /// Ends all access tokens of Zoho, Google and the provider of notes at once, as if an hour had passed; refresh tokens stay. Meta's are
    /// their own refresh credentials: [`MetaHandle::expire_access_tokens`] ends them.
    pub fn expire_access_tokens(&self) {
        lock(&self.world).expire_access_tokens();
        self.google.expire_access_tokens();
        self.notes.expire_access_tokens();
    }

    /// Kills every grant of a user, as "Connected Apps" in Zoho's settings does.
    pub fn revoke_user(&self, email: &str) {
        lock(&self.world).revoke_user(email);
    }

    /// Plays the person (an e-mail) who types a device's user code and accepts. Returns whether the code waited.
    pub fn approve_device(&self, user_code: &str, email: &str) -> bool {
        self.decide_device(user_code, Decision::Approve(email.to_owned()))
    }

    /// Plays the person who types a device's user code and rejects. Returns whether the code waited.
    pub fn deny_device(&self, user_code: &str) -> bool {
        self.decide_device(user_code, Decision::Deny)
    }

    fn decide_device(&self, user_code: &str, decision: Decision) -> bool {
        lock(&self.world).decide_device(user_code, decision.clone())
            || self.notes.decide_device(user_code, decision)
    }

    /// Returns the ids of a company's organizations in Books; the first is its `zgid`.
    pub fn books_organizations(&self, zgid: &str) -> Vec<String> {
        lock(&self.world).with_org(zgid, |org| {
            let id = |one: serde_json::Value| one["organization_id"].as_str().unwrap_or_default().to_owned();
            books::organizations(org).into_iter().map(id).collect()
        })
    }

    /// Returns the id of a company's portal in Desk.
    pub fn desk_portal(&self, zgid: &str) -> String {
        lock(&self.world).with_org(zgid, desk::portal_id)
    }

    /// Returns the id of a company's team in `WorkDrive`.
    pub fn workdrive_team(&self, zgid: &str) -> String {
        lock(&self.world).with_org(zgid, workdrive::team_id)
    }

    /// Returns the records of a module in one org, as they are now. Other products' records are in
    /// `books/{organization}/contacts`, `desk/tickets`, `workdrive/files`, `marketing/leads` and the like.
    pub fn records(&self, zgid: &str, module: &str) -> Vec<serde_json::Value> {
        lock(&self.world).records(zgid, module)
    }

    /// Returns the side effects that an org has accepted, by kind: `send_mail`, `watch`, `bulk_read`, `upload`,
    /// `attachment`, `books_email`, `desk_reply`, and the names of the actions that are not played further.
    pub fn accepted(&self, zgid: &str) -> Vec<(String, serde_json::Value)> {
        lock(&self.world).accepted(zgid)
    }

    /// Plays the person who opens the URL and accepts, as the first user of the data centre that the URL names.
    /// Follows the redirect to the callback, as a browser would.
    pub async fn approve(&self, authorize_url: &str) -> Result<Approval, SimulatorError> {
        self.consent(authorize_url, &Consent::default()).await
    }

    /// Plays the person who opens the URL and rejects.
    pub async fn deny(&self, authorize_url: &str) -> Result<Approval, SimulatorError> {
        self.consent(authorize_url, &Consent { accept: false, ..Consent::default() }).await
    }

    /// Plays the person who opens the URL and decides as told. It may be one that leads to the consent page, too.
    pub async fn consent(&self, authorize_url: &str, consent: &Consent) -> Result<Approval, SimulatorError> {
        let page = self.consent_url(authorize_url);
        let led = if page.starts_with(&self.consent_base()) {
            Led { page, cookie: None }
        } else {
            Led::by(&page).await?
        };
        led.consent(consent).await
    }

    /// Plays the person up to the redirect, and returns its target without going there.
    pub async fn decide(&self, authorize_url: &str, consent: &Consent) -> Result<String, SimulatorError> {
        person::decide(&self.consent_url(authorize_url), consent).await
    }
}
