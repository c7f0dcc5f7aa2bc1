//! A service: what is known of an API. Data, parsed once from TOML; no service's name appears in Rust code.
//!
//! These types are what the rest of the host reads; [`mod@parse`] turns the TOML text into them and says what is
//! wrong, where, and what is meant instead; `lint` finds what is seldom meant.

mod asked;
mod check;
mod current;
mod envelope;
mod grants;
mod inject;
mod lint;
mod oauth;
mod operation;
mod parse;
mod proof;
mod raw;
mod schema;
mod scopes;
mod start;
mod template;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use crate::answer::LookedAt;
use crate::canonical::Method;
use crate::id::{Digest, Region, ServiceName};
use crate::plugin::{Effect, FieldUse};

pub use current::{Current, IdPlace, Named, Names, ReadShape, Search, StepMembers};
pub use envelope::{Envelope, PartAnswers, PartBody, PartShape};
pub use inject::{
    Added, Addition, Extra, ExtraPlace, ExtraSource, Ingredient, Inject, Param, Place, RegistrationSecret,
};
pub use oauth::{
    Budget, ClientAuth, Credential, DeviceFlow, GrantType, OAuth, Pin, Renewal, RevokeForm, TenantLookup,
    TenantOf, TokenPaths, TokenPlace, UserLookup,
};
pub use parse::{DefinitionError, parse, parse_and_lint};
pub use proof::{LeftOut, ProofRequest, ProofRequests, ProofStep};
pub use schema::json_schema;
pub use start::{DevicePath, Login, RevokePath, Start, StartError, TokenGoes};
pub use template::{PathRules, PathTemplate, Segment};
pub use text::nearest;

/// A whole service definition.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceDefinition {
    /// The name by which connections refer to it.
    pub name: ServiceName,
    /// The name shown to people.
    pub display: String,
    /// The API's version, as the provider writes it (`v8`). `{version}` in a path stands for it.
    pub version: String,
    /// Whose accounts these are (`zoho`): one grant may serve several services of one provider.
    pub provider: Option<String>,
    /// SHA-256 of the definition's text, for the audit.
    pub digest: Digest,
    /// The provider's data centres.
    pub regions: BTreeMap<Region, RegionRow>,
    /// How credentials are got.
    pub oauth: OAuth,
    /// How a credential is put into a request.
    pub inject: Inject,
    /// What the operator is asked for where the service has a key instead of OAuth.
    pub key: Option<String>,
    /// Further secrets of a registration, by name.
    pub secrets: BTreeMap<String, RegistrationSecret>,
    /// Values that a connection gives, by name.
    pub params: BTreeMap<String, Param>,
    /// What of an agent's request is forwarded and shown to plugins.
    pub request: RequestRules,
    /// How an answer is read.
    pub answer: AnswerRules,
    /// The provider's own error shape, for refusals that its SDKs can read.
    pub refusal: Option<RefusalShape>,
    /// How the account behind a grant is looked up.
    pub tenant: TenantLookup,
    /// How the person who consented is looked up, where the granted scopes allow it; only to count their grants.
    pub user: Option<UserLookup>,
    /// How many calls of one grant the provider takes at once; `None`: any number.
    pub concurrent_calls: Option<u32>,
    /// Lookup fields and the resource each leads to (`Account_Name` → `Accounts`).
    ///
    /// A key may name the resource too (`Deals.Contact_Name`); that one wins.
    pub lookups: BTreeMap<String, String>,
    /// Related lists and the resource whose records each holds (`Child_Accounts` → `Accounts`).
    pub related: BTreeMap<String, String>,
    /// Resource → the fields by which people know a record of it, `*` for every other.
    pub shown: BTreeMap<String, Vec<String>>,
    /// How path templates are read.
    pub paths: PathRules,
    /// Resource → its name in scopes, where that is another (`Sales_Orders` → `salesorders`).
    pub scope_names: BTreeMap<String, String>,
    /// The name in scopes of every resource without one of its own (Zoho: `custom`).
    pub scope_name_of_others: Option<String>,
    /// Operation groups: the name that an operator writes, and the operations it stands for.
    pub groups: BTreeMap<String, Vec<String>>,
    /// Every known operation.
    pub operations: Vec<Operation>,
    /// What a proof asks.
    pub proof: Vec<ProofStep>,
    /// What the provider's console asks for; the setup guide is rendered from it.
    pub guide: Guide,
}

