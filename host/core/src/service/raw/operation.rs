//! An operation as it stands in TOML.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::{RawCurrent, RawEnvelope};
use crate::plugin::{Effect, FieldUse};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawOperation {
    /// Its name: lower-case words with dots between (`records.list`).
    #[schemars(regex(pattern = r"^[a-z0-9_]+(\.[a-z0-9_]+)*$"))]
    pub(in crate::service) name: String,
    /// One sentence for people.
    pub(in crate::service) summary: String,
    /// Its method.
    #[schemars(with = "String", extend("enum" = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]))]
    pub(in crate::service) method: Spanned<String>,
    /// Its path; `{name}` stands for a segment or a part of one.
    #[schemars(with = "String", regex(pattern = r"^/"))]
    pub(in crate::service) path: Spanned<String>,
    /// Role of the host that serves it.
    #[serde(default = "api_role")]
    pub(in crate::service) host: String,
    /// What it does. Whatever cannot be undone is destructive.
    pub(in crate::service) effect: RawEffect,
    /// Why it is refused whatever the rules say.
    pub(in crate::service) refused: Option<String>,
    /// Parts of a request whose presence makes it destructive, whatever `effect` says.
    #[serde(default)]
    pub(in crate::service) destructive_with: Vec<RawPresence>,
    /// Query names that it takes, besides those that the sources below name.
    #[serde(default)]
    pub(in crate::service) query: BTreeSet<String>,
    /// Headers in lower case that it takes besides `request.headers`.
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^[a-z0-9_-]+$")))]
    pub(in crate::service) headers: BTreeSet<String>,
    /// How its resources are found. The first is the one whose fields `fields` finds.
    pub(in crate::service) resources: Vec<RawResource>,
    /// How its fields are found.
    #[serde(default)]
    pub(in crate::service) fields: Vec<RawField>,
    /// Whether `fields` finds every field. Otherwise the host cannot tell.
    #[serde(default)]
    pub(in crate::service) fields_known: bool,
    /// How many records one request can touch.
    #[serde(default)]
    pub(in crate::service) breadth: RawBreadth,
    /// What body it has.
    #[serde(default)]
    pub(in crate::service) body: RawBody,
    /// What its answer is. Matters of a write only: one whose answer is JSON and cannot be read is not known to be done.
    #[serde(default)]
    pub(in crate::service) answer: RawOperationAnswer,
    /// Whether repeating it surely changes nothing. Only GETs that read are taken so without this.
    pub(in crate::service) replay_safe: Option<bool>,
    /// Scopes that it needs: any of these lists, all of its members; the first counts as the narrowest.
    #[serde(default)]
    pub(in crate::service) scopes: Vec<Vec<String>>,
    /// The parameter with which the provider only checks a request.
    pub(in crate::service) dry_run: Option<RawDryRun>,
    /// How the records that it changes are read as they are now, for whoever approves the change.
    pub(in crate::service) current: Option<RawCurrent>,
    /// How it carries other calls, each of which is judged as if it came alone.
    pub(in crate::service) envelope: Option<RawEnvelope>,
}

/// A parameter with which the provider only checks a request.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["query"] }, { "required": ["body"] }]))]
pub(in crate::service) struct RawDryRun {
    /// Query parameter; it stands in the operation's `query` too.
    pub(in crate::service) query: Option<String>,
    /// Body member, by JSON pointer.
    #[schemars(regex(pattern = r"^/"))]
    pub(in crate::service) body: Option<String>,
    /// The value that means it.
    pub(in crate::service) value: serde_json::Value,
}

