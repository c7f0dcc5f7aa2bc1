//! Rows A21, A22 and A24: who asks, whose token goes where, and the host asked to reach itself.

use base64::Engine as _;
use wardlock::admin::Command;

use super::{BAD, Door, LEADS, LEADS_UPSTREAM, Told};
use crate::world::{Plan, plugin, workspace};

const UNAUTHENTICATED: Told = (401, "unauthenticated");

#[tokio::test(flavor = "multi_thread")]
async fn a21_every_token_that_does_not_hold_is_answered_in_the_same_bytes_and_kept_nowhere() {
    let mut door = Door::open().await;
    let revoked = door.world.add_agent("gone", "acme").await;
    door.world.command(Command::AgentRevoke { name: "gone".to_owned() }).await.expect("revoked");
    let good = door.world.add_agent("here", "acme").await;
    let guess = format!("wl_{}", "7".repeat(good.len() - 3));
    let mut nearly = good.clone().into_bytes();
    let last = nearly.last_mut().expect("a character");
    *last = if *last == b'A' { b'B' } else { b'A' };
    let nearly = String::from_utf8(nearly).expect("text");
    let tokens = [
        ("unknown", guess.clone()),
        ("revoked", revoked.clone()),
        ("nearly right", nearly.clone()),
        ("cut off", good[..good.len() - 1].to_owned()),
        ("too long", format!("{good}A")),
        ("in other letters", good.to_uppercase()),
        ("its first half", good[..good.len() / 2].to_owned()),
        ("of no form", "hunter2hunter2".to_owned()),
        ("quoted", format!("\"{good}\"")),
        ("empty", String::new()),
    ];
    let mut answers = std::collections::BTreeSet::new();
    let attack = |line: &str| {
        format!(
            "GET {LEADS} HTTP/1.1\r\nHost: {{host}}\r\n{line}Accept: application/problem+json\r\nConnection: close\r\n\r\n"
        )
    };
    let lines = tokens.iter().flat_map(|(name, token)| {
        [(*name, format!("Authorization: Bearer {token}\r\n")), (*name, format!("Wardlock-Token: {token}\r\n"))]
    });
    for (name, line) in lines.chain([("missing", String::new())]) {
        let reply = door.refuses_bytes(name, door.bytes(&attack(&line)), UNAUTHENTICATED).await;
        let id = reply.header("wardlock-request-id").expect("an id").to_owned();
        let date = reply.header("date").expect("a date").to_owned();
        let said = String::from_utf8(reply.bytes).expect("text").replace(&id, "ID").replace(&date, "DATE");
        answers.insert(said);
    }
    assert_eq!(answers.len(), 1, "which it was shows: {answers:?}");
    door.world.host.write_down().await;
    let rows = door.world.host.audit().list(&wardlock_audit::Filter::newest(usize::MAX)).expect("rows");
    let rows = format!("{rows:?}");
    let logged = crate::world::logged();
    for token in [guess, revoked, nearly, good, "hunter2hunter2".to_owned()] {
        assert!(!rows.contains(&token) && !logged.contains(&token), "a token is kept");
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a21_a_token_opens_its_own_workspace_only() {
    let files = ["acme", "globex"].map(|name| (name, workspace(name, "eu", "", &plugin("read-only", "{}"))));
    let plan = Plan { workspaces: files.into(), connect: vec!["acme/zoho", "globex/zoho"], ..Plan::default() };
    let door = Door::of(plan).await;
    let of_globex = door.world.tokens["globex"].clone();
    let attack = |token: &str| {
        format!(
            "GET {LEADS} HTTP/1.1\r\nHost: {{host}}\r\nAuthorization: Bearer {token}\r\nAccept: application/problem+json\r\n\
             Connection: close\r\n\r\n"
        )
    };
    door.passes("its own", &attack("{token}"), LEADS_UPSTREAM).await;
    door.refuses(&[("another's", &attack(&of_globex), (403, "workspace_mismatch"))]).await;
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a22_the_agents_token_is_taken_under_any_scheme_and_goes_nowhere() {
    let door = Door::open().await;
    let token = door.world.tokens["acme"].clone();
    let basic = |user: &str| base64::engine::general_purpose::STANDARD.encode(format!("{user}:{token}"));
    for line in [
        "Authorization: Bearer {token}\r\n".to_owned(),
        "Authorization: bearer   {token}\r\n".to_owned(),
        "Authorization: Zoho-oauthtoken {token}\r\n".to_owned(),
        "Authorization: {token}\r\n".to_owned(),
        format!("Authorization: Basic {}\r\n", basic("user")),
        format!("Authorization: Basic {}\r\n", basic("")),
        "Wardlock-Token: {token}\r\n".to_owned(),
        "Wardlock-Token: {token}\r\nAuthorization: Bearer something-else\r\n".to_owned(),
        "Wardlock-Token: {token}\r\nAuthorization: Bearer {token}\r\n".to_owned(),
    ] {
        let request = format!("GET {LEADS} HTTP/1.1\r\nHost: {{host}}\r\n{line}Connection: close\r\n\r\n");
        let received = door.passes(&line, &request, LEADS_UPSTREAM).await;
        let raw = String::from_utf8_lossy(&received.raw);
        assert!(!raw.contains("something-else") && !raw.contains(&basic("user")), "{line}: {raw}");
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a22_the_agents_token_anywhere_else_is_refused_and_goes_nowhere() {
    let door = Door::open().await;
    let token = door.world.tokens["acme"].clone();
    let leads = "/acme/zoho/crm/v8/Leads";
    let percent = token.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
    let underscore = token.replace('_', "%5F");
    assert_ne!(underscore, token);
    let post =
        |body: &str| format!("POST {leads} HTTP/1.1\r\n{{who}}Content-Length: {}\r\n\r\n{body}", body.len());
    let get = |target: &str, fields: &str| format!("GET {target} HTTP/1.1\r\n{{who}}{fields}\r\n");
    for (name, attack) in [
        ("a segment", get(&format!("{leads}/{token}?fields=Last_Name"), "")),
        ("a segment, percent-spelt", get(&format!("{leads}/{percent}?fields=Last_Name"), "")),
        ("a value", get(&format!("{leads}/search?fields=Last_Name&word={token}"), "")),
        ("a value, percent-spelt", get(&format!("{leads}/search?fields=Last_Name&word={percent}"), "")),
        (
            "a value, in part percent-spelt",
            get(&format!("{leads}/search?fields=Last_Name&word=x{underscore}"), ""),
        ),
        ("a parameter's name, percent-spelt", get(&format!("{leads}?fields=Last_Name&{percent}=1"), "")),
        ("a purpose", get(&format!("{leads}?fields=Last_Name"), "Wardlock-Purpose: as {token}\r\n")),
        ("a header that passes", get(&format!("{leads}?fields=Last_Name"), "If-Modified-Since: {token}\r\n")),
        ("a body", post(&format!("{{\"data\":[{{\"Last_Name\":\"{token}\"}}]}}"))),
    ] {
        let reply = door.refuses_bytes(name, door.bytes(&attack), (400, "secret_in_request")).await;
        let said = String::from_utf8_lossy(&reply.bytes);
        let rows = format!("{:?}", door.world.rows(&reply));
        assert!(rows.contains("secret_in_request"), "{name}: {rows}");
        for spelling in [&token, &percent, &underscore] {
            assert!(!said.contains(spelling) && !rows.contains(spelling), "{name}: {said} {rows}");
        }
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a24_the_host_reaches_neither_itself_nor_what_an_agent_names() {
    let door = Door::open().await;
    let operators = door.world.operators.to_string();
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\n{{who}}\r\n");
    let as_host = |host: &str| {
        format!(
            "GET /metrics HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {{token}}\r\nConnection: close\r\n\r\n"
        )
    };
    let not_found: Told = (404, "not_found");
    door.refuses(&[
        ("itself as a proxy", &get("http://{host}/acme/zoho/crm/v8/Leads"), BAD),
        ("itself by CONNECT", "CONNECT {host} HTTP/1.1\r\n{who}\r\n", BAD),
        ("the operators' listener as a proxy", &get(&format!("http://{operators}/metrics")), BAD),
        ("the operators' listener as a host", &as_host(&operators), (421, "host_not_allowed")),
        ("the operators' path", &get("/metrics"), (404, "unknown_connection")),
        ("health", &get("/health"), (404, "unknown_connection")),
        ("the consent callback", &get("/callback?state=x&code=y"), (404, "unknown_connection")),
        ("an address for a connection", &get("/acme/127.0.0.1/metrics"), (404, "unknown_connection")),
        ("a host for a connection", &get("/acme/http:%2F%2Fevil/x"), (400, "not_canonical")),
        ("an own path as a workspace", &get("/-/admin"), not_found),
        ("commands as own paths", "POST /-/agents HTTP/1.1\r\n{who}Content-Length: 2\r\n\r\n{}", not_found),
        ("own paths by a detour", &get("/acme/../-/requests/x"), (400, "not_canonical")),
    ])
    .await;
    // To operators, an agent's token is nothing, and an agent's path is no path.
    let reply =
        door.world.operate(LEADS, &format!("Authorization: Bearer {}\r\n", door.world.tokens["acme"])).await;
    assert_eq!(reply.status, 404);
    door.close().await;
}
