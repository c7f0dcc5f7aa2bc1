//! A mistake in a service definition gets a sentence: file, line, key, what is wrong, what is meant.

use wardlock_core::service::{ClientAuth, parse, parse_and_lint};

const GOOD: &str = r#"name = "acme"
display = "Acme"
version = "v1"

[regions.eu]
accounts = "accounts.acme.eu"
console = "console.acme.eu"
evidence = "made up"
[regions.eu.hosts]
api = { production = "api.acme.eu" }

[oauth]
authorize_path = "/auth"
token_path = "/token"
scope_separator = " "
scope_separators_in_answer = [" "]
pkce = true
default_lifetime_seconds = 60
max_lifetime_seconds = 60
budget = { calls = 1, window_seconds = 1 }
throttle_seconds = 1

[inject]
header = "authorization"
prefix = "Bearer "

[request]
headers = ["accept"]
audit_safe_query = ["page"]
answer_headers = ["content-type"]

[answer]
code_field = "code"
status_field = "status"
success_values = ["ok"]
error_values = ["error"]

[tenant]
host = "api"
path = "/me"
id_pointer = "/id"
label_pointer = "/name"
scopes = [["me"]]

[paths]
names = ["kind"]
reserved = ["me"]

[groups]
reading = ["things.list"]

[[operations]]
name = "things.list"
summary = "Lists things"
method = "GET"
path = "/v1/{kind}"
effect = "read"
resources = [{ path = "kind" }]
query = ["page"]
scopes = [["read"]]

[[operations]]
name = "things.delete"
summary = "Deletes a thing"
method = "DELETE"
path = "/v1/{kind}/{id}"
effect = "destructive"
resources = [{ path = "kind" }]
scopes = [["write"]]
"#;

/// Replaces one text in the good definition and compares the error.
#[track_caller]
fn check(from: &str, to: &str, expect: &str) {
    assert_eq!(GOOD.matches(from).count(), 1, "`{from}` must stand once");
    let got = parse(&GOOD.replace(from, to), "acme.toml")
        .map_or_else(|error| error.to_string(), |_| "parsed".to_owned());
    assert_eq!(got, expect);
}

#[test]
fn the_good_one_parses() {
    let service = parse(GOOD, "acme.toml").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(service.operations.len(), 2);
    assert!(service.operations[0].replay_safe && !service.operations[1].replay_safe);
}

#[test]
fn unknown_and_missing_keys() {
    check(
        "version = \"v1\"",
        "versoin = \"v1\"",
        "acme.toml:3: `versoin`: unknown field `versoin`, expected one of `name`, `display`, `version`, `provider`, `regions`, `oauth`, `key`, `inject`, `request`, `answer`, `refusal`, `tenant`, `user`, `limits`, `paths`, `lookups`, `related`, `shown`, `scope_names`, `groups`, `operations`, `proof`, `guide`, `params`, `secrets` (did you mean `version`?)",
    );
    check("token_path = \"/token\"\n", "", "acme.toml:12: `oauth`: missing field `token_path`");
    check(
        "effect = \"read\"",
        "effect = \"reed\"",
        "acme.toml:57: `operations.effect`: unknown variant `reed`, expected one of `read`, `write`, `destructive` (did you mean `read`?)",
    );
    check("pkce = true", "pkce = 1", "acme.toml:17: `oauth.pkce`: invalid type: integer `1`, expected a boolean");
    check("[inject]", "[inject", "acme.toml:23: unclosed table, expected `]`");
}

