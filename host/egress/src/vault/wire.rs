//! How a secret goes out to a provider. Nothing here logs, and no error holds a byte of what it is about.
//!
//! How a provider's token answer is read stands in [`super::answer`] and is found here too.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

pub(crate) use super::answer::{Expiry, TokenAnswer, error_of, parse_registry_token, parse_token_answer};
pub(crate) use super::device::{DeviceAnswer, parse_device_answer};
use super::secret::Secret;

/// The prefix or the client id cannot stand in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text beside the secret cannot stand in an HTTP header")]
pub(crate) struct NotAHeader;

/// Renders a credential header, marked sensitive: `Debug` hides it.
pub(crate) fn header_value(prefix: &str, secret: &Secret) -> Result<HeaderValue, NotAHeader> {
    let mut line = Zeroizing::new(Vec::with_capacity(prefix.len() + secret.open().len()));
    line.extend_from_slice(prefix.as_bytes());
    line.extend_from_slice(secret.open());
    let mut value = HeaderValue::from_bytes(&line).map_err(|_| NotAHeader)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Renders HTTP Basic authentication of an OAuth client (RFC 6749 section 2.3.1: both parts form-encoded first).
pub(crate) fn basic_auth(client_id: &str, secret: &Secret) -> Result<HeaderValue, NotAHeader> {
    let mut pair = SecretForm::with_room(client_id.len() + secret.open().len());
    pair.push(client_id);
    pair.body.push(b':');
    pair.push(secret.open_text());
    basic_of(&pair.body)
}

/// Renders HTTP Basic authentication of a registry's user (RFC 7617: both parts as they are). The name has no colon.
pub(crate) fn basic_user(user: &str, password: &Secret) -> Result<HeaderValue, NotAHeader> {
    let mut pair = Zeroizing::new(Vec::with_capacity(user.len() + 1 + password.open().len()));
    pair.extend_from_slice(user.as_bytes());
    pair.push(b':');
    pair.extend_from_slice(password.open());
    basic_of(&pair)
}

fn basic_of(pair: &[u8]) -> Result<HeaderValue, NotAHeader> {
    let mut encoded = Zeroizing::new(vec![0_u8; pair.len().div_ceil(3) * 4]);
    let written = STANDARD.encode_slice(pair, &mut encoded).map_err(|_| NotAHeader)?;
    let mut line = Zeroizing::new(Vec::with_capacity(written + 6));
    line.extend_from_slice(b"Basic ");
    line.extend_from_slice(encoded.get(..written).unwrap_or_default());
    let mut value = HeaderValue::from_bytes(&line).map_err(|_| NotAHeader)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Adds a secret to a URL's query, as Zoho's classic revocation wants it. Such a URL must never be logged.
pub(crate) fn with_secret_query(mut url: reqwest::Url, name: &str, secret: &Secret) -> reqwest::Url {
    url.query_pairs_mut().append_pair(name, secret.open_text());
    url
}

/// Computes lower-case hex of HMAC-SHA256 (RFC 2104). What comes out goes into requests only.
pub(crate) fn hmac_sha256_hex(key: &Secret, message: &Secret) -> Option<Secret> {
    // A key may have any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(key.open()).ok()?;
    mac.update(message.open());
    let hex = hex::encode(mac.finalize().into_bytes());
    Secret::from_bytes(Zeroizing::new(hex.into_bytes())).ok()
}

/// Renders a name and a secret for a query.
pub(crate) fn query_pair(name: &str, secret: &Secret) -> Zeroizing<String> {
    let body = SecretForm::new().secret(name, secret).into_body();
    Zeroizing::new(String::from_utf8(body).unwrap_or_default())
}

/// Computes the PKCE S256 challenge of a verifier (RFC 7636 section 4.2).
pub(crate) fn pkce_challenge(verifier: &Secret) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.open()))
}

/// All but the characters that `application/x-www-form-urlencoded` leaves as they are.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

/// A form body with secrets in it. Wiped when dropped.
pub(crate) struct SecretForm {
    body: Zeroizing<Vec<u8>>,
}

impl SecretForm {
    /// Makes an empty form.
    pub(crate) fn new() -> Self {
        Self::with_room(1024)
    }

