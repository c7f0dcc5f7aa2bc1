//! What is seldom meant in a definition is found: one row for each finding, with its line and how to mend it.

use std::path::Path;

use wardlock_core::service::{Named, Segment, parse_and_lint};

/// A definition in which nothing is found.
const CLEAN: &str = include_str!("../../../tests/providers/notes.toml");

#[track_caller]
fn found(text: &str) -> Vec<String> {
    let (_, found) = parse_and_lint(text, "notes.toml").unwrap_or_else(|error| panic!("{error}"));
    found.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn replaced(from: &str, to: &str) -> String {
    assert_eq!(CLEAN.matches(from).count(), 1, "`{from}` must stand once");
    CLEAN.replace(from, to)
}

/// Replaces one text in the clean definition and compares what is found.
#[track_caller]
fn finds(from: &str, to: &str, expect: &str) {
    assert_eq!(found(&replaced(from, to)), [expect]);
}

/// Replaces one text in the clean definition, where that is meant.
#[track_caller]
fn finds_nothing(from: &str, to: &str) {
    assert_eq!(found(&replaced(from, to)), [""; 0]);
}

/// Adds lines at the end, which is in `[guide]`.
#[track_caller]
fn finds_at_the_end(more: &str, expect: &str) {
    assert_eq!(found(&format!("{CLEAN}{more}")), [expect]);
}

/// Where each built-in definition stands, and its text.
#[expect(clippy::disallowed_methods, reason = "a test reads the files that it looks at")]
fn built_in() -> std::io::Result<Vec<(String, String)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../services");
    let paths = std::fs::read_dir(&folder)?.map(|entry| entry.map(|entry| entry.path()));
    let found = paths.map(|path| {
        let path = path?;
        Ok((path.display().to_string(), std::fs::read_to_string(&path)?))
    });
    found.collect()
}

#[test]
fn nothing_is_found_in_built_in_definitions() {
    let all = built_in().expect("definitions");
    assert!(!all.is_empty());
    for (path, text) in all {
        assert_eq!(found(&text), [""; 0], "{path}");
    }
}

#[test]
fn what_a_path_says_would_be_gone_is_what_it_ends_with() {
    let mut seen = 0;
    for (_, text) in built_in().expect("definitions") {
        let service = parse_and_lint(&text, "service.toml").unwrap_or_else(|error| panic!("{error}")).0;
        for operation in &service.operations {
            let Some(current) = operation.current.as_ref().filter(|it| it.named == Named::Path) else { continue };
            let is_last = match operation.path.segments().last() {
                Some(Segment::Name(name) | Segment::Any(name) | Segment::Pattern { name, .. }) => {
                    *name == current.id_in_path
                }
                Some(Segment::Literal(_)) | None => false,
            };
            assert!(is_last, "`{}` of {} would show as gone what stays", operation.name, service.name);
            seen += 1;
        }
    }
    assert!(seen > 5);
}

#[test]
fn scopes_are_one_by_one() {
    finds(
        "scopes = [[\"notes.write\"]]",
        "scopes = [[\"notes.write+notes.read\"]]",
        "notes.toml:96: `operations.notes.create.scopes`: `notes.write+notes.read` holds `+`, which stands between scopes (write each scope as a text of its own: `[\"a\", \"b\"]`)",
    );
    finds(
        "scopes = [[\"notes.write\"]]",
        "scopes = [[\"notes.write%20\"]]",
        "notes.toml:96: `operations.notes.create.scopes`: `notes.write%20` holds `%20`, which stands between scopes (write each scope as a text of its own: `[\"a\", \"b\"]`)",
    );
    finds(
        "label_pointer = \"/name\"\nscopes = [[\"notes.read\"]]",
        "label_pointer = \"/name\"\nscopes = [[\"notes.read notes.all\"]]",
        "notes.toml:62: `tenant.scopes`: `notes.read notes.all` holds ` `, which stands between scopes (write each scope as a text of its own: `[\"a\", \"b\"]`)",
    );
    finds(
        "scopes = [[\"notes.write\"]]",
        "scopes = [[\"notes.write\"], [\"notes.readnotes.write\"], [\"notes.read\"]]",
        "notes.toml:96: `operations.notes.create.scopes`: `notes.readnotes.write` is two scopes with nothing between (write each scope as a text of its own: `[\"a\", \"b\"]`)",
    );
    finds(
        "scopes = [[\"notes.write\"]]",
        "scopes = [[\"https://a.example/xhttps://a.example/y\"]]",
        "notes.toml:96: `operations.notes.create.scopes`: `https://a.example/xhttps://a.example/y` is two scopes with nothing between (write each scope as a text of its own: `[\"a\", \"b\"]`)",
    );
    finds_nothing("scopes = [[\"notes.write\"]]", "scopes = [[\"https://a.example/auth/notes:write\"]]");
}

