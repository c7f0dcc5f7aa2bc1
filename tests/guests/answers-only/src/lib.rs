//! Judges answers and no requests: takes the header `etag` away.

#![expect(unsafe_code, clippy::pedantic, reason = "generated")]

wit_bindgen::generate!({ path: "../../../wit", world: "response-plugin", generate_all });

use exports::wardlock::policy::response_hook::{
    self, Editing, Response, ResponseAnswer, ResponseEdit, ResponseVerdict,
};
use exports::wardlock::policy::settings::{self, Description, Problem};
use wardlock::policy::types::Reason;

struct AnswersOnly;

impl settings::Guest for AnswersOnly {
    fn describe() -> Description {
        Description {
            name: "answers-only".into(),
            version: "0.1.0".into(),
            capabilities: Vec::new(),
            attributes: Vec::new(),
        }
    }

    fn schema() -> String {
        r#"{ "type": "object" }"#.into()
    }

    fn configure(_settings: String) -> Result<(), Vec<Problem>> {
        Ok(())
    }
}

impl response_hook::Guest for AnswersOnly {
    fn on_response(_response: Response) -> ResponseAnswer {
        let reason = Reason {
            code: "no_etag".into(),
            message: "nobody needs it".into(),
            hint: None,
            retry_after_seconds: None,
            attributes: Vec::new(),
        };
        let edits = vec![ResponseEdit::RemoveHeader("etag".into())];
        ResponseAnswer { verdict: ResponseVerdict::Edit(Editing { edits, reason }), notes: Vec::new() }
    }
}

export!(AnswersOnly);
