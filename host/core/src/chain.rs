//! Carries a request from plugin to plugin: deny stops, hold is remembered, a change is judged anew.
//!
//! This is a state machine without IO. Whoever runs the plugins asks for the [`Chain::next`] link, runs it, and
//! gives its answer to [`Chain::take`]; [`Chain::finish`] gives the request as the last plugin left it together
//! with a [`ChainOutcome`] that is bound to exactly that request and chain.

mod edit;
mod response;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::canonical::{CanonicalRequest, NotCanonical};
use crate::classify::{Classified, Part};
use crate::connection::{Link, LinkMode};
use crate::id::Digest;
use crate::plugin::{Answer, Attribute, Edit, Field, PluginFault, Reason, Verdict};
use crate::refusal::{Code, PartOf, Refusal, RefusedBy};
use crate::rules::Judge;

pub use edit::try_edits;
pub use response::{AnswerStep, judge_answer, not_edited};

/// What one plugin said, for the audit: names and codes, never a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictRecord {
    /// Name in the chain.
    pub plugin: String,
    /// SHA-256 of the component.
    pub digest: Digest,
    /// SHA-256 of the settings.
    pub settings: Digest,
    /// `allow`, `deny`, `hold`, `shape` or `fault`; on an answer `pass`, `edit`, `deny` or `fault`.
    pub verdict: &'static str,
    /// The plugin's code; the refusal's where it failed, whether it counts or not.
    pub code: Option<String>,
    /// The kind of the fault, one of [`PluginFault::KINDS`].
    pub fault: Option<&'static str>,
    /// The fault in a sentence.
    pub sentence: Option<String>,
    /// What was changed, without values.
    pub edits: Vec<String>,
    /// The part that was judged, of a request that carries others; the first is 1.
    pub part: Option<u32>,
    /// Whether the verdict counted (`enforce`) or was only recorded (`monitor`).
    pub enforced: bool,
    /// How long the plugin took, microseconds.
    pub micros: u64,
    /// The plugin's notes.
    pub notes: Vec<Attribute>,
}

/// How a chain ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// Every plugin allowed or shaped.
    Allow,
    /// At least one asked for a person.
    Hold(HeldBy),
    /// One denied, failed, or changed what it may not.
    Deny(Refusal),
}

/// A plugin that asks for a person, and on what account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldBy {
    pub(crate) plugin: String,
    pub(crate) reason: Reason,
    pub(crate) part: Option<PartOf>,
}

/// The end of a chain, bound to the request and the chain that it is about. Made by [`Chain::finish`] only.
#[derive(Debug)]
#[must_use]
pub struct ChainOutcome {
    pub(crate) request: Digest,
    pub(crate) chain: Digest,
    pub(crate) end: End,
    pub(crate) verdicts: Vec<VerdictRecord>,
}

/// A plugin's turn in a chain.
#[derive(Debug, Clone, Copy)]
pub struct Turn<'a, 'c> {
    /// The plugin's place in the chain.
    pub at: usize,
    /// The plugin.
    pub link: &'a Link,
    /// The request as it stands for it: one part of it, where it carries others.
    pub request: &'c Classified,
    /// Where that part stands.
    pub within: Option<Within<'c>>,
}

/// A part's place in the request that carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Within<'c> {
    /// The operation that carries it.
    pub envelope: &'c str,
    /// Its number; the first is 1.
    pub part: u32,
}

/// A chain under way. Of a request that carries others, every plugin judges every part, one part after the other.
#[derive(Debug)]
pub struct Chain<'a> {
    judge: &'a Judge,
    classified: Classified,
    /// Which part is judged, of a request that carries others.
    part: usize,
    at: usize,
    held: Option<HeldBy>,
    denied: Option<Refusal>,
    verdicts: Vec<VerdictRecord>,
}

impl<'a> Chain<'a> {
    /// Begins a chain with a request that passed the host's rules.
    pub fn start(judge: &'a Judge, classified: Classified) -> Self {
        let at = first_from(judge, 0);
        Self { judge, classified, part: 0, at, held: None, denied: None, verdicts: Vec::new() }
    }

