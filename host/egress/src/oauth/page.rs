//! The one page that a person's browser sees: plain words, nothing loaded from anywhere, every value escaped.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use sha2::{Digest as _, Sha256};

const STYLE: &str = "body{font:17px/1.55 system-ui,sans-serif;max-width:34rem;margin:14vh auto;padding:0 1.5rem;\
color:#1c2530;background:#f7f8fa}h1{font-size:1.5rem}p{margin:.7rem 0}small{color:#5b6775}\
@media(prefers-color-scheme:dark){body{color:#e6e9ee;background:#171b21}small{color:#9aa5b1}}";

/// Renders a page.
pub(crate) fn page(status: StatusCode, title: &str, sentences: &[&str]) -> Response<Full<Bytes>> {
    let body = sentences.iter().map(|sentence| escape(sentence)).collect::<Vec<_>>().join("</p>\n<p>");
    let title = escape(title);
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title} – Wardlock</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>{title}</h1>\n<p>{body}</p>\n<p><small>Wardlock, on this computer</small></p>\n</body>\n</html>\n"
    );
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
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
