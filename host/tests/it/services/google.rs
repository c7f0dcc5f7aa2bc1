//! Google Ads: agents of two workspaces, on one login of a manager that reaches both of their customers.

use serde_json::{Value, json};
use wardlock_simulator::{ApiAnswer, EchoPart, EchoToken};

use super::{ask, ask_with, came, connection, draft, last_call, refused, workspace, write};
use crate::world::{Plan, World};

const MANAGER: &str = "1000000000";
/// The customer of workspace `shoes`.
const SHOES: &str = "1111111111";
/// The customer of workspace `bikes`, under the same manager.
const BIKES: &str = "2222222222";

/// Both on the grant `agency`; `shoes` connects it.
async fn start() -> World {
    let one = |name: &'static str, customer: &str| {
        let more = format!(
            "grant = \"agency\"\ntenant = \"{customer}\"\nparams = {{ login-customer-id = \"{MANAGER}\" }}\n\
             resources = [\"campaign\", \"campaign_budget\", \"ad_group\", \"customer\", \"$identity\", \"$customers\"]\n\
             operations = [\"metadata\", \"ads.read\", \"ads.write\", \"customers.list_accessible\"]"
        );
        (name, workspace(name, &[connection("ads", "google-ads", &more)]))
    };
    let workspaces = vec![one("shoes", SHOES), one("bikes", BIKES)];
    let plan = Plan { workspaces, services: vec!["google-ads"], connect: vec!["shoes/ads"], ..Plan::default() };
    World::start(plan).await
}

fn path(workspace: &str, customer: &str, action: &str) -> String {
    format!("/{workspace}/ads/v26/customers/{customer}/{action}")
}

fn gaql(query: &str) -> String {
    json!({"query": query}).to_string()
}

/// Searches, and returns the answer.
async fn search(world: &World, workspace: &str, customer: &str, query: &str) -> Value {
    let path = path(workspace, customer, "googleAds:search");
    came(&ask(world, workspace, "POST", &path, &gaql(query)).await, 200, "ok")
}

const CAMPAIGNS: &str = "SELECT campaign.id, campaign.name FROM campaign LIMIT 50";

#[tokio::test(flavor = "multi_thread")]
async fn two_workspaces_on_one_manager_reach_each_its_own_customer_only() {
    let world = start().await;
    for (workspace, customer, count) in [("shoes", SHOES, 3), ("bikes", BIKES, 2)] {
        let found = search(&world, workspace, customer, CAMPAIGNS).await;
        assert_eq!(found["results"].as_array().map(Vec::len), Some(count), "{found}");
        let call = last_call(&world);
        assert_eq!(call.host, "googleads.googleapis.com");
        assert_eq!(call.header("login-customer-id"), Some(MANAGER));
        assert!(call.header("developer-token").is_some(), "{call:?}");
    }
    let developer_token = last_call(&world).header("developer-token").expect("a token").to_owned();

    // What an agent says of these is not sent, and what names a second account neither.
    let own = "developer-token: AAAAAAAAAAAAAAAAAAAAAA\r\nlogin-customer-id: 9000000000\r\n\
               linked-customer-id: 2222222222\r\n";
    let shoes = path("shoes", SHOES, "googleAds:search");
    came(&ask_with(&world, "shoes", "POST", &shoes, own, &gaql(CAMPAIGNS)).await, 200, "ok");
    let call = last_call(&world);
    assert_eq!(call.header("login-customer-id"), Some(MANAGER));
    assert_eq!(call.header("developer-token"), Some(developer_token.as_str()));
    assert_eq!(call.header("linked-customer-id"), None);

    for (workspace, own, other) in [("shoes", SHOES, BIKES), ("bikes", BIKES, SHOES)] {
        neither_reaches(&world, workspace, own, other).await;
    }
    assert_eq!(world.simulator.google().mutations(), []);
    // Nothing that was sent names another customer than its own path's.
    for seen in world.simulator.recordings() {
        let Some(rest) = seen.path().strip_prefix("/v26/customers/") else { continue };
        let other = if rest.starts_with(SHOES) { BIKES } else { SHOES };
        let named = seen.raw.windows(other.len()).any(|window| window == other.as_bytes());
        assert!(!named, "{} names {other}", seen.target);
    }
    world.end().await;
}

