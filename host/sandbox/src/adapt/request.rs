//! A request on its way to a plugin.

use serde::{Deserialize, Serialize};
use wardlock_core::canonical::Header;
use wardlock_core::plugin::{Attribute, Caller, Effect, FieldUse, OperationView, Payload, PluginRequest};

use crate::bindings::wardlock::policy::types as wit;

/// A request as one plugin sees it: the lists that the contract's borrowed types point into.
pub(crate) struct Shown<'a> {
    request: &'a PluginRequest,
    body: BodyView,
    operation: OperationLists<'a>,
    query: Vec<wit::ParameterParam<'a>>,
    headers: Vec<wit::HeaderParam<'a>>,
    attributes: Vec<wit::AttributeParam<'a>>,
}

/// How much of a body a plugin sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum BodyView {
    /// Its bytes: the capability `body`, or `response-body` of an answer.
    Content,
    /// Length, type and digest.
    Summary,
}

impl<'a> Shown<'a> {
    /// Shows a request.
    pub(crate) fn new(request: &'a PluginRequest, body: BodyView) -> Self {
        Self {
            request,
            body,
            operation: OperationLists::new(&request.operation),
            query: request
                .query
                .iter()
                .map(|parameter| wit::ParameterParam { name: &parameter.name, value: &parameter.value })
                .collect(),
            headers: headers(&request.headers),
            attributes: attributes(&request.attributes),
        }
    }

    /// Returns the request in the contract's types.
    pub(crate) fn request(&self) -> wit::Request<'_> {
        let request = self.request;
        wit::Request {
            id: &request.id,
            now_ms: request.now_ms,
            caller: caller(&request.caller),
            operation: self.operation.view(&request.operation),
            method: request.method,
            path: &request.path,
            query: &self.query,
            headers: &self.headers,
            body: request.body.as_ref().map(|body| payload(body, self.body)),
            purpose: request.purpose.as_deref(),
            dry_run: request.dry_run,
            approved_by: request.approved_by.as_deref(),
            attributes: &self.attributes,
        }
    }
}

/// The lists of an operation.
pub(super) struct OperationLists<'a> {
    resources: Vec<&'a str>,
    fields: Option<Vec<wit::Field<'a>>>,
    attributes: Vec<wit::AttributeParam<'a>>,
}

impl<'a> OperationLists<'a> {
    pub(super) fn new(operation: &'a OperationView) -> Self {
        Self {
            resources: operation.resources.iter().map(String::as_str).collect(),
            fields: operation.fields.as_ref().map(|fields| {
                fields
                    .iter()
                    .map(|field| wit::Field { of: &field.of, name: &field.name, how: field_use(field.how) })
                    .collect()
            }),
            attributes: attributes(&operation.attributes),
        }
    }

    /// Returns the operation whose lists these are in the contract's types.
    pub(super) fn view<'b>(&'b self, operation: &'b OperationView) -> wit::Operation<'b> {
        wit::Operation {
            service: &operation.service,
            name: &operation.name,
            effect: effect(operation.effect),
            resources: &self.resources,
            fields: self.fields.as_deref(),
            breadth: operation.breadth,
            attributes: &self.attributes,
        }
    }
}

pub(super) fn caller(caller: &Caller) -> wit::Caller<'_> {
    wit::Caller {
        workspace: &caller.workspace,
        connection: &caller.connection,
        agent: &caller.agent,
        region: &caller.region,
        tenant: caller.tenant.as_deref(),
    }
}

pub(super) fn headers(headers: &[Header]) -> Vec<wit::HeaderParam<'_>> {
    headers.iter().map(|header| wit::HeaderParam { name: &header.name, value: &header.value }).collect()
}

pub(super) fn payload(body: &Payload, view: BodyView) -> wit::Payload<'_> {
    wit::Payload {
        length: body.length,
        content_type: body.content_type.as_deref(),
        sha256: body.sha256.as_bytes(),
        content: match view {
            BodyView::Content => Some(&body.content),
            BodyView::Summary => None,
        },
    }
}

pub(super) fn attributes(attributes: &[Attribute]) -> Vec<wit::AttributeParam<'_>> {
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
