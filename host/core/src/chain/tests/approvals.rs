//! What a person's word answers at a release, and what it does not.

use super::*;

#[test]
fn an_approval_answers_what_held_that_request_for_that_account_and_nothing_else() {
    let judge = judge(vec![link("asks", LinkMode::Enforce, &["shape"])]);
    let request = read(&judge);
    let digest = judge.connection().chain[0].digest;
    let by_plugin = |digest| Holder::Plugin { name: "asks".to_owned(), digest };
    let good = Approval {
        draft: "draft_1".to_owned(),
        by: vec!["ada".to_owned()],
        request: request.digest(),
        tenant: "1".to_owned(),
        place: judge.connection().place_digest(&request),
        holders: vec![by_plugin(digest)],
    };
    let decided = |approval: &Approval, said: Verdict| {
        let (classified, outcome) = run(&judge, request.clone(), vec![answer(said)]);
        let asked = Asked { approval: Some(approval.clone()), ..asked() };
        match decide(&judge, classified, outcome, asked) {
            Decision::Allow(permit) => {
                permit.approval().map(|approval| approval.by.join(", ")).unwrap_or_default()
            }
            Decision::Hold { .. } => "hold".to_owned(),
            Decision::Deny { refusal, .. } => refusal.code.as_str().to_owned(),
        }
    };
    let hold = || Verdict::Hold(reason("ask"));
    assert_eq!(decided(&good, hold()), "ada");
    assert_eq!(decided(&good, Verdict::Allow), "ada", "nobody holds it any more");
    assert_eq!(decided(&good, Verdict::Deny(reason("no"))), "policy_denied");
    let narrower = Verdict::Shape(vec![set_query("per_page", "5")], reason("narrowed"));
    assert_eq!(decided(&good, narrower), "changed_since_approval");
    for bad in [
        Approval { request: Digest::of(b"another"), ..good.clone() },
        Approval { tenant: "2".to_owned(), ..good.clone() },
        Approval { place: Digest::of(b"elsewhere"), ..good.clone() },
        Approval { holders: vec![by_plugin(Digest::of(b"another"))], ..good.clone() },
        Approval { holders: Vec::new(), ..good.clone() },
    ] {
        assert_eq!(decided(&bad, hold()), "changed_since_approval", "{bad:?}");
    }
}

#[test]
fn a_release_wants_as_many_people_as_its_connection_wants_by_then() {
    let one = judge(vec![link("asks", LinkMode::Enforce, &[])]);
    let connection = Connection {
        write_rules: WriteRules { approvals: 2, ..WriteRules::default() },
        ..(**one.connection()).clone()
    };
    let judge = Judge::new(Arc::new(connection), one.agent().clone(), WriteMode::On);
    let request = read(&judge);
    let decided = |by: &[&str]| {
        let approval = Approval {
            draft: "draft_1".to_owned(),
            by: by.iter().map(|&name| name.to_owned()).collect(),
            request: request.digest(),
            tenant: "1".to_owned(),
            place: judge.connection().place_digest(&request),
            holders: Vec::new(),
        };
        let (classified, outcome) = run(&judge, request.clone(), vec![answer(Verdict::Allow)]);
        decide(&judge, classified, outcome, Asked { approval: Some(approval), ..asked() })
    };
    let Decision::Deny { refusal, .. } = decided(&["ada"]) else { panic!("one is not two") };
    assert_eq!((refusal.code, &*refusal.detail), (Code::ChangedSinceApproval, "2 people must approve it now"));
    assert!(matches!(decided(&["ada", "bob"]), Decision::Allow(_)));
}
