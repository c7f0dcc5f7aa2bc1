//! Reading the CRM: lists, pages, scopes, empties, metadata, and answers that echo the token.

use serde_json::json;
use wardlock_simulator::{ApiAnswer, EchoPart, EchoToken, Region};

use crate::support::*;

#[tokio::test]
async fn a_list_needs_fields_and_is_paged() {
    let provider = Provider::start().await;
    let token = provider.token(SCOPES).await;
    let missing = provider.get(&token, "/crm/v8/Leads?per_page=1").await;
    assert_eq!((missing.status, missing.code().as_str()), (400, "REQUIRED_PARAM_MISSING"));
    assert_eq!(missing.json()["details"], json!({"param_name": "fields"}));

    let page = provider.get(&token, "/crm/v8/Leads?fields=Last_Name&per_page=10").await.json();
    assert_eq!((page["data"].as_array().unwrap().len(), &page["info"]["more_records"]), (10, &json!(true)));
    let ids: Vec<String> = page["data"].as_array().unwrap().iter().map(|row| text(row, "id")).collect();
    assert!(ids.windows(2).all(|pair| pair[0] > pair[1]), "newest first: {ids:?}");
    let row = page["data"][0].as_object().unwrap();
    assert_eq!(row.keys().collect::<Vec<_>>(), ["Last_Name", "id"]);

    let next = text(&page["info"], "next_page_token");
    let last = provider
        .get(&token, &format!("/crm/v8/Leads?fields=Last_Name&per_page=20&page_token={next}"))
        .await
        .json();
    assert_eq!((last["data"].as_array().unwrap().len(), &last["info"]["more_records"]), (15, &json!(false)));
    let both = format!("/crm/v8/Leads?fields=Last_Name&page=2&page_token={next}");
    assert_eq!(provider.get(&token, &both).await.status, 400);
    assert_eq!(provider.get(&token, "/crm/v8/Leads?fields=Last_Name&per_page=201").await.status, 400);
    let far = provider.get(&token, "/crm/v8/Leads?fields=Last_Name&page=11").await;
    assert_eq!(far.code(), "DISCRETE_PAGINATION_LIMIT_EXCEEDED");
}

#[tokio::test]
async fn nothing_found_is_204_without_a_body() {
    let provider = Provider::start().await;
    let token = provider.token(SCOPES).await;
    for path in [
        "/crm/v8/Invoices?fields=Subject",
        "/crm/v8/Leads/search?email=nobody@nowhere.example",
        "/crm/v8/Leads/1",
        "/crm/v8/Leads/deleted?type=all",
    ] {
        let empty = provider.get(&token, path).await;
        assert_eq!((empty.status, empty.text.as_str()), (204, ""), "{path}");
    }
    let query = json!({"select_query": "select Last_Name from Leads where Last_Name = 'Nobody'"});
    assert_eq!(provider.call(&token, "POST", "/crm/v8/coql", &query).await.status, 204);
}

#[tokio::test]
async fn scopes_are_a_disjunction_of_conjunctions() {
    let provider = Provider::start().await;
    let leads = provider.token("ZohoCRM.modules.leads.READ").await;
    assert_eq!(provider.get(&leads, "/crm/v8/Leads?fields=id").await.status, 200);
    for path in [
        "/crm/v8/Contacts?fields=id",
        "/crm/v8/Leads/search?word=ada",
        "/crm/v8/Leads/actions/count",
        "/crm/v8/org",
    ] {
        let refused = provider.get(&leads, path).await;
        assert_eq!((refused.status, refused.code().as_str()), (401, "OAUTH_SCOPE_MISMATCH"), "{path}");
    }
    let query = json!({"select_query": "select Last_Name, Owner from Leads where id is not null"});
    assert_eq!(provider.call(&leads, "POST", "/crm/v8/coql", &query).await.status, 401);
    let both = provider.token("ZohoCRM.modules.leads.READ,ZohoCRM.coql.READ").await;
    assert_eq!(provider.call(&both, "POST", "/crm/v8/coql", &query).await.status, 200);
    let joined =
        json!({"select_query": "select Deal_Name, Account_Name.Industry from Deals where id is not null"});
    assert_eq!(provider.call(&both, "POST", "/crm/v8/coql", &joined).await.status, 401);
    let all = provider.token("ZohoCRM.modules.ALL").await;
    let ids = json!({"ids": ["1"]});
    assert_eq!(provider.call(&all, "POST", "/crm/v8/Leads/actions/mass_delete", &ids).await.status, 401);
    provider.simulator.switches().change(|switches| switches.mass_families = false);
    assert_eq!(provider.call(&all, "POST", "/crm/v8/Leads/actions/mass_delete", &ids).await.status, 400);
}

#[tokio::test]
async fn paths_modules_and_methods_are_told_apart() {
    let provider = Provider::start().await;
    let token = provider.token(SCOPES).await;
    assert_eq!(provider.get(&token, "/crm/v8/Nothing?fields=id").await.code(), "INVALID_MODULE");
    assert_eq!(provider.get(&token, "/crm/v8/a/b/c/d").await.code(), "INVALID_URL_PATTERN");
    assert_eq!(provider.get(&token, "/crm/v8/coql").await.code(), "INVALID_REQUEST_METHOD");
    assert_eq!(provider.get(&token, "/crm/v8/Leads/abc").await.code(), "INVALID_DATA");
    let none = provider.send(provider.http.get("https://www.zohoapis.eu/crm/v8/org")).await;
    assert_eq!((none.status, none.code().as_str()), (401, "AUTHENTICATION_FAILURE"));
}

