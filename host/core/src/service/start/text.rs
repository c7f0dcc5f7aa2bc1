//! The text of a beginning. Comments say what to look up; nothing is written that nobody said.

use std::fmt::Write as _;

use super::{ExtraPlace, FILL_IN, FILL_IN_HOST, Login, Start};

/// An operation as an example, without its comment signs.
pub(super) const EXAMPLE: &str = r#"[[operations]]
name = "things.delete"
summary = "Deletes a thing"
method = "DELETE"
path = "/things/{id}"
effect = "destructive"
resources = [{ fixed = "things" }]
breadth = { fixed = 1 }
scopes = [["things.write"]]
"#;

/// Writes all of it.
pub(super) fn render(start: &Start) -> String {
    let mut text = String::new();
    let parts = [
        head(start),
        region(start),
        oauth(&start.login),
        revoke(&start.login),
        device(&start.login),
        inject(start),
        requests().to_owned(),
        tenant(start),
        operations(start),
        guide(start),
    ];
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&part);
    }
    text
}

/// Returns a text as TOML writes it.
fn quote(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn head(start: &Start) -> String {
    format!(
        "# {}: a beginning, written by `wardlock service new`. What says `{FILL_IN}` is still to be looked up;\n\
         # `wardlock service check` lists it, and docs/services.md shows a whole definition.\n\n\
         name = {}\ndisplay = {}\n# `{{version}}` in a path stands for it.\nversion = {}\n",
        start.display.escape_debug(),
        quote(&start.name),
        quote(&start.display),
        quote(&start.version),
    )
}

fn region(start: &Start) -> String {
    let login = &start.login;
    let mut text = String::from(
        "# A row for each data centre; one that has none needs one row. Nothing but these hosts is ever dialled.\n\
         [regions.everywhere]\n",
    );
    let console = start.console.as_deref().unwrap_or(FILL_IN_HOST);
    let mut line = |key: &str, value: &str| push(&mut text, &format!("{key} = {}", quote(value)));
    line("accounts", &login.accounts);
    if let Some(token) = &login.token {
        line("token", token);
    }
    line("console", console);
    if let Some(issuer) = &login.issuer {
        line("issuer", issuer);
    }
    line("evidence", &login.evidence);
    push(&mut text, "[regions.everywhere.hosts]");
    push(&mut text, &format!("api = {{ production = {} }}", quote(&start.api_host)));
    text
}

fn oauth(login: &Login) -> String {
    let mut text = String::from("# How a person consents, and how tokens are got.\n");
    for note in &login.notes {
        push(&mut text, &format!("# {note}"));
    }
    push(&mut text, "[oauth]");
    if login.device.is_some() {
        let grants = if login.authorize_path.is_some() {
            "\"authorization_code\", \"device_code\""
        } else {
            "\"device_code\""
        };
        push(&mut text, &format!("grants = [{grants}]"));
    }
    if let Some(path) = &login.authorize_path {
        push(&mut text, &format!("authorize_path = {}", quote(path)));
    }
    push(&mut text, &format!("token_path = {}", quote(&login.token_path)));
    push(&mut text, "# \"basic\", \"body\" or \"none\": how the client says who it is there.");
    push(&mut text, &format!("client_auth = \"{}\"", login.client_auth.word()));
    if login.offline {
        push(&mut text, "# Without these a consent brings no refresh token (OpenID Connect Core section 11).");
        if login.authorize_path.is_some() {
            push(&mut text, "authorize_params = { prompt = \"consent\" }");
        }
        push(&mut text, "scopes = [\"offline_access\"]");
    } else if login.authorize_path.is_some() {
        push(
            &mut text,
            "# How does a consent bring a refresh token here? By parameters such as these, or by a scope under `scopes`.",
        );
        push(&mut text, "# authorize_params = { access_type = \"offline\", prompt = \"consent\" }");
    }
    push(&mut text, &format!("pkce = {}", login.pkce));
    text.push_str(
        "# Where an answer names no lifetime, and the longest that is believed.\n\
         default_lifetime_seconds = 3600\n\
         max_lifetime_seconds = 86400\n\
         # How many token calls the provider allows; these are a guess.\n\
         budget = { calls = 60, window_seconds = 60 }\n\
         # What ends a login for good, and what passes (RFC 6749 sections 4.1.2.1 and 5.2).\n\
         reconnect_errors = [\"invalid_grant\"]\n\
         transient_errors = [\"server_error\", \"temporarily_unavailable\"]\n\
         throttle_seconds = 60\n\n\
         [oauth.misconfigured_errors]\n\
         invalid_client = \"the client id or secret is not the registered one\"\n\
         unauthorized_client = \"the client may not use this flow\"\n",
    );
    text
}

fn revoke(login: &Login) -> String {
    let (sign, path, client_auth) = match &login.revoke {
        Some(revoke) => ("", revoke.path.as_str(), revoke.client_auth),
        None => ("# ", "/revoke", login.client_auth),
    };
    let mut text = String::from("# How a grant is given back (RFC 7009).\n");
    for line in [
        "[[oauth.revoke]]".to_owned(),
        format!("path = {}", quote(path)),
        format!("client_auth = \"{}\"", client_auth.word()),
        "hint = { name = \"token_type_hint\", value = \"refresh_token\" }".to_owned(),
    ] {
        push(&mut text, &format!("{sign}{line}"));
    }
    text
}

fn device(login: &Login) -> String {
    let Some(device) = &login.device else { return String::new() };
    format!("# Consent on another device (RFC 8628).\n[oauth.device]\npath = {}\n", quote(&device.0))
}

fn inject(start: &Start) -> String {
    let goes = &start.token_goes;
    let place = match &goes.place {
        ExtraPlace::Header(name) if goes.prefix.is_empty() => format!("header = {}", quote(name)),
        ExtraPlace::Header(name) => format!("header = {}\nprefix = {}", quote(name), quote(&goes.prefix)),
        ExtraPlace::Query(name) => format!("query = {}", quote(name)),
    };
    format!("# Where the token goes.\n[inject]\n{place}\n")
}

fn requests() -> &'static str {
    "# What passes of a request and of an answer. Query names stand at the operations; anything else is refused or dropped.\n\
     [request]\n\
     headers = [\"accept\"]\n\
     answer_headers = [\"content-type\", \"retry-after\"]\n\n\
     # An answer is read by its body: where does an error's code stand, and which codes mean what?\n\
     [answer]\n\
     code_field = \"FILL-IN\"\n\
     # Renew the token once, and send again what may be sent twice.\n\
     stale_token_codes = [\"FILL-IN\"]\n\
     # scope_codes = [\"insufficient_scope\"]\n\
     throttle_statuses = [429]\n"
}

