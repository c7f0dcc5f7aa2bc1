//! What must hold for a proof to pass. Each criterion is told by itself, with what mends it.

use serde_json::{Value, json};
use wardlock_audit::{Kind, Row};
use wardlock_core::answer::Outcome;
use wardlock_core::connection::Connection;
use wardlock_core::refusal::Refusal;
use wardlock_core::service::{LeftOut, ProofRequest};
use wardlock_egress::GrantStatus;

use crate::ingress::KeptAnswer;
use crate::ops::connections::missing;
use crate::ops::grants;
use crate::report;

/// The criterion that is about whose account it is.
const ACCOUNT: &str = "the pinned account";

/// One thing that must hold.
pub(super) struct Criterion {
    name: &'static str,
    /// Why it does not hold.
    problem: Option<String>,
    hint: Option<String>,
    /// Why nobody looked: it neither holds nor fails.
    open: Option<String>,
}

impl Criterion {
    pub(super) fn new(name: &'static str, problem: Option<String>) -> Self {
        Self { name, problem, hint: None, open: None }
    }

    fn open(name: &'static str, why: &str) -> Self {
        Self { open: Some(why.to_owned()), ..Self::new(name, None) }
    }

    /// Returns whether a proof may pass with it.
    pub(super) fn fails(&self) -> bool {
        self.problem.is_some()
    }

    fn hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.filter(|_| self.problem.is_some());
        self
    }

    /// In words; `holds` is null where nobody looked, and `note` says why.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "criterion": self.name,
            "holds": self.open.is_none().then_some(self.problem.is_none()),
            "problem": self.problem,
            "hint": self.hint,
            "note": self.open,
        })
    }
}

/// There is a grant, of the right region, for the account that the connection is pinned to.
pub(super) fn connected(connection: &Connection, grant: Option<&GrantStatus>) -> Criterion {
    let refused = grants::unusable(connection, grant);
    Criterion::new("connected", refused.as_ref().map(|refusal| refusal.detail.clone()))
        .hint(refused.and_then(|refusal| refusal.hint))
}

pub(super) fn scopes(connection: &Connection, grant: &GrantStatus) -> Criterion {
    let lacking = missing(connection, Some(grant));
    let problem = (!lacking.is_empty()).then(|| format!("the grant lacks {}", lacking.join(", ")));
    Criterion::new("scopes granted", problem).hint(Some(format!(
        "run `{}`, or take the operations that need them out",
        report::connect_command(connection)
    )))
}

/// There is something with which an answer may be compared.
///
/// Services that share a grant do not know each other's ids, so what one told says nothing of another's answers.
pub(super) fn pinned(connection: &Connection, grant: &GrantStatus) -> Criterion {
    let service = &connection.service.name;
    let problem = (!grant.is_pinned_for(connection)).then(|| {
        format!(
            "grant `{}` was consented to for service `{}`, and `{service}` never told whose account it is",
            grant.name, grant.service
        )
    });
    Criterion::new(ACCOUNT, problem).hint(Some(format!("run `{}`", report::look_up_command(connection))))
}

/// Some answer tells whose account it is; `None` where the steps that are asked say it themselves, or nothing is asked at all.
pub(super) fn told(connection: &Connection, requests: &[ProofRequest], left_out: &[LeftOut]) -> Option<Criterion> {
    let tells = |pointer: &Option<String>| pointer.is_some();
    if requests.is_empty() || requests.iter().any(|asked| tells(&asked.tenant_pointer)) {
        return None;
    }
    let Some(step) = left_out.iter().find(|step| tells(&step.tenant_pointer)) else {
        let why = format!("service `{}` says not where an answer tells it", connection.service.name);
        return Some(Criterion::open(ACCOUNT, &why));
    };
    let problem = format!("no answer tells whose account it is: `{}` was left out", step.what);
    let mend = step.operation.as_ref().map(|name| format!("add `{name}` to `operations` of the connection"));
    Some(Criterion::new(ACCOUNT, Some(problem)).hint(mend))
}

pub(super) fn something_to_ask(
    connection: &Connection,
    requests: &[ProofRequest],
    left_out: &[LeftOut],
) -> Criterion {
    let name = "something to ask";
    if !requests.is_empty() {
        return Criterion::new(name, None);
    }
    if left_out.is_empty() {
        let problem = format!("service `{}` says not what a proof asks", connection.service.name);
        return Criterion::new(name, Some(problem)).hint(Some("add `[[proof]]` to its definition".to_owned()));
    }
    let problem = "none of the operations that a proof asks is among the connection's".to_owned();
    Criterion::new(name, Some(problem))
        .hint(Some("add the group `identity` to `operations` of the connection".to_owned()))
}

