//! Several services on one grant: one consent for all, each connection with its own host and tenant.

use std::collections::BTreeSet;

use serde_json::Value;
use wardlock::admin::Command;

use super::{ask, ask_with, came, connection, last_call, refused, renews_once, workspace};
use crate::world::{Plan, World};

/// The company of the default user in the EU, and the second organisation of its books.
const COMPANY: &str = "20071234567";
const SERVICES: &str = "200712345672";

/// Its portal in Desk, and what is done there.
const PORTAL: &str = "720071234567";
const TICKETS_ONLY: &str =
    "resources = [\"tickets\", \"$identity\"]\noperations = [\"identity\", \"tickets.read\"]";

const LEADS: &str = "/acme/crm/crm/v8/Leads?fields=Last_Name&per_page=2";
const CONTACTS: &str = "/acme/books/books/v3/contacts?per_page=2";
const JOURNEYS: &str = "/acme/marketing/api/v1/journeys?range=5";
const TICKETS: &str = "/acme/desk/api/v1/tickets?limit=2";

/// The scopes of Marketing Automation as an operator would ask for them.
const MARKETING: [&str; 6] = [
    "AaaServer.profile.READ",
    "ZohoMarketingAutomation.campaign.ALL",
    "ZohoMarketingAutomation.journey.CREATE",
    "ZohoMarketingAutomation.journey.READ",
    "ZohoMarketingAutomation.lead.ALL",
    "ZohoMarketingAutomation.wa.READ",
];

fn file() -> String {
    let zoho = |name: &str, service: &str, more: &str| {
        connection(name, service, &format!("grant = \"acme-zoho\"\n{more}"))
    };
    let books = format!(
        "tenant = \"{SERVICES}\"\nresources = [\"contacts\", \"$identity\"]\noperations = [\"identity\", \"records.read\"]"
    );
    let marketing = format!(
        "scopes = {MARKETING:?}\nresources = [\"leads\", \"lists\", \"journeys\", \"assistants\", \"campaigns\"]\n\
         operations = [\"leads.read\", \"journeys.read\", \"assistants.read\", \"campaigns.read\"]"
    );
    workspace(
        "acme",
        &[
            zoho("crm", "zoho-crm", "resources = [\"Leads\"]\noperations = [\"metadata\", \"records.read\"]"),
            zoho("books", "zoho-books", &books),
            zoho("desk", "zoho-desk", &format!("tenant = \"{PORTAL}\"\n{TICKETS_ONLY}")),
            zoho("tickets", "zoho-desk", TICKETS_ONLY),
            zoho(
                "pinned",
                "zoho-workdrive",
                "tenant = \"1\"\nresources = [\"teams\"]\noperations = [\"teams.read\"]",
            ),
            zoho(
                "drive",
                "zoho-workdrive",
                "resources = [\"teams\", \"teamfolders\", \"files\"]\noperations = [\"teams.read\", \"files.read\"]",
            ),
            zoho("marketing", "zoho-marketing-automation", &marketing),
            connection(
                "ads",
                "google-ads",
                "grant = \"acme-zoho\"\ntenant = \"1111111111\"\nresources = [\"campaign\"]\noperations = [\"ads.read\"]",
            ),
        ],
    )
}

