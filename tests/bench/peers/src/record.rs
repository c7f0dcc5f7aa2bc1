//! The request and the answer as every engine here takes and gives them, and the decision itself.

use serde::{Deserialize, Serialize};

#[path = "../../asked.rs"]
mod asked;

use asked::{CODE, HEADERS, LANGUAGE, MESSAGE, PAGE, TARGET};

/// A request, with all that a plugin of Wardlock sees of this one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    pub id: String,
    pub now_ms: u64,
    pub workspace: String,
    pub connection: String,
    pub agent: String,
    pub region: String,
    pub tenant: String,
    pub operation: String,
    pub resource: String,
    pub fields: Vec<String>,
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub verdict: String,
    pub edits: Vec<(String, String, String)>,
    pub code: String,
    pub message: String,
}

/// Returns the request that is asked about.
#[cfg_attr(target_family = "wasm", expect(dead_code, reason = "the guest is given it"))]
pub fn request() -> Request {
    let (path, query) = TARGET.split_once('?').unwrap_or((TARGET, ""));
    let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Request {
        id: "01k3vqg0000000000000000000".to_owned(),
        now_ms: 1_767_614_400_123,
        workspace: "acme".to_owned(),
        connection: "zoho".to_owned(),
        agent: "reporter".to_owned(),
        region: "eu".to_owned(),
        tenant: "20071234567".to_owned(),
        operation: "records.list".to_owned(),
        resource: "Leads".to_owned(),
        fields: ["Last_Name", "Company", "Email"].map(str::to_owned).to_vec(),
        method: "GET".to_owned(),
        path: path.to_owned(),
        query: query.split('&').filter_map(|part| part.split_once('=')).map(pair).collect(),
        headers: HEADERS.map(pair).to_vec(),
    }
}

/// The policy: shapes a read that has headers, refuses everything else.
pub fn decide(request: &Request) -> Answer {
    let is_read = request.method == "GET" && !request.headers.is_empty();
    let edit = |kind: &str, name: &str, value: &str| (kind.to_owned(), name.to_owned(), value.to_owned());
    Answer {
        verdict: if is_read { "shape" } else { "deny" }.to_owned(),
        edits: vec![edit("set-query", "per_page", PAGE), edit("set-header", "accept-language", LANGUAGE)],
        code: CODE.to_owned(),
        message: MESSAGE.to_owned(),
    }
}
