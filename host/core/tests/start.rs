//! A beginning of a definition: it parses, fits the schema, and what is found in it is what must be filled in.

use serde_json::{Value, json};
use wardlock_core::service::{
    ClientAuth, GrantType, Login, ServiceDefinition, Start, StartError, TokenGoes, json_schema, parse_and_lint,
};

const ISSUER: &str = "https://id.notes.example";

/// What panva's `oidc-provider` announces with revocation and the device flow switched on; the issuer is on https.
fn metadata() -> Value {
    json!({
        "authorization_endpoint": "https://id.notes.example/auth",
        "device_authorization_endpoint": "https://id.notes.example/device/auth",
        "claims_parameter_supported": false,
        "claims_supported": ["sub", "sid", "auth_time", "iss"],
        "code_challenge_methods_supported": ["S256"],
        "grant_types_supported": [
            "implicit", "authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"
        ],
        "issuer": ISSUER,
        "jwks_uri": "https://id.notes.example/jwks",
        "authorization_response_iss_parameter_supported": true,
        "response_modes_supported": ["form_post", "fragment", "query"],
        "response_types_supported": ["code id_token", "code", "id_token", "none"],
        "scopes_supported": ["openid", "offline_access", "crm.read", "crm.write"],
        "subject_types_supported": ["public"],
        "token_endpoint_auth_methods_supported": [
            "client_secret_basic", "client_secret_jwt", "client_secret_post", "private_key_jwt", "none"
        ],
        "token_endpoint": "https://id.notes.example/token",
        "pushed_authorization_request_endpoint": "https://id.notes.example/request",
        "revocation_endpoint": "https://id.notes.example/token/revocation",
    })
}

fn with(changes: Value) -> String {
    let mut metadata = metadata();
    let Value::Object(changes) = changes else { panic!("an object of changes") };
    for (member, value) in changes {
        if value.is_null() {
            metadata.as_object_mut().map(|members| members.remove(&member));
        } else {
            metadata[member] = value;
        }
    }
    metadata.to_string()
}

fn start(login: Login) -> Start {
    Start {
        name: "notes".to_owned(),
        display: "Notes".to_owned(),
        version: "v1".to_owned(),
        api_host: "api.notes.example".to_owned(),
        console: None,
        token_goes: TokenGoes::parse(TokenGoes::USUAL).unwrap_or_else(|error| panic!("{error}")),
        scopes: Vec::new(),
        login,
    }
}

fn by_hand() -> Start {
    let login = Login::by_hand("id.notes.example".to_owned(), None, "/authorize".to_owned(), "/token".to_owned());
    start(login)
}

fn announced(metadata: &str) -> Login {
    Login::from_metadata(metadata, ISSUER).unwrap_or_else(|error| panic!("{error}"))
}

/// Parses a beginning, wants the schema to have nothing against it, and returns it with the keys in which something is found
/// besides what says itself that it is to be filled in.
#[track_caller]
fn read(text: &str) -> (ServiceDefinition, Vec<String>) {
    let (service, found) = parse_and_lint(text, "notes.toml").unwrap_or_else(|error| panic!("{error}\n{text}"));
    let instance: Value = toml::from_str(text).unwrap_or_else(|error| panic!("{error}"));
    let validator = jsonschema::validator_for(&json_schema()).unwrap_or_else(|error| panic!("{error}"));
    let problems: Vec<String> = validator.iter_errors(&instance).map(|error| error.to_string()).collect();
    assert_eq!(problems, [""; 0]);
    let others = found.into_iter().filter(|found| !found.problem.ends_with("is still to be filled in"));
    (service, others.map(|found| found.key).collect())
}

