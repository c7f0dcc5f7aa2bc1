//! The built-in Zoho CRM definition: what each of its routes is.

#![expect(clippy::expect_used, reason = "a helper of tests fails like a test")]

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use wardlock_core::canonical::{CanonicalRequest, Header, Method};
use wardlock_core::classify::{Classified, classify};
use wardlock_core::id::Region;
use wardlock_core::plugin::{Effect, FieldUse};
use wardlock_core::service::{BodyKind, ServiceDefinition, parse};

const TEXT: &str = include_str!("../../services/zoho-crm.toml");

fn service() -> &'static Arc<ServiceDefinition> {
    static SERVICE: LazyLock<Arc<ServiceDefinition>> =
        LazyLock::new(|| Arc::new(parse(TEXT, "zoho-crm.toml").unwrap_or_else(|error| panic!("{error}"))));
    &SERVICE
}

fn classified(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Classified {
    let headers = headers
        .iter()
        .map(|(name, value)| Header { name: (*name).to_owned(), value: value.as_bytes().to_vec() })
        .collect();
    let request = CanonicalRequest::parse(method, target, headers, body.as_bytes().to_vec()).expect(target);
    classify(service(), request).unwrap_or_else(|refusal| panic!("{method} {target}: {}", refusal.detail))
}

/// `name effect resources`
fn show(classified: &Classified) -> String {
    let operation = classified.operation();
    format!("{} {} {}", operation.name, operation.effect.as_str(), operation.resources.join("+"))
}

/// `fields | breadth`
fn show_touched(classified: &Classified) -> String {
    let operation = classified.operation();
    let fields = operation.fields.as_ref().map_or("?".to_owned(), |fields| {
        let field = |field: &wardlock_core::plugin::Field| {
            let how = match field.how {
                FieldUse::Read => "",
                FieldUse::Filter => "?",
                FieldUse::Write => "!",
            };
            format!("{}.{}{how}", field.of, field.name)
        };
        fields.iter().map(field).collect::<Vec<_>>().join(" ")
    });
    format!("{fields} | {}", operation.breadth.map_or("any".to_owned(), |breadth| breadth.to_string()))
}

#[track_caller]
fn check_route(line: &str, expect: &str) {
    let (method, target) = line.split_once(' ').expect("a method and a target");
    assert_eq!(show(&classified(method, target, &[], "")), expect, "{line}");
}

#[track_caller]
fn check_touched(line: &str, body: &str, expect: &str) {
    let (method, target) = line.split_once(' ').expect("a method and a target");
    assert_eq!(show_touched(&classified(method, target, &[], body)), expect, "{line} {body}");
}

#[test]
fn an_event_stream_flows_unless_a_service_says_otherwise() {
    let flowing: Vec<&str> = service().answer.flowing_types.iter().map(String::as_str).collect();
    assert_eq!(flowing, ["text/event-stream"]);
    let text = include_str!("../../services/zoho-crm.toml");
    let own = "[answer]\nflowing_types = [\"application/X-NDJSON\"]";
    let parsed = wardlock_core::service::parse(&text.replace("[answer]", own), "own.toml").expect("a service");
    assert!(parsed.answer.flowing_types.iter().eq(["application/x-ndjson"]));
}

#[test]
fn identity_and_metadata() {
    for (line, expect) in [
        ("GET /crm/v8/org", "org.get read $identity"),
        ("GET /crm/v8/settings/modules", "modules.list read $identity"),
        ("GET /crm/v8/settings/modules/Leads", "modules.get read Leads"),
        ("GET /crm/v8/users?type=CurrentUser", "users.list read $identity"),
        ("GET /crm/v8/users", "users.list read $users"),
        ("GET /crm/v8/users?type=AllUsers&page=1", "users.list read $users"),
        ("GET /crm/v8/users/5", "users.get read $users"),
        ("GET /crm/v8/settings/fields?module=Leads", "fields.list read Leads"),
        ("GET /crm/v8/settings/fields", "fields.list read $unknown"),
        ("GET /crm/v8/settings/fields?module=$users", "fields.list read $unknown"),
        ("GET /crm/v8/settings/fields?module=Leads,Contacts", "fields.list read $unknown"),
        ("GET /crm/v8/settings/layouts?module=Deals", "layouts.list read Deals"),
        ("GET /crm/v8/settings/related_lists?module=Deals", "related_lists.list read Deals"),
        ("GET /crm/v8/settings/custom_views?module=Leads", "custom_views.list read Leads"),
        ("GET /crm/v8/settings/roles", "roles.list read $settings"),
        ("GET /crm/v8/settings/profiles/1", "profiles.get read $settings"),
        ("GET /crm/v8/settings/modules/4876876000000000001", "settings.get read $settings"),
    ] {
        check_route(line, expect);
    }
}

#[test]
fn records() {
    for (line, expect) in [
        ("GET /crm/v8/Leads?fields=Last_Name&per_page=1", "records.list read Leads"),
        ("GET /crm/v8/leads?fields=Last_Name", "records.list read leads"),
        ("GET /crm/v8/Leads/123", "records.get read Leads"),
        ("GET /crm/v8/Leads/ann%40example.com", "records.get read Leads"),
        ("GET /crm/v8/Leads/search?criteria=(A:equals:1)", "records.search read Leads"),
        ("GET /crm/v8/Leads/actions/count", "records.count read Leads"),
        ("GET /crm/v8/Leads/deleted?type=all", "records.deleted read Leads"),
        ("GET /crm/v8/Leads/1/__timeline", "records.timeline read Leads"),
        ("GET /crm/v8/Accounts/1/Deals?fields=Amount", "related.list read Accounts+Deals"),
        ("GET /crm/v8/Accounts/1/Open_Activities?fields=x", "related.list read $unknown+Accounts"),
        ("GET /crm/v8/Accounts/1/Notes/2?fields=x", "related.get read Accounts+Notes"),
        ("POST /crm/v8/Leads/1/actions/get_related_records_count", "related.count read $unknown+Leads"),
        ("POST /crm/v8/Leads", "records.create write Leads"),
        ("PUT /crm/v8/Leads", "records.update write Leads"),
        ("PUT /crm/v8/Leads/1", "records.update_one write Leads"),
        ("POST /crm/v8/Leads/upsert", "records.upsert write Leads"),
        ("DELETE /crm/v8/Leads?ids=1,2", "records.delete_many destructive Leads"),
        ("DELETE /crm/v8/Leads/1", "records.delete_one destructive Leads"),
        ("POST /crm/v8/Leads/actions/mass_update", "mass.update write Leads"),
        ("POST /crm/v8/Leads/actions/mass_delete", "mass.delete destructive Leads"),
        ("POST /crm/v8/Leads/actions/change_owner", "owner.change_many write Leads"),
        ("POST /crm/v8/Leads/actions/mass_change_owner", "mass.change_owner write Leads"),
        ("POST /crm/v8/Leads/1/actions/merge", "records.merge destructive Leads"),
        ("POST /crm/v8/Leads/1/actions/convert", "leads.convert write Accounts+Contacts+Deals+Leads"),
        ("POST /crm/v8/Leads/actions/mass_convert", "leads.mass_convert write Accounts+Contacts+Deals+Leads"),
        ("POST /crm/v8/Quotes/1/actions/convert", "inventory.convert write $unknown+Quotes"),
        ("POST /crm/v8/Quotes/actions/mass_convert", "inventory.mass_convert write $unknown+Quotes"),
        ("POST /crm/v8/Leads/1/actions/clone", "records.clone write Leads"),
        ("PUT /crm/v8/Leads/1/actions/blueprint", "blueprint.move write Leads"),
        ("PUT /crm/v8/Products/1/Leads/2", "related.link write Leads+Products"),
        ("DELETE /crm/v8/Products/1/Leads/2", "related.unlink destructive Leads+Products"),
    ] {
        check_route(line, expect);
    }
}

#[test]
fn notes_tags_files() {
    for (line, expect) in [
        ("GET /crm/v8/Notes?fields=Note_Title", "records.list read Notes"),
        ("POST /crm/v8/Notes", "records.create write Notes"),
        ("DELETE /crm/v8/Notes/1", "records.delete_one destructive Notes"),
        ("GET /crm/v8/Leads/1/Notes?fields=Note_Title", "related.list read Leads+Notes"),
        ("POST /crm/v8/Leads/1/Notes", "notes.create_on write Leads+Notes"),
        ("PUT /crm/v8/Leads/1/Notes/2", "related.link write Leads+Notes"),
        ("DELETE /crm/v8/Leads/1/Notes/2", "related.unlink destructive Leads+Notes"),
        ("POST /crm/v8/Leads/actions/add_tags", "tags.add_to_many write Leads"),
        ("POST /crm/v8/Leads/1/actions/remove_tags", "tags.remove destructive Leads"),
        ("POST /crm/v8/settings/tags/1/actions/merge", "tags.merge destructive $settings"),
        ("POST /crm/v8/settings/tags/actions/mass_delete", "tags.mass_delete destructive $settings"),
        ("GET /crm/v8/settings/tags?module=Leads", "tags.list read Leads"),
        ("GET /crm/v8/Leads/1/Attachments?fields=id", "attachments.list read Attachments+Leads"),
        ("POST /crm/v8/Leads/1/Attachments", "attachments.upload write Attachments+Leads"),
        (
            "POST /crm/v8/Leads/1/Attachments?attachmentUrl=http://x",
            "attachments.upload destructive Attachments+Leads",
        ),
        ("GET /crm/v8/files?id=1", "files.download read $files"),
        ("POST /crm/v8/files", "files.upload write $files"),
        ("POST /crm/v8/upload", "bulk.upload write $bulk"),
    ] {
        check_route(line, expect);
    }
    assert_eq!(classified("POST", "/crm/v8/upload", &[], "").definition().expect("known").host, "upload");
}

#[test]
fn outside_bulk_and_administration() {
    for (line, expect) in [
        ("POST /crm/v8/Leads/1/actions/send_mail", "mail.send destructive Leads"),
        ("POST /crm/v8/Leads/1/actions/send_mail_merge", "mail.send_merge destructive Leads"),
        ("POST /crm/v8/Leads/1/actions/sign_mail_merge", "mail.sign_merge destructive Leads"),
        ("POST /crm/v8/actions/watch", "watch.enable destructive $notifications"),
        ("PUT /crm/v8/actions/watch", "watch.replace destructive $notifications"),
        ("PATCH /crm/v8/actions/watch", "watch.extend destructive $notifications"),
        ("DELETE /crm/v8/actions/watch?channel_ids=1", "watch.disable destructive $notifications"),
        ("POST /crm/v8/Leads/1/actions/share", "share.add destructive Leads"),
        ("POST /crm/v8/Leads/actions/share_emails", "share_emails.add_many destructive Leads"),
        ("GET /crm/v8/functions/f/actions/execute", "functions.execute_get destructive $functions"),
        ("GET /crm/bulk/v8/read/1", "bulk.read.get read $bulk"),
        ("GET /crm/bulk/v8/read/1/result", "bulk.read.result read $bulk"),
        ("POST /crm/bulk/v8/backup", "backup.create destructive $backup"),
        ("GET /crm/bulk/v8/backup/urls", "backup.urls destructive $backup"),
        ("POST /crm/v8/settings/audit_log_export", "audit_log_export.create destructive $settings"),
        ("DELETE /crm/v8/settings/recycle_bin?ids=1", "recycle_bin.delete_many destructive $recycle_bin"),
        ("POST /crm/v8/settings/recycle_bin/actions/restore", "recycle_bin.restore_many write $recycle_bin"),
        ("POST /crm/v8/users", "users.create write $users"),
        ("PUT /crm/v8/users", "users.update write $users"),
        ("DELETE /crm/v8/users/1", "users.delete destructive $users"),
        ("POST /crm/v8/users/1/actions/transfer_and_delete", "users.transfer_and_delete destructive $users"),
        ("PATCH /crm/v8/settings/pipeline?layout_id=1", "pipelines.delete_many destructive $settings"),
        ("PATCH /crm/v8/settings/pipeline/2?layout_id=1", "pipelines.delete destructive $settings"),
        ("DELETE /crm/v8/settings/layouts/1/actions/activate", "layouts.deactivate write $settings"),
        (
            "DELETE /crm/v8/settings/automation/scoring_rules/1/actions/activate",
            "automation.deactivate write $settings",
        ),
        ("POST /crm/v8/settings/data_sharing/rules/search", "sharing_rules.search read $settings"),
        ("POST /crm/v8/settings/user_groups/actions/get_assigned", "user_groups.get_assigned read $settings"),
        ("POST /crm/v8/settings/user_groups/actions/get_unassigned", "user_groups.get_unassigned read $settings"),
        ("POST /crm/v8/settings/fields?module=Leads", "fields.create write $settings"),
        ("DELETE /crm/v8/settings/fields/1?module=Leads", "fields.delete destructive $settings"),
        ("PUT /crm/v8/settings/roles/1", "roles.update write $settings"),
        ("POST /crm/v8/settings/portals", "portals.create write $settings"),
        ("PATCH /crm/v8/settings/global_picklists/1", "settings.patch destructive $settings"),
    ] {
        check_route(line, expect);
    }
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
fn a18_composite_is_refused_with_a_reason() {
    let composite = classified("POST", "/crm/v8/__composite_requests", &[], "{}");
    assert!(composite.definition().and_then(|operation| operation.refused.as_ref()).is_some());
    assert_eq!(composite.operation().effect, Effect::Destructive);
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
    assert_eq!(least(&["composite"], &["Leads"]), set(&["ZohoCRM.org.READ"]));
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
