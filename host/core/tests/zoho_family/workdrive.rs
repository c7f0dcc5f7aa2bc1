//! `WorkDrive`: its routes, one PATCH for a rename and for the end, its answers.

use std::sync::{Arc, LazyLock};

use wardlock_core::answer::{Outcome, read_answer};
use wardlock_core::service::ServiceDefinition;

use crate::support::{self, Row};

fn service() -> &'static Arc<ServiceDefinition> {
    static SERVICE: LazyLock<Arc<ServiceDefinition>> = LazyLock::new(|| {
        support::service(include_str!("../../../services/zoho-workdrive.toml"), "zoho-workdrive.toml")
    });
    &SERVICE
}

const ROWS: &[Row] = &[
    ("GET /workdrive/api/v1/users/me", "", "users.me read $identity 0"),
    ("GET /workdrive/api/v1/users/54123/teams", "", "teams.list read teams any"),
    ("GET /workdrive/api/v1/teams/team1", "", "teams.get read teams 1"),
    ("GET /workdrive/api/v1/teams/team1/currentuser", "", "teams.current_user read $identity 0"),
    ("GET /workdrive/api/v1/teams/team1/settings", "", "teams.settings read $settings 1"),
    ("GET /workdrive/api/v1/teams/team1/users", "", "teams.members read $users 50"),
    ("GET /workdrive/api/v1/teams/team1/teamfolders", "", "teamfolders.list read teamfolders 50"),
    ("GET /workdrive/api/v1/teams/team1/workspaces", "", "workspaces.list read teamfolders 50"),
    ("GET /workdrive/api/v1/teamfolders/fold1", "", "teamfolders.get read teamfolders 1"),
    ("POST /workdrive/api/v1/teamfolders", "", "teamfolders.create write teamfolders 1"),
    ("PATCH /workdrive/api/v1/teamfolders/fold1", "", "teamfolders.update write teamfolders 1"),
    ("DELETE /workdrive/api/v1/teamfolders/fold1", "", "teamfolders.delete destructive teamfolders 1"),
    ("GET /workdrive/api/v1/teamfolders/fold1/members", "", "teamfolders.members read $users 50"),
    ("POST /workdrive/api/v1/members", "", "teamfolders.add_member destructive $users 1"),
    ("PATCH /workdrive/api/v1/members/460000000026049", "", "teamfolders.change_member destructive $users 1"),
    ("DELETE /workdrive/api/v1/members/460000000026049", "", "teamfolders.remove_member destructive $users 1"),
    (
        "GET /workdrive/api/v1/files/fold1/files?page%5Blimit%5D=20&page%5Boffset%5D=40",
        "",
        "files.list read files 20",
    ),
    ("GET /workdrive/api/v1/teamfolders/fold1/files", "", "files.list_of_teamfolder read files 50"),
    ("GET /workdrive/api/v1/teamfolders/fold1/folders", "", "files.folders_of_teamfolder read files 50"),
    ("GET /workdrive/api/v1/users/54123/privatespace", "", "files.private_space read files 1"),
    ("GET /workdrive/api/v1/privatespace/460000000026049/files", "", "files.list_of_private_space read files 50"),
    ("GET /workdrive/api/v1/files/file1", "", "files.get read files 1"),
    ("GET /workdrive/api/v1/files/file1/versions", "", "files.versions read files 50"),
    ("GET /workdrive/api/v1/files/file1/breadcrumbs", "", "files.breadcrumbs read files 1"),
    ("GET /workdrive/api/v1/files/file1/previewinfo", "", "files.preview read files 1"),
    ("GET /workdrive/api/v1/teams/team1/records?search%5Ball%5D=offer", "", "files.search read files 50"),
    ("GET /workdrive/api/v1/download/file1", "", "files.download read files 1"),
    ("POST /workdrive/api/v1/upload", "", "files.upload write files 1"),
    ("POST /workdrive/api/v1/files", "", "files.create write files 1"),
    (
        "PATCH /workdrive/api/v1/files/file1",
        r#"{"data":{"type":"files","attributes":{"name":"x"}}}"#,
        "files.update write files 1",
    ),
    (
        "PATCH /workdrive/api/v1/files",
        r#"{"data":[{"id":"1"},{"id":"2"}]}"#,
        "files.update_many destructive files 2",
    ),
    ("POST /workdrive/api/v1/files/fold1/copy", "", "files.copy write files 1"),
    ("DELETE /workdrive/api/v1/files/file1", "", "files.delete destructive files 1"),
    ("GET /workdrive/api/v1/teamfolders/fold1/trashedfiles", "", "files.trashed read files 50"),
    ("GET /workdrive/api/v1/files/file1/permissions", "", "permissions.list read files 50"),
    ("POST /workdrive/api/v1/permissions", "", "permissions.create destructive files 1"),
    ("PATCH /workdrive/api/v1/permissions/460000000026049", "", "permissions.update destructive files 1"),
    ("DELETE /workdrive/api/v1/permissions/460000000026049", "", "permissions.delete destructive files 1"),
    ("GET /workdrive/api/v1/files/file1/links", "", "links.list read files 50"),
    ("GET /workdrive/api/v1/links/460000000026049", "", "links.get read files 1"),
    ("POST /workdrive/api/v1/links", "", "links.create destructive files 1"),
    ("PATCH /workdrive/api/v1/links/460000000026049", "", "links.update destructive files 1"),
    ("DELETE /workdrive/api/v1/links/460000000026049", "", "links.delete destructive files 1"),
    ("GET /workdrive/api/v1/files/file1/comments", "", "comments.list read comments 50"),
    ("POST /workdrive/api/v1/comments", "", "comments.create write comments 1"),
    ("PATCH /workdrive/api/v1/comments/460000000026049", "", "comments.update write comments 1"),
    ("DELETE /workdrive/api/v1/comments/460000000026049", "", "comments.delete destructive comments 1"),
    ("GET /workdrive/api/v1/teams/team1/groups", "", "groups.list read $users 50"),
    ("GET /workdrive/api/v1/groups/460000000026049", "", "groups.get read $users 1"),
    ("GET /workdrive/api/v1/groups/460000000026049/groupmembers", "", "groups.members read $users 50"),
    ("POST /workdrive/api/v1/groups", "", "groups.create write $users 1"),
    ("PATCH /workdrive/api/v1/groups/460000000026049", "", "groups.update write $users 1"),
    ("DELETE /workdrive/api/v1/groups/460000000026049", "", "groups.delete destructive $users 1"),
    ("GET /workdrive/api/v1/teams/team1/datatemplates", "", "templates.list read templates 50"),
    ("GET /workdrive/api/v1/files/file1/custommetadata", "", "metadata.of_file read files 1"),
    ("POST /workdrive/api/v1/custommetadata", "", "metadata.create write files 1"),
    ("PATCH /workdrive/api/v1/custommetadata/460000000026049", "", "metadata.update write files 1"),
];

