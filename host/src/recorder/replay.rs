//! A record, asked again: the same component with the same settings on the same input must say the same, and what a workspace
//! pins now may say something else. Nothing is sent, and nothing is taken of any quota.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use wardlock_core::id::{Digest, PluginName};
use wardlock_sandbox::{LoadSpec, Plugin, Quotas, TakeAnswer};

use super::record::{AskedRecord, Input, Record, RecordedTake, Shown, Word};
use crate::host::Host;
use crate::loaded::{self, Loaded, State};
use crate::plugin::cases::Said;
use crate::quotas::Untouched;

/// How long one decision may take here: the most that the sandbox gives. A replay is about verdicts, not about speed.
const TIME: Duration = Duration::from_secs(5);

/// Kinds of faults that come of the moment and not of the input, so that they are not replayed.
const OF_THE_MOMENT: [&str; 5] = ["timeout", "busy", "lost", "engine", "tripped"];

const NONE_THEN: &str = "gave no verdict then";
const NONE_NOW: &str = "gives no verdict now";

/// What came of asking the recorded component again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// It says the same.
    Same,
    /// It says something else, a line for each difference: a defect, of the plugin's toolchain or of the host.
    Defect(Vec<String>),
    /// It cannot be known, and why.
    Unknown(String),
}

/// What another component, or other settings, say to a recorded input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// The same as was recorded.
    Same,
    /// Something else.
    Otherwise {
        /// In a word or two.
        says: String,
        /// A line for each difference.
        differences: Vec<String>,
    },
    /// It cannot be known, and why.
    Unknown(String),
}

/// What the workspace has now in the place of what was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Now {
    /// What is another than it was: `component`, `settings`, `capabilities`, `memory`; or `gone`.
    pub changed: Vec<&'static str>,
    /// What that says; `None` where it is gone.
    pub tried: Option<Tried>,
}

/// Asks records again, as the host has them.
pub struct Replay<'a> {
    host: &'a Host,
    loaded: Arc<Loaded>,
    /// What had to be loaded for it. It stays loaded: a component compiles as long as somebody holds it.
    plugins: HashMap<Which, Result<Arc<Plugin>, String>>,
}

/// All that makes a plugin's verdict, besides its input.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Which {
    component: Digest,
    settings: Digest,
    capabilities: BTreeSet<String>,
    memory_bytes: u64,
}

impl<'a> Replay<'a> {
    /// Begins, with what is loaded now.
    pub fn new(host: &'a Host) -> Self {
        Self { host, loaded: host.loaded(), plugins: HashMap::new() }
    }

    /// Asks a recorded component again what it was asked.
    pub async fn again(&mut self, record: &Record, asked: &AskedRecord) -> Replayed {
        if let Some(why) = of_the_moment(&asked.word, NONE_THEN) {
            return Replayed::Unknown(why);
        }
        let plugin = match self.plugin(record, asked).await {
            Ok(plugin) => plugin,
            Err(why) => return Replayed::Unknown(why),
        };
        let input = record.inputs.get(asked.input);
        // A record that would have been too large lacks the bytes of answers.
        if let Some(Shown::Answer(_)) = input.map(Input::shown)
            && plugin.sees_answers()
            && !input.is_some_and(Input::is_whole)
        {
            return Replayed::Unknown("it saw an answer that was too large to be recorded".to_owned());
        }
        let (word, takes_otherwise) = decide(&plugin, record, asked).await;
        if let Some(why) = of_the_moment(&word, NONE_NOW) {
            return Replayed::Unknown(why);
        }
        let mut lines = differences(&asked.word, &word);
        if takes_otherwise {
            lines.push("it takes of its quotas otherwise than it did".to_owned());
        }
        if lines.is_empty() { Replayed::Same } else { Replayed::Defect(lines) }
    }

