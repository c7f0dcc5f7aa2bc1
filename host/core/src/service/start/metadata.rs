//! An authorization server's metadata (RFC 8414): what of it a definition can say.

use serde::Deserialize;

use super::login::{DevicePath, Login, RevokePath, check_host};
use super::{ClientAuth, StartError, is_scope};
use crate::service::check::is_plain_path;
use crate::service::lint::{IDENTITY, OFFLINE};

/// RFC 8628 section 4.
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The members that are read. All others are left alone.
#[derive(Debug, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    device_authorization_endpoint: Option<String>,
    #[serde(default)]
    scopes_supported: Vec<String>,
    grant_types_supported: Option<Vec<String>>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    revocation_endpoint_auth_methods_supported: Option<Vec<String>>,
    code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

struct Endpoint {
    host: String,
    path: String,
}

impl Login {
    /// Reads the metadata of an issuer. What it says must be of that issuer.
    pub fn from_metadata(text: &str, issuer: &str) -> Result<Self, StartError> {
        let metadata: Metadata =
            serde_json::from_str(text).map_err(|error| StartError::NotMetadata { problem: error.to_string() })?;
        if metadata.issuer != issuer {
            return Err(StartError::Issuer { found: metadata.issuer, given: issuer.to_owned() });
        }
        check_issuer(issuer)?;
        let token = metadata.token_endpoint.as_deref().ok_or(StartError::Missing { member: "token_endpoint" })?;
        let token = endpoint("token_endpoint", token)?;
        let authorize = metadata.authorize()?;
        let device = metadata.device()?;
        if authorize.is_none() && device.is_none() {
            return Err(StartError::Missing { member: "authorization_endpoint" });
        }
        let mut notes = Vec::new();
        let device = on_token_host(device, &token, "device_authorization_endpoint", &mut notes);
        if authorize.is_none() && device.is_none() {
            return Err(StartError::Missing { member: "authorization_endpoint" });
        }
        let revoke = metadata.revocation_endpoint.as_deref().map(|url| endpoint("revocation_endpoint", url));
        let revoke = on_token_host(revoke.transpose()?, &token, "revocation_endpoint", &mut notes);
        let client_auth = client_auth(metadata.token_endpoint_auth_methods_supported.as_deref())?;
        let revoke_auth = match &metadata.revocation_endpoint_auth_methods_supported {
            Some(methods) => self::client_auth(Some(methods))?,
            None => client_auth,
        };
        let pkce = metadata.pkce(&mut notes);
        let is_offline = |scope: &String| scope == OFFLINE[0];
        let is_other =
            |scope: &&String| is_scope(scope) && !IDENTITY.contains(&scope.as_str()) && !is_offline(scope);
        let accounts = authorize.as_ref().map_or_else(|| token.host.clone(), |endpoint| endpoint.host.clone());
        Ok(Self {
            token: Some(token.host).filter(|token| *token != accounts),
            accounts,
            // RFC 9207 section 3: only where it is announced is it sure to come.
            issuer: metadata.authorization_response_iss_parameter_supported.then(|| issuer.to_owned()),
            authorize_path: authorize.map(|endpoint| endpoint.path),
            token_path: token.path,
            revoke: revoke.map(|endpoint| RevokePath { path: endpoint.path, client_auth: revoke_auth }),
            device: device.map(|endpoint| DevicePath(endpoint.path)),
            client_auth,
            pkce,
            offline: metadata.scopes_supported.iter().any(is_offline),
            announced: metadata.scopes_supported.iter().filter(is_other).cloned().collect(),
            notes,
            evidence: format!("metadata of {issuer} (RFC 8414)"),
        })
    }
}

impl Metadata {
    fn grants(&self, grant: &str) -> bool {
        self.grant_types_supported.as_ref().is_none_or(|grants| grants.iter().any(|known| known == grant))
    }

    fn authorize(&self) -> Result<Option<Endpoint>, StartError> {
        let url = self.authorization_endpoint.as_deref().filter(|_| self.grants("authorization_code"));
        url.map(|url| endpoint("authorization_endpoint", url)).transpose()
    }

    fn device(&self) -> Result<Option<Endpoint>, StartError> {
        let url = self.device_authorization_endpoint.as_deref().filter(|_| self.grants(DEVICE_GRANT));
        url.map(|url| endpoint("device_authorization_endpoint", url)).transpose()
    }

    /// RFC 8414 section 2: who lists no method does not announce PKCE, and most ignore what they do not know.
    fn pkce(&self, notes: &mut Vec<String>) -> bool {
        match &self.code_challenge_methods_supported {
            Some(methods) => methods.iter().any(|method| method == "S256"),
            None => {
                notes.push(
                    "The server does not announce PKCE; set `pkce` to false only if it refuses it.".to_owned(),
                );
                true
            }
        }
    }
}

/// A definition has one token host: another one's endpoint is left out, and said.
fn on_token_host(
    found: Option<Endpoint>,
    token: &Endpoint,
    member: &str,
    notes: &mut Vec<String>,
) -> Option<Endpoint> {
    let endpoint = found?;
    if endpoint.host == token.host {
        return Some(endpoint);
    }
    notes.push(format!("`{member}` is on `{}`, not on the token host, so it is left out.", endpoint.host));
    None
}

/// Chooses how the client says who it is. Where nothing is listed it is Basic (RFC 8414 section 2).
fn client_auth(methods: Option<&[String]>) -> Result<ClientAuth, StartError> {
    let Some(methods) = methods else { return Ok(ClientAuth::Basic) };
    let known = [
        ("client_secret_basic", ClientAuth::Basic),
        ("client_secret_post", ClientAuth::Body),
        ("none", ClientAuth::None),
    ];
    let chosen = known.into_iter().find(|(name, _)| methods.iter().any(|method| method == name));
    chosen.map(|(_, auth)| auth).ok_or_else(|| StartError::Value {
        what: "token_endpoint_auth_methods_supported",
        given: methods.join(", "),
        rule: "none of client_secret_basic, client_secret_post and none".to_owned(),
    })
}

/// RFC 8414 section 2: an https URL without query and fragment.
fn check_issuer(issuer: &str) -> Result<(), StartError> {
    if issuer.starts_with("https://") && !issuer.contains(['?', '#', ' ']) {
        return Ok(());
    }
    let rule = "an issuer is an https URL without `?`, `#` or space".to_owned();
    Err(StartError::Value { what: "issuer", given: issuer.to_owned(), rule })
}

/// Takes an endpoint apart. A definition holds bare hosts, which are always reached by https.
fn endpoint(member: &'static str, url: &str) -> Result<Endpoint, StartError> {
    let fail = |rule: &str| StartError::Value { what: member, given: url.to_owned(), rule: rule.to_owned() };
    let rest = url.strip_prefix("https://").ok_or_else(|| fail("an endpoint is an https URL"))?;
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    check_host(member, host).map_err(|_| fail("its host must be a bare name: no port, user or address"))?;
    if !is_plain_path(path) {
        return Err(fail("its path holds `?`, `#` or a space"));
    }
    Ok(Endpoint { host: host.to_owned(), path: path.to_owned() })
}
