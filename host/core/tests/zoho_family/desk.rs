//! Zoho Desk: its routes, its portal in every request, its answers.

use std::sync::{Arc, LazyLock};

use wardlock_core::answer::{Outcome, read_answer};
use wardlock_core::service::ServiceDefinition;

use crate::support::{self, Row};

fn service() -> &'static Arc<ServiceDefinition> {
    static SERVICE: LazyLock<Arc<ServiceDefinition>> =
        LazyLock::new(|| support::service(include_str!("../../../services/zoho-desk.toml"), "zoho-desk.toml"));
    &SERVICE
}

const ROWS: &[Row] = &[
    ("GET /api/v1/organizations", "", "organizations.list read $identity 0"),
    ("GET /api/v1/accessibleOrganizations", "", "organizations.accessible read $organizations any"),
    ("GET /api/v1/organizations/720071234567", "", "organizations.get read $identity 0"),
    ("GET /api/v1/myinfo", "", "myinfo read $identity 0"),
    ("GET /api/v1/departments", "", "departments.list read departments 10"),
    ("GET /api/v1/departments/460000000026049", "", "departments.get read departments 1"),
    ("GET /api/v1/organizationFields?module=tickets", "", "fields.list read tickets 0"),
    ("GET /api/v1/layouts?module=tickets", "", "layouts.list read tickets 0"),
    ("GET /api/v1/views?module=contacts", "", "views.list read contacts 0"),
    ("GET /api/v1/teams", "", "teams.list read $users any"),
    ("GET /api/v1/agents", "", "agents.list read $users 10"),
    ("GET /api/v1/agents/460000000026049", "", "agents.get read $users 1"),
    ("GET /api/v1/agents/email/ann%40acme.example", "", "agents.by_email read $users 1"),
    ("GET /api/v1/profiles", "", "profiles.list read $settings any"),
    ("GET /api/v1/roles", "", "roles.list read $settings any"),
    ("GET /api/v1/tickets?from=1&limit=50&status=Open", "", "records.list read tickets 50"),
    ("GET /api/v1/accounts/460000000026049", "", "records.get read accounts 1"),
    ("GET /api/v1/tickets/search?status=Open&limit=5", "", "records.search read tickets 5"),
    ("GET /api/v1/search?module=tickets&searchStr=x", "", "search read tickets 10"),
    ("GET /api/v1/contacts/460000000026049/tickets", "", "records.related read contacts+tickets 10"),
    ("POST /api/v1/contacts", "", "records.create write contacts 1"),
    ("PATCH /api/v1/contacts/460000000026049", "", "records.update write contacts 1"),
    (
        "POST /api/v1/tickets/updateMany",
        r#"{"fieldName":"status","fieldValue":"Closed","ids":["1","2"]}"#,
        "records.update_many write tickets 2",
    ),
    ("POST /api/v1/contacts/moveToTrash", r#"{"contactIds":["1"]}"#, "records.trash destructive contacts any"),
    (
        "POST /api/v1/contacts/460000000026049/merge",
        r#"{"ids":["1","2"]}"#,
        "records.merge destructive contacts 2",
    ),
    ("POST /api/v1/tickets/moveToTrash", r#"{"ticketIds":["1","2","3"]}"#, "tickets.trash destructive tickets 3"),
    ("POST /api/v1/tickets/markSpam", r#"{"ids":["1"],"isSpam":true}"#, "tickets.mark_spam destructive tickets 1"),
    ("POST /api/v1/closeTickets", r#"{"ids":["1","2"]}"#, "tickets.close_many write tickets 2"),
    ("POST /api/v1/tickets/460000000026049/move", "", "tickets.move write tickets 1"),
    ("POST /api/v1/tickets/460000000026049/threads/460000000026049/split", "", "tickets.split write tickets 1"),
    ("GET /api/v1/ticketsCount", "", "tickets.count read tickets 0"),
    ("GET /api/v1/ticketsCountByFieldValues", "", "tickets.count_by_field read tickets 0"),
    ("GET /api/v1/tickets/460000000026049/History", "", "tickets.history read tickets 1"),
    ("GET /api/v1/tickets/460000000026049/metrics", "", "tickets.metrics read tickets 1"),
    ("GET /api/v1/tickets/460000000026049/resolution", "", "tickets.resolution read tickets 1"),
    ("PATCH /api/v1/tickets/460000000026049/resolution", "", "tickets.set_resolution write tickets 1"),
    ("DELETE /api/v1/tickets/460000000026049/resolution", "", "tickets.delete_resolution destructive tickets 1"),
    ("GET /api/v1/tickets/460000000026049/followers", "", "tickets.followers read $users+tickets any"),
    ("GET /api/v1/tickets/460000000026049/tags", "", "tickets.tags read tickets 1"),
    ("POST /api/v1/tickets/460000000026049/associateTag", "", "tickets.add_tags write tickets 1"),
    ("POST /api/v1/tickets/460000000026049/dissociateTag", "", "tickets.remove_tags destructive tickets 1"),
    ("GET /api/v1/tickets/460000000026049/conversations", "", "conversations.list read tickets 10"),
    ("GET /api/v1/tickets/460000000026049/threads", "", "threads.list read tickets 10"),
    ("GET /api/v1/tickets/460000000026049/latestThread", "", "threads.latest read tickets 1"),
    ("GET /api/v1/tickets/460000000026049/threads/460000000026049", "", "threads.get read tickets 1"),
    (
        "GET /api/v1/tickets/460000000026049/threads/460000000026049/originalContent",
        "",
        "threads.original read tickets 1",
    ),
    ("POST /api/v1/tickets/460000000026049/sendReply", "", "replies.send destructive tickets 1"),
    ("POST /api/v1/tickets/460000000026049/draftReply", "", "replies.draft write tickets 1"),
    (
        "PATCH /api/v1/tickets/460000000026049/draftReply/460000000026049",
        "",
        "replies.change_draft write tickets 1",
    ),
    ("GET /api/v1/tickets/460000000026049/comments", "", "comments.list read tickets 10"),
    ("GET /api/v1/tickets/460000000026049/comments/460000000026049", "", "comments.get read tickets 1"),
    (
        "POST /api/v1/tickets/460000000026049/comments",
        r#"{"content":"x","isPublic":false}"#,
        "comments.create write tickets 1",
    ),
    ("PATCH /api/v1/tickets/460000000026049/comments/460000000026049", "", "comments.update write tickets 1"),
    (
        "DELETE /api/v1/tickets/460000000026049/comments/460000000026049",
        "",
        "comments.delete destructive tickets 1",
    ),
    ("GET /api/v1/contacts/460000000026049/attachments", "", "attachments.list read contacts 10"),
    (
        "GET /api/v1/contacts/460000000026049/attachments/460000000026049/content",
        "",
        "attachments.download read contacts 1",
    ),
    ("POST /api/v1/contacts/460000000026049/attachments", "", "attachments.add write contacts 1"),
    (
        "DELETE /api/v1/contacts/460000000026049/attachments/460000000026049",
        "",
        "attachments.delete destructive contacts 1",
    ),
    ("GET /api/v1/tickets/460000000026049/timeEntry", "", "time.list read tickets 10"),
    ("GET /api/v1/tickets/460000000026049/timeEntry/460000000026049", "", "time.get read tickets 1"),
    ("POST /api/v1/tickets/460000000026049/timeEntry", "", "time.create write tickets 1"),
    ("PATCH /api/v1/tickets/460000000026049/timeEntry/460000000026049", "", "time.update write tickets 1"),
    ("DELETE /api/v1/tickets/460000000026049/timeEntry/460000000026049", "", "time.delete destructive tickets 1"),
    ("POST /api/v1/contacts/460000000026049/inviteAsEndUser", "", "contacts.invite destructive contacts 1"),
    (
        "POST /api/v1/contacts/markSpam",
        r#"{"contactIds":["1"],"isSpam":true}"#,
        "contacts.mark_spam destructive contacts 1",
    ),
    ("GET /api/v1/webhooks", "", "webhooks.list read $settings any"),
    ("POST /api/v1/webhooks", "", "webhooks.create destructive $notifications any"),
    ("PATCH /api/v1/webhooks/460000000026049", "", "webhooks.update destructive $notifications any"),
    ("DELETE /api/v1/webhooks/460000000026049", "", "webhooks.delete destructive $notifications any"),
    ("GET /api/v1/recycleBin", "", "recycle_bin.list read $recycle_bin 10"),
    ("POST /api/v1/recycleBin/restore", r#"{"ids":["1"]}"#, "recycle_bin.restore write $recycle_bin 1"),
    ("POST /api/v1/recycleBin/delete", r#"{"ids":["1"]}"#, "recycle_bin.delete destructive $recycle_bin 1"),
    ("POST /api/v1/departments", "", "departments.create write $settings 1"),
    ("PATCH /api/v1/departments/460000000026049", "", "departments.update write $settings 1"),
];

#[test]
fn every_operation_is_what_its_row_says() {
    support::check_rows(service(), ROWS);
    support::check_sanity(
        service(),
        &["identity", "metadata", "tickets.read", "records.read", "files.read", "users.read", "settings.read"],
        &["records.write", "tickets.write", "files.write"],
    );
}

#[test]
fn what_tells_the_customer_is_destructive() {
    let effect = |line: &str, body: &str| {
        let classified = support::read(service(), line, &[], body).expect(line);
        classified.operation().effect.as_str()
    };
    for (line, body, expect) in [
        ("POST /api/v1/tickets/1/comments", r#"{"content":"x"}"#, "write"),
        ("POST /api/v1/tickets/1/comments", r#"{"content":"x","isPublic":true}"#, "destructive"),
        ("POST /api/v1/tickets/1/comments", r#"{"content":"x","isPublic":"True"}"#, "destructive"),
        ("PATCH /api/v1/tickets/1/comments/2", r#"{"isPublic":true}"#, "destructive"),
        ("PATCH /api/v1/tickets/1/resolution", r#"{"content":"x","isNotifyContact":true}"#, "destructive"),
        ("POST /api/v1/tickets/1/sendReply", "{}", "destructive"),
        ("POST /api/v1/tickets/1/draftReply", "{}", "write"),
    ] {
        assert_eq!(effect(line, body), expect, "{line} {body}");
    }
    let public = "POST /api/v1/tickets/1/attachments?isPublic=true";
    assert_eq!(effect(public, "x"), "destructive");
}

#[test]
fn the_portal_is_the_grants() {
    let own = Some("720071234567");
    let org = |value: &'static str| vec![("orgid", value)];
    for (line, headers, tenant, expect) in [
        ("GET /api/v1/tickets", vec![], own, "passed"),
        ("GET /api/v1/tickets", org("720071234567"), own, "passed"),
        ("GET /api/v1/tickets", org("720079876543"), own, "tenant_mismatch"),
        ("GET /api/v1/tickets", org(""), own, "tenant_mismatch"),
        ("GET /api/v1/tickets", [org("720071234567"), org("2")].concat(), own, "tenant_mismatch"),
        ("GET /api/v1/tickets?orgId=2", vec![], own, "query_not_allowed"),
        ("GET /api/v1/organizations/720071234567", vec![], own, "passed"),
        ("GET /api/v1/organizations/2", vec![], own, "tenant_mismatch"),
        ("GET /api/v1/tickets", vec![], None, "tenant_mismatch"),
        ("GET /api/v1/accessibleOrganizations", vec![], own, "resource_not_allowed"),
    ] {
        assert_eq!(support::judged(service(), tenant, line, &headers, ""), expect, "{line} {headers:?}");
    }
}

#[test]
fn what_is_not_defined_is_refused() {
    let own = Some("720071234567");
    for (line, expect) in [
        ("GET /api/v2/tickets", "unknown_operation"),
        ("DELETE /api/v1/tickets/1", "unknown_operation"),
        ("PUT /api/v1/tickets/1", "unknown_operation"),
        ("POST /api/v1/tickets/1/approvals", "unknown_operation"),
        ("DELETE /api/v1/recycleBin", "unknown_operation"),
        ("GET /api/v1/agents", "resource_not_allowed"),
        ("POST /api/v1/webhooks", "resource_not_allowed"),
        ("GET /api/v1/search?searchStr=x", "resource_not_allowed"),
        ("GET /api/v1/contacts/1/history", "resource_not_allowed"),
        ("GET /api/v1/emailTemplates", "resource_not_allowed"),
        ("POST /api/v1/emptyRecycleBin", "resource_not_allowed"),
        ("GET /api/v1/tickets?viewid=1", "query_not_allowed"),
    ] {
        assert_eq!(support::judged(service(), own, line, &[], ""), expect, "{line}");
    }
}

#[test]
fn answers_are_read_by_their_error_code() {
    let read = |status: u16, body: &str| {
        let reading = read_answer(&service().answer, status, Some(body.as_bytes()));
        let flags = [(reading.stale_token, "stale"), (reading.scope, "scope"), (reading.throttled, "throttled")];
        let flags: Vec<&str> = flags.iter().filter(|(set, _)| *set).map(|(_, word)| *word).collect();
        (reading.outcome, flags.join(" "))
    };
    assert_eq!(read(204, ""), (Outcome::Ok, String::new()));
    assert_eq!(read(200, r#"{"data":[{"id":"1","status":"Open"}]}"#), (Outcome::Ok, String::new()));
    for (status, code, flags) in [
        (401, "INVALID_OAUTH", "stale"),
        (401, "UNAUTHORIZED", "stale"),
        (403, "SCOPE_MISMATCH", "scope"),
        (403, "OAUTH_ORG_MISMATCH", ""),
        (403, "LICENSE_ACCESS_LIMITED", ""),
        (429, "THRESHOLD_EXCEEDED", "throttled"),
        (422, "INVALID_DATA", ""),
    ] {
        let body = format!(r#"{{"errorCode":"{code}","message":"x"}}"#);
        assert_eq!(read(status, &body), (Outcome::Failed, flags.to_owned()), "{code}");
    }
}
