//! No stored secret in any byte that leaves (promise 1), and proof that the search would find one.

use crate::world::{Plan, World, plugin, workspace};

const LEADS: &str = "/acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=2";

#[tokio::test(flavor = "multi_thread")]
async fn u2_echoed_token_is_cut_out_in_every_listed_form() {
    use wardlock_simulator::EchoToken as Echo;

    let world = World::start(Plan::default()).await;
    let echoes = [
        Echo::Raw,
        Echo::Base64,
        Echo::Base64Url,
        Echo::Percent,
        Echo::PercentMinimal,
        Echo::Hex,
        Echo::JsonEscaped,
        Echo::Split(1),
        Echo::Split(7),
        Echo::Header,
    ];
    for echo in echoes {
        world.simulator.switches().change(|switches| switches.echo = echo);
        let reply = world.get(LEADS).await;
        assert_eq!(reply.status, 200, "{echo:?}");
        world.canaries.scan("a reply", &reply.bytes).unwrap_or_else(|leak| panic!("{echo:?}: {leak}"));
        let exposed = reply.header("wardlock-secret-exposed");
        assert!(matches!(exposed, Some("redacted" | "false")), "{echo:?}: {exposed:?}");
        if !matches!(echo, Echo::Header) {
            assert_eq!(exposed, Some("redacted"), "{echo:?}");
        }
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_a_plugin_that_shows_all_that_it_sees_shows_no_secret() {
    // The probe denies with everything that it was shown.
    let file = workspace("acme", "eu", "", &plugin("probe", r#"{ mode = "dump" }"#));
    let plan = Plan { workspaces: vec![("acme", file)], guests: vec!["probe"], ..Plan::default() };
    let world = World::start(plan).await;
    let reply = world.get(LEADS).await;
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(text.contains("Leads"), "the dump shows the request: {text}");
    let token = &world.tokens["acme"];
    assert!(!text.contains(token.as_str()), "the agent's own token is consumed before any plugin");
    assert!(!text.to_lowercase().contains("authorization"), "{text}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secret_in_an_agents_request_is_refused_before_any_row_sees_it() {
    let world = World::start(Plan::default()).await;
    let secret = world.simulator.access_tokens().pop().expect("a token");
    let paths = [
        format!("/acme/zoho/crm/v8/Leads?fields=Last_Name&sort_by={secret}"),
        format!("/acme/zoho/crm/v8/Leads/{secret}"),
    ];
    for path in &paths {
        let reply = world.ask("acme", "GET", path, "Accept: application/problem+json\r\n", "").await;
        assert_eq!(reply.json().expect("json")["code"], "secret_in_request");
    }
    let body = format!(r#"{{"select_query":"select Last_Name from Leads where Last_Name = '{secret}'"}}"#);
    let reply =
        world.ask("acme", "POST", "/acme/zoho/crm/v8/coql", "Accept: application/problem+json\r\n", &body).await;
    assert_eq!(reply.json().expect("json")["code"], "secret_in_request");
    // `end` searches the audit's database for it.
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_leak_is_found() {
    let world = World::start(Plan::default()).await;
    let secret = world.simulator.refresh_tokens().pop().expect("a token");
    let planted = world.folder().join("home/state/leak.txt");
    std::fs::write(&planted, format!("log line: {secret}")).expect("planted");
    assert!(world.canaries.scan_folder(world.folder(), &[]).is_err(), "a planted leak was not seen");
    std::fs::remove_file(&planted).expect("removed");
    assert!(world.canaries.scan("a reply", secret.as_bytes()).is_err());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_a_plugin_sees_no_header_or_parameter_that_the_service_does_not_list() {
    let file = workspace("acme", "eu", "", &plugin("probe", r#"{ mode = "dump" }"#));
    let plan = Plan { workspaces: vec![("acme", file)], guests: vec!["probe"], ..Plan::default() };
    let world = World::start(plan).await;
    let headers = "X-Planted: planted-header\r\nCookie: planted=cookie\r\nX-Forwarded-For: planted-address\r\n\
                   If-Modified-Since: 2026-01-05T12:00:00+00:00\r\nAccept: application/problem+json\r\n";
    let reply = world.ask("acme", "GET", LEADS, headers, "").await;
    let seen = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(
        seen.contains("if-modified-since") && seen.contains("2026-01-05T12:00:00"),
        "what is listed is there: {seen}"
    );
    assert!(!seen.contains("planted"), "{seen}");
    // A parameter that the operation does not take, and a path that is none of its, refuse before any plugin is asked.
    for (target, code) in [
        (format!("{LEADS}&planted=1"), "query_not_allowed"),
        ("/acme/zoho/planted/x?planted=1".to_owned(), "unknown_operation"),
    ] {
        let reply = world.ask("acme", "GET", &target, headers, "").await;
        assert_eq!(reply.json().expect("a refusal")["code"], code);
        let rows = world.rows(&reply);
        assert!(rows[0].detail.request.as_ref().is_some_and(|request| request.plugins.is_empty()), "{rows:?}");
    }
    world.end().await;
}