/// Fails if any way that is known leads from one customer to another.
async fn neither_reaches(world: &World, workspace: &str, own: &str, other: &str) {
    for customer in [other, MANAGER, "9999999999"] {
        for action in ["googleAds:search", "googleAds:searchStream"] {
            let path = path(workspace, customer, action);
            refused(world, workspace, ("POST", &path, "", &gaql(CAMPAIGNS)), "tenant_mismatch").await;
        }
    }
    let search = path(workspace, own, "googleAds:search");
    for query in [
        format!("SELECT campaign.id FROM campaign WHERE customer.id = {other}"),
        format!("SELECT campaign.id FROM campaign WHERE customer.id IN ({own}, {other})"),
        format!("SELECT campaign.id FROM campaign WHERE customer.id != {own}"),
        format!("SELECT campaign.id FROM campaign WHERE campaign.resource_name = 'customers/{other}/campaigns/1'"),
        format!("SELECT campaign.id FROM campaign WHERE campaign.resource_name LIKE 'CUSTOMERS/{other}/%'"),
    ] {
        refused(world, workspace, ("POST", &search, "", &gaql(&query)), "tenant_mismatch").await;
    }
    for query in ["SELECT customer_client.id FROM customer_client", "SELECT customer_client.id FROM customer"] {
        refused(world, workspace, ("POST", &search, "", &gaql(query)), "resource_not_allowed").await;
    }
    // A body may name it by the side of the query, in either spelling.
    for (body, code) in [
        (json!({"query": CAMPAIGNS, "customerId": other}), "tenant_mismatch"),
        (json!({"query": CAMPAIGNS, "customer_id": own}), "body_type"),
    ] {
        refused(world, workspace, ("POST", &search, "", &body.to_string()), code).await;
    }
    let mutate = path(workspace, own, "campaigns:mutate");
    let names = format!("customers/{other}/campaigns/1");
    for operation in [
        json!({"remove": names}),
        json!({"update": {"resourceName": names, "name": "x"}, "updateMask": "name"}),
        json!({"update": {"resource_name": names, "name": "x"}, "updateMask": "name"}),
        json!({"create": {"name": "x", "campaignBudget": format!("customers/{other}/campaignBudgets/1")}}),
        json!({"create": {"name": "x", "campaign_budget": format!("Customers/{other}/campaignBudgets/1")}}),
    ] {
        let one = json!({"operations": [operation]}).to_string();
        refused_write(world, workspace, &mutate, &one).await;
        let several = json!({"mutateOperations": [{"campaignOperation": operation}]}).to_string();
        refused_write(world, workspace, &path(workspace, own, "googleAds:mutate"), &several).await;
    }
}

/// A write would be refused for its tenant, too, if writes were on: asked of the same rules.
async fn refused_write(world: &World, workspace: &str, path: &str, body: &str) {
    refused_by(world, workspace, path, body);
    refused(world, workspace, ("POST", path, "", body), "tenant_mismatch").await;
}

