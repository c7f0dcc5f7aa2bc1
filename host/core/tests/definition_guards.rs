//! What a definition may not say, because the host would then judge one thing and send another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wardlock_core::canonical::CanonicalRequest;
use wardlock_core::classify::classify;
use wardlock_core::connection::{Connection, Owner, WriteMode, WriteRules};
use wardlock_core::id::{AgentName, ConnectionName, GrantName, Region, WorkspaceName};
use wardlock_core::rules::Judge;
use wardlock_core::service::{ServiceDefinition, parse};

/// A definition in which nothing is wrong.
const CLEAN: &str = include_str!("../../../tests/providers/notes.toml");

/// What is added to the clean definition to make it one of a tenant that requests name.
const PINNED: &str = "[tenant]\nof = \"connection\"\npins = [PINS]";

#[track_caller]
fn replaced(pairs: &[(&str, &str)]) -> String {
    pairs.iter().fold(CLEAN.to_owned(), |text, (from, to)| {
        assert_eq!(text.matches(from).count(), 1, "`{from}` must stand once");
        text.replace(from, to)
    })
}

/// Replaces texts in the clean definition and compares what is said, without file and line.
#[track_caller]
fn check(pairs: &[(&str, &str)], expect: &str) {
    let said = match parse(&replaced(pairs), "notes.toml") {
        Ok(_) => "parsed".to_owned(),
        Err(error) => error.to_string().splitn(3, ':').nth(2).unwrap_or_default().trim().to_owned(),
    };
    assert_eq!(said, expect);
}

fn pinned(pins: &str) -> String {
    PINNED.replace("PINS", pins)
}

#[test]
fn bodies_that_nobody_reads_stand_beside_no_rule_about_bodies() {
    let (json, any) = ("body = \"json\"", "body = \"any\"");
    let says = |key: &str| {
        format!(
            "`operations.notes.create.body`: nobody reads this body, and `{key}` speaks of what bodies hold (write \"json\" or \"form\", or say under `refused` why nobody may send it)"
        )
    };
    for pin in ["{ body = \"/account\" }", "{ text = \"accounts/\" }"] {
        check(&[("[tenant]", &pinned(pin)), (json, any)], &says("tenant.pins"));
        check(&[("[tenant]", &pinned(pin)), (json, "body = \"multipart\"")], &says("tenant.pins"));
        check(&[("[tenant]", &pinned(pin))], "parsed");
        check(&[("[tenant]", &pinned(pin)), (json, "body = \"any\"\nrefused = \"x\"")], "parsed");
    }
    let deny = ("headers = [\"accept\"]", "headers = [\"accept\"]\ndeny_body = [\"/method\"]");
    check(&[deny, (json, any)], &says("request.deny_body"));
    check(&[("[tenant]", &pinned("{ query = \"account\" }")), (json, any)], "parsed");
}

#[test]
fn agents_send_nothing_that_the_host_sets() {
    let header = ("header = \"authorization\"\nprefix = \"Bearer \"", "header = \"x-key\"");
    let query = ("header = \"authorization\"\nprefix = \"Bearer \"", "query = \"key\"");
    let body = "body = \"json\"";
    let with = |more: &str| format!("{body}\n{more}");
    let passed = "`inject`: `key` is passed on from agents too (`query`)";
    for more in [
        "fields = [{ query_list = { name = \"key\", how = \"read\" } }]",
        "destructive_with = [{ query = \"key\" }]",
        "query = [\"key\"]\ndry_run = { query = \"key\", value = \"true\" }",
    ] {
        check(&[query, (body, &with(more))], passed);
        check(&[header, (body, &with(more))], "parsed");
    }
    check(&[query, ("breadth = { fixed = 0 }", "breadth = { query_count = \"key\" }")], passed);
    check(&[query, ("resources = [{ fixed = \"$identity\" }]", "resources = [{ query = \"key\" }]")], passed);
    check(
        &[header, (body, &with("fields = [{ header = \"x-key\" }]"))],
        "`inject`: `x-key` is passed on from agents too (`headers`)",
    );
    let both = "is set by a pin too (`tenant.pins`)";
    check(&[query, ("[tenant]", &pinned("{ query = \"key\" }"))], &format!("`inject`: `key` {both}"));
    check(&[header, ("[tenant]", &pinned("{ header = \"x-key\" }"))], &format!("`inject`: `x-key` {both}"));
    check(
        &[(body, &with("fields = [{ header = \"cookie\" }]"))],
        "`operations.notes.create.headers`: `cookie` is never passed on from agents",
    );
}

