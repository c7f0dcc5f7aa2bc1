//! Deny > hold > allow; a change narrows or is refused; nobody's silence allows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use super::*;
use crate::canonical::{Header, Parameter};
use crate::connection::{Connection, Hooks, WriteMode, WriteRules};
use crate::decision::{Approval, Asked, Decision, Holder, decide};
use crate::id::{AgentName, ConnectionName, GrantName, PluginName, Region, RequestId, WorkspaceName};
use crate::service::{ServiceDefinition, parse};

mod approvals;

fn service() -> Arc<ServiceDefinition> {
    static SERVICE: LazyLock<Arc<ServiceDefinition>> = LazyLock::new(|| {
        Arc::new(parse(include_str!("../../../services/zoho-crm.toml"), "zoho-crm.toml").expect("the definition"))
    });
    Arc::clone(&SERVICE)
}

fn link(name: &str, mode: LinkMode, capabilities: &[&str]) -> Link {
    Link {
        name: PluginName::parse(name).expect("a name"),
        digest: Digest::of(name.as_bytes()),
        settings: Digest::of(b"{}"),
        mode,
        hooks: Hooks::Request,
        capabilities: capabilities.iter().map(|&name| name.to_owned()).collect(),
    }
}

fn judge(chain: Vec<Link>) -> Judge {
    let names = |names: &[&str]| -> BTreeSet<String> { names.iter().map(|&name| name.to_owned()).collect() };
    let connection = Connection {
        workspace: WorkspaceName::parse("acme").expect("a name"),
        name: ConnectionName::parse("zoho").expect("a name"),
        label: "test".to_owned(),
        service: service(),
        region: Region::parse("eu").expect("a region"),
        environment: "production".to_owned(),
        grant: GrantName::parse("acme-zoho").expect("a name"),
        tenant: None,
        resources: names(&["Leads", "Contacts"]),
        operations: names(&[
            "records.list",
            "records.search",
            "records.coql",
            "records.create",
            "records.get",
            "composite",
        ]),
        owner: crate::connection::Owner::Workspace,
        params: std::collections::BTreeMap::new(),
        grant_services: std::collections::BTreeSet::new(),
        concurrency: None,
        writes: WriteMode::On,
        write_rules: WriteRules::default(),
        chain,
        agents: BTreeMap::new(),
    };
    Judge::new(Arc::new(connection), AgentName::parse("reporter").expect("a name"), WriteMode::On)
}

fn read(judge: &Judge) -> Classified {
    classified(judge, "GET", "/crm/v8/Leads?fields=Last_Name,Email&per_page=10", "")
}

fn classified(judge: &Judge, method: &str, target: &str, body: &str) -> Classified {
    let request =
        CanonicalRequest::parse(method, target, Vec::new(), body.as_bytes().to_vec()).expect("canonical");
    let classified = judge.classify(request).expect("classified");
    judge.check(&classified).expect("allowed by the rules");
    classified
}

fn reason(code: &str) -> Reason {
    Reason {
        code: code.to_owned(),
        message: "because".to_owned(),
        hint: None,
        retry_after_seconds: None,
        attributes: Vec::new(),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "an answer as `take` wants it")]
fn answer(verdict: Verdict) -> Result<Answer, PluginFault> {
    Ok(Answer { verdict, notes: Vec::new() })
}

fn run(
    judge: &Judge,
    request: Classified,
    answers: Vec<Result<Answer, PluginFault>>,
) -> (Classified, ChainOutcome) {
    let mut chain = Chain::start(judge, request);
    for answer in answers {
        chain.take(answer, 1);
    }
    chain.finish()
}

fn asked() -> Asked {
    Asked {
        id: RequestId::from_bits([7; 16]),
        purpose: None,
        tenant: "1".to_owned(),
        generation: 1,
        via: None,
        approval: None,
    }
}

