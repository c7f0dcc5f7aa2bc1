//! Records are sealed for their place, and whoever hands one over waits for nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wardlock_core::answer::Outcome;
use wardlock_core::canonical::{Header, Parameter};
use wardlock_core::id::Digest;
use wardlock_core::plugin::quota::{QuotaFault, Taken};
use wardlock_core::plugin::{
    Answer, Attribute, Caller, Edit, Effect, Field, FieldUse, OperationView, Payload, PluginFault, PluginRequest,
    PluginResponse, Reason, ResponseAnswer, ResponseEdit, ResponseVerdict, Verdict,
};
use wardlock_egress::vault::{KeySource, Keys, Vault};
use wardlock_state::{Bounds, RecordPlace, RecordQuery, Recordings};

use super::*;
use crate::home::Home;

const BOUNDS: Bounds = Bounds { keep_ms: 60_000, requests: 10_000, bytes: MAX_WORKSPACE };
const ALL: RecordQuery<'_> = RecordQuery { workspace: None, request_id: None, limit: 10_000 };

/// A home's folder for databases, and the keys of its vault.
fn state(folder: &Path) -> (PathBuf, Arc<Keys>) {
    let state = Home::create(&folder.join("home")).expect("a home").state_folder();
    let key = KeySource::File { path: folder.join("key") };
    Vault::create(&state, &key).expect("a vault");
    let keys = Vault::open(&state, &key).expect("a vault").keys();
    (state, keys)
}

/// A recorder of the workspace `acme`.
fn recorder(folder: &Path) -> (Recorder, Arc<Metrics>) {
    let ((state, keys), metrics) = (state(folder), Metrics::new());
    let recorder = Recorder::start(&state, keys, Arc::clone(&metrics)).expect("a recorder");
    let bounds = BTreeMap::from([("acme".to_owned(), BOUNDS)]);
    recorder.take(&Recorded { bounds, ..Recorded::default() }, &BTreeSet::new(), 0);
    (recorder, metrics)
}

fn request() -> PluginRequest {
    PluginRequest {
        id: "one".to_owned(),
        now_ms: 1_767_614_400_123,
        caller: Caller {
            workspace: "acme".to_owned(),
            connection: "zoho".to_owned(),
            agent: "reporter".to_owned(),
            region: "eu".to_owned(),
            tenant: Some("20071234567".to_owned()),
        },
        operation: OperationView {
            service: "zoho-crm".to_owned(),
            name: "coql.query".to_owned(),
            effect: Effect::Read,
            resources: vec!["Leads".to_owned()],
            fields: Some(vec![Field { of: "Leads".to_owned(), name: "Email".to_owned(), how: FieldUse::Filter }]),
            breadth: Some(200),
            attributes: vec![Attribute { name: "a".to_owned(), value: "b".to_owned() }],
        },
        method: "POST",
        path: "/crm/v8/coql".to_owned(),
        query: vec![Parameter { name: "a".to_owned(), value: "é\u{202e}".to_owned() }; 2],
        headers: vec![Header { name: "accept".to_owned(), value: vec![0xff, 0x00, b'x'] }],
        body: Some(Payload {
            length: 3,
            content_type: Some("application/json".to_owned()),
            sha256: Digest::of(&[0, 255, 7]),
            content: vec![0, 255, 7],
        }),
        purpose: Some("PURPOSE-OF-IT".to_owned()),
        dry_run: false,
        approved_by: Some("jo".to_owned()),
        attributes: vec![Attribute { name: "c".to_owned(), value: "d".to_owned() }],
    }
}

fn response() -> PluginResponse {
    let PluginRequest { id, now_ms, caller, operation, method, path, headers, body, purpose, attributes, .. } =
        request();
    PluginResponse {
        id,
        now_ms,
        caller,
        operation,
        method,
        path,
        status: 207,
        outcome: Outcome::Partial,
        provider_code: Some("DUPLICATE_DATA".to_owned()),
        headers,
        body,
        redactions: 2,
        purpose,
        attributes,
    }
}

fn asked(word: Word, taken: Result<Taken, QuotaFault>) -> AskedRecord {
    AskedRecord {
        plugin: "guard".to_owned(),
        component: Digest::of(b"component"),
        settings: r#"{"a":[1,2.5,null]}"#.to_owned(),
        settings_digest: Digest::of(b"settings"),
        capabilities: ["body".to_owned()].into(),
        memory_bytes: 32 << 20,
        input: 0,
        takes: vec![RecordedTake { key: "mails".to_owned(), limit: 5, window_seconds: 60, taken }],
        word,
    }
}

