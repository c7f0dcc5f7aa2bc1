//! What a case expects, what the plugin says, and the difference in words.

use std::collections::BTreeMap;

use serde::Serialize;
use wardlock_core::plugin::{
    Answer, Edit, PluginFault, Reason, ResponseAnswer, ResponseEdit, ResponseVerdict, Verdict,
};
use wardlock_sandbox::LoadError;

use super::format::ExpectFile;

/// An edit as cases spell it: `["set-query", "fields", "Last_Name"]`.
pub type EditWords = Vec<String>;

/// What a case expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// This verdict.
    Said(Said),
    /// Settings that are refused, with problems at these JSON pointers among others.
    Problems(Vec<String>),
}

/// A verdict, as far as cases compare it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// `allow`, `deny`, `hold` or `shape`; of an answer `pass`, `deny` or `edit`.
    pub verdict: &'static str,
    /// The reason's code.
    pub code: Option<String>,
    /// When to try again.
    pub retry_after_seconds: Option<u32>,
    /// The edits, in order; `None` unless the verdict is `shape` or `edit`.
    pub edits: Option<Vec<EditWords>>,
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A verdict, with the message that goes with it.
    Said(Said, Option<String>),
    /// The settings were refused: each problem by its JSON pointer, with what is wrong there.
    Problems(BTreeMap<String, String>),
    /// The plugin gave no answer.
    Fault(String),
    /// It would change the request as the host never lets it; why.
    Refused(String),
}

impl Expected {
    /// Takes what stands under `[expect]`; `Err` says what is wrong there.
    pub(super) fn take(of: ExpectFile) -> Result<Self, &'static str> {
        match of {
            ExpectFile {
                problems: Some(problems),
                verdict: None,
                code: None,
                retry_after_seconds: None,
                edits: None,
            } => Ok(Self::Problems(problems)),
            ExpectFile { problems: Some(_), .. } => {
                Err("`problems` stands alone: where settings are refused there is no verdict")
            }
            ExpectFile { verdict: None, .. } => Err("neither `verdict` nor `problems` is expected"),
            ExpectFile { verdict: Some(verdict), code, retry_after_seconds, edits, .. } => {
                Ok(Self::Said(Said { verdict: verdict.as_str(), code, retry_after_seconds, edits }))
            }
        }
    }
}

impl Found {
    /// Takes what came of loading a plugin and asking it. An error says that the component is no plugin, whatever it was asked.
    pub fn take(outcome: Result<Result<Answer, PluginFault>, LoadError>) -> Result<Self, LoadError> {
        match outcome {
            Ok(Ok(answer)) => Ok(Self::of(&answer)),
            Ok(Err(fault)) => Ok(Self::Fault(fault.to_string())),
            Err(LoadError::Settings { problems }) => {
                let problems = problems.into_iter().map(|problem| (problem.path, problem.message));
                Ok(Self::Problems(problems.collect()))
            }
            Err(error) => Err(error),
        }
    }

    /// Reads an answer.
    fn of(answer: &Answer) -> Self {
        let (said, message) = Self::said(answer);
        Self::Said(said, message)
    }

    /// Reads an answer: the verdict, and the message that goes with it.
    pub(crate) fn said(answer: &Answer) -> (Said, Option<String>) {
        let (edits, reason) = match &answer.verdict {
            Verdict::Allow => (None, None),
            Verdict::Deny(reason) | Verdict::Hold(reason) => (None, Some(reason)),
            Verdict::Shape(edits, reason) => (Some(edits.iter().map(words).collect()), Some(reason)),
        };
        Said::with(answer.verdict.as_str(), edits, reason)
    }

    /// Reads what was said of a provider's answer, likewise.
    pub(crate) fn said_of_answer(answer: &ResponseAnswer) -> (Said, Option<String>) {
        let (edits, reason) = match &answer.verdict {
            ResponseVerdict::Pass => (None, None),
            ResponseVerdict::Deny(reason) => (None, Some(reason)),
            ResponseVerdict::Edit(edits, reason) => {
                (Some(edits.iter().map(response_words).collect()), Some(reason))
            }
        };
        Said::with(answer.verdict.as_str(), edits, reason)
    }
}

