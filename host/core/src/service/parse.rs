//! Turns the TOML text of a service definition into its types, or says what is wrong, where, and what is meant.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeTable;

use super::check::check;
use super::grants;
use super::lint::lint;
use super::operation::operation;
use super::raw::{
    RawAnswer, RawGuide, RawPartialErrors, RawPin, RawProof, RawRegion, RawRequest, RawService, RawTenant,
    RawTenantOf, RawUser,
};
use super::text::{Source, visible};
use super::{
    AnswerRules, Guide, OAuth, Param, PartialErrors, PathRules, Pin, ProofStep, RefusalShape, RegionRow,
    RegistrationSecret, RequestRules, ServiceDefinition, TenantLookup, TenantOf, UserLookup,
};
use crate::answer::LookedAt;
use crate::id::{Digest, Region, ServiceName};
use crate::plugin::Effect;

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
        self.hint = Some(visible(hint.into()));
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
    let raw_version = raw.version.clone();
    let version = raw_version.as_str();
    let places: Vec<_> = raw.operations.iter().map(Spanned::span).collect();
    let operations = raw.operations.into_iter();
    let operations =
        operations.map(|raw| operation(source, raw, &paths, version)).collect::<Result<Vec<_>, _>>()?;
    let members = |names: Vec<Spanned<String>>| names.into_iter().map(Spanned::into_inner).collect();
    let tenant = tenant(raw.tenant.into_inner(), &raw.version);
    let user = raw.user.map(Spanned::into_inner).map(|user| self::user(user, &raw.version));
    let secrets = raw.secrets.into_iter().map(|(name, secret)| {
        let secret = secret.into_inner();
        (name, RegistrationSecret { help: secret.help, optional: secret.optional })
    });
    let params = raw.params.into_iter().map(|(name, param)| {
        let param = param.into_inner();
        (name, Param { help: param.help, optional: param.optional, digits: param.digits })
    });
    let steps = raw.proof;
    let service = ServiceDefinition {
        name,
        display: raw.display,
        version: raw.version.clone(),
        provider: raw.provider,
        digest: Digest::of(source.text.as_bytes()),
        regions: regions(source, raw.regions)?,
        oauth: raw.oauth.map_or_else(OAuth::of_key, |raw| grants::oauth(raw.into_inner(), &raw_version)),
        inject: grants::inject(raw.inject.into_inner()),
        key: raw.key.map(|key| key.into_inner().ask),
        secrets: secrets.collect(),
        params: params.collect(),
        request: request(raw.request.into_inner()),
        answer: answer(raw.answer),
        refusal: raw
            .refusal
            .map(Spanned::into_inner)
            .map(|refusal| RefusalShape { content_type: refusal.content_type, template: refusal.template }),
        tenant,
        user,
        concurrent_calls: raw.limits.concurrent_calls,
        lookups: raw.lookups,
        related: raw.related,
        shown: raw.shown,
        paths,
        scope_names: raw.scope_names.known,
        scope_name_of_others: raw.scope_names.others,
        groups: raw.groups.into_iter().map(|(group, names)| (group, members(names))).collect(),
        operations,
        proof: steps.iter().map(|step| proof_step(step.get_ref(), version)).collect(),
        guide: guide(raw.guide),
    };
    for (step, raw) in service.proof.iter().zip(&steps) {
        check_proof(&service, step).map_err(|problem| source.at(raw.span(), "proof", problem))?;
    }
    check_reads(source, &service, places)?;
    Ok(service)
}

/// Checks that what shows the records of each operation is a read of the service's own; `places` are the operations'.
fn check_reads(
    source: &Source<'_>,
    service: &ServiceDefinition,
    places: Vec<Range<usize>>,
) -> Result<(), DefinitionError> {
    for (operation, place) in service.operations.iter().zip(places) {
        if let Some(current) = &operation.current {
            let key = || format!("operations.{}.current", operation.name);
            service.check_current(current).map_err(|problem| source.at(place, key(), problem))?;
        }
    }
    Ok(())
}

fn proof_step(raw: &RawProof, version: &str) -> ProofStep {
    let (method, target) = raw.request.split_once(' ').unwrap_or(("", &raw.request));
    ProofStep {
        what: raw.what.clone(),
        method: method.to_owned(),
        target: with_version(target, version),
        body: raw.body.clone(),
        tenant_pointer: raw.tenant_pointer.clone(),
        each: raw.each.clone(),
    }
}