/// One data centre.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionRow {
    /// The host of the authorization endpoint.
    pub accounts: String,
    /// The host of token and revocation endpoints, where that is another.
    pub token: Option<String>,
    /// The provider's developer console.
    pub console: String,
    /// API hosts by role (`api`, `upload`) and environment (`production`, `sandbox`, `developer`).
    pub hosts: BTreeMap<String, BTreeMap<String, String>>,
    /// Whether an authorization may start at another region's accounts host (Zoho: everywhere but China).
    pub federated: bool,
    /// What the callback's `iss` must be (RFC 9207), where the provider announces that it sends one.
    pub issuer: Option<String>,
    /// How sure the row is, for `service show`.
    pub evidence: String,
}

impl RegionRow {
    /// Returns the host of token and revocation endpoints.
    pub fn token_host(&self) -> &str {
        self.token.as_deref().unwrap_or(&self.accounts)
    }

    /// Returns the host for a role in an environment.
    pub fn host(&self, role: &str, environment: &str) -> Option<&str> {
        self.hosts.get(role)?.get(environment).map(String::as_str)
    }
}

/// What of an agent's request passes, and what plugins see. Everything else is dropped or refused.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestRules {
    /// Lower-case header names that are forwarded and shown to plugins.
    pub headers: BTreeSet<String>,
    /// Query names that every operation takes. An operation takes its own [`Operation::query`] besides; another
    /// name is refused.
    pub query: BTreeSet<String>,
    /// Query names whose values may stand in the audit.
    pub audit_safe_query: BTreeSet<String>,
    /// Media types, in lower case, that are JSON besides `application/json` and mean nothing else
    /// (`application/vnd.api+json`). A patch format is none: what it names is not where it stands.
    pub json_types: BTreeSet<String>,
    /// Query parameter in which an SDK sends the agent's token, where it knows no header.
    pub token_query: Option<String>,
    /// Lower-case answer headers that reach the agent.
    pub answer_headers: BTreeSet<String>,
    /// Query names that are dropped in silence: an SDK sends them always, and they say nothing.
    pub strip_query: BTreeSet<String>,
    /// Body members, by JSON pointer, that no request may have: a credential of the agent's own, another method. Exactly in
    /// this spelling, so that one of two may be forbidden.
    pub deny_body: BTreeSet<String>,
}

/// Where an answer lists what is wrong with the records that failed. JSON pointers, `*` standing for any item or member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartialErrors {
    /// To each error (`/partialFailureError/details/*/errors/*`).
    pub list: String,
    /// From an error to its record's place in the request, which is counted from 0.
    pub place: String,
    /// From an error to the provider's code.
    pub code: String,
}

/// How an answer is read: by its body, not by its status.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AnswerRules {
    /// Statuses that mean success without a body (`204`, `304`).
    pub empty_statuses: BTreeSet<u16>,
    /// Fields that hold an error code, in objects at the top and in items (`code`); with a `/` in front, a JSON pointer from
    /// the top (`/error/code`). A number counts as its digits.
    pub code_field: String,
    /// The field that says success or error, in objects at the top and in items (`status`), where there is one.
    pub status_field: Option<String>,
    /// JSON pointers of which one that leads to something means failure, whatever the status (`/error`).
    pub error_pointers: Vec<String>,
    /// JSON pointers of which one that leads to something means that a part failed (`/partialFailureError`).
    pub partial_pointers: Vec<String>,
    /// JSON pointers to arrays with a result for each record (`/results`), in which an empty one is of a record that failed, where
    /// a part failed.
    pub partial_results: Vec<String>,
    /// Where the answer says what is wrong with the records that failed.
    pub partial_errors: Option<PartialErrors>,
    /// JSON pointers to how long to wait, in seconds, perhaps with an `s` after them.
    pub retry_after_pointers: Vec<String>,
    /// JSON pointers to links that lead to the provider's hosts (`/paging/next`), `*` standing for any member. They are
    /// rewritten to lead through the proxy.
    pub links: Vec<String>,
    /// Its values that mean success.
    pub success_values: BTreeSet<String>,
    /// Its values that mean failure.
    pub error_values: BTreeSet<String>,
    /// Values of either field that mean: accepted, done later.
    pub scheduled_values: BTreeSet<String>,
    /// Codes that mean: the access token is stale; refresh once, replay once where that is safe.
    pub stale_token_codes: BTreeSet<String>,
    /// Codes that mean: the grant lacks a scope. Never refreshed for.
    pub scope_codes: BTreeSet<String>,
    /// Codes that mean: slow down.
    pub throttle_codes: BTreeSet<String>,
    /// Statuses that mean: slow down.
    pub throttle_statuses: BTreeSet<u16>,
    /// Media types, in lower case, of answers that are passed on as they come (`text/event-stream`). What such an answer
    /// says is not read, and its outcome is `streamed`.
    pub flowing_types: BTreeSet<String>,
    /// Code → what it means and how to mend it, in plain words.
    pub help: BTreeMap<String, String>,
    /// What of an answer these rules look at; it follows from them.
    pub(crate) looked_at: LookedAt,
}