impl Said {
    /// Makes it of a verdict with its reason, whose message goes beside it.
    fn with(
        verdict: &'static str,
        edits: Option<Vec<EditWords>>,
        reason: Option<&Reason>,
    ) -> (Self, Option<String>) {
        let said = Self {
            verdict,
            code: reason.map(|reason| reason.code.clone()),
            retry_after_seconds: reason.and_then(|reason| reason.retry_after_seconds),
            edits,
        };
        (said, reason.map(|reason| reason.message.clone()))
    }
}

/// Says how what was found differs from what is expected, a line each; nothing where it does not.
pub(super) fn differences(expected: &Expected, found: &Found) -> Vec<String> {
    match (expected, found) {
        (Expected::Said(expected), Found::Said(found, message)) => {
            let mut lines = said_differences(expected, found);
            if let (false, Some(message)) = (lines.is_empty(), message) {
                lines.push(format!("its message: {message}"));
            }
            lines
        }
        (Expected::Problems(expected), Found::Problems(found)) => {
            let missed = expected.iter().filter(|path| !found.contains_key(*path));
            let mut lines: Vec<String> =
                missed.map(|path| format!("problems: one at {path:?} is expected, and there is none")).collect();
            if !lines.is_empty() {
                lines.extend(problem_lines(found));
            }
            lines
        }
        (Expected::Said(expected), Found::Problems(found)) => {
            let told = format!("verdict: `{}` is expected, and the settings are refused", expected.verdict);
            std::iter::once(told).chain(problem_lines(found)).collect()
        }
        (Expected::Problems(expected), Found::Said(found, _)) => vec![format!(
            "problems: some at {expected:?} are expected, and the settings are taken; the verdict is `{}`",
            found.verdict
        )],
        (_, Found::Refused(why)) => {
            vec![format!("verdict: it is `shape`, which is refused when it serves: {why}")]
        }
        (_, Found::Fault(fault)) => vec![format!("verdict: there is none: {fault}")],
    }
}

fn problem_lines(found: &BTreeMap<String, String>) -> impl Iterator<Item = String> {
    found.iter().map(|(path, message)| format!("  found at {path:?}: {message}"))
}

fn said_differences(expected: &Said, found: &Said) -> Vec<String> {
    let shown = |value: Option<String>| value.map_or_else(|| "none".to_owned(), |value| format!("`{value}`"));
    let seconds = |said: &Said| said.retry_after_seconds.map(|seconds| seconds.to_string());
    let pairs = [
        ("verdict", Some(expected.verdict.to_owned()), Some(found.verdict.to_owned())),
        ("code", expected.code.clone(), found.code.clone()),
        ("retry_after_seconds", seconds(expected), seconds(found)),
    ];
    let mut lines: Vec<String> = pairs
        .into_iter()
        .filter(|(_, expected, found)| expected != found)
        .map(|(what, expected, found)| {
            format!("{what}: {} is expected, and it is {}", shown(expected), shown(found))
        })
        .collect();
    if expected.edits != found.edits {
        lines.push("edits: - expected, + found".to_owned());
        lines.extend(edit_lines(expected.edits.as_deref(), found.edits.as_deref()));
    }
    lines
}

/// Shows two lists of edits as one: what both begin and end with, and between it what only one of them has.
fn edit_lines(expected: Option<&[EditWords]>, found: Option<&[EditWords]>) -> Vec<String> {
    let (before, after) = (expected.unwrap_or_default(), found.unwrap_or_default());
    let head = before.iter().zip(after).take_while(|(before, after)| before == after).count();
    let rest = before[head..].iter().rev().zip(after[head..].iter().rev());
    let tail = rest.take_while(|(before, after)| before == after).count();
    let lines = |sign: char, edits: &[EditWords]| -> Vec<String> {
        edits.iter().map(|edit| format!("  {sign} {}", serde_json::json!(edit))).collect()
    };
    let none = |sign: char, edits: Option<&[EditWords]>| match edits {
        None => vec![format!("  {sign} none")],
        Some([]) => vec![format!("  {sign} []")],
        Some(_) => Vec::new(),
    };
    [
        lines(' ', &before[..head]),
        lines('-', &before[head..before.len() - tail]),
        none('-', expected),
        lines('+', &after[head..after.len() - tail]),
        none('+', found),
        lines(' ', &before[before.len() - tail..]),
    ]
    .concat()
}

