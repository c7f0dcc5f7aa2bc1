//! Cedar: a policy that allows or forbids. It has no way to change a request.

use std::str::FromStr as _;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request as Asked, RestrictedExpression,
};

use crate::record::Request;
use crate::{Row, Said};

const POLICY: &str = include_str!("policy.cedar");

/// Parses the policy.
pub fn rows(request: &Request) -> anyhow::Result<Vec<Row>> {
    let policies = PolicySet::from_str(POLICY)?;
    let (same, each) = (policies.clone(), policies);
    let (made, request) = (asked(request)?, request.clone());
    Ok(vec![
        Row::new("cedar, request made", "allow or deny only; the request is made once", move || {
            Ok(ask(&same, &made))
        }),
        Row::new("cedar", "allow or deny only; the request is made each time", move || {
            Ok(ask(&each, &asked(&request)?))
        }),
    ])
}

fn asked(request: &Request) -> anyhow::Result<Asked> {
    let uid = |kind: &str, id: &str| EntityUid::from_str(&format!("{kind}::{id:?}"));
    let text = |value: &str| RestrictedExpression::new_string(value.to_owned());
    let facts = [("method", &request.method), ("path", &request.path)];
    let facts = facts.map(|(name, value)| (name.to_owned(), text(value)));
    let headers = request.headers.iter().map(|(name, value)| (name.clone(), text(value)));
    let context = Context::from_pairs(facts.into_iter().chain(headers))?;
    let (agent, action) = (uid("Agent", &request.agent)?, uid("Action", &request.operation)?);
    Ok(Asked::new(agent, action, uid("Resource", &request.resource)?, context, None)?)
}

fn ask(policies: &PolicySet, asked: &Asked) -> Said {
    // As it is meant to be used: making one costs next to nothing.
    let response = Authorizer::new().is_authorized(asked, policies, &Entities::empty());
    Said::Allowed(response.decision() == Decision::Allow && response.diagnostics().errors().next().is_none())
}