    /// Returns the next plugin to ask, and about what; `None` at the end. Plugins that only judge answers are passed over.
    pub fn next(&self) -> Option<Turn<'a, '_>> {
        if self.denied.is_some() {
            return None;
        }
        let link = self.judge.connection().chain.get(self.at)?;
        let part = self.part();
        let envelope = self.classified.operation().name.as_str();
        Some(Turn {
            at: self.at,
            link,
            request: part.map_or(&self.classified, Part::classified),
            within: part.map(|part| Within { envelope, part: part.number() }),
        })
    }

    /// Returns the part that is judged, where the request carries others.
    fn part(&self) -> Option<&Part> {
        self.classified.parts().get(self.part)
    }

    /// Goes on to the next plugin; behind the last one, to the next part.
    fn go_on(&mut self) {
        self.at = first_from(self.judge, self.at + 1);
        let is_last_part = self.part + 1 >= self.classified.parts().len();
        if self.at == self.judge.connection().chain.len() && !is_last_part {
            self.part += 1;
            self.at = first_from(self.judge, 0);
        }
    }

    /// Takes the answer of the plugin that [`Chain::next`] named.
    pub fn take(&mut self, answer: Result<Answer, PluginFault>, micros: u64) {
        let judge = self.judge;
        let Some(link) = judge.connection().chain.get(self.at) else {
            return;
        };
        let part = self.part().map(Part::named);
        let mut record = VerdictRecord::of(link, answer.as_ref().map(said), micros);
        record.part = part.as_ref().map(|part| part.number);
        let enforced = link.mode == LinkMode::Enforce;
        if enforced {
            let changed = self.apply(link, answer);
            if let Err(refusal) = changed {
                let refusal = part.into_iter().fold(refusal, Refusal::in_part);
                if record.verdict == "shape" {
                    record.code = Some(refusal.code.as_str().to_owned());
                }
                self.denied = Some(refusal);
            }
        }
        self.verdicts.push(record);
        self.go_on();
    }

    /// Returns whether it came to a refusal already.
    pub fn is_denied(&self) -> bool {
        self.denied.is_some()
    }

    /// Returns whether a person is wanted before it is sent, by a plugin or by the host's own rules.
    pub fn waits(&self) -> bool {
        self.held.is_some() || self.judge.holds(&self.classified).is_some()
    }

    /// Denies because a plugin whose word on the answer counts would give none: the answer would only be withheld.
    pub fn take_unasked(&mut self, link: &Link, fault: &PluginFault) {
        self.verdicts.push(VerdictRecord::of(link, Err(fault), 0));
        self.denied.get_or_insert(plugin_failed(link, fault));
    }

    /// Ends the chain. A chain that was not asked to its end denies.
    pub fn finish(self) -> (Classified, ChainOutcome) {
        let is_last_part = self.part + 1 >= self.classified.parts().len();
        let asked_all = self.at == self.judge.connection().chain.len() && is_last_part;
        // A plugin that is only watched says yes to nothing.
        let somebody_counted = self.verdicts.iter().any(|verdict| verdict.enforced);
        let end = match (self.denied, self.held) {
            (Some(refusal), _) => End::Deny(refusal),
            (None, _) if !asked_all || !somebody_counted => End::Deny(no_policy(self.judge)),
            (None, Some(held)) => End::Hold(held),
            (None, None) => End::Allow,
        };
        let outcome = ChainOutcome {
            request: self.classified.digest(),
            chain: self.judge.connection().chain_digest(),
            end,
            verdicts: self.verdicts,
        };
        (self.classified, outcome)
    }

