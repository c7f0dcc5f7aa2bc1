//! Metadata: modules, fields, layouts, related lists, custom views, roles, profiles.

use http::Method;
use serde_json::{Value, json};

use super::route::{invalid_module, invalid_parameter, missing, no_such_url, only};
use super::{Ctx, Outcome, metadata};
use crate::instant::parse;
use crate::schema::{self, MODULES, Module};
use crate::wire::{Call, Reply};
use crate::world::Record;

/// When the metadata was last changed: at the seed.
const METADATA_AT: &str = "2026-01-05T08:00:00+00:00";

/// Answers `GET /settings/modules`.
pub(crate) fn modules(ctx: &mut Ctx<'_>, call: &Call) -> Outcome {
    only(call, &Method::GET)?;
    ctx.session.need(&[&["ZohoCRM.settings.modules.READ"]])?;
    let unchanged = call.header("if-modified-since").and_then(parse).zip(parse(METADATA_AT));
    if unchanged.is_some_and(|(since, at)| at <= since) {
        return Ok(Reply::empty(304));
    }
    let modules: Vec<Value> = MODULES.iter().enumerate().map(|(index, module)| show(module, index)).collect();
    Ok(Reply::json(200, &json!({"modules": modules})))
}

/// Answers `GET /settings/modules/{api_name}`.
pub(crate) fn module(ctx: &mut Ctx<'_>, call: &Call, name: &str) -> Outcome {
    only(call, &Method::GET)?;
    ctx.session.need(&[&["ZohoCRM.settings.modules.READ"]])?;
    let index = MODULES.iter().position(|module| module.name.eq_ignore_ascii_case(name));
    let index = index.ok_or_else(invalid_module)?;
    Ok(Reply::json(200, &json!({"modules": [show(&MODULES[index], index)]})))
}

/// Answers `GET /settings/{kind}`.
pub(crate) fn list(ctx: &mut Ctx<'_>, call: &Call, kind: &str) -> Outcome {
    let scope = match kind {
        "fields" | "layouts" | "related_lists" | "custom_views" | "roles" | "profiles" => {
            format!("ZohoCRM.settings.{kind}.READ")
        }
        _ => return Err(no_such_url()),
    };
    only(call, &Method::GET)?;
    ctx.session.need(&[&[&scope]])?;
    let rows = match kind {
        "roles" => vec![json!({"id": "5000000000000026005", "name": "CEO", "display_label": "CEO",
            "reporting_to": null, "share_with_peers": true, "admin_user": true})],
        "profiles" => vec![json!({"id": "5000000000000026011", "name": "Administrator", "display_label":
            "Administrator", "type": "normal_profile", "custom": false, "default": true})],
        kind => of_module(kind, call)?,
    };
    let shown = if rows.is_empty() { Reply::empty(204) } else { Reply::json(200, &json!({kind: rows})) };
    Ok(shown)
}

fn of_module(kind: &str, call: &Call) -> Result<Vec<Value>, Reply> {
    let name = call.parameter("module").ok_or_else(|| missing("module"))?;
    let module = schema::module(name).ok_or_else(invalid_module)?;
    let fields = module.all_fields().enumerate();
    let fields: Vec<Value> = fields.map(|(index, field)| metadata::field(module, field, index)).collect();
    Ok(match kind {
        "fields" => fields,
        "layouts" => vec![layout(module, &fields)],
        "custom_views" => views(module),
        _ => related_lists(module),
    })
}

fn layout(module: &Module, fields: &[Value]) -> Value {
    let section = json!({"display_label": format!("{} Information", module.singular), "name": "Information",
        "sequence_number": 1, "column_count": 2, "tab_traversal": 2, "fields": fields});
    json!({"id": module.part_id(950), "name": "Standard", "display_label": "Standard",
        "status": "active", "visible": true, "sections": [section],
        "profiles": [{"id": "5000000000000026011", "name": "Administrator", "default": true}]})
}

fn related_lists(module: &Module) -> Vec<Value> {
    if matches!(module.name, "Notes" | "Invoices") {
        return Vec::new();
    }
    vec![json!({"id": module.part_id(970), "api_name": "Notes", "name": "Notes", "display_label":
        "Notes", "href": format!("{}/{{ENTITYID}}/Notes", module.name), "type": "default", "sequence_number": "1",
        "module": {"api_name": "Notes", "id": schema::module("Notes").map(Module::metadata_id)}})]
}

/// Two views: everything, and the five newest.
fn views(module: &Module) -> Vec<Value> {
    let view = |index: usize, name: &str| {
        json!({"id": view_id(module, index), "name": name, "system_name": name.to_uppercase(), "display_value": name,
            "default": index == 0, "favorite": null, "category": "public_views", "system_defined": true})
    };
    vec![view(0, &format!("All {}", module.name)), view(1, &format!("Newest {}", module.name))]
}

fn view_id(module: &Module, index: usize) -> String {
    module.part_id(900 + index)
}

/// Keeps the records of a custom view.
pub(crate) fn apply_view(module: &Module, view: &str, rows: &mut Vec<Record>) -> Result<(), Reply> {
    if view == view_id(module, 0) {
        return Ok(());
    }
    if view != view_id(module, 1) {
        return Err(invalid_parameter("cvid"));
    }
    let surplus = rows.len().saturating_sub(5);
    rows.drain(..surplus);
    Ok(())
}

fn show(module: &Module, index: usize) -> Value {
    json!({
        "global_search_supported": true, "deletable": true, "creatable": true, "editable": true, "viewable": true,
        "convertable": module.name == "Leads", "api_supported": true, "visible": true, "api_name": module.name,
        "module_name": module.name, "singular_label": module.singular, "plural_label": module.name,
        "actual_singular_label": module.singular, "actual_plural_label": module.name,
        "id": module.metadata_id(), "generated_type": "default", "status": "visible", "sequence_number": index + 1,
        "modified_time": METADATA_AT, "modified_by": null, "profiles": [{"name": "Administrator",
        "id": "5000000000000026011"}], "quick_create": true, "presence_sub_menu": true, "business_card_field_limit": 5,
    })
}
