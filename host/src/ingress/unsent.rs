//! A request that nobody sent, admitted as if an agent had: so that an explanation of it says what an agent would be told. Whose it would be
//! is not asked: a token in it is taken out, and counts for nothing.

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use wardlock_core::canonical::Header;
use wardlock_core::refusal::Refusal;

use super::admit::{self, AgentRequest, Browsers, RawRequest};
use super::framing;

/// The head of such a request.
pub struct Unsent {
    /// Method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Headers, as they would stand there.
    pub headers: Vec<Header>,
    /// The value of `Wardlock-Purpose`, where it is given apart from the headers.
    pub purpose: Option<String>,
}

impl Unsent {
    /// Admits it; `query_name` is the query parameter in which the service's own clients send their token.
    pub fn admit(self, query_name: Option<&str>) -> Result<AgentRequest, Refusal> {
        let Self { method, target, mut headers, purpose } = self;
        let purpose = purpose.map(String::into_bytes);
        headers.extend(purpose.map(|value| Header { name: "wardlock-purpose".to_owned(), value }));
        let headers = map(&headers)?;
        admit::check_browser(Browsers::No, &hyper::Method::GET, &headers)?;
        let headers = admit::plain_headers(&headers)?;
        let (_, request) = RawRequest { method, target, headers }.take_token(query_name)?;
        request.refuse_stray()?;
        Ok(request)
    }
}

/// Reads headers as they would be read off their lines.
fn map(headers: &[Header]) -> Result<HeaderMap, Refusal> {
    let mut read = HeaderMap::with_capacity(headers.len());
    for Header { name, value } in headers {
        let line = [name.as_bytes(), b":", value].concat();
        let (name, value) = framing::check_field(&line).map_err(admit::misframed)?;
        let parsed = HeaderName::from_bytes(name).ok().zip(HeaderValue::from_bytes(value).ok());
        // The line was looked at: what is left are names that are longer than hyper takes.
        let (name, value) = parsed.ok_or_else(|| admit::bad("a header's name is too long"))?;
        read.append(name, value);
    }
    if read.len() > framing::MAX_FIELDS {
        return Err(admit::misframed(framing::TOO_MANY_FIELDS));
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(headers: &[(&str, &str)], purpose: Option<&str>) -> Result<AgentRequest, Refusal> {
        let headers = headers
            .iter()
            .map(|(name, value)| Header { name: (*name).to_owned(), value: value.as_bytes().to_vec() });
        let (method, target) = ("GET".to_owned(), "/a?key=wl_1&b=c".to_owned());
        Unsent { method, target, headers: headers.collect(), purpose: purpose.map(str::to_owned) }
            .admit(Some("key"))
    }

    #[test]
    fn what_is_not_the_requests_own_is_taken_out_as_the_listener_does() {
        let headers =
            [("Content-Type", " text/plain "), ("Authorization", "Bearer wl_1"), ("Host", "x"), ("Cookie", "a")];
        let request = admitted(&headers, Some("weekly report")).expect("admitted");
        let left: Vec<_> =
            request.headers.iter().map(|header| (header.name.as_str(), header.value.as_slice())).collect();
        assert_eq!(left, [("content-type", b"text/plain".as_slice())]);
        assert_eq!((request.target.as_str(), request.purpose.as_deref()), ("/a?b=c", Some("weekly report")));
    }

    #[test]
    fn what_the_listener_refuses_is_refused() {
        for (headers, purpose, told) in [
            (&[][..], Some("a\u{1b}[31m"), "a header value holds a control character"),
            (&[("X-A", "a\r\nX-B: b")], None, "a header value holds a control character"),
            (&[("X A", "a")], None, "a header name holds white space"),
            (&[("X_A", "a")], None, "have more than one reading"),
            (&[("X-A", "a"), ("x-a", "b")], None, "stands twice"),
            (&[("Wardlock-Purpose", "a")], Some("b"), "stands twice"),
            (&[("Content-Encoding", "gzip")], None, "encoded request bodies"),
            (&[("Sec-Fetch-Site", "none")], None, "web pages"),
            (&[("Wardlock-Dryrun", "true")], None, "none that is known here"),
            (&[("Wardlock-Dry-Run", "TRUE")], None, "`Wardlock-Dry-Run` is"),
        ] {
            let refusal = admitted(headers, purpose).err().expect("refused");
            assert!(refusal.detail.contains(told), "{headers:?}: {}", refusal.detail);
        }
        let long = "x".repeat(501);
        assert!(admitted(&[], Some(&long)).is_err());
        let names: Vec<String> = (0..65).map(|at| format!("x-{at}")).collect();
        let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
        assert!(admitted(&many, None).err().expect("refused").detail.contains("more than 64"));
    }
}