    fn with_room(length: usize) -> Self {
        // Three bytes for one at most; a buffer that never grows leaves no copies behind.
        Self { body: Zeroizing::new(Vec::with_capacity(length * 3 + 1)) }
    }

    /// Adds a field that is not secret.
    #[must_use]
    pub(crate) fn plain(mut self, name: &str, value: &str) -> Self {
        self.field(name, value);
        self
    }

    /// Adds a secret field.
    #[must_use]
    pub(crate) fn secret(mut self, name: &str, secret: &Secret) -> Self {
        self.field(name, secret.open_text());
        self
    }

    /// Returns the body, `application/x-www-form-urlencoded`. The HTTP client's own copies are not wiped.
    pub(crate) fn into_body(mut self) -> Vec<u8> {
        std::mem::take(&mut *self.body)
    }

    fn field(&mut self, name: &str, value: &str) {
        self.make_room((name.len() + value.len()) * 3 + 2);
        if !self.body.is_empty() {
            self.body.push(b'&');
        }
        self.push(name);
        self.body.push(b'=');
        self.push(value);
    }

    fn make_room(&mut self, more: usize) {
        if self.body.capacity() - self.body.len() >= more {
            return;
        }
        let mut larger = Zeroizing::new(Vec::with_capacity((self.body.len() + more) * 2));
        larger.extend_from_slice(&self.body);
        self.body = larger;
    }

    fn push(&mut self, text: &str) {
        for part in utf8_percent_encode(text, FORM) {
            self.body.extend_from_slice(part.as_bytes());
        }
    }
}

impl fmt::Debug for SecretForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretForm(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::secret::tests::secret;

    #[test]
    fn credential_headers_are_sensitive() {
        let value = header_value("Zoho-oauthtoken ", &secret("1000.canary")).expect("a header");
        assert_eq!(value.as_bytes(), b"Zoho-oauthtoken 1000.canary");
        assert!(value.is_sensitive());
        assert!(!format!("{value:?}").contains("canary"));
        assert_eq!(header_value("Bearer\r\n", &secret("x")), Err(NotAHeader));
    }

    #[test]
    fn basic_authentication_form_encodes_both_parts() {
        let value = basic_auth("a:b", &secret("p+q%")).expect("a header");
        assert!(value.is_sensitive());
        let encoded = value.as_bytes().strip_prefix(b"Basic ").expect("basic");
        assert_eq!(STANDARD.decode(encoded).expect("base64"), b"a%3Ab:p%2Bq%25");
    }

    #[test]
    fn a_registry_is_told_user_and_password_as_they_are() {
        let value = basic_user("a+b", &secret("p:q%")).expect("a header");
        assert!(value.is_sensitive());
        let encoded = value.as_bytes().strip_prefix(b"Basic ").expect("basic");
        assert_eq!(STANDARD.decode(encoded).expect("base64"), b"a+b:p:q%");
    }

    #[test]
    fn forms_are_read_back_as_they_were_written() {
        let long = "x".repeat(4000);
        let body = SecretForm::new()
            .plain("grant_type", "refresh_token")
            .plain("scope", "A.b,C d&=\u{e9}")
            .secret("refresh_token", &secret("1//0g+a/b=="))
            .secret("long", &secret(&long))
            .into_body();
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
        let expect = [
            ("grant_type", "refresh_token"),
            ("scope", "A.b,C d&=\u{e9}"),
            ("refresh_token", "1//0g+a/b=="),
            ("long", long.as_str()),
        ];
        assert_eq!(pairs, expect.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn the_classic_revocation_has_its_token_in_the_query() {
        let url = reqwest::Url::parse("https://accounts.example/oauth/v2/token/revoke").expect("a URL");
        let url = with_secret_query(url, "token", &secret("1000.a+b"));
        assert_eq!(url.query(), Some("token=1000.a%2Bb"));
    }

    #[test]
    fn a_proof_is_the_one_that_another_library_computes() {
        let proof = hmac_sha256_hex(&secret("Jefe"), &secret("what-do-ya-want-for-nothing?")).expect("a proof");
        assert_eq!(proof.open_text(), "5a009baf454799a316a08e0261c4c31a58f951f1436904b5a7a883706501d927");
    }

    #[test]
    fn the_challenge_is_that_of_rfc_7636_appendix_b() {
        let verifier = secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(pkce_challenge(&verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
