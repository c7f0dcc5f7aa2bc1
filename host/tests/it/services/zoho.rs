//! Books, Desk, `WorkDrive` and Marketing Automation, each with a workspace and a login of its own.

use serde_json::json;
use wardlock_simulator::{ApiAnswer, EchoPart, EchoToken};

use super::{ask, ask_with, came, connection, last_call, refused, renews_once, workspace, write};
use crate::world::{Plan, World};

/// The company of the default user in the EU.
const COMPANY: &str = "20071234567";
/// The second organisation of its books.
const SERVICES: &str = "200712345672";

const CONTACTS: &str = "/books/it/books/v3/contacts?per_page=2";
const TICKETS: &str = "/desk/it/api/v1/tickets?limit=2";
const LISTS: &str = "/marketing/it/api/v1/getmailinglists?resfmt=JSON&range=2";

async fn start() -> World {
    let one = |name: &'static str, service: &str, more: &str| {
        let more = format!("grant = \"{name}\"\n{more}");
        (name, workspace(name, &[connection("it", service, &more)]))
    };
    let books = format!(
        "tenant = \"{SERVICES}\"\nresources = [\"contacts\", \"invoices\", \"$identity\"]\n\
         operations = [\"identity\", \"records.read\", \"records.write\"]"
    );
    let desk = "resources = [\"tickets\", \"contacts\", \"departments\", \"$identity\"]\n\
                operations = [\"metadata\", \"tickets.read\", \"tickets.write\"]";
    let drive = "resources = [\"files\", \"teamfolders\", \"teams\", \"$identity\"]\n\
                 operations = [\"identity\", \"teams.read\", \"files.read\", \"content.read\", \"files.write\"]";
    let marketing = "resources = [\"leads\", \"lists\", \"campaigns\", \"$identity\"]\n\
                     operations = [\"identity\", \"leads.read\", \"leads.write\", \"campaigns.read\"]";
    let workspaces = vec![
        one("books", "zoho-books", &books),
        one("desk", "zoho-desk", desk),
        one("drive", "zoho-workdrive", drive),
        one("marketing", "zoho-marketing-automation", marketing),
    ];
    let services = vec!["zoho-books", "zoho-desk", "zoho-workdrive", "zoho-marketing-automation"];
    let connect = vec!["books/it", "desk/it", "drive/it", "marketing/it"];
    World::start(Plan { workspaces, services, connect, ..Plan::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn zoho_services_are_read_and_written_and_keep_to_their_tenant() {
    let world = start().await;
    books(&world).await;
    desk(&world).await;
    drive(&world).await;
    marketing(&world).await;
    for (workspace, path) in [("books", CONTACTS), ("desk", TICKETS), ("marketing", LISTS)] {
        renews_once(&world, workspace, path).await;
    }
    renews_once(&world, "drive", &folders(&world)).await;
    world.end().await;
}

async fn books(world: &World) {
    let found = came(&ask(world, "books", "GET", CONTACTS, "").await, 200, "ok");
    assert_eq!(found["contacts"].as_array().map(Vec::len), Some(2), "{found}");
    let call = last_call(world);
    assert_eq!(call.host, "www.zohoapis.eu");
    assert_eq!(call.target, format!("/books/v3/contacts?per_page=2&organization_id={SERVICES}"));
    assert!(call.header("authorization").is_some_and(|value| value.starts_with("Zoho-oauthtoken ")));

    // Who says the same is not sent on twice; who says another is refused.
    let same = format!("/books/it/books/v3/contacts?organization_id={SERVICES}&per_page=2");
    came(&ask(world, "books", "GET", &same, "").await, 200, "ok");
    assert_eq!(last_call(world).target.matches("organization_id").count(), 1);
    for path in [
        format!("/books/it/books/v3/contacts?organization_id={COMPANY}"),
        format!("/books/it/books/v3/organizations/{COMPANY}"),
    ] {
        refused(world, "books", ("GET", &path, "", ""), "tenant_mismatch").await;
    }
    let twice = format!("/books/it/books/v3/contacts?organization_id={SERVICES}&organization_id={COMPANY}");
    refused(world, "books", ("GET", &twice, "", ""), "not_canonical").await;
    // An older name for the same thing is dropped, like any header that is not listed.
    let header = format!("X-com-zoho-books-organizationid: {COMPANY}\r\n");
    came(&ask_with(world, "books", "GET", CONTACTS, &header, "").await, 200, "ok");
    assert_eq!(last_call(world).header("x-com-zoho-books-organizationid"), None);

    let missing = came(&ask(world, "books", "GET", "/books/it/books/v3/contacts/1", "").await, 404, "failed");
    assert_eq!(missing["code"], 1002);
    let body = json!({"contact_name": "Written"}).to_string();
    refused(world, "books", ("POST", "/books/it/books/v3/contacts", "", &body), "writes_off").await;
    let (sent, answer) = write(world, "books/it", "POST", "/books/v3/contacts", &body).await;
    assert_eq!((sent.answer.status(), sent.reading.outcome.as_str()), (201, "ok"), "{answer}");
    let written = |organization: &str| {
        let records = world.simulator.records(COMPANY, &format!("books/{organization}/contacts"));
        records.iter().filter(|record| record["contact_name"] == "Written").count()
    };
    assert_eq!((written(SERVICES), written(COMPANY)), (1, 0));
}

async fn desk(world: &World) {
    let portal = world.simulator.desk_portal(COMPANY);
    let found = came(&ask(world, "desk", "GET", TICKETS, "").await, 200, "ok");
    let ticket = found["data"][0]["id"].as_str().expect("a ticket").to_owned();
    let call = last_call(world);
    assert_eq!((call.host.as_str(), call.header("orgid")), ("desk.zoho.eu", Some(portal.as_str())));

    let own = format!("orgId: {portal}\r\n");
    came(&ask_with(world, "desk", "GET", TICKETS, &own, "").await, 200, "ok");
    refused(world, "desk", ("GET", TICKETS, "orgId: 12345\r\n", ""), "tenant_mismatch").await;
    refused(world, "desk", ("GET", "/desk/it/api/v1/organizations/12345", "", ""), "tenant_mismatch").await;

    came(&ask(world, "desk", "GET", "/desk/it/api/v1/tickets?status=Never", "").await, 204, "ok");
    let missing = came(&ask(world, "desk", "GET", "/desk/it/api/v1/tickets/1", "").await, 404, "failed");
    assert_eq!(missing["errorCode"], "RESOURCE_NOT_FOUND");
    let path = format!("/api/v1/tickets/{ticket}/comments");
    let body = json!({"content": "looked at", "isPublic": false}).to_string();
    refused(world, "desk", ("POST", &format!("/desk/it{path}"), "", &body), "writes_off").await;
    let (sent, answer) = write(world, "desk/it", "POST", &path, &body).await;
    assert_eq!((sent.answer.status(), sent.reading.outcome.as_str()), (200, "ok"), "{answer}");
    assert_eq!(world.simulator.records(COMPANY, "desk/comments").len(), 1);
}

fn folders(world: &World) -> String {
    format!("/drive/it/workdrive/api/v1/teams/{}/teamfolders", world.simulator.workdrive_team(COMPANY))
}

async fn drive(world: &World) {
    let found = came(&ask(world, "drive", "GET", &folders(world), "").await, 200, "ok");
    let folder = found["data"][0]["id"].as_str().expect("a folder").to_owned();
    assert_eq!(last_call(world).host, "www.zohoapis.eu");
    let files = format!("/drive/it/workdrive/api/v1/teamfolders/{folder}/files?page%5Blimit%5D=1");
    let found = came(&ask(world, "drive", "GET", &files, "").await, 200, "ok");
    assert_eq!(found["data"].as_array().map(Vec::len), Some(1), "{found}");

    let missing = came(&ask(world, "drive", "GET", "/drive/it/workdrive/api/v1/files/1", "").await, 404, "failed");
    assert_eq!(missing["errors"][0]["id"], "F6004");
    let body = json!({"data": {"type": "files", "attributes": {"name": "Written", "parent_id": folder}}});
    let body = body.to_string();
    let typed = "Content-Type: application/vnd.api+json\r\n";
    refused(world, "drive", ("POST", "/drive/it/workdrive/api/v1/files", typed, &body), "writes_off").await;
    let (sent, answer) = write(world, "drive/it", "POST", "/workdrive/api/v1/files", &body).await;
    assert_eq!((sent.answer.status(), sent.reading.outcome.as_str()), (201, "ok"), "{answer}");
    let files = world.simulator.records(COMPANY, "workdrive/files");
    assert!(files.iter().any(|file| file["name"] == "Written"), "{files:?}");
}

async fn marketing(world: &World) {
    let found = came(&ask(world, "marketing", "GET", LISTS, "").await, 200, "ok");
    let list = found["list_of_details"][0]["listkey"].as_str().expect("a list").to_owned();
    assert_eq!(last_call(world).host, "marketingautomation.zoho.eu");
    let who = came(&ask(world, "marketing", "GET", "/marketing/it/oauth/user/info", "").await, 200, "ok");
    assert_eq!(who["Email"], "owner@eu.acme.example");

    // Its errors come with 200.
    let path = "/marketing/it/api/v1/getlistsubscribers?resfmt=JSON&listkey=1&range=10";
    let missing = came(&ask(world, "marketing", "GET", path, "").await, 200, "failed");
    assert_eq!(missing["code"], "2202");
    let lead = url::form_urlencoded::byte_serialize(br#"{"Lead Email":"new@customer.example"}"#);
    let path = format!(
        "/api/v1/json/listsubscribe?resfmt=JSON&listkey={list}&leadinfo={}",
        lead.collect::<String>().replace('+', "%20")
    );
    refused(world, "marketing", ("POST", &format!("/marketing/it{path}"), "", ""), "writes_off").await;
    let (sent, answer) = write(world, "marketing/it", "POST", &path, "").await;
    assert_eq!((sent.answer.status(), sent.reading.outcome.as_str()), (200, "ok"), "{answer}");
    assert_eq!(world.simulator.records(COMPANY, "marketing/leads").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn zoho_services_are_throttled_fail_and_echo_in_their_own_words() {
    let world = start().await;
    let folders = folders(&world);
    for (workspace, path) in
        [("books", CONTACTS), ("desk", TICKETS), ("drive", folders.as_str()), ("marketing", LISTS)]
    {
        for (answer, status) in [(ApiAnswer::RateLimited, 429), (ApiAnswer::Internal, 500)] {
            world.simulator.switches().change(|switches| switches.api_answers.push_back(answer));
            let reply = ask(&world, workspace, "GET", path, "").await;
            // Marketing Automation says what is wrong with 200, too.
            let status = if workspace == "marketing" && status == 429 { 200 } else { status };
            came(&reply, status, "failed");
        }
        for part in [EchoPart::Value, EchoPart::Token] {
            world.simulator.switches().change(|switches| {
                switches.echo = EchoToken::Raw;
                switches.echo_part = part;
            });
            let reply = ask(&world, workspace, "GET", path, "").await;
            assert_eq!(reply.header("wardlock-secret-exposed"), Some("redacted"), "{workspace}");
        }
        world.simulator.switches().change(|switches| switches.echo = EchoToken::Off);
    }
    world.end().await;
}
