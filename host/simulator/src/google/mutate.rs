//! `{resource}:mutate` and `googleAds:mutate`: all or nothing, or with `partialFailure` as far as it goes.

use serde_json::{Value, json};

use super::apply;
use super::failure::{AdsError, Failure, details, invalid};
use super::handle::GoogleMutation;
use super::resources::{Kind, of_operation};
use super::world::World;

/// Google's limit.
const MOST_OPERATIONS: usize = 10_000;

/// Who mutates, and how the answer names the request.
pub(crate) struct Request<'a> {
    pub customer: &'a str,
    pub version: &'a str,
    pub id: &'a str,
}

/// An operation with its kind.
type Step<'a> = (&'static Kind, &'a Value);

/// Answers `{resource}:mutate`.
pub(crate) fn one_kind(
    world: &mut World,
    request: &Request<'_>,
    kind: &'static Kind,
    body: &Value,
) -> Result<Value, Failure> {
    let operations = list(body, "operations")?;
    let steps = operations.iter().map(|operation| (kind, operation)).collect();
    let result = |_: &Kind, name: Option<&str>| name.map_or(json!({}), |name| json!({"resourceName": name}));
    carry_out(world, request, steps, body, ("results", &result))
}

/// Answers `googleAds:mutate`, whose operations name their kinds.
pub(crate) fn any_kind(world: &mut World, request: &Request<'_>, body: &Value) -> Result<Value, Failure> {
    let mut steps = Vec::new();
    for operation in list(body, "mutateOperations")? {
        let named =
            operation.as_object().filter(|members| members.len() == 1).and_then(|members| members.iter().next());
        let step = named.and_then(|(name, inner)| Some((of_operation(name)?, inner)));
        steps.push(step.ok_or_else(|| {
            invalid(AdsError::new("mutateError", "MUTATE_NOT_ALLOWED", "An operation has no kind that is known."))
        })?);
    }
    let result = |kind: &Kind, name: Option<&str>| {
        name.map_or(json!({}), |name| json!({format!("{}Result", kind.camel): {"resourceName": name}}))
    };
    carry_out(world, request, steps, body, ("mutateOperationResponses", &result))
}

fn list<'a>(body: &'a Value, name: &str) -> Result<&'a Vec<Value>, Failure> {
    let operations = body.get(name).and_then(Value::as_array).filter(|operations| !operations.is_empty());
    let operations = operations.ok_or_else(|| {
        invalid(AdsError::new(
            "requestError",
            "REQUIRED_FIELD_MISSING",
            format!("Required field is missing: {name}"),
        ))
    })?;
    if operations.len() > MOST_OPERATIONS {
        let text = "Too many mutate operations in one request.";
        return Err(invalid(AdsError::new("requestError", "TOO_MANY_MUTATE_OPERATIONS", text)));
    }
    Ok(operations)
}

/// How an answer names a result: under which member, and in what form.
type Form<'a> = (&'static str, &'a dyn Fn(&Kind, Option<&str>) -> Value);

fn carry_out(
    world: &mut World,
    request: &Request<'_>,
    steps: Vec<Step<'_>>,
    body: &Value,
    (member, result): Form<'_>,
) -> Result<Value, Failure> {
    let is_set = |name: &str| body.get(name).and_then(Value::as_bool) == Some(true);
    let Some(customer) = world.customers.get(request.customer) else { return Ok(json!({})) };
    if customer.manager {
        let text = "A manager account cannot carry out this request.";
        return Err(invalid(AdsError::new("requestError", "CANNOT_BE_EXECUTED_BY_MANAGER_ACCOUNT", text)));
    }
    // The work is done on a copy, so that nothing is left of what failed.
    let mut copy = customer.clone();
    let (mut results, mut errors, mut done) = (Vec::new(), Vec::new(), Vec::new());
    let mut temporary = apply::Temporary::default();
    for (index, (kind, operation)) in steps.into_iter().enumerate() {
        match apply::step(&mut copy, &mut temporary, kind, operation) {
            Ok(name) => {
                results.push(result(kind, Some(&name)));
                done.push(GoogleMutation {
                    customer: request.customer.to_owned(),
                    collection: kind.collection.to_owned(),
                    operation: operation.clone(),
                });
            }
            Err(error) => {
                results.push(result(kind, None));
                errors.push(error.at(index));
            }
        }
    }
    let partial = is_set("partialFailure");
    if !partial && !errors.is_empty() {
        return Err(Failure::Ads { status: (400, "INVALID_ARGUMENT"), errors });
    }
    let mut answer = json!({});
    if !is_set("validateOnly") {
        world.customers.insert(request.customer.to_owned(), copy);
        world.mutations.extend(done);
        answer[member] = json!(results);
    }
    if let Some(first) = errors.first() {
        let message = format!("Multiple errors in ‘details’. First error: {}", first.message);
        let details = details(request.version, request.id, &errors);
        answer["partialFailureError"] = json!({"code": 3, "message": message, "details": details});
    }
    Ok(answer)
}
