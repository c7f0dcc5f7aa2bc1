//! What holds for the whole definition: effects, groups, regions, scopes, and what it does not know.

use std::collections::BTreeSet;

use wardlock_core::canonical::Method;
use wardlock_core::id::Region;
use wardlock_core::plugin::Effect;
use wardlock_core::service::BodyKind;

use crate::support::{TEXT, check_route, classified, service, show};

#[test]
fn an_event_stream_flows_unless_a_service_says_otherwise() {
    let flowing: Vec<&str> = service().answer.flowing_types.iter().map(String::as_str).collect();
    assert_eq!(flowing, ["text/event-stream"]);
    let own = "[answer]\nflowing_types = [\"application/X-NDJSON\"]";
    let parsed = wardlock_core::service::parse(&TEXT.replace("[answer]", own), "own.toml").expect("a service");
    assert!(parsed.answer.flowing_types.iter().eq(["application/x-ndjson"]));
}

#[test]
fn a19_what_is_not_defined_is_unknown_and_destructive() {
    for line in [
        "GET /crm/v7/Leads",
        "GET /CRM/v8/Leads",
        "GET /crm/v8/settings",
        "GET /crm/v8/1",
        "HEAD /crm/v8/Leads",
        "PATCH /crm/v8/Leads/1",
        "POST /crm/v8/Leads/actions/new_action",
        "POST /crm/v8/Leads/1/actions/new_action",
        "GET /crm/v8/Leads/actions/new_action",
        "GET /crm/v8/Leads/1/2/3/4",
        "DELETE /crm/v8/settings",
    ] {
        let (method, target) = line.split_once(' ').expect("a method and a target");
        check_route(line, "unknown destructive $unknown");
        assert!(classified(method, target, &[], "").definition().is_none());
    }
    let unknown = classified("GET", "/crm/v8/Leads/ann%40example.com/x/y/z", &[], "");
    assert_eq!(unknown.template(), "/crm/v8/Leads/{?}/{?}/{?}/{?}");
}

#[test]
fn a19_no_delete_is_a_read_and_no_write_is_repeated() {
    for operation in &service().operations {
        let name = &operation.name;
        assert!(operation.method != Method::Delete || operation.effect > Effect::Read, "{name}");
        assert!(!operation.replay_safe || operation.effect == Effect::Read, "{name}");
        assert!(operation.method != Method::Get || operation.body == BodyKind::None, "{name}");
        assert!(
            operation.effect == Effect::Read
                || operation.resources.iter().all(|r| format!("{r:?}") != r#"Fixed("$identity")"#),
            "{name}"
        );
    }
}

#[test]
fn groups_keep_to_their_names() {
    let effects = |group: &str| -> BTreeSet<Effect> {
        let members = service().groups.get(group).expect(group);
        members.iter().map(|name| service().operation(name).expect(name).effect).collect()
    };
    for group in [
        "identity",
        "metadata",
        "records.read",
        "records.history",
        "files.read",
        "bulk.read",
        "users.read",
        "settings.read",
    ] {
        assert_eq!(effects(group), BTreeSet::from([Effect::Read]), "{group}");
    }
    for group in ["records.write", "files.write"] {
        assert_eq!(effects(group), BTreeSet::from([Effect::Write]), "{group}");
    }
    assert_eq!(effects("outside"), BTreeSet::from([Effect::Destructive]));
}

#[test]
fn regions_are_those_of_the_facts() {
    let row = |name: &str| &service().regions[&Region::parse(name).expect(name)];
    assert_eq!(service().regions.len(), 11);
    assert_eq!(
        (row("ca").accounts.as_str(), row("ca").host("api", "production")),
        ("accounts.zohocloud.ca", Some("www.zohoapis.ca"))
    );
    assert_eq!(row("ca").host("upload", "production"), Some("upload.zohocloud.ca"));
    assert_eq!(row("sa").host("upload", "production"), Some("files.zoho.sa"));
    assert_eq!(row("eu").host("api", "sandbox"), Some("sandbox.zohoapis.eu"));
    assert_eq!(row("uk").host("api", "sandbox"), None);
    assert!(!row("cn").federated && row("us").federated);
    let (region, environment) = service().region_of_host("developer.zohoapis.in").expect("a row");
    assert_eq!((region.as_str(), environment), ("in", Some("developer")));
}

#[test]
fn the_least_scopes_are_least() {
    let set = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<BTreeSet<String>>();
    let least =
        |operations: &[&str], resources: &[&str]| service().least_scopes(&set(operations), &set(resources));
    assert_eq!(least(&["records.list"], &["Leads"]), set(&["ZohoCRM.org.READ", "ZohoCRM.modules.leads.READ"]));
    assert_eq!(
        least(&["records.search", "records.coql"], &["Sales_Orders", "My_Module"]),
        set(&[
            "ZohoCRM.org.READ",
            "ZohoCRM.modules.salesorders.READ",
            "ZohoCRM.modules.custom.READ",
            "ZohoSearch.securesearch.READ",
            "ZohoCRM.coql.READ",
        ])
    );
    assert_eq!(least(&["records.list"], &["*"]), set(&["ZohoCRM.org.READ", "ZohoCRM.modules.READ"]));
    assert_eq!(
        least(&["composite", "records.list"], &["Leads"]),
        set(&["ZohoCRM.org.READ", "ZohoCRM.composite_requests.CUSTOM", "ZohoCRM.modules.leads.READ"])
    );
    let list = service().operation("records.list").expect("known");
    let suffice =
        |resource: &str, granted: &[&str]| service().scopes_suffice(list, &[resource.to_owned()], &set(granted));
    assert!(suffice("Leads", &["zohocrm.modules.LEADS.read"]));
    assert!(suffice("Leads", &["ZohoCRM.modules.ALL"]));
    assert!(!suffice("Leads", &["ZohoCRM.modules.contacts.READ"]));
}

#[test]
fn zohos_python_sdk_sends_nothing_that_is_refused() {
    let all = "fields=Last_Name%2CEmail&page=1&per_page=10&sort_by=id&sort_order=desc&converted=false&approved=both&ids=1&uid=1&territory_id=1&include_child=true&startDateTime=x&endDateTime=y&page_token=t";
    let list = classified(
        "GET",
        &format!("/crm/v8/Leads?{all}"),
        &[("x-zoho-sdk", "x"), ("if-modified-since", "x"), ("accept", "*/*")],
        "",
    );
    assert_eq!(show(&list), "records.list read Leads");
    let headers: Vec<&str> = list.request().headers().iter().map(|header| header.name.as_str()).collect();
    assert_eq!(headers, ["if-modified-since", "accept"]);
    check_route("GET /crm/v8/settings/fields?module=Leads&type=all&include=x", "fields.list read Leads");
    check_route("GET /crm/v8/settings/modules?status=visible", "modules.list read $identity");
    check_route(
        "GET /crm/v8/Leads/search?word=x&fields=Last_Name&page=1&per_page=2&converted=false&approved=both",
        "records.search read Leads",
    );
}
