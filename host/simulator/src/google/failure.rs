//! Google's error shapes.

use serde_json::{Value, json};

use crate::wire::Reply;

/// One error of a `GoogleAdsFailure`.
#[derive(Clone, Debug)]
pub(crate) struct AdsError {
    /// The kind, such as `queryError`, and the code.
    pub code: (&'static str, &'static str),
    pub message: String,
    /// The operation's place, in a mutate.
    pub operation: Option<usize>,
    pub details: Option<Value>,
}

impl AdsError {
    pub fn new(kind: &'static str, code: &'static str, message: impl Into<String>) -> AdsError {
        AdsError { code: (kind, code), message: message.into(), operation: None, details: None }
    }

    #[must_use]
    pub fn at(self, operation: usize) -> AdsError {
        AdsError { operation: Some(operation), ..self }
    }

    fn json(&self) -> Value {
        let (kind, code) = self.code;
        let mut error = json!({"errorCode": {kind: code}, "message": self.message});
        if let Some(index) = self.operation {
            error["location"] =
                json!({"fieldPathElements": [{"fieldName": "operations", "index": index.to_string()}]});
        }
        if let Some(details) = &self.details {
            error["details"] = details.clone();
        }
        error
    }
}

/// What ended a call.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// Errors of Google Ads, under a status.
    Ads { status: (u16, &'static str), errors: Vec<AdsError> },
    /// An error of Google's front end, with no details of Google Ads.
    Front { status: (u16, &'static str), message: String },
    /// Something that is no API answer.
    Page(Reply),
}

/// Returns errors of an argument.
pub(crate) fn invalid(error: AdsError) -> Failure {
    Failure::Ads { status: (400, "INVALID_ARGUMENT"), errors: vec![error] }
}

/// Returns an error of permission.
pub(crate) fn denied(error: AdsError) -> Failure {
    Failure::Ads { status: (403, "PERMISSION_DENIED"), errors: vec![error] }
}

/// Returns the failure as the details of a `google.rpc.Status`.
pub(crate) fn details(version: &str, request_id: &str, errors: &[AdsError]) -> Value {
    let errors: Vec<Value> = errors.iter().map(AdsError::json).collect();
    json!([{
        "@type": format!("type.googleapis.com/google.ads.googleads.{version}.errors.GoogleAdsFailure"),
        "errors": errors,
        "requestId": request_id,
    }])
}

impl Failure {
    /// Returns the reply; `streamed` answers are arrays, errors too.
    pub fn reply(self, version: &str, request_id: &str, streamed: bool) -> Reply {
        let (status, error) = match self {
            Failure::Ads { status: (code, name), errors } => {
                let message = match name {
                    "INVALID_ARGUMENT" => "Request contains an invalid argument.",
                    "RESOURCE_EXHAUSTED" => "Resource has been exhausted (e.g. check quota).",
                    _ => "The caller does not have permission",
                };
                let details = details(version, request_id, &errors);
                (code, json!({"error": {"code": code, "message": message, "status": name, "details": details}}))
            }
            Failure::Front { status: (code, name), message } => {
                (code, json!({"error": {"code": code, "message": message, "status": name}}))
            }
            Failure::Page(reply) => return reply,
        };
        if streamed { Reply::json(status, &json!([error])) } else { Reply::json(status, &error) }
    }
}
