//! What a draft's page says: its values, and what an approval would do now.

use super::{Browser, LEAD, drafting, held, shown, text};

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_writes_does_not_pass_for_words_of_the_hosts() {
    let world = drafting().await;
    let body = LEAD.replace("Ellison", "nothing").replace("\"Nordwind\"", "null");
    let headers = "Content-Type: application/json\r\nAccept: application/problem+json\r\n";
    let list = world.get("/acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=1").await.json().expect("json");
    let record = list["data"][0]["id"].as_str().expect("an id");
    let path = format!("/acme/zoho/crm/v8/Leads/{record}");
    let held = world.ask("acme", "PUT", &path, headers, &body).await.json().expect("json");
    let browser = Browser::signed_in(&world).await;
    let page = text(&browser.get(&format!("/drafts/{}", held["draft"].as_str().expect("a draft"))).await);
    for said in ["<ins><code>&#34;nothing&#34;</code></ins>", "<ins><em class=\"host\">nothing</em></ins>"] {
        assert!(page.contains(said), "no `{said}` in {page}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_gone_stands_beside_that_it_would_be() {
    let world = crate::drafts::drafting(&crate::drafts::allowing()).await;
    let list = world.get("/acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=1").await.json().expect("json");
    let (record, name) = (list["data"][0]["id"].as_str().expect("an id"), list["data"][0]["Last_Name"].as_str());
    let path = format!("/acme/zoho/crm/v8/Leads/{record}");
    let headers = "Accept: application/problem+json\r\n";
    let held = world.ask("acme", "DELETE", &path, headers, "").await.json().expect("json");
    let browser = Browser::signed_in(&world).await;
    let page = text(&browser.get(&format!("/drafts/{}", held["draft"].as_str().expect("a draft"))).await);
    let caption = format!("Record <span class=\"id\">{record}</span>, which would be gone");
    let value =
        format!("<td><code>&#34;{}&#34;</code></td><td><em class=\"host\">gone</em></td>", name.expect("a name"));
    assert!(page.contains(&caption) && page.contains(&value), "{page}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_says_that_an_approval_ends_it_while_everything_is_frozen() {
    const SAYS: &str = "the approval that releases it sends nothing and ends the draft";
    let world = drafting().await;
    let id = held(&world).await;
    let browser = Browser::signed_in(&world).await;
    let pages = ["/drafts".to_owned(), format!("/drafts/{id}")];
    for path in &pages {
        assert!(!text(&browser.get(path).await).contains(SAYS), "{path}");
    }
    browser.post("/freeze", "").await;
    for path in &pages {
        let page = text(&browser.get(path).await);
        assert!(page.contains(SAYS) && page.contains("wardlock thaw --all"), "{page}");
    }
    assert_eq!(shown(&world, &id).await["frozen"], serde_json::json!(["all"]));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_of_many_long_values_folds_them_up_and_leads_to_the_decision() {
    let world = drafting().await;
    let record =
        |at: usize| serde_json::json!({ "id": format!("57257670000005{at:05}"), "Description": "x".repeat(5000) });
    let body = serde_json::json!({ "data": (0..12).map(record).collect::<Vec<_>>() }).to_string();
    let headers = "Content-Type: application/json\r\nAccept: application/problem+json\r\n";
    let held = world.ask("acme", "PUT", "/acme/zoho/crm/v8/Leads", headers, &body).await.json().expect("json");
    let browser = Browser::signed_in(&world).await;
    let page = text(&browser.get(&format!("/drafts/{}", held["draft"].as_str().expect("a draft"))).await);
    assert_eq!(page.matches("<details class=\"long\">").count(), 12, "each long value is folded up");
    assert!(page.contains("<summary>2 more records</summary>"), "{page}");
    assert!(page.contains("href=\"#decide\"") && page.contains("id=\"decide\""), "{page}");
    world.end().await;
}
