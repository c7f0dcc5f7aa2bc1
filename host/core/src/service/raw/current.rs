//! How records are read before they change, as it stands in TOML.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

/// How records are read before they change, for whoever looks at it. Without `records`, `steps` and `ids` the path names one record, which would be gone.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawCurrent {
    /// A read of the service (`GET /{version}/{module}/{id}?fields={fields}`): path parameters are filled in, `{id}` with the record's own id where the path has none, `{fields}` with the fields that change (of what would be gone, those under `shown`), `{resource}` with its resource.
    #[schemars(regex(pattern = r"^(GET|POST) /[^ ]*$"))]
    pub(in crate::service) request: String,
    /// The JSON body of the read, in whose texts the same is filled in.
    pub(in crate::service) body: Option<serde_json::Value>,
    /// Where the record stands in the answer, by JSON pointer; `*` stands for any item or member. The whole answer where it is left out.
    #[serde(default)]
    #[schemars(regex(pattern = r"^(/|$)"))]
    pub(in crate::service) found: String,
    /// Where what would stand there stands in the body, by JSON pointer with `*` for any item or member: a list of records, or one. Empty: the body is the record.
    #[schemars(regex(pattern = r"^(/|$)"))]
    pub(in crate::service) records: Option<String>,
    /// Where the body holds steps that each make, change or remove a record.
    pub(in crate::service) steps: Option<RawSteps>,
    /// Where ids stand of records that would be gone.
    #[serde(default)]
    pub(in crate::service) ids: Vec<RawIds>,
    /// The member of a record that holds its id.
    #[serde(default = "id_member")]
    pub(in crate::service) id: String,
    /// The path parameter that is the record's id.
    #[serde(default = "id_member")]
    pub(in crate::service) id_in_path: String,
    /// Members of a record that are no fields of it (`execution_options`).
    #[serde(default)]
    pub(in crate::service) not_fields: BTreeSet<String>,
    /// How the read calls fields.
    #[serde(default)]
    pub(in crate::service) names: RawNames,
    /// What finds a record that has no id in the request and is overwritten all the same.
    pub(in crate::service) search: Option<RawSearch>,
}

/// Steps that each make, change or remove a record.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawSteps {
    /// To each step, by JSON pointer with `*` for any item or member; a member's name tells the resource (`related`).
    #[schemars(regex(pattern = r"^/"))]
    pub(in crate::service) at: String,
    /// The member that holds a record to be made.
    pub(in crate::service) create: String,
    /// The member that holds what would stand in a record.
    pub(in crate::service) update: String,
    /// The member that holds the id of one that would be gone.
    pub(in crate::service) remove: String,
    /// The member that names the fields of a change, with commas between.
    pub(in crate::service) mask: String,
}

/// Where ids stand of records that would be gone.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::service) enum RawIds {
    /// A query parameter, with commas between.
    Query(String),
    /// A list in the body, by JSON pointer.
    Body(String),
}

/// How a read calls fields.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::service) enum RawNames {
    /// As the body calls them, with commas between.
    #[default]
    AsWritten,
    /// As GAQL calls them, behind their resource; the id's field comes first.
    Gaql,
}

/// What finds a record by the values of fields.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawSearch {
    /// Where the body lists those fields, by JSON pointer.
    #[schemars(regex(pattern = r"^/"))]
    pub(in crate::service) by: String,
    /// The read; `{criteria}` is filled in with `(Field:equals:value)`, several of them with `or` between.
    #[schemars(regex(pattern = r"^GET /[^ ]*$"))]
    pub(in crate::service) request: String,
    /// To each record in the answer, by JSON pointer with `*` for any item or member.
    #[schemars(regex(pattern = r"^/"))]
    pub(in crate::service) found: String,
}

fn id_member() -> String {
    "id".to_owned()
}