/// The provider's error shape.
#[derive(Debug, Clone, PartialEq)]
pub struct RefusalShape {
    /// Content type of the provider's errors.
    pub content_type: String,
    /// A JSON object in which the strings `{code}`, `{detail}` stand for ours, `{sentence}` for detail, hint and request id in one, and `{members}` is replaced by an
    /// object with all of our members.
    pub template: serde_json::Value,
}

/// Scopes as a disjunction of conjunctions: any of the lists, all of its members. `{module}` in a scope stands for
/// the resource's scope name.
pub type ScopeNeed = Vec<Vec<String>>;

/// A known operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Its name, dotted (`records.list`).
    pub name: String,
    /// One sentence for people.
    pub summary: String,
    /// Method.
    pub method: Method,
    /// Path template.
    pub path: PathTemplate,
    /// Role of the host that serves it.
    pub host: String,
    /// What it does.
    pub effect: Effect,
    /// Whether it is refused whatever the rules say, with the reason (a job of many operations).
    pub refused: Option<String>,
    /// Parts of a request whose presence makes it destructive, whatever `effect` says (a callback URL).
    pub destructive_with: Vec<Presence>,
    /// Query names that it takes, besides those that the sources below name.
    pub query: BTreeSet<String>,
    /// Lower-case headers that it takes besides [`RequestRules::headers`].
    pub headers: BTreeSet<String>,
    /// How its resources are found. The first is the one whose fields [`Operation::fields`] finds.
    pub resources: Vec<ResourceSource>,
    /// How its fields are found. Empty with `fields_known = false` means: cannot tell.
    pub fields: Vec<FieldSource>,
    /// Whether the sources above find every field. `false` (the default) means the host cannot tell.
    pub fields_known: bool,
    /// How many records one request can touch.
    pub breadth: Breadth,
    /// What body it declares.
    pub body: BodyKind,
    /// Whether its answer is JSON, or nothing beside a status that says so.
    pub answer_is_json: bool,
    /// Whether repeating it surely changes nothing (safe to replay after a stale token).
    pub replay_safe: bool,
    /// Scopes that it needs.
    pub scopes: ScopeNeed,
    /// The parameter with which the provider only checks it.
    pub dry_run: Option<DryRun>,
    /// How the records that it changes are read as they are now.
    pub current: Option<Current>,
    /// How it carries other calls; then all that is known of it is what they are.
    pub envelope: Option<Envelope>,
}

/// A parameter with which a provider checks a request and does nothing (`validateOnly`).
#[derive(Debug, Clone, PartialEq)]
pub struct DryRun {
    /// Where it stands.
    pub place: Presence,
    /// The value that means it.
    pub value: serde_json::Value,
}

/// A part of a request that may be there or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// A query parameter.
    Query(String),
    /// A body member, by JSON pointer; `*` stands for any item or member. What makes a request destructive is compared in any
    /// spelling of its names.
    Body(String),
    /// A body member with one of these values, in any case. A number counts as its digits, a truth value as its word.
    BodyIs {
        /// JSON pointer; `*` stands for any item or member.
        pointer: String,
        /// Values, in lower case.
        values: BTreeSet<String>,
    },
}

