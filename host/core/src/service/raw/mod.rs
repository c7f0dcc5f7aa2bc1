//! A service definition as it stands in TOML, before anything is checked. Every unknown key is an error.
//!
//! This is the vocabulary of `host/services/*.toml`; the comments at its keys stand
//! in the JSON Schema that editors show (`service::json_schema`), so they are written for people who write definitions.

mod current;
mod envelope;
mod inject;
mod oauth;
mod operation;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

pub(super) use current::*;
pub(super) use envelope::*;
pub(super) use inject::*;
pub(super) use oauth::*;
pub(super) use operation::*;

/// A DNS name with at least two labels. `check` looks closer.
const HOST: &str = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$";

/// A path without query and fragment.
const PATH: &str = r"^/([^/?# \\][^?# \\]*)?$";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["oauth"] }, { "required": ["key"] }]))]
pub(in crate::service) struct RawService {
    /// By what name connections refer to it: lower-case words, and none that a built-in has.
    #[schemars(with = "String", regex(pattern = r"^[a-z0-9][a-z0-9_-]{0,63}$"))]
    pub(in crate::service) name: Spanned<String>,
    /// The name shown to people.
    pub(in crate::service) display: String,
    /// The API's version, as the provider writes it (`v8`). `{version}` in a path stands for it.
    pub(in crate::service) version: String,
    /// Whose accounts these are: services of one provider whose region has the same accounts, token host and token endpoint may share one grant.
    pub(in crate::service) provider: Option<String>,
    /// The provider's data centres, by a name of yours; one that has none needs one row.
    #[schemars(with = "BTreeMap<String, RawRegion>")]
    pub(in crate::service) regions: BTreeMap<Spanned<String>, Spanned<RawRegion>>,
    /// How a credential is got by OAuth.
    #[schemars(with = "Option<RawOAuth>")]
    pub(in crate::service) oauth: Option<Spanned<RawOAuth>>,
    /// How a credential is got where the provider's console hands out a key for ever, instead of `[oauth]`.
    #[schemars(with = "Option<RawKey>")]
    pub(in crate::service) key: Option<Spanned<RawKey>>,
    /// How a credential enters a request, and what else the host adds.
    #[schemars(with = "RawInject")]
    pub(in crate::service) inject: Spanned<RawInject>,
    /// What passes of an agent's request and of an answer. Everything else is dropped or refused.
    #[schemars(with = "RawRequest")]
    pub(in crate::service) request: Spanned<RawRequest>,
    /// How an answer is read: by its body, not by its status.
    pub(in crate::service) answer: RawAnswer,
    /// The provider's own error shape, for refusals that its SDKs can read.
    #[schemars(with = "Option<RawRefusal>")]
    pub(in crate::service) refusal: Option<Spanned<RawRefusal>>,
    /// How the account behind a grant is looked up, and where requests name it.
    #[schemars(with = "RawTenant")]
    pub(in crate::service) tenant: Spanned<RawTenant>,
    /// How the person who consented is looked up, where the granted scopes allow it; only to count their grants.
    #[schemars(with = "Option<RawUser>")]
    pub(in crate::service) user: Option<Spanned<RawUser>>,
    /// What the provider takes at once.
    #[serde(default)]
    pub(in crate::service) limits: RawLimits,
    /// How path templates are read.
    #[serde(default)]
    pub(in crate::service) paths: RawPaths,
    /// Lookup fields, and the resource that each leads to (`Account_Name = "Accounts"`). A key may name the resource too (`"Deals.Contact_Name"`); that one wins.
    #[serde(default)]
    pub(in crate::service) lookups: BTreeMap<String, String>,
    /// Related lists, and the resource whose records each holds (`Child_Accounts = "Accounts"`).
    #[serde(default)]
    pub(in crate::service) related: BTreeMap<String, String>,
    /// Resource, and the fields by which people know a record of it (`Leads = ["Last_Name", "Company"]`), `*` for every other: what a read of a record that would be gone asks for, where it has to name fields.
    #[serde(default)]
    pub(in crate::service) shown: BTreeMap<String, Vec<String>>,
    /// What scopes call the resources, for `{module}` in a scope.
    #[serde(default)]
    pub(in crate::service) scope_names: RawScopeNames,
    /// Operation groups: the name that a workspace writes, and the operations that it stands for.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    pub(in crate::service) groups: BTreeMap<String, Vec<Spanned<String>>>,
    /// Every known operation. Any other request is destructive and unknown, and no group holds it.
    #[schemars(with = "Vec<RawOperation>")]
    pub(in crate::service) operations: Vec<Spanned<RawOperation>>,
    /// A few reads that show that a connection works, for the right account: `wardlock proof` sends them, and writes can be enabled only once they passed.
    #[serde(default)]
    #[schemars(with = "Vec<RawProof>")]
    pub(in crate::service) proof: Vec<Spanned<RawProof>>,
    /// What the provider's console asks for, and what its errors mean; the setup guide is made of it.
    #[serde(default)]
    pub(in crate::service) guide: RawGuide,
    /// Values that a connection gives to this service, by name. They are no secrets.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, RawParam>")]
    pub(in crate::service) params: BTreeMap<String, Spanned<RawParam>>,
    /// Further secrets of a registration, by name; `registration set-secret --name` stores each.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, RawSecret>")]
    pub(in crate::service) secrets: BTreeMap<String, Spanned<RawSecret>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawProof {
    /// What it shows, for people (`the organisation`).
    pub(in crate::service) what: String,
    /// Method, path and query of a read (`GET /{version}/me`). `{version}`, `{tenant}` and, with `each`, `{resource}` are filled in.
    #[schemars(regex(pattern = r"^(GET|POST) /[^ ]*$"))]
    pub(in crate::service) request: String,
    /// Its JSON body, where a read is a POST; filled in alike.
    #[serde(default)]
    pub(in crate::service) body: String,
    /// Where the answer names the account, by JSON pointer: it must be the one that the connection is pinned to.
    pub(in crate::service) tenant_pointer: Option<String>,
    /// Ask it of each resource that the connection allows; of these, where it allows all.
    pub(in crate::service) each: Option<BTreeSet<String>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawRegion {
    /// Host of the authorization endpoint: no scheme, port or path.
    #[schemars(regex(pattern = HOST))]
    pub(in crate::service) accounts: String,
    /// Host of token and revocation endpoints, where that is another.
    #[schemars(regex(pattern = HOST))]
    pub(in crate::service) token: Option<String>,
    /// Host of the provider's developer console, for the guide.
    #[schemars(regex(pattern = HOST))]
    pub(in crate::service) console: String,
    /// API hosts by role (`api`, `upload`) and environment (`production`, `sandbox`, `developer`). `api.production` must be there. Nothing else is ever dialled.
    pub(in crate::service) hosts: BTreeMap<String, BTreeMap<String, String>>,
    /// Whether an authorization may start at another region's accounts host.
    #[serde(default)]
    pub(in crate::service) federated: bool,
    /// What the callback's `iss` must be (RFC 9207), where the provider announces that it sends one.
    #[schemars(regex(pattern = r"^https://[^?# ]+$"))]
    pub(in crate::service) issuer: Option<String>,
    /// How sure the row is, and from where it is known.
    pub(in crate::service) evidence: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawRequest {
    /// Names in lower case of headers that pass and that plugins see. The content type always passes.
    #[schemars(inner(regex(pattern = r"^[a-z0-9_-]+$")))]
    pub(in crate::service) headers: BTreeSet<String>,
    /// Query names that every operation takes. An operation adds its own; any other name refuses the request.
    #[serde(default)]
    pub(in crate::service) query: BTreeSet<String>,
    /// Query names whose values may stand in the audit. Never those that hold people's data.
    #[serde(default)]
    pub(in crate::service) audit_safe_query: BTreeSet<String>,
    /// Media types in lower case that are JSON besides `application/json` and mean nothing else (`application/vnd.api+json`).
    #[serde(default)]
    pub(in crate::service) json_types: BTreeSet<String>,
    /// Query parameter in which an SDK sends the agent's token, where it knows no header.
    pub(in crate::service) token_query: Option<String>,
    /// Names in lower case of answer headers that reach the agent.
    #[schemars(inner(regex(pattern = r"^[a-z0-9_-]+$")))]
    pub(in crate::service) answer_headers: BTreeSet<String>,
    /// Query names that are dropped in silence: an SDK sends them always, and they say nothing.
    #[serde(default)]
    pub(in crate::service) strip_query: BTreeSet<String>,
    /// JSON pointers that no body may have: a credential of the agent's own, another method.
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^/")))]
    pub(in crate::service) deny_body: BTreeSet<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawAnswer {
    /// Statuses that mean success without a body.
    #[serde(default)]
    pub(in crate::service) empty_statuses: BTreeSet<u16>,
    /// The field with an error's code, at the top and in items; with a `/` in front, a JSON pointer from the top (`/error/code`).
    pub(in crate::service) code_field: String,
    /// The field that says success or error, at the top and in items.
    pub(in crate::service) status_field: Option<String>,
    /// Values of `status_field` that mean success.
    #[serde(default)]
    pub(in crate::service) success_values: BTreeSet<String>,
    /// Values of `status_field` that mean failure.
    #[serde(default)]
    pub(in crate::service) error_values: BTreeSet<String>,
    /// JSON pointers: where one leads to something, the request failed, whatever the status.
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^/")))]
    pub(in crate::service) error_pointers: Vec<String>,
    /// JSON pointers: where one leads to something, a part failed.
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^/")))]
    pub(in crate::service) partial_pointers: Vec<String>,
    /// JSON pointers to arrays with a result for each record, in which an empty one is of a record that failed; looked at where
    /// `partial_pointers` say that a part failed.
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^/")))]
    pub(in crate::service) partial_results: Vec<String>,
    /// Where the answer lists what is wrong with those records, by their places.
    pub(in crate::service) partial_errors: Option<RawPartialErrors>,
    /// JSON pointers to how long to wait, in seconds, perhaps with an `s` after them.
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^/")))]
    pub(in crate::service) retry_after_pointers: Vec<String>,
    /// JSON pointers to links that lead to the provider's hosts (`/paging/next`), `*` standing for any member. They are rewritten to lead through the proxy.
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^/")))]
    pub(in crate::service) links: Vec<String>,
    /// Values of either field that mean: accepted, done later.
    #[serde(default)]
    pub(in crate::service) scheduled_values: BTreeSet<String>,
    /// Codes that mean: the token is stale. It is renewed once, and what may be sent twice is sent again.
    #[serde(default)]
    pub(in crate::service) stale_token_codes: BTreeSet<String>,
    /// Codes that mean: the grant lacks a scope.
    #[serde(default)]
    pub(in crate::service) scope_codes: BTreeSet<String>,
    /// Codes that mean: slow down.
    #[serde(default)]
    pub(in crate::service) throttle_codes: BTreeSet<String>,
    /// Statuses that mean: slow down.
    #[serde(default)]
    pub(in crate::service) throttle_statuses: BTreeSet<u16>,
    /// Media types of answers that are passed on as they come. What they say is not read.
    #[serde(default = "event_stream")]
    pub(in crate::service) flowing_types: BTreeSet<String>,
    /// Code, and what it means and how to mend it, in plain words.
    #[serde(default)]
    pub(in crate::service) help: BTreeMap<String, String>,
}

/// JSON pointers in which `*` stands for any item or member.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawPartialErrors {
    /// To each error.
    #[schemars(regex(pattern = r"^/"))]
    pub(in crate::service) list: String,
    /// From an error to its record's place in the request, counted from 0.
    #[schemars(regex(pattern = r"^/"))]
    pub(in crate::service) place: String,
    /// From an error to the provider's code.
    #[schemars(regex(pattern = r"^/"))]
    pub(in crate::service) code: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawRefusal {
    /// Content type of the provider's errors.
    pub(in crate::service) content_type: String,
    /// An object in which `{code}`, `{detail}` and `{sentence}` (detail, hint and request id in one) stand for ours, and `"{members}"` for an object with all members.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub(in crate::service) template: serde_json::Value,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawTenant {
    /// Whose id a connection's tenant is.
    #[serde(default)]
    pub(in crate::service) of: RawTenantOf,
    /// Role of the host that is asked.
    pub(in crate::service) host: String,
    /// Path of the GET.
    #[schemars(regex(pattern = PATH))]
    pub(in crate::service) path: String,
    /// JSON pointer to the account's id, which is pinned.
    #[schemars(regex(pattern = r"^/"))]
    pub(in crate::service) id_pointer: String,
    /// JSON pointer to the account's name, for people.
    #[schemars(regex(pattern = r"^/"))]
    pub(in crate::service) label_pointer: String,
    /// Where a request names the tenant: there it must be the connection's.
    #[serde(default)]
    #[schemars(with = "Vec<RawPin>")]
    pub(in crate::service) pins: Vec<Spanned<RawPin>>,
    /// JSON pointer to the environment's name in the answer.
    #[schemars(regex(pattern = r"^/"))]
    pub(in crate::service) environment_pointer: Option<String>,
    /// The answer's word, and the environment it means: `production`, `sandbox` or `developer`.
    #[serde(default)]
    pub(in crate::service) environments: BTreeMap<String, String>,
    /// Scopes that the look-up needs: any of these lists, all of its members.
    pub(in crate::service) scopes: Vec<Vec<String>>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::service) enum RawTenantOf {
    /// The account that consented: one grant, one tenant.
    #[default]
    Grant,
    /// One of the accounts that the login reaches: the workspace file names it, and every request is pinned to it.
    Connection,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::service) enum RawPin {
    /// A path parameter.
    Path(String),
    /// A query parameter, which the host sets; an agent may say the same or nothing.
    Query(String),
    /// A header in lower case, which the host sets; an agent may say the same or nothing.
    Header(String),
    /// A body member by JSON pointer, `*` standing for any; its names in any case, with and without `_`.
    Body(String),
    /// A text before an id (`customers/`): wherever it stands in path, query or body, the tenant's id follows.
    Text(String),
    /// Fields of the GAQL query in a body member: compared only with the tenant's id.
    Gaql(RawGaqlPin),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawGaqlPin {
    /// Body member that holds the query.
    pub(in crate::service) member: String,
    /// Field names.
    pub(in crate::service) fields: BTreeSet<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawUser {
    /// Role of the host that is asked.
    pub(in crate::service) host: String,
    /// Path of the GET.
    #[schemars(regex(pattern = PATH))]
    pub(in crate::service) path: String,
    /// Its query as it is sent, without `?`.
    pub(in crate::service) query: Option<String>,
    /// JSON pointer to the provider's id of the person.
    #[schemars(regex(pattern = r"^/"))]
    pub(in crate::service) id_pointer: String,
    /// Scopes that the look-up needs: any of these lists, all of its members. Left out where they were not granted.
    pub(in crate::service) scopes: Vec<Vec<String>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawLimits {
    /// How many calls of one grant the provider takes at once.
    #[schemars(range(min = 1))]
    pub(in crate::service) concurrent_calls: Option<u32>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawPaths {
    /// Path parameters whose values are API names: a letter, then letters, digits and `_`. Others take any text.
    #[serde(default)]
    pub(in crate::service) names: BTreeSet<String>,
    /// Words that no parameter takes, because they have a meaning of their own at the provider.
    #[serde(default)]
    pub(in crate::service) reserved: BTreeSet<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawScopeNames {
    /// Resource, and its name in scopes.
    #[serde(default)]
    pub(in crate::service) known: BTreeMap<String, String>,
    /// The name of every resource without one of its own.
    pub(in crate::service) others: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawGuide {
    /// Client type to choose in the console.
    #[serde(default)]
    pub(in crate::service) client_type: String,
    /// Rule for the client's name.
    #[serde(default)]
    pub(in crate::service) client_name_rule: String,
    /// A name that the console accepts.
    #[serde(default)]
    pub(in crate::service) client_name: String,
    /// What to enter as homepage.
    #[serde(default)]
    pub(in crate::service) homepage: String,
    /// Steps and switches that people miss, one sentence each.
    #[serde(default)]
    pub(in crate::service) notes: Vec<String>,
    /// Errors that the provider shows on its own pages and that never come back: error, and meaning and mend.
    #[serde(default)]
    pub(in crate::service) page_errors: BTreeMap<String, String>,
    /// Errors that come back on the callback: error, and meaning and mend.
    #[serde(default)]
    pub(in crate::service) callback_errors: BTreeMap<String, String>,
    /// Scope, and what the consent page calls it. `*` at a scope's end stands for anything.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub(in crate::service) scopes: BTreeMap<String, Spanned<String>>,
}

/// The one type that is a stream by its nature (HTML standard, server-sent events).
fn event_stream() -> BTreeSet<String> {
    BTreeSet::from(["text/event-stream".to_owned()])
}
