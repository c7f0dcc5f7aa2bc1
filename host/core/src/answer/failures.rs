//! Which of a request's records the answer says failed: how many of how many, and the first of them by place and code. What the
//! provider writes of each stays in its answer: it may quote what the account holds.

/// How many failed records are told one by one.
const MOST_TOLD: usize = 20;

/// The failed of a request's records, or of the requests that it carried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failures {
    /// How many failed.
    pub failed: u32,
    /// How many results there are.
    pub of: u32,
    /// The first of those that failed.
    pub first: Vec<FailedRecord>,
}

/// A record that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedRecord {
    /// Its place among the results, which are in the request's order; the first is 1.
    pub number: u32,
    /// The provider's own code, where it is a word.
    pub code: Option<String>,
}

impl Failures {
    /// Counts a result that is no failure.
    pub(super) fn passed(&mut self) {
        self.of = self.of.saturating_add(1);
    }

    /// Counts one that failed.
    pub(super) fn failed(&mut self, code: Option<&str>) {
        self.passed();
        self.failed = self.failed.saturating_add(1);
        if self.first.len() < MOST_TOLD {
            let code = code.filter(|code| is_word(code)).map(str::to_owned);
            self.first.push(FailedRecord { number: self.of, code });
        }
    }

    /// Returns them if there are any.
    pub(super) fn any(self) -> Option<Self> {
        (self.failed > 0).then_some(self)
    }
}

/// A code is a word; what is none could be anything.
fn is_word(code: &str) -> bool {
    (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}