/// Runs a chain of plugins that may all shape and says what the host concludes: decision and code.
#[track_caller]
fn check(answers: Vec<Result<Answer, PluginFault>>, expect: &str) {
    let links = (0..answers.len()).map(|at| link(&format!("p{at}"), LinkMode::Enforce, &["shape"])).collect();
    let judge = judge(links);
    check_on(&judge, read(&judge), answers, expect);
}

#[track_caller]
fn check_on(judge: &Judge, request: Classified, answers: Vec<Result<Answer, PluginFault>>, expect: &str) {
    let (classified, outcome) = run(judge, request, answers);
    let got = match decide(judge, classified, outcome, asked()) {
        Decision::Allow(permit) => format!("allow {}", permit.classified().request().path_and_query()),
        Decision::Hold { refusal, .. } => format!("hold {}", refusal.code.as_str()),
        Decision::Deny { refusal, .. } => format!("deny {}", refusal.code.as_str()),
    };
    assert!(got.starts_with(expect), "{got}, and not {expect}");
}

fn set_query(name: &str, value: &str) -> Edit {
    Edit::SetQuery(Parameter { name: name.to_owned(), value: value.to_owned() })
}

fn shape(edits: Vec<Edit>) -> Result<Answer, PluginFault> {
    answer(Verdict::Shape(edits, reason("narrowed")))
}

#[test]
fn every_plugin_must_say_yes() {
    let fault = || Err(PluginFault::Nonsense { what: "nothing".to_owned() });
    check(vec![answer(Verdict::Allow), answer(Verdict::Allow)], "allow");
    check(vec![answer(Verdict::Allow), answer(Verdict::Deny(reason("no")))], "deny policy_denied");
    check(vec![answer(Verdict::Hold(reason("ask"))), answer(Verdict::Allow)], "hold held");
    check(vec![answer(Verdict::Hold(reason("ask"))), answer(Verdict::Deny(reason("no")))], "deny policy_denied");
    check(vec![answer(Verdict::Hold(reason("ask"))), fault()], "deny plugin_nonsense");
    check(vec![fault(), answer(Verdict::Allow)], "deny plugin_nonsense");
}

#[test]
fn nobodys_silence_allows() {
    check(Vec::new(), "deny no_policy");
    let half_asked = judge(vec![link("a", LinkMode::Enforce, &[]), link("b", LinkMode::Enforce, &[])]);
    check_on(&half_asked, read(&half_asked), vec![answer(Verdict::Allow)], "deny no_policy");
    let only_watched = judge(vec![link("a", LinkMode::Monitor, &[])]);
    check_on(&only_watched, read(&only_watched), vec![answer(Verdict::Allow)], "deny no_policy");
    let (classified, outcome) = run(&only_watched, read(&only_watched), vec![answer(Verdict::Allow)]);
    let Decision::Deny { refusal, .. } = decide(&only_watched, classified, outcome, asked()) else {
        panic!("a plugin that watches allows")
    };
    assert!(refusal.remedy().contains("`monitor`"), "{}", refusal.remedy());
    let watched = judge(vec![link("a", LinkMode::Monitor, &[]), link("b", LinkMode::Enforce, &[])]);
    let answers = vec![answer(Verdict::Deny(reason("no"))), answer(Verdict::Allow)];
    check_on(&watched, read(&watched), answers, "allow");
}

#[test]
fn a_plugin_that_only_judges_answers_says_yes_to_no_request() {
    let answers_only = || Link { hooks: Hooks::Response, ..link("later", LinkMode::Enforce, &[]) };
    let alone = judge(vec![answers_only()]);
    assert!(Chain::start(&alone, read(&alone)).next().is_none());
    check_on(&alone, read(&alone), Vec::new(), "deny no_policy");
    check_on(&alone, read(&alone), vec![answer(Verdict::Allow)], "deny no_policy");
    // Among others it is passed over, wherever it stands.
    let among = judge(vec![answers_only(), link("a", LinkMode::Enforce, &[]), answers_only()]);
    let next = Chain::start(&among, read(&among)).next().map(|turn| (turn.at, turn.link.name.to_string()));
    assert_eq!(next, Some((1, "a".to_owned())));
    check_on(&among, read(&among), vec![answer(Verdict::Allow)], "allow");
    assert!(among.connection().holds_answers());
    let watched = Link { hooks: Hooks::Both, ..link("watched", LinkMode::Monitor, &[]) };
    assert!(!judge(vec![watched]).connection().holds_answers());
}

