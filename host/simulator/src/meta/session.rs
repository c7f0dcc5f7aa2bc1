//! What came with a call, and whose token it carries.

use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use serde_json::Value;
use sha2::Sha256;

use super::Host;
use super::failure::Failure;
use super::world::{Token, World};
use crate::wire::Call;

/// The parameters of a call, from its query, its form and its JSON body, in this order.
#[derive(Clone, Debug)]
pub(crate) struct Given(pub Vec<(String, Value)>);

impl Given {
    pub fn read(call: &Call<Host>) -> Given {
        let texts = call.query.iter().cloned().chain(call.form());
        let mut all: Vec<(String, Value)> = texts.map(|(name, value)| (name, Value::String(value))).collect();
        if let Ok(Value::Object(members)) = serde_json::from_slice::<Value>(&call.body) {
            all.extend(members);
        }
        Given(all)
    }

    pub fn value(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Returns a parameter's text; empty if it is missing or no text.
    pub fn text(&self, name: &str) -> &str {
        self.value(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns a parameter that is JSON; forms and queries hold it as text.
    pub fn json(&self, name: &str) -> Option<Value> {
        match self.value(name)? {
            Value::String(text) => serde_json::from_str(text).ok().or_else(|| Some(Value::String(text.clone()))),
            value => Some(value.clone()),
        }
    }
}

/// Returns the method that counts: `method` as a parameter overrides the one of GET and POST.
pub(crate) fn method(call: &Call<Host>, given: &Given) -> Method {
    let named = given.text("method").to_ascii_uppercase();
    let may_be_overridden = call.method == Method::GET || call.method == Method::POST;
    let named = Method::from_bytes(named.as_bytes()).ok().filter(|_| may_be_overridden && !named.is_empty());
    named.unwrap_or_else(|| call.method.clone())
}

/// Returns the token that counts: one that comes as a parameter, before the header's.
pub(crate) fn token_of(call: &Call<Host>, given: &Given) -> Option<String> {
    if !given.text("access_token").is_empty() {
        return Some(given.text("access_token").to_owned());
    }
    let (scheme, token) = call.header("authorization")?.split_once(' ')?;
    let known = scheme.eq_ignore_ascii_case("Bearer") || scheme.eq_ignore_ascii_case("OAuth");
    Some(token.trim().to_owned()).filter(|token| known && !token.is_empty())
}

/// Returns the token of a call that may go on: live, and with its proof where its app requires one.
pub(crate) fn open(world: &World, call: &Call<Host>, given: &Given) -> Result<Token, Failure> {
    let value = token_of(call, given).ok_or_else(Failure::no_token)?;
    let token = world.tokens.iter().find(|token| token.value == value).ok_or_else(Failure::bad_token)?;
    if token.expires_ms <= world.mint.now() {
        return Err(Failure::expired());
    }
    let app = world.apps.get(&token.app).ok_or_else(Failure::bad_token)?;
    let proof = given.text("appsecret_proof");
    // A proof that came is checked, whether or not it had to come.
    if proof.is_empty() {
        return if app.requires_proof { Err(Failure::no_proof()) } else { Ok(token.clone()) };
    }
    if proof_of(&app.secret, &value) == proof { Ok(token.clone()) } else { Err(Failure::bad_proof()) }
}

/// Returns the hex of the HMAC-SHA256 of the token under the app's secret.
fn proof_of(secret: &str, token: &str) -> String {
    // HMAC takes keys of any length, so this cannot fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(token.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_is_that_of_rfc_4231() {
        // Test case 2.
        let expect = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(proof_of("Jefe", "what do ya want for nothing?"), expect);
    }
}