/// Checks that a step of a proof is a read that the service knows.
fn check_proof(service: &ServiceDefinition, step: &ProofStep) -> Result<(), String> {
    let resource = step.each.iter().flatten().next().map_or("", String::as_str);
    if step.each.as_ref().is_some_and(BTreeSet::is_empty) {
        return Err("`each` names no resource, and one is wanted for connections that allow all".to_owned());
    }
    if step.tenant_pointer.as_ref().is_some_and(|pointer| !pointer.starts_with('/')) {
        return Err("`tenant_pointer` is not a JSON pointer; one begins with `/`".to_owned());
    }
    // Digits, which every form of a tenant's id takes.
    let made = step.request("1", resource).map_err(|error| format!("`{}`: {error}", step.target))?;
    match service.route(made.request.method(), made.request.segments()) {
        None => Err(format!("no operation is `{} {}`", step.method, step.target)),
        Some((at, _)) if service.operations[at].effect != Effect::Read => {
            Err(format!("`{}` is no read, and a proof only reads", service.operations[at].name))
        }
        Some((at, _)) if service.operations[at].refused.is_some() => {
            Err(format!("`{}` is always refused", service.operations[at].name))
        }
        Some(_) => Ok(()),
    }
}

fn request(raw: RawRequest) -> RequestRules {
    RequestRules {
        headers: raw.headers,
        query: raw.query,
        audit_safe_query: raw.audit_safe_query,
        json_types: raw.json_types,
        token_query: raw.token_query,
        answer_headers: raw.answer_headers,
        strip_query: raw.strip_query,
        deny_body: raw.deny_body,
    }
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

fn answer(raw: RawAnswer) -> AnswerRules {
    let rules = AnswerRules {
        empty_statuses: raw.empty_statuses,
        code_field: raw.code_field,
        status_field: raw.status_field,
        success_values: raw.success_values,
        error_values: raw.error_values,
        error_pointers: raw.error_pointers,
        partial_pointers: raw.partial_pointers,
        partial_results: raw.partial_results,
        partial_errors: raw.partial_errors.map(|RawPartialErrors { list, place, code }| PartialErrors {
            list,
            place,
            code,
        }),
        retry_after_pointers: raw.retry_after_pointers,
        links: raw.links,
        scheduled_values: raw.scheduled_values,
        stale_token_codes: raw.stale_token_codes,
        scope_codes: raw.scope_codes,
        throttle_codes: raw.throttle_codes,
        throttle_statuses: raw.throttle_statuses,
        flowing_types: raw.flowing_types.iter().map(|media_type| media_type.to_ascii_lowercase()).collect(),
        help: raw.help,
        looked_at: LookedAt::default(),
    };
    AnswerRules { looked_at: LookedAt::by(&rules), ..rules }
}

fn tenant(raw: RawTenant, version: &str) -> TenantLookup {
    TenantLookup {
        of: match raw.of {
            RawTenantOf::Grant => TenantOf::Grant,
            RawTenantOf::Connection => TenantOf::Connection,
        },
        pins: raw.pins.into_iter().map(|pin| self::pin(pin.into_inner())).collect(),
        host: raw.host,
        path: with_version(&raw.path, version),
        id_pointer: raw.id_pointer,
        label_pointer: raw.label_pointer,
        environment_pointer: raw.environment_pointer,
        environments: raw.environments,
        scopes: raw.scopes,
    }
}

fn pin(raw: RawPin) -> Pin {
    match raw {
        RawPin::Path(name) => Pin::Path(name),
        RawPin::Query(name) => Pin::Query(name),
        RawPin::Header(name) => Pin::Header(name),
        RawPin::Body(pointer) => Pin::Body(pointer),
        RawPin::Text(text) => Pin::Text(text),
        RawPin::Gaql(gaql) => Pin::Gaql { member: gaql.member, fields: gaql.fields },
    }
}

/// Puts the version where a path says `{version}`.
pub(super) fn with_version(path: &str, version: &str) -> String {
    path.replace("{version}", version)
}

fn user(raw: RawUser, version: &str) -> UserLookup {
    let path = with_version(&raw.path, version);
    let target = match raw.query {
        Some(query) => format!("{path}?{query}"),
        None => path,
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
        scopes: raw.scopes.into_iter().map(|(scope, shown)| (scope, shown.into_inner())).collect(),
    }
}
