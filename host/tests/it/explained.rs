//! `wardlock policy explain`: requests as somebody writes them, and requests that are kept.

use serde_json::{Value, json};
use wardlock::admin::{AuditFilter, Command};
use wardlock_core::id::Digest;
use wardlock_plugins::starter;
use wardlock_tests::home::Wardlock;

use crate::drafts::{allowing, drafting, held};
use crate::program::{run, with_home, with_workspace};
use crate::recorder::{LEADS, id, recording};
use crate::world::{self, Plan, World, plugin, workspace};

const CAMPAIGNS: [&str; 3] = ["ads/m", "POST", "/v26.0/act_111/campaigns"];
const FORM: &str = "name=Z&objective=OUTCOME_TRAFFIC&status=PAUSED&special_ad_categories=%5B%5D";

fn explain(wardlock: &Wardlock, args: &[&str]) -> Value {
    run(wardlock, &[&["--json", "policy", "explain"], args].concat()).json().expect("json")
}

/// A home with a connection to Meta, whose writes may come as forms. It need not be connected to be asked about.
fn with_ads() -> Wardlock {
    let wardlock = with_home();
    let component = starter("read-only").expect("a starter").bytes;
    std::fs::create_dir_all(wardlock.home().join("plugins")).expect("a folder");
    std::fs::write(wardlock.home().join("plugins/read-only.wasm"), component).expect("written");
    let file = format!(
        "workspace = \"ads\"\n[connections.m]\nlabel = \"Ads\"\nservice = \"meta-ads\"\nregion = \"everywhere\"\ngrant = \"meta\"\n\
         tenant = \"111\"\nresources = [\"campaigns\"]\noperations = [\"ads.read\", \"ads.write\"]\nwrites = \"on\"\n\
         [[connections.m.plugins]]\nname = \"read-only\"\nfile = \"read-only.wasm\"\nsha256 = \"{}\"\n",
        Digest::of(component)
    );
    wardlock.write("workspaces/ads.toml", &file).expect("written");
    wardlock
}