#[test]
fn what_stands_there_now_is_read_by_a_read_of_the_service() {
    let with = |current: &str, expect: &str| {
        check("effect = \"destructive\"", &format!("effect = \"destructive\"\ncurrent = {{ {current} }}"), expect);
    };
    with(
        "request = \"GET /v1/{kind}/{id}\"",
        "acme.toml:62: `operations.things.delete.current`: no operation is `GET /v1/{kind}/{id}`",
    );
    with(
        "request = \"POST /v1/{kind}\", found = \"data\"",
        "acme.toml:62: `operations.things.delete.current`: `data` is not a JSON pointer; one begins with `/`",
    );
    with(
        "request = \"GET /v1/{kind}\", records = \"\"",
        "acme.toml:62: `operations.things.delete.body`: `current` reads it, so `body` must be \"json\", \"form\" or \"json_or_form\"",
    );
    with(
        "request = \"DELETE /v1/{kind}/{id}\"",
        "acme.toml:62: `operations.things.delete.current`: `things.delete` is no read, and what stands there now is only read",
    );
    with(
        "request = \"GET /v1/{kind}\", body = {}",
        "acme.toml:62: `operations.things.delete.current`: `GET /v1/{kind}` carries no body, because it is a GET",
    );
    with(
        "request = \"GET /v1/{kind}\", records = \"\", ids = [{ query = \"ids\" }]",
        "acme.toml:62: `operations.things.delete.current`: records are named in one way: `records`, `steps` or `ids`",
    );
    with(
        "request = \"GET /v1/{kind}\", search = { by = \"/by\", request = \"GET /v1/{kind}\", found = \"/data\" }",
        "acme.toml:62: `operations.things.delete.current.search`: it finds records of `records`, by names as the body has them",
    );
    with("request = \"GET /v1/{kind}\"", "parsed");
    check(
        "effect = \"destructive\"",
        "effect = \"write\"\ncurrent = { request = \"GET /v1/{kind}\" }",
        "acme.toml:62: `operations.things.delete.current`: nothing says what would stand there, so all that it names would be gone (write under `records` where the record stands in the body; empty, it is the body)",
    );
}

#[test]
fn regions_and_hosts() {
    check(
        "\"api.acme.eu\"",
        "\"https://api.acme.eu\"",
        "acme.toml:5: `regions.eu.hosts`: `https://api.acme.eu` is not a bare host name: no scheme, port, path or capital letters (write only the name, such as `api.example.com`)",
    );
    check(
        "\"accounts.acme.eu\"",
        "\"accounts.acme.eu:443\"",
        "acme.toml:5: `regions.eu.hosts`: `accounts.acme.eu:443` is not a bare host name: no scheme, port, path or capital letters (write only the name, such as `api.example.com`)",
    );
    check(
        "\"accounts.acme.eu\"",
        "\"127.0.0.1\"",
        "acme.toml:5: `regions.eu.hosts`: `127.0.0.1` is not a bare host name: no scheme, port, path or capital letters (write only the name, such as `api.example.com`)",
    );
    check(
        "production =",
        "sandbox =",
        "acme.toml:5: `regions.eu.hosts.api.production`: the region has no API host",
    );
    check(
        "production = \"api.acme.eu\"",
        "production = \"api.acme.eu\", staging = \"s.acme.eu\"",
        "acme.toml:5: `regions.eu.hosts`: `staging` is not production, sandbox or developer",
    );
    let error = parse(&GOOD.replace("regions.eu", "regions.EU"), "acme.toml")
        .map(|_| ())
        .map_err(|error| error.to_string());
    let expect = "acme.toml:5: `regions.EU`: `EU` is no region: 1 to 64 of a-z, 0-9, `-` and `_`, beginning with a letter or a digit";
    assert_eq!(error, Err(expect.to_owned()));
    let two = "[oauth]";
    let row = "[regions.us]\naccounts = \"accounts.acme.us\"\nconsole = \"c.acme.us\"\nevidence = \"x\"\nhosts = { api = { production = \"api.acme.eu\" } }\n[oauth]";
    check(
        two,
        row,
        "acme.toml:12: `regions.us`: host `api.acme.eu` stands in region `eu` too (look both up in the provider's table)",
    );
}

#[test]
fn media_types_that_are_json() {
    let with = |media_type: &str| format!("headers = [\"accept\"]\njson_types = [\"{media_type}\"]");
    parse(&GOOD.replace("headers = [\"accept\"]", &with("application/vnd.api+json")), "acme.toml")
        .expect("a service");
    for bad in ["text/plain", "application/json-patch+json", "application/VND.api+json"] {
        let problem = "is not in lower case, no `application/…+json`, or a patch format";
        let expect = format!("acme.toml:27: `request.json_types`: `{bad}` {problem}");
        check("headers = [\"accept\"]", &with(bad), &expect);
    }
}

