//! What the host adds to a request, as it stands in TOML.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["header"] }, { "required": ["query"] }]))]
pub(in crate::service) struct RawInject {
    /// Header in lower case that holds the credential.
    #[schemars(regex(pattern = r"^[a-z0-9_-]+$"))]
    pub(in crate::service) header: Option<String>,
    /// Text before it; a scheme ends with a space (`Bearer `).
    #[serde(default)]
    pub(in crate::service) prefix: String,
    /// Query parameter that holds it, where the provider takes no header.
    pub(in crate::service) query: Option<String>,
    /// What else the host adds to every request. Agents cannot set it.
    #[serde(default)]
    #[schemars(with = "Vec<RawExtra>")]
    pub(in crate::service) extra: Vec<Spanned<RawExtra>>,
}

/// One more header or query parameter: exactly one place, exactly one source.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("allOf" = [
    { "oneOf": [{ "required": ["header"] }, { "required": ["query"] }] },
    { "oneOf": [
        { "required": ["secret"] },
        { "required": ["param"] },
        { "required": ["text"] },
        { "required": ["tenant"], "properties": { "tenant": { "const": true } } },
        { "required": ["hmac_sha256"] },
    ] },
]))]
pub(in crate::service) struct RawExtra {
    /// The header in lower case that it goes into.
    #[schemars(regex(pattern = r"^[a-z0-9_-]+$"))]
    pub(in crate::service) header: Option<String>,
    /// The query parameter that it goes into.
    pub(in crate::service) query: Option<String>,
    /// A further secret of the registration, by its name in `[secrets]`.
    pub(in crate::service) secret: Option<String>,
    /// A value that the connection gives, by its name in `[params]`.
    pub(in crate::service) param: Option<String>,
    /// The same for every request.
    pub(in crate::service) text: Option<String>,
    /// The tenant's id.
    #[serde(default)]
    pub(in crate::service) tenant: bool,
    /// A value that is computed for each token.
    pub(in crate::service) hmac_sha256: Option<RawHmac>,
}

/// Lower-case hex of HMAC-SHA256 (RFC 2104).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawHmac {
    /// The key.
    pub(in crate::service) key: RawIngredient,
    /// The message.
    pub(in crate::service) message: RawIngredient,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::service) enum RawIngredient {
    /// The registration's client secret.
    ClientSecret,
    /// The access token.
    AccessToken,
}

/// A value that a connection gives to its service.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawParam {
    /// What it is, in one sentence.
    pub(in crate::service) help: String,
    /// Whether a connection may leave it out.
    #[serde(default)]
    pub(in crate::service) optional: bool,
    /// How many digits it has, where it is a number of fixed length.
    pub(in crate::service) digits: Option<u32>,
}

/// A further secret of a registration.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawSecret {
    /// What it is and where it is found, in one sentence.
    pub(in crate::service) help: String,
    /// Whether a registration works without.
    #[serde(default)]
    pub(in crate::service) optional: bool,
}
