//! Writing the CRM: results per record, mixtures, and the calls whose method says nothing of their effect.

use serde_json::json;
use wardlock_simulator::Region;

use crate::support::*;

const ZGID: &str = "20071234567";

#[tokio::test]
async fn a_create_reports_each_record() {
    let provider = Provider::start().await;
    let token = provider.token(SCOPES).await;
    let good = json!({"Last_Name": "New", "Company": "New Ltd", "Email": "new@new.example"});
    let bad = json!({"Company": "No name"});
    for (rows, status) in [(json!([good]), 201), (json!([good, bad]), 207), (json!([bad]), 400)] {
        let answer = provider.call(&token, "POST", "/crm/v8/Leads", &json!({"data": rows})).await;
        assert_eq!(answer.status, status);
    }
    let mixed = provider.call(&token, "POST", "/crm/v8/Leads", &json!({"data": [good, bad]})).await.json();
    assert_eq!(
        (&mixed["data"][0]["code"], &mixed["data"][1]["code"]),
        (&json!("SUCCESS"), &json!("MANDATORY_NOT_FOUND"))
    );
    assert_eq!(mixed["data"][1]["details"]["json_path"], "$.data[1].Last_Name");
    provider.simulator.switches().change(|switches| switches.failed_create_status = 202);
    let bad = provider.call(&token, "POST", "/crm/v8/Leads", &json!({"data": [bad]})).await;
    assert_eq!(bad.status, 202);
    assert_eq!(provider.simulator.records(ZGID, "Leads").len(), 28);
}

#[tokio::test]
async fn updates_upserts_and_deletes_change_what_reads_show() {
    let provider = Provider::start().await;
    let token = provider.token(SCOPES).await;
    let lead = provider.simulator.records(ZGID, "Leads")[0].clone();
    let id = text(&lead, "id");
    let change = json!({"data": [{"City": "Lyon"}]});
    assert_eq!(provider.call(&token, "PUT", &format!("/crm/v8/Leads/{id}"), &change).await.status, 200);
    assert_eq!(provider.simulator.records(ZGID, "Leads")[0]["City"], "Lyon");
    let request = provider.http.put(format!("https://www.zohoapis.eu/crm/v8/Leads/{id}")).body(change.to_string());
    let request = request.header("authorization", format!("Zoho-oauthtoken {token}"));
    let stale = provider.send(request.header("if-unmodified-since", "2026-01-06T00:00:00+00:00")).await;
    assert_eq!((stale.status, stale.code().as_str()), (412, "ALREADY_MODIFIED"));

    let upsert = json!({"data": [{"Last_Name": "Moreau", "Company": "X", "Email": lead["Email"]}, {"Last_Name": "N", "Company": "Y"}]});
    let upserted = provider.call(&token, "POST", "/crm/v8/Leads/upsert", &upsert).await.json();
    assert_eq!(
        (&upserted["data"][0]["action"], &upserted["data"][0]["duplicate_field"]),
        (&json!("update"), &json!("Email"))
    );
    assert_eq!(upserted["data"][1]["action"], "insert");

    let deleted = provider.call(&token, "DELETE", &format!("/crm/v8/Leads?ids={id},1"), &json!(null)).await;
    assert_eq!(deleted.status, 207);
    assert_eq!(provider.get(&token, &format!("/crm/v8/Leads/{id}")).await.status, 204);
    assert_eq!(provider.get(&token, "/crm/v8/Leads/deleted").await.json()["data"][0]["id"], id);
}

#[tokio::test]
async fn a_composite_carries_a_delete_and_can_be_rolled_back() {
    let provider = Provider::start().await;
    let token = provider.token(&format!("{SCOPES},ZohoCRM.composite_requests.CUSTOM")).await;
    let id = text(&provider.simulator.records(ZGID, "Leads")[0], "id");
    let parts = json!([{"method": "DELETE", "uri": format!("/crm/v8/Leads/{id}")}, {"method": "GET", "uri": "/crm/v8/Leads"}]);
    let body = json!({"rollback_on_fail": true, "__composite_requests": parts});
    let answer = provider.call(&token, "POST", "/crm/v8/__composite_requests", &body).await;
    assert_eq!(answer.status, 207);
    assert_eq!(answer.json()["__composite_requests"][1]["details"]["response"]["status_code"], 400);
    assert_eq!(provider.simulator.records(ZGID, "Leads").len(), 25);
    let body = json!({"__composite_requests": parts});
    provider.call(&token, "POST", "/crm/v8/__composite_requests", &body).await;
    assert_eq!(provider.simulator.records(ZGID, "Leads").len(), 24);
}

#[tokio::test]
async fn a_whole_view_is_deleted_by_one_post() {
    let provider = Provider::start().await;
    let token = provider.token(&format!("{SCOPES},ZohoCRM.mass_delete.leads.DELETE")).await;
    let views = provider.get(&token, "/crm/v8/settings/custom_views?module=Leads").await.json();
    let body = json!({"cvid": views["custom_views"][0]["id"]});
    let answer = provider.call(&token, "POST", "/crm/v8/Leads/actions/mass_delete", &body).await;
    assert_eq!((answer.status, &answer.json()["data"][0]["code"]), (202, &json!("SCHEDULED")));
    assert!(provider.simulator.records(ZGID, "Leads").is_empty());
}

