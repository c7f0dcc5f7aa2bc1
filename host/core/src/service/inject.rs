//! What the host adds to a request: the credential, and whatever else a service wants of every call.

use std::collections::BTreeMap;

use super::{Pin, ServiceDefinition};

/// How the access token enters a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inject {
    /// Where it goes.
    pub place: ExtraPlace,
    /// Text before the token (`Zoho-oauthtoken `); only in a header.
    pub prefix: String,
    /// What else is added, in order.
    pub extra: Vec<Extra>,
}

impl Inject {
    /// Returns every header that the host sets, in lower case.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        self.places().filter_map(|place| match place {
            ExtraPlace::Header(name) => Some(name.as_str()),
            ExtraPlace::Query(_) => None,
        })
    }

    /// Returns every query parameter that the host sets.
    pub fn query(&self) -> impl Iterator<Item = &str> {
        self.places().filter_map(|place| match place {
            ExtraPlace::Query(name) => Some(name.as_str()),
            ExtraPlace::Header(_) => None,
        })
    }

    /// Returns the query parameter that proves that whoever presents an access token has the client's secret too
    /// (Meta's `appsecret_proof`).
    pub fn proof(&self) -> Option<&str> {
        self.extra.iter().find_map(|extra| match (&extra.place, &extra.source) {
            (
                ExtraPlace::Query(name),
                ExtraSource::HmacSha256 { key: Ingredient::ClientSecret, message: Ingredient::AccessToken },
            ) => Some(name.as_str()),
            _ => None,
        })
    }

    fn places(&self) -> impl Iterator<Item = &ExtraPlace> {
        std::iter::once(&self.place).chain(self.extra.iter().map(|extra| &extra.place))
    }
}

/// One more header or query parameter of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// Where it goes.
    pub place: ExtraPlace,
    /// What it holds.
    pub source: ExtraSource,
}

/// A place in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtraPlace {
    /// A header, in lower case.
    Header(String),
    /// A query parameter.
    Query(String),
}

impl ExtraPlace {
    /// Returns it as [`Place`].
    pub fn as_place(&self) -> Place<'_> {
        match self {
            Self::Header(name) => Place::Header(name),
            Self::Query(name) => Place::Query(name),
        }
    }
}

/// A place in a request, by a name that stands elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// A header, in lower case.
    Header(&'a str),
    /// A query parameter.
    Query(&'a str),
}

/// One thing that the host adds to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addition<'a> {
    /// Where.
    pub place: Place<'a>,
    /// What.
    pub value: Added<'a>,
}

/// What is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added<'a> {
    /// This text.
    Text(&'a str),
    /// A secret that belongs to this place.
    Secret,
    /// The access token or key.
    Credential,
}

impl ServiceDefinition {
    /// Lists what the host adds to a request, the credential last: the audit names it and egress sends it from this one list.
    /// `is_named`: whether the request names a query parameter already; a pinned one then is the tenant's.
    pub fn additions<'a>(
        &'a self,
        params: &'a BTreeMap<String, String>,
        tenant: Option<&'a str>,
        is_named: impl Fn(&str) -> bool,
    ) -> Vec<Addition<'a>> {
        let pins = self.tenant.pins.iter().filter_map(|pin| match pin {
            Pin::Header(name) => Some(Place::Header(name)),
            Pin::Query(name) if !is_named(name) => Some(Place::Query(name)),
            Pin::Query(_) | Pin::Path(_) | Pin::Body(_) | Pin::Text(_) | Pin::Gaql { .. } => None,
        });
        let pins = pins.filter_map(|place| Some(Addition { place, value: Added::Text(tenant?) }));
        let extra = self.inject.extra.iter().filter_map(|extra| {
            let value = match &extra.source {
                ExtraSource::Text(text) => Added::Text(text),
                ExtraSource::Param(name) => Added::Text(params.get(name)?),
                ExtraSource::Tenant => Added::Text(tenant?),
                ExtraSource::Secret(_) | ExtraSource::HmacSha256 { .. } => Added::Secret,
            };
            Some(Addition { place: extra.place.as_place(), value })
        });
        let credential = Addition { place: self.inject.place.as_place(), value: Added::Credential };
        pins.chain(extra).chain([credential]).collect()
    }
}

/// What an added value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtraSource {
    /// A further secret of the registration, by name. Left out where it is optional and not stored.
    Secret(String),
    /// A value that the connection gives, by name. Left out where it is optional and not given.
    Param(String),
    /// The same for every request.
    Text(String),
    /// The tenant's id.
    Tenant,
    /// Lower-case hex of HMAC-SHA256 (RFC 2104), computed for each token (Meta's `appsecret_proof`).
    HmacSha256 {
        /// The key.
        key: Ingredient,
        /// The message.
        message: Ingredient,
    },
}

/// A secret from which a value is derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ingredient {
    /// The registration's client secret.
    ClientSecret,
    /// The access token.
    AccessToken,
}

/// A value that a connection gives to its service: not secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// What it is, in one sentence.
    pub help: String,
    /// Whether a connection may leave it out.
    pub optional: bool,
    /// How many digits it has, where it is a number of fixed length.
    pub digits: Option<u32>,
}

/// A further secret of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationSecret {
    /// What it is and where it is found, in one sentence.
    pub help: String,
    /// Whether a registration works without.
    pub optional: bool,
}
