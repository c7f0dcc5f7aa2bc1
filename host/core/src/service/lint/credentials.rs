//! How credentials are got and sent.

use std::ops::Range;

use toml::Spanned;

use super::Lint;
use super::scopes::OFFLINE;
use crate::service::raw::{RawCredential, RawGrantType, RawOAuth, RawService};

impl Lint<'_> {
    pub(super) fn refresh_tokens(&mut self, oauth: &RawOAuth, at: &Range<usize>) {
        let param = |name: &str| oauth.authorize_params.get(name).map(String::as_str);
        let by_scope = oauth.scopes.iter().any(|scope| OFFLINE.contains(&scope.as_str()));
        let key = "oauth.authorize_params";
        let consents = oauth.grants.contains(&RawGrantType::AuthorizationCode);
        let renews_itself = oauth.refresh.credential == RawCredential::AccessToken;
        match (param("access_type"), param("prompt")) {
            _ if renews_itself || !consents => {}
            (Some("offline"), None) => self.find(
                at,
                key,
                "connecting a second time may bring no refresh token",
                "add `prompt = \"consent\"` beside `access_type = \"offline\"`",
            ),
            (Some("online"), _) => self.find(at, key, "`access_type = \"online\"` brings no refresh token", "write \"offline\""),
            (None, Some(_)) if !by_scope => self.find(
                at,
                key,
                "`prompt` alone brings no refresh token",
                "add `access_type = \"offline\"`, or a scope such as `offline_access` in `oauth.scopes`",
            ),
            (None, None) if !by_scope => self.find(
                at,
                key,
                "nothing asks for a refresh token, without which every login ends within hours",
                "Google and Zoho want `access_type = \"offline\"` and `prompt = \"consent\"` here, others a scope such as \
                 `offline_access` in `oauth.scopes`",
            ),
            _ => {}
        }
        if consents && oauth.pkce == Some(false) {
            let mend = "set it to true, unless the provider refuses `code_challenge` (RFC 9700 section 2.1.1)";
            self.find(at, "oauth.pkce", "a code that is caught on its way back can be used by others", mend);
        }
        if oauth.revoke.is_empty() {
            let mend = "add `[[oauth.revoke]]` with the provider's path (RFC 7009)";
            self.find(at, "oauth.revoke", "a grant that is given up stays alive at the provider", mend);
        }
    }

    pub(super) fn errors(&mut self, raw: &RawService, oauth: &Spanned<RawOAuth>) {
        let at = oauth.span();
        if oauth.get_ref().reconnect_errors.is_empty() {
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
                &self.table_at("[answer]"),
                "answer.stale_token_codes",
                "a token that ends early is not renewed before its time",
                mend,
            );
        }
    }

    pub(super) fn injection(&mut self, raw: &RawService) {
        let inject = raw.inject.get_ref();
        let ends_in_letter = inject.prefix.ends_with(|c: char| c.is_ascii_alphanumeric());
        if let Some(query) = &inject.query {
            let problem = format!("a credential in the query (`{query}`) stands in the provider's logs");
            let mend = "take a header, if the provider knows one (RFC 6750 section 2.3)";
            self.find(&raw.inject.span(), "inject.query", problem, mend);
        }
        if inject.header.as_deref() == Some("authorization") && (ends_in_letter || inject.prefix.is_empty()) {
            let problem =
                format!("`authorization: {}TOKEN` names no scheme (RFC 9110 section 11.4)", inject.prefix);
            let mend = "end the prefix with a space, as in `prefix = \"Bearer \"`";
            self.find(&raw.inject.span(), "inject.prefix", problem, mend);
        }
    }

    /// What stands in a query is written down by every server on the way.
    pub(super) fn extra_secrets(&mut self, raw: &RawService) {
        for extra in &raw.inject.get_ref().extra {
            if let (Some(query), Some(secret)) = (&extra.get_ref().query, &extra.get_ref().secret) {
                let problem = format!("secret `{secret}` in the query (`{query}`) stands in the provider's logs");
                let mend = "take a header, if the provider knows one";
                self.find(&extra.span(), "inject.extra.query", problem, mend);
            }
        }
    }
}
