//! What rows hold, and above all what they do not.

use std::time::Duration;

use wardlock_core::answer::{FailedRecord, Failures, Outcome};
use wardlock_core::chain::VerdictRecord;
use wardlock_core::id::Digest;
use wardlock_core::plugin::{Attribute, Reason, Verdict};
use wardlock_core::refusal::{Code, Refusal};

use super::support::{Home, classified, connection, finished, id, read_permit, refusal_of, request, write_permit};
use crate::{Act, Filter, Finished, Kind, Refused, Separation, Value};

/// Everything that requests of these tests hold and that may not stand in a row.
const PLANTED: [&str; 7] = [
    "planted-id",
    "planted@query.example",
    "planted%40query.example",
    "planted-header",
    "planted-body",
    "planted-note",
    "planted-secretive-name",
];

fn deny(code: &str) -> Verdict {
    Verdict::Deny(Reason {
        code: code.to_owned(),
        message: "because of planted-body".to_owned(),
        hint: Some("planted-id".to_owned()),
        retry_after_seconds: None,
        attributes: Vec::new(),
    })
}

#[tokio::test]
async fn no_unsafe_value_is_in_any_byte_of_the_files() {
    let home = Home::new();
    let audit = home.open();
    for permit in [read_permit(1), write_permit(2)] {
        let (_receipt, guard) =
            audit.intend(&permit, Separation::None, Duration::ZERO, &[]).await.expect("recorded");
        guard.finish(finished(Outcome::Ok)).await.expect("recorded");
    }
    let unknown =
        request("POST", "/v1/planted-id/records?planted-secretive-name%20%3D=planted-body", b"planted-body");
    let refusal = Refusal::new(Code::UnknownOperation, "operations", "no operation for planted-id");
    audit.refuse(Refused::new(id(3), &refusal).asking(&classified(unknown.clone()))).await.expect("recorded");
    audit.refuse(Refused::new(id(4), &refusal).asking_canonical(&unknown, None)).await.expect("recorded");
    for code in ["hidden_field", "a sentence with planted-body"] {
        let (refusal, verdicts) = refusal_of(5, deny(code));
        audit.refuse(Refused::new(id(5), &refusal).verdicts(verdicts)).await.expect("recorded");
    }
    let bytes = home.bytes();
    let holds = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(holds("Last_Name") && holds("hidden_field") && holds("Leads"), "safe values are there to be read");
    for planted in PLANTED {
        assert!(!holds(planted), "{planted} is in a file");
    }
}

#[tokio::test]
async fn an_intent_says_who_asked_what_of_whom_by_which_rules() {
    let home = Home::new();
    let audit = home.open();
    let permit = read_permit(1);
    let _ = audit.intend(&permit, Separation::None, Duration::ZERO, &[]).await.expect("recorded");
    let row = audit.show(permit.id().as_str()).expect("rows").swap_remove(0);
    let shown = row.escaped().to_string();
    assert_eq!(
        shown,
        "1 intent decision=allow workspace=acme connection=crm agent=reporter operation=records.read effect=read \
         method=GET path=/v1/records/{module}/{id} purpose=weekly \\u{1b}[31mreport\\u{202e} separation=none \
         request=req_01010101010101010101010101010101"
    );
    let detail = row.detail.request.expect("the request");
    let keyed = |name: &str, value: &str| Value {
        name: Some(name.to_owned()),
        value: None,
        keyed: Some(audit.keyed(value)),
    };
    let plain = |name: &str, value: &str| Value {
        name: Some(name.to_owned()),
        value: Some(value.to_owned()),
        keyed: None,
    };
    assert_eq!(detail.parameters, [plain("module", "Leads"), keyed("id", "planted-id")]);
    assert_eq!(detail.query, [plain("fields", "Last_Name"), keyed("email", "planted@query.example")]);
    assert_eq!((detail.region.as_deref(), detail.tenant.as_deref()), (Some("eu"), Some("org-1")));
    assert_eq!((detail.grant.as_deref(), detail.generation), (Some("acme-crm"), Some(3)));
    assert_eq!(detail.host.as_deref(), Some("api.crm.example"));
    assert_eq!((detail.resources.as_slice(), detail.breadth), (["Leads".to_owned()].as_slice(), Some(1)));
    assert_eq!(detail.service_sha256, Some(connection().service.digest.to_string()));
    assert_eq!(detail.permit, Some(permit.digest().to_string()));
    let plugin = &detail.plugins[0];
    assert_eq!((plugin.name.as_str(), plugin.verdict.as_str(), plugin.micros), ("guard", "allow", 12));
    assert_eq!(plugin.sha256, wardlock_core::id::Digest::of(b"component").to_string());
}

