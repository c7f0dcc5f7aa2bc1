//! The dashboard over bytes: who gets in, what is refused at its door, and what its forms can do. tests/browser looks at it in a browser.

mod drafts;
mod passkeys;
mod twice;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use serde_json::Value;
use wardlock::admin::Command;
use wardlock::serve::Running;
use wardlock_audit::Filter;
use wardlock_tests::raw::RawReply;

use crate::program::{run, with_workspace};
use crate::proofs::{enable, prove};
use crate::world::{Plan, World, plugin, workspace};

const LEAD: &str = r#"{"data":[{"Last_Name":"Ellison","Company":"Nordwind"}]}"#;
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// A world whose connection holds every write.
async fn drafting() -> World {
    drafting_by("writes = \"draft\"").await
}

/// The same, with more of its table.
async fn drafting_by(extra: &str) -> World {
    let file = workspace("acme", "eu", extra, &plugin("probe", r#"{ mode = "allow" }"#));
    let plan = Plan { workspaces: vec![("acme", file)], guests: vec!["probe"], ..Plan::default() };
    let world = World::start(plan).await;
    assert_eq!(prove(&world).await["passed"], true);
    enable(&world, "draft").await.expect("enabled");
    world
}

async fn held(world: &World) -> String {
    let headers = "Content-Type: application/json\r\nAccept: application/problem+json\r\n";
    let reply = world.ask("acme", "POST", "/acme/zoho/crm/v8/Leads", headers, LEAD).await;
    reply.json().expect("json")["draft"].as_str().expect("a draft").to_owned()
}

async fn shown(world: &World, id: &str) -> Value {
    world.command(Command::DraftsShow { id: id.to_owned() }).await.expect("shown")
}

async fn state(world: &World, id: &str) -> String {
    shown(world, id).await["state"].as_str().expect("a state").to_owned()
}

/// The one name and origin of the dashboard.
fn host(world: &World) -> String {
    format!("localhost:{}", world.dashboard.port())
}

fn text(reply: &RawReply) -> String {
    String::from_utf8(reply.body.clone()).expect("UTF-8")
}

async fn get(world: &World, path: &str, headers: &str) -> RawReply {
    let host = host(world);
    world.send_to(world.dashboard, format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n")).await
}

async fn post(world: &World, path: &str, headers: &str, body: &str) -> RawReply {
    let (host, length) = (host(world), body.len());
    let head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n{headers}\r\n");
    world.send_to(world.dashboard, head + body).await
}

/// What a browser says of a form on one of our own pages.
fn own(world: &World) -> String {
    format!("{FORM}Origin: http://{}\r\nSec-Fetch-Site: same-origin\r\n", host(world))
}

/// The path of a fresh link.
async fn link(world: &World) -> String {
    let made = world.command(Command::Dashboard).await.expect("a link");
    let link = made["link"].as_str().expect("a link");
    link.strip_prefix(&format!("http://{}", host(world))).expect("our origin").to_owned()
}

/// A browser with a session.
struct Browser<'a> {
    world: &'a World,
    cookie: String,
    csrf: String,
}

impl<'a> Browser<'a> {
    async fn signed_in(world: &'a World) -> Self {
        let entered = post(world, &link(world).await, &own(world), "").await;
        assert_eq!((entered.status, entered.header("location")), (303, Some("/")));
        let set = entered.header("set-cookie").expect("a cookie");
        let (cookie, bound) = set.split_once("; ").expect("what it is bound to");
        assert_eq!(bound, "HttpOnly; SameSite=Strict; Path=/; Max-Age=43200");
        let mut browser = Self { world, cookie: cookie.to_owned(), csrf: String::new() };
        browser.csrf = csrf(&text(&browser.get("/").await));
        browser
    }

    async fn get(&self, path: &str) -> RawReply {
        get(self.world, path, &format!("Cookie: {}\r\n", self.cookie)).await
    }

    /// Sends a form of one of our pages, with the session's token.
    async fn post(&self, path: &str, fields: &str) -> RawReply {
        self.post_as(path, &own(self.world), &format!("csrf={}&{fields}", self.csrf)).await
    }

    async fn post_as(&self, path: &str, headers: &str, body: &str) -> RawReply {
        post(self.world, path, &format!("{headers}Cookie: {}\r\n", self.cookie), body).await
    }
}

/// The token of a page's forms.
fn csrf(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").expect("a token");
    rest.split('"').next().expect("its end").to_owned()
}

/// The page to which a form leads.
async fn led_to(browser: &Browser<'_>, reply: &RawReply) -> String {
    text(&browser.get(reply.header("location").expect("a page")).await)
}

/// Who did an act, by the newest row of that kind.
fn acts(world: &World) -> Vec<(String, String, String)> {
    let rows = world.host.audit().list(&Filter::newest(1000)).expect("rows");
    let acts = rows.into_iter().filter_map(|row| row.detail.act);
    acts.map(|act| (act.what, act.who, act.result)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_signs_in_once_by_its_button_and_a_second_use_is_told() {
    let world = World::start(Plan::default()).await;
    let path = link(&world).await;
    for _ in 0..2 {
        let page = get(&world, &path, "").await;
        assert_eq!(page.status, 200, "looking uses nothing up");
        assert!(page.header("set-cookie").is_none_or(|set| !set.contains("session")), "{page:?}");
    }
    assert_eq!(get(&world, "/", "").await.status, 401);
    let entered = post(&world, &path, &own(&world), "").await;
    let cookie = entered.header("set-cookie").expect("a cookie").split(';').next().expect("a pair").to_owned();
    assert_eq!(get(&world, "/", &format!("Cookie: {cookie}\r\n")).await.status, 200);
    for _ in 0..2 {
        let again = post(&world, &path, &own(&world), "").await;
        assert_eq!((again.status, again.header("set-cookie")), (410, None));
        assert!(text(&again).contains("used before"), "{}", text(&again));
    }
    let told = acts(&world).into_iter().filter(|(what, ..)| what == "dashboard.link-reused");
    let expected = ("dashboard.link-reused".to_owned(), "dashboard".to_owned(), "refused".to_owned());
    assert_eq!(told.collect::<Vec<_>>(), [expected], "once a link");
    assert_eq!(post(&world, "/login/guess", &own(&world), "").await.status, 410);
    // A link for one thing does nothing of another.
    let other = link(&world).await.replace("/login/", "/passkey/");
    assert_eq!(post(&world, &other, &own(&world), "").await.status, 410);
    let token = path.rsplit('/').next().expect("a token");
    assert!(!crate::world::logged().contains(token), "no link in the log");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_dashboards_own_pages_are_admitted() {
    let world = World::start(Plan::default()).await;
    let browser = Browser::signed_in(&world).await;
    let cookie = format!("Cookie: {}\r\n", browser.cookie);
    let (name, port) = (host(&world), world.dashboard.port());
    for other in [
        format!("127.0.0.1:{port}"),
        format!("[::1]:{port}"),
        "localhost".to_owned(),
        format!("localhost.evil.example:{port}"),
        format!("evil.example:{port}"),
        format!("127.0.0.1.nip.io:{port}"),
        format!("localhost:{}", port ^ 1),
        world.agents.to_string(),
    ] {
        let reply =
            world.send_to(world.dashboard, format!("GET / HTTP/1.1\r\nHost: {other}\r\n{cookie}\r\n")).await;
        assert_eq!(reply.status, 421, "{other}");
        assert!(text(&reply).contains(&format!("http://{name}")), "the right name is told");
    }
    let csrf = format!("csrf={}", browser.csrf);
    let origin = format!("Origin: http://{name}\r\n");
    for (headers, status) in [
        (format!("{FORM}{origin}Sec-Fetch-Site: same-origin\r\n"), 303),
        (format!("{FORM}{origin}"), 303),
        (FORM.to_owned(), 403),
        (format!("{FORM}Origin: null\r\n"), 403),
        (format!("{FORM}Origin: http://127.0.0.1:{port}\r\n"), 403),
        (format!("{FORM}Origin: http://localhost:{}\r\n", port ^ 1), 403),
        (format!("{FORM}Origin: https://{name}\r\n"), 403),
        (format!("{FORM}Origin: http://evil.example\r\n"), 403),
        (format!("{FORM}{origin}Sec-Fetch-Site: same-site\r\n"), 403),
        (format!("{FORM}{origin}Sec-Fetch-Site: cross-site\r\n"), 403),
        (format!("{FORM}{origin}{origin}"), 403),
        // Forms that a page can send anywhere without asking, and JSON: no field is read of either.
        (format!("Content-Type: text/plain\r\n{origin}"), 403),
        (format!("Content-Type: application/json\r\n{origin}"), 403),
    ] {
        let reply = browser.post_as("/freeze", &headers, &csrf).await;
        assert_eq!(reply.status, status, "{headers}");
        assert!(reply.header("access-control-allow-origin").is_none());
    }
    for site in ["same-site", "cross-site"] {
        assert_eq!(get(&world, "/", &format!("{cookie}Sec-Fetch-Site: {site}\r\n")).await.status, 403, "{site}");
    }
    for method in ["PUT", "DELETE", "PATCH"] {
        let bytes = format!("{method} / HTTP/1.1\r\nHost: {name}\r\n{origin}{cookie}Connection: close\r\n\r\n");
        let whole = world.send_to(world.dashboard, bytes).await;
        assert_eq!(whole.status, 405, "{method}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_loads_its_own_files_only_and_shows_in_no_frame() {
    let world = drafting().await;
    let draft = held(&world).await;
    let browser = Browser::signed_in(&world).await;
    let draft = format!("/drafts/{draft}");
    for path in [
        "/",
        "/drafts",
        &draft,
        "/audit",
        "/plugins",
        "/nothing",
        "/style.css",
        "/live.js",
        "/passkey.js",
        "/icon.svg",
    ] {
        let reply = browser.get(path).await;
        let policy = reply.header("content-security-policy").expect("a policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
            "form-action 'self'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cache-control", "no-store"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(reply.header(name), Some(value), "{path}");
        }
        let page = text(&reply);
        assert!(!page.contains("style=") && !page.contains("onclick") && !page.contains("//cdn"), "{path}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_approved_by_its_connections_name_and_as_it_was_shown() {
    let world = drafting().await;
    let id = held(&world).await;
    let browser = Browser::signed_in(&world).await;
    let page = text(&browser.get(&format!("/drafts/{id}")).await);
    let hash = shown(&world, &id).await["request_sha256"].as_str().expect("a hash").to_owned();
    for said in [hash.as_str(), "Ellison", "agent agent-acme", "Type <strong>acme/zoho</strong>"] {
        assert!(page.contains(said), "no `{said}` in {page}");
    }
    let before = world.api_calls();
    let path = format!("/drafts/{id}/approve");
    let other = "0".repeat(64);
    for (fields, status) in [
        (format!("request_sha256={hash}"), 409),
        (format!("request_sha256={hash}&confirm=acme"), 409),
        (format!("request_sha256={other}&confirm=acme/zoho"), 409),
        ("confirm=acme/zoho".to_owned(), 409),
        (format!("request_sha256={hash}&request_sha256={hash}&confirm=acme/zoho"), 409),
    ] {
        assert_eq!(browser.post(&path, &fields).await.status, status, "{fields}");
    }
    let whole = format!("request_sha256={hash}&confirm=acme/zoho");
    let mut stranger = Browser::signed_in(&world).await;
    for csrf in ["", "csrf=&", &format!("csrf={}&", stranger.csrf)] {
        let reply = browser.post_as(&path, &own(&world), &format!("{csrf}{whole}")).await;
        assert_eq!(reply.status, 403, "{csrf}");
    }
    stranger.cookie = format!("wardlock_session_{}=guess", world.dashboard.port());
    assert_eq!(stranger.post(&path, &whole).await.status, 401);
    assert_eq!((state(&world, &id).await.as_str(), world.api_calls()), ("held", before), "nothing was sent");

    let led = browser.post(&path, &whole).await;
    let its_page = format!("/drafts/{id}");
    assert_eq!(
        (led.status, led.header("location")),
        (303, Some(its_page.as_str())),
        "a reload sends no form again"
    );
    let page = text(&browser.get(&its_page).await);
    assert!(page.contains("Approved and sent") && page.contains("What the audit says of it"), "{page}");
    let again = text(&browser.get(&its_page).await);
    assert!(!again.contains("Approved and sent") && again.contains("What became of it"), "{again}");
    assert_eq!(state(&world, &id).await, "sent");
    let sent = world.api_calls();
    let again = browser.post(&path, &whole).await;
    assert_eq!((again.status, again.header("location")), (303, Some(its_page.as_str())), "a second click");
    assert_eq!(browser.post(&path, &format!("{whole}&again=")).await.status, 409, "another form");
    let stranger = Browser::signed_in(&world).await;
    assert_eq!(stranger.post(&path, &whole).await.status, 409, "another session");
    assert_eq!(world.api_calls(), sent, "an approval is used once");
    let none = browser.get("/drafts/draft_0").await;
    assert_eq!((none.status, text(&none).contains("There is no such draft")), (404, true));
    let ended = shown(&world, &id).await;
    assert_eq!(ended["decided_by"], "dashboard");
    let rows = world.host.audit().show(ended["request_id"].as_str().expect("an id")).expect("rows");
    assert_eq!(rows[0].detail.request.as_ref().expect("a request").approved_by, ["dashboard"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejecting_and_freezing_hold_at_once_and_say_who() {
    let world = drafting().await;
    let id = held(&world).await;
    let browser = Browser::signed_in(&world).await;
    assert_eq!(browser.post_as(&format!("/drafts/{id}/reject"), &own(&world), "").await.status, 403);
    assert_eq!(state(&world, &id).await, "held");
    assert_eq!(browser.post(&format!("/drafts/{id}/reject"), "").await.status, 303);
    assert!(text(&browser.get(&format!("/drafts/{id}")).await).contains("<h2 id=\"decided\">Rejected</h2>"));
    assert_eq!(state(&world, &id).await, "rejected");
    assert_eq!(browser.post("/freeze", "").await.status, 303);
    assert_eq!(world.get("/acme/zoho/crm/v8/Leads?fields=Last_Name").await.status, 403);
    assert!(text(&browser.get("/").await).contains("Everything is frozen"));
    for (what, result) in
        [("drafts.reject", "ok"), ("freeze", "ok"), ("dashboard.login", "ok"), ("dashboard.link", "ok")]
    {
        let who = if what == "dashboard.link" { "operator" } else { "dashboard" };
        let row = (what.to_owned(), who.to_owned(), result.to_owned());
        assert!(acts(&world).contains(&row), "{row:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_writes_is_text_on_every_page() {
    const HOSTILE: &str = "<script>alert(1)</script>";
    let world = drafting().await;
    let body = LEAD.replace("Ellison", HOSTILE);
    let headers = format!(
        "Content-Type: application/json\r\nAccept: application/problem+json\r\nWardlock-Purpose: {HOSTILE}\u{202e}\r\n"
    );
    let reply = world.ask("acme", "POST", "/acme/zoho/crm/v8/Leads", &headers, &body).await;
    let id = reply.json().expect("json")["draft"].as_str().expect("a draft").to_owned();
    let path = format!("/acme/zoho/crm/v8/Leads?fields={HOSTILE}");
    let asked = world.get(&path).await;
    let request = asked.header("wardlock-request-id").expect("an id").to_owned();
    let browser = Browser::signed_in(&world).await;
    let query = format!("/audit?workspace={}", "%22%3E%3Cscript%3Ealert(1)%3C/script%3E");
    for path in [format!("/drafts/{id}"), "/drafts".into(), "/audit".into(), query, format!("/requests/{request}")]
    {
        let page = text(&browser.get(&path).await);
        assert!(!page.contains(HOSTILE), "{path}");
        assert!(!page.contains('\u{202e}'), "{path}: what turns the direction of writing is shown as what it is");
    }
    let page = text(&browser.get(&format!("/drafts/{id}")).await);
    assert!(page.contains("alert(1)"), "it is shown, as text");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_rows_come_as_they_are_written_and_to_nobody_else() {
    let world = World::start(Plan::default()).await;
    let browser = Browser::signed_in(&world).await;
    assert_eq!(get(&world, "/audit/live?after=0", "").await.status, 401);
    let last = world.host.audit().count().expect("a count");
    let path = format!("/audit/live?after={last}&kind=outcome");
    let (reply, asked) = tokio::join!(browser.get(&path), async {
        tokio::time::sleep(std::time::Duration::from_millis(600)).await;
        world.get("/acme/zoho/crm/v8/Leads?fields=Last_Name").await
    });
    assert_eq!(asked.status, 200);
    let rows = reply.json().expect("json")["rows"].clone();
    assert_eq!((rows.as_array().map(Vec::len), &rows[0]["words"]), (Some(1), &"answered: ok".into()));
    assert_eq!(rows[0]["request"].as_str(), asked.header("wardlock-request-id"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_cannot_be_asked_keeps_its_form() {
    let world = World::start(Plan::default()).await;
    let browser = Browser::signed_in(&world).await;
    for (query, says) in [
        ("since=yesterday&agent=bot", "<code>yesterday</code> is no time"),
        ("kind=x&agent=bot", "no rows of kind"),
    ] {
        let reply = browser.get(&format!("/audit?{query}")).await;
        let page = text(&reply);
        assert_eq!(reply.status, 400, "{page}");
        assert!(page.contains(says) && page.contains("name=\"agent\" value=\"bot\""), "{page}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_token_is_nothing_here_and_a_session_nothing_to_agents() {
    let world = World::start(Plan::default()).await;
    let browser = Browser::signed_in(&world).await;
    let token = world.tokens["acme"].clone();
    for headers in [format!("Authorization: Bearer {token}\r\n"), format!("Wardlock-Token: {token}\r\n")] {
        assert_eq!(get(&world, "/drafts", &headers).await.status, 401);
    }
    let cookie = &browser.cookie;
    for (listener, path) in
        [(world.agents, "/acme/zoho/crm/v8/Leads?fields=Last_Name"), (world.operators, "/drafts")]
    {
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: {listener}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
        let reply = world.send_to(listener, head).await;
        assert!([401, 404].contains(&reply.status), "{listener}: {}", reply.status);
    }
    assert_eq!(get(&world, "/", &format!("Cookie: {cookie}; {cookie}\r\n")).await.status, 401, "two are none");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_and_locking_the_vault_end_sessions() {
    let mut world = World::start(Plan::default()).await;
    let browser = Browser::signed_in(&world).await;
    let other = Browser::signed_in(&world).await;
    let left = browser.post("/logout", "").await;
    assert_eq!((left.status, browser.get("/").await.status, other.get("/").await.status), (303, 401, 200));
    assert!(left.header("set-cookie").is_some_and(|set| set.contains("Max-Age=0")));
    let cookie = other.cookie.clone();
    let path = link(&world).await;
    world.gate.lock("test").await;
    let locked = get(&world, "/", &format!("Cookie: {cookie}\r\n")).await;
    assert_eq!(locked.status, 503);
    assert!(text(&locked).contains("wardlock vault unlock"));
    assert_eq!(post(&world, &path, &own(&world), "").await.status, 503);
    world.stop().await;
    world.end().await;
}

#[test]
fn the_command_says_where_and_how_and_that_it_is_off() {
    let wardlock = with_workspace();
    let off = run(&wardlock, &["dashboard"]);
    assert_eq!(off.code, Some(1));
    assert!(off.stderr.contains("the dashboard is off") && off.stderr.contains("serve --dashboard"), "{off:?}");
    let place = wardlock_tests::ports::unused();
    let listen = format!(
        "[listen]\nagents = \"{}\"\ncallback = \"{}\"\ndashboard = \"{place}\"\n",
        wardlock.agents(),
        wardlock.callback()
    );
    wardlock.write("wardlock.toml", &listen).expect("written");
    let serving = wardlock.serve(&[]).expect("it serves");
    let made = run(&wardlock, &["--json", "dashboard"]).ok().expect("a link").json().expect("json");
    let origin = format!("http://localhost:{}", place.port());
    assert!(made["link"].as_str().is_some_and(|link| link.starts_with(&format!("{origin}/login/"))), "{made}");
    let chains = run(&wardlock, &["--json", "plugin", "list"]).ok().expect("a list").json().expect("json");
    assert_eq!((&chains[0]["plugin"], &chains[0]["health"]), (&"read-only".into(), &"runs".into()), "{chains}");
    serving.stop().expect("it ends");
    let away = listen.replace(&place.to_string(), "0.0.0.0:7423");
    wardlock.write("wardlock.toml", &away).expect("written");
    let refused = run(&wardlock, &["serve", "--dashboard"]);
    assert!(refused.stderr.contains("the dashboard must be on this machine"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_is_the_dashboard_at_the_other_loopback_address() {
    let world = World::start(Plan::default()).await;
    let port = world.dashboard.port();
    let other = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    // On a machine without IPv6 there is no other address, and the dashboard is there all the same.
    if std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        let there = world.send_to(other, format!("GET / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n")).await;
        assert_eq!(there.status, 401, "it is the dashboard that answers there");
        let stranger = std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).expect("a port");
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, stranger.local_addr().expect("an address").port()));
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let taken = Running::start(Arc::clone(&world.gate), any, Some(wanted)).await;
        let refused = taken.err().expect("it does not share its name");
        assert!(refused.message.contains("failed to listen on [::1]"), "{}", refused.message);
    }
    assert_eq!(get(&world, "/", "").await.status, 401);
    world.end().await;
}
