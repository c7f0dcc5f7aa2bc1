//! Requests that hyper's server reads leniently, or refuses without a word, and what is answered here instead.

use super::{BAD, Door, HEAD_TOO_LARGE, NOT_CANONICAL, Told};

/// The provider gets it, framed anew and without what must not pass.
const PASSES: Told = (200, "");
/// It has one reading, and no operation.
const UNKNOWN_OPERATION: Told = (403, "unknown_operation");

/// Name, bytes, and what is answered. `{who}` and the like as [`Door`] has it.
#[rustfmt::skip]
const CORPUS: [(&str, &str, Told); 56] = [
    // hyper passes these to its handler.
    ("a length beside chunks", "POST /acme/zoho/crm/v8/coql HTTP/1.1\r\n{who}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", BAD),
    ("a length beside `chunked<TAB>`", "POST /acme/zoho/crm/v8/coql HTTP/1.1\r\n{who}Content-Length: 3\r\nTransfer-Encoding: chunked\t\r\n\r\n3\r\nabc\r\n0\r\n\r\n", BAD),
    ("the same length twice", "POST /acme/zoho/crm/v8/coql HTTP/1.1\r\n{who}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", BAD),
    ("a chunk extension", "POST /acme/zoho/crm/v8/coql HTTP/1.1\r\n{who}Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n", BAD),
    ("a chunk size that overflows", "POST /acme/zoho/crm/v8/coql HTTP/1.1\r\n{who}Transfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n", BAD),
    ("a chunk size ended by LF", "POST /acme/zoho/crm/v8/coql HTTP/1.1\r\n{who}Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", BAD),
    ("a credential in the trailer", "POST /acme/zoho/crm/v8/coql HTTP/1.1\r\n{who}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nAuthorization: evil\r\n\r\n", BAD),
    ("no host", "GET /acme/zoho/crm/v8/Leads?fields=Last_Name HTTP/1.1\r\nAuthorization: Bearer {token}\r\n\r\n", BAD),
    ("two hosts", "GET /acme/zoho/crm/v8/Leads?fields=Last_Name HTTP/1.1\r\n{who}Host: evil\r\n\r\n", BAD),
    ("an absolute target", "GET http://evil/x HTTP/1.1\r\n{who}\r\n", BAD),
    ("an absolute target with userinfo", "GET http://good@evil/x HTTP/1.1\r\n{who}\r\n", BAD),
    ("two slashes first", "GET //evil/x HTTP/1.1\r\n{who}\r\n", NOT_CANONICAL),
    ("no slash", "GET evil HTTP/1.1\r\n{who}\r\n", BAD),
    ("dot segments in many spellings", "GET /a/../b/%2e%2e/c%2f..%5c HTTP/1.1\r\n{who}\r\n", NOT_CANONICAL),
    ("backslashes", "GET /a\\..\\b HTTP/1.1\r\n{who}\r\n", NOT_CANONICAL),
    ("raw UTF-8", "GET /acme/zoho/crm/v8/Léads HTTP/1.1\r\n{who}\r\n", BAD),
    ("a fragment", "GET /acme/zoho/crm/v8/Leads#b HTTP/1.1\r\n{who}\r\n", BAD),
    ("a fragment behind the query", "GET /acme/zoho/crm/v8/Leads?fields=Last_Name#b HTTP/1.1\r\n{who}\r\n", BAD),
    ("LF line ends", "GET /acme/zoho/crm/v8/Leads?fields=Last_Name HTTP/1.1\nHost: {host}\nAuthorization: Bearer {token}\n\n", BAD),
    ("empty lines first", "\r\n\r\nGET /acme/zoho/crm/v8/Leads?fields=Last_Name HTTP/1.1\r\n{who}\r\n", BAD),
    ("a name with an underscore", "GET /acme/zoho/crm/v8/Leads?fields=Last_Name HTTP/1.1\r\n{who}X_Forwarded_User: root\r\n\r\n", BAD),
    ("two credentials", "GET /acme/zoho/crm/v8/Leads?fields=Last_Name HTTP/1.1\r\n{who}Authorization: Bearer {token}\r\n\r\n", BAD),
    ("a credential listed in `Connection`", "GET /acme/zoho/crm/v8/Leads?fields=Last_Name HTTP/1.1\r\nHost: {host}\r\nConnection: close, authorization\r\nAuthorization: Bearer {token}\r\n\r\n", PASSES),
    ("a lower-case method", "delete /acme/zoho/crm/v8/Leads/1 HTTP/1.1\r\n{who}\r\n", BAD),
    ("an unknown method", "PURGE /acme/zoho/crm/v8/Leads/1 HTTP/1.1\r\n{who}\r\n", BAD),
    ("TRACE", "TRACE /acme/zoho/crm/v8/Leads/1 HTTP/1.1\r\n{who}\r\n", BAD),
    ("OPTIONS of the server", "OPTIONS * HTTP/1.1\r\n{who}\r\n", BAD),
    ("CONNECT", "CONNECT evil:443 HTTP/1.1\r\n{who}\r\n", BAD),
    ("an upgrade to h2c", "GET /acme/zoho/crm/v8/Leads?fields=Last_Name HTTP/1.1\r\n{who}Upgrade: h2c\r\n\r\n", BAD),
    ("GET with a body", "GET /acme/zoho/crm/v8/Leads?fields=Last_Name HTTP/1.1\r\n{who}Content-Length: 3\r\n\r\nabc", NOT_CANONICAL),
    ("a pipelined second request", "GET /acme/zoho/crm/v8/Leads?fields=Last_Name HTTP/1.1\r\n{who}\r\nGET /acme/zoho/crm/v8/Leads/1 HTTP/1.1\r\n{who}\r\n", PASSES),
    ("a HEAD that no operation takes", "HEAD /acme/zoho/crm/v8/Leads HTTP/1.1\r\n{who}\r\n", UNKNOWN_OPERATION),
    // hyper refuses these itself, with an empty 400 or nothing at all.
    ("two lengths that differ", "POST /acme/zoho/crm/v8/coql HTTP/1.1\r\n{who}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", BAD),
    ("a length with a sign", "POST /acme/zoho/crm/v8/coql HTTP/1.1\r\n{who}Content-Length: +3\r\n\r\nabc", BAD),
    ("a list of lengths", "POST /acme/zoho/crm/v8/coql HTTP/1.1\r\n{who}Content-Length: 3, 3\r\n\r\nabc", BAD),
    ("a coding that is none", "POST /acme/zoho/crm/v8/coql HTTP/1.1\r\n{who}Transfer-Encoding: xchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", BAD),
    ("chunks that are not the last coding", "POST /acme/zoho/crm/v8/coql HTTP/1.1\r\n{who}Transfer-Encoding: chunked, identity\r\n\r\n3\r\nabc\r\n0\r\n\r\n", BAD),
    ("two codings", "POST /acme/zoho/crm/v8/coql HTTP/1.1\r\n{who}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", BAD),
    ("a space before the colon", "POST /acme/zoho/crm/v8/coql HTTP/1.1\r\n{who}Transfer-Encoding : chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", BAD),
    ("HTTP/1.0 in chunks", "POST /acme/zoho/crm/v8/coql HTTP/1.0\r\n{who}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", BAD),
    ("userinfo for a target", "GET @evil/x HTTP/1.1\r\n{who}\r\n", BAD),
    ("NUL in the path", "GET /acme/zoho/crm/v8/Le\0ads HTTP/1.1\r\n{who}\r\n", BAD),
    ("a space in the path", "GET /acme/zoho/crm/v8/Le ads HTTP/1.1\r\n{who}\r\n", BAD),
    ("a tab in the path", "GET /acme/zoho/crm/v8/Le\tads HTTP/1.1\r\n{who}\r\n", BAD),
    ("a quote in the path", "GET /acme/zoho/crm/v8/Le\"ads HTTP/1.1\r\n{who}\r\n", BAD),
    ("a backquote in the path", "GET /acme/zoho/crm/v8/Le`ads HTTP/1.1\r\n{who}\r\n", BAD),
    ("braces and such in the path", "GET /acme/zoho/crm/v8/Le{}|^ads/x/y HTTP/1.1\r\n{who}\r\n", UNKNOWN_OPERATION),
    ("a folded value", "GET /acme/zoho/crm/v8/Leads?fields=Last_Name HTTP/1.1\r\n{who}X: a\r\n b\r\n\r\n", BAD),
    ("CR in a value", "GET /acme/zoho/crm/v8/Leads?fields=Last_Name HTTP/1.1\r\n{who}X: a\rb\r\n\r\n", BAD),
    ("NUL in a value", "GET /acme/zoho/crm/v8/Leads?fields=Last_Name HTTP/1.1\r\n{who}X: a\0b\r\n\r\n", BAD),
    ("a control character in the method", "G\u{1}T /acme/zoho/crm/v8/Leads?fields=Last_Name HTTP/1.1\r\n{who}\r\n", BAD),
    ("HTTP/1.2", "GET /acme/zoho/crm/v8/Leads?fields=Last_Name HTTP/1.2\r\n{who}\r\n", BAD),
    ("HTTP/0.9", "GET /acme/zoho/crm/v8/Leads?fields=Last_Name\r\n\r\n", BAD),
    ("an h2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD),
    ("101 headers", "GET /acme/zoho/crm/v8/Leads?fields=Last_Name HTTP/1.1\r\n{who}{101 headers}\r\n", HEAD_TOO_LARGE),
    ("`Expect: 100-continue` without a body", "GET /acme/zoho/crm/v8/Leads?fields=Last_Name HTTP/1.1\r\n{who}Expect: 100-continue\r\n\r\n", PASSES),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_hyper_reads_leniently_is_refused_in_words_or_stripped() {
    let door = Door::open().await;
    let fields = (0..101).map(|number| format!("X-{number}: a\r\n")).collect::<Vec<_>>().concat();
    for (name, request, told) in CORPUS {
        let request = request.replace("{101 headers}", &fields);
        if request.starts_with("HEAD") {
            // The length is that of a body which does not come.
            let bytes = door.world.send_all(door.bytes(&request)).await;
            let said = String::from_utf8_lossy(&bytes).into_owned();
            assert!(said.starts_with(&format!("HTTP/1.1 {} ", told.0)), "{name}: {said}");
        } else if told == PASSES {
            door.passes(name, &request, "/crm/v8/Leads?fields=Last_Name").await;
        } else {
            door.refuses(&[(name, &request, told)]).await;
        }
    }
    door.close().await;
}