#[test]
fn a_plugin_that_would_not_judge_the_answer_denies_the_request() {
    let answers_only = Link { hooks: Hooks::Response, ..link("later", LinkMode::Enforce, &[]) };
    let judge = judge(vec![link("a", LinkMode::Enforce, &[]), answers_only]);
    let mut chain = Chain::start(&judge, read(&judge));
    chain.take(answer(Verdict::Allow), 1);
    assert!(!chain.is_denied());
    chain.take_unasked(&judge.connection().chain[1], &PluginFault::Tripped { retry_after_seconds: 4 });
    assert!(chain.is_denied());
    let (classified, outcome) = chain.finish();
    let Decision::Deny { refusal, verdicts } = decide(&judge, classified, outcome, asked()) else {
        panic!("it must not pass");
    };
    assert_eq!((refusal.code, refusal.retry_after), (Code::PluginTripped, Some(4)));
    assert_eq!(verdicts.last().map(|verdict| (&*verdict.plugin, verdict.fault)), Some(("later", Some("tripped"))));
    let words = verdicts.last().map(|verdict| (verdict.code.as_deref(), verdict.sentence.is_some()));
    assert_eq!(words, Some((Some("plugin_tripped"), true)));
}

#[test]
fn a_tripped_plugin_says_when_it_is_tried_again() {
    let judge = judge(vec![link("a", LinkMode::Enforce, &[])]);
    let (classified, outcome) =
        run(&judge, read(&judge), vec![Err(PluginFault::Tripped { retry_after_seconds: 4 })]);
    let Decision::Deny { refusal, .. } = decide(&judge, classified, outcome, asked()) else {
        panic!("it must not pass");
    };
    assert_eq!((refusal.code, refusal.retry_after), (Code::PluginTripped, Some(4)));
}

#[test]
fn change_that_narrows_is_what_is_sent() {
    check(vec![shape(vec![set_query("fields", "Last_Name")])], "allow /crm/v8/Leads?fields=Last_Name&per_page=10");
    check(
        vec![shape(vec![set_query("per_page", "3")])],
        "allow /crm/v8/Leads?fields=Last_Name%2CEmail&per_page=3",
    );
}

#[test]
fn p8_change_that_widens_is_refused() {
    check(vec![shape(vec![set_query("fields", "Last_Name,Email,Phone")])], "deny shape_widened");
    check(vec![shape(vec![set_query("per_page", "200")])], "deny shape_widened");
    check(vec![shape(vec![Edit::RemoveQuery("per_page".to_owned())])], "deny shape_widened");
    check(vec![shape(vec![Edit::RemoveQuery("fields".to_owned())])], "deny shape_widened");
    check(vec![shape(vec![set_query("cvid", "1")])], "deny shape_widened");
    // What a first plugin took away, a second cannot give back.
    let back =
        vec![shape(vec![set_query("fields", "Last_Name")]), shape(vec![set_query("fields", "Last_Name,Email")])];
    check(back, "deny shape_widened");
}

