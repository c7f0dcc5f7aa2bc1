//! Reads a token endpoint's answer without keeping its body, and without ever putting a byte of it into an error.

use std::collections::BTreeMap;
use std::fmt;

use wardlock_core::service::TokenPaths;
use zeroize::Zeroizing;

use super::member::{Member, Members, take};
use super::secret::Secret;

/// The longest lifetime that is believed: ten years.
const LONGEST_LIFE_SECONDS: u64 = 315_360_000;
/// The longest text that is kept of an answer.
const LONGEST_TEXT: usize = 2048;
/// The longest `error` that is kept of an answer.
const LONGEST_ERROR: usize = 64;
/// Words in a member's name that tell of a secret; its value is not kept. (`token_type` is none.)
const SECRET_WORDS: [&str; 6] = ["token", "secret", "code", "assertion", "password", "key"];

/// How long an access token lives, as the provider says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// So many seconds, 1 to 315 360 000 (ten years).
    Seconds(u64),
    /// It does not say.
    Absent,
    /// It says something that no token has: zero, negative, enormous, not a number.
    Absurd,
}

/// What a token endpoint answered, read without keeping the body.
pub(crate) struct TokenAnswer {
    /// Whether the body is one JSON object in which no member occurs twice.
    pub(crate) is_json: bool,
    /// The access token, where there is one that can be used.
    pub(crate) access_token: Option<Secret>,
    /// The refresh token, where there is one that can be used.
    pub(crate) refresh_token: Option<Secret>,
    /// Whether a token was there that cannot be used: not a text, or with characters that no credential has.
    pub(crate) token_refused: bool,
    /// The `error` member, if it looks like a code or a short phrase; `unnamed` if it does not.
    pub(crate) error: Option<String>,
    /// The `expires_in` member.
    pub(crate) expires_in: Expiry,
    /// The granted scopes as the provider lists them.
    pub(crate) scope: Option<String>,
    texts: BTreeMap<String, String>,
}

