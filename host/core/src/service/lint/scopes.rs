//! Scopes: how they are written, which are asked for, and which are needed.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;

use super::Lint;
use crate::service::raw::{RawOAuth, RawOperation, RawResource, RawService};
use crate::service::scopes::PLACEHOLDER;

/// What separates scopes at a provider: a space (RFC 6749 section 3.3), and at some a comma or a plus.
const SEPARATORS: [&str; 3] = [" ", ",", "+"];

/// Scopes by which a consent asks for a refresh token (`OpenID` Connect Core section 11, and older spellings).
pub(in crate::service) const OFFLINE: [&str; 3] = ["offline_access", "offline", "refresh_token"];

/// Scopes about the person who consents (`OpenID` Connect Core section 5.4): no operation needs them.
pub(in crate::service) const IDENTITY: [&str; 5] = ["openid", "profile", "email", "address", "phone"];

/// What stands between scopes, and in none: separators of providers, and a space as addresses write it.
const BETWEEN: [&str; 6] = [" ", ",", ";", "+", "|", "%20"];

impl Lint<'_> {
    pub(super) fn all_scopes(&mut self, raw: &RawService) {
        if let Some(oauth) = &raw.oauth {
            self.fixed_scopes(raw, oauth.get_ref(), &oauth.span());
        }
        self.spelling(raw);
        self.named_scopes(raw);
        for operation in &raw.operations {
            self.alternatives(operation, raw);
        }
    }

    fn fixed_scopes(&mut self, raw: &RawService, oauth: &RawOAuth, at: &Range<usize>) {
        if !SEPARATORS.contains(&oauth.scope_separator.as_str()) {
            let problem = format!("`{}` between scopes is known of no provider", oauth.scope_separator);
            let mend = "write \" \" or \",\", as the provider's documentation has it";
            self.find(at, "oauth.scope_separator", problem, mend);
        }
        let needed = needed(raw);
        for scope in &oauth.scopes {
            let known = OFFLINE.contains(&scope.as_str()) || IDENTITY.contains(&scope.as_str());
            if !known && !needed.iter().any(|need| covers(need, scope)) {
                let problem = format!("every consent asks for `{scope}`, and no operation needs it");
                self.find(at, "oauth.scopes", problem, "take it out, or name it in the operation that needs it");
            }
        }
    }

    /// Several scopes in one text ask for one scope that no provider has.
    fn spelling(&mut self, raw: &RawService) {
        let (tenant, fixed) = (raw.tenant.span(), raw.oauth.as_ref());
        let of = |scopes: &[Vec<String>]| scopes.concat();
        let mut places = vec![("tenant.scopes".to_owned(), tenant, of(&raw.tenant.get_ref().scopes))];
        places.extend(
            raw.user.iter().map(|user| ("user.scopes".to_owned(), user.span(), of(&user.get_ref().scopes))),
        );
        places.extend(fixed.map(|oauth| {
            ("oauth.scopes".to_owned(), oauth.span(), oauth.get_ref().scopes.iter().cloned().collect())
        }));
        places.extend(raw.operations.iter().map(|operation| {
            let key = format!("operations.{}.scopes", operation.get_ref().name);
            (key, operation.span(), of(&operation.get_ref().scopes))
        }));
        let known: BTreeSet<String> = places.iter().flat_map(|(.., scopes)| scopes.iter().cloned()).collect();
        let separator = fixed.map_or(" ", |oauth| oauth.get_ref().scope_separator.as_str());
        for (key, at, scopes) in places {
            for scope in scopes {
                let between = BETWEEN.into_iter().chain([separator]).find(|between| scope.contains(between));
                let problem = match between {
                    Some(between) => format!("`{scope}` holds `{between}`, which stands between scopes"),
                    None if is_two(&scope, &known) => format!("`{scope}` is two scopes with nothing between"),
                    None => continue,
                };
                self.find(&at, key.clone(), problem, "write each scope as a text of its own: `[\"a\", \"b\"]`");
            }
        }
    }

    /// What the guide calls a scope, and nobody needs, was renamed or misspelt in one of the two places.
    fn named_scopes(&mut self, raw: &RawService) {
        let mut needed = needed(raw);
        needed.extend(raw.oauth.iter().flat_map(|oauth| &oauth.get_ref().scopes).map(String::as_str));
        let asked = |named: &str| match named.strip_suffix('*') {
            Some(prefix) => needed.iter().any(|need| begins(need, prefix)),
            None => needed.iter().any(|need| covers(need, named)),
        };
        for (named, at) in &raw.guide.scopes {
            let everybody = OFFLINE.contains(&named.as_str()) || IDENTITY.contains(&named.as_str());
            if !everybody && !asked(named) {
                let problem = format!("`{named}` is named, and no operation needs it");
                let mend = "take it out, or name it in the operation that needs it";
                self.note(at.span().start, "guide.scopes", problem, mend);
            }
        }
    }

    fn alternatives(&mut self, operation: &Spanned<RawOperation>, raw: &RawService) {
        let (at, operation) = (operation.span(), operation.get_ref());
        let key = format!("operations.{}.scopes", operation.name);
        let Some(first) = operation.scopes.first() else { return };
        if raw.key.is_some() {
            let mend = "leave `scopes` out: a key has those that its console gave it";
            return self.find(&at, key, "nothing asks for these scopes, because the service has a key", mend);
        }
        let by_resource = first.iter().any(|scope| scope.contains(PLACEHOLDER));
        let is_no_record =
            |resource: &RawResource| matches!(resource, RawResource::Fixed(name) if name.starts_with('$'));
        if by_resource && operation.resources.iter().all(is_no_record) {
            let problem = format!("`{PLACEHOLDER}` stands for nothing here, so no consent asks for the scope");
            return self.find(&at, key, problem, "write the scope out, or name the resource that it touches");
        }
        let is_less = |later: &&Vec<String>| later.iter().all(|scope| first.contains(scope));
        if let Some(less) = operation.scopes.iter().skip(1).find(is_less) {
            let problem = format!("a consent asks for {first:?}, and {less:?} is enough");
            self.find(&at, key, problem, "write the narrowest alternative first, and none twice");
        }
    }
}