#[test]
fn token_endpoints() {
    check(
        "token_path = \"/token\"",
        "token_path = \"/token\"\nclient_auth = \"basik\"",
        "acme.toml:15: `oauth.client_auth`: unknown variant `basik`, expected one of `body`, `basic`, `none` (did you mean `basic`?)",
    );
    check(
        "token_path = \"/token\"",
        "token_path = \"/token\"\ntoken_params = { grant_type = \"password\" }",
        "acme.toml:12: `oauth.token_params`: `grant_type` is set by the host itself",
    );
    check(
        "accounts = \"accounts.acme.eu\"",
        "accounts = \"accounts.acme.eu\"\ntoken = \"https://token.acme.eu\"",
        "acme.toml:5: `regions.eu.hosts`: `https://token.acme.eu` is not a bare host name: no scheme, port, path or capital letters (write only the name, such as `api.example.com`)",
    );
    let text = GOOD.replace("console =", "token = \"token.acme.eu\"\nconsole =").replace(
        "pkce = true",
        "pkce = true\nclient_auth = \"basic\"\nscopes = [\"offline_access\"]\ntoken_params = { audience = \"acme\" }",
    );
    let service = parse(&text, "acme.toml").unwrap_or_else(|error| panic!("{error}"));
    let row = service.regions.values().next().expect("a row");
    assert_eq!((row.accounts.as_str(), row.token_host()), ("accounts.acme.eu", "token.acme.eu"));
    assert!(service.all_hosts().contains("token.acme.eu") && service.region_of_host("token.acme.eu").is_some());
    assert_eq!(service.oauth.client_auth, ClientAuth::Basic);
    let scopes = service.least_scopes(&["things.list".to_owned()].into(), &["things".to_owned()].into());
    assert_eq!(scopes, ["me", "offline_access", "read"].map(str::to_owned).into());
}

#[test]
fn operations_and_groups() {
    check(
        "[\"things.list\"]",
        "[\"things.lits\"]",
        "acme.toml:50: `groups.reading`: no operation is called `things.lits` (did you mean `things.list`?)",
    );
    check("reading =", "\"things.list\" =", "acme.toml:50: `groups.things.list`: an operation has this name");
    check(
        "effect = \"destructive\"",
        "effect = \"read\"",
        "acme.toml:62: `operations.things.delete.effect`: a DELETE is not a read (write \"destructive\")",
    );
    check(
        "effect = \"destructive\"",
        "effect = \"destructive\"\nhost = \"apj\"",
        "acme.toml:62: `operations.things.delete.host`: no region has a host for `apj` (did you mean `api`?)",
    );
    check(
        "\"/v1/{kind}/{id}\"",
        "\"/v1/{kind}/{id\"",
        "acme.toml:66: `operations.things.delete.path`: `{id` is neither a plain segment nor one with a single `{parameter}`",
    );
    check(
        "\"/v1/{kind}/{id}\"",
        "\"/v1/{other}/{id}\"",
        "acme.toml:62: `operations.things.delete.resources`: the path has no parameter `{kind}`",
    );
    check(
        "method = \"DELETE\"",
        "method = \"Delete\"",
        "acme.toml:65: `operations.things.delete.method`: `Delete` is not a method (GET, HEAD, POST, PUT, PATCH or DELETE)",
    );
    check(
        "[[\"write\"]]",
        "[[\"write,read\"]]",
        "acme.toml:62: `operations.things.delete.scopes`: `write,read` is not one scope",
    );
    check(
        "[[\"write\"]]",
        "[[]]",
        "acme.toml:62: `operations.things.delete.scopes`: an empty alternative would mean that no scope is needed",
    );
    check(
        "names = [\"kind\"]",
        "names = [\"kind\", \"knid\"]",
        "acme.toml:1: `paths.names`: no path has a parameter `{knid}`",
    );
    check(
        "audit_safe_query = [\"page\"]",
        "audit_safe_query = [\"pages\"]",
        "acme.toml:27: `request.audit_safe_query`: no operation takes `pages` (did you mean `page`?)",
    );
    check(
        "headers = [\"accept\"]",
        "headers = [\"cookie\"]",
        "acme.toml:27: `request.headers`: `cookie` is never passed on from agents",
    );
}