impl TokenAnswer {
    /// Returns another member's text, such as `api_domain`: printable ASCII, 2048 bytes at most, and never one
    /// whose name tells of a secret.
    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        self.texts.get(field).map(String::as_str)
    }

    fn empty() -> Self {
        Self {
            is_json: false,
            access_token: None,
            refresh_token: None,
            token_refused: false,
            error: None,
            expires_in: Expiry::Absent,
            scope: None,
            texts: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenAnswer")
            .field("is_json", &self.is_json)
            .field("access_token", &self.access_token.is_some())
            .field("refresh_token", &self.refresh_token.is_some())
            .field("token_refused", &self.token_refused)
            .field("error", &self.error)
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

/// Reads a token answer. It never fails: what cannot be read is an answer without tokens.
pub(crate) fn parse_token_answer(body: Zeroizing<Vec<u8>>, paths: &TokenPaths) -> TokenAnswer {
    let answer = match serde_json::from_slice::<Members<'_>>(&body) {
        Ok(Members(members)) => read_members(members, paths),
        // The parser's error may quote the body, so it goes no further than this line.
        Err(_) => TokenAnswer::empty(),
    };
    drop(body);
    answer
}

/// Reads the token of a registry's authorization service: `token`, or `access_token` as OAuth calls it.
pub(crate) fn parse_registry_token(body: &Zeroizing<Vec<u8>>) -> Option<Secret> {
    let Members(mut members) = serde_json::from_slice(body).ok()?;
    let token = take(&mut members, "/token").or_else(|| take(&mut members, "/access_token"))?;
    Secret::from_bytes(Zeroizing::new(token.text()?.as_bytes().to_vec())).ok()
}

/// Returns the `error` of an answer, as [`TokenAnswer::error`] holds it.
pub(crate) fn error_of(body: &Zeroizing<Vec<u8>>, paths: &TokenPaths) -> Option<String> {
    parse_token_answer(body.clone(), paths).error
}

fn read_members(mut members: Vec<(String, Member<'_>)>, paths: &TokenPaths) -> TokenAnswer {
    let mut answer = TokenAnswer::empty();
    answer.is_json = true;
    let mut at = |pointer: &Option<String>, usual: &str| take(&mut members, pointer.as_deref().unwrap_or(usual));
    answer.access_token =
        at(&paths.access_token, "/access_token").and_then(|m| usable(m, &mut answer.token_refused));
    answer.refresh_token =
        at(&paths.refresh_token, "/refresh_token").and_then(|m| usable(m, &mut answer.token_refused));
    let unit = if paths.expires_in_milliseconds { 1000.0 } else { 1.0 };
    answer.expires_in =
        at(&paths.expires_in, "/expires_in").map_or(Expiry::Absent, |member| expiry(&member, unit));
    answer.scope = at(&paths.scope, "/scope").and_then(|member| printable(&member, 4 * LONGEST_TEXT));
    // An error that does not stand where the service says is one all the same.
    let named = paths.error.is_some().then(|| at(&paths.error, "/error")).flatten();
    let named = named.or_else(|| at(&None, "/error"));
    answer.error = named.filter(|member| !matches!(member, Member::Null)).map(|member| error_name(&member));
    for (name, member) in members {
        // What has a meaning of its own is not kept as a text, wherever the service has it.
        let known = ["access_token", "refresh_token", "scope"].contains(&name.as_str());
        let telling = known || (name != "token_type" && SECRET_WORDS.iter().any(|word| name.contains(word)));
        if let (false, Some(text)) = (telling, printable(&member, LONGEST_TEXT)) {
            answer.texts.insert(name, text);
        }
    }
    answer
}

fn usable(member: Member<'_>, refused: &mut bool) -> Option<Secret> {
    let bytes = match member {
        Member::Null => return None,
        Member::Borrowed(text) => Zeroizing::new(text.as_bytes().to_vec()),
        Member::Owned(text) => Zeroizing::new(text.as_bytes().to_vec()),
        Member::Number(_) | Member::Object(_) | Member::Other => {
            *refused = true;
            return None;
        }
    };
    let secret = Secret::from_bytes(bytes).ok();
    *refused |= secret.is_none();
    secret
}

/// An error's text is kept only if it reads as a code or a phrase: a provider may well echo a token in it.
fn error_name(member: &Member<'_>) -> String {
    let code_like = |text: &&str| {
        let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b' ');
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        !text.is_empty() && text.len() <= LONGEST_ERROR && digits <= 4 && text.bytes().all(known)
    };
    if let Member::Number(number) = member
        && let Some(whole) = whole_number(*number)
    {
        return whole.to_string();
    }
    member.text().filter(code_like).unwrap_or("unnamed").to_owned()
}

/// Error codes that are numbers have few digits.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked on the line above"
)]
fn whole_number(number: f64) -> Option<u32> {
    ((0.0..1e9).contains(&number) && number.fract() == 0.0).then_some(number as u32)
}

fn printable(member: &Member<'_>, longest: usize) -> Option<String> {
    let fits = |text: &&str| text.len() <= longest && text.bytes().all(|b| matches!(b, b' '..=b'~'));
    member.text().filter(fits).map(str::to_owned)
}

