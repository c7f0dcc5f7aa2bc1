//! Lead conversion: one way, and three modules at once.

use http::Method;
use serde_json::{Value, json};

use super::route::{invalid_id, no_such_url, only};
use super::write::{insert, succeeded};
use super::{Ctx, Outcome};
use crate::schema::{self, Module};
use crate::wire::{Call, Reply};
use crate::world::Record;

/// Answers `POST /Leads/{id}/actions/convert`.
pub(crate) fn convert(ctx: &mut Ctx<'_>, call: &Call, module: &Module, id: &str) -> Outcome {
    if module.name != "Leads" {
        return Err(no_such_url());
    }
    only(call, &Method::POST)?;
    ctx.session.need_module("Leads", "CREATE")?;
    let Some(lead) = ctx.org.find_mut("Leads", id) else { return Err(invalid_id(1)) };
    if lead.contains_key("$converted") {
        let message = "id already converted";
        return Err(Reply::error(400, "ID_ALREADY_CONVERTED", message, json!({"resource_path_index": 1})));
    }
    lead.insert("$converted".into(), json!(true));
    let lead = lead.clone();
    let options = call.json().unwrap_or(Value::Null);
    let account = made(ctx, "Accounts", &[("Account_Name", lead.get("Company"))]);
    let names = ["First_Name", "Last_Name", "Email", "Phone"].map(|name| (name, lead.get(name)));
    let contact = made(ctx, "Contacts", &[names.as_slice(), &[("Account_Name", Some(&account))]].concat());
    let wanted = options.pointer("/data/0/Deals").and_then(Value::as_object);
    let deal = wanted.map_or(Value::Null, |deal| {
        let fields: Vec<(&str, Option<&Value>)> =
            deal.iter().map(|(name, value)| (name.as_str(), Some(value))).collect();
        made(ctx, "Deals", &fields)
    });
    ctx.org.modules.entry("Leads".into()).or_default().retain(|row| crate::world::record_id(row) != id);
    let details = json!({"Contacts": contact, "Deals": deal, "Accounts": account});
    let result = succeeded("The record has been converted successfully", &details);
    Ok(Reply::json(200, &json!({"data": [result]})))
}

/// Makes a record and returns it as a lookup.
fn made(ctx: &mut Ctx<'_>, name: &str, fields: &[(&str, Option<&Value>)]) -> Value {
    let Some(module) = schema::module(name) else { return Value::Null };
    let present = fields.iter().filter_map(|(name, value)| Some(((*name).to_owned(), (*value)?.clone())));
    let row: Record = present.collect();
    let shown = row.get(schema::name_field(name)).or_else(|| row.get("Last_Name")).cloned();
    let result = insert(ctx, module, 0, row);
    match result.pointer("/details/id") {
        Some(id) if result["status"] == "success" => json!({"name": shown, "id": id}),
        _ => Value::Null,
    }
}
