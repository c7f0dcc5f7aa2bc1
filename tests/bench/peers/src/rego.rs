//! Rego, by the interpreter regorus: a rule may have any value, an answer with edits too.

use regorus::{Engine, Value};

use crate::record::{Answer, Request};
use crate::{Row, Said};

const POLICY: &str = include_str!("policy.rego");
const RULE: &str = "data.wardlock.answer";

/// Parses the policy.
pub fn rows(request: &Request) -> anyhow::Result<Vec<Row>> {
    let mut engine = Engine::new();
    engine.add_policy("policy.rego".to_owned(), POLICY.to_owned())?;
    let (mut stays, fresh) = (engine.clone(), engine);
    let (first, second) = (request.clone(), request.clone());
    Ok(vec![
        Row::new("regorus, reused", "one engine for all requests", move || ask(&mut stays, &first)),
        Row::new("regorus", "a clone of the engine for each request", move || ask(&mut fresh.clone(), &second)),
    ])
}

fn ask(engine: &mut Engine, request: &Request) -> anyhow::Result<Said> {
    engine.set_input(Value::from_json_str(&serde_json::to_string(request)?)?);
    let answer: Answer = serde_json::from_str(&engine.eval_rule(RULE.to_owned())?.to_json_str()?)?;
    Ok(Said::Answer(answer))
}