#[tokio::test]
async fn an_outcome_says_what_plugins_said_of_the_answer_and_nothing_of_the_answer_itself() {
    let home = Home::new();
    let audit = home.open();
    let (_, guard) = audit.intend(&read_permit(1), Separation::None, Duration::ZERO, &[]).await.expect("recorded");
    let edits = ["redact-json /data/*/Email", "remove-header etag", "redact-json /data/planted-body of a plugin"];
    let verdict = VerdictRecord {
        plugin: "mask".to_owned(),
        digest: Digest::of(b"mask"),
        settings: Digest::of(b"{}"),
        verdict: "edit",
        code: Some("hidden_field".to_owned()),
        fault: None,
        sentence: None,
        part: None,
        edits: edits.map(str::to_owned).into(),
        enforced: true,
        micros: 7,
        notes: vec![Attribute { name: "n".to_owned(), value: "planted-note".to_owned() }],
    };
    let first = vec![FailedRecord { number: 2, code: Some("INVALID_DATA".to_owned()) }];
    let failures = Some(Failures { failed: 1, of: 3, first });
    let withheld = Some(Code::AnswerDenied);
    let finished = Finished { verdicts: vec![verdict], withheld, failures, ..finished(Outcome::Partial) };
    guard.finish(finished).await.expect("recorded");
    let rows = audit.list(&Filter::newest(1)).expect("a row");
    let answer = rows[0].detail.answer.as_ref().expect("an answer");
    assert_eq!((rows[0].outcome.as_deref(), answer.withheld.as_deref()), (Some("partial"), Some("answer_denied")));
    let failures = answer.failures.as_ref().expect("what failed");
    assert_eq!((failures.failed, failures.of, failures.first[0].number), (1, 3, 2));
    assert_eq!(failures.first[0].code.as_deref(), Some("INVALID_DATA"));
    let [said] = answer.plugins.as_slice() else { panic!("{answer:?}") };
    assert_eq!(
        (said.name.as_str(), said.verdict.as_str(), &said.edits[..2]),
        ("mask", "edit", &edits.map(str::to_owned)[..2])
    );
    assert!(said.edits[2].starts_with("redact-json keyed:"), "{said:?}");
    assert!(rows[0].escaped().to_string().contains("withheld=answer_denied"));
    let bytes = home.bytes();
    for planted in PLANTED {
        assert!(!bytes.windows(planted.len()).any(|part| part == planted.as_bytes()), "{planted} is in a file");
    }
}

#[tokio::test]
async fn a_body_is_recorded_by_its_length_and_hash() {
    let home = Home::new();
    let audit = home.open();
    let _ = audit.intend(&write_permit(1), Separation::Unknown, Duration::ZERO, &[]).await.expect("recorded");
    let row = audit.list(&Filter::default()).expect("rows").swap_remove(0);
    let detail = row.detail.request.expect("the request");
    let body = br#"{"Name":"planted-body"}"#;
    assert_eq!(detail.body_bytes, Some(body.len() as u64));
    assert_eq!(detail.body_sha256, Some(wardlock_core::id::Digest::of(body).to_string()));
}

