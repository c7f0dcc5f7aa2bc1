//! A request whose plugins are being asked: what they see, take and say, gathered beside the request's path.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use wardlock_core::id::{PluginName, RequestId};
use wardlock_core::plugin::quota::{QuotaFault, Taken};
use wardlock_core::plugin::{Answer, Caller, Edit, Verdict};
use wardlock_sandbox::{AskedPlugin, Quotas, TakeAnswer};

use super::record::{AskedRecord, Input, Record, RecordedTake, Word};

/// What a record weighs besides its texts, bytes: more than what usually stands in one.
const WEIGHT: usize = 4 << 10;

/// A request under way that is recorded.
pub struct Recording {
    asked: Vec<AskedPlugin>,
    takes: Arc<Takes>,
}

/// What is known of a request besides what its plugins were asked.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    /// Its id.
    pub id: &'a RequestId,
    /// When it was judged, milliseconds since 1970-01-01T00:00:00Z.
    pub at_ms: u64,
    /// Who asked, through what.
    pub caller: &'a Caller,
    /// What was decided: `allow`, `hold` or `deny`.
    pub decision: &'static str,
}

impl Recording {
    pub(super) fn new() -> Self {
        Self { asked: Vec::new(), takes: Arc::default() }
    }

    /// Notes what quotas answer.
    pub fn watch(&self, quotas: Arc<dyn Quotas>) -> Arc<dyn Quotas> {
        Arc::new(Watched { quotas, takes: Arc::clone(&self.takes) })
    }

    /// Returns where the chain notes what its plugins were asked.
    pub fn asked(&mut self) -> &mut Vec<AskedPlugin> {
        &mut self.asked
    }

    /// Returns about how many bytes the record will have; `None` where no plugin was asked.
    pub(super) fn weight(&self) -> Option<usize> {
        if self.asked.is_empty() {
            return None;
        }
        let mut weight = 0;
        for (at, asked) in self.asked.iter().enumerate() {
            weight += WEIGHT + asked.plugin.settings().len() + edits(&asked.answer);
            if let (Some(true), Some(body)) = (self.begins(at), &asked.request.body) {
                // Base64 takes four bytes for three.
                weight += body.content.len() / 3 * 4;
            }
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
    pub(super) fn into_record(self, judged: Judged<'_>) -> Record {
        let takes = std::mem::take(&mut *self.takes.lock());
        let mut inputs: Vec<Input> = Vec::new();
        let mut asked: Vec<AskedRecord> = Vec::new();
        for (at, one) in self.asked.iter().enumerate() {
            // The bytes of a body are kept only where a plugin saw them.
            inputs.extend(self.begins(at).map(|saw| Input::of(&one.request, saw)));
            let plugin = &one.plugin;
            let own = takes.iter().filter(|take| take.ask == at && take.plugin == *plugin.name());
            let own = own.map(|take| take.what.clone());
            asked.push(AskedRecord {
                plugin: plugin.name().to_string(),
                component: plugin.digest(),
                settings: plugin.settings().to_owned(),
                settings_digest: plugin.settings_digest(),
                capabilities: plugin.capabilities().clone(),
                memory_bytes: plugin.memory_bytes(),
                input: inputs.len() - 1,
                takes: own.collect(),
                word: Word::of(&one.answer),
            });
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