#[test]
fn p9_query_language_is_judged_anew_after_a_change() {
    let judge = judge(vec![link("a", LinkMode::Enforce, &["shape"])]);
    let coql = |query: &str| format!("{{\"select_query\":\"{query}\"}}");
    let narrow = "select Last_Name from Leads where id > 0 limit 5";
    let request = || classified(&judge, "POST", "/crm/v8/coql", &coql(narrow));
    let replace = |query: &str| shape(vec![Edit::ReplaceBody(coql(query).into_bytes())]);
    check_on(&judge, request(), vec![replace("select Last_Name from Leads where id > 0 limit 2")], "allow");
    for wider in [
        "select Last_Name, Email from Leads where id > 0 limit 5",
        "select Last_Name from Contacts where id > 0 limit 5",
        "select Last_Name from Leads where id > 0 limit 6",
        "select Last_Name from Leads where Email = 'x' limit 5",
    ] {
        check_on(&judge, request(), vec![replace(wider)], "deny shape_widened");
    }
    check_on(
        &judge,
        request(),
        vec![replace("select Stage from Deals where id > 0")],
        "deny resource_not_allowed",
    );
    check_on(&judge, request(), vec![replace("drop everything")], "deny");
}

#[test]
fn change_that_the_host_refuses_is_the_plugins_fault_and_not_the_agents() {
    use crate::refusal::Actor;

    let judge = judge(vec![link("page-cap", LinkMode::Enforce, &["shape"])]);
    let request = || classified(&judge, "GET", "/crm/v8/Leads/1,2?fields=Last_Name", "");
    for edit in [set_query("per_page", "3"), set_query("fields", "Last_Name,"), set_query("fields", "Owner.email")]
    {
        let (classified, outcome) = run(&judge, request(), vec![shape(vec![edit])]);
        let Decision::Deny { refusal, .. } = decide(&judge, classified, outcome, asked()) else {
            panic!("it must not pass");
        };
        assert!(matches!(&refusal.by, RefusedBy::Plugin { name, .. } if name == "page-cap"), "{refusal:?}");
        assert!(refusal.detail.contains("`page-cap`"), "{}", refusal.detail);
        assert_eq!(refusal.code.actor(), Actor::Operator, "{refusal:?}");
    }
}

#[test]
fn change_without_the_capability_is_refused() {
    let judge = judge(vec![link("a", LinkMode::Enforce, &[])]);
    check_on(&judge, read(&judge), vec![shape(vec![set_query("per_page", "1")])], "deny shape_widened");
    let (_, outcome) = run(&judge, read(&judge), vec![shape(vec![set_query("per_page", "1")])]);
    let End::Deny(refusal) = outcome.end else { panic!("it is refused") };
    assert!(refusal.hint.is_some_and(|hint| hint.contains("adds `\"shape\"`")), "what is missing is told");
}

#[test]
fn p8_protected_and_unknown_headers_are_refused_and_never_dropped() {
    for name in [
        "authorization",
        "proxy-authorization",
        "proxy-connection",
        "host",
        "cookie",
        "content-length",
        "content-type",
        "transfer-encoding",
        "connection",
        "upgrade",
        "te",
        "expect",
        "forwarded",
        "sec-fetch-site",
        "wardlock-purpose",
        "wardlock-dry-run",
        "x-forwarded-for",
        "X-Case",
        "a b",
        "",
    ] {
        check(vec![shape(vec![header(name, b"x")])], "deny shape_widened");
    }
    check(vec![shape(vec![header("x-nobody-takes", b"x")])], "deny shape_widened");
    check(vec![shape(vec![header("if-modified-since", b"a\r\nb: c")])], "deny shape_widened");
    check(vec![shape(vec![header("if-modified-since", b"a\0b")])], "deny shape_widened");
    check(vec![shape(vec![header("if-modified-since", b"2026-01-05T12:00:00Z")])], "allow");
    check(vec![shape(vec![Edit::RemoveHeader("authorization".to_owned())])], "deny shape_widened");
}

fn header(name: &str, value: &[u8]) -> Edit {
    Edit::SetHeader(Header { name: name.to_owned(), value: value.to_vec() })
}