/// Spells an edit as cases do. Bytes that are not UTF-8 show as U+FFFD.
fn words(edit: &Edit) -> EditWords {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    match edit {
        Edit::SetHeader(header) => words(&["set-header", &header.name, &text(&header.value)]),
        Edit::RemoveHeader(name) => words(&["remove-header", name]),
        Edit::SetQuery(parameter) => words(&["set-query", &parameter.name, &parameter.value]),
        Edit::RemoveQuery(name) => words(&["remove-query", name]),
        Edit::SetJson(pointer, json) => words(&["set-json", pointer, json]),
        Edit::ReplaceBody(body) => words(&["replace-body", &text(body)]),
    }
}

fn response_words(edit: &ResponseEdit) -> EditWords {
    let (what, of) = match edit {
        ResponseEdit::RedactJson(pointer) => ("redact-json", pointer),
        ResponseEdit::RemoveJson(pointer) => ("remove-json", pointer),
        ResponseEdit::RemoveHeader(name) => ("remove-header", name),
    };
    vec![what.to_owned(), of.clone()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(verdict: &'static str, code: Option<&str>, edits: Option<&[&[&str]]>) -> Said {
        let owned = |words: &&[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Said {
            verdict,
            code: code.map(str::to_owned),
            retry_after_seconds: None,
            edits: edits.map(|edits| edits.iter().map(owned).collect()),
        }
    }

    fn check(expected: Said, found: Said, lines: &[&str]) {
        let found = Found::Said(found, Some("a message".to_owned()));
        assert_eq!(differences(&Expected::Said(expected), &found), lines);
    }

    #[test]
    fn what_is_expected_differs_in_nothing() {
        check(said("deny", Some("no"), None), said("deny", Some("no"), None), &[]);
    }

    #[test]
    fn another_verdict_is_told_with_its_code_and_message() {
        check(
            said("allow", None, None),
            said("deny", Some("no"), None),
            &[
                "verdict: `allow` is expected, and it is `deny`",
                "code: none is expected, and it is `no`",
                "its message: a message",
            ],
        );
    }

    #[test]
    fn edits_show_what_both_have_and_what_only_one_has() {
        let (first, second, third): (&[&str], &[&str], &[&str]) =
            (&["set-query", "a", "1"], &["set-query", "b", "2"], &["remove-query", "c"]);
        check(
            said("shape", Some("x"), Some(&[first, second, third])),
            said("shape", Some("x"), Some(&[first, third])),
            &[
                "edits: - expected, + found",
                "    [\"set-query\",\"a\",\"1\"]",
                "  - [\"set-query\",\"b\",\"2\"]",
                "    [\"remove-query\",\"c\"]",
                "its message: a message",
            ],
        );
        check(
            said("shape", Some("x"), Some(&[first])),
            said("shape", Some("x"), None),
            &[
                "edits: - expected, + found",
                "  - [\"set-query\",\"a\",\"1\"]",
                "  + none",
                "its message: a message",
            ],
        );
    }

    #[test]
    fn every_problem_that_is_expected_must_be_among_those_found() {
        let expected = |paths: &[&str]| Expected::Problems(paths.iter().map(|&path| path.to_owned()).collect());
        let found = ["", "/max"].map(|path| (path.to_owned(), "is wrong".to_owned()));
        let found = Found::Problems(found.into());
        assert_eq!(differences(&expected(&["/max"]), &found), [""; 0]);
        assert_eq!(
            differences(&expected(&["/min"]), &found),
            [
                r#"problems: one at "/min" is expected, and there is none"#,
                r#"  found at "": is wrong"#,
                r#"  found at "/max": is wrong"#,
            ]
        );
    }
}