pub(super) fn refused(refusal: &Refusal) -> Criterion {
    let problem = format!("{}: {}", refusal.code.as_str(), refusal.detail);
    Criterion::new("allowed", Some(problem)).hint(Some(refusal.remedy().to_owned()))
}

/// What the answer must be: allowed, of the right status, without an error in its body, with no secret in it.
pub(super) fn answered(connection: &Connection, outcome: Outcome, answer: Option<&KeptAnswer>) -> Vec<Criterion> {
    let status = answer.map(|answer| answer.status);
    let wrong_status = match status {
        Some(200 | 204) => None,
        Some(other) => Some(format!("the provider answered {other}")),
        None => Some("the answer broke off, or is too large".to_owned()),
    };
    let failed = (outcome != Outcome::Ok).then(|| format!("the answer's body says {}", outcome.as_str()));
    // What the service's definition says of the provider's code, and of the permission that an account lacks.
    let hint = answer.and_then(|answer| answer.header("wardlock-hint")).map(str::to_owned);
    let exposed = answer.and_then(|answer| answer.header("wardlock-secret-exposed"));
    let exposed = match exposed {
        Some("false") | None => None,
        Some(_) => Some("the provider showed a stored secret, which was cut out".to_owned()),
    };
    vec![
        Criterion::new("allowed", None),
        Criterion::new("answered with 200 or 204", wrong_status).hint(hint.clone()),
        Criterion::new("no error in the body", failed)
            .hint(hint.or_else(|| Some(format!("run `wardlock service guide {}`", connection.service.name)))),
        Criterion::new("nothing exposed", exposed).hint(Some(
            "find out why the provider echoes credentials before an agent asks it anything".to_owned(),
        )),
    ]
}

/// The answer names the pinned account, if it names one.
pub(super) fn right_tenant(pointer: Option<&str>, tenant: &str, answer: Option<&KeptAnswer>) -> Criterion {
    let (Some(pointer), Some(answer)) = (pointer, answer) else {
        return Criterion::open(ACCOUNT, "not told by this answer");
    };
    let body = serde_json::from_slice::<Value>(&answer.body).ok();
    let found = body.as_ref().and_then(|body| body.pointer(pointer)).map(|found| match found {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    match found {
        Some(found) if found == tenant => Criterion::new(ACCOUNT, None),
        Some(_) => {
            let problem = "the answer is about another account than the pinned one".to_owned();
            Criterion::new(ACCOUNT, Some(problem))
                .hint(Some("disconnect, and connect the right account".to_owned()))
        }
        // Nothing says that the account is the wrong one, so nothing is to be disconnected.
        None => Criterion::new(ACCOUNT, Some(format!("the answer does not say whose it is, at `{pointer}`"))),
    }
}

/// Both rows are there, of this workspace and this region's host, one after the other in the chain.
pub(super) fn recorded(connection: &Connection, rows: &[Row]) -> Criterion {
    let row = |kind: Kind| rows.iter().find(|row| row.kind == kind);
    let problem = match (row(Kind::Intent), row(Kind::Outcome)) {
        (Some(intent), Some(outcome)) => {
            let host = intent.detail.request.as_ref().and_then(|request| request.host.as_deref());
            let hosts = connection.service.regions.get(&connection.region);
            let is_ours = |host: &str| {
                hosts.is_some_and(|row| {
                    row.hosts.values().any(|role| role.values().any(|known| known == host))
                        || row.accounts == host
                        || row.token_host() == host
                })
            };
            if outcome.closes != Some(intent.sequence) || outcome.sequence <= intent.sequence {
                Some("the audit's two rows do not belong together".to_owned())
            } else if intent.workspace.as_deref() != Some(connection.workspace.as_str()) {
                Some("the audit names another workspace".to_owned())
            } else if !host.is_some_and(is_ours) {
                Some("it went to a host that is none of this region's".to_owned())
            } else {
                None
            }
        }
        _ => Some("the audit lacks a row of it".to_owned()),
    };
    Criterion::new("recorded, of this workspace and region", problem)
        .hint(Some("run `wardlock audit verify`".to_owned()))
}
