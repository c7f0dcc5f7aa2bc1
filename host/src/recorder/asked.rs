//! A request whose plugins are being asked, of it and then of its answer: what they see, take and say, gathered beside the
//! request's path.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use wardlock_core::id::{PluginName, RequestId};
use wardlock_core::plugin::quota::{QuotaFault, Taken};
use wardlock_core::plugin::{Answer, Caller, Edit, Payload, PluginFault, PluginResponse, ResponseAnswer, Verdict};
use wardlock_sandbox::{AskedPlugin, Plugin, Quotas, TakeAnswer};

use super::record::{AskedRecord, Input, Record, RecordedTake, Word};
use super::{MAX_RECORD, Recorder};

/// What a record weighs besides its texts, bytes: more than what usually stands in one.
const WEIGHT: usize = 4 << 10;

/// A request under way that is recorded.
pub struct Recording {
    asked: Vec<AskedPlugin>,
    answers: Vec<AskedOfAnswer>,
    wants_answers: bool,
    takes: Arc<Takes>,
}

/// What one plugin was asked of an answer, and what it said.
struct AskedOfAnswer {
    plugin: Arc<Plugin>,
    response: PluginResponse,
    said: Result<ResponseAnswer, PluginFault>,
}

/// A request that is judged, and what is recorded of it. It is handed over when this goes: after the decision, or, where
/// plugins judge its answer, after that, whatever ends it.
pub struct PendingRecord {
    recorder: Arc<Recorder>,
    recording: Option<(Recording, Judged)>,
}

/// What is known of a request besides what its plugins were asked.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Its id.
    pub id: RequestId,
    /// When it was judged, milliseconds since 1970-01-01T00:00:00Z.
    pub at_ms: u64,
    /// Who asked, through what.
    pub caller: Caller,
    /// What was decided: `allow`, `hold` or `deny`.
    pub decision: &'static str,
}

impl PendingRecord {
    /// Notes what a plugin was asked of the answer, and what it said.
    pub fn take(
        &mut self,
        plugin: &Arc<Plugin>,
        response: PluginResponse,
        said: &Result<ResponseAnswer, PluginFault>,
    ) {
        if let Some((recording, _)) = &mut self.recording {
            let (plugin, said) = (Arc::clone(plugin), said.clone());
            recording.answers.push(AskedOfAnswer { plugin, response, said });
        }
    }
}

impl Drop for PendingRecord {
    fn drop(&mut self) {
        if let Some((recording, judged)) = self.recording.take() {
            self.recorder.keep(recording, &judged);
        }
    }
}

impl Recording {
    pub(super) fn new(wants_answers: bool) -> Self {
        Self { asked: Vec::new(), answers: Vec::new(), wants_answers, takes: Arc::default() }
    }

    /// Returns whether what plugins are asked of the answer is to be noted, too.
    pub fn wants_answers(&self) -> bool {
        self.wants_answers
    }

    /// Goes on after the decision.
    pub fn judged(self, recorder: &Arc<Recorder>, judged: Judged) -> PendingRecord {
        PendingRecord { recorder: Arc::clone(recorder), recording: Some((self, judged)) }
    }

    /// Notes what quotas answer.
    pub fn watch(&self, quotas: Arc<dyn Quotas>) -> Arc<dyn Quotas> {
        Arc::new(Watched { quotas, takes: Arc::clone(&self.takes) })
    }

    /// Returns where the chain notes what its plugins were asked.
    pub fn asked(&mut self) -> &mut Vec<AskedPlugin> {
        &mut self.asked
    }

    /// Returns about how many bytes the record will have; `None` where no plugin was asked. The bytes of answers are left out
    /// where the record would be too large with them.
    pub(super) fn weigh(&mut self) -> Option<usize> {
        if self.asked.is_empty() && self.answers.is_empty() {
            return None;
        }
        let mut weight = 0;
        for (at, asked) in self.asked.iter().enumerate() {
            weight += WEIGHT + asked.plugin.settings().len() + edits(&asked.answer);
            if let (Some(true), Some(body)) = (self.begins(at), &asked.request.body) {
                weight += as_text(body);
            }
        }
        weight += self.answers.iter().map(|asked| WEIGHT + asked.plugin.settings().len()).sum::<usize>();
        let bodies =
            self.answers.iter().filter_map(|asked| asked.response.body.as_ref()).map(as_text).sum::<usize>();
        if weight + bodies <= MAX_RECORD {
            return Some(weight + bodies);
        }
        for body in self.answers.iter_mut().filter_map(|asked| asked.response.body.as_mut()) {
            body.content = Vec::new();
        }
        Some(weight)
    }