#[tokio::test]
async fn a_lead_converts_once_into_three() {
    let provider = Provider::start().await;
    let token = provider.token(SCOPES).await;
    let id = text(&provider.simulator.records(ZGID, "Leads")[0], "id");
    let path = format!("/crm/v8/Leads/{id}/actions/convert");
    let body = json!({"data": [{"Deals": {"Deal_Name": "Big", "Stage": "Qualification"}}]});
    let details = provider.call(&token, "POST", &path, &body).await.json()["data"][0]["details"].clone();
    assert!(
        details["Contacts"]["id"].is_string()
            && details["Accounts"]["id"].is_string()
            && details["Deals"]["id"].is_string()
    );
    assert_eq!(provider.call(&token, "POST", &path, &body).await.status, 400);
}

#[tokio::test]
async fn notes_mail_watch_and_bulk_are_accepted() {
    let provider = Provider::start().await;
    let scopes = format!("{SCOPES},ZohoCRM.send_mail.all.CREATE,ZohoCRM.notifications.ALL,ZohoCRM.bulk.READ");
    let token = provider.token(&scopes).await;
    let lead = format!("/crm/v8/Leads/{}", text(&provider.simulator.records(ZGID, "Leads")[0], "id"));
    let note = json!({"data": [{"Note_Title": "T", "Note_Content": "C"}]});
    assert_eq!(provider.call(&token, "POST", &format!("{lead}/Notes"), &note).await.status, 201);
    assert_eq!(provider.get(&token, &format!("{lead}/Notes")).await.json()["data"][0]["Note_Title"], "T");
    let mail = json!({"data": [{"to": [{"email": "a@b.example"}], "subject": "Hi"}]});
    assert_eq!(provider.call(&token, "POST", &format!("{lead}/actions/send_mail"), &mail).await.status, 200);
    let watch =
        json!({"watch": [{"channel_id": "1", "events": ["Leads.all"], "notify_url": "https://x.example"}]});
    assert_eq!(provider.call(&token, "POST", "/crm/v8/actions/watch", &watch).await.status, 201);
    let kinds: Vec<String> = provider.simulator.accepted(ZGID).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["send_mail", "watch"]);
    let job = json!({"query": {"module": {"api_name": "Leads"}}});
    let job = provider.call(&token, "POST", "/crm/bulk/v8/read", &job).await;
    let id = text(&job.json()["data"][0]["details"], "id");
    assert_eq!(
        provider.get(&token, &format!("/crm/bulk/v8/read/{id}")).await.json()["data"][0]["state"],
        "COMPLETED"
    );
}

#[tokio::test]
async fn a_merge_absorbs_and_tags_and_owners_change() {
    let provider = Provider::start().await;
    let scopes = format!("{SCOPES},ZohoCRM.settings.tags.ALL,ZohoCRM.change_owner.CREATE");
    let token = provider.token(&scopes).await;
    let ids: Vec<String> = provider.simulator.records(ZGID, "Leads").iter().map(|row| text(row, "id")).collect();
    let body = json!({"merge": [{"data": [{"id": ids[0]}, {"id": ids[1]}]}]});
    assert_eq!(
        provider.call(&token, "POST", &format!("/crm/v8/Leads/{}/actions/merge", ids[0]), &body).await.status,
        200
    );
    let body = json!({"ids": [ids[0]], "tags": [{"name": "hot"}]});
    assert_eq!(provider.call(&token, "POST", "/crm/v8/Leads/actions/add_tags", &body).await.status, 200);
    let body = json!({"ids": [ids[0], "1"], "owner": {"id": "7"}});
    assert_eq!(provider.call(&token, "POST", "/crm/v8/Leads/actions/change_owner", &body).await.status, 207);
    let rows = provider.simulator.records(ZGID, "Leads");
    assert_eq!(
        (rows.len(), &rows[0]["Tag"][0]["name"], &rows[0]["Owner"]["id"]),
        (24, &json!("hot"), &json!("7"))
    );
}

#[tokio::test]
async fn an_upload_goes_to_the_second_host_and_names_the_org() {
    let provider = Provider::start().await;
    let token = provider.token("ZohoFiles.files.ALL").await;
    let body = "--x\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\ndata\r\n--x--\r\n";
    for (zgid, expect) in [(Some(ZGID), 200), (Some("1"), 400), (None, 400)] {
        let request = provider.http.post(format!("https://{}/crm/v8/upload", Region::Eu.upload_host()));
        let request =
            request.header("authorization", format!("Zoho-oauthtoken {token}")).header("feature", "bulk-write");
        let request = request.header("content-type", "multipart/form-data; boundary=x").body(body);
        let request = zgid.map_or(request.try_clone().unwrap(), |zgid| request.header("x-crm-org", zgid));
        assert_eq!(provider.send(request).await.status, expect);
    }
}