/// Where an operation's resources stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceSource {
    /// A fixed name (`$identity`).
    Fixed(String),
    /// A path parameter.
    Path(String),
    /// A path parameter that names a related list; its resource stands in [`ServiceDefinition::related`].
    Related(String),
    /// A query parameter; absent means that the host cannot tell.
    Query(String),
    /// The query in a body member (COQL).
    Coql(String),
    /// The query in a body member (GAQL).
    Gaql(String),
    /// A body member, by JSON pointer.
    Body(String),
    /// The keys of the objects in a body's list, by JSON pointer; each key's resource stands in [`ServiceDefinition::related`].
    BodyKeys(String),
    /// By a query parameter's value: value → resource, otherwise the fallback.
    QueryIs {
        /// Parameter name.
        name: String,
        /// Value it must have.
        value: String,
        /// Resource if it has.
        then: String,
        /// Resource if not.
        otherwise: String,
    },
}

/// Where fields stand that an operation touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldSource {
    /// A query parameter holding names with commas between. `required`: absent means cannot tell.
    QueryList {
        /// Parameter name.
        name: String,
        /// How the fields are used.
        how: FieldUse,
        /// Whether its absence means every field.
        required: bool,
    },
    /// A query parameter holding a search criteria expression.
    QueryCriteria {
        /// Parameter name.
        name: String,
    },
    /// A query parameter whose presence means: cannot tell which fields (`word`, `cvid`).
    QueryOpaque {
        /// Parameter name.
        name: String,
    },
    /// A header that lists `Resource.Field` names (Zoho's `X-EXTERNAL`); they decide which record is meant.
    Header {
        /// Lower-case header name.
        name: String,
    },
    /// The columns of the COQL query in a body member.
    Coql(String),
    /// The fields of the GAQL query in a body member.
    Gaql(String),
    /// The keys of the records in a body member, by JSON pointer (`/data`): an array of objects or an object.
    BodyRecords {
        /// JSON pointer.
        pointer: String,
        /// How the fields are used.
        how: FieldUse,
    },
    /// A body member that lists field names.
    BodyList {
        /// JSON pointer.
        pointer: String,
        /// How the fields are used.
        how: FieldUse,
    },
}

/// How many records one request of an operation can touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Breadth {
    /// A fixed number.
    Fixed(u32),
    /// A query parameter, else its default; the provider's cap holds above it.
    Query {
        /// Parameter name (`per_page`).
        name: String,
        /// Value when absent.
        default: u32,
        /// The provider's cap.
        max: u32,
    },
    /// How many ids stand in a query parameter, commas between.
    QueryCount(String),
    /// How many items stand in a body array, by JSON pointer.
    BodyCount(String),
    /// The LIMIT of the COQL query in a body member, else the provider's default.
    Coql {
        /// Body member.
        member: String,
        /// Rows without LIMIT.
        default: u32,
    },
    /// The LIMIT of the GAQL query in a body member, else the provider's default.
    Gaql {
        /// Body member.
        member: String,
        /// Rows without LIMIT.
        default: u32,
    },
    /// Without bound.
    Unbounded,
}

/// The body that an operation declares. An absent Content-Type counts as declared; another one is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// No body.
    None,
    /// `application/json`.
    Json,
    /// `application/x-www-form-urlencoded`; read as an object whose members are texts, or what JSON their values hold.
    Form,
    /// Either of the two, as the request says.
    JsonOrForm,
    /// `multipart/form-data`.
    Multipart,
    /// Anything; passed as it is.
    Any,
}

/// What the provider's console asks for, and what its errors mean.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Guide {
    /// Client type to choose.
    pub client_type: String,
    /// Rule for the client's name, and a name that passes.
    pub client_name_rule: String,
    /// A client name that the console accepts.
    pub client_name: String,
    /// What to enter as homepage.
    pub homepage: String,
    /// Steps and switches that people miss, one sentence each.
    pub notes: Vec<String>,
    /// Errors that the provider shows on its own pages and that never come back: error → meaning and mend.
    pub page_errors: BTreeMap<String, String>,
    /// Errors that come back on the callback: error → meaning and mend.
    pub callback_errors: BTreeMap<String, String>,
    /// What the provider's consent page calls a scope, by its value. `*` at the end stands for anything.
    pub scopes: BTreeMap<String, String>,
}
