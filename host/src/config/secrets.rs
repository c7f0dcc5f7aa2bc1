//! Finds secrets in what an operator writes. There is no key for a secret in any file.
//!
//! Best effort by nature: it knows the names that secrets are given and the shapes of Zoho's tokens and of our
//! agents' tokens. What it finds is never shown.

use toml::de::{DeTable, DeValue};

/// A secret that was found: where, and how it comes in safely.
pub(super) struct Found {
    pub(super) offset: usize,
    pub(super) what: String,
    pub(super) hint: &'static str,
}

const REGISTRATION: &str =
    "a client secret is stored sealed by `wardlock registration add`, which asks for it without showing it";
const CONSENT: &str = "Wardlock gets tokens itself: run `wardlock connect <workspace>/<connection>`";
const AGENT: &str =
    "an agent's token belongs to the agent alone: `wardlock agent add` shows it once and stores only its digest";
const PROMPT: &str = "Wardlock asks for it when it needs it, without showing it; `wardlock registration add` stores what a provider gave you";

/// Key names (lower case, without `_` and `-`) and how such a secret comes in safely.
const KEYS: [(&str, &str); 20] = [
    ("clientsecret", REGISTRATION),
    ("secret", REGISTRATION),
    ("appsecret", REGISTRATION),
    ("consumersecret", REGISTRATION),
    ("refreshtoken", CONSENT),
    ("accesstoken", CONSENT),
    ("token", CONSENT),
    ("authtoken", CONSENT),
    ("oauthtoken", CONSENT),
    ("bearertoken", CONSENT),
    ("bearer", CONSENT),
    ("authorization", CONSENT),
    ("agenttoken", AGENT),
    ("password", PROMPT),
    ("passwd", PROMPT),
    ("passphrase", PROMPT),
    ("apikey", PROMPT),
    ("apisecret", PROMPT),
    ("developertoken", PROMPT),
    ("privatekey", PROMPT),
];

/// Looks for token-shaped text anywhere, comments included.
pub(super) fn in_text(text: &str) -> Option<Found> {
    let zoho = zoho_token(text).map(|offset| Found {
        offset,
        what: "a Zoho token stands here".to_owned(),
        hint: CONSENT,
    });
    let agent = agent_token(text).map(|offset| Found {
        offset,
        what: "an agent's token stands here".to_owned(),
        hint: AGENT,
    });
    zoho.or(agent)
}

/// Looks for keys that are named like secrets and have a value.
pub(super) fn in_table(table: &DeTable<'_>) -> Option<Found> {
    table.iter().find_map(|(key, value)| {
        let safe_way = of_key(key.get_ref()).filter(|_| holds_text(value.get_ref()));
        if let Some(hint) = safe_way {
            let what = format!("`{}` is a secret, and no secret is read from a file", key.get_ref());
            return Some(Found { offset: key.span().start, what, hint });
        }
        in_value(value.get_ref())
    })
}

/// Returns whether a line may be shown.
pub(super) fn is_showable(line: &str) -> bool {
    let key = line.split('=').next().unwrap_or_default();
    let key = key.rsplit(['.', '{', ',']).next().unwrap_or_default();
    let names_one = line.split(['{', ',', '=', '.']).any(|part| of_key(part.trim().trim_matches('"')).is_some());
    !names_one && of_key(key.trim()).is_none() && in_text(line).is_none()
}

fn in_value(value: &DeValue<'_>) -> Option<Found> {
    match value {
        DeValue::Table(table) => in_table(table),
        DeValue::Array(items) => items.iter().find_map(|item| in_value(item.get_ref())),
        _ => None,
    }
}

fn holds_text(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::String(text) => !text.is_empty(),
        DeValue::Array(items) => items.iter().any(|item| holds_text(item.get_ref())),
        DeValue::Integer(_) | DeValue::Float(_) => true,
        DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Table(_) => false,
    }
}

fn of_key(key: &str) -> Option<&'static str> {
    let plain: String =
        key.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect();
    // `zoho_refresh_token` is one as well as `refresh_token`; `page_token` in a plugin's settings is none.
    KEYS.iter()
        .find(|(name, _)| plain == *name || (name.len() > "secret".len() && plain.ends_with(name)))
        .map(|(_, hint)| *hint)
}

/// `1000.`, 16 or more hexadecimal digits, a dot, 16 or more again.
fn zoho_token(text: &str) -> Option<usize> {
    text.match_indices("1000.").map(|(at, _)| at).find(|at| {
        let rest = &text[at + "1000.".len()..];
        let (first, rest) = hex_run(rest);
        first >= 16 && rest.strip_prefix('.').is_some_and(|rest| hex_run(rest).0 >= 16)
    })
}

fn hex_run(text: &str) -> (usize, &str) {
    let end = text.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(text.len());
    (end, &text[end..])
}

/// `wl_` and 20 or more of the characters of our tokens.
fn agent_token(text: &str) -> Option<usize> {
    text.match_indices("wl_").map(|(at, _)| at).find(|at| {
        let stands_alone = !text[..*at].ends_with(|c: char| c.is_ascii_alphanumeric());
        let run = text[at + "wl_".len()..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').count();
        stands_alone && run >= 20
    })
}
