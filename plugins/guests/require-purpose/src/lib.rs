//! Wants a stated purpose for writes and broad reads.
//!
//! The agent says it in `Wardlock-Purpose`; it stands in the audit. A read is broad when it may return more
//! records than `broad_above`, or when nobody can tell.

use serde::Deserialize;
use wardlock_plugin::{Answer, Description, Effect, Policy, Problem, Request, allow, deny, describe, export};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    min_length: u16,
    allowed: Vec<String>,
    broad_above: u32,
}

impl Default for Settings {
    fn default() -> Self {
        // One full page at Zoho is 200 records.
        Self { min_length: 10, allowed: Vec::new(), broad_above: 200 }
    }
}

struct RequirePurpose(Settings);

impl Policy for RequirePurpose {
    type Settings = Settings;

    fn describe() -> Description {
        describe!()
    }

    fn schema() -> &'static str {
        include_str!("../schema.json")
    }

    fn configure(settings: Settings) -> Result<Self, Vec<Problem>> {
        let blank = settings.allowed.iter().enumerate().filter(|(_, prefix)| prefix.trim().is_empty());
        let problems: Vec<Problem> = blank
            .map(|(at, _)| Problem::at(format!("/allowed/{at}"), "an empty prefix would allow every purpose"))
            .collect();
        if problems.is_empty() { Ok(Self(settings)) } else { Err(problems) }
    }

    fn on_request(&self, request: &Request) -> Answer {
        let operation = &request.operation;
        let what = match operation.effect {
            Effect::Read if operation.touches_more_than(self.0.broad_above) => "broad read",
            Effect::Read => return allow(),
            Effect::Write | Effect::Destructive => "write",
        };
        self.judge(what, request.purpose.as_deref().unwrap_or_default().trim())
    }
}

impl RequirePurpose {
    fn judge(&self, what: &str, purpose: &str) -> Answer {
        let said = weight(purpose);
        if said == 0 {
            return deny("purpose_required", format!("a {what} needs a purpose"))
                .hint(format!("send the header `Wardlock-Purpose: {}`", self.example()));
        }
        if said < usize::from(self.0.min_length) {
            let message = format!("the purpose is too short: {said} of {} letters and digits", self.0.min_length);
            return deny("purpose_too_short", message).hint("say for whom or for which task this is");
        }
        let allowed = &self.0.allowed;
        if !allowed.is_empty() && !allowed.iter().any(|prefix| purpose.starts_with(prefix.as_str())) {
            return deny("purpose_not_allowed", "the purpose is none of those that this connection takes")
                .hint(format!("begin it with one of: {}", allowed.join(", ")));
        }
        allow()
    }

    fn example(&self) -> String {
        match self.0.allowed.first() {
            Some(prefix) => format!("{prefix}…"),
            None => "why you do this, in a few words".into(),
        }
    }
}

/// Counts letters and digits: blanks, dots and invisible characters say nothing.
fn weight(purpose: &str) -> usize {
    purpose.chars().filter(|c| c.is_alphanumeric()).count()
}

export!(RequirePurpose);

#[cfg(test)]
mod tests {
    use super::*;

    fn check(purpose: &str, expected: usize) {
        assert_eq!(weight(purpose), expected, "{purpose:?}");
    }

    #[test]
    fn only_letters_and_digits_weigh() {
        check("", 0);
        check("  \u{200b}\u{feff} … --", 0);
        check("Ticket 42", 8);
        check("Überprüfung", 11);
    }

    #[test]
    fn cases_hold() {
        wardlock_plugin::cases::check::<RequirePurpose>(env!("CARGO_MANIFEST_DIR"));
    }
}
