//! The body of a call to an endpoint, and the client that it is from (RFC 6749 sections 2.3 and 3.2).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::json;

use super::Host;
use super::config::NotesClient;
use super::world::World;
use crate::wire::{Call, Reply, pairs};

/// The parameters of a form. Those without a value count as left out.
pub(crate) struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads the form: parameters of a query are none, and each is there once.
    pub fn read(call: &Call<Host>) -> Result<Form, Reply> {
        let invalid = |text: &str| Err(error(400, "invalid_request", text));
        if call.method != Method::POST {
            return invalid("POST is the only method here.");
        }
        if !call.query.is_empty() {
            return invalid("Parameters belong into the body.");
        }
        let mut form = BTreeMap::new();
        for (name, value) in call.form() {
            if form.insert(name, value).is_some() {
                return invalid("A parameter is there more than once.");
            }
        }
        form.retain(|_, value| !value.is_empty());
        Ok(Form(form))
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn required(&self, name: &str) -> Result<&str, Reply> {
        self.text(name).ok_or_else(|| error(400, "invalid_request", &format!("`{name}` is missing.")))
    }

    /// Returns the scopes that are asked for.
    pub fn scopes(&self) -> Vec<String> {
        self.text("scope").unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect()
    }
}

/// Returns the client that calls, once it has shown its secret: by Basic or in the body, and by one of the two only.
pub(crate) fn client(world: &World, call: &Call<Host>, form: &Form) -> Result<NotesClient, Reply> {
    let Some(basic) = call.header("authorization") else {
        let id = form.required("client_id")?;
        return known(world, id, form.text("client_secret")).ok_or_else(|| invalid_client(false));
    };
    let (id, secret) = credentials(basic).ok_or_else(|| invalid_client(true))?;
    if form.text("client_secret").is_some() || form.text("client_id").is_some_and(|other| other != id) {
        return Err(error(400, "invalid_request", "The client says who it is in two ways."));
    }
    known(world, &id, Some(&secret)).ok_or_else(|| invalid_client(true))
}

fn known(world: &World, id: &str, secret: Option<&str>) -> Option<NotesClient> {
    world.clients.get(id).filter(|client| client.secret.as_deref() == secret).cloned()
}

/// Reads `Basic`, of which both halves are encoded as in a form.
fn credentials(header: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(header.strip_prefix("Basic ")?).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decoded = |text: &str| pairs(text).into_iter().next().map(|(name, _)| name);
    Some((decoded(id)?, decoded(secret)?))
}

fn invalid_client(by_header: bool) -> Reply {
    let reply = error(401, "invalid_client", "No such client, or not its secret.");
    if by_header { reply.with_header("www-authenticate", "Basic realm=\"notes\"") } else { reply }
}

/// Returns an error of RFC 6749 section 5.2.
pub(crate) fn error(status: u16, code: &str, description: &str) -> Reply {
    Reply::json(status, &json!({"error": code, "error_description": description}))
        .with_header("cache-control", "no-store")
}
