//! COQL and criteria.

use serde_json::{Value, json};

use crate::support::*;

async fn coql(provider: &Provider, token: &str, query: &str) -> Answer {
    provider.call(token, "POST", "/crm/v8/coql", &json!({"select_query": query})).await
}

fn names(answer: &Value, field: &str) -> Vec<String> {
    answer["data"].as_array().into_iter().flatten().map(|row| text(row, field)).collect()
}

#[tokio::test]
async fn coql_selects_filters_sorts_and_limits() {
    let provider = Provider::start().await;
    let token = provider.token(SCOPES).await;
    for (query, expect) in [
        ("select Last_Name from Leads where Last_Name like 'W%' order by Last_Name asc", vec!["Weber"]),
        (
            "select Last_Name from Leads where Annual_Revenue >= 240000 order by Annual_Revenue desc",
            vec!["Müller", "Costa"],
        ),
        (
            "select Last_Name from Leads where (Last_Name in ('Kiss','Rossi') and City = 'Berlin') order by Last_Name desc limit 1",
            vec!["Rossi"],
        ),
        ("SELECT Last_Name FROM Leads WHERE Last_Name = 'O\\'Brien'", vec!["O'Brien"]),
        (
            "select Last_Name from Leads where Annual_Revenue between 10000 and 30000 order by id limit 1, 1",
            vec!["Kiss"],
        ),
        (
            "select Last_Name from Contacts where Account_Name.Account_Name = 'Lago Foods' order by id",
            vec!["Rossi", "Tanaka"],
        ),
        (
            "select Last_Name from Contacts where Account_Name in (select id from Accounts where Account_Name = 'Lago Foods') order by id limit 1",
            vec!["Rossi"],
        ),
        (
            "select Last_Name from Leads where Last_Name not in ('x') and Last_Name not like '%e%' and Annual_Revenue < 50000 order by id",
            vec!["Kiss", "Rossi", "Volkov"],
        ),
    ] {
        let answer = coql(&provider, &token, query).await;
        assert_eq!(names(&answer.json(), "Last_Name"), expect, "{query}: {}", answer.text);
    }
    let id = text(&provider.simulator.records("20071234567", "Leads")[3], "id");
    let one = coql(&provider, &token, &format!("select Last_Name from Leads where id = '{id}'")).await;
    assert_eq!(names(&one.json(), "Last_Name"), ["Volkov"]);
    let counted = coql(
        &provider,
        &token,
        "select COUNT(id) as leads, Lead_Source from Leads where id is not null group by Lead_Source",
    )
    .await;
    assert_eq!(
        counted.json()["data"],
        json!([{"leads": 13, "Lead_Source": "Web Download"}, {"leads": 12, "Lead_Source": "Trade Show"}])
    );
}

#[tokio::test]
async fn coql_refuses_what_it_cannot_read() {
    let provider = Provider::start().await;
    let token = provider.token(SCOPES).await;
    for (query, expect) in [
        ("select Last_Name from Leads", "SYNTAX_ERROR"),
        ("delete from Leads where id is not null", "SYNTAX_ERROR"),
        ("select Last_Name from Leads where id is not null; drop", "SYNTAX_ERROR"),
        ("select Nothing from Leads where id is not null", "INVALID_QUERY"),
        ("select id from Nothing where id is not null", "INVALID_QUERY"),
        ("select id from Leads where id is not null limit 2001", "LIMIT_EXCEEDED"),
    ] {
        let answer = coql(&provider, &token, query).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, expect), "{query}");
    }
}

#[tokio::test]
async fn search_finds_by_each_of_its_parameters() {
    let provider = Provider::start().await;
    let token = provider.token(SCOPES).await;
    for (query, expect) in [
        ("email=ada.moreau@northwindoptics.example", vec!["Moreau"]),
        ("phone=%2B49%2030%20555%201007", vec!["Kiss"]),
        ("word=Harbour", vec!["Zhang"]),
        ("criteria=((Last_Name:starts_with:Mo)or(Last_Name:equals:Weber))", vec!["Moreau", "Weber"]),
        ("criteria=(Last_Name:in:Weber,Zhang)", vec!["Weber", "Zhang"]),
        (
            "criteria=((Annual_Revenue:less_equal:20000)and(City:equals:Berlin))&fields=Last_Name",
            vec!["Moreau", "Kiss"],
        ),
    ] {
        let answer = provider.get(&token, &format!("/crm/v8/Leads/search?{query}")).await;
        assert_eq!(names(&answer.json(), "Last_Name"), expect, "{query}: {}", answer.text);
    }
    assert_eq!(provider.get(&token, "/crm/v8/Leads/search").await.code(), "EXPECTED_PARAM_MISSING");
    assert_eq!(
        provider.get(&token, "/crm/v8/Leads/search?criteria=(Nothing:equals:1)").await.code(),
        "INVALID_QUERY"
    );
    assert_eq!(provider.get(&token, "/crm/v8/Leads/search?word=a&page=11").await.code(), "LIMIT_REACHED");
    assert_eq!(provider.get(&token, "/crm/v8/Leads/actions/count").await.json()["count"], 25);
}
