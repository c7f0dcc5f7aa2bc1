//! What a definition may say, and seldom means: each finding with its line and how to mend it.
//!
//! What cannot be right is an error of [`mod@super::parse`]; here stands what goes wrong in practice, at the provider's
//! page or months later.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;

use super::DefinitionError;
use super::raw::{RawEffect, RawOAuth, RawOperation, RawRegion, RawService};
use super::text::Source;

/// What separates scopes at a provider: a space (RFC 6749 section 3.3), and at some a comma or a plus.
const SEPARATORS: [&str; 3] = [" ", ",", "+"];

/// Scopes by which a consent asks for a refresh token (`OpenID` Connect Core section 11, and older spellings).
const OFFLINE: [&str; 3] = ["offline_access", "offline", "refresh_token"];

/// Scopes about the person who consents (`OpenID` Connect Core section 5.4): no operation needs them.
const IDENTITY: [&str; 3] = ["openid", "profile", "email"];

/// Words that an operation which only reads has no use for.
const TAKING: [&str; 8] = ["delete", "remove", "destroy", "purge", "revoke", "cancel", "erase", "unlink"];

/// Words of operations that only ask how such a thing went.
const ASKING: [&str; 4] = ["status", "job", "jobs", "history"];

/// Finds what is seldom meant in a definition that parses.
pub(super) fn lint(source: &Source<'_>, raw: &RawService) -> Vec<DefinitionError> {
    let mut lint = Lint { source, found: Vec::new() };
    let oauth = raw.oauth.get_ref();
    lint.refresh_tokens(oauth, &raw.oauth.span());
    lint.scopes(raw, &raw.oauth.span());
    lint.errors(raw);
    lint.injection(raw);
    for (name, row) in &raw.regions {
        lint.issuer(name.get_ref(), row);
    }
    lint.regions(raw);
    for operation in &raw.operations {
        lint.operation(operation, raw);
    }
    lint.groups(raw);
    lint.found.sort_by_key(|finding| finding.line);
    lint.found
}

struct Lint<'a> {
    source: &'a Source<'a>,
    found: Vec<DefinitionError>,
}