fn refused_by(world: &World, workspace: &str, path: &str, body: &str) {
    let target = path.strip_prefix(&format!("/{workspace}/ads")).expect("its own path");
    let judged = super::judged(world, &format!("{workspace}/ads"), "POST", target, body);
    assert_eq!(judged.map(|_| ()).map_err(|refusal| refusal.code.as_str()), Err("tenant_mismatch"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn google_ads_is_queried_and_mutated_and_says_what_failed() {
    let world = start().await;
    let stream = path("shoes", SHOES, "googleAds:searchStream");
    let rows = came(&ask(&world, "shoes", "POST", &stream, &gaql(CAMPAIGNS)).await, 200, "ok");
    assert_eq!(rows[0]["results"].as_array().map(Vec::len), Some(3), "{rows}");
    let campaign = rows[0]["results"][0]["campaign"]["resourceName"].as_str().expect("a name").to_owned();
    // What Google's own clients add to the query goes no further.
    let with_alt = format!("{stream}?%24alt=json%3Benum-encoding%3Dint");
    came(&ask(&world, "shoes", "POST", &with_alt, &gaql(CAMPAIGNS)).await, 200, "ok");
    assert!(!last_call(&world).target.contains('?'));
    let listed = came(
        &ask(&world, "shoes", "GET", "/shoes/ads/v26/customers:listAccessibleCustomers", "").await,
        200,
        "ok",
    );
    assert_eq!(listed["resourceNames"][0], format!("customers/{MANAGER}"));

    let wrong = gaql("SELECT campaign.nothing FROM campaign LIMIT 1");
    let search = path("shoes", SHOES, "googleAds:search");
    let said = came(&ask(&world, "shoes", "POST", &search, &wrong).await, 400, "failed");
    assert_eq!(said["error"]["status"], "INVALID_ARGUMENT");
    came(&ask(&world, "shoes", "POST", &stream, &wrong).await, 400, "failed");
    world.simulator.switches().change(|switches| switches.api_answers.push_back(ApiAnswer::RateLimited));
    let reply = ask(&world, "shoes", "POST", &search, &gaql(CAMPAIGNS)).await;
    came(&reply, 429, "failed");
    assert_eq!(reply.header("retry-after"), Some("30"), "the body says so, and no header");

    // A stale token is renewed once for both workspaces.
    world.simulator.expire_access_tokens();
    let calls = world.simulator.token_calls();
    for (workspace, customer) in [("shoes", SHOES), ("bikes", BIKES)] {
        super::google::search(&world, workspace, customer, CAMPAIGNS).await;
    }
    assert_eq!(world.simulator.token_calls(), calls + 1);

    let operation = |name: &str| json!({"update": {"resourceName": campaign, "name": name}, "updateMask": "name"});
    let body = json!({"operations": [operation("Written")]}).to_string();
    let target = format!("/v26/customers/{SHOES}/campaigns:mutate");
    refused(&world, "shoes", ("POST", &format!("/shoes/ads{target}"), "", &body), "writes_off").await;
    let (sent, answer) = write(&world, "shoes/ads", "POST", &target, &body).await;
    assert_eq!((sent.answer.status(), sent.reading.outcome.as_str()), (200, "ok"), "{answer}");
    let body = json!({"partialFailure": true, "operations": [operation("Again"),
        {"remove": format!("customers/{SHOES}/campaigns/7")}]});
    let (sent, answer) = write(&world, "shoes/ads", "POST", &target, &body.to_string()).await;
    assert_eq!((sent.answer.status(), sent.reading.outcome.as_str()), (200, "partial"), "{answer}");
    let failures = sent.reading.failures.as_ref().expect("which failed");
    assert_eq!((failures.failed, failures.of, failures.first[0].number), (1, 2, 2), "{answer}");
    assert_eq!(failures.first[0].code.as_deref(), Some("RESOURCE_NOT_FOUND"), "{answer}");
    let rows = world.simulator.google().rows(SHOES, "campaigns");
    assert!(rows.iter().any(|row| row["name"] == "Again"), "{rows:?}");

    for part in [EchoPart::Token, EchoPart::Second] {
        world.simulator.switches().change(|switches| {
            switches.echo = EchoToken::Raw;
            switches.echo_part = part;
        });
        let reply = ask(&world, "shoes", "POST", &search, &gaql(CAMPAIGNS)).await;
        assert_eq!(reply.header("wardlock-secret-exposed"), Some("redacted"), "{part:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn google_ads_checks_a_write_where_a_dry_run_asks_for_that_and_does_nothing() {
    let world = start().await;
    let target = path("shoes", SHOES, "campaigns:mutate");
    let found = search(&world, "shoes", SHOES, CAMPAIGNS).await;
    let campaign = found["results"][0]["campaign"]["resourceName"].clone();
    let update = |name: &Value| {
        json!({"operations": [{"update": {"resourceName": name, "name": "Checked"}, "updateMask": "name"}]})
            .to_string()
    };
    let looked = async |header: &str, body: &str| {
        let headers = format!("Accept: application/problem+json\r\n{header}");
        let reply = ask_with(&world, "shoes", "POST", &target, &headers, body).await;
        reply.json().expect("json")["dry_run"].clone()
    };
    let (by_provider, here) = ("Wardlock-Dry-Run: provider\r\n", "Wardlock-Dry-Run: true\r\n");
    refused(&world, "shoes", ("POST", &target, by_provider, &update(&campaign)), "writes_off").await;

    draft(&world, "shoes", "ads").await;
    let calls = world.api_calls();
    let only_here = looked(here, &update(&campaign)).await;
    assert_eq!((&only_here["provider"], world.api_calls()), (&Value::Null, calls + 1), "one read");
    let passes = looked(by_provider, &update(&campaign)).await;
    let said = &passes["provider"];
    assert_eq!(
        (&said["asked"], &said["status"], &said["outcome"]),
        (&json!(true), &json!(200), &json!("ok")),
        "{passes:#}"
    );
    assert_eq!(world.api_calls(), calls + 3, "a read and the check");
    let nowhere = json!(format!("customers/{SHOES}/campaigns/9999999"));
    let fails = looked(by_provider, &update(&nowhere)).await;
    assert_eq!(
        (&fails["provider"]["asked"], &fails["provider"]["outcome"]),
        (&json!(true), &json!("failed")),
        "{fails:#}"
    );
    world.simulator.switches().change(|it| {
        it.api_answers.extend([ApiAnswer::Normal, ApiAnswer::Bytes(b"nonsense".to_vec())]);
    });
    let broken = looked(by_provider, &update(&campaign)).await;
    let (asked, note) = (&broken["provider"]["asked"], broken["provider"]["note"].as_str().unwrap_or_default());
    assert!(*asked == true && note.starts_with("asked, and no answer can be told"), "{broken:#}");
    assert_eq!(world.simulator.google().mutations(), [], "it only checked");

    let id = said["request_id"].as_str().expect("an id");
    let rows = world.host.audit().show(id).expect("rows");
    assert_eq!((rows.len(), rows[0].effect.as_deref()), (2, Some("read")), "the check has rows of its own");
    // What an agent marks so itself stays a write.
    let own = update(&campaign).replace("{\"operations\"", "{\"validateOnly\":true,\"operations\"");
    refused(&world, "shoes", ("POST", &target, "", &own), "held").await;
    world.end().await;
}