#[test]
fn overlapping_paths() {
    let more = |path: &str| {
        format!(
            "[[operations]]\nname = \"more\"\nsummary = \"x\"\nmethod = \"DELETE\"\npath = \"{path}\"\neffect = \"write\"\nresources = [{{ fixed = \"x\" }}]\nscopes = [[\"x\"]]\n\n[[operations]]\nname = \"things.delete\""
        )
    };
    let name = "[[operations]]\nname = \"things.delete\"";
    check(name, &more("/v1/Things/{id}"), "parsed");
    check(name, &more("/v1/me/{id}"), "parsed");
    check(
        name,
        &more("/v1/{kind}/{other}"),
        "acme.toml:75: `operations.things.delete.path`: `/v1/{kind}/{id}` fits the same paths as `/v1/{kind}/{other}` of `more` (a word under `paths.reserved` is never taken by a parameter)",
    );
    check(
        "path = \"/v1/{kind}/{id}\"",
        "path = \"/v1/{kind}/last\"\neffect = \"destructive\"\nresources = [{ path = \"kind\" }]\nscopes = [[\"x\"]]\n[[operations]]\nname = \"more\"\nsummary = \"x\"\nmethod = \"DELETE\"\npath = \"/v1/Things/{kind}\"",
        "acme.toml:74: `operations.more.path`: `/v1/Things/{kind}` fits some paths of, and neither is the narrower: `/v1/{kind}/last` of `things.delete` (a word under `paths.reserved` is never taken by a parameter)",
    );
}

#[test]
fn characters_that_nobody_sees() {
    check(
        "\"accounts.acme.eu\"",
        "\"accounts.acme.eu \"",
        "acme.toml:6: `regions.eu.accounts`: `accounts.acme.eu ` begins or ends with a space (take it away)",
    );
    check(
        "\"accounts.acme.eu\"",
        "\"accounts.\u{200b}acme.eu\"",
        "acme.toml:6: an invisible character, U+200B (type the line anew)",
    );
    check(
        "\"accounts.acme.eu\"",
        "\"accounts.\\u200bacme.eu\"",
        "acme.toml:6: `regions.eu.accounts`: an invisible character, U+200B (type the line anew)",
    );
    check(
        "version = \"v1\"",
        "version = \"v1\" # \u{202e}",
        "acme.toml:3: an invisible character, U+202E (type the line anew)",
    );
    // TOML can spell any character, also in a key: what is told of it can be seen all the same.
    check(
        "accounts = ",
        "\"acc\\u0007\\u202eounts\" = ",
        "acme.toml:6: `regions.eu.acc\\u{7}\\u{202e}ounts`: an invisible character, U+0007 (type the line anew)",
    );
}

/// A definition in which nothing is found.
const CLEAN: &str = include_str!("../../../tests/providers/notes.toml");

/// Replaces one text in the clean definition and compares what is found.
#[track_caller]
fn finds(from: &str, to: &str, expect: &str) {
    assert_eq!(CLEAN.matches(from).count(), 1, "`{from}` must stand once");
    let (_, found) =
        parse_and_lint(&CLEAN.replace(from, to), "notes.toml").unwrap_or_else(|error| panic!("{error}"));
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found, [expect]);
}

#[test]
fn nothing_is_found_in_definitions_that_are_in_use() {
    let built_in = include_str!("../../services/zoho-crm.toml");
    for (text, file) in [(CLEAN, "notes.toml"), (built_in, "zoho-crm.toml")] {
        let (_, found) = parse_and_lint(text, file).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(found, [], "{file}");
    }
}

