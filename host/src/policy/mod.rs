//! Policies of workspaces: ready-made ones to start from, cases that a workspace must keep, and the explanation of
//! one request. Nothing here sends anything.

mod cases;
mod check;
mod explain;
mod explanation;
mod guide;
mod ready_made;

pub use cases::{Case, CaseError, CaseResult, read_cases, run_cases};
pub use check::{CheckError, CheckReport, check, test};
pub use explain::{Question, explain};
pub(crate) use explanation::dry_run;
pub use explanation::{
    CanonicalShown, Explanation, OperationShown, PluginWord, RefusalShown, RuleWord, WouldSend,
};
pub use guide::{GuideError, SetupGuide, guide, homepage};
pub use ready_made::{PolicyError, READY_MADE, ReadyMade, instantiate, with_digests, write_starters};
