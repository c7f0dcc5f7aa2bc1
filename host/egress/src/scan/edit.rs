//! What response plugins take away from a scanned answer. What is left is scanned again: only a scanned answer leaves.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName};
use wardlock_core::answer::{CutError, cut};
use wardlock_core::plugin::ResponseEdit;

use super::{Scrubbed, ScrubbedBody};
use crate::vault::Needles;

/// Headers that speak of the body's bytes, and no longer fit them once something was taken out.
const OF_BYTES: [&str; 5] = ["etag", "content-md5", "digest", "content-digest", "repr-digest"];

/// Why an answer cannot be edited. What a plugin wanted gone would still be there, so it does not reach the agent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// Nothing can be taken out of its body.
    #[error(transparent)]
    Body(#[from] CutError),
    /// It flows.
    #[error("the answer flows, so nothing can be taken out of it")]
    Flows,
    /// The header is the host's, or the agent needs it to read what is left.
    #[error("header `{name}` cannot be removed")]
    Protected {
        /// Its name.
        name: String,
    },
    /// The name is none.
    #[error("a header to be removed is not named in lower-case letters, digits and `-`")]
    HeaderName,
}

/// What an answer is scanned again with.
#[derive(Debug)]
pub(super) struct Again {
    pub needles: Arc<Needles>,
    pub replacement: Vec<u8>,
}

impl Scrubbed {
    /// Takes away what a plugin's edits say, and scans what is left.
    pub fn apply(mut self, edits: &[ResponseEdit]) -> Result<Self, EditError> {
        let ScrubbedBody::Whole(body) = &self.body else {
            return Err(EditError::Flows);
        };
        for edit in edits {
            if let ResponseEdit::RemoveHeader(name) = edit {
                remove(&mut self.headers, name)?;
            }
        }
        let is_header = |edit: &ResponseEdit| matches!(edit, ResponseEdit::RemoveHeader(_));
        // An answer without a body holds nothing that could be taken away (RFC 9110 section 15.3.5).
        if body.is_empty() || edits.iter().all(is_header) {
            return Ok(self);
        }
        let left = cut(body, edits)?;
        if left == *body {
            return Ok(self);
        }
        for name in OF_BYTES {
            self.headers.remove(name);
        }
        let redacted = self.again.needles.redact(&left, &self.again.replacement);
        self.redactions += redacted.count;
        self.body = ScrubbedBody::Whole(Bytes::from(redacted.bytes));
        Ok(self)
    }
}

fn remove(headers: &mut HeaderMap, name: &str) -> Result<(), EditError> {
    let parsed = HeaderName::from_lowercase(name.as_bytes()).map_err(|_| EditError::HeaderName)?;
    if parsed == CONTENT_TYPE || name.starts_with("wardlock-") {
        return Err(EditError::Protected { name: name.to_owned() });
    }
    headers.remove(parsed);
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, StatusCode};

    use super::*;
    use crate::vault::Secret;

    fn answered(body: &'static str, secrets: &[&str]) -> Scrubbed {
        let secret = |text: &&str| Secret::from_bytes(text.as_bytes().to_vec().into()).expect("a secret");
        let secrets: Vec<Secret> = secrets.iter().map(secret).collect();
        let mut headers = HeaderMap::new();
        for (name, value) in [("content-type", "application/json"), ("etag", "\"1\""), ("x-trace", "t")] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        Scrubbed {
            status: StatusCode::OK,
            headers,
            body: ScrubbedBody::Whole(Bytes::from_static(body.as_bytes())),
            redactions: 0,
            again: Again {
                needles: Arc::new(Needles::of(&secrets.iter().collect::<Vec<_>>()).expect("needles")),
                replacement: b"[REDACTED:crm]".to_vec(),
            },
        }
    }

    fn redact(pointer: &str) -> ResponseEdit {
        ResponseEdit::RedactJson(pointer.to_owned())
    }

    #[test]
    fn what_is_left_is_searched_for_secrets_again() {
        // Unlikely, but possible: what is taken out stood in the middle of a secret.
        let secret = "1000,2000,3000,4000,5000,6000";
        let answer = answered(r#"[1000,2000,3000,"cut",4000,5000,6000]"#, &[secret]);
        assert!(!answer.exposed());
        let left = answer.apply(&[ResponseEdit::RemoveJson("/3".to_owned())]).expect("edited");
        assert_eq!(left.body().map(AsRef::as_ref), Some(b"[[REDACTED:crm]]".as_slice()));
        assert!(left.exposed());
    }

    #[test]
    fn headers_go_as_asked_and_those_of_the_old_bytes_with_the_body() {
        let body = r#"{"Email":"a@b.c"}"#;
        let left = answered(body, &[]).apply(&[ResponseEdit::RemoveHeader("x-trace".to_owned())]).expect("edited");
        assert!(!left.headers().contains_key("x-trace") && left.headers().contains_key("etag"));
        assert_eq!(left.body().map(AsRef::as_ref), Some(body.as_bytes()));
        let left = answered(body, &[]).apply(&[redact("/Email")]).expect("edited");
        assert_eq!(left.body().map(AsRef::as_ref), Some(br#"{"Email":"[REDACTED]"}"#.as_slice()));
        assert!(!left.headers().contains_key("etag") && left.headers().contains_key("content-type"));
        let left = answered(body, &[]).apply(&[redact("/Phone")]).expect("edited");
        assert!(left.headers().contains_key("etag"), "nothing was taken out");
    }

    #[test]
    fn what_cannot_be_taken_away_withholds_the_answer() {
        let header = |name: &str| ResponseEdit::RemoveHeader(name.to_owned());
        for (edit, expected) in [
            (header("content-type"), EditError::Protected { name: "content-type".to_owned() }),
            (header("wardlock-decision"), EditError::Protected { name: "wardlock-decision".to_owned() }),
            (header("ETag"), EditError::HeaderName),
            (header("a b"), EditError::HeaderName),
        ] {
            assert_eq!(answered("{}", &[]).apply(&[edit]).expect_err("withheld"), expected);
        }
        let page = answered("<html>a@b.c</html>", &[]).apply(&[redact("/Email")]);
        assert_eq!(page.expect_err("withheld"), EditError::Body(CutError::NotJson));
        let index = answered(r#"[{"Email":"a@b.c"}]"#, &[]).apply(&[redact("/00/Email")]);
        assert_eq!(index.expect_err("withheld"), EditError::Body(CutError::Index));
        assert!(answered("", &[]).apply(&[redact("/Email")]).is_ok(), "there is nothing in an empty body");
    }
}
