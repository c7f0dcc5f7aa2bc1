//! What a test adds to token answers, whoever gives them.

use serde_json::{Map, Value};

use crate::switches::Switches;
use crate::wire::Reply;

/// Adds the members that a test wants, if this is an answer with a token.
pub(crate) fn extended(reply: Reply, switches: &mut Switches) -> Reply {
    if switches.token_answer_extra.is_empty() {
        return reply;
    }
    let Ok(mut body) = serde_json::from_slice::<Map<String, Value>>(&reply.body) else { return reply };
    if !body.contains_key("access_token") {
        return reply;
    }
    body.extend(switches.token_answer_extra.clone());
    switches.token_answers_extended += 1;
    Reply { body: Value::Object(body).to_string().into_bytes(), ..reply }
}
