//! What a test may do with Google beside calling it.

use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::config::GoogleClient;
use super::world::World;
use crate::world::lock;

/// An operation that was carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct GoogleMutation {
    /// The customer's id.
    pub customer: String,
    /// The collection, such as `campaigns`.
    pub collection: String,
    /// The operation as it came: `create`, `update` or `remove`.
    pub operation: Value,
}

/// A handle to the running Google.
#[derive(Clone)]
pub struct GoogleHandle(pub(crate) Arc<Mutex<World>>);

impl std::fmt::Debug for GoogleHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("GoogleHandle").finish_non_exhaustive()
    }
}

impl GoogleHandle {
    /// Registers a client, or replaces the one with its id. Grants are kept.
    pub fn add_client(&self, client: GoogleClient) {
        lock(&self.0).clients.insert(client.id.clone(), client);
    }

    /// Deletes a client with all that was granted to it.
    pub fn remove_client(&self, client_id: &str) {
        let mut world = lock(&self.0);
        world.clients.remove(client_id);
        world.grants.retain(|grant| grant.client != client_id);
        world.codes.retain(|code| code.client != client_id);
    }

    /// Approves a developer token.
    pub fn add_developer_token(&self, token: impl Into<String>) {
        lock(&self.0).developer_tokens.insert(token.into());
    }

    /// Returns the live access tokens, oldest grant first.
    pub fn access_tokens(&self) -> Vec<String> {
        let world = lock(&self.0);
        let now = world.mint.now();
        let all = world.grants.iter().flat_map(|grant| &grant.access_tokens);
        all.filter(|(_, expires_ms)| *expires_ms > now).map(|(token, _)| token.clone()).collect()
    }

    /// Returns the live refresh tokens, oldest first.
    pub fn refresh_tokens(&self) -> Vec<String> {
        lock(&self.0).grants.iter().filter_map(|grant| grant.refresh_token.clone()).collect()
    }

    /// Ends all access tokens at once; refresh tokens stay.
    pub fn expire_access_tokens(&self) {
        for grant in &mut lock(&self.0).grants {
            grant.access_tokens.clear();
        }
    }

    /// Kills every grant of a user, as "Third-party apps" in the account's settings does.
    pub fn revoke_user(&self, email: &str) {
        let mut world = lock(&self.0);
        world.grants.retain(|grant| grant.user != email);
        world.consented.retain(|(user, _)| user != email);
    }

    /// Returns the operations that were carried out, in order.
    pub fn mutations(&self) -> Vec<GoogleMutation> {
        lock(&self.0).mutations.clone()
    }

    /// Returns the rows of a collection (`campaigns`, `adGroups`, …) of a customer, as they are now.
    pub fn rows(&self, customer: &str, collection: &str) -> Vec<Value> {
        let world = lock(&self.0);
        let rows = world.customers.get(customer).and_then(|customer| customer.rows.get(collection));
        rows.into_iter().flatten().cloned().map(Value::Object).collect()
    }
}
