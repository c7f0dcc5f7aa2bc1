//! Reads a device authorization answer (RFC 8628 section 3.2) without keeping its body.

use reqwest::Url;
use wardlock_core::service::TokenPaths;
use zeroize::Zeroizing;

use super::answer::error_of;
use super::member::{Member, Members, take};
use super::secret::Secret;

/// The longest code that a person is asked to enter.
const LONGEST_CODE: usize = 64;
/// The longest address that is shown.
const LONGEST_URL: usize = 2048;

/// What a person needs to agree on another device.
#[derive(Debug)]
pub(crate) struct DeviceAnswer {
    pub(crate) user_code: String,
    pub(crate) verification_uri: Url,
    pub(crate) verification_uri_complete: Option<Url>,
    /// Seconds.
    pub(crate) expires_in: Option<u64>,
    /// Seconds.
    pub(crate) interval: Option<u64>,
}

/// Reads an answer; the error is the provider's word, or `unreadable`.
pub(crate) fn parse_device_answer(
    body: &Zeroizing<Vec<u8>>,
    paths: &TokenPaths,
    in_milliseconds: bool,
) -> Result<(Secret, DeviceAnswer), String> {
    if let Some(error) = error_of(body, paths) {
        return Err(error);
    }
    let read = serde_json::from_slice::<Members<'_>>(body)
        .ok()
        .and_then(|Members(members)| read(members, in_milliseconds));
    read.ok_or_else(|| "unreadable".to_owned())
}

fn read(mut members: Vec<(String, Member<'_>)>, in_milliseconds: bool) -> Option<(Secret, DeviceAnswer)> {
    let mut at = |pointer: &str| take(&mut members, pointer);
    let code = at("/device_code")?;
    let code = Secret::from_bytes(Zeroizing::new(code.text()?.as_bytes().to_vec())).ok()?;
    let plain = |text: &str| text.len() <= LONGEST_CODE && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    let user_code = at("/user_code")?.text().filter(|text| !text.is_empty() && plain(text))?.to_owned();
    // Some say `url` (Google and Zoho).
    let mut address = |names: [&str; 2]| {
        let member = at(names[0]).or_else(|| at(names[1]))?;
        let text = member.text().filter(|text| text.len() <= LONGEST_URL)?;
        Url::parse(text).ok().filter(|url| url.scheme() == "https" && url.username().is_empty())
    };
    let verification_uri = address(["/verification_uri", "/verification_url"])?;
    let verification_uri_complete = address(["/verification_uri_complete", "/verification_url_complete"]);
    let mut seconds = |name: &str| match at(name)? {
        Member::Number(number) => whole(number),
        other => other.text()?.trim().parse().ok(),
    };
    let in_seconds = |time: u64| if in_milliseconds { time.div_ceil(1000) } else { time };
    let (expires_in, interval) = (seconds("/expires_in").map(in_seconds), seconds("/interval").map(in_seconds));
    Some((code, DeviceAnswer { user_code, verification_uri, verification_uri_complete, expires_in, interval }))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked on the line")]
fn whole(number: f64) -> Option<u64> {
    (1.0..=1e9).contains(&number).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::secret::tests::secret;

    fn parse(body: &str) -> Result<(Secret, DeviceAnswer), String> {
        parse_device_answer(&Zeroizing::new(body.as_bytes().to_vec()), &TokenPaths::default(), false)
    }

    #[test]
    fn an_answer_of_rfc_8628_section_3_2_is_read() {
        let (code, answer) = parse(
            r#"{"device_code":"GmRhmhcxhwAzkoEqiMEg","user_code":"WDJB-MJHT","verification_uri":"https://example.com/device",
                "verification_uri_complete":"https://example.com/device?user_code=WDJB-MJHT","expires_in":1800,"interval":5}"#,
        )
        .expect("an answer");
        assert!(code.same(&secret("GmRhmhcxhwAzkoEqiMEg")));
        assert_eq!(answer.user_code, "WDJB-MJHT");
        assert_eq!(answer.verification_uri.as_str(), "https://example.com/device");
        assert!(answer.verification_uri_complete.is_some());
        assert_eq!((answer.expires_in, answer.interval), (Some(1800), Some(5)));
    }

    #[test]
    fn what_a_person_should_not_open_or_cannot_enter_is_no_answer() {
        for odd in [
            r#"{"device_code":"a","user_code":"b"}"#,
            r#"{"device_code":"a","user_code":"b","verification_uri":"http://example.com"}"#,
            r#"{"device_code":"a","user_code":"b","verification_uri":"javascript:alert(1)"}"#,
            r#"{"device_code":"a","user_code":"\u001b[2J","verification_url":"https://example.com"}"#,
            r#"{"device_code":"a b","user_code":"b","verification_url":"https://example.com"}"#,
            "<html>",
        ] {
            assert_eq!(parse(odd).map(|_| ()), Err("unreadable".to_owned()), "{odd}");
        }
        assert_eq!(parse(r#"{"error":"invalid_client"}"#).map(|_| ()), Err("invalid_client".to_owned()));
    }
}