fn tenant(start: &Start) -> String {
    format!(
        "# Whose account it is: a GET that tells, asked once after the consent and pinned. JSON pointers to id and name.\n\
         [tenant]\nhost = \"api\"\npath = \"/{FILL_IN}\"\nid_pointer = \"/{FILL_IN}\"\nlabel_pointer = \"/{FILL_IN}\"\n\
         scopes = [[{}]]\n\n\
         # What `wardlock proof` asks: reads, of operations below. Writes can be enabled only once it has passed.\n\
         [[proof]]\nwhat = \"the account\"\nrequest = \"GET /{FILL_IN}\"\ntenant_pointer = \"/{FILL_IN}\"\n",
        quote(first_scope(start))
    )
}

fn operations(start: &Start) -> String {
    let mut text = String::from(
        "# Names under which a workspace allows several operations at once.\n[groups]\nidentity = [\"me.get\"]\n\n",
    );
    push(
        &mut text,
        "# What agents may do. Whatever is not here is destructive and unknown, and no group holds it.",
    );
    for (whose, scopes) in [("named", &start.scopes), ("announced by the server", &start.login.announced)] {
        if !scopes.is_empty() {
            let scopes: Vec<String> = scopes.iter().map(|scope| quote(scope)).collect();
            push(&mut text, &format!("# Scopes that were {whose}: {}", scopes.join(", ")));
        }
    }
    let _ = write!(
        text,
        "[[operations]]\nname = \"me.get\"\nsummary = \"Reads who consented\"\nmethod = \"GET\"\npath = \"/{FILL_IN}\"\n\
         effect = \"read\"\nresources = [{{ fixed = \"$identity\" }}]\nfields_known = true\nbreadth = {{ fixed = 0 }}\n\
         scopes = [[{}]]\n\n# Another one, as an example:\n",
        quote(first_scope(start))
    );
    for line in EXAMPLE.lines() {
        push(&mut text, &format!("# {line}"));
    }
    text
}

fn first_scope(start: &Start) -> &str {
    start.scopes.first().or(start.login.announced.first()).map_or(FILL_IN, String::as_str)
}

fn guide(start: &Start) -> String {
    format!(
        "# What the provider's console asks for; `wardlock service guide {}` prints it.\n\
         [guide]\nclient_type = \"{FILL_IN}\"\nclient_name = \"Wardlock\"\nhomepage = \"http://127.0.0.1:7421\"\n",
        start.name
    )
}

fn push(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}
