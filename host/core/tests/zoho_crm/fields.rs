//! Which fields and how many records a request touches.

use wardlock_core::canonical::CanonicalRequest;
use wardlock_core::classify::classify;
use wardlock_core::refusal::Code;

use crate::support::{check_route, check_touched, classified, service, show, show_touched};

#[test]
fn fields_and_breadth_of_reads() {
    check_touched(
        "GET /crm/v8/Leads?fields=Last_Name,%20Email&sort_by=Phone&per_page=5",
        "",
        "Leads.Email Leads.Last_Name Leads.Phone? | 5",
    );
    check_touched("GET /crm/v8/Leads?fields=Last_Name&per_page=9999", "", "Leads.Last_Name | 200");
    check_touched("GET /crm/v8/Leads?fields=Last_Name&per_page=0", "", "Leads.Last_Name | any");
    check_touched("GET /crm/v8/Leads?fields=Last_Name&per_page=%2B5", "", "Leads.Last_Name | any");
    check_touched("GET /crm/v8/Leads", "", "? | 200");
    check_touched("GET /crm/v8/Leads?fields=Last_Name&cvid=1", "", "? | 200");
    check_touched("GET /crm/v8/Leads?fields=a%20b", "", "? | 200");
    check_touched(
        "GET /crm/v8/Contacts?fields=Account_Name.Phone",
        "",
        "Accounts.Phone Contacts.Account_Name | 200",
    );
    check_route("GET /crm/v8/Contacts?fields=Account_Name.Phone", "records.list read Accounts+Contacts");
    check_route("GET /crm/v8/Contacts?fields=My_Lookup.Phone", "records.list read $unknown+Contacts");
    check_touched("GET /crm/v8/Leads/1?fields=Email", "", "Leads.Email | 1");
    check_touched("GET /crm/v8/Leads/1,2?fields=Email", "", "Leads.Email | any");
    check_touched(
        "GET /crm/v8/Leads/search?fields=Last_Name&criteria=((City:equals:Rome)and(Email:starts_with:a))",
        "",
        "Leads.City? Leads.Email? Leads.Last_Name | 200",
    );
    check_touched("GET /crm/v8/Leads/search?fields=Last_Name&criteria=nonsense", "", "? | 200");
    check_touched("GET /crm/v8/Leads/search?fields=Last_Name&word=x", "", "? | 200");
    check_touched("GET /crm/v8/Leads/search?fields=Last_Name&email=x", "", "? | 200");
    check_touched("GET /crm/v8/Leads/actions/count?criteria=(Email:equals:a)", "", "Leads.Email? | 0");
    check_touched("GET /crm/v8/Accounts/1/Deals?fields=Amount", "", "Deals.Amount | 200");
    check_touched("GET /crm/v8/Leads/1/__timeline", "", "? | 1");
    check_touched("GET /crm/v8/org", "", " | 0");
}

#[test]
fn an_external_id_touches_its_field() {
    let external = classified("GET", "/crm/v8/Leads/x?fields=City", &[("x-external", "Leads.Tax_Id")], "");
    assert_eq!(show_touched(&external), "Leads.City Leads.Tax_Id? | 1");
    assert!(external.request().header("x-external").is_some());
    let foreign = classified("GET", "/crm/v8/Leads/x?fields=City", &[("x-external", "Contacts.Tax_Id")], "");
    assert_eq!(show(&foreign), "records.get read Contacts+Leads");
    let odd = classified("GET", "/crm/v8/Leads/x?fields=City", &[("x-external", "nonsense")], "");
    assert_eq!(show(&odd), "records.get read $unknown+Leads");
}

