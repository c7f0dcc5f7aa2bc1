//! Meta Ads.

use std::sync::{Arc, LazyLock};

use wardlock_core::canonical::CanonicalRequest;
use wardlock_core::classify::NoCheck;
use wardlock_core::refusal::Code;
use wardlock_core::service::{Credential, ServiceDefinition};

use super::{
    Row, check_all_are_listed, check_answer, check_refused, check_rows, classified, clean, judge, refused, row,
};

fn service() -> &'static Arc<ServiceDefinition> {
    static SERVICE: LazyLock<Arc<ServiceDefinition>> =
        LazyLock::new(|| Arc::new(clean(include_str!("../../../services/meta-ads.toml"), "meta-ads.toml")));
    &SERVICE
}

const ROWS: [Row; 33] = [
    row("GET /v26.0/me", "", "me.get read $identity 0"),
    row("GET /v26.0/me/adaccounts?fields=name&limit=5", "", "accounts.list read $any_account 5"),
    row("GET /v26.0/act_111?fields=name", "", "account.get read account 1"),
    row("GET /v26.0/act_111/campaigns?fields=name&limit=3&after=x", "", "campaigns.list read campaigns 3"),
    row("GET /v26.0/act_111/adsets", "", "adsets.list read adsets 25"),
    row("GET /v26.0/act_111/ads", "", "ads.list read ads 25"),
    row("GET /v26.0/act_111/adcreatives", "", "creatives.list read creatives 25"),
    row("GET /v26.0/act_111/insights?level=campaign", "", "insights.get read insights 25"),
    row("POST /v26.0/act_111/insights?fields=clicks", r#"{"level":"ad"}"#, "insights.start read insights any"),
    row("POST /v26.0/act_111/campaigns", r#"{"name":"x"}"#, "campaigns.create write campaigns 1"),
    row("POST /v26.0/act_111/adsets", r#"{"name":"x"}"#, "adsets.create write adsets 1"),
    row("POST /v26.0/act_111/ads", r#"{"name":"x"}"#, "ads.create write ads 1"),
    row("POST /v26.0/act_111/adcreatives", r#"{"name":"x"}"#, "creatives.create write creatives 1"),
    row("GET /v26.0/120?fields=name", "", "objects.get read $any_account 1"),
    row("GET /v26.0/120,121", "", "objects.get read $any_account any"),
    row("GET /v26.0/120/campaigns", "", "objects.campaigns read $any_account 25"),
    row("GET /v26.0/120/adsets", "", "objects.adsets read $any_account 25"),
    row("GET /v26.0/120/ads", "", "objects.ads read $any_account 25"),
    row("GET /v26.0/120/insights", "", "objects.insights read $any_account 25"),
    row("POST /v26.0/120/insights", "{}", "objects.insights_start read $any_account any"),
    row("POST /v26.0/120", r#"{"name":"x"}"#, "objects.update write $any_account 1"),
    row("POST /v26.0/120", r#"{"status":"PAUSED"}"#, "objects.update write $any_account 1"),
    row("POST /v26.0/120", r#"{"status":"deleted"}"#, "objects.update destructive $any_account 1"),
    row("POST /v26.0/120", r#"{"Status":"deleted"}"#, "objects.update destructive $any_account 1"),
    row("POST /v26.0/120", r#"{"status":"ARCHIVED"}"#, "objects.update destructive $any_account 1"),
    row("POST /v26.0/120/copies", "{}", "objects.copy write $any_account any"),
    row("DELETE /v26.0/120", "", "objects.delete destructive $any_account any"),
    row("DELETE /v26.0/act_111", "", "objects.delete destructive $any_account any"),
    row(
        "POST /v26.0",
        r#"{"batch":[{"method":"GET","relative_url":"v26.0/act_111/ads"},{"method":"DELETE","relative_url":"v26.0/120"}]}"#,
        "batch destructive $any_account+ads any",
    ),
    row(
        "POST /v26.0",
        "batch=%5B%7B%22method%22:%22POST%22,%22relative_url%22:%22v26.0/act_111/ads%22,%22body%22:%22name%3Dx%22%7D%5D",
        "batch write ads 1",
    ),
    // What is asked for with brackets may be anybody's.
    row(
        "GET /v26.0/act_111?fields=name,business%7Bowned_ad_accounts%7Bname%7D%7D",
        "",
        "account.get read $unknown+account 1",
    ),
    row("GET /v26.0/act_111?fields=campaigns.limit(500)", "", "account.get read $unknown+account 1"),
    row("GET /v26.0/act_111/campaigns?fields=account.name", "", "campaigns.list read $unknown+campaigns 25"),
];

#[test]
fn every_operation_is_what_it_is() {
    check_rows(service(), &ROWS);
    check_all_are_listed(service(), &ROWS);
}

#[test]
fn what_is_not_defined_is_unknown() {
    for line in [
        "GET /v25.0/act_111",
        "GET /act_111",
        "GET /v26.0/me/accounts",
        "DELETE /v26.0/me/permissions",
        "GET /v26.0/oauth/access_token",
        "GET /v26.0/debug_token",
        "POST /v26.0/me",
        "GET /v26.0/act_111/users",
        "GET /v26.0/search",
    ] {
        assert!(classified(service(), line, "").expect(line).definition().is_none(), "{line}");
    }
}

#[test]
fn another_account_is_refused_wherever_it_is_named() {
    let everything = ["*", "$any_account"];
    let judge = judge(service(), "111", &everything);
    let other = Some(Code::TenantMismatch);
    check_refused(
        &judge,
        &[
            ("GET /v26.0/act_111/campaigns?fields=name", "", None),
            ("GET /v26.0/act_222/campaigns?fields=name", "", other),
            ("GET /v26.0/%61ct_222", "", other),
            ("GET /v26.0/ACT_222", "", other),
            ("GET /v26.0/act_1111", "", other),
            ("DELETE /v26.0/act_222", "", other),
            ("POST /v26.0/act_222/campaigns", r#"{"name":"x"}"#, other),
            ("POST /v26.0/act_111/campaigns", r#"{"name":"x","account_id":"222"}"#, other),
            ("POST /v26.0/act_111/campaigns", r#"{"name":"x","account_id":222}"#, other),
            ("POST /v26.0/act_111/campaigns", r#"{"name":"x","account_id":"111"}"#, None),
            ("POST /v26.0/act_111/campaigns", r#"{"name":"x","accountId":"222"}"#, other),
            ("POST /v26.0/act_111/campaigns", r#"{"name":"x","Account_ID":"222"}"#, other),
            ("POST /v26.0/120", r#"{"adaccounts":["act_222"]}"#, other),
            ("POST /v26.0/120", r#"{"name":"contact_form"}"#, None),
            ("GET /v26.0/120/insights?time_range=act_222", "", other),
            ("GET /v26.0/120/insights?time_range=%7B%22x%22:%22%5Cu0061ct_222%22%7D", "", other),
            ("GET /v26.0/120/insights?time_range=%7B%22x%22:%22%5Cu0061ct_111%22%7D", "", None),
            ("POST /v26.0/120", r#"{"spec":"{\"account\":\"\\u0061ct_222\"}"}"#, other),
        ],
    );
}

/// Whatever the text pin sees, the path is compared for itself.
#[test]
fn the_account_in_the_path_is_pinned_by_itself_too() {
    let text = include_str!("../../../services/meta-ads.toml").replace("{ text = \"act_\" }, ", "");
    let service = Arc::new(clean(&text, "meta-ads.toml"));
    let judge = judge(&service, "111", &["*"]);
    check_refused(
        &judge,
        &[("GET /v26.0/act_222/campaigns", "", Some(Code::TenantMismatch)), ("GET /v26.0/act_111", "", None)],
    );
}

#[test]
fn links_are_rewritten_where_pages_have_them() {
    let links = &service().answer.links;
    for place in ["/paging/next", "/paging/previous", "/*/paging/next", "/data/*/*/paging/next"] {
        assert!(links.iter().any(|link| link == place), "{place}");
    }
}

#[test]
fn what_goes_by_a_bare_id_needs_a_resource_that_no_default_grants() {
    let judge = judge(service(), "111", &["*"]);
    let refused = Some(Code::ResourceNotAllowed);
    let operations = service().operations.iter().filter(|operation| operation.name.starts_with("objects."));
    assert!(operations.clone().count() > 8);
    for operation in operations {
        assert_eq!(format!("{:?}", operation.resources), r#"[Fixed("$any_account")]"#, "{}", operation.name);
    }
    check_refused(
        &judge,
        &[
            ("GET /v26.0/120", "", refused),
            ("DELETE /v26.0/120", "", refused),
            ("GET /v26.0/me/adaccounts", "", refused),
            ("GET /v26.0/me", "", None),
            ("GET /v26.0/act_111?fields=campaigns%7Bname%7D", "", refused),
        ],
    );
}

#[test]
fn smuggled_parameters_are_refused() {
    let judge = judge(service(), "111", &["*", "$any_account"]);
    let query = Some(Code::QueryNotAllowed);
    let body = Some(Code::BodyType);
    check_refused(
        &judge,
        &[
            // The host takes an agent's own token out before; one that is still there is refused.
            ("GET /v26.0/act_111?access_token=x", "", query),
            ("GET /v26.0/act_111?appsecret_proof=x", "", query),
            ("GET /v26.0/120?method=delete", "", query),
            ("POST /v26.0/120?method=delete", "{}", query),
            ("GET /v26.0/120?ids=121", "", query),
            ("GET /v26.0/me?fields=accounts", "", query),
            ("GET /v26.0/act_111?callback=x", "", query),
            ("POST /v26.0/120", r#"{"access_token":"x"}"#, body),
            ("POST /v26.0/120", r#"{"appsecret_proof":"x"}"#, body),
            ("POST /v26.0/120", r#"{"method":"delete"}"#, body),
            ("POST /v26.0/120", r#"{"batch":[]}"#, body),
            ("POST /v26.0/120", r#"{"id":"121"}"#, body),
            ("POST /v26.0/120", r#"{"ids":"121"}"#, body),
            ("POST /v26.0/120", r#"{"include_headers":false}"#, body),
            ("POST /v26.0/act_111/campaigns", r#"{"name":"x","fields":"account{business}"}"#, body),
            ("POST /v26.0", "batch=[]", Some(Code::EnvelopeMalformed)),
        ],
    );
}

#[test]
fn a_batch_at_the_root_is_no_request() {
    for target in ["/", "/v26.0/", "//v26.0"] {
        assert!(CanonicalRequest::parse("POST", target, Vec::new(), b"batch=[]".to_vec()).is_err(), "{target}");
    }
}

#[test]
fn a18_a_batch_is_judged_call_by_call() {
    let judge = judge(service(), "111", &["*", "$any_account"]);
    let check = |call: &str, expect: Option<Code>| {
        let body = format!(r#"{{"batch":[{{"method":"GET","relative_url":"v26.0/act_111/ads"}},{call}]}}"#);
        assert_eq!(refused(&judge, "POST /v26.0", &body), expect, "{call}");
    };
    let malformed = Some(Code::EnvelopeMalformed);
    check(r#"{"method":"POST","relative_url":"v26.0/act_111/campaigns","body":"name=x&status=PAUSED"}"#, None);
    check(r#"{"method":"GET","relative_url":"v26.0/act_111/ads?fields=id%2Cname"}"#, None);
    // Another account, wherever it is named.
    check(r#"{"method":"GET","relative_url":"v26.0/act_222/ads"}"#, Some(Code::TenantMismatch));
    check(
        r#"{"method":"POST","relative_url":"v26.0/act_111/ads","body":"account_id=222"}"#,
        Some(Code::TenantMismatch),
    );
    check(
        r#"{"method":"POST","relative_url":"v26.0/act_111/ads","body":"x=act_222"}"#,
        Some(Code::TenantMismatch),
    );
    // A token, a method, a batch, a file of its own; what names another call; another host or version.
    check(r#"{"method":"GET","relative_url":"v26.0/act_111?access_token=x"}"#, Some(Code::QueryNotAllowed));
    check(r#"{"method":"GET","relative_url":"v26.0/act_111?method=delete"}"#, Some(Code::QueryNotAllowed));
    check(r#"{"method":"POST","relative_url":"v26.0/120","body":"access_token=x"}"#, Some(Code::BodyType));
    check(r#"{"method":"POST","relative_url":"v26.0/120","body":"method=delete"}"#, Some(Code::BodyType));
    check(r#"{"method":"POST","relative_url":"v26.0/120","body":"batch=%5B%5D"}"#, Some(Code::BodyType));
    check(r#"{"method":"POST","relative_url":"v26.0","body":"batch=%5B%5D"}"#, Some(Code::EnvelopeNested));
    check(r#"{"method":"GET","relative_url":"v26.0/120","access_token":"x"}"#, malformed);
    check(r#"{"method":"GET","relative_url":"v26.0/120","attached_files":"file1"}"#, malformed);
    check(r#"{"method":"GET","relative_url":"v26.0/120","name":"one"}"#, malformed);
    check(r#"{"method":"GET","relative_url":"v26.0/120","depends_on":"one"}"#, malformed);
    check(r#"{"method":"GET","relative_url":"v26.0/120","omit_response_on_success":true}"#, malformed);
    check(r#"{"method":"GET","relative_url":"/v26.0/120"}"#, malformed);
    check(r#"{"method":"GET","relative_url":"v26.0/{result=one:$.id}"}"#, Some(Code::EnvelopeReference));
    let hidden = r#"{"method":"POST","relative_url":"v26.0/120","body":"name=%7Bresult%3Done:$.id%7D"}"#;
    check(hidden, Some(Code::EnvelopeReference));
    check(r#"{"method":"GET","relative_url":"https://evil.example/v26.0/120"}"#, Some(Code::NotCanonical));
    check(r#"{"method":"GET","relative_url":"v25.0/act_111/ads"}"#, Some(Code::UnknownOperation));
    check(r#"{"method":"GET","relative_url":"V25.0/120"}"#, Some(Code::UnknownOperation));
    check(r#"{"method":"GET","relative_url":"v25/120"}"#, Some(Code::UnknownOperation));
    // Without a version it has the batch's, and is judged so.
    check(r#"{"method":"GET","relative_url":"act_111/ads?fields=id&limit=1"}"#, None);
    check(r#"{"method":"GET","relative_url":"me"}"#, None);
    check(r#"{"method":"GET","relative_url":"act_222/ads"}"#, Some(Code::TenantMismatch));
    check(r#"{"method":"GET","relative_url":"act_111?method=delete"}"#, Some(Code::QueryNotAllowed));
    check(r#"{"method":"GET","relative_url":"no/such/path"}"#, Some(Code::UnknownOperation));
    for root in ["", "?batch=x", "../v26.0", "/act_111/ads"] {
        let call = format!(r#"{{"method":"GET","relative_url":"{root}"}}"#);
        let body = format!(r#"{{"batch":[{call}]}}"#);
        assert!(refused(&judge, "POST /v26.0", &body).is_some(), "{root}");
    }
    let call = r#"{"method":"GET","relative_url":"v26.0/act_111/ads"}"#;
    let many = |count: usize| format!(r#"{{"batch":[{}]}}"#, vec![call; count].join(","));
    assert_eq!(refused(&judge, "POST /v26.0", &many(50)), None);
    assert_eq!(refused(&judge, "POST /v26.0", &many(51)), Some(Code::EnvelopeTooLong));
    for more in [r#""include_headers":false"#, r#""access_token":"x""#, r#""method":"delete""#] {
        let body = format!(r#"{{"batch":[{call}],{more}}}"#);
        assert_eq!(refused(&judge, "POST /v26.0", &body), Some(Code::BodyType), "{more}");
    }
}

#[test]
fn a_form_is_made_one_that_meta_only_checks() {
    let line = "POST /v26.0/act_111/campaigns";
    let asks = "execution_options=%5B%22validate_only%22%5D";
    for (form, expect) in [
        ("name=x&special_ad_categories=%5B%5D", format!("name=x&special_ad_categories=%5B%5D&{asks}")),
        ("execution_options=%5B%22include_recommendations%22%5D&name=x", format!("name=x&{asks}")),
        ("name=x&execution%5Foptions=%5B%22validate_only%22%5D", format!("name=x&{asks}")),
    ] {
        let classified = classified(service(), line, form).expect(form);
        let check = classified.as_check().expect("Meta checks it");
        assert_eq!(check.body(), expect.as_bytes(), "{form}");
    }
    let empty = classified(service(), line, "").expect("it is known");
    assert_eq!(empty.as_check().err(), Some(NoCheck::NoPlace));
    let started = classified(service(), "POST /v26.0/act_111/insights", "level=ad").expect("it is known");
    assert_eq!(started.as_check().err(), Some(NoCheck::Undefined));
}

#[test]
fn a_form_is_judged_as_json_is() {
    let judge = judge(service(), "111", &["*", "$any_account"]);
    let (body, canonical) = (Some(Code::BodyType), Some(Code::NotCanonical));
    check_refused(
        &judge,
        &[
            ("POST /v26.0/120", "name=x", None),
            ("POST /v26.0/120", "access_token=x", body),
            ("POST /v26.0/120", "access%5Ftoken=x", body),
            ("POST /v26.0/120", "method=delete", body),
            ("POST /v26.0/120", "batch=%5B%5D", body),
            ("POST /v26.0/120", "name=x&name=y", canonical),
            ("POST /v26.0/120", "batch%5B0%5D=x", canonical),
        ],
    );
    let deleted = classified(service(), "POST /v26.0/120", "status=deleted").expect("classified");
    assert_eq!(deleted.operation().effect.as_str(), "destructive");
}

#[test]
fn a_token_renews_itself_while_it_lives() {
    let refresh = &service().oauth.refresh;
    assert_eq!((refresh.credential, refresh.on_connect), (Credential::AccessToken, true));
    assert_eq!((refresh.grant_type.as_str(), refresh.param.as_str()), ("fb_exchange_token", "fb_exchange_token"));
    let oauth = &service().oauth;
    assert_eq!(oauth.authorize_path, "/v26.0/dialog/oauth");
    assert_eq!(
        (oauth.token_path.as_str(), oauth.revoke[0].path.as_str()),
        ("/v26.0/oauth/access_token", "/v26.0/me/permissions")
    );
    assert!(service().inject.query().eq(["appsecret_proof"]));
    assert!(service().oauth.reconnect_errors.contains("190"));
}

#[test]
fn a_dry_run_is_told_to_plugins() {
    for (body, expect) in [
        (r#"{"name":"x","execution_options":["validate_only"]}"#, 1),
        (r#"{"name":"x","execution_options":["include_recommendations"]}"#, 0),
        (r#"{"name":"x"}"#, 0),
    ] {
        let classified = classified(service(), "POST /v26.0/act_111/campaigns", body).expect(body);
        assert_eq!(classified.operation().attributes.len(), expect, "{body}");
    }
}

#[test]
fn errors_come_at_any_status() {
    let check = |status, body: &str, expect: &str| check_answer(service(), status, body, expect);
    check(200, r#"{"data":[{"id":"1"}]}"#, "ok -");
    check(200, r#"{"error":{"type":"OAuthException","code":190,"error_subcode":463}}"#, "failed 190 stale");
    check(400, r#"{"error":{"code":100}}"#, "failed 100");
    for code in [4, 17, 32, 613, 80004] {
        check(200, &format!(r#"{{"error":{{"code":{code}}}}}"#), &format!("failed {code} throttled"));
    }
    check(200, r#"{"success":true}"#, "ok -");
    check(200, r#"{"error":{"message":"x"}}"#, "failed -");
}
