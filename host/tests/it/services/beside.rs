//! What stands there now beside what would, for services whose records are read in other ways than the CRM's: by the path, by a query,
//! as a whole.

use serde_json::{Value, json};
use wardlock::admin::Command;

use super::{ask_with, connection, draft, last_call, workspace};
use crate::world::{Plan, World};

/// The second organisation of the books of the default user in the EU, and the default user's company.
const SERVICES: &str = "200712345672";
const COMPANY: &str = "20071234567";
const CUSTOMER: &str = "1111111111";
const CAMPAIGN: &str = "/ads/it/v26.0/1201110000010001";

/// A world with these connections, each the only one of a workspace, which hold every write.
async fn drafting(connections: &[(&'static str, &'static str, &str)]) -> World {
    let one = |(name, service, more): &(&'static str, &'static str, &str)| {
        let more = format!("grant = \"{name}\"\n{more}");
        (*name, workspace(name, &[connection("it", service, &more)]))
    };
    let workspaces = connections.iter().map(one).collect();
    let services = connections.iter().map(|(_, service, _)| *service).collect();
    let connect: Vec<String> = connections.iter().map(|(name, ..)| format!("{name}/it")).collect();
    let connect = connect.into_iter().map(|place| -> &'static str { place.leak() }).collect();
    let world = World::start(Plan { workspaces, services, connect, ..Plan::default() }).await;
    for (name, ..) in connections {
        draft(&world, name, "it").await;
    }
    world
}

/// Looks at a request and returns what an agent is told; its draft tells a person the same.
async fn looked(world: &World, request: (&str, &str, &str), body: &str) -> Value {
    let (workspace, method, path) = request;
    let problem = "Accept: application/problem+json\r\n";
    let dry = format!("{problem}Wardlock-Dry-Run: true\r\n");
    let told = ask_with(world, workspace, method, path, &dry, body).await.json().expect("json");
    let held = ask_with(world, workspace, method, path, problem, body).await.json().expect("json");
    let id = held["draft"].as_str().unwrap_or_else(|| panic!("no draft: {held:#}")).to_owned();
    let shown = world.command(Command::DraftsShow { id }).await.expect("shown");
    let told = told["dry_run"].clone();
    assert_eq!((&shown["changes"], &shown["changes_note"]), (&told["changes"], &told["changes_note"]), "{told:#}");
    assert_eq!(shown["would_send"]["fields"], told["operation"]["writes"], "{told:#}");
    told
}

fn field(name: &str, current: &Value, proposed: &Value) -> Value {
    json!({ "field": name, "current": current, "proposed": proposed })
}

fn lost(name: &str, current: &Value) -> Value {
    json!({ "field": name, "current": current })
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_books_desk_and_workdrive_are_read_by_their_paths() {
    let books = format!(
        "tenant = \"{SERVICES}\"\nresources = [\"contacts\", \"invoices\", \"$identity\"]\n\
         operations = [\"organizations.get\", \"records.read\", \"records.write\", \"records.delete\"]"
    );
    let desk = "resources = [\"tickets\", \"contacts\", \"$identity\"]\n\
                operations = [\"organizations.get\", \"records.read\", \"records.write\", \"records.delete\"]";
    let drive = "resources = [\"files\", \"teamfolders\", \"teams\", \"$identity\"]\n\
                 operations = [\"identity\", \"teams.read\", \"files.read\", \"files.write\"]";
    let world = drafting(&[
        ("books", "zoho-books", &books),
        ("desk", "zoho-desk", desk),
        ("drive", "zoho-workdrive", drive),
    ])
    .await;
    books_are_read(&world).await;
    desk_is_read(&world).await;

    let file = world.simulator.records(COMPANY, "workdrive/files")[1].clone();
    let id = file["id"].as_str().expect("an id");
    let path = format!("/drive/it/workdrive/api/v1/files/{id}");
    let body = json!({ "data": { "attributes": { "name": "Renamed.pdf" }, "type": "files" } }).to_string();
    let told = looked(&world, ("drive", "PATCH", &path), &body).await;
    let row =
        json!({ "record": id, "fields": [field("name", &file["name"], &json!("Renamed.pdf"))], "problem": null });
    assert_eq!(told["changes"], json!([row]), "{told:#}");
    world.end().await;
}

async fn books_are_read(world: &World) {
    let contacts = world.simulator.records(COMPANY, &format!("books/{SERVICES}/contacts"));
    let (contact, other) = (&contacts[0], &contacts[1]);
    let id = contact["id"].as_str().expect("an id");
    let path = format!("/books/it/books/v3/contacts/{id}");
    let body = json!({ "company_name": "New Optics", "notes": "a \u{202e}note" }).to_string();
    let told = looked(world, ("books", "PUT", &path), &body).await;
    let fields = [
        field("company_name", &contact["company_name"], &json!("New Optics")),
        // The answer does not tell whether it is empty or hidden.
        json!({ "field": "notes", "proposed": "a \u{202e}note" }),
    ];
    assert_eq!(told["changes"], json!([{ "record": id, "fields": fields, "problem": null }]), "{told:#}");
    // What rules and plugins are told stays unknown, because the answer shows the whole record.
    let operation = &told["operation"];
    assert_eq!((&operation["fields"], &operation["writes"]), (&Value::Null, &json!(["company_name", "notes"])));
    assert_eq!(last_call(world).method, "GET");

    let told = looked(world, ("books", "DELETE", &path), "").await;
    let row = &told["changes"][0];
    assert_eq!((&row["record"], &row["would_be"], &row["problem"]), (&json!(id), &json!("gone"), &Value::Null));
    let all = row["fields"].as_array().expect("fields");
    assert!(all.contains(&lost("contact_name", &contact["contact_name"])), "{told:#}");
    assert!(all.iter().all(|field| field.get("proposed").is_none()), "{told:#}");

    let both = format!("/books/it/books/v3/contacts?contact_ids={id},{}", other["id"].as_str().expect("an id"));
    let told = looked(world, ("books", "DELETE", &both), "").await;
    let named: Vec<&Value> = told["changes"].as_array().expect("rows").iter().map(|row| &row["record"]).collect();
    assert_eq!(named, [&contact["id"], &other["id"]]);

    let told = looked(world, ("books", "POST", "/books/it/books/v3/contacts"), r#"{"contact_name":"N"}"#).await;
    assert_eq!((&told["changes"], &told["operation"]["writes"]), (&Value::Null, &json!(["contact_name"])));
    // Nothing is said to stand nowhere yet of what is surely there.
    let path = format!("/books/it/books/v3/contacts/contactpersons/{id}");
    let told = looked(world, ("books", "PUT", &path), r#"{"first_name":"N"}"#).await;
    let note = told["changes_note"].as_str().expect("a sentence");
    assert!(note.starts_with("not read: the service's definition") && !note.contains("nowhere"), "{note}");
}

async fn desk_is_read(world: &World) {
    let tickets = world.simulator.records(COMPANY, "desk/tickets");
    let id = tickets[0]["id"].as_str().expect("an id");
    let path = format!("/desk/it/api/v1/tickets/{id}");
    let told = looked(world, ("desk", "PATCH", &path), r#"{"status":"Closed"}"#).await;
    let row =
        json!({ "record": id, "fields": [field("status", &json!("Open"), &json!("Closed"))], "problem": null });
    assert_eq!((&told["changes"], &told["operation"]["writes"]), (&json!([row]), &json!(["status"])), "{told:#}");

    let ids = [&tickets[0]["id"], &tickets[1]["id"]];
    let body = json!({ "ticketIds": ids }).to_string();
    let told = looked(world, ("desk", "POST", "/desk/it/api/v1/tickets/moveToTrash"), &body).await;
    for (row, ticket) in told["changes"].as_array().expect("rows").iter().zip(&tickets) {
        assert_eq!((&row["record"], &row["would_be"]), (&ticket["id"], &json!("gone")), "{told:#}");
        let fields = row["fields"].as_array().expect("fields");
        assert!(fields.contains(&lost("subject", &ticket["subject"])), "{told:#}");
    }
    assert_eq!(told["changes"].as_array().map(Vec::len), Some(2), "{told:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_meta_are_read_by_the_fields_that_change() {
    let more = "tenant = \"111\"\nresources = [\"account\", \"campaigns\", \"$any_account\", \"$identity\"]\n\
                operations = [\"identity\", \"ads.read\", \"objects.read\", \"objects.write\", \"objects.delete\"]";
    let world = drafting(&[("ads", "meta-ads", more)]).await;
    let body = r#"{"name":"Renamed","daily_budget":"5000","execution_options":["include_recommendations"]}"#;
    let told = looked(&world, ("ads", "POST", CAMPAIGN), body).await;
    let id = "1201110000010001";
    let fields = [
        field("name", &json!("Acme Shoes 1"), &json!("Renamed")),
        field("daily_budget", &json!("1000"), &json!("5000")),
    ];
    assert_eq!(told["changes"], json!([{ "record": id, "fields": fields, "problem": null }]), "{told:#}");
    assert_eq!(
        last_call(&world).target.split('?').nth(1).and_then(|query| query.split('&').next()),
        Some("fields=name%2Cdaily_budget")
    );

    let told = looked(&world, ("ads", "DELETE", CAMPAIGN), "").await;
    let fields = [
        lost("name", &json!("Acme Shoes 1")),
        lost("status", &json!("ACTIVE")),
        lost("account_id", &json!("111")),
    ];
    let row = json!({ "record": id, "would_be": "gone", "fields": fields, "problem": null });
    assert_eq!(told["changes"], json!([row]), "{told:#}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_of_google_are_read_by_a_query_that_names_them() {
    let more = format!(
        "tenant = \"{CUSTOMER}\"\nparams = {{ login-customer-id = \"1000000000\" }}\n\
         resources = [\"campaign\", \"campaign_budget\", \"ad_group_ad\", \"customer\"]\n\
         operations = [\"ads.read\", \"ads.write\"]"
    );
    let world = drafting(&[("ads", "google-ads", &more)]).await;
    let rows = |collection: &str| world.simulator.google().rows(CUSTOMER, collection);
    let (campaigns, budgets) = (rows("campaigns"), rows("campaignBudgets"));
    let name = |row: &Value| row["resourceName"].clone();
    let path = |action: &str| format!("/ads/it/v26/customers/{CUSTOMER}/{action}");

    let update = json!({ "resourceName": name(&campaigns[0]), "name": "Renamed", "status": "PAUSED" });
    let body = json!({ "operations": [
        { "update": update, "updateMask": "name,end_date" },
        { "create": { "name": "New", "campaignBudget": name(&budgets[0]) } },
        { "remove": name(&campaigns[1]) },
    ] });
    let told = looked(&world, ("ads", "POST", &path("campaigns:mutate")), &body.to_string()).await;
    // What the mask does not name stays; what it names without a value is emptied.
    let changed = [
        field("name", &campaigns[0]["name"], &json!("Renamed")),
        field("endDate", &campaigns[0]["endDate"], &Value::Null),
    ];
    let made =
        [field("name", &Value::Null, &json!("New")), field("campaignBudget", &Value::Null, &name(&budgets[0]))];
    let gone =
        ["name", "status", "advertisingChannelType", "campaignBudget"].map(|of| lost(of, &campaigns[1][of]));
    let expected = json!([
        { "record": name(&campaigns[0]), "fields": changed, "problem": null },
        { "record": null, "would_be": "made", "fields": made, "problem": null },
        { "record": name(&campaigns[1]), "would_be": "gone", "fields": gone, "problem": null },
    ]);
    assert_eq!(told["changes"], expected, "{told:#}");
    assert_eq!(told["operation"]["writes"], json!(["name", "endDate", "campaignBudget"]));

    // A field within another, the other spelling of names, and the kind that a step of several names.
    let ad = rows("adGroupAds")[0].clone();
    let body = json!({ "mutateOperations": [
        { "campaignBudgetOperation": { "update": { "resource_name": name(&budgets[0]), "amount_micros": "7" } } },
        { "adGroupAdOperation": { "update": { "resourceName": name(&ad), "ad": { "name": "Ad" } } } },
        { "adGroupAdOperation": { "update": { "resourceName": "customers/1111111111/x' OR 1", "status": "PAUSED" } } },
    ] });
    let told = looked(&world, ("ads", "POST", &path("googleAds:mutate")), &body.to_string()).await;
    let first = [field("amount_micros", &budgets[0]["amountMicros"], &json!("7"))];
    let second = [field("ad.name", &ad["ad"]["name"], &json!("Ad"))];
    let rows = &told["changes"];
    assert_eq!(rows[0], json!({ "record": name(&budgets[0]), "fields": first, "problem": null }), "{told:#}");
    assert_eq!(rows[1], json!({ "record": name(&ad), "fields": second, "problem": null }), "{told:#}");
    assert_eq!(rows[2]["problem"], "not read: how it is named here tells no read of it", "{told:#}");
    world.end().await;
}
