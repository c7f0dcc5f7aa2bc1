//! The mass actions: separate scope families, and whole custom views at once.

use http::Method;
use serde_json::{Value, json};

use super::route::{invalid_parameter, only};
use super::write::{change, no_data, remove, rolled_up, rows_of};
use super::{Ctx, Outcome, scope, settings};
use crate::schema::{Module, scope_name};
use crate::wire::{Call, Reply};
use crate::world::record_id;

/// Records per call that are named by id.
const MAX_IDS: usize = 500;

/// Answers `POST /{module}/actions/mass_delete`: ids, or a whole custom view as a job.
pub(crate) fn delete(ctx: &mut Ctx<'_>, call: &Call, module: &Module) -> Outcome {
    only(call, &Method::POST)?;
    need(ctx, module, "mass_delete", "DELETE")?;
    let chosen = chosen(ctx, module, &call.json()?)?;
    let results: Vec<Value> = chosen.ids.iter().map(|id| remove(ctx, module, id)).collect();
    Ok(chosen.reply(ctx, results, "mass delete scheduled successfully"))
}

/// Answers `POST /{module}/actions/mass_update`: one set of values for all.
pub(crate) fn update(ctx: &mut Ctx<'_>, call: &Call, module: &Module) -> Outcome {
    only(call, &Method::POST)?;
    need(ctx, module, "mass_update", "UPDATE")?;
    let values = rows_of(call)?.into_iter().next().ok_or_else(|| no_data("data"))?;
    let chosen = chosen(ctx, module, &call.json()?)?;
    let results: Vec<Value> = chosen.ids.iter().map(|id| change(ctx, module, 0, id, values.clone())).collect();
    Ok(chosen.reply(ctx, results, "mass update scheduled successfully"))
}

/// The new OAS has the mass actions in families of their own; the old one puts them under `modules`.
fn need(ctx: &Ctx<'_>, module: &Module, family: &str, operation: &str) -> Result<(), Reply> {
    let own = format!("ZohoCRM.{family}.{}.{operation}", scope_name(module.name));
    let old = scope::of_module(module.name, "ALL");
    let rows: &[&[&str]] = if ctx.switches.mass_families { &[&[&own]] } else { &[&[&own], &[&old]] };
    ctx.session.need(rows)
}

struct Chosen {
    ids: Vec<String>,
    is_view: bool,
}

impl Chosen {
    /// A view is done as a job, whose number is all the answer.
    fn reply(&self, ctx: &mut Ctx<'_>, results: Vec<Value>, scheduled: &str) -> Reply {
        if !self.is_view {
            return rolled_up(200, 207, 400, results);
        }
        let job = json!({"job_id": ctx.org.make_id()});
        let item = json!({"code": "SCHEDULED", "details": job, "message": scheduled, "status": "success"});
        Reply::json(202, &json!({"data": [item]}))
    }
}

fn chosen(ctx: &Ctx<'_>, module: &Module, body: &Value) -> Result<Chosen, Reply> {
    if let Some(view) = body.get("cvid").and_then(Value::as_str) {
        let mut rows = ctx.org.modules.get(module.name).cloned().unwrap_or_default();
        settings::apply_view(module, view, &mut rows)?;
        return Ok(Chosen { ids: rows.iter().map(|row| record_id(row).to_owned()).collect(), is_view: true });
    }
    let ids = body.get("ids").and_then(Value::as_array).ok_or_else(|| no_data("ids"))?;
    let ids: Vec<String> = ids.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    if ids.is_empty() || ids.len() > MAX_IDS {
        return Err(invalid_parameter("ids"));
    }
    Ok(Chosen { ids, is_view: false })
}