#[test]
fn a_body_is_what_its_header_says_and_else_what_it_reads_as() {
    let wardlock = with_ads();
    let file = |name: &str, text: &str| {
        wardlock.write(name, text).expect("written");
        wardlock.home().join(name).display().to_string()
    };
    let (form, json) = (file("form", FORM), file("json", r#"{"name":"Z","status":"PAUSED"}"#));
    let told = |body: &str, more: &[&str]| explain(&wardlock, &[&CAMPAIGNS[..], &["--body", body], more].concat());
    for (body, more, code) in [
        (&form, &[][..], "writes_off"),
        (&form, &["--header", "Content-Type: application/x-www-form-urlencoded"], "writes_off"),
        (&json, &[], "writes_off"),
        (&form, &["-H", "content-type: application/json"], "not_canonical"),
        (&form, &["-H", "Wardlock-Dry-Run: TRUE"], "bad_request"),
        (&form, &["-H", "Content-Encoding: gzip"], "bad_request"),
        (&form, &["-H", "Wardlock-Purpose: a", "--purpose", "b"], "bad_request"),
        // As the listener does with such a header.
        (&form, &["--purpose", "a\u{1b}[31mb"], "bad_request"),
    ] {
        let told = told(body, more);
        assert_eq!(told["refusal"]["code"], code, "{more:?}: {told:#}");
        let found = if code == "writes_off" { json!("campaigns.create") } else { Value::Null };
        assert!(code == "not_canonical" || told["operation"]["name"] == found, "{more:?}: {told:#}");
    }
    let hint = told(&form, &["-H", "Wardlock-Dry-Run: 1"])["refusal"]["hint"].to_string();
    assert!(hint.contains("`true`") && hint.contains("`provider`"), "{hint}");
    let line = format!(
        "curl -H 'Authorization: Bearer wl_nobody' -d '{FORM}' http://127.0.0.1:7420/{}",
        "ads/m/v26.0/act_111/campaigns"
    );
    let told = explain(&wardlock, &["--curl", &line]);
    assert_eq!(told["refusal"]["code"], "writes_off", "{told:#}");
    let wrong = run(&wardlock, &[&["policy", "explain", "--header", "no colon"], &CAMPAIGNS[..]].concat());
    assert!(wrong.code == Some(2) && wrong.stderr.contains("--header 'Name: value'"), "{wrong:?}");
}

#[test]
fn a_request_may_be_a_line_for_curl() {
    let wardlock = with_workspace();
    let own = "http://127.0.0.1:7420/acme/zoho/crm/v8/Leads";
    let upstream =
        "curl -G -d fields=Last_Name --data-urlencode 'per_page=2' https://www.zohoapis.eu/crm/v8/Leads";
    let own = format!("curl -H 'Authorization: Bearer wl_never_shown' '{own}?fields=Last_Name&per_page=2'");
    for args in [&["--curl", &own][..], &[&own], &["acme/zoho", "--curl", upstream]] {
        let told = explain(&wardlock, args);
        assert_eq!(
            (&told["decision"], &told["operation"]["name"]),
            (&json!("allow"), &json!("records.list")),
            "{told}"
        );
        assert_eq!(told["would_send"]["path_and_query"], "/crm/v8/Leads?fields=Last_Name&per_page=2", "{told}");
        assert!(!told.to_string().contains("wl_never"), "{told}");
    }
    for (args, says) in [
        (&["curl", "http://127.0.0.1:7420/acme/zoho/crm/v8/Leads"][..], "quote the whole line"),
        (&["curl", "-X", "GET", "http://127.0.0.1:7420/acme/zoho/crm/v8/Leads"], "quote the whole line"),
        (&["--curl", "curl http://h/"], "the connection before `--curl`"),
        (&["--curl", "curl -F a=b http://h/acme/zoho/x"], "`-F` is not read here"),
        (&["--curl", &own, "--purpose", "a"], "a line for curl has its own headers"),
        (&["acme/zoho"], "by itself, or `--curl LINE`"),
        (&["acme/zoho", "GET"], "by itself, or `--curl LINE`"),
        (&["req_1"], "32 hexadecimal digits"),
        (&["req_387f32d309ba8165e2dfe5ef891b3ae0", "--agent", "a"], "has its own agent"),
    ] {
        let told = run(&wardlock, &[&["policy", "explain"], args].concat());
        assert!(told.code == Some(2) && told.stderr.contains(says), "{args:?}: {told:?}");
    }
    let none = run(&wardlock, &["policy", "explain", "req_387f32d309ba8165e2dfe5ef891b3ae0"]);
    assert!(none.code == Some(1) && none.stderr.contains("there is no record of request"), "{none:?}");
}

#[test]
fn a_freeze_is_told_wherever_a_connection_is() {
    let wardlock = with_workspace();
    let listed = run(&wardlock, &["connections", "list"]).ok().expect("listed").stdout;
    assert!(
        listed.lines().next().is_some_and(|head| head.contains("FROZEN")) && !listed.contains("yes"),
        "{listed}"
    );
    run(&wardlock, &["freeze", "acme"]).ok().expect("frozen");
    let told = explain(&wardlock, &["acme/zoho", "GET", "/crm/v8/Leads?fields=Last_Name&per_page=2"]);
    let refusal = &told["refusal"];
    assert_eq!(
        (&told["decision"], &refusal["code"], &refusal["rule"]),
        (&json!("deny"), &json!("frozen"), &json!("freeze"))
    );
    assert_eq!(refusal["hint"], "nothing passes until `wardlock thaw acme`");
    assert_eq!((&told["rules"][0]["word"], &told["would_send"]), (&json!("refuses"), &Value::Null), "{told}");
    assert_eq!(told["changes_note"], "not read: it would not be sent");
    let show = |json: bool| {
        let args = if json {
            &["--json", "connections", "show", "acme/zoho"][..]
        } else {
            &["connections", "show", "acme/zoho"]
        };
        run(&wardlock, args).ok().expect("shown")
    };
    let shown = show(true).json().expect("json");
    assert_eq!((&shown["frozen"], &shown["stale"]), (&json!(["acme"]), &Value::Null), "{shown}");
    let items = shown["readiness"]["items"].as_array().expect("items").iter();
    let freeze = items.filter(|item| item["item"] == "freeze").collect::<Vec<_>>();
    let words = "everything is denied until `wardlock thaw acme`";
    assert_eq!(freeze, [&json!({ "item": "freeze", "holds": false, "words": words })]);
    assert!(show(false).stdout.contains("\nfrozen: yes, until `wardlock thaw acme`\n"));
    let listed = run(&wardlock, &["connections", "list"]).ok().expect("listed").stdout;
    assert!(listed.contains("yes"), "{listed}");
    run(&wardlock, &["thaw", "acme"]).ok().expect("thawed");
    assert!(show(false).stdout.contains("\nfrozen: no\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_would_serve_says_that_it_is_frozen() {
    let world = World::start(Plan::default()).await;
    for (command, state) in
        [(Command::Freeze { workspace: None }, "frozen"), (Command::Thaw { workspace: None }, "serves")]
    {
        world.command(command).await.expect("done");
        let listed = world.command(Command::ConnectionsList).await.expect("listed");
        assert_eq!(listed[0]["state"], state, "{listed}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_request_is_explained_as_its_agent_sent_it() {
    let plugins = plugin("field-mask", r#"{ hide = ["Email"] }"#) + &plugin("read-only", "{}");
    let world = recording(&plugins, "\n[recorder]\nkeep = \"7d\"\n").await;
    let of = async |request_id: String| world.command(Command::PolicyExplainRequest { request_id }).await;
    let sent = world.ask("acme", "GET", LEADS, "Wardlock-Purpose: weekly report\r\n", "").await;
    let told = of(id(&sent)).await.expect("explained");
    assert_eq!((&told["decision"], &told["agent"]), (&json!("allow"), &json!("agent-acme")), "{told:#}");
    assert_eq!(told["canonical"]["query"], json!([["fields", "Last_Name,Email"], ["per_page", "2"]]), "{told:#}");
    let filter = Box::new(AuditFilter { limit: 50, ..AuditFilter::default() });
    let acts = world.command(Command::AuditList { filter }).await.expect("rows");
    assert!(acts.to_string().contains("policy.explain"), "it shows what another asked: {acts}");
    // Where no plugin may see bodies, none is recorded.
    let body = r#"{"select_query":"select Last_Name from Leads where Last_Name is not null limit 2"}"#;
    let query =
        world.ask("acme", "POST", "/acme/zoho/crm/v8/coql", "Content-Type: application/json\r\n", body).await;
    let failure = of(id(&query)).await.expect_err("no body");
    assert!(failure.message.contains("its body was not recorded"), "{}", failure.message);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drafts_request_is_explained_as_it_waits() {
    let world = drafting(&allowing()).await;
    let body = r#"{"data":[{"Last_Name":"Ellison","Company":"Nordwind"}]}"#;
    let draft = held(&world, body).await;
    let told = world.command(Command::PolicyExplainDraft { id: draft }).await.expect("explained");
    assert_eq!((&told["decision"], &told["agent"]), (&json!("hold"), &json!("agent-acme")), "{told:#}");
    assert_eq!(told["would_send"]["body_bytes"], body.len(), "{told:#}");
    let none = world.command(Command::PolicyExplainDraft { id: "draft_0".to_owned() }).await.expect_err("none");
    assert_eq!(none.message, "there is no draft `draft_0`");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_to_try_again_is_told_as_agents_are_told() {
    let later = plugin("probe", r#"{ mode = "deny", code = "later", retry_after_seconds = 60 }"#);
    let workspaces = vec![("acme", workspace("acme", "eu", "", &later))];
    let world = World::start(Plan { workspaces, guests: vec!["probe"], ..Plan::default() }).await;
    let agents = world.ask("acme", "GET", LEADS, "Accept: application/problem+json\r\n", "").await;
    let agents = agents.json().expect("json");
    let told = world
        .command(world::explain("agent-acme", "GET", &LEADS.replace("/acme/zoho", ""), ""))
        .await
        .expect("explained");
    for told in [&agents, &told["refusal"]] {
        assert_eq!((&told["retryable"], &told["retry_after"]), (&json!(true), &json!(60)), "{told}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_secret_in_what_is_asked_reaches_no_plugin_and_no_explanation() {
    let world = World::start(Plan::default()).await;
    let secret = world.simulator.refresh_tokens().pop().expect("a grant");
    let target = LEADS.replace("/acme/zoho", "");
    let with = |header: Option<&str>, why: Option<&str>| {
        let mut question = world::explain("agent-acme", "GET", &target, "");
        if let Command::PolicyExplain { headers, purpose, .. } = &mut question {
            headers.extend(header.map(|value| ("If-Modified-Since".to_owned(), value.to_owned())));
            *purpose = why.map(str::to_owned);
        }
        question
    };
    let told = world.command(with(Some("yesterday"), Some("a report"))).await.expect("explained");
    assert_eq!(told["decision"], json!("allow"), "{told:#}");
    for question in [
        world::explain("agent-acme", "GET", &format!("{target}&cvid={secret}"), ""),
        world::explain(
            "agent-acme",
            "POST",
            "/crm/v8/Leads",
            &format!(r#"{{"data":[{{"Last_Name":"{secret}"}}]}}"#),
        ),
        with(None, Some(&format!("because of {secret}"))),
        with(Some(&secret), None),
    ] {
        let told = world.command(question).await.expect("explained");
        assert_eq!((&told["decision"], &told["refusal"]["code"]), (&json!("deny"), &json!("secret_in_request")));
        assert_eq!((&told["plugins"], &told["canonical"]), (&json!([]), &Value::Null), "{told:#}");
        assert!(!told.to_string().contains(&secret), "it is told to nobody");
    }
    world.end().await;
}
