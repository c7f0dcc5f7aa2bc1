//! The published JSON Schema of definitions: current, true of every definition that parses, and false of wrong ones.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wardlock_core::service::{json_schema, parse};

/// Set to anything, it has the first test write the file instead of comparing it.
const RENEW: &str = "WARDLOCK_RENEW_SCHEMA";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[expect(clippy::disallowed_methods, reason = "a test reads the files that it compares")]
fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What the schema says against a definition; empty where it has nothing to say.
fn problems(definition: &str) -> Vec<String> {
    let instance: Value = toml::from_str(definition).unwrap_or_else(|error| panic!("{error}"));
    let validator = jsonschema::validator_for(&json_schema()).unwrap_or_else(|error| panic!("{error}"));
    validator.iter_errors(&instance).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn published_schema_is_the_one_of_the_code() {
    let file = root().join("docs/service.schema.json");
    let current = format!("{}\n", serde_json::to_string_pretty(&json_schema()).expect("JSON"));
    if std::env::var_os(RENEW).is_some() {
        std::fs::write(&file, current).expect("to write the schema");
        return;
    }
    let command = format!("{RENEW}=1 cargo test -p wardlock-core --test schema");
    assert!(read(&file) == current, "docs/service.schema.json is not current; renew it with `{command}`");
}

#[test]
fn every_built_in_definition_is_valid() {
    let folder = root().join("host/services");
    let files =
        std::fs::read_dir(&folder).expect("the built-in definitions").map(|entry| entry.expect("a file").path());
    let definitions: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    assert!(!definitions.is_empty(), "no definition stands in {}", folder.display());
    for path in definitions {
        assert_eq!(problems(&read(&path)), [""; 0], "{}", path.display());
    }
}

#[test]
fn definitions_of_documents_and_tests_are_valid() {
    let document = read(&root().join("docs/services.md"));
    let (_, rest) = document.split_once("```toml\n").expect("a definition");
    let (example, _) = rest.split_once("```").expect("its end");
    assert_eq!(problems(example), [""; 0]);
    assert_eq!(problems(&notes()), [""; 0]);
    assert_eq!(problems(&full()), [""; 0]);
}

fn notes() -> String {
    read(&root().join("tests/providers/notes.toml"))
}

/// A definition with the words that the built-in ones have little use for.
fn full() -> String {
    let more = r#"
[params.customer]
help = "the account's number"
optional = true
digits = 10

[secrets.developer-token]
help = "in the console"

[[inject.extra]]
header = "x-developer"
secret = "developer-token"

[[inject.extra]]
query = "proof"
hmac_sha256 = { key = "client_secret", message = "access_token" }

[oauth.refresh]
credential = "access_token"
param = "token"
before_seconds = 600
on_connect = true

[oauth.device]
path = "/device"

[oauth.answer]
expires_unit = "milliseconds"
error = "/error/code"

[[operations]]
name = "notes.clear"
summary = "Clears notes"
method = "POST"
path = "/v1/customers/{customer}/{kind}:clear"
effect = "write"
body = "json"
destructive_with = [{ query = "purge" }, { body = "/notes/*/remove" }, { body_is = { pointer = "/how", values = ["GONE"] } }]
query = ["purge"]
resources = [{ gaql = "query" }, { body_keys = "/notes" }, { query_is = { name = "purge", value = "all", then = "all", otherwise = "notes" } }]
fields = [{ gaql = "query" }, { body_records = { pointer = "/notes/*/create", how = "write" } }]
breadth = { gaql = { member = "query", default = 10 } }
dry_run = { body = "/validateOnly", value = true }
"#;
    let text = notes()
        .replace("token_path = \"/token\"", "token_path = \"/token\"\ngrants = [\"authorization_code\", \"device_code\"]")
        .replace("[tenant]", "[tenant]\nof = \"connection\"\npins = [{ path = \"customer\" }, { text = \"customers/\" }, { gaql = { member = \"query\", fields = [\"customer.id\"] } }]");
    let text = format!("{text}{more}");
    parse(&text, "full.toml").unwrap_or_else(|error| panic!("{error}"));
    text
}

/// Replaces one text in the definition, and wants the schema to object at the place.
#[track_caller]
fn refuses(from: &str, to: &str, place: &str) {
    let notes = notes();
    assert_eq!(notes.matches(from).count(), 1, "`{from}` must stand once");
    let problems = problems(&notes.replace(from, to));
    assert!(problems.iter().any(|problem| problem.starts_with(place)), "wanted `{place}…`, got {problems:?}");
}

#[test]
fn wrong_definitions_are_refused() {
    refuses("version = \"v1\"", "versoin = \"v1\"", ": ");
    refuses("token_path = \"/token\"\n", "", "/oauth: \"token_path\" is a required property");
    refuses("token_path = \"/token\"", "token_path = \"token\"", "/oauth/token_path: ");
    refuses("client_auth = \"basic\"\nauthorize", "client_auth = \"basik\"\nauthorize", "/oauth/client_auth: ");
    refuses("pkce = true", "pkce = 1", "/oauth/pkce: ");
    refuses(
        "accounts = \"id.provider.test\"",
        "accounts = \"https://id.provider.test\"",
        "/regions/everywhere/accounts: ",
    );
    refuses("[oauth]\n", "[key]\nask = \"the key\"\n[oauth]\n", ": ");
    refuses("header = \"authorization\"", "header = \"authorization\"\nquery = \"key\"", "/inject: ");
    refuses("method = \"POST\"", "method = \"Post\"", "/operations/2/method: ");
    refuses("effect = \"write\"", "effect = \"change\"", "/operations/2/effect: ");
    refuses(
        "resources = [{ fixed = \"$identity\" }]",
        "resources = [{ fixd = \"$identity\" }]",
        "/operations/0/resources/0: ",
    );
    refuses(
        "budget = { calls = 60, window_seconds = 60 }",
        "budget = { calls = 0, window_seconds = 60 }",
        "/oauth/budget/calls: ",
    );
}

#[test]
fn every_key_is_described() {
    let mut without = Vec::new();
    undescribed(&json_schema(), "", &mut without);
    assert_eq!(without, [""; 0], "keys without a comment in host/core/src/service/raw");
}

fn undescribed(schema: &Value, at: &str, without: &mut Vec<String>) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, property) in properties {
            let described = property.get("description").is_some_and(Value::is_string);
            // `tenant` with `true` alone is a condition; a variant is an object of one key, and described itself.
            let is_variant = properties.len() == 1 && schema.get("description").is_some();
            let is_condition = is_variant || property.get("enum").is_some_and(|values| *values == json!([true]));
            if !described && !is_condition {
                without.push(format!("{at}.{name}"));
            }
            undescribed(property, &format!("{at}.{name}"), without);
        }
    }
    for key in ["items", "additionalProperties"] {
        schema.get(key).into_iter().for_each(|inner| undescribed(inner, at, without));
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        let all = schema.get(key).and_then(Value::as_array).into_iter().flatten();
        all.for_each(|inner| undescribed(inner, at, without));
    }
}
