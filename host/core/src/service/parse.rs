//! Turns the TOML text of a service definition into its types, or says what is wrong, where, and what is meant.

use std::collections::BTreeMap;
use std::fmt;

use toml::Spanned;
use toml::de::DeTable;

use super::check::check;
use super::lint::lint;
use super::operation::operation;
use super::raw::{RawAnswer, RawGuide, RawOAuth, RawRegion, RawRevoke, RawService, RawTenant, RawUser};
use super::text::Source;
use super::{
    AnswerRules, Budget, ClientAuth, Guide, Inject, OAuth, PathRules, RefusalShape, RegionRow, RequestRules,
    RevokeForm, ServiceDefinition, TenantLookup, UserLookup,
};
use crate::id::{Digest, Region, ServiceName};

/// What is wrong with a service definition, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct DefinitionError {
    /// The file's name as given.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// The key, dotted; empty where none is meant.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What is meant, or how to mend it.
    pub hint: Option<String>,
}

impl DefinitionError {
    /// Adds what is meant.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for DefinitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.key.is_empty() {
            write!(f, "`{}`: ", self.key)?;
        }
        f.write_str(&self.problem)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// Parses a service definition. `file` is only for messages.
pub fn parse(text: &str, file: &str) -> Result<ServiceDefinition, DefinitionError> {
    let source = Source { text, file };
    service(&source, checked(&source)?)
}

/// Parses a service definition, and finds what may be said and is seldom meant, by line.
pub fn parse_and_lint(
    text: &str,
    file: &str,
) -> Result<(ServiceDefinition, Vec<DefinitionError>), DefinitionError> {
    let source = Source { text, file };
    let raw = checked(&source)?;
    let findings = lint(&source, &raw);
    Ok((service(&source, raw)?, findings))
}

fn checked(source: &Source<'_>) -> Result<RawService, DefinitionError> {
    let Source { text, .. } = *source;
    source.check_visible()?;
    let document = DeTable::parse(text).map_err(|error| source.toml_error(&error, None))?;
    source.check_strings(document.get_ref())?;
    let raw: RawService =
        toml::from_str(text).map_err(|error| source.toml_error(&error, Some(document.get_ref())))?;
    check(source, &raw)?;
    Ok(raw)
}

fn service(source: &Source<'_>, raw: RawService) -> Result<ServiceDefinition, DefinitionError> {
    let name = ServiceName::parse(raw.name.get_ref())
        .map_err(|error| source.at(raw.name.span(), "name", error.to_string()))?;
    let paths = PathRules { names: raw.paths.names, reserved: raw.paths.reserved };
    let operations =
        raw.operations.into_iter().map(|raw| operation(source, raw, &paths)).collect::<Result<Vec<_>, _>>()?;
    let members = |names: Vec<Spanned<String>>| names.into_iter().map(Spanned::into_inner).collect();
    let request = raw.request.into_inner();
    let inject = raw.inject.into_inner();
    Ok(ServiceDefinition {
        name,
        display: raw.display,
        version: raw.version,
        digest: Digest::of(source.text.as_bytes()),
        regions: regions(source, raw.regions)?,
        oauth: oauth(raw.oauth.into_inner()),
        inject: Inject { header: inject.header, prefix: inject.prefix },
        request: RequestRules {
            headers: request.headers,
            query: request.query,
            audit_safe_query: request.audit_safe_query,
            token_query: request.token_query,
            answer_headers: request.answer_headers,
        },
        answer: answer(raw.answer),
        refusal: raw
            .refusal
            .map(Spanned::into_inner)
            .map(|refusal| RefusalShape { content_type: refusal.content_type, template: refusal.template }),
        tenant: tenant(raw.tenant.into_inner()),
        user: raw.user.map(Spanned::into_inner).map(user),
        concurrent_calls: raw.limits.concurrent_calls,
        lookups: raw.lookups,
        related: raw.related,
        paths,
        scope_names: raw.scope_names.known,
        scope_name_of_others: raw.scope_names.others,
        groups: raw.groups.into_iter().map(|(group, names)| (group, members(names))).collect(),
        operations,
        guide: guide(raw.guide),
    })
}

