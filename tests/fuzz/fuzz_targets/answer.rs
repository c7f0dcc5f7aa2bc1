//! Whatever a plugin answers is taken without a panic; what passes the caps keeps them, by a second reading of them;
//! and whatever its edits say, what is permitted at the end is no wider than what was asked.
//!
//! The input is the answer's parts: texts by length and bytes, some of them many times over.
#![no_main]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use support::input::Input;
use wardlock_core::canonical::{CanonicalRequest, Header, Parameter};
use wardlock_core::chain::Chain;
use wardlock_core::connection::{Connection, Hooks, Link, LinkMode, WriteMode, WriteRules};
use wardlock_core::decision::{Asked, Decision, decide};
use wardlock_core::id::{
    AgentName, ConnectionName, Digest, GrantName, PluginName, Region, RequestId, WorkspaceName,
};
use wardlock_core::plugin::{Answer, Attribute, Edit, Reason, Verdict, accept};
use wardlock_core::rules::Judge;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let (method, target, body) = match input.byte() % 3 {
        0 => ("GET", "/crm/v8/Leads?fields=Last_Name,Email&per_page=10", ""),
        1 => ("POST", "/crm/v8/Leads", r#"{"data":[{"Last_Name":"x","Company":"y"}]}"#),
        _ => ("POST", "/crm/v8/coql", r#"{"select_query":"select Last_Name from Leads where id > 0 limit 5"}"#),
    };
    let given = answer(&mut input);
    let Ok(taken) = accept(given.clone()) else { return };
    assert_eq!(taken, given, "a cap changed an answer");
    assert!(keeps_caps(&taken), "{taken:?}");
    let headers = vec![Header { name: "content-type".to_owned(), value: b"application/json".to_vec() }];
    let headers = if body.is_empty() { Vec::new() } else { headers };
    let request = CanonicalRequest::parse(method, target, headers, body.as_bytes().to_vec()).expect("canonical");
    let judge = &*JUDGE;
    let before = judge.classify(request).expect("classified");
    judge.check(&before).expect("within the rules");
    let mut chain = Chain::start(judge, before.clone());
    chain.take(Ok(taken), 1);
    let (after, outcome) = chain.finish();
    let asked = Asked {
        id: RequestId::from_bits([7; 16]),
        purpose: None,
        tenant: "1".to_owned(),
        generation: 1,
        via: None,
        approval: None,
    };
    let Decision::Allow(permit) = decide(judge, after, outcome, asked) else { return };
    let (old, after) = (before.operation(), permit.classified());
    let new = after.operation();
    assert_eq!((after.request().path(), &new.name), (before.request().path(), &old.name));
    assert_eq!(after.request().method(), before.request().method());
    assert!(new.effect <= old.effect, "{new:?}");
    assert!(new.resources.iter().all(|resource| old.resources.contains(resource)), "{new:?}");
    if let Some(most) = old.breadth {
        assert!(new.breadth.is_some_and(|breadth| breadth <= most), "{new:?}");
    }
    if let Some(fields) = &old.fields {
        let touched = new.fields.as_ref().expect("known fields stay known");
        assert!(touched.iter().all(|field| fields.contains(field)), "{new:?}");
    }
    for header in after.request().headers() {
        assert!(!header.value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{header:?}");
        assert!(!["authorization", "cookie", "host"].contains(&header.name.as_str()), "{header:?}");
    }
});

/// A connection that may read and write leads, with one plugin that may shape.
static JUDGE: LazyLock<Judge> = LazyLock::new(|| {
    let names = |names: &[&str]| -> BTreeSet<String> { names.iter().map(|&name| name.to_owned()).collect() };
    let link = Link {
        name: PluginName::parse("shaper").expect("a name"),
        digest: Digest::of(b"shaper"),
        settings: Digest::of(b"{}"),
        mode: LinkMode::Enforce,
        hooks: Hooks::Request,
        capabilities: names(&["shape"]),
    };
    let connection = Connection {
        workspace: WorkspaceName::parse("acme").expect("a name"),
        name: ConnectionName::parse("zoho").expect("a name"),
        label: "fuzz".to_owned(),
        service: Arc::clone(&support::ZOHO),
        region: Region::parse("eu").expect("a region"),
        environment: "production".to_owned(),
        grant: GrantName::parse("acme-zoho").expect("a name"),
        tenant: None,
        resources: names(&["Leads", "Contacts"]),
        operations: names(&["records.list", "records.coql", "records.create"]),
        owner: wardlock_core::connection::Owner::Workspace,
        params: std::collections::BTreeMap::new(),
        grant_services: std::collections::BTreeSet::new(),
        concurrency: None,
        writes: WriteMode::On,
        write_rules: WriteRules::default(),
        chain: vec![link],
        agents: BTreeMap::new(),
    };
    Judge::new(Arc::new(connection), AgentName::parse("reporter").expect("a name"), WriteMode::On)
});

fn answer(input: &mut Input<'_>) -> Answer {
    let verdict = match input.byte() % 8 {
        0 => Verdict::Allow,
        1 => Verdict::Deny(reason(input)),
        2 => Verdict::Hold(reason(input)),
        _ => {
            let edits = (0..input.byte() % 4).map(|_| edit(input)).collect::<Vec<_>>();
            let times = if input.byte() == 255 { 30 } else { 1 };
            Verdict::Shape(std::iter::repeat_n(edits, times).flatten().collect(), reason(input))
        }
    };
    Answer { verdict, notes: attributes(input) }
}

/// A reason: mostly one that passes, so that what follows is reached.
fn reason(input: &mut Input<'_>) -> Reason {
    if input.byte() < 200 {
        let plain = |text: &str| text.to_owned();
        return Reason {
            code: plain("code"),
            message: plain("message"),
            hint: None,
            retry_after_seconds: None,
            attributes: Vec::new(),
        };
    }
    Reason {
        code: long(input),
        message: long(input),
        hint: (input.byte() % 2 == 1).then(|| long(input)),
        retry_after_seconds: (input.byte() % 2 == 1).then(|| u32::from(input.byte()) << 20),
        attributes: attributes(input),
    }
}

fn attributes(input: &mut Input<'_>) -> Vec<Attribute> {
    let many = match input.byte() {
        255 => 33,
        few => few % 3,
    };
    (0..many).map(|_| Attribute { name: input.text(), value: long(input) }).collect()
}

fn edit(input: &mut Input<'_>) -> Edit {
    match input.byte() % 6 {
        0 => Edit::SetHeader(Header { name: input.text(), value: input.bytes().to_vec() }),
        1 => Edit::RemoveHeader(input.text()),
        2 => Edit::SetQuery(Parameter { name: input.text(), value: input.text() }),
        3 => Edit::RemoveQuery(input.text()),
        4 => Edit::SetJson(input.text(), long(input)),
        _ => Edit::ReplaceBody(long(input).into_bytes()),
    }
}

/// A text, now and then very often repeated.
fn long(input: &mut Input<'_>) -> String {
    let text = input.text();
    let times = match input.byte() {
        255 => 4000,
        254 => 100,
        _ => 1,
    };
    text.repeat(times)
}

/// The caps as the documentation has them, written a second time.
fn keeps_caps(answer: &Answer) -> bool {
    let plain = |text: &str, most: usize| text.len() <= most && !text.chars().any(char::is_control);
    let named = |attributes: &[Attribute]| {
        attributes.len() <= 32 && attributes.iter().all(|of| plain(&of.name, 256) && plain(&of.value, 1024))
    };
    let reasoned = |reason: &Reason| {
        (1..=64).contains(&reason.code.len())
            && reason.code.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
            && plain(&reason.message, 2048)
            && reason.hint.as_deref().is_none_or(|hint| plain(hint, 1024))
            && reason.retry_after_seconds.is_none_or(|seconds| seconds <= 31_622_400)
            && named(&reason.attributes)
    };
    let verdict = match &answer.verdict {
        Verdict::Allow => true,
        Verdict::Deny(reason) | Verdict::Hold(reason) => reasoned(reason),
        Verdict::Shape(edits, reason) => edits.len() <= 64 && reasoned(reason),
    };
    verdict && named(&answer.notes)
}
