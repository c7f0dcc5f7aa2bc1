//! An operation as it stands in TOML.

use std::collections::BTreeSet;

use serde::Deserialize;
use toml::Spanned;

use crate::plugin::{Effect, FieldUse};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawOperation {
    pub(in crate::service) name: String,
    pub(in crate::service) summary: String,
    pub(in crate::service) method: Spanned<String>,
    pub(in crate::service) path: Spanned<String>,
    #[serde(default = "api_role")]
    pub(in crate::service) host: String,
    pub(in crate::service) effect: RawEffect,
    pub(in crate::service) refused: Option<String>,
    #[serde(default)]
    pub(in crate::service) destructive_with: Vec<RawPresence>,
    #[serde(default)]
    pub(in crate::service) query: BTreeSet<String>,
    #[serde(default)]
    pub(in crate::service) headers: BTreeSet<String>,
    pub(in crate::service) resources: Vec<RawResource>,
    #[serde(default)]
    pub(in crate::service) fields: Vec<RawField>,
    #[serde(default)]
    pub(in crate::service) fields_known: bool,
    #[serde(default)]
    pub(in crate::service) breadth: RawBreadth,
    #[serde(default)]
    pub(in crate::service) body: RawBody,
    pub(in crate::service) replay_safe: Option<bool>,
    pub(in crate::service) scopes: Vec<Vec<String>>,
}

fn api_role() -> String {
    "api".to_owned()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::service) enum RawEffect {
    Read,
    Write,
    Destructive,
}

impl From<RawEffect> for Effect {
    fn from(raw: RawEffect) -> Self {
        match raw {
            RawEffect::Read => Self::Read,
            RawEffect::Write => Self::Write,
            RawEffect::Destructive => Self::Destructive,
        }
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::service) enum RawUse {
    Read,
    Filter,
    Write,
}

impl From<RawUse> for FieldUse {
    fn from(raw: RawUse) -> Self {
        match raw {
            RawUse::Read => Self::Read,
            RawUse::Filter => Self::Filter,
            RawUse::Write => Self::Write,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::service) enum RawPresence {
    Query(String),
    Body(String),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::service) enum RawResource {
    Fixed(String),
    Path(String),
    Related(String),
    Query(String),
    Coql(String),
    Body(String),
    QueryIs(RawQueryIs),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawQueryIs {
    pub(in crate::service) name: String,
    pub(in crate::service) value: String,
    pub(in crate::service) then: String,
    pub(in crate::service) otherwise: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::service) enum RawField {
    QueryList(RawQueryList),
    QueryCriteria(String),
    QueryOpaque(String),
    Header(String),
    Coql(String),
    BodyRecords(RawBodyFields),
    BodyList(RawBodyFields),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawQueryList {
    pub(in crate::service) name: String,
    pub(in crate::service) how: RawUse,
    #[serde(default)]
    pub(in crate::service) required: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawBodyFields {
    pub(in crate::service) pointer: String,
    pub(in crate::service) how: RawUse,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::service) enum RawBreadth {
    Fixed(u32),
    Query(RawQueryBreadth),
    QueryCount(String),
    BodyCount(String),
    Coql(RawCoqlBreadth),
    #[default]
    Unbounded,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawQueryBreadth {
    pub(in crate::service) name: String,
    pub(in crate::service) default: u32,
    pub(in crate::service) max: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawCoqlBreadth {
    pub(in crate::service) member: String,
    pub(in crate::service) default: u32,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::service) enum RawBody {
    #[default]
    None,
    Json,
    Multipart,
    Any,
}
