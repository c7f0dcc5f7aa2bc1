//! Google Ads.

use std::sync::{Arc, LazyLock};

use wardlock_core::answer::read_answer;
use wardlock_core::classify::NoCheck;
use wardlock_core::plugin::{Effect, FieldUse};
use wardlock_core::refusal::Code;
use wardlock_core::service::ServiceDefinition;

use super::{Row, check_all_are_listed, check_answer, check_refused, check_rows, classified, clean, judge, row};

fn service() -> &'static Arc<ServiceDefinition> {
    static SERVICE: LazyLock<Arc<ServiceDefinition>> =
        LazyLock::new(|| Arc::new(clean(include_str!("../../../services/google-ads.toml"), "google-ads.toml")));
    &SERVICE
}

const SEARCH: &str = "POST /v26/customers/1111111111/googleAds:search";
const MUTATE: &str = "POST /v26/customers/1111111111/googleAds:mutate";
const CAMPAIGNS: &str = "POST /v26/customers/1111111111/campaigns:mutate";

const ROWS: [Row; 23] = [
    row("GET /v26/customers:listAccessibleCustomers", "", "customers.list_accessible read $customers any"),
    row("POST /v26/googleAdsFields:search", r#"{"query":"SELECT name"}"#, "fields.search read $identity 0"),
    row(SEARCH, r#"{"query":"SELECT campaign.id FROM campaign LIMIT 5"}"#, "ads.search read campaign 5"),
    row(
        SEARCH,
        r#"{"query":"SELECT ad_group.id, campaign.name, metrics.clicks FROM ad_group WHERE customer.id = 1"}"#,
        "ads.search read ad_group+campaign+customer 10000",
    ),
    row(SEARCH, r#"{"query":"DROP campaign"}"#, "ads.search read $unknown any"),
    row(
        "POST /v26/customers/1111111111/googleAds:searchStream",
        r#"{"query":"SELECT campaign.id FROM campaign"}"#,
        "ads.search_stream read campaign 4294967295",
    ),
    row(
        CAMPAIGNS,
        r#"{"operations":[{"create":{"name":"x"}},{"update":{"name":"y"},"updateMask":"name"}]}"#,
        "resources.mutate write campaign 2",
    ),
    row(
        CAMPAIGNS,
        r#"{"operations":[{"create":{}},{"remove":"customers/1111111111/campaigns/2"}]}"#,
        "resources.mutate destructive campaign 2",
    ),
    row(
        CAMPAIGNS,
        r#"{"operations":[{"update":{"status":"removed"},"updateMask":"status"}]}"#,
        "resources.mutate destructive campaign 1",
    ),
    row(
        CAMPAIGNS,
        r#"{"operations":[{"update":{"status":4},"updateMask":"status"}]}"#,
        "resources.mutate destructive campaign 1",
    ),
    row(
        CAMPAIGNS,
        r#"{"operations":[{"update":{"status":"PAUSED"},"updateMask":"status"}]}"#,
        "resources.mutate write campaign 1",
    ),
    row(
        "POST /v26/customers/1111111111/adGroupCriteria:mutate",
        r#"{"operations":[{"create":{}}]}"#,
        "resources.mutate write ad_group_criterion 1",
    ),
    row(
        "POST /v26/customers/1111111111/customerUserAccesses:mutate",
        r#"{"operation":{"remove":"x"}}"#,
        "resources.mutate write $unknown any",
    ),
    row(
        MUTATE,
        r#"{"mutateOperations":[{"campaignOperation":{"create":{}}},{"adGroupOperation":{"create":{}}}]}"#,
        "ads.mutate write ad_group+campaign 2",
    ),
    row(
        MUTATE,
        r#"{"mutateOperations":[{"campaignOperation":{"remove":"customers/1111111111/campaigns/2"}}]}"#,
        "ads.mutate destructive campaign 1",
    ),
    row(
        MUTATE,
        r#"{"mutateOperations":[{"campaignOperation":{"create":{}}},{"adGroupOperation":{"update":{}}},{"adGroupAdOperation":{"remove":"x"}}]}"#,
        "ads.mutate destructive ad_group+ad_group_ad+campaign 3",
    ),
    row(
        MUTATE,
        r#"{"mutateOperations":[{"adGroupAdOperation":{"update":{"status":"REMOVED"}}}]}"#,
        "ads.mutate destructive ad_group_ad 1",
    ),
    row(MUTATE, r#"{"mutateOperations":[{"campaign_operation":{"create":{}}}]}"#, "ads.mutate write $unknown 1"),
    row(MUTATE, "{}", "ads.mutate write $unknown any"),
    row(
        "POST /v26/customers/1111111111/recommendations:apply",
        r#"{"operations":[{}]}"#,
        "recommendations.apply write $recommendations 1",
    ),
    row(
        "POST /v26/customers/1111111111/recommendations:dismiss",
        r#"{"operations":[{}]}"#,
        "recommendations.dismiss write $recommendations 1",
    ),
    row("POST /v26/customers/1111111111/batchJobs:mutate", "{}", "batch_jobs.mutate destructive $unknown any"),
    row(
        "GET /v26/customers:listAccessibleCustomers?$alt=json",
        "",
        "customers.list_accessible read $customers any",
    ),
];

#[test]
fn every_operation_is_what_it_is() {
    check_rows(service(), &ROWS);
    check_all_are_listed(service(), &ROWS);
}

#[test]
fn a_list_of_changes_is_held_for_its_worst_and_for_their_number() {
    let judge = judge(service(), "1111111111", &["*"]);
    let held = |last: &str, count: usize| {
        let create = r#"{"campaignOperation":{"create":{}}}"#;
        let all = [vec![create; count - 1], vec![last]].concat().join(",");
        let classified =
            classified(service(), MUTATE, &format!(r#"{{"mutateOperations":[{all}]}}"#)).expect("read");
        judge.check(&classified).expect("allowed");
        judge.holds(&classified).map(|held| held.rule)
    };
    let update = r#"{"adGroupOperation":{"update":{"name":"x"}}}"#;
    assert_eq!(held(update, 100), None);
    assert_eq!(held(update, 101), Some("max_records"));
    assert_eq!(
        held(r#"{"adGroupOperation":{"remove":"customers/1111111111/adGroups/2"}}"#, 2),
        Some("destructive")
    );
    assert_eq!(held(r#"{"adGroupOperation":{"update":{"status":"REMOVED"}}}"#, 2), Some("destructive"));
}

#[test]
fn what_is_not_defined_is_unknown() {
    for line in [
        "POST /v25/customers/1111111111/googleAds:search",
        "POST /v26/customers/1111111111:mutate",
        "POST /v26/customers/1111111111:createCustomerClient",
        "POST /v26/customers/1111111111/googleAds:other",
        "POST /v26/customers/1111111111/googleads:search/x",
        "GET /v26/customers/1111111111/googleAds:search",
        "DELETE /v26/customers/1111111111/campaigns/2",
    ] {
        assert!(classified(service(), line, "").expect(line).definition().is_none(), "{line}");
    }
}

#[test]
fn a_query_tells_its_fields() {
    let body = r#"{"query":"SELECT campaign.name FROM campaign WHERE metrics.clicks > 5"}"#;
    let classified = classified(service(), SEARCH, body).expect("a search");
    let fields = classified.operation().fields.clone().expect("known");
    let shown: Vec<(&str, &str, FieldUse)> =
        fields.iter().map(|field| (field.of.as_str(), field.name.as_str(), field.how)).collect();
    assert_eq!(shown, [("campaign", "name", FieldUse::Read), ("metrics", "clicks", FieldUse::Filter)]);
}

#[test]
fn another_customer_is_refused_wherever_it_is_named() {
    let judge = judge(service(), "1111111111", &["*", "$identity"]);
    let other = Some(Code::TenantMismatch);
    check_refused(
        &judge,
        &[
            (SEARCH, r#"{"query":"SELECT campaign.id FROM campaign"}"#, None),
            (SEARCH, r#"{"query":"SELECT campaign.id FROM campaign WHERE customer.id = 1111111111"}"#, None),
            (
                "POST /v26/customers/2222222222/googleAds:search",
                r#"{"query":"SELECT campaign.id FROM campaign"}"#,
                other,
            ),
            ("POST /v26/customers/%32222222222/campaigns:mutate", r#"{"operations":[{"create":{}}]}"#, other),
            (SEARCH, r#"{"query":"SELECT campaign.id FROM campaign WHERE customer.id = 2222222222"}"#, other),
            (
                SEARCH,
                r#"{"query":"SELECT campaign.id FROM campaign WHERE customer.id IN (1111111111, 22)"}"#,
                other,
            ),
            (SEARCH, r#"{"query":"SELECT campaign.id FROM campaign WHERE customer.id != 1"}"#, other),
            (
                SEARCH,
                r#"{"query":"SELECT campaign.id FROM campaign WHERE campaign.resource_name = 'customers/2222222222/campaigns/1'"}"#,
                other,
            ),
            (SEARCH, r#"{"query":"SELECT campaign.id FROM campaign","customerId":"2222222222"}"#, other),
            (
                CAMPAIGNS,
                r#"{"operations":[{"create":{"campaignBudget":"customers/1111111111/campaignBudgets/1"}}]}"#,
                None,
            ),
            (
                CAMPAIGNS,
                r#"{"operations":[{"create":{"campaignBudget":"customers/2222222222/campaignBudgets/1"}}]}"#,
                other,
            ),
            (CAMPAIGNS, r#"{"operations":[{"remove":"customers/2222222222/campaigns/1"}]}"#, other),
            (
                CAMPAIGNS,
                r#"{"operations":[{"update":{"resourceName":"CUSTOMERS/2222222222/campaigns/1"}}]}"#,
                other,
            ),
            (
                MUTATE,
                r#"{"mutateOperations":[{"campaignOperation":{"remove":"customers/2222222222/campaigns/1"}}]}"#,
                other,
            ),
        ],
    );
}

/// Whatever the text pin sees, the path is compared for itself.
#[test]
fn the_customer_in_the_path_is_pinned_by_itself_too() {
    let text = include_str!("../../../services/google-ads.toml").replace("    { text = \"customers/\" },\n", "");
    let service = Arc::new(clean(&text, "google-ads.toml"));
    let body = r#"{"query":"SELECT campaign.id FROM campaign"}"#;
    let judge = judge(&service, "2222222222", &["*"]);
    check_refused(&judge, &[(SEARCH, body, Some(Code::TenantMismatch))]);
}

#[test]
fn what_the_host_sets_or_judges_has_no_second_spelling() {
    let judge = judge(service(), "1111111111", &["*", "$identity"]);
    let query = r#"{"query":"SELECT campaign.id FROM campaign"}"#;
    check_refused(
        &judge,
        &[
            ("POST /v26/customers/1111111111/googleAds:search?access_token=x", query, Some(Code::QueryNotAllowed)),
            ("POST /v26/customers/1111111111/googleAds:search?key=x", query, Some(Code::QueryNotAllowed)),
            (
                "POST /v26/customers/1111111111/googleAds:search?$httpMethod=DELETE",
                query,
                Some(Code::QueryNotAllowed),
            ),
            ("POST /v26/customers/1111111111/googleAds:search?alt=json", query, None),
            (
                MUTATE,
                r#"{"mutateOperations":[{"campaignOperation":{"create":{}}}],"mutate_operations":[{"campaignOperation":{"remove":"x"}}]}"#,
                Some(Code::BodyType),
            ),
            (CAMPAIGNS, r#"{"operations":[{"create":{}}],"customer_id":"2222222222"}"#, Some(Code::BodyType)),
            (
                MUTATE,
                r#"{"mutateOperations":[{"campaign_operation":{"remove":"x"}}]}"#,
                Some(Code::ResourceNotAllowed),
            ),
            (
                "POST /v26/customers/1111111111/customerUserAccesses:mutate",
                r#"{"operations":[{"remove":"x"}]}"#,
                Some(Code::ResourceNotAllowed),
            ),
            ("GET /v26/customers:listAccessibleCustomers", "", Some(Code::ResourceNotAllowed)),
            ("POST /v26/customers/1111111111/batchJobs:mutate", "{}", Some(Code::OperationNotAllowed)),
        ],
    );
}

#[test]
fn headers_of_the_host_are_never_an_agents() {
    let injected: Vec<&str> = service().inject.headers().collect();
    assert_eq!(injected, ["authorization", "developer-token", "login-customer-id"]);
    for name in injected.into_iter().chain(["linked-customer-id"]) {
        assert!(!service().request.headers.contains(name), "{name}");
        assert!(service().operations.iter().all(|operation| !operation.headers.contains(name)), "{name}");
    }
}

#[test]
fn a_dry_run_is_told_to_plugins() {
    for (body, expect) in [
        (r#"{"operations":[{"create":{}}],"validateOnly":true}"#, 1),
        (r#"{"operations":[{"create":{}}],"validateOnly":false}"#, 0),
        (r#"{"operations":[{"create":{}}]}"#, 0),
    ] {
        let classified = classified(service(), CAMPAIGNS, body).expect(body);
        assert_eq!(classified.operation().attributes.len(), expect, "{body}");
        let checked = classified.only_checked().map(|checked| checked.operation().effect).ok();
        assert_eq!(checked, (expect == 1).then_some(Effect::Read), "{body}");
    }
}

#[test]
fn a_request_is_made_one_that_the_provider_only_checks() {
    let removes = r#"{"operations":[{"remove":"customers/1/campaigns/7"}],"validateOnly":false}"#;
    let classified = classified(service(), CAMPAIGNS, removes).expect("it is known");
    assert_eq!((classified.operation().effect, classified.widened_by().is_some()), (Effect::Destructive, true));
    let check = classified.as_check().expect("Google checks it");
    let body: serde_json::Value = serde_json::from_slice(check.body()).expect("JSON");
    assert_eq!(
        (&body["validateOnly"], &body["operations"][0]["remove"]),
        (&true.into(), &"customers/1/campaigns/7".into())
    );
    assert_eq!(
        (check.method(), check.path_and_query()),
        (classified.request().method(), classified.request().path_and_query())
    );
    let search = super::classified(service(), SEARCH, r#"{"query":"SELECT campaign.id FROM campaign"}"#)
        .expect("it is known");
    assert_eq!(search.as_check().err(), Some(NoCheck::Undefined), "what only reads has no check");
}

#[test]
fn answers_are_read_by_their_bodies() {
    let check = |status, body: &str, expect: &str| check_answer(service(), status, body, expect);
    check(200, r#"{"results":[{"campaign":{"status":"ENABLED"}}]}"#, "ok -");
    check(200, r#"{"results":[{"resourceName":"x"},{}],"partialFailureError":{"code":3}}"#, "partial -");
    for results in [
        r#""results":[{"resourceName":"x"},{},{"resourceName":"y"}]"#,
        r#""mutateOperationResponses":
        [{"campaignResult":{"resourceName":"x"}},{"campaignResult":{}},{"adResult":{"resourceName":"y"}}]"#,
    ] {
        let body = format!(r#"{{{results},"partialFailureError":{{"code":3}}}}"#);
        let failures = read_answer(&service().answer, 200, Some(body.as_bytes())).failures.expect("which failed");
        let first: Vec<u32> = failures.first.iter().map(|failed| failed.number).collect();
        assert_eq!((failures.failed, failures.of, first), (1, 3, vec![2]), "{body}");
    }
    let errors = r#""partialFailureError":{"code":3,"details":[{"errors":[
        {"errorCode":{"mutateError":"RESOURCE_NOT_FOUND"},"location":{"fieldPathElements":[{"fieldName":"operations","index":"1"}]}},
        {"errorCode":{"rangeError":"TOO_LOW"},"location":{"fieldPathElements":[{"fieldName":"operations","index":1}]}}]}]}"#;
    let body = format!(r#"{{"results":[{{"resourceName":"x"}},{{}}],{errors}}}"#);
    check(200, &body, "partial RESOURCE_NOT_FOUND");
    let failures = read_answer(&service().answer, 200, Some(body.as_bytes())).failures.expect("which failed");
    assert_eq!(failures.first[0].code.as_deref(), Some("RESOURCE_NOT_FOUND"));
    // Where every one failed, nothing was done.
    check(200, &format!(r#"{{"results":[{{}},{{}}],{errors}}}"#), "failed RESOURCE_NOT_FOUND");
    check(401, r#"{"error":{"code":401,"status":"UNAUTHENTICATED"}}"#, "failed UNAUTHENTICATED stale");
    check(400, r#"[{"error":{"code":400,"status":"INVALID_ARGUMENT"}}]"#, "failed INVALID_ARGUMENT");
    check(200, r#"{"error":{"message":"x"}}"#, "failed -");
    check(200, r#"[{"results":[{}]},{"results":[{}]}]"#, "ok -");
    let wait = r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"errors":[{"details":
        {"quotaErrorDetails":{"retryDelay":"30s"}}}]}]}}"#;
    check(429, wait, "failed RESOURCE_EXHAUSTED throttled 30");
}
