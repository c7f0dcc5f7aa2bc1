//! What a test may do with the provider of notes beside calling it.

use std::sync::{Arc, Mutex};

use super::config::NotesClient;
use super::world::World;
use crate::world::{Decision, lock};

/// A handle to the running provider of notes.
#[derive(Clone)]
pub struct NotesHandle(pub(crate) Arc<Mutex<World>>);

impl std::fmt::Debug for NotesHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("NotesHandle").finish_non_exhaustive()
    }
}

impl NotesHandle {
    /// Registers a client, or replaces the one with its id. Grants are kept.
    pub fn add_client(&self, client: NotesClient) {
        lock(&self.0).clients.insert(client.id.clone(), client);
    }

    /// Hands out a static key of an account.
    pub fn add_api_key(&self, key: impl Into<String>, account: impl Into<String>) {
        lock(&self.0).api_keys.insert(key.into(), account.into());
    }

    /// Approves an app, and hands out its key.
    pub fn add_app_key(&self, key: impl Into<String>, app: impl Into<String>) {
        lock(&self.0).app_keys.insert(key.into(), app.into());
    }

    /// Returns the live access tokens, oldest grant first.
    pub fn access_tokens(&self) -> Vec<String> {
        let world = lock(&self.0);
        let now = world.mint.now();
        let all = world.grants.iter().flat_map(|grant| &grant.access_tokens);
        all.filter(|access| access.expires_ms > now).map(|access| access.token.clone()).collect()
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

    /// Kills every grant of a person.
    pub fn revoke_user(&self, email: &str) {
        let mut world = lock(&self.0);
        let account = world.account_of(email);
        world.grants.retain(|grant| Some(&grant.account) != account.as_ref());
    }

    /// Returns the texts of an account's notes, oldest first.
    pub fn notes(&self, account: &str) -> Vec<String> {
        let world = lock(&self.0);
        world.notes.get(account).into_iter().flatten().map(|note| note.text.clone()).collect()
    }

    pub(crate) fn decide_device(&self, user_code: &str, decision: Decision) -> bool {
        lock(&self.0).decide_device(user_code, decision)
    }
}