#[test]
fn what_is_seldom_meant_in_oauth_is_found_with_its_mend() {
    finds(
        "authorize_params = { prompt = \"consent\" }",
        "authorize_params = { access_type = \"offline\" }",
        "notes.toml:19: `oauth.authorize_params`: connecting a second time may bring no refresh token (add `prompt = \"consent\"` beside `access_type = \"offline\"`)",
    );
    finds(
        "authorize_params = { prompt = \"consent\" }",
        "authorize_params = { access_type = \"online\", prompt = \"consent\" }",
        "notes.toml:19: `oauth.authorize_params`: `access_type = \"online\"` brings no refresh token (write \"offline\")",
    );
    finds(
        "authorize_params = { prompt = \"consent\" }\nscopes = [\"offline_access\"]\n",
        "authorize_params = { prompt = \"consent\" }\n",
        "notes.toml:19: `oauth.authorize_params`: `prompt` alone brings no refresh token (add `access_type = \"offline\"`, or a scope such as `offline_access` in `oauth.scopes`)",
    );
    finds(
        "authorize_params = { prompt = \"consent\" }\nscopes = [\"offline_access\"]\n",
        "",
        "notes.toml:15: `oauth.authorize_params`: nothing asks for a refresh token, without which every login ends within hours (Google and Zoho want `access_type = \"offline\"` and `prompt = \"consent\"` here, others a scope such as `offline_access` in `oauth.scopes`)",
    );
    finds(
        "scope_separator = \" \"",
        "scope_separator = \";\"",
        "notes.toml:21: `oauth.scope_separator`: `;` between scopes is known of no provider (write \" \" or \",\", as the provider's documentation has it)",
    );
    finds(
        "scopes = [\"offline_access\"]",
        "scopes = [\"notes.admin\", \"offline_access\", \"openid\"]",
        "notes.toml:20: `oauth.scopes`: every consent asks for `notes.admin`, and no operation needs it (take it out, or name it in the operation that needs it)",
    );
    finds(
        "pkce = true",
        "pkce = false",
        "notes.toml:23: `oauth.pkce`: a code that is caught on its way back can be used by others (set it to true, unless the provider refuses `code_challenge` (RFC 9700 section 2.1.1))",
    );
    finds(
        "[\"invalid_grant\"]",
        "[]",
        "notes.toml:27: `oauth.reconnect_errors`: a lost login would look like a passing fault for ever (list the provider's words for it; the RFC's is `invalid_grant` (RFC 6749 section 5.2))",
    );
    finds(
        "[[oauth.revoke]]\npath = \"/token/revocation\"\nclient_auth = \"basic\"\nhint = { name = \"token_type_hint\", value = \"refresh_token\" }\n",
        "",
        "notes.toml:15: `oauth.revoke`: a grant that is given up stays alive at the provider (add `[[oauth.revoke]]` with the provider's path (RFC 7009))",
    );
}

#[test]
fn what_is_seldom_meant_elsewhere_is_found_with_its_mend() {
    finds(
        "prefix = \"Bearer \"",
        "prefix = \"Bearer\"",
        "notes.toml:43: `inject.prefix`: `authorization: BearerTOKEN` names no scheme (RFC 9110 section 11.4) (end the prefix with a space, as in `prefix = \"Bearer \"`)",
    );
    finds(
        "stale_token_codes = [\"invalid_token\"]\n",
        "",
        "notes.toml:49: `answer.stale_token_codes`: a token that ends early is not renewed before its time (list the codes with which the API refuses a token that it no longer takes)",
    );
    finds(
        "issuer = \"https://id.provider.test\"",
        "issuer = \"https://id.provider.example\"",
        "notes.toml:10: `regions.everywhere.issuer`: the callback must name another issuer than `id.provider.test` (make sure of it: callbacks with another `iss` are refused (RFC 9207))",
    );
    finds(
        "[oauth]\n",
        "[regions.ca]\naccounts = \"id.provider.example\"\nconsole = \"c.provider.example\"\nevidence = \"x\"\nhosts = { api = { production = \"api.provider.ca\" } }\n[oauth]\n",
        "notes.toml:15: `regions.ca`: `id.provider.example` and `api.provider.ca` end differently: do they belong to one data centre? (look both up in the provider's table)",
    );
    finds(
        "path = \"/v1/notes\"\neffect = \"read\"",
        "path = \"/v1/notes/removed-and-delete\"\neffect = \"read\"",
        "notes.toml:83: `operations.notes.list.effect`: `delete` is classed as a read (write \"destructive\", unless it is the name of what is read)",
    );
    finds(
        "breadth = { fixed = 1 }\nscopes = [[\"notes.write\"]]",
        "breadth = { fixed = 1 }\nscopes = []",
        "notes.toml:96: `operations.notes.create.scopes`: it names no scope, and others do (list what the provider's documentation says it needs; without it a consent may not cover it)",
    );
    finds(
        "[\"me.get\", \"notes.list\"]",
        "[\"me.get\", \"notes.create\"]",
        "notes.toml:65: `groups.notes.read`: `notes.create` is no read, and the group's name says that all are (give it a group of its own)",
    );
}