fn regions(
    source: &Source<'_>,
    raw: BTreeMap<Spanned<String>, Spanned<RawRegion>>,
) -> Result<BTreeMap<Region, RegionRow>, DefinitionError> {
    let mut regions = BTreeMap::new();
    for (name, row) in raw {
        let region = Region::parse(name.get_ref())
            .map_err(|error| source.at(name.span(), format!("regions.{}", name.get_ref()), error.to_string()))?;
        let row = row.into_inner();
        regions.insert(
            region,
            RegionRow {
                accounts: row.accounts,
                token: row.token,
                console: row.console,
                hosts: row.hosts,
                federated: row.federated,
                issuer: row.issuer,
                evidence: row.evidence,
            },
        );
    }
    Ok(regions)
}

fn oauth(raw: RawOAuth) -> OAuth {
    OAuth {
        authorize_path: raw.authorize_path,
        token_path: raw.token_path,
        client_auth: raw.client_auth.into(),
        token_params: raw.token_params,
        revoke: raw.revoke.into_iter().map(revoke).collect(),
        authorize_params: raw.authorize_params,
        scopes: raw.scopes,
        scope_separator: raw.scope_separator,
        scope_separators_in_answer: raw.scope_separators_in_answer,
        pkce: raw.pkce,
        callback_region_param: raw.callback_region_param,
        callback_accounts_param: raw.callback_accounts_param,
        token_api_host_field: raw.token_api_host_field,
        default_lifetime_seconds: raw.default_lifetime_seconds,
        max_lifetime_seconds: raw.max_lifetime_seconds,
        budget: Budget { calls: raw.budget.calls, window_seconds: raw.budget.window_seconds },
        reconnect_errors: raw.reconnect_errors,
        misconfigured_errors: raw.misconfigured_errors,
        transient_errors: raw.transient_errors,
        throttle_marker: raw.throttle_marker.map(|pair| (pair.name, pair.value)),
        throttle_seconds: raw.throttle_seconds,
        max_live_grants: raw.max_live_grants,
        revoking_spares_other_grants: raw.revoking_spares_other_grants,
    }
}

fn revoke(raw: RawRevoke) -> RevokeForm {
    RevokeForm {
        path: raw.path,
        token_in_query: raw.token_in_query,
        client_auth: raw.client_auth.map(ClientAuth::from),
        hint: raw.hint.map(|pair| (pair.name, pair.value)),
        gone_status: raw.gone_status,
    }
}

fn answer(raw: RawAnswer) -> AnswerRules {
    AnswerRules {
        empty_statuses: raw.empty_statuses,
        code_field: raw.code_field,
        status_field: raw.status_field,
        success_values: raw.success_values,
        error_values: raw.error_values,
        scheduled_values: raw.scheduled_values,
        stale_token_codes: raw.stale_token_codes,
        scope_codes: raw.scope_codes,
        throttle_codes: raw.throttle_codes,
        throttle_statuses: raw.throttle_statuses,
        flowing_types: raw.flowing_types.iter().map(|media_type| media_type.to_ascii_lowercase()).collect(),
        help: raw.help,
    }
}

fn tenant(raw: RawTenant) -> TenantLookup {
    TenantLookup {
        host: raw.host,
        path: raw.path,
        id_pointer: raw.id_pointer,
        label_pointer: raw.label_pointer,
        environment_pointer: raw.environment_pointer,
        environments: raw.environments,
        scopes: raw.scopes,
    }
}

fn user(raw: RawUser) -> UserLookup {
    let target = match raw.query {
        Some(query) => format!("{}?{query}", raw.path),
        None => raw.path,
    };
    UserLookup { host: raw.host, target, id_pointer: raw.id_pointer, scopes: raw.scopes }
}

fn guide(raw: RawGuide) -> Guide {
    Guide {
        client_type: raw.client_type,
        client_name_rule: raw.client_name_rule,
        client_name: raw.client_name,
        homepage: raw.homepage,
        notes: raw.notes,
        page_errors: raw.page_errors,
        callback_errors: raw.callback_errors,
    }
}