fn api_role() -> String {
    "api".to_owned()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::service) enum RawEffect {
    /// Changes nothing.
    Read,
    /// Creates or changes.
    Write,
    /// Deletes, or cannot be undone.
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

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::service) enum RawUse {
    /// They are read.
    Read,
    /// They decide what is found.
    Filter,
    /// They are written.
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

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::service) enum RawPresence {
    /// A query parameter.
    Query(String),
    /// A body member by JSON pointer; `*` stands for any item or member, names for any case, with and without `_`.
    Body(String),
    /// A body member with one of these values, in any case.
    BodyIs(RawBodyIs),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawBodyIs {
    /// JSON pointer; `*` stands for any item or member.
    #[schemars(regex(pattern = r"^/"))]
    pub(in crate::service) pointer: String,
    /// Values.
    pub(in crate::service) values: BTreeSet<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::service) enum RawResource {
    /// A fixed name. One that begins with `$` is no record (`$identity`, `$settings`).
    Fixed(String),
    /// A path parameter.
    Path(String),
    /// A path parameter that names a related list; its resource stands in `[related]`.
    Related(String),
    /// A query parameter; absent means that the host cannot tell.
    Query(String),
    /// The COQL query in a body member.
    Coql(String),
    /// The GAQL query in a body member.
    Gaql(String),
    /// A body member by JSON pointer.
    Body(String),
    /// The keys of the objects in a body's list, by JSON pointer; each key's resource stands in `[related]`.
    BodyKeys(String),
    /// By a query parameter's value.
    QueryIs(RawQueryIs),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawQueryIs {
    /// Parameter name.
    pub(in crate::service) name: String,
    /// Value it must have.
    pub(in crate::service) value: String,
    /// Resource if it has.
    pub(in crate::service) then: String,
    /// Resource if not.
    pub(in crate::service) otherwise: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::service) enum RawField {
    /// A query parameter that holds names with commas between.
    QueryList(RawQueryList),
    /// A query parameter that holds a search expression.
    QueryCriteria(String),
    /// A query parameter whose presence means that the host cannot tell.
    QueryOpaque(String),
    /// A header that lists `Resource.Field` names; they decide which record is meant.
    Header(String),
    /// The columns of the COQL query in a body member.
    Coql(String),
    /// The fields of the GAQL query in a body member.
    Gaql(String),
    /// The keys of the records in a body, by JSON pointer with `*` for any item or member.
    BodyRecords(RawBodyFields),
    /// A body member that lists field names.
    BodyList(RawBodyFields),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawQueryList {
    /// Parameter name.
    pub(in crate::service) name: String,
    /// How the fields are used.
    pub(in crate::service) how: RawUse,
    /// Whether its absence means every field.
    #[serde(default)]
    pub(in crate::service) required: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawBodyFields {
    /// JSON pointer.
    #[schemars(regex(pattern = r"^/"))]
    pub(in crate::service) pointer: String,
    /// How the fields are used.
    pub(in crate::service) how: RawUse,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::service) enum RawBreadth {
    /// A fixed number.
    Fixed(u32),
    /// A query parameter, else its default.
    Query(RawQueryBreadth),
    /// How many ids stand in a query parameter, commas between.
    QueryCount(String),
    /// How many items stand in a body array, by JSON pointer.
    BodyCount(String),
    /// The LIMIT of the COQL query in a body member.
    Coql(RawCoqlBreadth),
    /// The LIMIT of the GAQL query in a body member.
    Gaql(RawCoqlBreadth),
    /// Without bound.
    #[default]
    Unbounded,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawQueryBreadth {
    /// Parameter name.
    pub(in crate::service) name: String,
    /// Value when it is absent.
    pub(in crate::service) default: u32,
    /// The provider's cap.
    pub(in crate::service) max: u32,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawCoqlBreadth {
    /// Body member that holds the query.
    pub(in crate::service) member: String,
    /// Rows without LIMIT.
    pub(in crate::service) default: u32,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::service) enum RawBody {
    /// No body.
    #[default]
    None,
    /// `application/json`.
    Json,
    /// `application/x-www-form-urlencoded`, read as an object of texts, or of what JSON a value holds.
    Form,
    /// `application/json` or `application/x-www-form-urlencoded`, as the request says; JSON where it says nothing.
    JsonOrForm,
    /// `multipart/form-data`.
    Multipart,
    /// Anything; passed as it is.
    Any,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::service) enum RawOperationAnswer {
    /// JSON, or nothing beside a status that says so (`empty_statuses`).
    #[default]
    Json,
    /// Anything: its status says how it went, where it is no JSON.
    Any,
}

impl RawBody {
    /// Returns whether members of such a body are read.
    pub(in crate::service) fn is_read(self) -> bool {
        matches!(self, Self::Json | Self::Form | Self::JsonOrForm)
    }
}
