//! What is to be connected, what happens meanwhile, and what came of it.

use std::sync::Arc;

use url::Url;
use wardlock_core::id::{GrantName, Region, RegistrationName};
use wardlock_core::service::ServiceDefinition;

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
    /// The region whose accounts host is asked.
    pub region: Region,
    /// The environment that the connection says.
    pub environment: String,
    /// The scopes to ask for; see [`crate::scopes_for`].
    pub scopes: Vec<String>,
    /// The tenant that it must be; `None`: the one that is found is pinned.
    pub tenant: Option<String>,
    /// The operator, for the audit.
    pub who: String,
}

/// What happens while a person connects an account.
#[derive(Debug)]
pub enum Event<'a> {
    /// The person must open this URL now. The listener is bound already.
    Open(&'a Url),
    /// The provider reported something that ends nothing.
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
    /// Its account.
    pub tenant: Tenant,
    /// Its region.
    pub region: Region,
    /// What was granted; empty where the provider does not say.
    pub scopes: Vec<String>,
    /// What was asked for and not granted.
    pub missing: Vec<String>,
}