fn shape(body: &[u8]) -> Answer {
    let reason = Reason {
        code: "narrowed".to_owned(),
        message: "fewer".to_owned(),
        hint: Some("ask for less".to_owned()),
        retry_after_seconds: Some(60),
        attributes: Vec::new(),
    };
    let edits = vec![Edit::RemoveQuery("a".to_owned()), Edit::ReplaceBody(body.to_vec())];
    let notes = vec![Attribute { name: "n".to_owned(), value: "v".to_owned() }];
    Answer { verdict: Verdict::Shape(edits, reason), notes }
}

fn record(request_id: &str) -> Record {
    let taken = Taken { granted: true, remaining: 4, resets_ms: 1_767_614_460_000 };
    let faults = [
        QuotaFault::TooManyCounters,
        QuotaFault::misuse("is wrong"),
        QuotaFault::Unavailable { what: "x".to_owned() },
    ];
    let fault = PluginFault::Trap { kind: "unreachable".to_owned() };
    let mut all = vec![asked(Word::of(&Ok(shape(b"\xff"))), Ok(taken))];
    all.extend(faults.map(|of| asked(Word::of(&Err(fault.clone())), Err(of))));
    let edits = vec![ResponseEdit::RemoveJson("/data/0".to_owned())];
    let Verdict::Shape(_, reason) = shape(b"").verdict else { panic!("a shape") };
    let said = ResponseAnswer { verdict: ResponseVerdict::Edit(edits, reason), notes: Vec::new() };
    all.push(AskedRecord { input: 2, takes: Vec::new(), ..asked(Word::of_answer(&Ok(said)), Ok(taken)) });
    Record {
        request_id: request_id.to_owned(),
        at_ms: 5,
        workspace: "acme".to_owned(),
        connection: "zoho".to_owned(),
        agent: "reporter".to_owned(),
        decision: "deny".to_owned(),
        inputs: vec![
            Input::of(&request(), true),
            Input::of(&request(), false),
            Input::of_answer(response(), true),
        ],
        asked: all,
    }
}

#[test]
fn a_record_is_read_as_it_was_written_and_anything_else_is_told() {
    let record = record("one");
    let text = record.write().expect("written");
    assert_eq!(Record::read(&text).expect("read"), record);
    let [whole, without] = [0, 1].map(|at| record.inputs[at].clone());
    assert_eq!((whole.is_whole(), whole.request()), (true, Some(&request())));
    let hidden = without.request().and_then(|request| request.body.as_ref());
    assert!(!without.is_whole() && hidden.is_some_and(|body| body.content.is_empty()));
    assert_eq!(record.inputs[2].shown(), &Shown::Answer(response()));
    let text = String::from_utf8(text).expect("JSON");
    // As it was written before answers were recorded.
    let older = Record { inputs: record.inputs[..2].to_vec(), asked: record.asked[..4].to_vec(), ..record };
    let first = String::from_utf8(older.write().expect("written")).expect("JSON");
    let first = first.replace("\"version\":2", "\"version\":1").replace("\"answers\":[],", "");
    assert!(!first.contains("answers"), "{first}");
    assert_eq!(Record::read(first.as_bytes()).expect("read"), older);
    for (from, to, told) in [
        ("\"version\":2", "\"version\":3", "of version 3"),
        ("\"outcome\":\"partial\"", "\"outcome\":\"fine\"", "outcome"),
        ("\"POST\"", "\"TRACE\"", "method"),
        ("\"verdict\":\"shape\"", "\"verdict\":\"perhaps\"", "verdict"),
        ("\"kind\":\"trap\"", "\"kind\":\"bad mood\"", "fault"),
        ("\"input\":0", "\"input\":9", "not there"),
        ("\"decision\"", "\"decided\"", "decided"),
    ] {
        let error = Record::read(text.replace(from, to).as_bytes()).expect_err(to);
        assert!(error.to_string().contains(told), "{to}: {error}");
    }
}

#[test]
fn two_answers_that_differ_anywhere_are_two_words() {
    let digest = |answer: &Answer| match Word::of(&Ok(answer.clone())) {
        Word::Said { digest, .. } => digest,
        Word::Fault { .. } => panic!("an answer"),
    };
    let first = shape(b"\xff");
    assert_eq!(digest(&first), digest(&first.clone()));
    assert_ne!(digest(&first), digest(&shape(b"\xfe")), "both are U+FFFD as text");
    let mut other = first.clone();
    other.notes[0].value.push('w');
    assert_ne!(digest(&first), digest(&other));
    let mut other = first.clone();
    if let Verdict::Shape(_, reason) = &mut other.verdict {
        reason.hint = None;
    }
    assert_ne!(digest(&first), digest(&other));
}

