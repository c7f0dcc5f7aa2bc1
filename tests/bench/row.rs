//! The rows of the decision's table.

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    Native,
    Reused,
    Fresh,
    Configured,
    Worker,
    FreshMany,
    WorkerMany,
    JudgedAnew,
    Chain,
}

impl Row {
    pub const ALL: [Self; 9] = [
        Self::Native,
        Self::Reused,
        Self::Fresh,
        Self::Configured,
        Self::Worker,
        Self::FreshMany,
        Self::WorkerMany,
        Self::JudgedAnew,
        Self::Chain,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Reused => "reused",
            Self::Fresh => "fresh",
            Self::Configured => "configured",
            Self::Worker => "worker",
            Self::FreshMany => "fresh-16",
            Self::WorkerMany => "worker-16",
            Self::JudgedAnew => "judged-anew",
            Self::Chain => "chain",
        }
    }

    pub fn says(self) -> &'static str {
        match self {
            Self::Native => "the same answer by a Rust function",
            Self::Reused => "an instance that stays (never in the product)",
            Self::Fresh => {
                "gate, instance from a snapshot, answer, end; in process; budget: 10 µs and 2.5 x reused"
            }
            Self::Configured => "the same without a snapshot: `configure` first; in process",
            Self::Worker => "as `fresh`, across a worker process, as the product has it; budget: 25 µs",
            Self::FreshMany => "as `fresh`, 16 under way at once: time for each",
            Self::WorkerMany => "as `worker`, 16 under way at once: time for each",
            Self::JudgedAnew => "the two edits applied, canonical form, classification, rules; no plugin",
            Self::Chain => "the whole step: across a worker, and judging anew",
        }
    }
}
