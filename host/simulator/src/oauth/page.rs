//! The HTML that a person sees. Whatever came from a request is escaped.

use crate::config::{Environment, UserSpec};
use crate::wire::Reply;

/// Returns the page with the two buttons. The form posts to the page's own URL.
pub(crate) fn consent(client: &str, scopes: &[String], users: &[&UserSpec], first: &str) -> Reply {
    let scopes = joined(scopes.iter().map(|scope| format!("<li>{}</li>", escape(scope))));
    let users = joined(users.iter().map(|user| {
        let selected = if user.email == first { " selected" } else { "" };
        let email = escape(&user.email);
        format!("<option value=\"{email}\"{selected}>{email} ({})</option>", user.region)
    }));
    let environments =
        joined(Environment::ALL.iter().map(|environment| format!("<option>{}</option>", environment.org_type())));
    let body = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Zoho Accounts (simulator)</title></head>\
         <body><main><h1>{client} would like to access your data</h1><p>This page is a simulator's. No real account is \
         involved.</p><ul>{scopes}</ul><form method=\"post\"><p><label>Account <select name=\"user\">{users}</select>\
         </label></p><p><label>Environment <select name=\"environment\">{environments}</select></label></p>\
         <p><button name=\"decision\" value=\"accept\">Accept</button> \
         <button name=\"decision\" value=\"reject\">Reject</button></p></form></main></body></html>",
        client = escape(client),
    );
    guarded(Reply::html(200, body))
}

/// Returns the page of a provider without environments. The form posts to the page's own URL.
pub(crate) fn plain_consent(title: &str, client: &str, scopes: &[String], users: &[&str]) -> Reply {
    let scopes = joined(scopes.iter().map(|scope| format!("<li>{}</li>", escape(scope))));
    let users = joined(users.iter().map(|user| format!("<option>{}</option>", escape(user))));
    let body = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title} (simulator)</title></head>\
         <body><main><h1>{client} wants access to your account</h1><p>This page is a simulator's. No real account is \
         involved.</p><ul>{scopes}</ul><form method=\"post\"><p><label>Account <select name=\"user\">{users}</select>\
         </label></p><p><button name=\"decision\" value=\"accept\">Allow</button> \
         <button name=\"decision\" value=\"reject\">Cancel</button></p></form></main></body></html>",
        client = escape(client),
        title = escape(title),
    );
    guarded(Reply::html(200, body))
}

/// Returns an error page: Zoho shows one, and does not redirect, for a bad client, redirect, scope or type.
pub(crate) fn error(status: u16, message: &str) -> Reply {
    let body = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Error</title></head><body><main>\
         <h1>ERROR_</h1><p>{}</p></main></body></html>",
        escape(message)
    );
    guarded(Reply::html(status, body))
}

fn guarded(reply: Reply) -> Reply {
    reply
        .with_header("x-frame-options", "SAMEORIGIN")
        .with_header("cache-control", "no-store")
        .with_header("x-content-type-options", "nosniff")
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<String>>().concat()
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