#[test]
fn framing_is_no_definitions_to_set() {
    let says = |key: &str, name: &str| {
        format!("`{key}`: `{name}` is no definition's to set (the host writes it itself, or never sends it)")
    };
    for name in ["host", "content-length", "transfer-encoding", "content-type", "user-agent", "cookie"] {
        let inject = format!("header = \"{name}\"\nprefix");
        check(&[("header = \"authorization\"\nprefix", &inject)], &says("inject", name));
        let extra = format!("[[inject.extra]]\nheader = \"{name}\"\ntext = \"x\"\n[request]");
        check(&[("[request]", &extra)], &says("inject", name));
        let pin = pinned(&format!("{{ header = \"{name}\" }}"));
        check(&[("[tenant]", &pin)], &says("tenant.pins", name));
    }
    check(&[("[request]", "[[inject.extra]]\nheader = \"x-extra\"\ntext = \"x\"\n[request]")], "parsed");
}

#[test]
fn a_star_stands_only_where_it_is_understood() {
    let body = "body = \"json\"\nresources = [{ fixed = \"notes\" }]\nbreadth = { fixed = 1 }";
    let says = "`operations.notes.create.body`: `*` in `/a/*/b` stands for nothing (only `body_records` and `destructive_with` take it)";
    for (resources, more) in [
        ("{ body = \"/a/*/b\" }", ""),
        ("{ body_keys = \"/a/*/b\" }", ""),
        ("{ fixed = \"notes\" }", "breadth = { body_count = \"/a/*/b\" }"),
        ("{ fixed = \"notes\" }", "fields = [{ body_list = { pointer = \"/a/*/b\", how = \"write\" } }]"),
    ] {
        check(&[(body, &format!("body = \"json\"\nresources = [{resources}]\n{more}"))], says);
    }
    let records = "fields = [{ body_records = { pointer = \"/a/*/b\", how = \"write\" } }]";
    check(&[(body, &format!("{body}\n{records}"))], "parsed");
}

#[test]
fn parameters_that_the_host_sets_itself() {
    let device = |name: &str| {
        format!(
            "[oauth.device]\npath = \"/device\"\nparams = {{ {name} = \"x\" }}\n\n[oauth.misconfigured_errors]"
        )
    };
    let grants = ("pkce = true", "pkce = true\ngrants = [\"authorization_code\", \"device_code\"]");
    let at_device = |name: &str, expect: &str| {
        check(&[grants, ("[oauth.misconfigured_errors]", &device(name))], expect);
    };
    at_device("scope", "`oauth.device.params`: `scope` is set by the host itself");
    at_device("client_id", "`oauth.device.params`: `client_id` is set by the host itself");
    at_device("grant_type", "parsed");
    let hint = "hint = { name = \"token_type_hint\", value = \"refresh_token\" }";
    for name in ["token", "client_id", "client_secret"] {
        let params = format!("{hint}\nparams = {{ {name} = \"x\" }}");
        check(&[(hint, &params)], &format!("`oauth.revoke.params`: `{name}` is set by the host itself"));
    }
}

#[test]
fn what_would_never_be_equal_is_no_comparison() {
    let body = "body = \"json\"";
    let dry_run =
        |value: &str| format!("{body}\nquery = [\"dry\"]\ndry_run = {{ query = \"dry\", value = {value} }}");
    check(
        &[(body, &dry_run("true"))],
        "`operations.notes.create.dry_run`: the query's `dry` holds a text, and `value` is none (write it in quotes, as in `value = \"true\"`)",
    );
    check(&[(body, &dry_run("\"true\""))], "parsed");
    let gaql = |field: &str| pinned(&format!("{{ gaql = {{ member = \"query\", fields = [\"{field}\"] }} }}"));
    check(
        &[("[tenant]", &gaql("Customer.id"))],
        "`tenant.pins`: `Customer.id` is not in lower case (queries are read in lower case, so it would pin nothing)",
    );
    check(&[("[tenant]", &gaql("customer.id"))], "parsed");
}

fn service(pairs: &[(&str, &str)]) -> Arc<ServiceDefinition> {
    Arc::new(parse(&replaced(pairs), "notes.toml").unwrap_or_else(|error| panic!("{error}")))
}

