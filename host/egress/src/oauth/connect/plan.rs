//! What is to be connected, what happens meanwhile, and what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use url::Url;
use wardlock_core::id::{GrantName, Region, RegistrationName, ServiceName};
use wardlock_core::service::ServiceDefinition;

use crate::oauth::revoke::Revoked;
use crate::oauth::tenant::LookupError;
use crate::vault::Tenant;

/// What is to be connected.
#[derive(Debug, Clone)]
pub struct ConnectPlan {
    /// The grant's name; one of the same name is replaced once the new one is whole.
    pub grant: GrantName,
    /// The registration under which it is asked for.
    pub registration: RegistrationName,
    /// The service.
    pub service: Arc<ServiceDefinition>,
    /// Other services whose registrations and grants serve it, too.
    pub also_of: BTreeSet<ServiceName>,
    /// Other services that will use the same grant.
    pub sharing: Vec<Sharing>,
    /// Every service whose look-up tells whose account a grant is; of the others' logins each reaches several.
    pub pinning: BTreeSet<ServiceName>,
    /// The region whose accounts host is asked.
    pub region: Region,
    /// The environment that the connection says.
    pub environment: String,
    /// The scopes to ask for; see [`crate::scopes_for`].
    pub scopes: Vec<String>,
    /// The same in the words of the provider's consent page, for whoever is asked.
    pub shown_scopes: Vec<String>,
    /// The tenant that it must be; `None`: the one that is found is pinned.
    pub tenant: Option<String>,
    /// The one that whoever connects named: it must be that one, and may take the place of another's grant.
    pub named_tenant: Option<String>,
    /// Values that the connection gives to its service.
    pub params: BTreeMap<String, String>,
    /// What the connection is called: shown to the person who is invited.
    pub label: String,
    /// Whether the person gets a one-time link instead of being sent on at once, and how long it lives, milliseconds.
    pub invite_ms: Option<u64>,
    /// Whether to go on where one more grant makes the provider drop the person's oldest.
    pub evict_oldest: bool,
    /// The operator, for the audit.
    pub who: String,
}

/// Another service that will use a grant: it is asked for the account, too, because no service knows the ids of another.
#[derive(Debug, Clone)]
pub struct Sharing {
    /// The service.
    pub service: Arc<ServiceDefinition>,
    /// Values that its connection gives to it.
    pub params: BTreeMap<String, String>,
}

/// What happens while a person connects an account.
#[derive(Debug)]
pub enum Event<'a> {
    /// The person's grants are near the number that the provider keeps.
    NearlyFull {
        /// How many live now, as far as is known.
        live: usize,
        /// How many the provider keeps.
        most: usize,
    },
    /// One more grant makes the provider drop the person's oldest, and the operator said to go on.
    Evicting {
        /// The grant that will go; `None`: one that is not stored any more, or not known.
        oldest: Option<&'a GrantName>,
    },
    /// The person must open the start now. The listener is bound already.
    Open {
        /// Where the browser begins: the listener, which marks it and leads it to the provider.
        start: &'a str,
        /// The provider's page, for a browser that cannot reach the listener.
        page: &'a Url,
        /// Where the browser comes back to.
        callback: SocketAddr,
    },
    /// The person must open this address on any device and enter the code.
    Device {
        /// The provider's page.
        url: &'a Url,
        /// What to enter there.
        user_code: &'a str,
    },
    /// This one-time link is to be given to the person. The listener is bound already.
    Invite {
        /// The link.
        link: &'a str,
        /// When it ends, milliseconds since 1970.
        expires_ms: u64,
    },
    /// The person has opened the link and goes on to the provider.
    InviteTaken,
    /// Something came to the callback that ends nothing: it is not known from whom.
    Notice(&'a str),
    /// The browser came back.
    Returned,
    /// The code was exchanged; these scopes were asked for and not granted.
    Exchanged {
        /// Scopes that are missing.
        missing: &'a [String],
    },
    /// The account was found.
    Tenant {
        /// Its id.
        id: &'a str,
        /// Its name.
        label: &'a str,
    },
}

/// Is told what happens.
pub trait Progress: Send + Sync {
    /// Takes an event.
    fn on(&self, event: Event<'_>);
}

/// A connected account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    /// The grant.
    pub grant: GrantName,
    /// Its generation.
    pub generation: u64,
    /// Its account; `None`: it could not be looked up, and the grant serves nothing until it is.
    pub tenant: Option<Tenant>,
    /// Why the account could not be looked up.
    pub unpinned: Option<LookupError>,
    /// The same account, as each other service that will use the grant calls it, or why that did not tell.
    pub others: BTreeMap<ServiceName, Result<Tenant, LookupError>>,
    /// Its region.
    pub region: Region,
    /// What was granted; empty where the provider does not say.
    pub scopes: Vec<String>,
    /// What was asked for and not granted.
    pub missing: Vec<String>,
    /// What became of the grant of the same name that it replaces, at the provider.
    pub replaced: Option<Replaced>,
}

/// What became of a replaced grant at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    /// It was revoked.
    Revoked(Revoked),
    /// It was left alone, because revoking it would end the new one too.
    Spared,
}
