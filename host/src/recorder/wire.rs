//! A record as it stands in its sealed bytes: version 1. Bytes are base64, digests are hexadecimal.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use wardlock_core::canonical::{Header, Method, Parameter};
use wardlock_core::id::Digest;
use wardlock_core::plugin::quota::{QuotaFault, Taken};
use wardlock_core::plugin::{
    Attribute, Caller, Effect, Field, FieldUse, OperationView, Payload, PluginFault, PluginRequest,
};

use crate::plugin::cases::{EditWords, Said};
use crate::text::{decode_base64, encode_base64};

use super::record::{AskedRecord, Damaged, Input, Record, RecordedTake, Word};

/// The version that is written.
const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordV1 {
    version: u32,
    request: String,
    at_ms: u64,
    workspace: String,
    connection: String,
    agent: String,
    decision: String,
    inputs: Vec<InputV1>,
    asked: Vec<AskedV1>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InputV1 {
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

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedV1 {
    plugin: String,
    component: String,
    settings: String,
    settings_sha256: String,
    capabilities: BTreeSet<String>,
    memory_bytes: u64,
    input: usize,
    takes: Vec<TakeV1>,
    word: WordV1,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TakeV1 {
    key: String,
    limit: u32,
    window_seconds: u32,
    taken: TakenV1,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum TakenV1 {
    Taken { granted: bool, remaining: u32, resets_ms: u64 },
    TooManyCounters,
    Misuse { what: String },
    Unavailable { what: String },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum WordV1 {
    Said {
        verdict: String,
        code: Option<String>,
        retry_after_seconds: Option<u32>,
        edits: Option<Vec<EditWords>>,
        message: Option<String>,
        sha256: String,
    },
    Fault {
        kind: String,
        sentence: String,
    },
}

impl RecordV1 {
    pub(super) fn of(record: &Record) -> Self {
        Self {
            version: VERSION,
            request: record.request_id.clone(),
            at_ms: record.at_ms,
            workspace: record.workspace.clone(),
            connection: record.connection.clone(),
            agent: record.agent.clone(),
            decision: record.decision.clone(),
            inputs: record.inputs.iter().map(InputV1::of).collect(),
            asked: record.asked.iter().map(AskedV1::of).collect(),
        }
    }

    pub(super) fn record(self) -> Result<Record, Damaged> {
        if self.version != VERSION {
            return Err(Damaged(format!("it is of version {}, and this Wardlock reads {VERSION}", self.version)));
        }
        let inputs = self.inputs.into_iter().map(InputV1::input).collect::<Result<Vec<_>, _>>()?;
        let asked = self.asked.into_iter().map(AskedV1::asked).collect::<Result<Vec<_>, _>>()?;
        if asked.iter().any(|asked| asked.input >= inputs.len()) {
            return Err(Damaged("a plugin saw an input that is not there".to_owned()));
        }
        Ok(Record {
            request_id: self.request,
            at_ms: self.at_ms,
            workspace: self.workspace,
            connection: self.connection,
            agent: self.agent,
            decision: self.decision,
            inputs,
            asked,
        })
    }
}

impl InputV1 {
    fn of(input: &Input) -> Self {
        let request = input.request();
        let Caller { workspace, connection, agent, region, tenant } = request.caller.clone();
        let header = |header: &Header| (header.name.clone(), encode_base64(&header.value));
        let body = |body: &Payload| BodyV1 {
            length: body.length,
            content_type: body.content_type.clone(),
            sha256: body.sha256.to_string(),
            content: encode_base64(&body.content),
        };
        Self {
            id: request.id.clone(),
            now_ms: request.now_ms,
            caller: CallerV1 { workspace, connection, agent, region, tenant },
            operation: OperationV1::of(&request.operation),
            method: request.method.to_owned(),
            path: request.path.clone(),
            query: request.query.iter().map(|one| (one.name.clone(), one.value.clone())).collect(),
            headers: request.headers.iter().map(header).collect(),
            body: request.body.as_ref().map(body),
            has_content: input.has_content(),
            purpose: request.purpose.clone(),
            dry_run: request.dry_run,
            approved_by: request.approved_by.clone(),
            attributes: pairs(&request.attributes),
        }
    }

    fn input(self) -> Result<Input, Damaged> {
        let method = Method::parse(&self.method).ok_or_else(|| Damaged("its method is none".to_owned()))?;
        let CallerV1 { workspace, connection, agent, region, tenant } = self.caller;
        let header = |(name, value): (String, String)| Ok(Header { name, value: bytes(&value)? });
        let body = |body: BodyV1| {
            let (sha256, content) = (digest(&body.sha256)?, bytes(&body.content)?);
            Ok(Payload { length: body.length, content_type: body.content_type, sha256, content })
        };
        let request = PluginRequest {
            id: self.id,
            now_ms: self.now_ms,
            caller: Caller { workspace, connection, agent, region, tenant },
            operation: self.operation.view(),
            method: method.as_str(),
            path: self.path,
            query: self.query.into_iter().map(|(name, value)| Parameter { name, value }).collect(),
            headers: self.headers.into_iter().map(header).collect::<Result<_, Damaged>>()?,
            body: self.body.map(body).transpose()?,
            purpose: self.purpose,
            dry_run: self.dry_run,
            approved_by: self.approved_by,
            attributes: attributes(self.attributes),
        };
        Ok(Input::of(&request, self.has_content))
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

impl AskedV1 {
    fn of(asked: &AskedRecord) -> Self {
        Self {
            plugin: asked.plugin.clone(),
            component: asked.component.to_string(),
            settings: asked.settings.clone(),
            settings_sha256: asked.settings_digest.to_string(),
            capabilities: asked.capabilities.clone(),
            memory_bytes: asked.memory_bytes,
            input: asked.input,
            takes: asked.takes.iter().map(TakeV1::of).collect(),
            word: WordV1::of(&asked.word),
        }
    }

    fn asked(self) -> Result<AskedRecord, Damaged> {
        Ok(AskedRecord {
            plugin: self.plugin,
            component: digest(&self.component)?,
            settings: self.settings,
            settings_digest: digest(&self.settings_sha256)?,
            capabilities: self.capabilities,
            memory_bytes: self.memory_bytes,
            input: self.input,
            takes: self.takes.into_iter().map(TakeV1::take).collect(),
            word: self.word.word()?,
        })
    }
}

impl TakeV1 {
    fn of(take: &RecordedTake) -> Self {
        let taken = match &take.taken {
            Ok(Taken { granted, remaining, resets_ms }) => {
                TakenV1::Taken { granted: *granted, remaining: *remaining, resets_ms: *resets_ms }
            }
            Err(QuotaFault::TooManyCounters) => TakenV1::TooManyCounters,
            Err(QuotaFault::Misuse { what }) => TakenV1::Misuse { what: what.clone() },
            Err(QuotaFault::Unavailable { what }) => TakenV1::Unavailable { what: what.clone() },
        };
        Self { key: take.key.clone(), limit: take.limit, window_seconds: take.window_seconds, taken }
    }

    fn take(self) -> RecordedTake {
        let taken = match self.taken {
            TakenV1::Taken { granted, remaining, resets_ms } => Ok(Taken { granted, remaining, resets_ms }),
            TakenV1::TooManyCounters => Err(QuotaFault::TooManyCounters),
            TakenV1::Misuse { what } => Err(QuotaFault::Misuse { what }),
            TakenV1::Unavailable { what } => Err(QuotaFault::Unavailable { what }),
        };
        RecordedTake { key: self.key, limit: self.limit, window_seconds: self.window_seconds, taken }
    }
}

impl WordV1 {
    fn of(word: &Word) -> Self {
        match word.clone() {
            Word::Said { said: Said { verdict, code, retry_after_seconds, edits }, message, digest } => {
                let (verdict, sha256) = (verdict.to_owned(), digest.to_string());
                Self::Said { verdict, code, retry_after_seconds, edits, message, sha256 }
            }
            Word::Fault { kind, sentence } => Self::Fault { kind, sentence },
        }
    }

    fn word(self) -> Result<Word, Damaged> {
        match self {
            Self::Said { verdict, code, retry_after_seconds, edits, message, sha256 } => {
                let known = ["allow", "deny", "hold", "shape"].into_iter().find(|known| *known == verdict);
                let verdict = known.ok_or_else(|| Damaged("its verdict is none".to_owned()))?;
                let said = Said { verdict, code, retry_after_seconds, edits };
                Ok(Word::Said { said, message, digest: digest(&sha256)? })
            }
            Self::Fault { kind, .. } if !PluginFault::KINDS.contains(&kind.as_str()) => {
                Err(Damaged("its fault is of no kind".to_owned()))
            }
            Self::Fault { kind, sentence } => Ok(Word::Fault { kind, sentence }),
        }
    }
}

fn pairs(attributes: &[Attribute]) -> Vec<(String, String)> {
    attributes.iter().map(|one| (one.name.clone(), one.value.clone())).collect()
}

fn attributes(pairs: Vec<(String, String)>) -> Vec<Attribute> {
    pairs.into_iter().map(|(name, value)| Attribute { name, value }).collect()
}

fn digest(text: &str) -> Result<Digest, Damaged> {
    Digest::parse(text).map_err(|error| Damaged(error.to_string()))
}

fn bytes(text: &str) -> Result<Vec<u8>, Damaged> {
    decode_base64(text).ok_or_else(|| Damaged("bytes in it are not base64".to_owned()))
}
