//! Insights: numbers of an account, a campaign, an ad set or an ad, at once or as a report that runs.

use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::read::is_under;
use super::seed;
use super::session::Given;
use super::world::{Kind, Object, World};

/// Returns the rows of a node; those of a report are what it was asked for.
pub(crate) fn rows(world: &World, node: &str, given: &Given) -> Result<Vec<Map<String, Value>>, Failure> {
    if let Some(report) = world.object(node).filter(|object| object.kind == Kind::Report) {
        let about = report.above.first().map_or("", String::as_str);
        let level = report.fields.get("level").and_then(Value::as_str).unwrap_or_default();
        return at_level(world, about, level);
    }
    at_level(world, node, given.text("level"))
}

fn at_level(world: &World, node: &str, level: &str) -> Result<Vec<Map<String, Value>>, Failure> {
    let kind = match level {
        "" | "account" => return Ok(vec![row(node, world.object(node))]),
        "ad" => Kind::Ad,
        "adset" => Kind::AdSet,
        "campaign" => Kind::Campaign,
        other => {
            return Err(Failure::parameter(format!("level must be one of ad, adset, campaign, account: {other}")));
        }
    };
    let all = world.objects.iter().filter(|object| object.kind == kind && is_under(object, node));
    Ok(all.map(|object| row(&object.id, Some(object))).collect())
}

/// The numbers are the same whenever they are asked for. Rows of insights have no id of their own.
fn row(node: &str, object: Option<&Object>) -> Map<String, Value> {
    let seed = node.bytes().fold(7_u64, |sum, byte| (sum * 31 + u64::from(byte)) % 9973);
    let mut row = json!({
        "impressions": (seed * 40).to_string(), "clicks": seed.to_string(),
        "spend": format!("{}.{:02}", seed / 3, seed % 100), "date_start": "2026-11-01", "date_stop": "2026-11-20",
    });
    match object {
        Some(object) => {
            row["account_id"] = json!(object.account);
            row[format!("{}_id", singular(object.kind))] = json!(object.id);
        }
        None => row["account_id"] = json!(node.trim_start_matches("act_")),
    }
    row.as_object().cloned().unwrap_or_default()
}

fn singular(kind: Kind) -> &'static str {
    kind.edge().trim_end_matches('s')
}

/// Starts a report; it is done at once.
pub(crate) fn start(world: &mut World, account: &str, node: &str, given: &Given) -> Value {
    let id = world.make_id();
    let mut fields = Map::new();
    fields.insert("async_status".to_owned(), json!("Job Completed"));
    fields.insert("async_percent_completion".to_owned(), json!(100));
    fields.insert("level".to_owned(), json!(given.text("level")));
    world.objects.push(seed::object(id.clone(), Kind::Report, account, &[node.to_owned()], fields));
    json!({"report_run_id": id})
}