/// Returns every scope that something needs, with places for a resource's name.
fn needed(raw: &RawService) -> BTreeSet<&str> {
    let operations = raw.operations.iter().map(Spanned::get_ref).flat_map(|operation| &operation.scopes);
    let tenant = &raw.tenant.get_ref().scopes;
    let user = raw.user.iter().flat_map(|user| &user.get_ref().scopes);
    operations.chain(tenant).chain(user).flatten().map(String::as_str).collect()
}

/// Returns whether a scope is a needed one, with some resource's name in it. Scopes compare without case.
fn covers(needed: &str, scope: &str) -> bool {
    let (needed, scope) = (needed.to_lowercase(), scope.to_lowercase());
    match needed.split_once(PLACEHOLDER) {
        Some((before, after)) => {
            scope.len() > before.len() + after.len() && scope.starts_with(before) && scope.ends_with(after)
        }
        None => needed == scope,
    }
}

/// Returns whether a needed scope may begin with a text.
fn begins(needed: &str, prefix: &str) -> bool {
    let (needed, prefix) = (needed.to_lowercase(), prefix.to_lowercase());
    let fixed = needed.split(PLACEHOLDER).next().unwrap_or_default();
    needed.starts_with(&prefix) || (fixed.len() < needed.len() && prefix.starts_with(fixed))
}

/// Returns whether a text is two scopes one after the other: two addresses, or two that are known.
fn is_two(scope: &str, known: &BTreeSet<String>) -> bool {
    let second_address = scope.match_indices("https://").any(|(at, _)| at > 0);
    // Words alone (`read`, `write`) may well make a third one; names of several parts do not.
    let is_name = |part: &str| part.contains(['.', ':', '/']) && known.contains(part);
    second_address || scope.char_indices().any(|(at, _)| is_name(&scope[..at]) && is_name(&scope[at..]))
}
