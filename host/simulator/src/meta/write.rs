//! Creating, changing and deleting. Changing is a POST on the object, and so may deleting be.

use http::Method;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::handle::MetaMutation;
use super::read::account_of;
use super::session::Given;
use super::world::{Kind, Token, World};
use super::{insights, seed};

/// Parameters that are about the call, and never fields.
const OF_THE_CALL: [&str; 6] =
    ["access_token", "appsecret_proof", "execution_options", "fields", "include_headers", "method"];

/// Answers a POST or DELETE.
pub(crate) fn answer(
    world: &mut World,
    token: &Token,
    method: &Method,
    parts: &[&str],
    given: &Given,
) -> Result<Value, Failure> {
    let verb = method.as_str().to_ascii_lowercase();
    let Some(node) = parts.first() else { return Err(Failure::unknown_path("/")) };
    let account = account_of(world, token, node, &verb)?;
    // A report changes nothing, and reading is enough for it.
    if let [node, "insights"] = parts
        && method == Method::POST
    {
        return Ok(insights::start(world, &account, node, given));
    }
    if !token.scopes.iter().any(|scope| scope == "ads_management") {
        return Err(Failure::denied("Requires ads_management permission to manage the object"));
    }
    match parts {
        [node, edge] if method == Method::POST && node.starts_with("act_") => {
            let kind = Kind::of_edge(edge).ok_or_else(|| Failure::unknown_path(edge))?;
            create(world, &account, kind, given)
        }
        [node, "copies"] if method == Method::POST => copy(world, &account, node, given),
        [node] if method == Method::POST => update(world, &account, node, given),
        [node] if method == Method::DELETE && !node.starts_with("act_") => delete(world, &account, node),
        _ => Err(Failure::unknown_object(&verb, node)),
    }
}

fn create(world: &mut World, account: &str, kind: Kind, given: &Given) -> Result<Value, Failure> {
    let fields = fields(given);
    let required: &[&str] = match kind {
        Kind::Ad => &["name", "adset_id", "creative"],
        Kind::AdSet => &["name", "campaign_id"],
        Kind::Campaign => &["name", "objective", "special_ad_categories"],
        Kind::Creative => &["name"],
        Kind::Report => &[],
    };
    for name in required {
        if !fields.contains_key(*name) {
            return Err(Failure::parameter(format!("The parameter {name} is required")));
        }
    }
    let mut above = Vec::new();
    for name in ["campaign_id", "adset_id"] {
        let Some(id) = fields.get(name).and_then(Value::as_str) else { continue };
        let parent = world.object(id).filter(|object| object.account == account);
        let parent = parent.ok_or_else(|| Failure::parameter(format!("Invalid parameter: {name}")))?;
        above.extend(parent.above.iter().cloned());
        above.push(id.to_owned());
    }
    if only_validates(given) {
        return Ok(json!({"success": true}));
    }
    let id = world.make_id();
    record(world, account, "create", &id, &fields);
    world.objects.push(seed::object(id.clone(), kind, account, &above, fields));
    Ok(json!({"id": id}))
}

/// Copies know no dry run.
fn copy(world: &mut World, account: &str, node: &str, given: &Given) -> Result<Value, Failure> {
    let original = world.object(node).cloned().ok_or_else(|| Failure::unknown_object("post", node))?;
    let id = world.make_id();
    record(world, account, "create", &id, &fields(given));
    world.objects.push(seed::object(id.clone(), original.kind, account, &original.above, original.fields));
    let name = match original.kind {
        Kind::Ad => "copied_ad_id",
        Kind::AdSet => "copied_adset_id",
        Kind::Campaign => "copied_campaign_id",
        Kind::Creative | Kind::Report => return Err(Failure::unknown_path("copies")),
    };
    Ok(json!({name: id}))
}

/// `status=DELETED` deletes.
fn update(world: &mut World, account: &str, node: &str, given: &Given) -> Result<Value, Failure> {
    let fields = fields(given);
    if world.object(node).is_none() {
        return Err(Failure::unknown_object("post", node));
    }
    if only_validates(given) {
        return Ok(json!({"success": true}));
    }
    if fields.get("status").and_then(Value::as_str) == Some("DELETED") {
        return delete(world, account, node);
    }
    record(world, account, "update", node, &fields);
    if let Some(object) = world.objects.iter_mut().find(|object| object.id == node) {
        object.fields.extend(fields);
    }
    Ok(json!({"success": true}))
}

/// Deletes an object with all that is in it.
fn delete(world: &mut World, account: &str, node: &str) -> Result<Value, Failure> {
    if world.object(node).is_none() {
        return Err(Failure::unknown_object("delete", node));
    }
    record(world, account, "delete", node, &Map::new());
    world.objects.retain(|object| object.id != node && !object.above.iter().any(|above| above == node));
    Ok(json!({"success": true}))
}

fn record(world: &mut World, account: &str, action: &str, id: &str, fields: &Map<String, Value>) {
    world.mutations.push(MetaMutation {
        account: account.to_owned(),
        action: action.to_owned(),
        id: id.to_owned(),
        fields: Value::Object(fields.clone()),
    });
}

/// Returns what is to be written. Forms hold lists and objects as JSON text.
fn fields(given: &Given) -> Map<String, Value> {
    let named = given.0.iter().filter(|(name, _)| !OF_THE_CALL.contains(&name.as_str()));
    let parsed = |name: &str, value: &Value| match given.json(name) {
        Some(parsed @ (Value::Array(_) | Value::Object(_))) => parsed,
        _ => value.clone(),
    };
    named.map(|(name, value)| (name.clone(), parsed(name, value))).collect()
}

fn only_validates(given: &Given) -> bool {
    let options = given.json("execution_options");
    options
        .and_then(|options| options.as_array().cloned())
        .into_iter()
        .flatten()
        .any(|option| option == "validate_only")
}