    fn apply(&mut self, link: &Link, answer: Result<Answer, PluginFault>) -> Result<(), Refusal> {
        let answer = answer.map_err(|fault| plugin_failed(link, &fault))?;
        match answer.verdict {
            Verdict::Allow => Ok(()),
            Verdict::Deny(reason) => Err(denied_by(link, Code::PolicyDenied, reason)),
            Verdict::Hold(reason) => {
                let part = self.part().map(Part::named);
                self.held.get_or_insert(HeldBy { plugin: link.name.to_string(), reason, part });
                Ok(())
            }
            Verdict::Shape(edits, _) => self.shape(link, &edits),
        }
    }

    fn shape(&mut self, link: &Link, edits: &[Edit]) -> Result<(), Refusal> {
        if !link.capabilities.contains("shape") {
            let detail = format!("plugin `{}` changes the request without the capability `shape`", link.name);
            return Err(by_plugin(link, Code::ShapeWidened, detail)
                .hint("the operator adds `\"shape\"` to the plugin's `capabilities`, or takes the plugin out"));
        }
        if self.part().is_some() {
            let detail = format!("plugin `{}` would change a part, and parts are sent as they came", link.name);
            return Err(by_plugin(link, Code::EnvelopeShaped, detail));
        }
        let mut request = self.classified.request().clone();
        for edit in edits {
            edit::apply(&mut request, edit)
                .map_err(|what| by_plugin(link, Code::ShapeWidened, format!("plugin `{}`: {what}", link.name)))?;
        }
        let request = recanonicalise(&request).map_err(|error| {
            by_plugin(
                link,
                Code::ShapeWidened,
                format!("plugin `{}` leaves no canonical request: {error}", link.name),
            )
        })?;
        let headers = request.headers().len();
        // The agent sent nothing of what is refused from here on: the plugin answers for it, and the operator mends it.
        let shaped =
            self.judge.classify(request).map_err(|refusal| left_by(link, Code::ShapeWidened, &refusal))?;
        self.judge.check(&shaped).map_err(|refusal| left_by(link, refusal.code, &refusal))?;
        if shaped.request().headers().len() != headers {
            // Classification drops what the service does not take; an edit is never dropped in silence.
            let detail = format!("plugin `{}` sets a header that the service does not take", link.name);
            return Err(by_plugin(link, Code::ShapeWidened, detail));
        }
        if let Some(what) = widened(&self.classified, &shaped) {
            let detail = format!("plugin `{}` widens the request: {what}", link.name);
            return Err(by_plugin(link, Code::ShapeWidened, detail));
        }
        self.classified = shaped;
        Ok(())
    }
}

/// Returns the place of the first plugin from a place on that judges requests; the chain's length where there is none.
fn first_from(judge: &Judge, from: usize) -> usize {
    let chain = &judge.connection().chain;
    (from..chain.len()).find(|&at| chain[at].hooks.judge_requests()).unwrap_or(chain.len())
}

/// What a plugin said, as far as it is recorded.
struct Said {
    verdict: &'static str,
    code: Option<String>,
    edits: Vec<String>,
    notes: Vec<Attribute>,
}

impl VerdictRecord {
    /// Records what a plugin said, or how it failed.
    fn of(link: &Link, said: Result<Said, &PluginFault>, micros: u64) -> Self {
        let fault = said.as_ref().err().map(|fault| fault.kind());
        let sentence = said.as_ref().err().map(ToString::to_string);
        let said = said.unwrap_or_else(|fault| Said {
            verdict: "fault",
            code: Some(fault_code(fault).as_str().to_owned()),
            edits: Vec::new(),
            notes: Vec::new(),
        });
        Self {
            plugin: link.name.to_string(),
            digest: link.digest,
            settings: link.settings,
            verdict: said.verdict,
            code: said.code,
            fault,
            sentence,
            edits: said.edits,
            part: None,
            enforced: link.mode == LinkMode::Enforce,
            micros,
            notes: said.notes,
        }
    }
}

fn said(answer: &Answer) -> Said {
    let (code, edits) = match &answer.verdict {
        Verdict::Allow => (None, Vec::new()),
        Verdict::Deny(reason) | Verdict::Hold(reason) => (Some(reason.code.clone()), Vec::new()),
        Verdict::Shape(edits, reason) => (Some(reason.code.clone()), edits.iter().map(Edit::name).collect()),
    };
    Said { verdict: answer.verdict.as_str(), code, edits, notes: answer.notes.clone() }
}

