//! A request on its way to a plugin.

use wardlock_core::plugin::{Attribute, Effect, FieldUse, Payload, PluginRequest};

use crate::bindings::wardlock::policy::types as wit;

/// A request as one plugin sees it: the lists that the contract's borrowed types point into.
pub(crate) struct Shown<'a> {
    request: &'a PluginRequest,
    body: BodyView,
    resources: Vec<&'a str>,
    fields: Option<Vec<wit::Field<'a>>>,
    operation_attributes: Vec<wit::AttributeParam<'a>>,
    query: Vec<wit::ParameterParam<'a>>,
    headers: Vec<wit::HeaderParam<'a>>,
    attributes: Vec<wit::AttributeParam<'a>>,
}

/// How much of a body a plugin sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyView {
    /// Its bytes: the capability `body`.
    Content,
    /// Length, type and digest.
    Summary,
}

impl<'a> Shown<'a> {
    /// Shows a request.
    pub(crate) fn new(request: &'a PluginRequest, body: BodyView) -> Self {
        let operation = &request.operation;
        Self {
            request,
            body,
            resources: operation.resources.iter().map(String::as_str).collect(),
            fields: operation.fields.as_ref().map(|fields| {
                fields
                    .iter()
                    .map(|field| wit::Field { of: &field.of, name: &field.name, how: field_use(field.how) })
                    .collect()
            }),
            operation_attributes: attributes(&operation.attributes),
            query: request
                .query
                .iter()
                .map(|parameter| wit::ParameterParam { name: &parameter.name, value: &parameter.value })
                .collect(),
            headers: request
                .headers
                .iter()
                .map(|header| wit::HeaderParam { name: &header.name, value: &header.value })
                .collect(),
            attributes: attributes(&request.attributes),
        }
    }

    /// Returns the request in the contract's types.
    pub(crate) fn request(&self) -> wit::Request<'_> {
        let request = self.request;
        wit::Request {
            id: &request.id,
            now_ms: request.now_ms,
            caller: wit::Caller {
                workspace: &request.caller.workspace,
                connection: &request.caller.connection,
                agent: &request.caller.agent,
                region: &request.caller.region,
                tenant: request.caller.tenant.as_deref(),
            },
            operation: wit::Operation {
                service: &request.operation.service,
                name: &request.operation.name,
                effect: effect(request.operation.effect),
                resources: &self.resources,
                fields: self.fields.as_deref(),
                breadth: request.operation.breadth,
                attributes: &self.operation_attributes,
            },
            method: request.method,
            path: &request.path,
            query: &self.query,
            headers: &self.headers,
            body: request.body.as_ref().map(|body| self.payload(body)),
            purpose: request.purpose.as_deref(),
            dry_run: request.dry_run,
            approved_by: request.approved_by.as_deref(),
            attributes: &self.attributes,
        }
    }

    fn payload<'b>(&self, body: &'b Payload) -> wit::Payload<'b> {
        wit::Payload {
            length: body.length,
            content_type: body.content_type.as_deref(),
            sha256: body.sha256.as_bytes(),
            content: match self.body {
                BodyView::Content => Some(&body.content),
                BodyView::Summary => None,
            },
        }
    }
}

fn attributes(attributes: &[Attribute]) -> Vec<wit::AttributeParam<'_>> {
    attributes
        .iter()
        .map(|attribute| wit::AttributeParam { name: &attribute.name, value: &attribute.value })
        .collect()
}

fn effect(effect: Effect) -> wit::Effect {
    match effect {
        Effect::Read => wit::Effect::Read,
        Effect::Write => wit::Effect::Write,
        Effect::Destructive => wit::Effect::Destructive,
    }
}

fn field_use(how: FieldUse) -> wit::FieldUse {
    match how {
        FieldUse::Read => wit::FieldUse::Read,
        FieldUse::Filter => wit::FieldUse::Filter,
        FieldUse::Write => wit::FieldUse::Write,
    }
}