    /// Asks what stands in the same place now; `None` where that is what was recorded.
    pub async fn now(&self, record: &Record, asked: &AskedRecord) -> Option<Now> {
        let Some(plugin) = self.in_place(record, asked) else {
            return Some(Now { changed: vec!["gone"], tried: None });
        };
        let changed: Vec<&str> = [
            ("component", plugin.digest() != asked.component),
            ("settings", plugin.settings_digest() != asked.settings_digest),
            ("capabilities", *plugin.capabilities() != asked.capabilities),
            ("memory", plugin.memory_bytes() != asked.memory_bytes),
        ]
        .into_iter()
        .filter_map(|(what, is_other)| is_other.then_some(what))
        .collect();
        if changed.is_empty() {
            return None;
        }
        Some(Now { changed, tried: Some(tried(&plugin, record, asked).await) })
    }

    /// Finds what stands in the place now.
    fn in_place(&self, record: &Record, asked: &AskedRecord) -> Option<Arc<Plugin>> {
        let found = self.loaded.connection(&record.workspace, &record.connection)?;
        let State::Open(open) = &found.state else { return None };
        open.plugins.iter().find(|plugin| plugin.name().as_str() == asked.plugin).cloned()
    }

    /// Finds what was recorded: in its place, or among the components that are kept.
    async fn plugin(&mut self, record: &Record, asked: &AskedRecord) -> Result<Arc<Plugin>, String> {
        let which = Which {
            component: asked.component,
            settings: asked.settings_digest,
            capabilities: asked.capabilities.clone(),
            memory_bytes: asked.memory_bytes,
        };
        if let Some(plugin) = self.in_place(record, asked).filter(|plugin| Which::of(plugin) == which) {
            return Ok(plugin);
        }
        if let Some(known) = self.plugins.get(&which) {
            return known.clone();
        }
        let loaded = self.load(asked).await;
        self.plugins.insert(which, loaded.clone());
        loaded
    }

    async fn load(&self, asked: &AskedRecord) -> Result<Arc<Plugin>, String> {
        if asked.capabilities.contains("folder") {
            return Err(
                "it read the files of a folder, which are not recorded, and they are others by now".to_owned()
            );
        }
        let kept = loaded::kept(self.host.home(), asked.component).map_err(|error| error.to_string())?;
        let bytes = kept.ok_or_else(|| format!("component {} is not kept in this home", asked.component))?;
        let settings = serde_json::from_str(&asked.settings).map_err(|error| error.to_string())?;
        let spec = LoadSpec {
            name: PluginName::parse(&asked.plugin).map_err(|error| error.to_string())?,
            bytes,
            expected_digest: Some(asked.component),
            settings,
            granted: asked.capabilities.clone(),
            files: None,
            time: TIME,
            memory_bytes: asked.memory_bytes,
        };
        let plugin = self.host.sandbox().load(spec).await.map_err(|error| format!("it does not load: {error}"))?;
        if plugin.settings_digest() != asked.settings_digest {
            return Err("its settings cannot be read back as they were".to_owned());
        }
        Ok(Arc::new(plugin))
    }
}

impl Which {
    fn of(plugin: &Plugin) -> Self {
        Self {
            component: plugin.digest(),
            settings: plugin.settings_digest(),
            capabilities: plugin.capabilities().clone(),
            memory_bytes: plugin.memory_bytes(),
        }
    }
}

/// Asks another plugin what one was asked.
pub async fn tried(plugin: &Plugin, record: &Record, asked: &AskedRecord) -> Tried {
    // There is nothing to compare with, and what took all its time then may take all of it again.
    if let Some(why) = of_the_moment(&asked.word, NONE_THEN) {
        return Tried::Unknown(why);
    }
    if let Some(why) = not_shown(plugin, record, asked) {
        return Tried::Unknown(why);
    }
    let (word, takes_otherwise) = decide(plugin, record, asked).await;
    if let Some(why) = of_the_moment(&word, NONE_NOW) {
        return Tried::Unknown(why);
    }
    let mut differences = differences(&asked.word, &word);
    if differences.is_empty() {
        return Tried::Same;
    }
    if takes_otherwise {
        differences.push("its quotas: what it takes otherwise is counted from nothing here".to_owned());
    }
    Tried::Otherwise { says: word.short(), differences }
}

