//! What plugins saw, as it stands in a record: requests, and answers.

use serde::{Deserialize, Serialize};
use wardlock_core::answer::Outcome;
use wardlock_core::canonical::{Header, Method, Parameter};
use wardlock_core::plugin::{
    Attribute, Caller, Effect, Field, FieldUse, OperationView, Payload, PluginRequest, PluginResponse,
};

use crate::text::{decode_base64, encode_base64};

use super::digest;
use crate::recorder::record::{Damaged, Input};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InputV1 {
    id: String,
    now_ms: u64,
    caller: CallerV1,
    operation: OperationV1,
    method: String,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Option<BodyV1>,
    has_content: bool,
    purpose: Option<String>,
    dry_run: bool,
    approved_by: Option<String>,
    attributes: Vec<(String, String)>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerV2 {
    id: String,
    now_ms: u64,
    caller: CallerV1,
    operation: OperationV1,
    method: String,
    path: String,
    status: u16,
    outcome: String,
    provider_code: Option<String>,
    headers: Vec<(String, String)>,
    body: Option<BodyV1>,
    has_content: bool,
    redactions: u32,
    purpose: Option<String>,
    attributes: Vec<(String, String)>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CallerV1 {
    workspace: String,
    connection: String,
    agent: String,
    region: String,
    tenant: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OperationV1 {
    service: String,
    name: String,
    effect: EffectV1,
    resources: Vec<String>,
    fields: Option<Vec<(String, String, UseV1)>>,
    breadth: Option<u32>,
    attributes: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum EffectV1 {
    Read,
    Write,
    Destructive,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum UseV1 {
    Read,
    Filter,
    Write,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BodyV1 {
    length: u64,
    content_type: Option<String>,
    sha256: String,
    content: String,
}

impl InputV1 {
    pub(super) fn of(request: &PluginRequest, has_content: bool) -> Self {
        Self {
            id: request.id.clone(),
            now_ms: request.now_ms,
            caller: CallerV1::of(&request.caller),
            operation: OperationV1::of(&request.operation),
            method: request.method.to_owned(),
            path: request.path.clone(),
            query: request.query.iter().map(|one| (one.name.clone(), one.value.clone())).collect(),
            headers: headers(&request.headers),
            body: request.body.as_ref().map(BodyV1::of),
            has_content,
            purpose: request.purpose.clone(),
            dry_run: request.dry_run,
            approved_by: request.approved_by.clone(),
            attributes: pairs(&request.attributes),
        }
    }

    pub(super) fn input(self) -> Result<Input, Damaged> {
        let request = PluginRequest {
            id: self.id,
            now_ms: self.now_ms,
            caller: self.caller.caller(),
            operation: self.operation.view(),
            method: method(&self.method)?,
            path: self.path,
            query: self.query.into_iter().map(|(name, value)| Parameter { name, value }).collect(),
            headers: read_headers(self.headers)?,
            body: self.body.map(BodyV1::payload).transpose()?,
            purpose: self.purpose,
            dry_run: self.dry_run,
            approved_by: self.approved_by,
            attributes: attributes(self.attributes),
        };
        Ok(Input::of(&request, self.has_content))
    }
}

impl AnswerV2 {
    pub(super) fn of(response: &PluginResponse, has_content: bool) -> Self {
        Self {
            id: response.id.clone(),
            now_ms: response.now_ms,
            caller: CallerV1::of(&response.caller),
            operation: OperationV1::of(&response.operation),
            method: response.method.to_owned(),
            path: response.path.clone(),
            status: response.status,
            outcome: response.outcome.as_str().to_owned(),
            provider_code: response.provider_code.clone(),
            headers: headers(&response.headers),
            body: response.body.as_ref().map(BodyV1::of),
            has_content,
            redactions: response.redactions,
            purpose: response.purpose.clone(),
            attributes: pairs(&response.attributes),
        }
    }

    pub(super) fn input(self) -> Result<Input, Damaged> {
        let outcome = Outcome::ALL.into_iter().find(|known| known.as_str() == self.outcome);
        let response = PluginResponse {
            id: self.id,
            now_ms: self.now_ms,
            caller: self.caller.caller(),
            operation: self.operation.view(),
            method: method(&self.method)?,
            path: self.path,
            status: self.status,
            outcome: outcome.ok_or_else(|| Damaged("its outcome is none".to_owned()))?,
            provider_code: self.provider_code,
            headers: read_headers(self.headers)?,
            body: self.body.map(BodyV1::payload).transpose()?,
            redactions: self.redactions,
            purpose: self.purpose,
            attributes: attributes(self.attributes),
        };
        Ok(Input::of_answer(response, self.has_content))
    }
}

impl CallerV1 {
    fn of(caller: &Caller) -> Self {
        let Caller { workspace, connection, agent, region, tenant } = caller.clone();
        Self { workspace, connection, agent, region, tenant }
    }

    fn caller(self) -> Caller {
        let Self { workspace, connection, agent, region, tenant } = self;
        Caller { workspace, connection, agent, region, tenant }
    }
}

impl BodyV1 {
    fn of(body: &Payload) -> Self {
        Self {
            length: body.length,
            content_type: body.content_type.clone(),
            sha256: body.sha256.to_string(),
            content: encode_base64(&body.content),
        }
    }

    fn payload(self) -> Result<Payload, Damaged> {
        let (sha256, content) = (digest(&self.sha256)?, bytes(&self.content)?);
        Ok(Payload { length: self.length, content_type: self.content_type, sha256, content })
    }
}

impl OperationV1 {
    fn of(view: &OperationView) -> Self {
        let field = |Field { of, name, how }: &Field| {
            let how = match how {
                FieldUse::Read => UseV1::Read,
                FieldUse::Filter => UseV1::Filter,
                FieldUse::Write => UseV1::Write,
            };
            (of.clone(), name.clone(), how)
        };
        Self {
            service: view.service.clone(),
            name: view.name.clone(),
            effect: match view.effect {
                Effect::Read => EffectV1::Read,
                Effect::Write => EffectV1::Write,
                Effect::Destructive => EffectV1::Destructive,
            },
            resources: view.resources.clone(),
            fields: view.fields.as_ref().map(|fields| fields.iter().map(field).collect()),
            breadth: view.breadth,
            attributes: pairs(&view.attributes),
        }
    }

    fn view(self) -> OperationView {
        let field = |(of, name, how)| {
            let how = match how {
                UseV1::Read => FieldUse::Read,
                UseV1::Filter => FieldUse::Filter,
                UseV1::Write => FieldUse::Write,
            };
            Field { of, name, how }
        };
        OperationView {
            service: self.service,
            name: self.name,
            effect: match self.effect {
                EffectV1::Read => Effect::Read,
                EffectV1::Write => Effect::Write,
                EffectV1::Destructive => Effect::Destructive,
            },
            resources: self.resources,
            fields: self.fields.map(|fields| fields.into_iter().map(field).collect()),
            breadth: self.breadth,
            attributes: attributes(self.attributes),
        }
    }
}

fn method(text: &str) -> Result<&'static str, Damaged> {
    let method = Method::parse(text).ok_or_else(|| Damaged("its method is none".to_owned()))?;
    Ok(method.as_str())
}

fn headers(headers: &[Header]) -> Vec<(String, String)> {
    headers.iter().map(|header| (header.name.clone(), encode_base64(&header.value))).collect()
}

fn read_headers(headers: Vec<(String, String)>) -> Result<Vec<Header>, Damaged> {
    headers.into_iter().map(|(name, value)| Ok(Header { name, value: bytes(&value)? })).collect()
}

fn pairs(attributes: &[Attribute]) -> Vec<(String, String)> {
    attributes.iter().map(|one| (one.name.clone(), one.value.clone())).collect()
}

fn attributes(pairs: Vec<(String, String)>) -> Vec<Attribute> {
    pairs.into_iter().map(|(name, value)| Attribute { name, value }).collect()
}

fn bytes(text: &str) -> Result<Vec<u8>, Damaged> {
    decode_base64(text).ok_or_else(|| Damaged("bytes in it are not base64".to_owned()))
}
