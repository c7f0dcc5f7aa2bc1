//! A case's request, as the plugin gets it.

use wardlock_core::canonical::{Header, Method, Parameter};
use wardlock_core::id::Digest;
use wardlock_core::plugin::{Caller, Effect, Field, FieldUse, OperationView, Payload, PluginRequest};

use crate::config::{Document, TextError};
use crate::text::millis;

use super::format::{CallerFile, EffectWord, OperationFile, RequestFile, UseWord};

/// Monday, 2026-01-05T12:00:00Z: what a case that says nothing runs at.
pub const DEFAULT_NOW_MS: u64 = 1_767_614_400_000;

/// Makes the request of a case; what cannot be one is told with its place.
pub(super) fn request(document: &Document<'_>, of: RequestFile) -> Result<PluginRequest, TextError> {
    let now_ms = match of.now {
        Some(now) => {
            millis(&now.to_string()).map_err(|problem| document.error_at(&["request", "now"], problem))?
        }
        None => DEFAULT_NOW_MS,
    };
    let method = Method::parse(&of.method);
    let method = method.ok_or_else(|| {
        let problem = format!("`{}` is no method that Wardlock forwards", of.method.escape_debug());
        document
            .error_at(&["request", "method"], problem)
            .hint("write GET, HEAD, POST, PUT, PATCH or DELETE, in capitals")
    })?;
    Ok(made(of, method, now_ms))
}

/// Makes the request of a case that says nothing.
pub(super) fn usual() -> PluginRequest {
    made(RequestFile::default(), Method::Get, DEFAULT_NOW_MS)
}

fn made(of: RequestFile, method: Method, now_ms: u64) -> PluginRequest {
    let content_type = of.content_type;
    let payload = |body: String| Payload {
        length: body.len() as u64,
        content_type,
        sha256: Digest::of(body.as_bytes()),
        content: body.into_bytes(),
    };
    PluginRequest {
        id: of.id,
        now_ms,
        caller: caller(of.caller),
        operation: operation(of.operation),
        method: method.as_str(),
        path: of.path,
        query: of.query.into_iter().map(|(name, value)| Parameter { name, value }).collect(),
        headers: of.headers.into_iter().map(|(name, value)| Header { name, value: value.into_bytes() }).collect(),
        body: of.body.map(payload),
        purpose: of.purpose,
        dry_run: of.dry_run,
        approved_by: of.approved_by,
        attributes: Vec::new(),
    }
}

fn caller(of: CallerFile) -> Caller {
    let CallerFile { workspace, connection, agent, region, tenant } = of;
    Caller { workspace, connection, agent, region, tenant }
}

fn operation(of: OperationFile) -> OperationView {
    let field = |(of, name, how)| {
        let how = match how {
            UseWord::Read => FieldUse::Read,
            UseWord::Filter => FieldUse::Filter,
            UseWord::Write => FieldUse::Write,
        };
        Field { of, name, how }
    };
    OperationView {
        service: of.service,
        name: of.name,
        effect: match of.effect {
            EffectWord::Read => Effect::Read,
            EffectWord::Write => Effect::Write,
            EffectWord::Destructive => Effect::Destructive,
        },
        resources: of.resources,
        fields: of.fields.map(|fields| fields.into_iter().map(field).collect()),
        breadth: of.breadth,
        attributes: Vec::new(),
    }
}