#[test]
fn keys_that_cannot_be_read_are_of_an_unknown_resource() {
    let resources = "resources = [{ fixed = \"notes\" }]\nbreadth";
    let keyed = "resources = [{ fixed = \"notes\" }, { body_keys = \"/operations\" }]\nbreadth";
    let service = service(&[(resources, keyed), ("[groups]", "[related]\nnote = \"notes\"\n\n[groups]")]);
    for (body, expect) in [
        (r#"{"operations":[{"note":1}]}"#, "notes"),
        (r#"{"operations":{"note":1}}"#, "$unknown+notes"),
        (r#"{"operations":[1]}"#, "$unknown+notes"),
        ("{}", "$unknown+notes"),
        ("", "$unknown+notes"),
    ] {
        let request = CanonicalRequest::parse("POST", "/v1/notes", Vec::new(), body.as_bytes().to_vec());
        let classified = classify(&service, request.expect("a request")).expect("classified");
        assert_eq!(classified.operation().resources.join("+"), expect, "{body}");
    }
}

#[test]
fn a_grant_is_shared_where_it_is_got_and_read_in_the_same_way() {
    let provider = ("version = \"v1\"", "version = \"v1\"\nprovider = \"acme\"");
    let region = Region::parse("everywhere").expect("a region");
    let one = service(&[provider]);
    assert!(one.shares_grants_with(&service(&[provider]), &region));
    for pair in [
        ("client_auth = \"basic\"\nauthorize", "client_auth = \"body\"\nauthorize"),
        ("pkce = true", "pkce = true\ntoken_params = { audience = \"x\" }"),
        ("pkce = true", "pkce = true\nclient_credentials_params = { audience = \"x\" }"),
        ("[inject]", "[oauth.answer]\naccess_token = \"/user/token\"\n\n[inject]"),
    ] {
        let other = service(&[provider, pair]);
        assert!(!one.shares_grants_with(&other, &region) && !other.shares_grants_with(&one, &region), "{pair:?}");
    }
    let oauth = CLEAN.find("[oauth]").expect("its table")..CLEAN.find("[inject]").expect("its table");
    let mut text = replaced(&[provider]);
    let shift = text.len() - CLEAN.len();
    text.replace_range(oauth.start + shift..oauth.end + shift, "[key]\nask = \"the key\"\n\n");
    let key = parse(&text, "notes.toml").unwrap_or_else(|error| panic!("{error}"));
    assert!(!key.shares_grants_with(&key, &region));
}

#[test]
fn an_operation_takes_the_headers_of_its_sources() {
    let body = "body = \"json\"";
    let service = service(&[(body, "body = \"json\"\nheaders = [\"x-one\"]\nfields = [{ header = \"x-two\" }]")]);
    let create = service.operation("notes.create").expect("an operation");
    let taken = ["x-one", "x-two", "x-three"].map(|name| create.takes_header(name));
    assert_eq!(taken, [true, true, false]);
}

/// An operation that carries others, in which nothing is wrong.
const CARRIES: &str = r#"
[[operations]]
name = "many"
summary = "Runs several calls in one"
method = "POST"
path = "/{version}/many"
effect = "destructive"
resources = []
body = "json"
scopes = [["notes.write"]]

[operations.envelope]
list = "calls"
most = 5
switches = ["atomic"]
references = ["@{"]
part = { id = "id", method = "method", uri = "url", body = "body" }
answer = { list = "/answers", status = "/status", body = "/body" }
"#;

/// Replaces texts in an operation that carries others and compares what is said of it.
#[track_caller]
fn check_carrying(pairs: &[(&str, &str)], expect: &str) {
    let carries = pairs.iter().fold(CARRIES.to_owned(), |text, (from, to)| {
        assert_eq!(text.matches(from).count(), 1, "`{from}` must stand once");
        text.replace(from, to)
    });
    let said = match parse(&format!("{CLEAN}\n{carries}"), "notes.toml") {
        Ok(_) => "parsed".to_owned(),
        Err(error) => error.to_string().splitn(3, ':').nth(2).unwrap_or_default().trim().to_owned(),
    };
    assert!(said.contains(expect), "{said}, and not {expect}");
}

#[test]
fn what_carries_others_says_nothing_of_itself() {
    check_carrying(&[], "parsed");
    let effect = "effect = \"destructive\"";
    check_carrying(&[(effect, "effect = \"read\"")], "does what the worst of them does");
    let touches = "what it touches is what its parts touch";
    check_carrying(&[("resources = []", "resources = [{ fixed = \"notes\" }]")], touches);
    check_carrying(&[("resources = []", "resources = []\nbreadth = { fixed = 1 }")], touches);
    check_carrying(&[("resources = []", "resources = []\nfields_known = true")], touches);
    check_carrying(&[("resources = []", "resources = []\nreplay_safe = true")], touches);
    check_carrying(&[("body = \"json\"", "body = \"any\"")], "the parts stand in the body");
    check_carrying(&[("body = \"json\"", "body = \"form\"")], "all of it must be \"json\"");
    check_carrying(
        &[("body = \"json\"", "body = \"form\""), (", body = \"body\" }\nanswer", ", form = \"body\" }\nanswer")],
        "parsed",
    );
}

#[test]
fn parts_have_places_that_are_told_apart() {
    check_carrying(&[("most = 5", "most = 0")], "from 1 to 64 parts");
    check_carrying(&[("most = 5", "most = 65")], "from 1 to 64 parts");
    check_carrying(&[("[\"@{\"]", "[\"\"]")], "an empty text stands in every part");
    check_carrying(&[("[\"atomic\"]", "[\"calls\"]")], "`calls` is the list of parts");
    check_carrying(&[("uri = \"url\"", "uri = \"method\"")], "`method` stands for two things");
    check_carrying(&[("uri = \"url\"", "uri = \"\"")], "names no member");
    check_carrying(&[("uri = \"url\"", "uri = \"url\", form = \"form\"")], "a part has one body");
    check_carrying(&[("status = \"/status\"", "status = \"status\"")], "is not a JSON pointer");
    check_carrying(&[("list = \"/answers\", ", "")], "parsed");
    check_carrying(&[("references", "all_or_nothing = \"atomic\"\nreferences")], "parsed");
    check_carrying(&[("references", "all_or_nothing = \"calls\"\nreferences")], "`calls` is none of `switches`");
}

#[test]
fn a_part_names_its_tenant_itself_where_the_host_would() {
    let text = format!(
        "{}\n{CARRIES}",
        replaced(&[("[tenant]", &pinned("{ query = \"account\" }, { header = \"x-account\" }"))])
    );
    let service = Arc::new(parse(&text, "notes.toml").unwrap_or_else(|error| panic!("{error}")));
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<String>>();
    let connection = Connection {
        workspace: WorkspaceName::parse("acme").expect("a name"),
        name: ConnectionName::parse("notes").expect("a name"),
        label: "test".to_owned(),
        region: service.regions.keys().next().expect("a region").clone(),
        environment: "production".to_owned(),
        grant: GrantName::parse("acme-notes").expect("a name"),
        tenant: Some("1".to_owned()),
        resources: names(&["*"]),
        operations: service.operations.iter().map(|operation| operation.name.clone()).collect(),
        owner: Owner::Workspace,
        params: BTreeMap::new(),
        grant_services: BTreeSet::new(),
        concurrency: None,
        writes: WriteMode::On,
        write_rules: WriteRules::default(),
        chain: Vec::new(),
        agents: BTreeMap::new(),
        service,
    };
    let judge = Judge::new(Arc::new(connection), AgentName::parse("reporter").expect("a name"), WriteMode::On);
    let code = |call: &str| {
        let body = format!(r#"{{"calls":[{{"method":"GET","url":"{call}"}}]}}"#).into_bytes();
        let request = CanonicalRequest::parse("POST", "/v1/many", Vec::new(), body).expect("canonical");
        let refused =
            judge.classify(request).and_then(|classified| judge.check(&classified)).expect_err("refused");
        (refused.code.as_str(), refused.part, refused.detail)
    };
    // Alone, the host would add what is missing; it can add nothing to a part.
    for (call, says) in [
        ("/v1/notes", "query parameter `account`"),
        ("/v1/notes?account=2", "another tenant"),
        ("/v1/notes?account=1", "header `x-account`"),
    ] {
        let (code, part, detail) = code(call);
        assert_eq!((code, part), ("tenant_mismatch", Some(1)), "{call}: {detail}");
        assert!(detail.contains(says), "{call}: {detail}");
    }
}