#[test]
fn p8_no_edit_reaches_path_or_credential() {
    let judge = judge(vec![link("a", LinkMode::Enforce, &["shape"])]);
    for text in [
        "..",
        "../../Deals",
        "/crm/v8/Deals",
        "%2e%2e%2fDeals",
        "a HTTP/1.1\r\nHost: evil.example",
        "x\r\nAuthorization: Zoho-oauthtoken y",
        "a\0b",
        "a\nb",
        "1&authtoken=x",
        "1#",
    ] {
        let owned = || text.to_owned();
        for edit in [
            set_query(text, "1"),
            set_query("fields", text),
            Edit::RemoveQuery(owned()),
            header(text, b"x"),
            header("if-modified-since", text.as_bytes()),
            Edit::RemoveHeader(owned()),
            Edit::SetJson(owned(), "1".to_owned()),
            Edit::SetJson("/data".to_owned(), owned()),
            Edit::ReplaceBody(owned().into_bytes()),
        ] {
            let (request, outcome) = run(&judge, read(&judge), vec![shape(vec![edit.clone()])]);
            if let Decision::Allow(permit) = decide(&judge, request, outcome, asked()) {
                let sent = permit.classified().request();
                assert_eq!(sent.path(), "/crm/v8/Leads", "{edit:?}");
                let names: Vec<&str> = sent.query().iter().map(|parameter| parameter.name.as_str()).collect();
                assert_eq!(names, ["fields", "per_page"], "{edit:?}");
                let clean = |header: &Header| header.value.iter().all(|byte| !byte.is_ascii_control());
                assert!(sent.headers().iter().all(clean), "{edit:?}");
            }
        }
    }
}

#[test]
fn p8_query_that_names_another_operation_or_a_credential_is_refused() {
    for name in
        ["authtoken", "auth_token", "access_token", "_method", "module", "x-http-method-override", "callback"]
    {
        check(vec![shape(vec![set_query(name, "Deals")])], "deny shape_widened");
    }
}

