//! What a test may do with Meta beside calling it.

use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::config::MetaApp;
use super::world::World;
use crate::world::lock;

/// A write that was carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct MetaMutation {
    /// The ad account, without `act_`.
    pub account: String,
    /// `create`, `update` or `delete`.
    pub action: String,
    /// The object's id.
    pub id: String,
    /// What was given, without the token.
    pub fields: Value,
}

/// A handle to the running Meta.
#[derive(Clone)]
pub struct MetaHandle(pub(crate) Arc<Mutex<World>>);

impl std::fmt::Debug for MetaHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("MetaHandle").finish_non_exhaustive()
    }
}

impl MetaHandle {
    /// Registers an app, or replaces the one with its id. Tokens are kept.
    pub fn add_app(&self, app: MetaApp) {
        lock(&self.0).apps.insert(app.id.clone(), app);
    }

    /// Deletes an app with all its tokens.
    pub fn remove_app(&self, app_id: &str) {
        let mut world = lock(&self.0);
        world.apps.remove(app_id);
        world.tokens.retain(|token| token.app != app_id);
        world.codes.retain(|code| code.app != app_id);
    }

    /// Returns the live tokens, oldest first, short-lived and long-lived ones.
    pub fn access_tokens(&self) -> Vec<String> {
        let world = lock(&self.0);
        let now = world.mint.now();
        world.tokens.iter().filter(|token| token.expires_ms > now).map(|token| token.value.clone()).collect()
    }

    /// Ends all tokens, as if their time had passed. They are their own refresh credentials, so only a new consent
    /// helps.
    pub fn expire_access_tokens(&self) {
        let mut world = lock(&self.0);
        let now = world.mint.now();
        for token in &mut world.tokens {
            token.expires_ms = token.expires_ms.min(now);
        }
    }

    /// Kills every token of a user (by e-mail), as "Business integrations" in the account's settings does.
    pub fn revoke_user(&self, email: &str) {
        let mut world = lock(&self.0);
        let id = world.users.iter().find(|user| user.email == email).map(|user| user.id.clone());
        world.tokens.retain(|token| Some(&token.user) != id.as_ref());
    }

    /// Returns the writes that were carried out, in order.
    pub fn mutations(&self) -> Vec<MetaMutation> {
        lock(&self.0).mutations.clone()
    }

    /// Returns an object's fields, as they are now; `None` once it has been deleted.
    pub fn object(&self, id: &str) -> Option<Value> {
        lock(&self.0).object(id).map(|object| Value::Object(object.fields.clone()))
    }
}
