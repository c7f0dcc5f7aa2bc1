//! Books: the organization of a call, its own error shape, and what can be done to contacts, invoices and items.

use serde_json::json;
use wardlock_simulator::{ApiAnswer, BadTokenAnswer, BooksLimit};

use crate::support::*;

const OWN: &str = "organization_id=20071234567";
const ALL: &str = "ZohoBooks.fullaccess.all";

#[tokio::test]
async fn a_grant_reaches_two_organizations_and_each_call_names_one() {
    let provider = Provider::start().await;
    let token = provider.token("ZohoBooks.settings.READ,ZohoBooks.contacts.READ").await;
    let organizations = provider.get(&token, "/books/v3/organizations").await;
    let ids: Vec<String> = organizations.json()["organizations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| text(one, "organization_id"))
        .collect();
    assert_eq!((organizations.status, &ids), (200, &provider.simulator.books_organizations("20071234567")));
    assert_eq!(ids, ["20071234567", "200712345672"]);
    let mut seen = Vec::new();
    for id in &ids {
        let contacts = provider.get(&token, &format!("/books/v3/contacts?organization_id={id}")).await.json();
        assert_eq!((&contacts["code"], contacts["contacts"].as_array().unwrap().len()), (&json!(0), 4));
        seen.push(text(&contacts["contacts"][0], "contact_id"));
    }
    assert_ne!(seen[0], seen[1]);
    let who = provider.get(&token, &format!("/books/v3/users/me?{OWN}")).await;
    let user = &who.json()["user"];
    assert_eq!((who.status, &user["email_ids"][0]["email"]), (200, &json!("owner@eu.acme.example")));
    assert_eq!(user["is_current_user"], true);
    // The record of the one is not in the other.
    let elsewhere =
        provider.get(&token, &format!("/books/v3/contacts/{}?organization_id={}", seen[0], ids[1])).await;
    assert_eq!((elsewhere.status, elsewhere.json()["code"].as_u64()), (404, Some(1002)));
}

#[tokio::test]
async fn a_wrong_or_missing_organization_is_refused() {
    let provider = Provider::start().await;
    let token = provider.token(ALL).await;
    for (query, code) in [("", 2), ("?organization_id=20079876543", 6041), ("?organization_id=", 6041)] {
        let refused = provider.get(&token, &format!("/books/v3/contacts{query}")).await;
        assert_eq!((refused.status, refused.json()["code"].as_u64()), (400, Some(code)), "{query}");
    }
}

#[tokio::test]
async fn lists_have_pages_and_filters() {
    let provider = Provider::start().await;
    let token = provider.token(ALL).await;
    let first = provider.get(&token, &format!("/books/v3/invoices?{OWN}&per_page=3")).await.json();
    assert_eq!(
        (first["invoices"].as_array().unwrap().len(), &first["page_context"]["has_more_page"]),
        (3, &json!(true))
    );
    let last = provider.get(&token, &format!("/books/v3/invoices?{OWN}&per_page=3&page=2")).await.json();
    assert_eq!(
        (last["invoices"].as_array().unwrap().len(), &last["page_context"]["has_more_page"]),
        (1, &json!(false))
    );
    assert_eq!(last["page_context"]["page"], 2);
    let drafts = provider.get(&token, &format!("/books/v3/invoices?{OWN}&status=draft")).await.json();
    assert_eq!(drafts["invoices"].as_array().unwrap().len(), 1);
    let found = provider.get(&token, &format!("/books/v3/contacts?{OWN}&search_text=lago")).await.json();
    assert_eq!(found["contacts"].as_array().unwrap().len(), 1);
    let bad = provider.get(&token, &format!("/books/v3/contacts?{OWN}&per_page=201")).await;
    assert_eq!((bad.status, bad.json()["code"].as_u64()), (400, Some(2)));
}

#[tokio::test]
async fn records_are_made_changed_and_deleted() {
    let provider = Provider::start().await;
    let token = provider.token(ALL).await;
    let contacts = format!("/books/v3/contacts?{OWN}");
    let refused = provider.call(&token, "POST", &contacts, &json!({"company_name": "Nobody"})).await;
    assert_eq!((refused.status, refused.json()["code"].as_u64()), (400, Some(2)));
    let made = provider.call(&token, "POST", &contacts, &json!({"contact_name": "New Ltd"})).await;
    assert_eq!((made.status, made.json()["code"].as_u64()), (201, Some(0)));
    let id = text(&made.json()["contact"], "contact_id");
    let one = format!("/books/v3/contacts/{id}?{OWN}");
    let changed =
        provider.call(&token, "PUT", &one, &json!({"contact_name": "Newer Ltd", "contact_id": "1"})).await;
    assert_eq!((changed.status, text(&changed.json()["contact"], "contact_name").as_str()), (200, "Newer Ltd"));
    assert_eq!(text(&provider.get(&token, &one).await.json()["contact"], "contact_id"), id);
    assert_eq!(provider.call(&token, "DELETE", &one, &json!({})).await.status, 200);
    assert_eq!(provider.get(&token, &one).await.status, 404);
    assert_eq!(provider.simulator.records("20071234567", "books/20071234567/contacts").len(), 4);
}

#[tokio::test]
async fn the_older_form_body_carries_json_too() {
    let provider = Provider::start().await;
    let token = provider.token(ALL).await;
    let body =
        format!("JSONString={}", url::form_urlencoded::byte_serialize(br#"{"name":"Bolt"}"#).collect::<String>());
    let request = provider.http.post(format!("https://www.zohoapis.eu/books/v3/items?{OWN}"));
    let request = request.header("authorization", format!("Zoho-oauthtoken {token}"));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let made = provider.send(request.body(body)).await;
    assert_eq!((made.status, text(&made.json()["item"], "name").as_str()), (201, "Bolt"));
}

#[tokio::test]
async fn an_invoice_is_made_voided_and_mailed() {
    let provider = Provider::start().await;
    let token = provider.token("ZohoBooks.invoices.ALL,ZohoBooks.contacts.READ").await;
    let contacts = provider.get(&token, &format!("/books/v3/contacts?{OWN}")).await.json();
    let customer = text(&contacts["contacts"][0], "contact_id");
    let invoices = format!("/books/v3/invoices?{OWN}");
    let unknown = provider.call(&token, "POST", &invoices, &json!({"customer_id": "1"})).await;
    assert_eq!(unknown.status, 400);
    let made = provider.call(&token, "POST", &invoices, &json!({"customer_id": customer})).await.json();
    assert_eq!((&made["code"], &made["invoice"]["status"]), (&json!(0), &json!("draft")));
    let id = text(&made["invoice"], "invoice_id");
    let voided =
        provider.call(&token, "POST", &format!("/books/v3/invoices/{id}/status/void?{OWN}"), &json!({})).await;
    assert_eq!(voided.status, 200);
    let read = provider.get(&token, &format!("/books/v3/invoices/{id}?{OWN}")).await.json();
    assert_eq!(read["invoice"]["status"], "void");
    let mail = json!({"to_mail_ids": ["a@customer.example"]});
    provider.call(&token, "POST", &format!("/books/v3/invoices/{id}/email?{OWN}"), &mail).await;
    assert_eq!(provider.simulator.accepted("20071234567")[0].0, "books_email");
    let burnt =
        provider.call(&token, "POST", &format!("/books/v3/invoices/{id}/status/burn?{OWN}"), &json!({})).await;
    assert_eq!((burnt.status, burnt.json()["code"].as_u64()), (404, Some(5)));
}

#[tokio::test]
async fn bad_tokens_and_missing_scopes_share_a_code() {
    let provider = Provider::start().await;
    let token = provider.token("ZohoBooks.contacts.READ,ZohoCRM.org.READ").await;
    for (token, path) in [
        ("1000.nobody", format!("/books/v3/contacts?{OWN}")),
        (token.as_str(), format!("/books/v3/invoices?{OWN}")),
        (token.as_str(), format!("/books/v3/items?{OWN}")),
    ] {
        let refused = provider.get(token, &path).await;
        assert_eq!((refused.status, refused.json()["code"].as_u64()), (401, Some(57)), "{path}");
    }
    let created =
        provider.call(&token, "POST", &format!("/books/v3/contacts?{OWN}"), &json!({"contact_name": "x"})).await;
    assert_eq!(created.status, 401);
    provider.simulator.switches().change(|switches| switches.bad_token = BadTokenAnswer::AuthenticationFailure);
    let refused = provider.get("1000.nobody", &format!("/books/v3/contacts?{OWN}")).await;
    assert_eq!((refused.status, refused.json()["code"].as_u64()), (401, Some(14)));
}

#[tokio::test]
async fn each_limit_has_its_code() {
    let provider = Provider::start().await;
    let token = provider.token(ALL).await;
    for (limit, code) in [(BooksLimit::Minute, 44), (BooksLimit::Day, 45), (BooksLimit::Concurrency, 1070)] {
        provider.simulator.switches().change(|switches| {
            switches.rate_limited = true;
            switches.books_limit = limit;
        });
        let refused = provider.get(&token, &format!("/books/v3/contacts?{OWN}")).await;
        assert_eq!((refused.status, refused.json()["code"].as_u64()), (429, Some(code)));
        assert_eq!(refused.headers.get("retry-after"), None);
    }
}

#[tokio::test]
async fn scripted_answers_speak_the_language_of_the_product() {
    let provider = Provider::start().await;
    let token = provider.token(&format!("{ALL},ZohoCRM.org.READ")).await;
    provider.simulator.switches().change(|switches| {
        switches.api_answers.extend([ApiAnswer::InvalidToken, ApiAnswer::InvalidToken]);
    });
    let books = provider.get(&token, &format!("/books/v3/contacts?{OWN}")).await;
    assert_eq!((books.status, &books.json()["code"]), (401, &json!(57)));
    let crm = provider.get(&token, "/crm/v8/org").await;
    assert_eq!((crm.status, crm.code().as_str()), (401, "INVALID_TOKEN"));
}