#[test]
fn p8_json_that_widens_is_refused() {
    let judge = judge(vec![link("a", LinkMode::Enforce, &["shape"])]);
    let request = || classified(&judge, "POST", "/crm/v8/Leads", r#"{"data":[{"Last_Name":"x","Company":"y"}]}"#);
    let set = |pointer: &str, json: &str| shape(vec![Edit::SetJson(pointer.to_owned(), json.to_owned())]);
    check_on(&judge, request(), vec![set("/data/0/Last_Name", r#""z""#)], "allow");
    check_on(&judge, request(), vec![set("/data", r#"[{"Last_Name":"x"}]"#)], "allow");
    let deep = "[".repeat(200_000);
    for (pointer, json) in [
        ("/data", r#"[{"Last_Name":"x"},{"Last_Name":"y"}]"#),
        ("/data/0/Email", r#""evil@example.com""#),
        ("/data/0", r#"{"Last_Name":"x","Owner":{"id":"1"}}"#),
        ("/data/1", r#"{"Last_Name":"x"}"#),
        ("", r#"{"data":[{"Last_Name":"x","Email":"y"}]}"#),
        ("/data/0/Company", r#"{"a":1,"a":2}"#),
        ("/data/0/Company", "not JSON"),
        ("/data/0/Company", &deep),
    ] {
        check_on(&judge, request(), vec![set(pointer, json)], "deny shape_widened");
    }
}

#[test]
fn p9_what_is_changed_after_a_yes_is_judged_anew() {
    let (yes, ask) = (|| answer(Verdict::Allow), || answer(Verdict::Hold(reason("ask"))));
    let (wider, narrower) =
        (|| shape(vec![set_query("per_page", "11")]), || shape(vec![set_query("per_page", "9")]));
    check(vec![yes(), wider(), yes()], "deny shape_widened");
    check(vec![ask(), wider(), yes()], "deny shape_widened");
    check(vec![yes(), narrower(), wider()], "deny shape_widened");
    check(vec![yes(), narrower(), yes()], "allow /crm/v8/Leads?fields=Last_Name%2CEmail&per_page=9");
    check(vec![yes(), narrower(), answer(Verdict::Deny(reason("no")))], "deny policy_denied");
}

#[test]
fn p9_outcome_of_another_request_or_chain_decides_nothing() {
    let judge_one = judge(vec![link("a", LinkMode::Enforce, &[])]);
    let (_, outcome) = run(&judge_one, read(&judge_one), vec![answer(Verdict::Allow)]);
    let other = classified(&judge_one, "GET", "/crm/v8/Leads?fields=Phone", "");
    assert!(matches!(decide(&judge_one, other, outcome, asked()), Decision::Deny { .. }));
    let (request, outcome) = run(&judge_one, read(&judge_one), vec![answer(Verdict::Allow)]);
    let longer = judge(vec![link("a", LinkMode::Enforce, &[]), link("b", LinkMode::Enforce, &[])]);
    assert!(matches!(decide(&longer, request, outcome, asked()), Decision::Deny { .. }));
}

/// A composite of two reads.
fn two_parts(judge: &Judge) -> Classified {
    let parts = r#"{"method":"GET","uri":"/crm/v8/Leads/1"},{"method":"GET","uri":"/crm/v8/Contacts/2"}"#;
    let body = format!(r#"{{"__composite_requests":[{parts}]}}"#);
    classified(judge, "POST", "/crm/v8/__composite_requests", &body)
}

#[test]
fn every_plugin_judges_every_part() {
    let judge = judge(vec![link("p0", LinkMode::Enforce, &["shape"]), link("p1", LinkMode::Enforce, &["shape"])]);
    let allow = || answer(Verdict::Allow);
    let check = |answers: Vec<Result<Answer, PluginFault>>, expect: &str| {
        check_on(&judge, two_parts(&judge), answers, expect);
    };
    check(vec![allow(), allow(), allow(), allow()], "allow /crm/v8/__composite_requests");
    // Whoever was not asked about the second said nothing of it.
    check(vec![allow(), allow()], "deny no_policy");
    check(vec![allow(), allow(), allow()], "deny no_policy");
    check(vec![allow(), allow(), allow(), answer(Verdict::Deny(reason("no")))], "deny policy_denied");
    check(vec![answer(Verdict::Hold(reason("ask"))), allow(), allow(), allow()], "hold held");
    check(
        vec![answer(Verdict::Hold(reason("ask"))), allow(), allow(), Err(PluginFault::Lost)],
        "deny plugin_lost",
    );
    check(vec![allow(), allow(), shape(vec![set_query("fields", "id")])], "deny envelope_shaped");
}

#[test]
fn plugins_are_shown_the_part_and_where_it_stands_and_refusals_name_it() {
    let judge = judge(vec![link("p0", LinkMode::Enforce, &[])]);
    let mut chain = Chain::start(&judge, two_parts(&judge));
    for (number, path) in [(1, "/crm/v8/Leads/1"), (2, "/crm/v8/Contacts/2")] {
        let turn = chain.next().expect("a turn");
        assert_eq!(turn.request.request().path(), path);
        assert_eq!(turn.within, Some(Within { envelope: "composite", part: number }));
        let verdict = if number == 1 { Verdict::Allow } else { Verdict::Deny(reason("no")) };
        chain.take(answer(verdict), 1);
    }
    assert!(chain.next().is_none());
    let (whole, outcome) = chain.finish();
    let Decision::Deny { refusal, verdicts } = decide(&judge, whole, outcome, asked()) else {
        panic!("it was denied");
    };
    assert_eq!(verdicts.iter().map(|said| said.part).collect::<Vec<_>>(), [Some(1), Some(2)]);
    assert_eq!(
        (refusal.part, refusal.detail.as_str()),
        (Some(2), "part 2 (`GET /crm/v8/{module}/{id}`): because")
    );
    // A request that carries none is in no envelope.
    let alone = Chain::start(&judge, read(&judge));
    assert_eq!(alone.next().expect("a turn").within, None);
}