#[test]
fn scopes_are_needed_and_asked_for() {
    finds_at_the_end(
        "[guide.scopes]\n\"notes.read\" = \"Read\"\n\"notes.admin\" = \"Administer\"\n",
        "notes.toml:102: `guide.scopes`: `notes.admin` is named, and no operation needs it (take it out, or name it in the operation that needs it)",
    );
    finds_at_the_end(
        "[guide.scopes]\n\"notes.*\" = \"Notes\"\n\"tasks.*\" = \"Tasks\"\nopenid = \"You\"\n",
        "notes.toml:102: `guide.scopes`: `tasks.*` is named, and no operation needs it (take it out, or name it in the operation that needs it)",
    );
    finds(
        "scopes = [[\"notes.write\"]]",
        "scopes = [[\"notes.write\", \"notes.read\"], [\"notes.write\"]]",
        "notes.toml:96: `operations.notes.create.scopes`: a consent asks for [\"notes.write\", \"notes.read\"], and [\"notes.write\"] is enough (write the narrowest alternative first, and none twice)",
    );
    finds(
        "breadth = { fixed = 0 }\nscopes = [[\"notes.read\"]]\n",
        "breadth = { fixed = 0 }\nscopes = [[\"{module}.read\"]]\n\n[scope_names]\nothers = \"custom\"\n",
        "notes.toml:76: `operations.me.get.scopes`: `{module}` stands for nothing here, so no consent asks for the scope (write the scope out, or name the resource that it touches)",
    );
    let oauth = CLEAN.find("[oauth]").expect("its table")..CLEAN.find("[inject]").expect("its table");
    let mut text = CLEAN.to_owned();
    text.replace_range(oauth, "[key]\nask = \"the key\"\n\n");
    let text = text.replace("[[\"notes.read\"]]\n\n[groups]", "[]\n\n[groups]");
    assert_eq!(found(&text).len(), 3, "one for each operation: {:?}", found(&text));
    assert_eq!(
        found(&text)[0],
        "notes.toml:53: `operations.me.get.scopes`: nothing asks for these scopes, because the service has a key (leave `scopes` out: a key has those that its console gave it)"
    );
}

#[test]
fn regions_are_whole() {
    let row = |name: &str, more: &str| {
        format!(
            "[regions.{name}]\naccounts = \"id.{name}.test\"\nconsole = \"c.{name}.test\"\nevidence = \"x\"\n[regions.{name}.hosts]\napi = {{ production = \"api.{name}.test\"{more} }}\n"
        )
    };
    let sandbox = |name: &str| format!(", sandbox = \"sandbox.{name}.test\"");
    let with = |rows: &[String]| {
        replaced("[oauth]\n", &format!("{}[oauth]\n", rows.concat()))
            .replace("issuer = \"https://id.provider.test\"\n", "")
    };
    let two = [row("aa", &sandbox("aa")), row("bb", &sandbox("bb"))];
    assert_eq!(
        found(&with(&two)),
        [
            "notes.toml:7: `regions.everywhere`: every other region has `hosts.api.sandbox` (add it, or leave the row out until it is known)"
        ]
    );
    assert_eq!(found(&with(&two[..1])), [""; 0], "of two rows neither is the odd one");
    assert_eq!(
        found(&with(&[row("aa", ", sandbox = \"api.aa.test\"")])),
        [
            "notes.toml:14: `regions.aa.hosts`: `api.aa.test` is `api` of production and `api` of sandbox, so nothing keeps the two apart (look the host up, or leave the environment out)"
        ]
    );
    let upload = "\nupload = { sandbox = \"upload.aa.test\"";
    assert_eq!(
        found(&with(&[row("aa", &format!(" }}{upload}"))])),
        [
            "notes.toml:14: `regions.aa.hosts`: `upload` has a host for sandbox, and `api` has none (add it to `api`, or take it out of `upload`)"
        ]
    );
    let upload = "\nupload = { production = \"api.aa.test\"";
    assert_eq!(found(&with(&[row("aa", &format!(" }}{upload}"))])), [""; 0], "one host may have two roles");
}

