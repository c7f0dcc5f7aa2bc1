//! Zoho Marketing Automation: its routes, parameters in the query only, errors in HTTP 200.

use std::sync::{Arc, LazyLock};

use wardlock_core::answer::{Outcome, read_answer};
use wardlock_core::service::ServiceDefinition;

use crate::support::{self, Row};

fn service() -> &'static Arc<ServiceDefinition> {
    static SERVICE: LazyLock<Arc<ServiceDefinition>> = LazyLock::new(|| {
        let text = include_str!("../../../services/zoho-marketing-automation.toml");
        support::service(text, "zoho-marketing-automation.toml")
    });
    &SERVICE
}

const ROWS: &[Row] = &[
    ("GET /api/v1/getmailinglists?resfmt=JSON&range=5", "", "lists.list read lists 5"),
    ("GET /api/v1/getlistadvanceddetails", "", "lists.get read lists 1"),
    ("GET /api/v1/getlistsubscribers", "", "lists.leads read leads+lists 20"),
    ("GET /api/v1/listsubscriberscount", "", "lists.count read leads+lists 0"),
    ("POST /api/v1/addlistandleads", "", "lists.create write leads+lists any"),
    ("POST /api/v1/updatelistdetails", "", "lists.update write lists 1"),
    ("POST /api/v1/deletemailinglist", "", "lists.delete destructive leads+lists any"),
    ("GET /api/v1/lead/allfields", "", "leads.fields read leads 0"),
    (
        "POST /api/v1/json/listsubscribe?resfmt=JSON&listkey=1&leadinfo=%7B%7D",
        "",
        "leads.subscribe write leads+lists 1",
    ),
    (
        "POST /api/v1/addleadsinbulk?listkey=1&emailids=a%40b.example,c%40d.example",
        "",
        "leads.add_many write leads+lists 2",
    ),
    ("POST /api/v1/json/listunsubscribe", "", "leads.unsubscribe destructive leads+lists 1"),
    ("POST /api/v1/json/leaddonotmail", "", "leads.do_not_mail destructive leads 1"),
    ("GET /api/v1/topics", "", "topics.list read lists any"),
    ("GET /api/v1/tag/getalltags", "", "tags.list read leads 0"),
    ("POST /api/v1/tag/add", "", "tags.create write leads 0"),
    ("POST /api/v1/tag/associate", "", "tags.add write leads 1"),
    ("POST /api/v1/tag/deassociate", "", "tags.remove destructive leads 1"),
    ("POST /api/v1/tag/delete", "", "tags.delete destructive leads any"),
    ("GET /api/v1/recentcampaigns", "", "campaigns.list read campaigns 20"),
    ("GET /api/v1/recentsentcampaigns", "", "campaigns.sent read campaigns 20"),
    ("GET /api/v1/getcampaigndetails?campaignkey=1", "", "campaigns.get read campaigns 1"),
    ("GET /api/v1/campaignreports", "", "campaigns.report read campaigns 1"),
    ("GET /api/v1/getcampaignrecipientsdata", "", "campaigns.recipients read campaigns+leads 20"),
    ("POST /api/v1/createCampaign", "", "campaigns.create write campaigns+lists 1"),
    ("POST /api/v1/updateCampaign", "", "campaigns.update write campaigns+lists 1"),
    ("POST /api/v1/json/clonecampaign", "", "campaigns.clone write campaigns 1"),
    ("POST /api/v1/testcampaign", "", "campaigns.test destructive campaigns+lists any"),
    ("POST /api/v1/schedulecampaign", "", "campaigns.schedule destructive campaigns+lists any"),
    ("POST /api/v1/sendcampaign", "", "campaigns.send destructive campaigns+lists any"),
    ("POST /api/v1/deletecampaign", "", "campaigns.delete destructive campaigns 1"),
    ("GET /api/v1/journeys", "", "journeys.list read journeys 20"),
    ("GET /api/v1/journeys/460000000026049", "", "journeys.get read journeys 1"),
    ("GET /api/v1/wa", "", "assistants.list read assistants 20"),
    ("GET /oauth/user/info", "", "users.me read $identity 0"),
];

#[test]
fn every_operation_is_what_its_row_says() {
    support::check_rows(service(), ROWS);
    support::check_sanity(
        service(),
        &["identity", "leads.read", "campaigns.read", "journeys.read", "assistants.read"],
        &["leads.write", "campaigns.write"],
    );
}

#[test]
fn parameters_stand_in_the_query_only() {
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let line = "POST /api/v1/addleadsinbulk?listkey=1";
    assert_eq!(support::judged(service(), Some("7"), line, &form, "emailids=a%40b.example"), "body_type");
    let twice = "POST /api/v1/addleadsinbulk?listkey=1&emailids=a&emailids=b";
    assert_eq!(support::judged(service(), Some("7"), twice, &[], ""), "not_canonical");
    let other = "POST /api/v1/addleadsinbulk?listkey=1&EmailIds=a";
    assert_eq!(support::judged(service(), Some("7"), other, &[], ""), "query_not_allowed");
}

#[test]
fn nothing_is_sent_and_nothing_fetched_unseen() {
    let effect = |line: &str| {
        let classified = support::read(service(), line, &[], "").expect(line);
        classified.operation().effect.as_str()
    };
    assert_eq!(effect("POST /api/v1/createCampaign?campaignname=x"), "write");
    assert_eq!(effect("POST /api/v1/createCampaign?campaignname=x&content_url=https%3A%2F%2Fx"), "destructive");
    assert_eq!(effect("POST /api/v1/sendcampaign?campaignkey=1"), "destructive");
    for line in
        ["GET /api/v1/sendcampaign?campaignkey=1", "GET /api/v1/json/listsubscribe", "POST /api/v1/journeys"]
    {
        assert_eq!(support::judged(service(), Some("7"), line, &[], ""), "unknown_operation", "{line}");
    }
}

#[test]
fn answers_are_read_by_their_status_word() {
    let read = |body: &str| {
        let reading = read_answer(&service().answer, 200, Some(body.as_bytes()));
        (reading.outcome, reading.stale_token, reading.code)
    };
    assert_eq!(read(r#"{"status":"success","code":"0","list_of_details":[{"x":1}]}"#), (Outcome::Ok, false, None));
    let refused = r#"{"status":"error","code":"2202","message":"Invalid listkey."}"#;
    assert_eq!(read(refused), (Outcome::Failed, false, Some("2202".into())));
    let stale = r#"{"status":"error","code":"1007","message":"Unauthorized request."}"#;
    assert_eq!(read(stale), (Outcome::Failed, true, Some("1007".into())));
}

#[test]
fn who_connected_is_asked_at_the_accounts_host() {
    let eu = &service().regions[&wardlock_core::id::Region::parse("eu").expect("a region")];
    assert_eq!(eu.host(&service().tenant.host, "production"), Some("accounts.zoho.eu"));
    let asked = support::read(service(), "GET /oauth/user/info", &[], "").expect("known");
    assert_eq!(asked.definition().expect("known").host, "accounts");
    // No other path of that host is an operation.
    for line in ["POST /oauth/v2/token", "GET /oauth/v2/auth", "POST /oauth/v2/token/revoke"] {
        assert_eq!(support::judged(service(), Some("7"), line, &[], ""), "unknown_operation", "{line}");
    }
}
