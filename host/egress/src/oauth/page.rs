//! The pages that a person's browser sees: plain words, nothing loaded from anywhere, every value escaped.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use sha2::{Digest as _, Sha256};
use url::Url;

const STYLE: &str = "body{font:17px/1.55 system-ui,sans-serif;max-width:34rem;margin:14vh auto;padding:0 1.5rem;\
color:#1c2530;background:#f7f8fa}h1{font-size:1.5rem}p{margin:.7rem 0}button{font:inherit;padding:.5rem 1.4rem;margin:.7rem 0}small{color:#5b6775}\
@media(prefers-color-scheme:dark){body{color:#e6e9ee;background:#171b21}small{color:#9aa5b1}}";

/// Renders a page.
pub(crate) fn page(status: StatusCode, title: &str, sentences: &[&str]) -> Response<Full<Bytes>> {
    rendered(status, title, sentences, None)
}

/// Renders a page with one button, which posts to the page's own address.
pub(crate) fn with_button(title: &str, sentences: &[&str], button: &str) -> Response<Full<Bytes>> {
    rendered(StatusCode::OK, title, sentences, Some(button))
}

/// Leads the browser on. 303, so that it does not post again (RFC 9700 section 4.12).
pub(crate) fn page_that_leads(url: &Url) -> Response<Full<Bytes>> {
    let mut response = page(StatusCode::SEE_OTHER, "On to the provider", &["Your browser is on its way."]);
    if let Ok(location) = HeaderValue::from_str(url.as_str()) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

fn rendered(status: StatusCode, title: &str, sentences: &[&str], button: Option<&str>) -> Response<Full<Bytes>> {
    let body = sentences.iter().map(|sentence| escape(sentence)).collect::<Vec<_>>().join("</p>\n<p>");
    let title = escape(title);
    let form = button.map_or_else(String::new, |button| {
        format!("<form method=\"post\"><button type=\"submit\">{}</button></form>\n", escape(button))
    });
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title} – Wardlock</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>{title}</h1>\n<p>{body}</p>\n{form}<p><small>Wardlock</small></p>\n</body>\n</html>\n"
    );
    // Browsers hold a form's redirects against `form-action` too, and the provider's own may lead to any of its hosts.
    let form_action = if button.is_some() { "'self' https: http://127.0.0.1:*" } else { "'none'" };
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action {form_action}; frame-ancestors 'none'",
        STANDARD.encode(Sha256::digest(STYLE))
    );
    let response = Response::builder()
        .status(status)
        .header("content-type", "text/html; charset=utf-8")
        .header("content-security-policy", policy)
        .header("x-content-type-options", "nosniff")
        .header("referrer-policy", "no-referrer")
        .header("cache-control", "no-store")
        .header("connection", "close")
        .body(Full::new(Bytes::from(html)));
    // Every part is a constant or Base64, so the builder cannot fail.
    response.unwrap_or_else(|_| Response::new(Full::default()))
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_page_says_is_escaped_and_loads_nothing() {
        assert_eq!(escape("<script>\"'&"), "&lt;script&gt;&quot;&#39;&amp;");
        let page = page(StatusCode::OK, "<b>", &["x"]);
        let policy = page.headers()["content-security-policy"].to_str().expect("a header");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    }
}