/// Asks a plugin what another one was asked, whatever that said. Its own quotas are counted from nothing. An error says why it cannot be
/// known.
pub async fn new_word(plugin: &Plugin, record: &Record, asked: &AskedRecord) -> Result<Word, String> {
    if let Some(why) = not_shown(plugin, record, asked) {
        return Err(why);
    }
    let of_another = AskedRecord { takes: Vec::new(), ..asked.clone() };
    let (word, _) = decide(plugin, record, &of_another).await;
    of_the_moment(&word, NONE_NOW).map_or(Ok(word), Err)
}

/// Says why a plugin cannot be shown what another one saw.
fn not_shown(plugin: &Plugin, record: &Record, asked: &AskedRecord) -> Option<String> {
    let Some(input) = record.inputs.get(asked.input) else {
        return Some("the record has no such input".to_owned());
    };
    let (judges, sees) = match input.shown() {
        Shown::Request(_) => (plugin.hooks().judge_requests(), plugin.sees_body()),
        Shown::Answer(_) => (plugin.hooks().judge_answers(), plugin.sees_answers()),
    };
    if !judges {
        return Some("it does not judge what was recorded: requests, or answers".to_owned());
    }
    (sees && !input.is_whole()).then(|| "it sees bodies, and this one was not recorded".to_owned())
}

/// Has a plugin judge a recorded input, apart from what serves. Returns what it says, and whether it took otherwise of its quotas
/// than was recorded.
async fn decide(plugin: &Plugin, record: &Record, asked: &AskedRecord) -> (Word, bool) {
    let Some(input) = record.inputs.get(asked.input) else {
        let sentence = "the record has no such input".to_owned();
        return (Word::Fault { kind: "engine".to_owned(), sentence }, false);
    };
    let apart = plugin.apart(TIME);
    match input.shown() {
        Shown::Request(request) => {
            let answers = Arc::new(Answers::new(&asked.takes, request.now_ms));
            let quotas: Arc<dyn Quotas> = Arc::<Answers>::clone(&answers);
            let answer = apart.decide_counted(request, &quotas).await;
            (Word::of(&answer), answers.were_other())
        }
        Shown::Answer(response) => (Word::of_answer(&apart.judge_answer(response).await), false),
    }
}

/// Says that a word is of its moment and not of its input.
fn of_the_moment(word: &Word, gives_none: &str) -> Option<String> {
    match word {
        Word::Fault { kind, sentence } if OF_THE_MOMENT.contains(&kind.as_str()) => {
            Some(format!("it {gives_none}: {sentence}"))
        }
        Word::Fault { .. } | Word::Said { .. } => None,
    }
}

/// Says how two words differ, a line each; nothing where they do not.
fn differences(recorded: &Word, now: &Word) -> Vec<String> {
    let line = |what: &str, recorded: Option<String>, now: Option<String>| {
        let shown = |value: Option<String>| value.map_or_else(|| "none".to_owned(), |value| format!("`{value}`"));
        (recorded != now).then(|| format!("{what}: recorded {}, now {}", shown(recorded), shown(now)))
    };
    let (Word::Said { said, message, digest }, Word::Said { said: other, message: others, digest: now_digest }) =
        (recorded, now)
    else {
        return line("verdict", Some(recorded.short()), Some(now.short())).into_iter().collect();
    };
    let seconds = |said: &Said| said.retry_after_seconds.map(|seconds| seconds.to_string());
    let edits = |said: &Said| said.edits.as_ref().map(|edits| serde_json::json!(edits).to_string());
    let lines = [
        line("verdict", Some(said.verdict.to_owned()), Some(other.verdict.to_owned())),
        line("code", said.code.clone(), other.code.clone()),
        line("retry_after_seconds", seconds(said), seconds(other)),
        line("edits", edits(said), edits(other)),
        line("message", message.clone(), others.clone()),
    ];
    let lines: Vec<String> = lines.into_iter().flatten().collect();
    if lines.is_empty() && digest != now_digest {
        return vec!["its hint, its notes or the bytes of its edits are other ones".to_owned()];
    }
    lines
}

