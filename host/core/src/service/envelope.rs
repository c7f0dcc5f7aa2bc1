//! Calls that carry others, each with its own method and URL: where those stand, and how the answer tells of them.

use std::collections::BTreeSet;

/// How an operation carries other calls, its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The member of the body that holds the list of parts.
    pub list: String,
    /// The most parts that the provider takes.
    pub most: u32,
    /// The other members that the body may have: each is true or false, and changes nothing of what a part does.
    pub switches: BTreeSet<String>,
    /// The switch with which the provider undoes all parts where one fails.
    pub all_or_nothing: Option<String>,
    /// Texts by which a part refers to what another is answered (`@{`). Nobody knows what stands there when it is judged.
    pub references: Vec<String>,
    /// What stands where in a part.
    pub part: PartShape,
    /// What stands where in the answer.
    pub answer: PartAnswers,
}

/// The members of a part. One that is not named here may not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartShape {
    /// Its name among the parts.
    pub id: Option<String>,
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub uri: String,
    /// Whether the path begins without a slash.
    pub is_relative: bool,
    /// Whether a path that begins with no version has that of the call that carries it.
    pub takes_version: bool,
    /// Query parameters, as an object of texts.
    pub query: Option<String>,
    /// Headers, as an object of texts.
    pub headers: Option<String>,
    /// Its body.
    pub body: Option<PartBody>,
}

/// The body of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartBody {
    /// JSON in this member, as it stands there.
    Json(String),
    /// A form (`application/x-www-form-urlencoded`), as a text in this member.
    Form(String),
}

impl PartBody {
    /// Returns the member that holds it.
    pub fn member(&self) -> &str {
        match self {
            Self::Json(member) | Self::Form(member) => member,
        }
    }
}

impl PartShape {
    /// Returns every member that a part may have.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        let needed = [&self.method, &self.uri].into_iter().map(String::as_str);
        let others = [&self.id, &self.query, &self.headers].into_iter().flatten().map(String::as_str);
        needed.chain(others).chain(self.body.as_ref().map(PartBody::member))
    }
}

/// Where an answer tells of each part, in the parts' order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartAnswers {
    /// The list, by JSON pointer; empty: the answer is the list.
    pub list: String,
    /// A part's status, by JSON pointer from its item.
    pub status: String,
    /// A part's body, by JSON pointer from its item: JSON, or a text that holds it.
    pub body: String,
}