    /// Returns whether any plugin saw the body of the input that begins at a place; `None` where it is the one before.
    fn begins(&self, at: usize) -> Option<bool> {
        let input = &self.asked[at].request;
        if at > 0 && Arc::ptr_eq(input, &self.asked[at - 1].request) {
            return None;
        }
        let mut with_it = self.asked[at..].iter().take_while(|other| Arc::ptr_eq(&other.request, input));
        Some(with_it.any(|other| other.plugin.sees_body()))
    }

    /// Puts the record together.
    pub(super) fn into_record(self, judged: &Judged) -> Record {
        let takes = std::mem::take(&mut *self.takes.lock());
        let mut inputs: Vec<Input> = Vec::new();
        let mut asked: Vec<AskedRecord> = Vec::new();
        for (at, one) in self.asked.iter().enumerate() {
            // The bytes of a body are kept only where a plugin saw them.
            inputs.extend(self.begins(at).map(|saw| Input::of(&one.request, saw)));
            let own = takes.iter().filter(|take| take.ask == at && take.plugin == *one.plugin.name());
            let own = own.map(|take| take.what.clone());
            asked.push(record_of(&one.plugin, inputs.len() - 1, own.collect(), Word::of(&one.answer)));
        }
        for one in self.answers {
            let body = one.response.body.as_ref();
            let is_whole =
                one.plugin.sees_answers() && body.is_none_or(|body| body.content.len() as u64 == body.length);
            inputs.push(Input::of_answer(one.response, is_whole));
            asked.push(record_of(&one.plugin, inputs.len() - 1, Vec::new(), Word::of_answer(&one.said)));
        }
        Record {
            request_id: judged.id.to_string(),
            at_ms: judged.at_ms,
            workspace: judged.caller.workspace.clone(),
            connection: judged.caller.connection.clone(),
            agent: judged.caller.agent.clone(),
            decision: judged.decision.to_owned(),
            inputs,
            asked,
        }
    }
}

fn record_of(plugin: &Plugin, input: usize, takes: Vec<RecordedTake>, word: Word) -> AskedRecord {
    AskedRecord {
        plugin: plugin.name().to_string(),
        component: plugin.digest(),
        settings: plugin.settings().to_owned(),
        settings_digest: plugin.settings_digest(),
        capabilities: plugin.capabilities().clone(),
        memory_bytes: plugin.memory_bytes(),
        input,
        takes,
        word,
    }
}

/// How many bytes a body has in a record: base64 takes four for three.
fn as_text(body: &Payload) -> usize {
    body.content.len() / 3 * 4
}

/// How many bytes of edits an answer holds, as far as they can be many.
fn edits<E>(answer: &Result<Answer, E>) -> usize {
    let Ok(Answer { verdict: Verdict::Shape(edits, _), .. }) = answer else { return 0 };
    edits
        .iter()
        .map(|edit| match edit {
            Edit::ReplaceBody(body) => body.len(),
            Edit::SetJson(_, json) => json.len(),
            Edit::SetHeader(_) | Edit::RemoveHeader(_) | Edit::SetQuery(_) | Edit::RemoveQuery(_) => 0,
        })
        .sum()
}

/// What plugins took, in order. The same plugin may be asked several times: about each part of a request.
#[derive(Default)]
struct Takes {
    /// How many plugins have answered.
    asked: AtomicUsize,
    taken: Mutex<Vec<Take>>,
}

struct Take {
    /// How many had answered before.
    ask: usize,
    plugin: PluginName,
    what: RecordedTake,
}

impl Takes {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Take>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Quotas whose answers are noted.
struct Watched {
    quotas: Arc<dyn Quotas>,
    takes: Arc<Takes>,
}

impl Quotas for Watched {
    fn take<'a>(
        &'a self,
        plugin: &'a PluginName,
        key: &'a str,
        limit: u32,
        window_seconds: u32,
    ) -> TakeAnswer<'a> {
        Box::pin(async move {
            let taken: Result<Taken, QuotaFault> = self.quotas.take(plugin, key, limit, window_seconds).await;
            let key = key.to_owned();
            let take = RecordedTake { key, limit, window_seconds, taken: taken.clone() };
            let ask = self.takes.asked.load(Ordering::Relaxed);
            self.takes.lock().push(Take { ask, plugin: plugin.clone(), what: take });
            taken
        })
    }

    fn asked(&self) {
        self.takes.asked.fetch_add(1, Ordering::Relaxed);
        self.quotas.asked();
    }
}