#[test]
fn effects_are_plausible() {
    finds(
        "method = \"POST\"\npath = \"/v1/notes\"\neffect = \"write\"",
        "method = \"PUT\"\npath = \"/v1/notes\"\neffect = \"read\"",
        "notes.toml:92: `operations.notes.create.effect`: a PUT is classed as a read (write \"write\", or \"destructive\" if it cannot be undone)",
    );
    let body = "effect = \"write\"\nbody = \"json\"\n";
    let fields = "body = \"json\"\nfields = [{ body_list = { pointer = \"/names\", how = \"HOW\" } }]\n";
    finds(
        body,
        &format!("effect = \"read\"\n{}", fields.replace("HOW", "write")),
        "notes.toml:92: `operations.notes.create.effect`: it writes fields, and is classed as a read (write \"write\", or `how = \"read\"` at the fields)",
    );
    finds_nothing(body, &format!("effect = \"read\"\n{}", fields.replace("HOW", "read")));
    let text = replaced(
        "method = \"GET\"\npath = \"/v1/notes\"\neffect = \"read\"",
        "method = \"GET\"\npath = \"/v1/notes\"\neffect = \"write\"",
    )
    .replace(
        "method = \"POST\"\npath = \"/v1/notes\"\neffect = \"write\"",
        "method = \"POST\"\npath = \"/v1/notes\"\neffect = \"read\"",
    )
    .replace("\"notes.list\"]", "\"notes.create\"]");
    assert_eq!(
        found(&text),
        [
            "notes.toml:83: `operations.notes.list.effect`: a GET is classed as a write, and `notes.create` of the same path as a read (were the two effects swapped?)"
        ]
    );
}

#[test]
fn what_takes_away_is_destructive() {
    let body = "body = \"json\"\nresources = [{ fixed = \"notes\" }]";
    finds(
        body,
        &format!("{body}\nquery = [\"deleteAfter\"]"),
        "notes.toml:87: `operations.notes.create.destructive_with`: `deleteAfter` takes something away, and does not make the request destructive (add `destructive_with = [{ query = \"deleteAfter\" }]`, or class all of it as destructive)",
    );
    finds(
        body,
        &format!("{body}\nfields = [{{ body_records = {{ pointer = \"/remove/*/names\", how = \"write\" }} }}]"),
        "notes.toml:87: `operations.notes.create.destructive_with`: `remove` takes something away, and does not make the request destructive (add `destructive_with = [{ body = \"/remove\" }]`, or class all of it as destructive)",
    );
    for destructive in [
        "query = [\"delete_after\", \"show_deleted\"]\ndestructive_with = [{ query = \"delete_after\" }]",
        "fields = [{ body_list = { pointer = \"/remove\", how = \"write\" } }]\ndestructive_with = [{ body = \"/remove/*\" }]",
    ] {
        finds_nothing(body, &format!("{body}\n{destructive}"));
    }
}

#[test]
fn no_parameter_takes_a_word_that_destroys() {
    let more = "[[operations]]\nname = \"notes.get\"\nsummary = \"Reads a note\"\nmethod = \"GET\"\npath = \"/v1/notes/{id}\"\neffect = \"read\"\nresources = [{ fixed = \"notes\" }]\nscopes = [[\"notes.read\"]]\n\n[[operations]]\nname = \"notes.purge\"\nsummary = \"Deletes all notes\"\nmethod = \"POST\"\npath = \"/v1/notes/purge\"\neffect = \"destructive\"\nresources = [{ fixed = \"notes\" }]\nscopes = [[\"notes.write\"]]\n\n";
    finds(
        "[guide]",
        &format!("{more}[guide]"),
        "notes.toml:111: `operations.notes.purge.path`: GET of `/v1/notes/purge` counts as `notes.get`, whose parameter takes `purge` (add `purge` to `paths.reserved`, which no parameter takes)",
    );
    finds_nothing("[guide]", &format!("{more}[paths]\nreserved = [\"purge\"]\n\n[guide]"));
    let own = more.replace("/v1/notes/{id}", "/v1/notes/purge").replace("notes.get", "notes.purge_status");
    finds_nothing("[guide]", &format!("{own}[guide]"));
}