#[tokio::test]
async fn an_unknown_operation_shows_only_words_of_the_service() {
    let home = Home::new();
    let audit = home.open();
    let refusal = Refusal::new(Code::UnknownOperation, "operations", "x");
    let asked = classified(request("DELETE", "/v1/records/planted-id/all", b""));
    let refused = Refused::new(id(1), &refusal).on(&connection()).asking(&asked).purpose(Some("tidy"));
    audit.refuse(refused.separation(Separation::OwnUser)).await.expect("recorded");
    let row = audit.list(&Filter::default()).expect("rows").swap_remove(0);
    assert_eq!(
        row.escaped().to_string(),
        "1 refusal decision=deny workspace=acme connection=crm operation=unknown effect=destructive method=DELETE \
         path=/v1/records/{1}/{2} purpose=tidy separation=own-user code=unknown_operation rule=operations \
         request=req_01010101010101010101010101010101"
    );
}

#[tokio::test]
async fn what_an_agent_makes_is_bounded() {
    let home = Home::new();
    let audit = home.open();
    let query = (0..100).map(|at| format!("q{at}={}", "é".repeat(400))).collect::<Vec<_>>().join("&");
    let refusal = Refusal::new(Code::NotCanonical, "canonical", "x");
    let asked = request("GET", &format!("/{}?{query}", "a/".repeat(500) + "b"), b"");
    let refused = Refused::new(id(1), &refusal).by("acme", "x".repeat(5000)).asking_canonical(&asked, None);
    audit.refuse(refused.purpose(Some(&"ü".repeat(5000)))).await.expect("recorded");
    let row = audit.list(&Filter::default()).expect("rows").swap_remove(0);
    let detail = row.detail.request.as_ref().expect("the request");
    assert!(detail.cut && detail.query.len() == 64 && detail.parameters.len() == 64);
    assert_eq!(row.agent.as_deref().map(str::len), Some(512));
    assert!(detail.purpose.as_deref().is_some_and(|purpose| purpose.len() <= 512 && purpose.ends_with('…')));
    assert!(row.to_json_line().len() < 32 * 1024);
}

