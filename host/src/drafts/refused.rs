//! Why a draft that a person approved was refused when it was to be sent, or its answer withheld: kept sealed in the answer's place, so
//! that its agent is told what it would have been told at once. A disk format, with a version.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wardlock_core::refusal::{Code, Refusal, RefusedBy};
use wardlock_state::{Draft, DraftState};

use super::seal;
use crate::host::Host;

const VERSION: u32 = 1;

/// The part of a draft under which it is sealed.
const PART: &str = "refusal";

/// A refusal without its code, which stands in the draft's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptRefusal {
    version: u32,
    rule: Option<String>,
    plugin: Option<String>,
    plugin_code: Option<String>,
    part: Option<u32>,
    detail: String,
    hint: String,
}

impl KeptRefusal {
    fn of(refusal: &Refusal) -> Self {
        let (rule, plugin, plugin_code) = match &refusal.by {
            RefusedBy::Rule(rule) => (Some((*rule).to_owned()), None, None),
            RefusedBy::Plugin { name, code } => (None, Some(name.clone()), code.clone()),
        };
        let (detail, hint) = (refusal.detail.clone(), refusal.remedy().to_owned());
        Self { version: VERSION, rule, plugin, plugin_code, part: refusal.part, detail, hint }
    }

    /// Says it to whoever asks where the draft stands.
    pub fn to_json(&self) -> Value {
        json!({
            "rule": self.rule,
            "plugin": self.plugin,
            "plugin_code": self.plugin_code,
            "part": self.part,
            "detail": self.detail,
            "hint": self.hint,
        })
    }

    /// Says it in the place of the answer. A host's rule is named in its sentence, because the refusal now is of the draft.
    pub fn told(self, code: Code, lead: &str) -> Refusal {
        let rule = self.rule.map(|rule| format!(" (rule `{rule}`)")).unwrap_or_default();
        let refusal = Refusal::new(code, "drafts", format!("{lead}{rule}: {}", self.detail)).hint(self.hint);
        let by = match self.plugin {
            Some(name) => RefusedBy::Plugin { name, code: self.plugin_code },
            None => refusal.by.clone(),
        };
        Refusal { by, part: self.part, ..refusal }
    }
}

/// Seals why a release was refused; `None` where the draft waits on, or it cannot be sealed.
pub fn sealed(host: &Host, draft: &Draft, state: DraftState, refusal: &Refusal) -> Option<Vec<u8>> {
    if state == DraftState::Held {
        return None;
    }
    let bytes = serde_json::to_vec(&KeptRefusal::of(refusal)).ok()?;
    let sealed = seal(host, draft, PART, &bytes);
    sealed.inspect_err(|error| tracing::error!(%error, "a refusal cannot be kept")).ok()
}

/// Returns why a draft's release was refused, where what is sealed says so, and holds no secret that was stored since.
pub fn opened(host: &Host, draft: &Draft, sealed: &[u8]) -> Option<KeptRefusal> {
    draft.code.as_ref()?;
    let plain = super::unseal(host, draft, PART, sealed).ok()?;
    let is_clean = host.egress().contains_secret(&plain).is_ok_and(|found| !found);
    let kept = serde_json::from_slice::<KeptRefusal>(&plain).ok();
    kept.filter(|kept| is_clean && kept.version == VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugins_refusal_is_told_as_its_own_and_a_rules_by_its_name() {
        let by = RefusedBy::Plugin { name: "mask".to_owned(), code: Some("hidden".to_owned()) };
        let said = Refusal { by: by.clone(), ..Refusal::new(Code::PolicyDenied, "chain", "nobody reads this") };
        let told = KeptRefusal::of(&said).told(Code::PolicyDenied, "refused when it was to be sent");
        assert_eq!((told.by, told.code), (by, Code::PolicyDenied));
        assert_eq!(told.detail, "refused when it was to be sent: nobody reads this");
        let rule = Refusal::new(Code::WritesOff, "writes", "writes are off").hint("ask the operator");
        let told = KeptRefusal::of(&rule).told(Code::WritesOff, "refused");
        assert_eq!(told.detail, "refused (rule `writes`): writes are off");
        assert_eq!(told.hint.as_deref(), Some("ask the operator"));
    }
}