#[test]
fn addresses_are_safe_and_ours() {
    finds_at_the_end(
        "homepage = \"http://notes.example\"\n",
        "notes.toml:100: `guide.homepage`: `http://notes.example` is open to whoever stands between (write `https://`, if the provider has it)",
    );
    finds_at_the_end(
        "notes = [\"Fine.\", \"Enter http://localhost:7421/callback there.\"]\n",
        "notes.toml:100: `guide.notes`: `http://localhost:7421/callback` is not where a consent comes back to, which is `http://127.0.0.1:7421/callback` (write `the redirect URI` instead: `service guide` prints the one that holds)",
    );
    finds_at_the_end(
        "notes = [\"Enter `https://app.notes.example/oauth/callback`, please.\"]\n",
        "notes.toml:100: `guide.notes`: `https://app.notes.example/oauth/callback` is not where a consent comes back to, which is `http://127.0.0.1:7421/callback` (write `the redirect URI` instead: `service guide` prints the one that holds)",
    );
    for fine in [
        "homepage = \"http://127.0.0.1:7421\"\n",
        "notes = [\"Enter http://127.0.0.1:7421/callback.\", \"See https://notes.example/docs/callbacks.\"]\n",
    ] {
        assert_eq!(found(&format!("{CLEAN}{fine}")), [""; 0]);
    }
    let any_port = replaced("pkce = true", "pkce = true\nany_loopback_port = true");
    assert_eq!(found(&format!("{any_port}notes = [\"Enter http://127.0.0.1/callback.\"]\n")), [""; 0]);
}

#[test]
fn what_was_begun_is_filled_in() {
    finds(
        "client_type = \"confidential client\"",
        "client_type = \"FILL-IN\"",
        "notes.toml:99: `guide.client_type`: `FILL-IN` is still to be filled in (look it up in the provider's documentation)",
    );
    finds(
        "console = \"id.provider.test\"",
        "console = \"fill-in.invalid\"",
        "notes.toml:9: `regions.everywhere.console`: `fill-in.invalid` is still to be filled in (look it up in the provider's documentation)",
    );
}

#[test]
fn secrets_stand_in_headers() {
    let more = |place: &str| {
        format!(
            "[[inject.extra]]\n{place} = \"developer\"\nsecret = \"developer\"\n\n[secrets.developer]\nhelp = \"x\"\n\n[request]"
        )
    };
    finds(
        "[request]",
        &more("query"),
        "notes.toml:46: `inject.extra.query`: secret `developer` in the query (`developer`) stands in the provider's logs (take a header, if the provider knows one)",
    );
    finds_nothing("[request]", &more("header"));
}

#[test]
fn answers_that_flow_are_not_read() {
    finds(
        "code_field = \"error\"",
        "code_field = \"error\"\nlinks = [\"/next\"]\nflowing_types = [\"application/json\"]",
        "notes.toml:52: `answer.flowing_types`: answers of `application/json` flow, so `links` finds nothing in them (take the type out of `flowing_types`)",
    );
}

#[test]
fn every_operation_names_the_tenant() {
    let tenant = |pin: &str| format!("[tenant]\nof = \"connection\"\npins = [{pin}]");
    let text = replaced("[tenant]", &tenant("{ path = \"customer\" }"))
        .replace("method = \"GET\"\npath = \"/v1/notes\"", "method = \"GET\"\npath = \"/v1/{customer}/notes\"");
    assert_eq!(
        found(&text),
        [
            "notes.toml:89: `operations.notes.create`: no pin touches it, so it reaches every tenant of the login (put the tenant into its path, or refuse it with `refused`)"
        ]
    );
    for pin in ["{ query = \"organisation\" }", "{ header = \"organisation\" }"] {
        finds_nothing("[tenant]", &tenant(pin));
    }
    let text = replaced("[tenant]", &tenant("{ text = \"customers/\" }"));
    assert_eq!(
        found(&text),
        [
            "notes.toml:80: `operations.notes.list`: no pin touches it, so it reaches every tenant of the login (put the tenant into its path, or refuse it with `refused`)"
        ],
        "a body of JSON may hold the text, a list of notes may not"
    );
}
