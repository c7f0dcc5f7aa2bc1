//! Zoho Books: its routes, its organisation in every request, its answers.

use std::sync::{Arc, LazyLock};

use wardlock_core::answer::{Outcome, read_answer};
use wardlock_core::service::{ServiceDefinition, TenantOf};

use crate::support::{self, Row};

fn service() -> &'static Arc<ServiceDefinition> {
    static SERVICE: LazyLock<Arc<ServiceDefinition>> =
        LazyLock::new(|| support::service(include_str!("../../../services/zoho-books.toml"), "zoho-books.toml"));
    &SERVICE
}

const ROWS: &[Row] = &[
    ("GET /books/v3/organizations", "", "organizations.list read $organizations any"),
    ("GET /books/v3/organizations/20071234567", "", "organizations.get read $identity 0"),
    ("GET /books/v3/users/me", "", "users.me read $identity 0"),
    ("GET /books/v3/contacts?page=2&per_page=50&status=active", "", "records.list read contacts 50"),
    ("GET /books/v3/invoices/460000000026049?accept=pdf", "", "records.get read invoices 1"),
    ("GET /books/v3/invoices/pdf", "", "records.export read invoices any"),
    ("GET /books/v3/invoices/print", "", "records.print read invoices any"),
    ("POST /books/v3/invoices", r#"{"customer_id":"1"}"#, "records.create write invoices 1"),
    ("PUT /books/v3/items/460000000026049", r#"{"rate":5}"#, "records.update write items 1"),
    ("PUT /books/v3/invoices", "", "records.update_by_field write invoices 1"),
    ("DELETE /books/v3/invoices/460000000026049", "", "records.delete_one destructive invoices 1"),
    ("DELETE /books/v3/invoices?invoice_ids=1,2", "", "records.delete_many destructive invoices any"),
    ("POST /books/v3/invoices/460000000026049/status/void", "", "records.void destructive invoices 1"),
    ("POST /books/v3/invoices/460000000026049/status/sent", "", "records.change_status write invoices 1"),
    ("POST /books/v3/contacts/460000000026049/active", "", "records.activate write contacts 1"),
    ("POST /books/v3/invoices/460000000026049/inactive", "", "records.deactivate write invoices 1"),
    ("POST /books/v3/invoices/460000000026049/submit", "", "records.submit write invoices 1"),
    ("POST /books/v3/invoices/460000000026049/approve", "", "records.approve write invoices 1"),
    ("POST /books/v3/projects/460000000026049/clone", "", "records.clone write projects 1"),
    ("GET /books/v3/invoices/460000000026049/address", "", "addresses.list read invoices 1"),
    ("POST /books/v3/contacts/460000000026049/address", "", "addresses.create write contacts 1"),
    ("PUT /books/v3/invoices/460000000026049/address/460000000026049", "", "addresses.update write invoices 1"),
    (
        "DELETE /books/v3/invoices/460000000026049/address/460000000026049",
        "",
        "addresses.delete destructive invoices 1",
    ),
    ("GET /books/v3/contacts/460000000026049/contactpersons", "", "persons.list read contacts 200"),
    ("GET /books/v3/contacts/460000000026049/contactpersons/460000000026049", "", "persons.get read contacts 1"),
    ("POST /books/v3/contacts/contactpersons", "", "persons.create write contacts 1"),
    ("PUT /books/v3/contacts/contactpersons/460000000026049", "", "persons.update write contacts 1"),
    ("DELETE /books/v3/contacts/contactpersons/460000000026049", "", "persons.delete destructive contacts 1"),
    (
        "POST /books/v3/contacts/contactpersons/460000000026049/primary",
        "",
        "persons.make_primary write contacts 1",
    ),
    ("GET /books/v3/invoices/460000000026049/comments", "", "comments.list read invoices 200"),
    ("POST /books/v3/invoices/460000000026049/comments", "", "comments.create write invoices 1"),
    ("PUT /books/v3/invoices/460000000026049/comments/460000000026049", "", "comments.update write invoices 1"),
    (
        "DELETE /books/v3/invoices/460000000026049/comments/460000000026049",
        "",
        "comments.delete destructive invoices 1",
    ),
    ("GET /books/v3/invoices/460000000026049/attachment", "", "attachments.get read invoices 1"),
    ("POST /books/v3/invoices/460000000026049/attachment", "", "attachments.add write invoices 1"),
    ("DELETE /books/v3/invoices/460000000026049/attachment", "", "attachments.delete destructive invoices 1"),
    ("GET /books/v3/expenses/460000000026049/receipt", "", "receipts.get read expenses 1"),
    ("POST /books/v3/expenses/460000000026049/receipt", "", "receipts.add write expenses 1"),
    ("DELETE /books/v3/expenses/460000000026049/receipt", "", "receipts.delete destructive expenses 1"),
    ("GET /books/v3/invoices/460000000026049/documents/460000000026049", "", "documents.get read invoices 1"),
    (
        "DELETE /books/v3/invoices/460000000026049/documents/460000000026049",
        "",
        "documents.delete destructive invoices 1",
    ),
    ("GET /books/v3/invoices/460000000026049/email", "", "mail.content read invoices 1"),
    ("POST /books/v3/invoices/460000000026049/email", "", "mail.send destructive invoices 1"),
    ("POST /books/v3/invoices/email", "", "mail.send_many destructive invoices any"),
    ("GET /books/v3/invoices/460000000026049/paymentreminder", "", "reminders.content read invoices 1"),
    ("POST /books/v3/invoices/460000000026049/paymentreminder", "", "reminders.send destructive invoices 1"),
    (
        "POST /books/v3/invoices/paymentreminder?invoice_ids=1,2,3",
        "",
        "reminders.send_many destructive invoices 3",
    ),
    (
        "POST /books/v3/invoices/460000000026049/paymentreminder/enable",
        "",
        "reminders.enable destructive invoices 1",
    ),
    ("POST /books/v3/invoices/460000000026049/paymentreminder/disable", "", "reminders.disable write invoices 1"),
    ("GET /books/v3/contacts/460000000026049/statements/email", "", "statements.content read contacts 1"),
    ("POST /books/v3/contacts/460000000026049/statements/email", "", "statements.send destructive contacts 1"),
    ("POST /books/v3/contacts/460000000026049/portal/enable", "", "portal.enable destructive contacts 1"),
    ("GET /books/v3/invoices/460000000026049/payments", "", "payments.list read invoices 200"),
    (
        "DELETE /books/v3/invoices/460000000026049/payments/460000000026049",
        "",
        "payments.delete destructive invoices 1",
    ),
    ("GET /books/v3/invoices/460000000026049/creditsapplied", "", "credits.list read invoices 200"),
    ("POST /books/v3/invoices/460000000026049/credits", "", "credits.apply write invoices 1"),
    (
        "DELETE /books/v3/invoices/460000000026049/creditsapplied/460000000026049",
        "",
        "credits.remove destructive invoices 1",
    ),
    (
        "GET /books/v3/creditnotes/460000000026049/invoices",
        "",
        "creditnotes.invoices read creditnotes+invoices 200",
    ),
    (
        "POST /books/v3/creditnotes/460000000026049/invoices",
        r#"{"invoices":[{"invoice_id":"1"},{"invoice_id":"2"}]}"#,
        "creditnotes.apply write creditnotes+invoices 2",
    ),
    (
        "DELETE /books/v3/creditnotes/460000000026049/invoices/460000000026049",
        "",
        "creditnotes.remove destructive creditnotes+invoices 1",
    ),
    ("GET /books/v3/invoices/460000000026049/refunds", "", "refunds.list read invoices 200"),
    ("GET /books/v3/invoices/460000000026049/refunds/460000000026049", "", "refunds.get read invoices 1"),
    ("POST /books/v3/invoices/460000000026049/refunds", "", "refunds.create destructive invoices 1"),
    (
        "PUT /books/v3/invoices/460000000026049/refunds/460000000026049",
        "",
        "refunds.update destructive invoices 1",
    ),
    (
        "DELETE /books/v3/invoices/460000000026049/refunds/460000000026049",
        "",
        "refunds.delete destructive invoices 1",
    ),
    ("POST /books/v3/invoices/460000000026049/writeoff", "", "invoices.write_off destructive invoices 1"),
    ("POST /books/v3/invoices/460000000026049/writeoff/cancel", "", "invoices.cancel_write_off write invoices 1"),
    (
        "GET /books/v3/banktransactions/uncategorized/460000000026049/match",
        "",
        "bank.matches read banktransactions 200",
    ),
    (
        "POST /books/v3/banktransactions/uncategorized/460000000026049/match",
        "",
        "bank.match write banktransactions 1",
    ),
    (
        "POST /books/v3/banktransactions/uncategorized/460000000026049/categorize",
        "",
        "bank.categorize write banktransactions 1",
    ),
    (
        "POST /books/v3/banktransactions/uncategorized/460000000026049/exclude",
        "",
        "bank.exclude write banktransactions 1",
    ),
    (
        "POST /books/v3/banktransactions/uncategorized/460000000026049/restore",
        "",
        "bank.restore write banktransactions 1",
    ),
    ("POST /books/v3/banktransactions/460000000026049/unmatch", "", "bank.unmatch write banktransactions 1"),
    (
        "POST /books/v3/banktransactions/460000000026049/uncategorize",
        "",
        "bank.uncategorize destructive banktransactions 1",
    ),
    (
        "POST /books/v3/bankstatements",
        r#"{"account_id":"1","transactions":[{"date":"2026-01-01"}]}"#,
        "bank.import write banktransactions 1",
    ),
    ("GET /books/v3/projects/460000000026049/tasks", "", "tasks.list read projects 200"),
    ("POST /books/v3/projects/460000000026049/tasks", "", "tasks.create write projects 1"),
    ("PUT /books/v3/projects/460000000026049/tasks/460000000026049", "", "tasks.update write projects 1"),
    ("DELETE /books/v3/projects/460000000026049/tasks/460000000026049", "", "tasks.delete destructive projects 1"),
    ("GET /books/v3/projects/timeentries", "", "time.list read projects 200"),
    ("GET /books/v3/projects/timeentries/460000000026049", "", "time.get read projects 1"),
    ("POST /books/v3/projects/timeentries", "", "time.create write projects 1"),
    ("PUT /books/v3/projects/timeentries/460000000026049", "", "time.update write projects 1"),
    ("DELETE /books/v3/projects/timeentries/460000000026049", "", "time.delete destructive projects 1"),
    ("GET /books/v3/chartofaccounts/transactions", "", "ledger.transactions read chartofaccounts 200"),
    ("GET /books/v3/reports/profitandloss", "", "reports.get read $reports any"),
    ("GET /books/v3/settings/taxes", "", "settings.list read $settings 200"),
    ("GET /books/v3/settings/taxes/460000000026049", "", "settings.get read $settings 1"),
    ("POST /books/v3/settings/taxes", "", "settings.create write $settings 1"),
    ("PUT /books/v3/settings/taxes/460000000026049", "", "settings.update write $settings 1"),
    ("DELETE /books/v3/settings/taxes/460000000026049", "", "settings.delete destructive $settings 1"),
    ("GET /books/v3/users", "", "users.list read $users 200"),
    ("GET /books/v3/users/460000000026049", "", "users.get read $users 1"),
    ("POST /books/v3/users", "", "users.create destructive $users 1"),
    ("PUT /books/v3/users/460000000026049", "", "users.update write $users 1"),
    ("DELETE /books/v3/users/460000000026049", "", "users.delete destructive $users 1"),
    ("POST /books/v3/users/460000000026049/invite", "", "users.invite destructive $users 1"),
    ("POST /books/v3/users/460000000026049/active", "", "users.activate write $users 1"),
    ("POST /books/v3/users/460000000026049/inactive", "", "users.deactivate destructive $users 1"),
];

#[test]
fn every_operation_is_what_its_row_says() {
    support::check_rows(service(), ROWS);
    support::check_sanity(
        service(),
        &["identity", "records.read", "files.read", "reports.read", "settings.read", "users.read"],
        &["records.write", "approval", "files.write"],
    );
}

#[test]
fn what_tells_the_customer_is_destructive() {
    let effect = |line: &str, body: &str| {
        let classified = support::read(service(), line, &[], body).expect(line);
        classified.operation().effect.as_str()
    };
    assert_eq!(effect("POST /books/v3/invoices?send=true", "{}"), "destructive");
    assert_eq!(effect("POST /books/v3/estimates/1/comments", r#"{"description":"x"}"#), "write");
    let shown = r#"{"description":"x","show_comment_to_clients":true}"#;
    assert_eq!(effect("POST /books/v3/estimates/1/comments", shown), "destructive");
}

#[test]
fn the_organisation_is_the_connections() {
    let own = Some("20071234567");
    for (line, tenant, expect) in [
        ("GET /books/v3/contacts", own, "passed"),
        ("GET /books/v3/contacts?organization_id=20071234567", own, "passed"),
        ("GET /books/v3/contacts?organization_id=200712345672", own, "tenant_mismatch"),
        ("GET /books/v3/contacts?organization_id=", own, "tenant_mismatch"),
        ("GET /books/v3/contacts?organization_id=20071234567&organization_id=2", own, "not_canonical"),
        ("GET /books/v3/contacts?Organization_Id=200712345672", own, "query_not_allowed"),
        ("DELETE /books/v3/invoices/1?organization_id=2", own, "tenant_mismatch"),
        ("GET /books/v3/organizations/20071234567", own, "passed"),
        ("GET /books/v3/organizations/200712345672", own, "tenant_mismatch"),
        // Nothing passes before it is known which organisation is meant.
        ("GET /books/v3/contacts", None, "tenant_mismatch"),
        ("GET /books/v3/contacts?organization_id=20071234567", None, "tenant_mismatch"),
        // The list of all organisations is not this connection's.
        ("GET /books/v3/organizations", own, "resource_not_allowed"),
    ] {
        assert_eq!(support::judged(service(), tenant, line, &[], ""), expect, "{line} for {tenant:?}");
    }
    assert_eq!(service().tenant.of, TenantOf::Connection);
}

#[test]
fn no_other_body_and_no_other_word_gets_through() {
    let own = Some("20071234567");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = "JSONString=%7B%22contact_name%22%3A%22x%22%7D";
    assert_eq!(support::judged(service(), own, "POST /books/v3/contacts", &form, body), "body_type");
    assert_eq!(support::judged(service(), own, "POST /books/v3/contacts", &[], body), "not_canonical");
    for line in ["POST /books/v3/contacts?JSONString=x", "GET /books/v3/contacts?authtoken=x"] {
        assert_eq!(support::judged(service(), own, line, &[], ""), "query_not_allowed", "{line}");
    }
    for line in [
        "GET /books/v2/contacts",
        "GET /books/v3/settings",
        "PATCH /books/v3/contacts/1",
        "POST /books/v3/contacts/1/track1099",
        "GET /books/v3/bankaccounts/rules",
        "POST /books/v3/organizations",
    ] {
        assert_eq!(support::judged(service(), own, line, &[], ""), "unknown_operation", "{line}");
    }
    // The connection may use every module, and these are none that the definition knows.
    for line in ["GET /books/v3/cm_machines", "POST /books/v3/customfunctions", "DELETE /books/v3/tags/1"] {
        assert_eq!(support::judged(service(), own, line, &[], ""), "resource_not_allowed", "{line}");
    }
    for line in ["GET /books/v3/reports/balancesheet", "GET /books/v3/users", "GET /books/v3/settings/taxes"] {
        assert_eq!(support::judged(service(), own, line, &[], ""), "resource_not_allowed", "{line}");
    }
}

#[test]
fn headers_that_name_an_organisation_are_dropped() {
    let headers = [("x-com-zoho-books-organizationid", "2"), ("x-upsert", "true"), ("accept", "*/*")];
    let list = support::read(service(), "GET /books/v3/contacts", &headers, "").expect("a read");
    let names: Vec<&str> = list.request().headers().iter().map(|header| header.name.as_str()).collect();
    assert_eq!(names, ["accept"]);
    let upsert = support::read(service(), "PUT /books/v3/contacts", &headers, "{}").expect("a write");
    assert!(upsert.request().header("x-upsert").is_some());
}

#[test]
fn answers_are_read_by_their_code() {
    let read = |status: u16, body: &str| {
        let reading = read_answer(&service().answer, status, Some(body.as_bytes()));
        (reading.outcome, reading.stale_token, reading.throttled, reading.code)
    };
    let good = r#"{"code":0,"message":"success","contacts":[{"status":"error","code":57}]}"#;
    assert_eq!(read(200, good), (Outcome::Ok, false, false, None));
    assert_eq!(read(200, r#"{"code":1002,"message":"x"}"#), (Outcome::Failed, false, false, Some("1002".into())));
    assert_eq!(read(401, r#"{"code":57,"message":"x"}"#), (Outcome::Failed, true, false, Some("57".into())));
    assert_eq!(read(401, r#"{"code":14,"message":"x"}"#), (Outcome::Failed, true, false, Some("14".into())));
    for code in ["44", "45", "1070"] {
        let body = format!(r#"{{"code":{code},"message":"x"}}"#);
        assert_eq!(read(400, &body), (Outcome::Failed, false, true, Some(code.into())));
    }
    assert_eq!(read(200, "%PDF-1.7"), (Outcome::Ok, false, false, None));
}

#[test]
fn scopes_follow_the_family_and_not_the_path() {
    let set = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let least =
        |operations: &[&str], resources: &[&str]| service().least_scopes(&set(operations), &set(resources));
    assert_eq!(
        least(&["records.list"], &["items", "journals", "vendorcredits", "contacts"]),
        set(&[
            "ZohoBooks.settings.READ",
            "ZohoBooks.accountants.READ",
            "ZohoBooks.debitnotes.READ",
            "ZohoBooks.contacts.READ"
        ])
    );
    let create = service().operation("records.create").expect("known");
    let suffice = |granted: &[&str]| service().scopes_suffice(create, &["items".to_owned()], &set(granted));
    assert!(suffice(&["zohobooks.settings.create"]) && suffice(&["ZohoBooks.fullaccess.all"]));
    assert!(!suffice(&["ZohoBooks.settings.READ"]) && !suffice(&["ZohoBooks.items.CREATE"]));
}
