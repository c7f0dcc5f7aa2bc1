//! One operation of a mutate.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::failure::AdsError;
use super::resources::{Kind, camel, name_of};
use super::world::{Customer, Row};

/// Names with negative ids, which later operations of the same request may use, and what they became.
#[derive(Debug, Default)]
pub(crate) struct Temporary(BTreeMap<String, String>);

/// Carries out an operation, and returns the resource's name.
pub(crate) fn step(
    customer: &mut Customer,
    temporary: &mut Temporary,
    kind: &Kind,
    operation: &Value,
) -> Result<String, AdsError> {
    let refused = |text: &str| AdsError::new("mutateError", "MUTATE_NOT_ALLOWED", text);
    if !kind.can_be_mutated {
        return Err(refused("Mutates are not allowed for this resource."));
    }
    match (operation.get("create"), operation.get("update"), operation.get("remove")) {
        (Some(Value::Object(row)), None, None) => create(customer, temporary, kind, row.clone()),
        (None, Some(Value::Object(row)), None) => update(customer, kind, row, operation.get("updateMask")),
        (None, None, Some(Value::String(name))) => remove(customer, kind, name),
        _ => Err(refused("An operation is one of create, update and remove.")),
    }
}

fn create(
    customer: &mut Customer,
    temporary: &mut Temporary,
    kind: &Kind,
    mut row: Row,
) -> Result<String, AdsError> {
    for field in kind.required {
        if row.get(*field).is_none_or(Value::is_null) {
            let text = format!("The required field was not present: {field}");
            return Err(AdsError::new("fieldError", "REQUIRED", text));
        }
    }
    if let Some((field, collection)) = kind.parent {
        let named = row.get(field).and_then(Value::as_str).unwrap_or_default();
        let above = temporary.0.get(named).cloned().unwrap_or_else(|| named.to_owned());
        own(customer, &above)?;
        if !rows(customer, collection).iter().any(|row| name_of(row) == above) {
            return Err(AdsError::new("mutateError", "RESOURCE_NOT_FOUND", "Resource was not found."));
        }
        row.insert(field.to_owned(), json!(above));
    }
    let has_name = |other: &Row| other.get("name").is_some() && other.get("name") == row.get("name");
    if kind.collection == "campaigns" && rows(customer, kind.collection).iter().any(has_name) {
        let text = "The specified campaign name is already being used.";
        return Err(AdsError::new("campaignError", "DUPLICATE_CAMPAIGN_NAME", text));
    }
    customer.next_id += 1;
    let id = customer.next_id.to_string();
    let name = named(customer, kind, &mut row, &id);
    if let Some(Value::String(asked)) = row.insert("resourceName".to_owned(), json!(name)) {
        temporary.0.insert(asked, name.clone());
    }
    row.entry("status").or_insert_with(|| json!("ENABLED"));
    customer.rows.entry(kind.collection).or_default().push(row);
    Ok(name)
}

/// Gives a new row its id, and returns its name; what is in an ad group has the group's id before its own.
fn named(customer: &Customer, kind: &Kind, row: &mut Row, id: &str) -> String {
    let at = format!("customers/{}/{}", customer.id, kind.collection);
    let group = row.get("adGroup").and_then(Value::as_str).and_then(|name| name.rsplit('/').next());
    match group.map(str::to_owned) {
        None => {
            row.insert("id".to_owned(), json!(id));
            format!("{at}/{id}")
        }
        Some(group) => {
            match row.get_mut("ad") {
                Some(ad) => ad["id"] = json!(id),
                None => drop(row.insert("criterionId".to_owned(), json!(id))),
            }
            format!("{at}/{group}~{id}")
        }
    }
}

fn update(customer: &mut Customer, kind: &Kind, given: &Row, mask: Option<&Value>) -> Result<String, AdsError> {
    let Some(mask) = mask.and_then(Value::as_str).filter(|mask| !mask.is_empty()) else {
        return Err(AdsError::new("fieldMaskError", "FIELD_MASK_MISSING", "The field mask must be provided."));
    };
    let name = name_of(given).to_owned();
    own(customer, &name)?;
    let row = find(customer, kind, &name)?;
    for field in mask.split(',').map(|field| camel(field.trim())) {
        if matches!(field.as_str(), "id" | "resourceName") {
            return Err(AdsError::new("fieldError", "IMMUTABLE_FIELD", "The field cannot be changed."));
        }
        let first = field.split('.').next().unwrap_or_default();
        match given.get(first) {
            Some(value) => drop(row.insert(first.to_owned(), value.clone())),
            // A masked field without a value is cleared.
            None => drop(row.remove(first)),
        }
    }
    Ok(name)
}

/// A removed campaign, ad group or ad stays, and is `REMOVED` for ever.
fn remove(customer: &mut Customer, kind: &Kind, name: &str) -> Result<String, AdsError> {
    own(customer, name)?;
    find(customer, kind, name)?.insert("status".to_owned(), json!("REMOVED"));
    Ok(name.to_owned())
}

/// A request for one customer may name only its own resources.
fn own(customer: &Customer, name: &str) -> Result<(), AdsError> {
    if name.starts_with(&format!("customers/{}/", customer.id)) {
        return Ok(());
    }
    Err(AdsError::new("requestError", "BAD_RESOURCE_ID", format!("'{name}' is not of this customer.")))
}

fn rows<'a>(customer: &'a Customer, collection: &str) -> &'a [Row] {
    customer.rows.get(collection).map_or(&[], Vec::as_slice)
}

fn find<'a>(customer: &'a mut Customer, kind: &Kind, name: &str) -> Result<&'a mut Row, AdsError> {
    let rows = customer.rows.get_mut(kind.collection).into_iter().flatten();
    let found = rows.into_iter().find(|row| name_of(row) == name);
    found.ok_or_else(|| AdsError::new("mutateError", "RESOURCE_NOT_FOUND", "Resource was not found."))
}