/// Quotas that answer what they answered.
struct Answers {
    left: Mutex<VecDeque<RecordedTake>>,
    /// What was not asked then is counted from nothing.
    beyond: Arc<Untouched>,
    other: std::sync::atomic::AtomicBool,
}

impl Answers {
    fn new(takes: &[RecordedTake], now_ms: u64) -> Self {
        let left = Mutex::new(takes.iter().cloned().collect());
        Self { left, beyond: Untouched::at(now_ms), other: false.into() }
    }

    /// Returns whether anything else was asked, or something not, or in another order.
    fn were_other(&self) -> bool {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        !left.is_empty() || self.other.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl Quotas for Answers {
    fn take<'a>(
        &'a self,
        plugin: &'a PluginName,
        key: &'a str,
        limit: u32,
        window_seconds: u32,
    ) -> TakeAnswer<'a> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it =
            |take: &RecordedTake| (&*take.key, take.limit, take.window_seconds) == (key, limit, window_seconds);
        let place = left.iter().position(is_it);
        if place != Some(0) {
            self.other.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        match place.and_then(|place| left.remove(place)) {
            Some(take) => Box::pin(std::future::ready(take.taken)),
            None => self.beyond.take(plugin, key, limit, window_seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use wardlock_core::plugin::quota::Taken;
    use wardlock_core::plugin::{Answer, PluginFault, Reason, Verdict};

    use super::*;

    fn deny(code: &str, hint: Option<&str>) -> Word {
        let reason = Reason {
            code: code.to_owned(),
            message: "no".to_owned(),
            hint: hint.map(str::to_owned),
            retry_after_seconds: None,
            attributes: Vec::new(),
        };
        Word::of(&Ok(Answer { verdict: Verdict::Deny(reason), notes: Vec::new() }))
    }

    #[test]
    fn a_difference_is_told_by_what_was_recorded_and_what_is_said_now() {
        let allow = Word::of(&Ok(Answer { verdict: Verdict::Allow, notes: Vec::new() }));
        let trap = Word::of(&Err(PluginFault::Trap { kind: "unreachable".to_owned() }));
        assert_eq!(differences(&allow, &allow), [""; 0]);
        assert_eq!(differences(&trap, &trap), [""; 0]);
        assert_eq!(
            differences(&allow, &deny("late", None)),
            [
                "verdict: recorded `allow`, now `deny`",
                "code: recorded none, now `late`",
                "message: recorded none, now `no`"
            ]
        );
        assert_eq!(differences(&deny("late", None), &trap), ["verdict: recorded `deny late`, now `fault trap`"]);
        let [line] = &*differences(&deny("late", None), &deny("late", Some("wait"))) else { panic!("one line") };
        assert!(line.contains("hint"), "{line}");
    }

    #[tokio::test]
    async fn quotas_answer_as_they_did_and_notice_what_they_were_not_asked() {
        let taken = |remaining| Ok(Taken { granted: true, remaining, resets_ms: 9 });
        let take = |key: &str, remaining| RecordedTake {
            key: key.to_owned(),
            limit: 5,
            window_seconds: 60,
            taken: taken(remaining),
        };
        let recorded = [take("a", 3), take("b", 0), take("a", 2)];
        let name = PluginName::parse("limiter").expect("a name");
        let check = async |keys: &[&str], expected: &[u32], is_other: bool| {
            let answers = Answers::new(&recorded, 0);
            for (key, remaining) in keys.iter().zip(expected) {
                let answer = answers.take(&name, key, 5, 60).await.expect("counted");
                assert_eq!(answer.remaining, *remaining, "{keys:?}");
            }
            assert_eq!(answers.were_other(), is_other, "{keys:?}");
        };
        check(&["a", "b", "a"], &[3, 0, 2], false).await;
        check(&["a", "b"], &[3, 0], true).await;
        check(&["b", "a", "a"], &[0, 3, 2], true).await;
        // What was not asked then is counted from nothing.
        check(&["a", "b", "a", "a", "c"], &[3, 0, 2, 4, 4], true).await;
    }
}
