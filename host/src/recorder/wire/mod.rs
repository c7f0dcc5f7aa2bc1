//! A record as it stands in its sealed bytes: version 2. Bytes are base64, digests are hexadecimal. Version 1 had no answers.

mod shown;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use wardlock_core::id::Digest;
use wardlock_core::plugin::PluginFault;
use wardlock_core::plugin::quota::{QuotaFault, Taken};

use crate::plugin::cases::{EditWords, Said};

use super::record::{AskedRecord, Damaged, Input, Record, RecordedTake, Shown, Word};
use shown::{AnswerV2, InputV1};

/// The version that is written.
const VERSION: u32 = 2;
/// The versions that are read.
const READ: [u32; 2] = [1, VERSION];

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordV2 {
    version: u32,
    request: String,
    at_ms: u64,
    workspace: String,
    connection: String,
    agent: String,
    decision: String,
    inputs: Vec<InputV1>,
    /// Their numbers go on where those of `inputs` end.
    #[serde(default)]
    answers: Vec<AnswerV2>,
    asked: Vec<AskedV1>,
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

impl RecordV2 {
    pub(super) fn of(record: &Record) -> Self {
        let (mut inputs, mut answers) = (Vec::new(), Vec::new());
        for input in &record.inputs {
            match input.shown() {
                Shown::Request(request) => inputs.push(InputV1::of(request, input.has_content())),
                Shown::Answer(response) => answers.push(AnswerV2::of(response, input.has_content())),
            }
        }
        Self {
            version: VERSION,
            request: record.request_id.clone(),
            at_ms: record.at_ms,
            workspace: record.workspace.clone(),
            connection: record.connection.clone(),
            agent: record.agent.clone(),
            decision: record.decision.clone(),
            inputs,
            answers,
            asked: record.asked.iter().map(AskedV1::of).collect(),
        }
    }

    pub(super) fn record(self) -> Result<Record, Damaged> {
        if !READ.contains(&self.version) {
            let known = READ.map(|version| version.to_string()).join(" and ");
            return Err(Damaged(format!("it is of version {}, and this Wardlock reads {known}", self.version)));
        }
        let requests = self.inputs.into_iter().map(InputV1::input);
        let answers = self.answers.into_iter().map(AnswerV2::input);
        let inputs = requests.chain(answers).collect::<Result<Vec<Input>, _>>()?;
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
                let known =
                    ["allow", "deny", "hold", "shape", "pass", "edit"].into_iter().find(|known| *known == verdict);
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

fn digest(text: &str) -> Result<Digest, Damaged> {
    Digest::parse(text).map_err(|error| Damaged(error.to_string()))
}