#[tokio::test]
async fn a_record_is_found_by_id_and_by_an_external_field() {
    let provider = Provider::start().await;
    let token = provider.token(SCOPES).await;
    let found = provider.get(&token, "/crm/v8/Leads/search?criteria=(Last_Name:equals:Weber)").await.json();
    let id = text(&found["data"][0], "id");
    let one = provider.get(&token, &format!("/crm/v8/Leads/{id}")).await.json();
    assert_eq!(one["data"][0]["Company"], "Weber Maschinen");
    let url = "https://www.zohoapis.eu/crm/v8/Leads/jonas.weber@webermaschinen.example";
    let request = provider.http.get(url).header("authorization", format!("Bearer {token}"));
    let external = provider.send(request.header("x-external", "Leads.Email")).await;
    assert_eq!(external.json()["data"][0]["id"], id);
}

#[tokio::test]
async fn what_was_not_modified_is_304() {
    let provider = Provider::start().await;
    let token = provider.token(SCOPES).await;
    for (since, expect) in [("2026-01-05T10:00:00+00:00", 200), ("2027-01-01T00:00:00+00:00", 304)] {
        let request = provider.http.get("https://www.zohoapis.eu/crm/v8/Leads?fields=Last_Name");
        let request =
            request.header("authorization", format!("Zoho-oauthtoken {token}")).header("if-modified-since", since);
        assert_eq!(provider.send(request).await.status, expect);
    }
}

#[tokio::test]
async fn metadata_names_every_lookup_s_module() {
    let provider = Provider::start().await;
    let token = provider.token(SCOPES).await;
    let modules = provider.get(&token, "/crm/v8/settings/modules").await.json();
    assert_eq!(modules["modules"][0]["api_name"], "Leads");
    let fields = provider.get(&token, "/crm/v8/settings/fields?module=Contacts").await.json();
    let lookup = fields["fields"].as_array().unwrap().iter().find(|field| field["data_type"] == "lookup").unwrap();
    assert_eq!(lookup["lookup"]["module"]["api_name"], "Accounts");
    for kind in ["layouts", "related_lists", "custom_views", "roles", "profiles"] {
        let path = format!("/crm/v8/settings/{kind}?module=Leads");
        assert!(provider.get(&token, &path).await.json()[kind].is_array(), "{kind}");
    }
    let user = provider.get(&token, "/crm/v8/users?type=CurrentUser").await.json();
    assert_eq!(user["users"][0]["email"], "owner@eu.acme.example");
}

#[tokio::test]
async fn the_token_is_echoed_in_every_form() {
    let provider = Provider::start().await;
    let token = text(&provider.connect(Region::Eu).await, "access_token");
    let value = format!("Zoho-oauthtoken {token}");
    let echo = |form, part| {
        provider.simulator.switches().change(|switches| (switches.echo, switches.echo_part) = (form, part));
    };
    for (form, expect) in [
        (EchoToken::Raw, value.clone()),
        (EchoToken::Split(7), value.clone()),
        (EchoToken::JsonEscaped, "\\u005a".into()),
        (EchoToken::Percent, "%5A%6F".into()),
    ] {
        echo(form, EchoPart::Value);
        let answer = provider.get(&token, "/crm/v8/org").await;
        assert!(answer.text.contains(&expect), "{form:?}: {}", answer.text);
        assert!(answer.json()["org"].is_array());
    }
    echo(EchoToken::Header, EchoPart::Token);
    let answer = provider.get(&token, "/crm/v8/org").await;
    assert_eq!(answer.headers["x-echo"].to_str().unwrap(), token);
    assert!(!answer.text.contains(&token));
}

#[tokio::test]
async fn throttles_credits_and_profiles_answer_as_zoho_does() {
    let provider = Provider::start().await;
    let token = provider.token(SCOPES).await;
    let change = |change: fn(&mut wardlock_simulator::Switches)| provider.simulator.switches().change(change);
    assert!(!provider.get(&token, "/crm/v8/org").await.headers.contains_key("x-api-credits-remaining"));
    change(|switches| switches.credits_used = 30_000);
    assert!(provider.get(&token, "/crm/v8/org").await.headers.contains_key("x-api-credits-remaining"));
    change(|switches| switches.rate_limited = true);
    let limited = provider.get(&token, "/crm/v8/org").await;
    assert!(limited.status == 429 && !limited.headers.contains_key("retry-after"));
    change(|switches| (switches.rate_limited, switches.api_access) = (false, false));
    let forbidden = provider.get(&token, "/crm/v8/org").await;
    assert_eq!(
        (forbidden.status, &forbidden.json()["details"]["permissions"][0]),
        (403, &json!("Crm_Implied_Api_Access"))
    );
    change(|switches| {
        switches.api_access = true;
        switches.api_answers.push_back(ApiAnswer::InvalidToken);
    });
    assert_eq!(provider.get(&token, "/crm/v8/org").await.status, 401);
    assert_eq!(provider.get(&token, "/crm/v8/org").await.status, 200);
}