#[test]
fn a_record_is_sealed_and_opens_in_its_own_place_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let (recorder, metrics) = recorder(folder.path());
    for id in ["one", "two"] {
        recorder.hand_over(record(id), 10);
    }
    recorder.flush();
    assert_eq!(metrics.recorded_so_far("kept"), 2);
    let places = recorder.places(6, &ALL).expect("places");
    assert_eq!(recorder.read(&places[1]).expect("opened"), Some(record("one")));
    for file in std::fs::read_dir(folder.path().join("home/state")).expect("a folder") {
        let bytes = std::fs::read(file.expect("a file").path()).expect("bytes");
        for hidden in ["PURPOSE-OF-IT", "coql", "narrowed", "guard", "Email"] {
            assert!(
                !bytes.windows(hidden.len()).any(|found| found == hidden.as_bytes()),
                "`{hidden}` is readable"
            );
        }
    }
    // One record's bytes in the place of another: of this workspace, and of a second one.
    let store = Recordings::open(&folder.path().join("home/state").join(FILE)).expect("the file");
    let sealed = store.sealed(&places[1]).expect("read").expect("there");
    let stranger = RecordPlace { workspace: "globex".to_owned(), ..places[1].clone() };
    let swapped = RecordPlace { request_id: "three".to_owned(), ..places[1].clone() };
    for place in [&stranger, &swapped] {
        let moved = wardlock_state::SealedRecord { place: place.clone(), expires_ms: 99, sealed: sealed.clone() };
        store.add(&[moved], &BTreeMap::new()).expect("put there");
        let error = recorder.read(place).expect_err("not opened");
        assert!(matches!(error, RecordError::NotOpened(_)), "{error}");
    }
}

#[test]
fn a_store_that_hangs_or_is_broken_costs_records_and_nobodys_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let (recorder, metrics) = recorder(folder.path());
    {
        // As long as this is held, the thread writes nothing.
        let _held = recorder.shared.store();
        for number in 0..3 * WAITING {
            recorder.hand_over(record(&number.to_string()), 10);
        }
    }
    recorder.flush();
    let (kept, dropped) = (metrics.recorded_so_far("kept"), metrics.recorded_so_far("dropped"));
    assert_eq!(kept + dropped, 3 * WAITING as u64);
    assert!(dropped >= WAITING as u64, "{dropped}");
    // The queue is bounded in bytes, too, and free again afterwards.
    recorder.hand_over(record("heavy"), WAITING_BYTES + 1);
    assert_eq!(metrics.recorded_so_far("dropped"), dropped + 1);
    assert_eq!(recorder.shared.waiting_bytes.load(Ordering::Relaxed), 0);
    *recorder.shared.store() = Store::Unusable("it burnt".to_owned());
    recorder.hand_over(record("late"), 10);
    recorder.flush();
    assert_eq!(metrics.recorded_so_far("failed"), 1);
    assert!(recorder.places(6, &ALL).expect_err("unusable").to_string().contains("it burnt"));
}

#[test]
fn what_is_too_large_or_not_wanted_any_more_is_not_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let (recorder, metrics) = recorder(folder.path());
    let mut large = record("large");
    large.asked[0].settings = "x".repeat(MAX_RECORD);
    recorder.hand_over(large, 10);
    recorder.hand_over(Record { workspace: "globex".to_owned(), ..record("foreign") }, 10);
    recorder.flush();
    assert_eq!((metrics.recorded_so_far("too-large"), metrics.recorded_so_far("dropped")), (1, 1));
    assert_eq!(recorder.places(6, &ALL).expect("places"), []);
    recorder.hand_over(record("one"), 10);
    recorder.flush();
    assert_eq!(recorder.places(6, &ALL).expect("places").len(), 1);
    assert_eq!(recorder.places(60_005, &ALL).expect("places"), [], "its time has ended");
    recorder.take(&Recorded::default(), &BTreeSet::new(), 6);
    assert_eq!(recorder.recorded().expect("sums"), [], "it was switched off");
}

#[test]
fn nothing_is_made_where_nothing_is_recorded() {
    let folder = tempfile::tempdir().expect("a folder");
    let (state, keys) = state(folder.path());
    let recorder = Recorder::start(&state, keys, Metrics::new()).expect("a recorder");
    recorder.take(&Recorded::default(), &BTreeSet::new(), 0);
    assert!(recorder.begin(&WorkspaceName::parse("acme").expect("a name")).is_none());
    assert!(!state.join(FILE).exists());
    assert_eq!(recorder.places(0, &ALL).expect("places"), []);
}