/// `unit`: how many of the number make a second.
fn expiry(member: &Member<'_>, unit: f64) -> Expiry {
    let seconds = match member {
        Member::Null => return Expiry::Absent,
        Member::Number(number) => whole_seconds(*number / unit),
        Member::Borrowed(_) | Member::Owned(_) => {
            let digits = |text: &&str| text.bytes().all(|b| b.is_ascii_digit());
            let number = member.text().map(str::trim).filter(digits).and_then(|text| text.parse::<f64>().ok());
            number.and_then(|number| whole_seconds(number / unit))
        }
        Member::Object(_) | Member::Other => None,
    };
    match seconds {
        Some(seconds @ 1..=LONGEST_LIFE_SECONDS) => Expiry::Seconds(seconds),
        _ => Expiry::Absurd,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked on the line above"
)]
fn whole_seconds(number: f64) -> Option<u64> {
    // 315 360 000 is far below 2^53, so a lifetime in range is exact as a float.
    (1.0..=315_360_000.0).contains(&number).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::secret::tests::secret;

    fn parse(body: &str) -> TokenAnswer {
        parse_token_answer(Zeroizing::new(body.as_bytes().to_vec()), &TokenPaths::default())
    }

    #[test]
    fn an_answer_may_hold_its_members_elsewhere() {
        let paths = TokenPaths {
            access_token: Some("/authed_user/access_token".to_owned()),
            expires_in: Some("/authed_user/expires_in".to_owned()),
            expires_in_milliseconds: true,
            error: Some("/error/code".to_owned()),
            ..TokenPaths::default()
        };
        let read = |body: &str| parse_token_answer(Zeroizing::new(body.as_bytes().to_vec()), &paths);
        let answer =
            read(r#"{"access_token":"bot","authed_user":{"access_token":"xoxp-1","expires_in":43200000}}"#);
        assert!(answer.access_token.as_ref().is_some_and(|token| token.same(&secret("xoxp-1"))));
        assert_eq!(answer.expires_in, Expiry::Seconds(43200));
        assert_eq!((answer.error.as_deref(), answer.texts.len()), (None, 0));
        assert_eq!(read(r#"{"error":{"code":190,"message":"x"}}"#).error.as_deref(), Some("190"));
        assert_eq!(read(r#"{"error":"invalid_grant"}"#).error.as_deref(), Some("invalid_grant"));
        assert_eq!(read(r#"{"error":{"message":"x"}}"#).error.as_deref(), Some("unnamed"));
    }

    #[test]
    fn a_usual_answer_is_read_whole() {
        let answer = parse(
            r#"{"access_token":"1000.a.b","refresh_token":"1000.\u0063.d","scope":"A B","expires_in":3600,
                "api_domain":"https://www.zohoapis.eu","token_type":"Bearer","id_token":"canary"}"#,
        );
        assert!(answer.is_json && !answer.token_refused);
        assert!(answer.access_token.expect("a token").same(&secret("1000.a.b")));
        assert!(answer.refresh_token.expect("a token").same(&secret("1000.c.d")));
        assert_eq!(answer.expires_in, Expiry::Seconds(3600));
        assert_eq!(answer.scope.as_deref(), Some("A B"));
        assert_eq!(answer.texts.get("api_domain").map(String::as_str), Some("https://www.zohoapis.eu"));
        assert_eq!(answer.texts.get("token_type").map(String::as_str), Some("Bearer"));
        assert_eq!(answer.texts.len(), 2);
    }

    #[test]
    fn u7_lifetimes_are_believed_only_when_a_token_can_have_them() {
        let of = |value: &str| parse(&format!(r#"{{"expires_in":{value}}}"#)).expires_in;
        for plain in ["3600", r#""3600""#, "3600.0", "3.6e3"] {
            assert_eq!(of(plain), Expiry::Seconds(3600), "{plain}");
        }
        for absurd in ["0", "-1", "1e18", "315360001", r#""soon""#, r#""""#, "true", "[]", "{}", r#""1e3""#] {
            assert_eq!(of(absurd), Expiry::Absurd, "{absurd}");
        }
        assert_eq!(of("null"), Expiry::Absent);
        assert_eq!(parse("{}").expires_in, Expiry::Absent);
    }

    #[test]
    fn u7_unusable_tokens_are_refused_and_said() {
        for bad in [r#""a\r\nb""#, r#""a b""#, r#""\u00e9""#, r#""""#, "7", "[]"] {
            let answer = parse(&format!(r#"{{"access_token":{bad}}}"#));
            assert!(answer.access_token.is_none() && answer.token_refused, "{bad}");
        }
        let answer = parse(r#"{"access_token":null}"#);
        assert!(answer.access_token.is_none() && !answer.token_refused);
    }

    #[test]
    fn what_is_not_one_plain_object_has_no_tokens() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        let twice = r#"{"access_token":"a","access_token":"b"}"#;
        for body in ["", "<html>", "[]", "7", r#"{"access_token":"a""#, r#"{"a":1} x"#, twice, &deep] {
            let answer = parse(body);
            assert!(!answer.is_json && answer.access_token.is_none(), "{body:.40}");
        }
    }

    #[test]
    fn u9_an_error_is_kept_only_as_a_code_or_phrase() {
        let of = |value: &str| parse(&format!(r#"{{"error":{value}}}"#)).error;
        assert_eq!(of(r#""invalid_code""#).as_deref(), Some("invalid_code"));
        assert_eq!(of(r#""Access Denied""#).as_deref(), Some("Access Denied"));
        for odd in [r#""1000.8cb99dxxxxx.9be93xxxx""#, r#""a4f0c9e8b7d6a5948372""#, "7.5", r#""a\nb""#, "{}"] {
            assert_eq!(of(odd).as_deref(), Some("unnamed"), "{odd}");
        }
    }

    #[test]
    fn u9_an_answer_prints_no_token() {
        let answer = parse(r#"{"access_token":"canary-1","refresh_token":"canary-2","x":"canary-3"}"#);
        let shown = format!("{answer:?}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}