#[test]
fn coql_is_read() {
    let ask = |query: &str| serde_json::json!({ "select_query": query }).to_string();
    let body = ask("select Last_Name, Account_Name.Phone from Contacts where Email = 'x' limit 7");
    check_touched(
        "POST /crm/v8/coql",
        &body,
        "Accounts.Phone Contacts.Account_Name Contacts.Email? Contacts.Last_Name | 7",
    );
    let show_coql = |body: &str| show(&classified("POST", "/crm/v8/coql", &[], body));
    assert_eq!(show_coql(&body), "records.coql read Accounts+Contacts");
    for odd in [
        ask("select * from Leads"),
        ask(""),
        "{}".to_owned(),
        "[]".to_owned(),
        r#"{"select_query":1}"#.to_owned(),
        String::new(),
    ] {
        assert_eq!(show_coql(&odd), "records.coql read $unknown", "{odd}");
        check_touched("POST /crm/v8/coql", &odd, "? | any");
    }
}

#[test]
fn fields_and_breadth_of_writes() {
    check_touched(
        "POST /crm/v8/Leads",
        r#"{"data":[{"Last_Name":"x"},{"Email":"y"}]}"#,
        "Leads.Email! Leads.Last_Name! | 2",
    );
    check_touched(
        "PUT /crm/v8/Leads/1",
        r#"{"data":[{"Owner":{"id":"1"},"Rows":[{"Qty":1}]}]}"#,
        "Leads.Owner! Leads.Owner.id! Leads.Rows! Leads.Rows.Qty! | 1",
    );
    check_touched(
        "POST /crm/v8/Leads/upsert",
        r#"{"data":[{"Last_Name":"x"}],"duplicate_check_fields":["Email"]}"#,
        "Leads.Email? Leads.Last_Name! | 1",
    );
    check_touched("POST /crm/v8/Leads", r#"{"data":"x"}"#, "? | any");
    check_touched("POST /crm/v8/Leads", "", "? | any");
    check_touched("DELETE /crm/v8/Leads?ids=1,2,3", "", "? | 3");
    check_touched("DELETE /crm/v8/Leads", "", "? | any");
    check_touched("POST /crm/v8/Leads/actions/mass_delete", r#"{"ids":["1"]}"#, "? | any");
}

#[test]
fn a17_a_callback_makes_a_bulk_read_destructive() {
    let read = |body: &str| show(&classified("POST", "/crm/bulk/v8/read", &[], body));
    assert_eq!(read(r#"{"query":{"module":{"api_name":"Leads"}}}"#), "bulk.read.create read Leads");
    let with = r#"{"callback":{"url":"https://x","method":"post"},"query":{"module":{"api_name":"Leads"}}}"#;
    assert_eq!(read(with), "bulk.read.create destructive Leads");
    assert_eq!(read("{}"), "bulk.read.create read $unknown");
}

#[test]
fn a20_a_member_that_is_read_stands_in_one_spelling_only() {
    for (line, body, place) in [
        (
            "POST /crm/v8/coql",
            r#"{"select_query":"select Last_Name from Leads limit 1","SELECT_QUERY":"select Email from Contacts"}"#,
            Some("/select_query"),
        ),
        (
            "POST /crm/v8/Leads",
            r#"{"data":[{"Last_Name":"E"}],"DATA":[{"Last_Name":"E"},{"Last_Name":"F"}]}"#,
            Some("/data"),
        ),
        ("POST /crm/v8/Leads", r#"{"DATA":[],"data":[{"Last_Name":"E"}]}"#, Some("/data")),
        // Names of others' own are theirs to choose, and one spelling alone is not read, so it is of any breadth.
        ("POST /crm/v8/Leads", r#"{"data":[{"Last_Name":"E","LAST_NAME":"F"}],"trigger":[],"Trigger":[]}"#, None),
        ("POST /crm/v8/Leads", r#"{"DATA":[{"Last_Name":"E"}]}"#, None),
    ] {
        let (method, target) = line.split_once(' ').expect("a method and a target");
        let request = CanonicalRequest::parse(method, target, Vec::new(), body.into()).expect("canonical");
        let refused = classify(service(), request).err();
        let said = refused.as_ref().map(|refusal| (refusal.code, refusal.detail.split('`').nth(1)));
        assert_eq!(said, place.map(|place| (Code::NotCanonical, Some(place))), "{body}");
    }
    check_touched("POST /crm/v8/Leads", r#"{"DATA":[{"Last_Name":"E"}]}"#, "? | any");
}
