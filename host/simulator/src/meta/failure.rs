//! Meta's error shape.

use serde_json::{Value, json};

/// An error of the Graph host.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub status: u16,
    pub kind: &'static str,
    pub code: u32,
    pub subcode: Option<u32>,
    pub message: String,
}

impl Failure {
    fn new(status: u16, kind: &'static str, code: u32, message: impl Into<String>) -> Failure {
        Failure { status, kind, code, subcode: None, message: message.into() }
    }

    /// A token that is unknown, or whose grant has been taken back.
    pub fn bad_token() -> Failure {
        Failure::new(400, "OAuthException", 190, "Invalid OAuth access token - Cannot parse access token")
    }

    /// A token whose time has passed.
    pub fn expired() -> Failure {
        let message = "Error validating access token: Session has expired on Saturday, 21-Nov-26 12:00:00 PST.";
        Failure { subcode: Some(463), ..Failure::new(400, "OAuthException", 190, message) }
    }

    pub fn no_token() -> Failure {
        let message = "An active access token must be used to query information about the current user.";
        Failure::new(400, "OAuthException", 2500, message)
    }

    pub fn parameter(message: impl Into<String>) -> Failure {
        let message = message.into();
        Failure::new(400, "OAuthException", 100, format!("(#100) {message}"))
    }

    pub fn no_proof() -> Failure {
        let message = "API calls from the server require an appsecret_proof argument";
        Failure::new(400, "GraphMethodException", 100, message)
    }

    pub fn bad_proof() -> Failure {
        let message = "Invalid appsecret_proof provided in the API argument";
        Failure::new(400, "GraphMethodException", 100, message)
    }

    /// A code that is no good, by the subcode that says why.
    pub fn code(subcode: u32, message: &str) -> Failure {
        Failure { subcode: Some(subcode), ..Failure::new(400, "OAuthException", 100, message) }
    }

    pub fn client(message: &str) -> Failure {
        Failure::new(400, "OAuthException", 1, message)
    }

    pub fn denied(message: &str) -> Failure {
        Failure::new(403, "OAuthException", 200, format!("(#200) {message}"))
    }

    /// An object that is not there, or not this user's: the answers are the same.
    pub fn unknown_object(method: &str, id: &str) -> Failure {
        let message = format!(
            "Unsupported {method} request. Object with ID '{id}' does not exist, cannot be loaded due to missing \
             permissions, or does not support this operation."
        );
        Failure { subcode: Some(33), ..Failure::new(400, "GraphMethodException", 100, message) }
    }

    pub fn unknown_path(path: &str) -> Failure {
        Failure::new(400, "OAuthException", 2500, format!("Unknown path components: {path}"))
    }

    pub fn internal() -> Failure {
        Failure::new(
            500,
            "OAuthException",
            2,
            "An unexpected error has occurred. Please retry your request later.",
        )
    }

    pub fn throttled(code: u32) -> Failure {
        let message = match code {
            4 => "(#4) Application request limit reached".to_owned(),
            17 => "(#17) User request limit reached".to_owned(),
            32 => "(#32) Page request limit reached".to_owned(),
            613 => "(#613) Calls to this api have exceeded the rate limit.".to_owned(),
            other => format!("(#{other}) There have been too many calls to this ad-account."),
        };
        Failure::new(400, "OAuthException", code, message)
    }

    /// Returns the body.
    pub fn body(&self, trace: &str) -> Value {
        let mut error =
            json!({"message": self.message, "type": self.kind, "code": self.code, "fbtrace_id": trace});
        if let Some(subcode) = self.subcode {
            error["error_subcode"] = json!(subcode);
        }
        json!({"error": error})
    }
}
