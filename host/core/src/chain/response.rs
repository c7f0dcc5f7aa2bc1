//! What a plugin says of an answer: a pass, something to take away, or a refusal in the answer's place.
//!
//! The request was sent by then, and every refusal made here says so. Whoever runs the plugins applies the edits, and
//! shows the next plugin what the one before left.

use std::fmt;

use crate::connection::{Link, LinkMode};
use crate::plugin::{PluginFault, ResponseAnswer, ResponseEdit, ResponseVerdict};
use crate::refusal::{Code, Refusal, RefusedBy};

use super::{Said, VerdictRecord};

/// What happens to an answer after one plugin's word.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum AnswerStep {
    /// It stays as it is.
    Pass,
    /// This is taken away from it.
    Edit(Vec<ResponseEdit>),
    /// The agent gets this in its place.
    Withhold(Refusal),
}

/// Judges by one plugin's word on an answer. One that is only watched changes nothing.
pub fn judge_answer(
    link: &Link,
    answer: Result<ResponseAnswer, PluginFault>,
    micros: u64,
) -> (VerdictRecord, AnswerStep) {
    let record = VerdictRecord::of(link, answer.as_ref().map(said), micros);
    let step = match (link.mode, answer) {
        (LinkMode::Monitor, _) => AnswerStep::Pass,
        (LinkMode::Enforce, Err(fault)) => AnswerStep::Withhold(unjudged(link, Some(fault.kind()), &fault)),
        (LinkMode::Enforce, Ok(answer)) => match answer.verdict {
            ResponseVerdict::Pass => AnswerStep::Pass,
            ResponseVerdict::Edit(edits, _) => AnswerStep::Edit(edits),
            ResponseVerdict::Deny(reason) => AnswerStep::Withhold(Refusal {
                code: Code::AnswerDenied,
                detail: format!("{} (the request was sent; its answer is withheld)", reason.message),
                by: RefusedBy::Plugin { name: link.name.to_string(), code: Some(reason.code) },
                hint: reason.hint,
                // The request was sent: no word of a plugin's is a reason to send it again.
                retry_after: None,
                part: None,
                draft: None,
                dry_run: None,
            }),
        },
    };
    (record, step)
}

/// Refuses because a plugin's edits cannot be made: what it wanted gone would still be there.
pub fn not_edited(link: &Link, record: &mut VerdictRecord, why: &impl fmt::Display) -> Refusal {
    record.code = Some(Code::AnswerUnjudged.as_str().to_owned());
    unjudged(link, None, why)
}

fn unjudged(link: &Link, kind: Option<&str>, why: &impl fmt::Display) -> Refusal {
    Refusal {
        code: Code::AnswerUnjudged,
        detail: format!(
            "plugin `{}` gave no verdict on the answer that can be followed, so it is withheld: {why}",
            link.name
        ),
        by: RefusedBy::Plugin { name: link.name.to_string(), code: kind.map(str::to_owned) },
        hint: None,
        retry_after: None,
        part: None,
        draft: None,
        dry_run: None,
    }
}

fn said(answer: &ResponseAnswer) -> Said {
    let (code, edits) = match &answer.verdict {
        ResponseVerdict::Pass => (None, Vec::new()),
        ResponseVerdict::Deny(reason) => (Some(reason.code.clone()), Vec::new()),
        ResponseVerdict::Edit(edits, reason) => {
            (Some(reason.code.clone()), edits.iter().map(ResponseEdit::name).collect())
        }
    };
    Said { verdict: answer.verdict.as_str(), code, edits, notes: answer.notes.clone() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::connection::Hooks;
    use crate::id::{Digest, PluginName};
    use crate::plugin::Reason;

    fn link(mode: LinkMode) -> Link {
        Link {
            name: PluginName::parse("mask").expect("a name"),
            digest: Digest::of(b"mask"),
            settings: Digest::of(b"{}"),
            mode,
            hooks: Hooks::Response,
            capabilities: BTreeSet::new(),
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "an answer as `judge_answer` wants it")]
    fn word(verdict: ResponseVerdict) -> Result<ResponseAnswer, PluginFault> {
        Ok(ResponseAnswer { verdict, notes: Vec::new() })
    }

    fn reason() -> Reason {
        Reason {
            code: "personal".to_owned(),
            message: "it holds what nobody asked for".to_owned(),
            hint: None,
            retry_after_seconds: None,
            attributes: Vec::new(),
        }
    }

    #[test]
    fn a_refused_answer_says_that_the_request_was_sent() {
        let later = Reason { retry_after_seconds: Some(60), ..reason() };
        let (record, step) = judge_answer(&link(LinkMode::Enforce), word(ResponseVerdict::Deny(later)), 5);
        let AnswerStep::Withhold(refusal) = step else { panic!("{step:?}") };
        assert_eq!(refusal.retry_after, None, "and so would waiting");
        assert_eq!((refusal.code, record.verdict), (Code::AnswerDenied, "deny"));
        assert!(refusal.detail.contains("the request was sent"), "{}", refusal.detail);
        assert!(!refusal.code.retryable(), "sending it again would do it again");
    }

    #[test]
    fn a_fault_withholds_the_answer_and_is_no_reason_to_send_again() {
        let fault = || Err(PluginFault::Timeout { limit_ms: 20 });
        let (record, step) = judge_answer(&link(LinkMode::Enforce), fault(), 5);
        let AnswerStep::Withhold(refusal) = step else { panic!("{step:?}") };
        assert_eq!((refusal.code, record.verdict, record.fault), (Code::AnswerUnjudged, "fault", Some("timeout")));
        assert!(!refusal.code.retryable());
        assert!(refusal.remedy().contains("was sent"), "{}", refusal.remedy());
    }

    #[test]
    fn what_is_only_watched_changes_nothing_and_is_recorded() {
        let edit = || ResponseVerdict::Edit(vec![ResponseEdit::RemoveJson("/data/0".to_owned())], reason());
        for (answer, word) in [
            (word(ResponseVerdict::Deny(reason())), "deny"),
            (word(edit()), "edit"),
            (Err(PluginFault::Memory), "fault"),
        ] {
            let (record, step) = judge_answer(&link(LinkMode::Monitor), answer, 5);
            assert_eq!(step, AnswerStep::Pass);
            assert_eq!((record.verdict, record.enforced), (word, false));
        }
        let (record, step) = judge_answer(&link(LinkMode::Enforce), word(edit()), 5);
        assert!(matches!(step, AnswerStep::Edit(edits) if edits.len() == 1));
        assert_eq!(record.edits, ["remove-json /data/0"]);
    }
}