#[tokio::test]
async fn rows_are_found_by_all_that_they_say() {
    let home = Home::new();
    let audit = home.open();
    let (_receipt, guard) =
        audit.intend(&read_permit(1), Separation::None, Duration::ZERO, &[]).await.expect("recorded");
    guard.finish(finished(Outcome::Partial)).await.expect("recorded");
    let (refusal, verdicts) = refusal_of(2, deny("no"));
    audit.refuse(Refused::new(id(2), &refusal).on(&connection()).verdicts(verdicts)).await.expect("recorded");
    audit.refuse(Refused::new(id(3), &refusal).by("other", "writer").held()).await.expect("recorded");
    audit.act(Act::admin("ada", "agent.add", "reporter", "ok").in_workspace("acme")).await.expect("recorded");
    audit
        .act(Act::grant("token.refresh", "acme-crm", "ok").on("acme", "crm").caused_by(id(1)))
        .await
        .expect("recorded");
    let found = |change: &dyn Fn(&mut Filter)| {
        let mut filter = Filter::default();
        change(&mut filter);
        audit.list(&filter).expect("rows").iter().map(|row| row.sequence).collect::<Vec<_>>()
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(found(&|_| {}), [1, 2, 3, 4, 5, 6]);
    assert_eq!(found(&|filter| filter.limit = 2), [5, 6]);
    assert_eq!(found(&|filter| (filter.limit, filter.before) = (2, Some(5))), [3, 4]);
    assert_eq!(found(&|filter| filter.workspace = text("acme")), [1, 2, 3, 5, 6]);
    assert_eq!(found(&|filter| filter.connection = text("crm")), [1, 2, 3, 6]);
    assert_eq!(found(&|filter| filter.agent = text("writer")), [4]);
    assert_eq!(found(&|filter| filter.decision = text("hold")), [4]);
    assert_eq!(found(&|filter| filter.outcome = text("partial")), [1, 2]);
    assert_eq!(found(&|filter| filter.operation = text("records.read")), [1, 2]);
    assert!(found(&|filter| filter.effect = text("write")).is_empty());
    assert_eq!(found(&|filter| filter.kind = Some(Kind::Admin)), [5]);
    assert_eq!(found(&|filter| filter.value = text("planted-id")), [1]);
    let third = audit.list(&Filter::default()).expect("rows")[2].at_ms;
    assert_eq!(found(&|filter| (filter.since_ms, filter.until_ms) = (Some(third), Some(third + 1))), [3]);
    let shown: Vec<_> = audit.show(id(1).as_str()).expect("rows").iter().map(|row| row.kind).collect();
    assert_eq!(shown, [Kind::Intent, Kind::Outcome, Kind::Grant]);
}

#[tokio::test]
async fn a_row_as_json_has_its_version_and_its_place() {
    let home = Home::new();
    let audit = home.open();
    audit.act(Act::admin("ada\u{202e}", "reload", "acme", "ok")).await.expect("recorded");
    let row = audit.list(&Filter::default()).expect("rows").swap_remove(0);
    let line = row.to_json_line();
    assert!(line.starts_with(r#"{"version":1,"sequence":1,"kind":"admin","at_ms":1700000000000,"#), "{line}");
    assert!(line.contains(r#""act":{"who":"ada\u202e","what":"reload","target":"acme","result":"ok"}"#), "{line}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&line).expect("JSON"), row.to_json());
}

#[tokio::test]
async fn what_an_agent_makes_is_harmless_wherever_it_is_shown() {
    let hostile = format!("\u{1b}]0;x\u{7}\u{202e}\0\r\n=HYPERLINK(\"x\")<script>{}", "\u{9b}1m".repeat(1 << 20));
    let home = Home::new();
    let audit = home.open();
    let refusal = Refusal::new(Code::NotCanonical, "canonical", "x");
    let refused = Refused::new(id(1), &refusal).by(hostile.clone(), hostile.clone()).purpose(Some(&hostile));
    audit.refuse(refused).await.expect("recorded");
    audit
        .act(Act::admin(hostile.clone(), hostile.clone(), hostile.clone(), hostile.clone()))
        .await
        .expect("recorded");
    for row in audit.list(&Filter::default()).expect("rows") {
        for shown in [row.escaped().to_string(), row.to_json_line()] {
            assert!(!shown.chars().any(crate::misleads), "{shown:?}");
            assert!(shown.len() < 20_000, "bounded: {}", shown.len());
        }
        let value: serde_json::Value = serde_json::from_str(&row.to_json_line()).expect("JSON");
        assert_eq!(value, row.to_json(), "the value itself is kept");
    }
    let kept = audit.list(&Filter::default()).expect("rows").swap_remove(0).agent.expect("an agent");
    assert!(hostile.starts_with(kept.trim_end_matches('…')) && kept.len() <= 512);
}

#[tokio::test]
async fn a_record_says_how_long_things_took_and_what_the_host_adds() {
    let home = Home::new();
    let audit = home.open();
    let decided = Duration::from_micros(150);
    let (_receipt, guard) = audit.intend(&read_permit(1), Separation::None, decided, &[]).await.expect("recorded");
    guard.finish(finished(Outcome::Ok)).await.expect("recorded");
    let rows = audit.list(&Filter::default()).expect("rows");
    let request = rows[0].detail.request.as_ref().expect("the request");
    assert_eq!(
        (request.decided_micros, request.added.as_slice()),
        (Some(150), ["authorization".to_owned()].as_slice())
    );
    let answer = rows[1].detail.answer.as_ref().expect("the answer");
    assert_eq!((answer.total_micros, answer.upstream_micros), (Some(2000), 850));
}