fn text_of(start: &Start) -> String {
    start.definition().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn what_was_entered_stands_in_it() {
    let mut start = by_hand();
    start.scopes = vec!["notes.read".to_owned(), "notes.write".to_owned()];
    start.display = "Notes \"and\" more".to_owned();
    start.token_goes = TokenGoes::parse("X-Api-Token: Key TOKEN").expect("a header");
    let text = text_of(&start);
    let (service, found) = read(&text);
    assert_eq!(found, ["oauth.authorize_params", "oauth.revoke"], "both must be looked up");
    assert_eq!(service.display, "Notes \"and\" more");
    assert_eq!(service.inject.headers().collect::<Vec<_>>(), ["x-api-token"]);
    assert_eq!(service.inject.prefix, "Key ");
    assert_eq!(service.operations[0].scopes, [["notes.read"]]);
    assert!(text.contains("# Scopes that were named: \"notes.read\", \"notes.write\"\n"));
    let (_, found) = parse_and_lint(&text, "notes.toml").expect("it parses");
    let open: Vec<&str> = found
        .iter()
        .filter(|found| found.problem.contains("FILL-IN") || found.problem.contains("fill-in"))
        .map(|found| found.key.as_str())
        .collect();
    let expect = [
        "regions.everywhere.console",
        "answer.code_field",
        "answer.stale_token_codes",
        "tenant.path",
        "tenant.id_pointer",
        "tenant.label_pointer",
        "proof.request",
        "proof.tenant_pointer",
        "operations.path",
        "guide.client_type",
    ];
    assert_eq!(open, expect);
}

#[test]
fn beginning_that_is_filled_in_is_clean() {
    let mut start = start(announced(&metadata().to_string()));
    start.console = Some("console.notes.example".to_owned());
    let text = text_of(&start).replace("/FILL-IN", "/me").replace("FILL-IN", "known");
    let (_, found) = parse_and_lint(&text, "notes.toml").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(found, []);
}

#[test]
fn example_in_a_comment_is_an_operation() {
    let text = text_of(&by_hand());
    let (_, rest) = text.split_once("# Another one, as an example:\n").expect("the example");
    let lines = rest.lines().map_while(|line| line.strip_prefix("# "));
    let example: String = lines.flat_map(|line| [line, "\n"]).collect();
    let (service, _) = read(&format!("{text}\n{example}"));
    assert_eq!(service.operations.len(), 2);
}

#[test]
fn metadata_fills_in_the_login() {
    let (service, found) = read(&text_of(&start(announced(&metadata().to_string()))));
    assert_eq!(found, [""; 0]);
    let oauth = &service.oauth;
    assert_eq!((oauth.authorize_path.as_str(), oauth.token_path.as_str()), ("/auth", "/token"));
    assert_eq!(oauth.grants, [GrantType::AuthorizationCode, GrantType::DeviceCode]);
    assert_eq!(oauth.device.as_ref().map(|device| device.path.as_str()), Some("/device/auth"));
    assert_eq!(oauth.client_auth, ClientAuth::Basic);
    assert!(oauth.pkce);
    assert_eq!(oauth.scopes, ["offline_access".to_owned()].into());
    assert_eq!(oauth.authorize_params.get("prompt").map(String::as_str), Some("consent"));
    let [revoke] = oauth.revoke.as_slice() else { panic!("one way to give a grant back") };
    assert_eq!((revoke.path.as_str(), revoke.client_auth), ("/token/revocation", Some(ClientAuth::Basic)));
    let row = service.regions.values().next().expect("a row");
    assert_eq!((row.accounts.as_str(), row.token.as_deref()), ("id.notes.example", None));
    assert_eq!(row.issuer.as_deref(), Some(ISSUER));
    assert_eq!(row.evidence, "metadata of https://id.notes.example (RFC 8414)");
    assert_eq!(service.tenant.scopes, [["crm.read"]]);
}

#[test]
fn metadata_that_says_less_is_taken_at_its_word() {
    let less = with(json!({
        "authorization_response_iss_parameter_supported": null,
        "token_endpoint_auth_methods_supported": null,
        "code_challenge_methods_supported": null,
        "scopes_supported": null,
        "device_authorization_endpoint": null,
        "token_endpoint": "https://tokens.notes.example/t",
    }));
    let text = text_of(&start(announced(&less)));
    let (service, found) = read(&text);
    assert_eq!(found, ["oauth.authorize_params", "oauth.revoke"], "the revocation endpoint is on another host");
    let row = service.regions.values().next().expect("a row");
    assert_eq!((row.token.as_deref(), row.issuer.as_deref()), (Some("tokens.notes.example"), None));
    assert_eq!(service.oauth.client_auth, ClientAuth::Basic, "RFC 8414 section 2");
    assert!(service.oauth.pkce && text.contains("does not announce PKCE"));
    assert!(text.contains("`revocation_endpoint` is on `id.notes.example`"));
    let plain = announced(&with(json!({ "code_challenge_methods_supported": ["plain"] })));
    assert!(!plain.pkce);
    let post =
        announced(&with(json!({ "token_endpoint_auth_methods_supported": ["none", "client_secret_post"] })));
    assert_eq!(post.client_auth, ClientAuth::Body);
    let device =
        announced(&with(json!({ "grant_types_supported": ["urn:ietf:params:oauth:grant-type:device_code"] })));
    assert_eq!(device.authorize_path, None);
    let (service, _) = read(&text_of(&start(device)));
    assert_eq!(service.oauth.grants, [GrantType::DeviceCode]);
}

#[track_caller]
fn refused(metadata: &str, issuer: &str, expect: &str) {
    let error =
        Login::from_metadata(metadata, issuer).map_or_else(|error| error.to_string(), |_| "taken".to_owned());
    assert_eq!(error, expect);
}

#[test]
fn metadata_of_others_and_of_open_lines_is_refused() {
    refused(
        &metadata().to_string(),
        "https://id.notes.example/",
        "the metadata is of issuer `https://id.notes.example`, not of `https://id.notes.example/` (RFC 8414 section 3.3)",
    );
    refused(
        &with(json!({ "token_endpoint": "http://id.notes.example/token" })),
        ISSUER,
        "token_endpoint `http://id.notes.example/token`: an endpoint is an https URL",
    );
    for url in ["http://127.0.0.1:4455/auth", "http://localhost/auth"] {
        let expect = format!("authorization_endpoint `{url}`: an endpoint is an https URL");
        refused(&with(json!({ "authorization_endpoint": url })), ISSUER, &expect);
    }
    for url in
        ["https://id.notes.example:8443/a", "https://a@id.notes.example/a", "https://127.0.0.1/a", "https:///a"]
    {
        let expect =
            format!("revocation_endpoint `{url}`: its host must be a bare name: no port, user or address");
        refused(&with(json!({ "revocation_endpoint": url })), ISSUER, &expect);
    }
    refused(
        &with(json!({ "token_endpoint": "https://id.notes.example/token?x=1" })),
        ISSUER,
        "token_endpoint `https://id.notes.example/token?x=1`: its path holds `?`, `#` or a space",
    );
    refused(&with(json!({ "token_endpoint": null })), ISSUER, "the metadata has no `token_endpoint`");
    refused(
        &with(json!({ "authorization_endpoint": null, "device_authorization_endpoint": null })),
        ISSUER,
        "the metadata has no `authorization_endpoint`",
    );
    refused(
        &with(json!({ "token_endpoint_auth_methods_supported": ["private_key_jwt"] })),
        ISSUER,
        "token_endpoint_auth_methods_supported `private_key_jwt`: none of client_secret_basic, client_secret_post and none",
    );
    refused(
        &with(json!({ "issuer": "http://127.0.0.1:4455" })),
        "http://127.0.0.1:4455",
        "issuer `http://127.0.0.1:4455`: an issuer is an https URL without `?`, `#` or space",
    );
    refused(
        "<html>",
        ISSUER,
        "this is not the metadata of an authorization server (RFC 8414): expected value at line 1 column 1",
    );
}

#[test]
fn no_announced_text_leaves_its_comment() {
    let hostile = "crm.read\n[regions.evil]\naccounts = \"evil.example\"";
    let login = announced(&with(json!({ "scopes_supported": [hostile, "crm.read", "a\"b", "a\\b"] })));
    assert_eq!(login.announced, ["crm.read"]);
    let mut start = start(login);
    start.login.announced.push(hostile.to_owned());
    assert!(matches!(start.definition(), Err(StartError::Value { what: "scope", .. })));
    start.login.announced.clear();
    start.display = "Notes\n[regions.evil]".to_owned();
    assert!(matches!(start.definition(), Err(StartError::Value { what: "display name", .. })));
}

#[test]
fn what_cannot_stand_in_a_definition_is_refused() {
    let refused = |change: &dyn Fn(&mut Start)| {
        let mut start = by_hand();
        change(&mut start);
        start.definition().map_or_else(|error| error.to_string(), |_| "taken".to_owned())
    };
    let host = "a bare host name in lower case, without scheme, port or path";
    assert_eq!(
        refused(&|start| start.api_host = "https://api.notes.example".to_owned()),
        format!("API host `https://api.notes.example`: {host}")
    );
    assert_eq!(
        refused(&|start| start.login.accounts = "localhost:80".to_owned()),
        format!("host of the consent page `localhost:80`: {host}")
    );
    assert_eq!(
        refused(&|start| start.login.token_path = "token".to_owned()),
        "token path `token`: a path begins with `/` and holds no `?`, `#` or space"
    );
    assert_eq!(
        refused(&|start| start.scopes = vec!["a b".to_owned()]),
        "scope `a b`: one scope, without space, comma or quotation mark"
    );
    assert_eq!(
        refused(&|start| start.name = "Notes".to_owned()),
        "`Notes` is no service name: 1 to 64 of a-z, 0-9, `-` and `_`, beginning with a letter or a digit"
    );
    for wrong in ["Bearer", "TOKEN", "?=TOKEN", "authorization Bearer TOKEN", "authorization: Bearer"] {
        assert!(TokenGoes::parse(wrong).is_err(), "{wrong}");
    }
    let query = TokenGoes::parse("?key=TOKEN").expect("a query parameter");
    let (service, _) = read(&text_of(&Start { token_goes: query, ..by_hand() }));
    assert_eq!(service.inject.query().collect::<Vec<_>>(), ["key"]);
}