fn no_policy(judge: &Judge) -> Refusal {
    let detail = format!("connection `{}` has no plugin that said yes", judge.connection().name);
    Refusal::new(Code::NoPolicy, "chain", detail).hint(if judge.connection().only_watches() {
        "its plugins only watch: what is in `monitor` allows nothing, so take that from one whose word is to count"
    } else {
        "add a plugin to the connection, for example `read-only`: what nobody allows is refused"
    })
}

fn by_plugin(link: &Link, code: Code, detail: String) -> Refusal {
    Refusal {
        code,
        detail,
        by: RefusedBy::Plugin { name: link.name.to_string(), code: None },
        hint: None,
        retry_after: None,
        part: None,
        draft: None,
        dry_run: None,
    }
}

/// Refuses what a plugin left, for the reason that the host's rules give.
fn left_by(link: &Link, code: Code, refusal: &Refusal) -> Refusal {
    let detail = format!("plugin `{}` leaves a request that is refused: {}", link.name, refusal.detail);
    by_plugin(link, code, detail)
}

fn denied_by(link: &Link, code: Code, reason: Reason) -> Refusal {
    Refusal {
        code,
        detail: reason.message,
        by: RefusedBy::Plugin { name: link.name.to_string(), code: Some(reason.code) },
        hint: reason.hint,
        retry_after: reason.retry_after_seconds,
        part: None,
        draft: None,
        dry_run: None,
    }
}

fn fault_code(fault: &PluginFault) -> Code {
    match fault {
        PluginFault::Timeout { .. } => Code::PluginTimeout,
        PluginFault::Memory => Code::PluginMemory,
        PluginFault::Trap { .. } => Code::PluginTrap,
        PluginFault::Nonsense { .. } => Code::PluginNonsense,
        PluginFault::Busy => Code::PluginBusy,
        PluginFault::Lost => Code::PluginLost,
        PluginFault::Engine { .. } => Code::PluginFailed,
        PluginFault::Tripped { .. } => Code::PluginTripped,
    }
}

fn plugin_failed(link: &Link, fault: &PluginFault) -> Refusal {
    let code = fault_code(fault);
    let mut refusal =
        by_plugin(link, code, format!("plugin `{}` gave no answer, and that denies: {fault}", link.name));
    if let PluginFault::Tripped { retry_after_seconds } = fault {
        refusal.retry_after = Some(*retry_after_seconds);
    }
    refusal
}

/// Renders and parses again, so that an edit cannot leave a form that the parser would have refused.
fn recanonicalise(request: &CanonicalRequest) -> Result<CanonicalRequest, NotCanonical> {
    CanonicalRequest::parse(
        request.method().as_str(),
        &request.path_and_query(),
        request.headers().to_vec(),
        request.body().to_vec(),
    )
}

/// Returns what a change widened, or `None` if it only narrowed.
fn widened(before: &Classified, after: &Classified) -> Option<&'static str> {
    let (old, new) = (before.operation(), after.operation());
    if old.name != new.name || old.service != new.service || before.request().path() != after.request().path() {
        return Some("it is another operation");
    }
    if new.effect > old.effect {
        return Some("its effect is higher");
    }
    if !new.resources.iter().all(|resource| old.resources.contains(resource)) {
        return Some("it touches more resources");
    }
    if !fields_subset(old.fields.as_deref(), new.fields.as_deref()) {
        return Some("it touches more fields");
    }
    let breadth_grew = match (old.breadth, new.breadth) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(old), Some(new)) => new > old,
    };
    breadth_grew.then_some("it touches more records")
}

fn fields_subset(old: Option<&[Field]>, new: Option<&[Field]>) -> bool {
    match (old, new) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(old), Some(new)) => {
            let old: BTreeSet<_> = old.iter().collect();
            new.iter().all(|field| old.contains(field))
        }
    }
}