fn texts(value: &Value) -> BTreeSet<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_consent_serves_several_services_of_one_provider_and_no_other() {
    let plan = Plan {
        workspaces: vec![("acme", file())],
        services: vec!["zoho-crm", "google-ads"],
        connect: vec!["acme/crm"],
        ..Plan::default()
    };
    let world = World::start(plan).await;
    let asked = world.simulator.recordings().into_iter().find(|seen| seen.path().ends_with("/oauth/v2/auth"));
    let asked = url::Url::parse(&format!("http://page{}", asked.expect("a consent").target)).expect("a URL");
    let scope = asked.query_pairs().find(|(name, _)| name == "scope").expect("scopes").1.into_owned();
    let asked: BTreeSet<&str> = scope.split(',').collect();
    for needed in MARKETING.into_iter().chain([
        "ZohoCRM.modules.leads.READ",
        "ZohoBooks.contacts.READ",
        "WorkDrive.files.READ",
    ]) {
        assert!(asked.contains(needed), "{needed} is not asked for: {asked:?}");
    }
    assert!(!scope.contains("adwords"), "{scope}");
    assert_eq!(world.simulator.token_calls(), 1, "one consent for all");

    let drive =
        format!("/acme/drive/workdrive/api/v1/teams/{}/teamfolders", world.simulator.workdrive_team(COMPANY));
    for (path, host) in [
        (LEADS, "www.zohoapis.eu"),
        (CONTACTS, "www.zohoapis.eu"),
        (drive.as_str(), "www.zohoapis.eu"),
        (JOURNEYS, "marketingautomation.zoho.eu"),
        (TICKETS, "desk.zoho.eu"),
    ] {
        came(&ask(&world, "acme", "GET", path, "").await, 200, "ok");
        assert_eq!(last_call(&world).host, host, "{path}");
    }
    assert_eq!(last_call(&world).header("orgid"), Some(PORTAL));
    // A header that changes what the request is about is sent as it was judged.
    ask_with(
        &world,
        "acme",
        "GET",
        "/acme/crm/crm/v8/Leads/42?fields=Last_Name",
        "X-EXTERNAL: Leads.Email\r\n",
        "",
    )
    .await;
    let call = last_call(&world);
    assert_eq!((call.path(), call.header("x-external")), ("/crm/v8/Leads/42", Some("Leads.Email")));
    // Each service was asked itself: so Desk's portal is known without a word in the file, and a wrong user of WorkDrive is found.
    came(&ask(&world, "acme", "GET", "/acme/tickets/api/v1/tickets?limit=2", "").await, 200, "ok");
    assert_eq!(last_call(&world).header("orgid"), Some(PORTAL));
    refused(&world, "acme", ("GET", "/acme/pinned/workdrive/api/v1/teams/1", "", ""), "tenant_mismatch").await;
    came(&ask(&world, "acme", "GET", CONTACTS, "").await, 200, "ok");
    assert!(last_call(&world).target.ends_with(&format!("organization_id={SERVICES}")));
    let other = format!("{CONTACTS}&organization_id={COMPANY}");
    refused(&world, "acme", ("GET", &other, "", ""), "tenant_mismatch").await;
    // The token is one, whoever renews it.
    renews_once(&world, "acme", CONTACTS).await;
    let calls = world.simulator.token_calls();
    came(&ask(&world, "acme", "GET", JOURNEYS, "").await, 200, "ok");
    assert_eq!(world.simulator.token_calls(), calls);

    shown(&world).await;
    world.end().await;
}

/// What operators see of it.
async fn shown(world: &World) {
    let list = world.command(Command::ConnectionsList).await.expect("a list");
    for row in list.as_array().expect("rows") {
        let name = row["connection"].as_str().expect("a name");
        let state = row["state"].as_str().expect("a state");
        let why_not = match name {
            "acme/ads" => "`acme-zoho` is for service `zoho-crm`",
            "acme/pinned" => "is another account than the one",
            _ => "",
        };
        if why_not.is_empty() {
            assert_eq!((state, &row["scopes_missing"]), ("serves", &Value::Array(Vec::new())), "{row}");
        } else {
            assert!(state.contains(why_not), "{row}");
        }
    }
    let show = |connection: &str| Command::ConnectionsShow {
        workspace: "acme".to_owned(),
        connection: connection.to_owned(),
        agent: None,
    };
    let marketing = world.command(show("marketing")).await.expect("shown");
    assert_eq!(texts(&marketing["scopes_asked"]), BTreeSet::from(MARKETING));
    assert!(texts(&marketing["scopes"]).is_superset(&BTreeSet::from(MARKETING)), "{marketing}");
    let books = world.command(show("books")).await.expect("shown");
    assert_eq!((&books["tenant"], &books["grant"]), (&SERVICES.into(), &"acme-zoho".into()));

    // The grant of another provider serves nothing, and says why.
    let search = "/acme/ads/v26/customers/1111111111/googleAds:search";
    let query = r#"{"query":"SELECT campaign.id FROM campaign LIMIT 1"}"#;
    refused(world, "acme", ("POST", search, "", query), "tenant_mismatch").await;
    let failure = world.connect("acme/ads").await.expect_err("another provider's grant");
    assert!(failure.message.contains("acme-zoho"), "{failure:?}");
    came(&ask(world, "acme", "GET", LEADS, "").await, 200, "ok");
}