impl Lint<'_> {
    /// Notes something at a key of a table that begins at a place; where the key does not stand there, at the table.
    fn find(
        &mut self,
        at: &Range<usize>,
        key: impl Into<String>,
        problem: impl Into<String>,
        mend: impl Into<String>,
    ) {
        let key = key.into();
        let start = key.rsplit('.').next().and_then(|name| self.line_of(at.start, name)).unwrap_or(at.start);
        self.found.push(self.source.error(start, key, problem).hint(mend));
    }

    /// Returns where the line of a key begins in the table that begins at a place.
    fn line_of(&self, table: usize, name: &str) -> Option<usize> {
        let mut at = table;
        for (number, line) in self.source.text.get(table..)?.split_inclusive('\n').enumerate() {
            if number > 0 && line.starts_with('[') {
                return None;
            }
            if line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('=')) {
                return Some(at);
            }
            at += line.len();
        }
        None
    }

    fn refresh_tokens(&mut self, oauth: &RawOAuth, at: &Range<usize>) {
        let param = |name: &str| oauth.authorize_params.get(name).map(String::as_str);
        let by_scope = oauth.scopes.iter().any(|scope| OFFLINE.contains(&scope.as_str()));
        let key = "oauth.authorize_params";
        match (param("access_type"), param("prompt")) {
            (Some("offline"), None) => self.find(
                at,
                key,
                "connecting a second time may bring no refresh token",
                "add `prompt = \"consent\"` beside `access_type = \"offline\"`",
            ),
            (Some("online"), _) => self.find(at, key, "`access_type = \"online\"` brings no refresh token", "write \"offline\""),
            (None, None) if !by_scope => self.find(
                at,
                key,
                "nothing asks for a refresh token, without which every login ends within hours",
                "Google and Zoho want `access_type = \"offline\"` and `prompt = \"consent\"` here, others a scope such as \
                 `offline_access` in `oauth.scopes`",
            ),
            _ => {}
        }
        if !oauth.pkce {
            let mend = "set it to true, unless the provider refuses `code_challenge` (RFC 9700 section 2.1.1)";
            self.find(at, "oauth.pkce", "a code that is caught on its way back can be used by others", mend);
        }
        if oauth.revoke.is_empty() {
            let mend = "add `[[oauth.revoke]]` with the provider's path (RFC 7009)";
            self.find(at, "oauth.revoke", "a grant that is given up stays alive at the provider", mend);
        }
    }

    fn scopes(&mut self, raw: &RawService, at: &Range<usize>) {
        let oauth = raw.oauth.get_ref();
        if !SEPARATORS.contains(&oauth.scope_separator.as_str()) {
            let problem = format!("`{}` between scopes is known of no provider", oauth.scope_separator);
            self.find(
                at,
                "oauth.scope_separator",
                problem,
                "write \" \" or \",\", as the provider's documentation has it",
            );
        }
        let needed: BTreeSet<&str> = raw
            .operations
            .iter()
            .flat_map(|operation| operation.get_ref().scopes.iter().flatten())
            .map(String::as_str)
            .collect();
        for scope in &oauth.scopes {
            let known = OFFLINE.contains(&scope.as_str()) || IDENTITY.contains(&scope.as_str());
            if !known && !needed.contains(scope.as_str()) {
                let problem = format!("every consent asks for `{scope}`, and no operation needs it");
                self.find(at, "oauth.scopes", problem, "take it out, or name it in the operation that needs it");
            }
        }
    }

    fn errors(&mut self, raw: &RawService) {
        let at = raw.oauth.span();
        if raw.oauth.get_ref().reconnect_errors.is_empty() {
            let mend = "list the provider's words for it; the RFC's is `invalid_grant` (RFC 6749 section 5.2)";
            self.find(
                &at,
                "oauth.reconnect_errors",
                "a lost login would look like a passing fault for ever",
                mend,
            );
        }
        if raw.answer.stale_token_codes.is_empty() {
            let mend = "list the codes with which the API refuses a token that it no longer takes";
            self.find(
                &(0..0),
                "answer.stale_token_codes",
                "a token that ends early is not renewed before its time",
                mend,
            );
        }
    }

    fn injection(&mut self, raw: &RawService) {
        let inject = raw.inject.get_ref();
        let ends_in_letter = inject.prefix.ends_with(|c: char| c.is_ascii_alphanumeric());
        if inject.header == "authorization" && (ends_in_letter || inject.prefix.is_empty()) {
            let problem =
                format!("`authorization: {}TOKEN` names no scheme (RFC 9110 section 11.4)", inject.prefix);
            let mend = "end the prefix with a space, as in `prefix = \"Bearer \"`";
            self.find(&raw.inject.span(), "inject.prefix", problem, mend);
        }
    }

    fn issuer(&mut self, name: &str, row: &Spanned<RawRegion>) {
        let RawRegion { accounts, issuer, .. } = row.get_ref();
        let host = issuer.as_deref().and_then(|issuer| issuer.strip_prefix("https://")?.split('/').next());
        if host.is_some_and(|host| host != accounts) {
            let problem = format!("the callback must name another issuer than `{accounts}`");
            let mend = "make sure of it: callbacks with another `iss` are refused (RFC 9207)";
            self.find(&row.span(), format!("regions.{name}.issuer"), problem, mend);
        }
    }

    /// A row whose halves end otherwise than those of the other rows do was often put together from two.
    fn regions(&mut self, raw: &RawService) {
        for (name, row) in &raw.regions {
            let ending = |host: &str| host.rsplit('.').next().map(str::to_owned);
            let accounts = ending(&row.get_ref().accounts);
            let api = row.get_ref().hosts.get("api").and_then(|hosts| hosts.get("production"));
            let Some(api) = api.filter(|api| ending(api) != accounts) else { continue };
            // Where one accounts host serves all rows, its ending says nothing.
            let alone =
                raw.regions.values().filter(|other| other.get_ref().accounts == row.get_ref().accounts).count()
                    == 1;
            if alone && raw.regions.len() > 1 {
                let problem = format!(
                    "`{}` and `{api}` end differently: do they belong to one data centre?",
                    row.get_ref().accounts
                );
                self.find(
                    &row.span(),
                    format!("regions.{}", name.get_ref()),
                    problem,
                    "look both up in the provider's table",
                );
            }
        }
    }

    fn operation(&mut self, operation: &Spanned<RawOperation>, raw: &RawService) {
        let (at, operation) = (operation.span(), operation.get_ref());
        let key = |part: &str| format!("operations.{}.{part}", operation.name);
        let path = operation.path.get_ref();
        let words = |text: &str| {
            text.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_ascii_lowercase).collect::<Vec<_>>()
        };
        let mut said = words(&operation.name);
        said.extend(path.rsplit('/').find(|segment| !segment.starts_with('{')).map(words).unwrap_or_default());
        let asking = said.iter().any(|word| ASKING.contains(&word.as_str()));
        let taking = said.iter().find(|word| !asking && TAKING.contains(&word.as_str()));
        if let (Some(word), RawEffect::Read, None) = (taking, operation.effect, &operation.refused) {
            let problem = format!("`{word}` is classed as a read");
            self.find(&at, key("effect"), problem, "write \"destructive\", unless it is the name of what is read");
        }
        let any_scopes = raw.operations.iter().any(|other| !other.get_ref().scopes.is_empty());
        if operation.scopes.is_empty() && any_scopes && operation.refused.is_none() {
            let mend =
                "list what the provider's documentation says it needs; without it a consent may not cover it";
            self.find(&at, key("scopes"), "it names no scope, and others do", mend);
        }
    }

    fn groups(&mut self, raw: &RawService) {
        for (group, members) in &raw.groups {
            if !group
                .split(|c: char| !c.is_ascii_alphanumeric())
                .any(|word| matches!(word, "read" | "reading" | "readonly"))
            {
                continue;
            }
            for member in members {
                let named = raw
                    .operations
                    .iter()
                    .map(Spanned::get_ref)
                    .find(|operation| operation.name == *member.get_ref());
                if named.is_some_and(|operation| operation.effect != RawEffect::Read) {
                    let problem =
                        format!("`{}` is no read, and the group's name says that all are", member.get_ref());
                    self.find(&member.span(), format!("groups.{group}"), problem, "give it a group of its own");
                }
            }
        }
    }
}
