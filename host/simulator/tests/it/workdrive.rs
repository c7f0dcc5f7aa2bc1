//! `WorkDrive`: JSON:API, and one PATCH for a rename, the trash and the end.

use serde_json::{Value, json};

use crate::support::*;

const SCOPES: &str = "WorkDrive.users.READ,WorkDrive.team.READ,WorkDrive.teamfolders.READ,WorkDrive.files.ALL";

fn attributes(members: &Value) -> Value {
    json!({"data": {"type": "files", "attributes": members}})
}

#[tokio::test]
async fn one_walks_from_the_user_to_a_file() {
    let provider = Provider::start().await;
    let token = provider.token(SCOPES).await;
    let me = provider.get(&token, "/workdrive/api/v1/users/me").await;
    assert_eq!(me.headers["content-type"], "application/vnd.api+json;charset=UTF-8");
    let me = me.json();
    assert_eq!(me["data"]["attributes"]["email_id"], "owner@eu.acme.example");
    let user = text(&me["data"], "id");
    let teams = provider.get(&token, &format!("/workdrive/api/v1/users/{user}/teams")).await.json();
    let team = text(&teams["data"][0], "id");
    assert_eq!(team, provider.simulator.workdrive_team("20071234567"));
    let shown = provider.get(&token, &format!("/workdrive/api/v1/teams/{team}")).await.json();
    assert_eq!(shown["data"]["attributes"]["name"], "Acme EU GmbH");
    let folders = provider.get(&token, &format!("/workdrive/api/v1/teams/{team}/teamfolders")).await.json();
    let folder = text(&folders["data"][0], "id");
    let files = provider.get(&token, &format!("/workdrive/api/v1/teamfolders/{folder}/files")).await.json();
    assert_eq!(files["data"].as_array().unwrap().len(), 2);
    let page = format!("/workdrive/api/v1/files/{folder}/files?page%5Blimit%5D=1&page%5Boffset%5D=1");
    let files = provider.get(&token, &page).await.json();
    assert_eq!(files["data"][0]["attributes"]["name"], "Frame contract.pdf");
    let file = text(&files["data"][0], "id");
    let read = provider.get(&token, &format!("/workdrive/api/v1/download/{file}")).await;
    assert_eq!((read.status, read.text.as_str()), (200, "the content of Frame contract.pdf"));
}

#[tokio::test]
async fn a_folder_is_made_renamed_trashed_and_deleted() {
    let provider = Provider::start().await;
    let token = provider.token(SCOPES).await;
    let team = provider.simulator.workdrive_team("20071234567");
    let folders = provider.get(&token, &format!("/workdrive/api/v1/teams/{team}/teamfolders")).await.json();
    let parent = text(&folders["data"][1], "id");
    let wanted = attributes(&json!({"name": "2027", "parent_id": parent}));
    let made = provider.call(&token, "POST", "/workdrive/api/v1/files", &wanted).await;
    assert_eq!((made.status, &made.json()["data"]["type"]), (201, &json!("files")));
    let one = format!("/workdrive/api/v1/files/{}", text(&made.json()["data"], "id"));
    let renamed = provider.call(&token, "PATCH", &one, &attributes(&json!({"name": "Later"}))).await.json();
    assert_eq!(renamed["data"]["attributes"]["name"], "Later");
    let list = format!("/workdrive/api/v1/files/{parent}/files");
    assert_eq!(provider.get(&token, &list).await.json()["data"].as_array().unwrap().len(), 2);
    // Nothing is deleted that was not trashed before.
    let early = provider.call(&token, "PATCH", &one, &attributes(&json!({"status": "61"}))).await;
    assert_eq!(early.status, 400);
    let trashed = provider.call(&token, "PATCH", &one, &attributes(&json!({"status": 51}))).await.json();
    assert_eq!(trashed["data"]["attributes"]["status"], "51");
    assert_eq!(provider.get(&token, &list).await.json()["data"].as_array().unwrap().len(), 1);
    assert_eq!(provider.call(&token, "PATCH", &one, &attributes(&json!({"status": "61"}))).await.status, 200);
    assert_eq!(provider.get(&token, &one).await.status, 404);
}

#[tokio::test]
async fn refusals_are_lists_of_errors() {
    let provider = Provider::start().await;
    let token = provider.token("WorkDrive.files.READ").await;
    let other = provider.simulator.workdrive_team("20079876543");
    for (token, path, expect) in [
        ("1000.nobody", "/workdrive/api/v1/users/me".to_owned(), (401, "F7003", "Invalid OAuth token.")),
        (&token, "/workdrive/api/v1/users/me".to_owned(), (401, "F7007", "Invalid OAuth scope.")),
        (&token, "/workdrive/api/v1/moons".to_owned(), (404, "F6016", "URL Rule is not configured")),
        (&token, format!("/workdrive/api/v1/teams/{other}"), (401, "F7007", "Invalid OAuth scope.")),
    ] {
        let refused = provider.get(token, &path).await;
        let error = &refused.json()["errors"][0];
        assert_eq!((refused.status, text(error, "id").as_str(), text(error, "title").as_str()), expect, "{path}");
    }
    let token = provider.token(SCOPES).await;
    assert_eq!(provider.get(&token, &format!("/workdrive/api/v1/teams/{other}")).await.status, 404);
}