#[test]
fn every_operation_is_what_its_row_says() {
    support::check_rows(service(), ROWS);
    support::check_sanity(
        service(),
        &["identity", "teams.read", "files.read", "content.read", "sharing.read", "users.read", "settings.read"],
        &["files.write", "teamfolders.write", "comments.write"],
    );
}

#[test]
fn a_status_ends_a_file_and_a_name_does_not() {
    let patch = |attributes: &str| {
        let body = format!(r#"{{"data":{{"type":"files","attributes":{attributes}}}}}"#);
        let classified =
            support::read(service(), "PATCH /workdrive/api/v1/files/f1", &[], &body).expect("a change");
        let operation = classified.operation();
        let fields =
            operation.fields.iter().flatten().map(|field| field.name.as_str()).collect::<Vec<_>>().join(" ");
        format!("{} {fields}", operation.effect.as_str())
    };
    assert_eq!(patch(r#"{"name":"x"}"#), "write name");
    assert_eq!(patch(r#"{"parent_id":"p"}"#), "write parent_id");
    assert_eq!(patch(r#"{"status":"51"}"#), "destructive status");
    assert_eq!(patch(r#"{"status":51}"#), "destructive status");
    assert_eq!(patch(r#"{"name":"x","status":"61"}"#), "destructive name status");
}

#[test]
fn bodies_are_json_in_either_type_and_nothing_else() {
    let body = r#"{"data":{"type":"files","attributes":{"name":"x"}}}"#;
    for (media_type, expect) in [
        ("application/json", "passed"),
        ("application/vnd.api+json", "passed"),
        ("Application/VND.API+json; charset=utf-8", "passed"),
        ("application/vnd.api+json; charset=utf-16", "body_type"),
        ("application/json-patch+json", "body_type"),
        ("application/merge-patch+json", "body_type"),
        ("text/plain", "body_type"),
    ] {
        let headers = [("content-type", media_type)];
        let line = "PATCH /workdrive/api/v1/files/f1";
        assert_eq!(support::judged(service(), Some("7"), line, &headers, body), expect, "{media_type}");
    }
}

#[test]
fn what_is_not_defined_is_refused() {
    for (line, expect) in [
        ("GET /workdrive/api/v2/users/me", "unknown_operation"),
        ("PUT /workdrive/api/v1/files/f1", "unknown_operation"),
        ("POST /workdrive/api/v1/teams", "unknown_operation"),
        ("POST /workdrive/api/v1/webhooks", "unknown_operation"),
        ("GET /workdrive/api/v1/teams/t1/users", "resource_not_allowed"),
        ("POST /workdrive/api/v1/members", "resource_not_allowed"),
        ("GET /workdrive/api/v1/files/f1/files?page=2", "query_not_allowed"),
    ] {
        assert_eq!(support::judged(service(), Some("7"), line, &[], ""), expect, "{line}");
    }
    let many = "GET /workdrive/api/v1/files/f1/files?page%5Blimit%5D=1&page%5Blimit%5D=1000";
    assert_eq!(support::judged(service(), Some("7"), many, &[], ""), "not_canonical");
}

#[test]
fn answers_are_read_by_their_errors() {
    let read = |status: u16, body: &str| {
        let reading = read_answer(&service().answer, status, Some(body.as_bytes()));
        (reading.outcome, reading.stale_token, reading.scope, reading.code)
    };
    let error = |id: &str| format!(r#"{{"errors":[{{"id":"{id}","title":"x"}}]}}"#);
    assert_eq!(read(200, r#"{"data":[{"id":"F7003","type":"files"}]}"#), (Outcome::Ok, false, false, None));
    assert_eq!(read(401, &error("F7003")), (Outcome::Failed, true, false, Some("F7003".into())));
    assert_eq!(read(401, &error("F7007")), (Outcome::Failed, false, true, Some("F7007".into())));
    assert_eq!(read(404, &error("F6016")), (Outcome::Failed, false, false, Some("F6016".into())));
    assert_eq!(read(200, &error("R008")), (Outcome::Failed, false, false, Some("R008".into())));
}
