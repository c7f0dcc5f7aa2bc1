//! A field's metadata, as much of it as Zoho's own SDKs read.

use serde_json::{Map, Value, json};

use crate::schema::{self, Field, Kind, Module};

/// Returns a field as `settings/fields` shows it.
pub(crate) fn field(module: &Module, field: &Field, index: usize) -> Value {
    let label = field.name.replace('_', " ");
    let system = field.is_system();
    let identity = json!({
        "id": module.part_id(index + 1), "api_name": field.name, "field_label": label,
        "display_label": label, "data_type": field.kind.data_type(), "json_type": field.kind.json_type(),
        "column_name": field.name.to_uppercase(), "type": "used", "length": 255, "decimal_place": null,
        "custom_field": false, "system_mandatory": field.mandatory, "mandatory": field.mandatory,
        "field_read_only": system, "read_only": system, "created_source": "default", "ui_type": 1,
    });
    let behaviour = json!({
        "webhook": true, "searchable": !system, "sortable": true, "filterable": true, "visible": true,
        "virtual_field": false, "businesscard_supported": true, "enable_colour_code": false, "private": null,
        "view_type": {"view": true, "edit": !system, "quick_create": false, "create": !system},
    });
    let details = json!({
        "lookup": lookup(module, field, index), "pick_list_values": picks(field), "associated_module": null,
        "multiselectlookup": {}, "multiuserlookup": {}, "unique": {}, "auto_number": {}, "formula": {},
        "currency": {},
    });
    let parts = [identity, behaviour, details].into_iter().filter_map(|part| match part {
        Value::Object(members) => Some(members),
        _ => None,
    });
    Value::Object(parts.flatten().collect::<Map<_, _>>())
}

fn lookup(module: &Module, field: &Field, index: usize) -> Value {
    let Kind::Lookup(target) = field.kind else { return json!({}) };
    json!({
        "display_label": module.name, "api_name": format!("{}_{}", module.name, field.name),
        "module": {"api_name": target, "id": schema::module(target).map(Module::metadata_id)},
        "id": (5_000_000_000_000_900_000 + index as u64).to_string(),
    })
}

fn picks(field: &Field) -> Vec<Value> {
    let Kind::Picklist(values) = field.kind else { return Vec::new() };
    let pick = |(place, value): (usize, &&str)| {
        json!({"display_value": value, "actual_value": value, "reference_value": value, "sequence_number": place + 1,
            "id": (5_000_000_000_000_800_000 + place as u64).to_string(), "type": "used", "colour_code": null})
    };
    values.iter().enumerate().map(pick).collect()
}
