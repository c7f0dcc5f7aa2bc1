//! Echoes the received credential in an answer, as a careless provider (or a header inspector) would.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::quirks::EchoToken;
use crate::wire::Reply;

/// Returns the reply with this part of the credential in it, as the switch asks for.
pub(crate) fn apply(reply: Reply, echo: EchoToken, part: Option<&str>) -> Reply {
    let Some(part) = part else { return reply };
    match echo {
        EchoToken::Off => reply,
        EchoToken::Header => reply.with_header("x-echo", part),
        EchoToken::Split(bytes) => Reply { chunk_bytes: Some(bytes), ..in_body(reply, part) },
        EchoToken::Raw => in_body(reply, part),
        EchoToken::Base64 => in_body(reply, &STANDARD.encode(part)),
        EchoToken::Base64Url => in_body(reply, &URL_SAFE_NO_PAD.encode(part)),
        EchoToken::Percent => in_body(reply, &each(part, |byte| format!("%{byte:02X}"))),
        EchoToken::PercentMinimal => in_body(reply, &utf8_percent_encode(part, NON_ALPHANUMERIC).to_string()),
        EchoToken::Hex => in_body(reply, &hex::encode(part)),
        EchoToken::JsonEscaped => in_body(reply, &each(part, |byte| format!("\\u{byte:04x}"))),
    }
}

/// Puts the text into the body as a first member, or after it where the body is no object.
fn in_body(mut reply: Reply, text: &str) -> Reply {
    // These statuses have no body to put it into.
    if matches!(reply.status, 204 | 304) {
        return reply;
    }
    let body = String::from_utf8_lossy(&reply.body).into_owned();
    let echoed = match body.strip_prefix('{') {
        Some("}") => format!("{{\"echo\":\"{text}\"}}"),
        Some(rest) => format!("{{\"echo\":\"{text}\",{rest}"),
        None => format!("{body}{text}"),
    };
    reply.body = echoed.into_bytes();
    reply
}

fn each(text: &str, form: impl Fn(u8) -> String) -> String {
    text.bytes().map(form).collect()
}
