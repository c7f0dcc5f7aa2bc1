//! Looks up which account a grant belongs to: the service's declared GET, with the access token, scanned.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

use serde_json::Value;
use tokio::time::Instant;
use wardlock_core::id::{ConnectionName, GrantName, Region};
use wardlock_core::service::ServiceDefinition;

use crate::client::{CallError, Clients, PoolKey};
use crate::companions::Companions;
use crate::inject::{self, Filling};
use crate::route;
use crate::scan::Scan;
use crate::vault::{Needles, Secret};

/// The longest id or name that is kept.
const LONGEST: usize = 200;

/// Why the account could not be looked up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The service names no such host.
    #[error("the service has no host for the look-up in environment `{0}`")]
    NoHost(String),
    /// The provider could not be reached or broke off.
    #[error("the provider could not be reached for the look-up")]
    Unreachable,
    /// It refused.
    #[error("the provider refused the look-up with status {0}")]
    Refused(u16),
    /// Its answer does not hold what the service says.
    #[error("the look-up's answer holds no {0}")]
    Missing(&'static str),
    /// The consent does not allow to ask.
    #[error("the consent holds none of the scopes that the look-up needs")]
    NotGranted,
    /// It answered for another environment than the connection's.
    #[error("the look-up's answer is about another environment")]
    OtherEnvironment,
    /// A fault of ours.
    #[error("the look-up cannot be sent")]
    Internal,
}

/// The account behind a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The id that `tenant` pins.
    pub id: String,
    /// The name shown to people.
    pub label: String,
    /// The environment, where the answer names it.
    pub environment: Option<String>,
}

/// Where and as whom to look.
pub(crate) struct Lookup<'a> {
    pub clients: &'a Clients,
    pub service: &'a ServiceDefinition,
    pub region: &'a Region,
    pub environment: &'a str,
    pub grant: &'a GrantName,
    pub access: &'a Secret,
    /// What is added besides.
    pub companions: &'a Arc<Companions>,
    /// Values that the connection gives.
    pub params: &'a BTreeMap<String, String>,
    /// Everything that must not come back. None of it is stored yet when a consent looks up.
    pub secrets: Vec<&'a Secret>,
}

impl Lookup<'_> {
    /// Asks the provider for the account.
    pub async fn tenant(&self) -> Result<Found, LookupError> {
        let lookup = &self.service.tenant;
        let answer = self.ask(&lookup.host, &lookup.path).await?.ok_or(LookupError::Missing("id"))?;
        read(self.service, &answer)
    }

    /// Asks the provider who consented; `None` where the service or the granted scopes do not allow that, or no answer comes.
    /// Nothing depends on it but a count.
    pub async fn user(&self, granted: &[String]) -> Option<String> {
        let lookup = self.service.user.as_ref()?;
        if !allow(&lookup.scopes, granted) {
            return None;
        }
        let answer = self.ask(&lookup.host, &lookup.target).await.ok()??;
        text_at(&answer, &lookup.id_pointer)
    }

    /// Sends one GET and reads its JSON; `None` where the body is none.
    async fn ask(&self, role: &str, target: &str) -> Result<Option<Value>, LookupError> {
        let row = route::row(self.service, self.region).map_err(|_| LookupError::Internal)?;
        let host =
            row.host(role, self.environment).ok_or_else(|| LookupError::NoHost(self.environment.to_owned()))?;
        let url = route::url_on(host, target).map_err(|_| LookupError::Internal)?;
        let filling = Filling {
            credential: self.access,
            companions: self.companions,
            params: self.params,
            // Which tenant it is, is only to be found out.
            tenant: None,
        };
        let request = inject::lookup(self.service, url, &filling).map_err(|_| LookupError::Internal)?;

        let owner = format!("lookup/{}", self.grant);
        let key = PoolKey { owner: owner.clone(), grant: self.grant.clone(), generation: 0 };
        let limits = self.clients.limits();
        let deadline = Instant::now() + limits.total;
        let answer = self.clients.call(key, self.service, request).await.map_err(|error| match error {
            CallError::HostNotAllowed => LookupError::Internal,
            CallError::Unreachable | CallError::Broken | CallError::Timeout { .. } => LookupError::Unreachable,
        });
        let needles = Needles::of(&self.secrets).map_err(|_| LookupError::Internal)?;
        let needles = self.companions.among(Arc::new(needles));
        let connection = ConnectionName::parse("lookup").map_err(|_| LookupError::Internal)?;
        let scan = Scan {
            service: self.service,
            connection: &connection,
            host,
            links_to: None,
            needles,
            companions: self.companions,
            // An answer that flows is no account's description.
            vault: Weak::new(),
            holds: false,
            deadline,
            idle: limits.idle,
        };
        let scrubbed = scan.scrub(answer?).await;
        self.clients.forget(&owner);
        let scrubbed = scrubbed.map_err(|_| LookupError::Unreachable)?;
        if scrubbed.status() != 200 {
            return Err(LookupError::Refused(scrubbed.status()));
        }
        Ok(scrubbed.body().and_then(|body| serde_json::from_slice(body).ok()))
    }
}

/// Returns whether granted scopes hold all of one of these lists.
pub(crate) fn allow(any_of: &[Vec<String>], granted: &[String]) -> bool {
    let granted: BTreeSet<String> = granted.iter().map(|scope| scope.to_lowercase()).collect();
    any_of.iter().any(|all| all.iter().all(|scope| granted.contains(&scope.to_lowercase())))
}

fn read(service: &ServiceDefinition, answer: &Value) -> Result<Found, LookupError> {
    let lookup = &service.tenant;
    let id = text_at(answer, &lookup.id_pointer).ok_or(LookupError::Missing("id"))?;
    let label = text_at(answer, &lookup.label_pointer).unwrap_or_else(|| id.clone());
    let named = lookup.environment_pointer.as_deref().and_then(|pointer| text_at(answer, pointer));
    let environment = match named {
        Some(named) => {
            let known = lookup.environments.get(&named).cloned();
            Some(known.ok_or(LookupError::Missing("environment that the service lists"))?)
        }
        None => None,
    };
    Ok(Found { id, label, environment })
}

/// Returns a text or number, without control characters and bounded: it is shown to people.
fn text_at(answer: &Value, pointer: &str) -> Option<String> {
    let text = match answer.pointer(pointer)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let plain = !text.is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control);
    plain.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ids_are_texts_or_numbers_and_never_control_characters() {
        let answer = json!({"org": [{"zgid": 20_071, "name": "A\u{1b}[2J", "empty": ""}]});
        assert_eq!(text_at(&answer, "/org/0/zgid").as_deref(), Some("20071"));
        assert_eq!(text_at(&answer, "/org/0/name"), None);
        assert_eq!(text_at(&answer, "/org/0/empty"), None);
        assert_eq!(text_at(&answer, "/org/1/zgid"), None);
    }
}
