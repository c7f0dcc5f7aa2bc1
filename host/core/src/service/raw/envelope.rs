//! A call that carries others, as it stands in TOML.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

/// How an operation carries other calls.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawEnvelope {
    /// The member of the body that holds the list of parts.
    pub(in crate::service) list: String,
    /// The most parts that the provider takes.
    #[schemars(range(min = 1, max = 100))]
    pub(in crate::service) most: u32,
    /// The other members that the body may have: each is true or false, and changes nothing of what a part does.
    #[serde(default)]
    pub(in crate::service) switches: BTreeSet<String>,
    /// The one of `switches` with which the provider undoes what all parts did where one fails.
    pub(in crate::service) all_or_nothing: Option<String>,
    /// Texts by which a part refers to what another is answered (`@{`). A part that holds one is refused.
    pub(in crate::service) references: Vec<String>,
    /// What stands where in a part. A member that is not named here may not be there.
    pub(in crate::service) part: RawPartShape,
    /// What stands where in the answer.
    pub(in crate::service) answer: RawPartAnswers,
}

/// The members of a part.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawPartShape {
    /// Its name among the parts.
    pub(in crate::service) id: Option<String>,
    /// Its method.
    pub(in crate::service) method: String,
    /// Its path, with the API's version, and its query; see `version_of_call`.
    pub(in crate::service) uri: String,
    /// Whether the path begins without a slash.
    #[serde(default)]
    pub(in crate::service) relative: bool,
    /// Whether a path that begins with no version has that of the call that carries it, whose own path begins with `{version}`.
    #[serde(default)]
    pub(in crate::service) version_of_call: bool,
    /// Query parameters, as an object of texts.
    pub(in crate::service) query: Option<String>,
    /// Headers, as an object of texts.
    pub(in crate::service) headers: Option<String>,
    /// Its body, where that is JSON.
    pub(in crate::service) body: Option<String>,
    /// Its body, where that is a form in a text. A part has `body` or `form`.
    pub(in crate::service) form: Option<String>,
}

/// Where an answer tells of each part, in the parts' order.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct RawPartAnswers {
    /// The list, by JSON pointer; left out, the answer is the list.
    #[serde(default)]
    pub(in crate::service) list: String,
    /// A part's status, by JSON pointer from its item.
    #[schemars(regex(pattern = r"^/"))]
    pub(in crate::service) status: String,
    /// A part's body, by JSON pointer from its item: JSON, or a text that holds it.
    #[schemars(regex(pattern = r"^/"))]
    pub(in crate::service) body: String,
}
