//! `googleAds:search`, `googleAds:searchStream` and `googleAdsFields:search`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::failure::{AdsError, Failure, invalid};
use super::fields;
use super::gaql::{Query, bad, parse};
use super::resources::{Kind, joined, name_of, of_snake};
use super::world::{Customer, Row};

/// What a query has found.
struct Found {
    rows: Vec<Row>,
    field_mask: String,
}

/// Returns a page of rows.
pub(crate) fn page(customer: &Customer, body: &Value, page_rows: usize) -> Result<Value, Failure> {
    if body.get("pageSize").is_some() {
        let text = "Setting the page size is not supported.";
        return Err(invalid(AdsError::new("requestError", "PAGE_SIZE_NOT_SUPPORTED", text)));
    }
    let found = run(customer, body)?;
    let start = match body.get("pageToken").and_then(Value::as_str).filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => start_of(token).ok_or_else(|| {
            invalid(AdsError::new("requestError", "INVALID_PAGE_TOKEN", "The page token is not valid."))
        })?,
    };
    let end = (start + page_rows.max(1)).min(found.rows.len());
    let rows = found.rows.get(start..end).unwrap_or_default();
    let mut answer = json!({"fieldMask": found.field_mask});
    if !rows.is_empty() {
        answer["results"] = json!(rows);
    }
    if end < found.rows.len() {
        answer["nextPageToken"] = json!(URL_SAFE_NO_PAD.encode(format!("page:{end}")));
    }
    if body.get("searchSettings").and_then(|settings| settings.get("returnTotalResultsCount"))
        == Some(&json!(true))
    {
        answer["totalResultsCount"] = json!(found.rows.len().to_string());
    }
    Ok(answer)
}

fn start_of(token: &str) -> Option<usize> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    std::str::from_utf8(&bytes).ok()?.strip_prefix("page:")?.parse().ok()
}

/// Returns all rows, in chunks.
pub(crate) fn stream(
    customer: &Customer,
    body: &Value,
    page_rows: usize,
    request_id: &str,
) -> Result<Value, Failure> {
    let found = run(customer, body)?;
    let chunk = |rows: Option<&[Row]>| {
        let mut chunk = json!({"fieldMask": found.field_mask, "requestId": request_id});
        if let Some(rows) = rows {
            chunk["results"] = json!(rows);
        }
        chunk
    };
    if found.rows.is_empty() {
        return Ok(json!([chunk(None)]));
    }
    Ok(found.rows.chunks(page_rows.max(1)).map(|rows| chunk(Some(rows))).collect())
}

fn run(customer: &Customer, body: &Value) -> Result<Found, Failure> {
    let text = body.get("query").and_then(Value::as_str).unwrap_or_default();
    let query = parse(text).map_err(invalid)?;
    let kind = source(customer, &query).map_err(invalid)?;
    let mut rows: Vec<Row> = Vec::new();
    for row in customer.rows.get(kind.collection).into_iter().flatten() {
        let mut all = joined(customer, kind, row);
        fields::add_metrics(&mut all, name_of(row));
        if query.conditions.iter().all(|condition| fields::holds(&all, condition)) {
            rows.push(all);
        }
    }
    // The first field counts most, so it is sorted by last.
    for (field, descends) in query.order.iter().rev() {
        let key = |row: &Row| fields::value(row, field).map(fields::as_text).unwrap_or_default();
        rows.sort_by(|one, other| {
            let order = fields::compare(&key(one), &key(other));
            if *descends { order.reverse() } else { order }
        });
    }
    rows.truncate(query.limit.unwrap_or(usize::MAX));
    let mask: Vec<String> = query.fields.iter().map(|field| mask_of(field)).collect();
    Ok(Found { rows: rows.iter().map(|row| project(row, kind, &query)).collect(), field_mask: mask.join(",") })
}

/// Returns the kind that a query is from, once every field has been checked.
fn source(customer: &Customer, query: &Query) -> Result<&'static Kind, AdsError> {
    let from = query.from.as_deref().ok_or_else(|| bad("EXPECTED_FROM", "FROM is missing"))?;
    let kind = of_snake(from);
    let kind = kind.ok_or_else(|| bad("BAD_RESOURCE_TYPE_IN_FROM_CLAUSE", &format!("'{from}' is no resource")))?;
    let conditions = query.conditions.iter().map(|condition| &condition.field);
    let orders = query.order.iter().map(|(field, _)| field);
    for field in query.fields.iter().chain(conditions).chain(orders) {
        fields::check(kind, field)?;
        if customer.manager && field.starts_with("metrics.") {
            return Err(bad("REQUESTED_METRICS_FOR_MANAGER", "metrics cannot be requested for a manager account"));
        }
    }
    Ok(kind)
}

/// Returns the fields asked for, with the name of every resource that one of them is of.
fn project(all: &Row, kind: &Kind, query: &Query) -> Row {
    let mut row = Row::new();
    let own = format!("{}.resource_name", kind.snake);
    let firsts = query.fields.iter().filter_map(|field| field.split_once('.'));
    let firsts = firsts.filter(|(first, _)| of_snake(first).is_some());
    let names: Vec<String> = firsts.map(|(first, _)| format!("{first}.resource_name")).collect();
    for field in [own].iter().chain(&names).chain(&query.fields) {
        if let Some(value) = fields::value(all, field) {
            fields::put(&mut row, field, value.clone());
        }
    }
    row
}

fn mask_of(field: &str) -> String {
    field.split('.').map(super::resources::camel).collect::<Vec<String>>().join(".")
}

/// Answers `googleAdsFields:search`: its queries have no `FROM`.
pub(crate) fn field_metadata(body: &Value) -> Result<Value, Failure> {
    let text = body.get("query").and_then(Value::as_str).unwrap_or_default();
    let query = parse(text).map_err(invalid)?;
    if query.from.is_some() {
        return Err(invalid(bad("UNEXPECTED_FROM_CLAUSE", "FROM is not allowed here")));
    }
    let metadata = |name: String| -> Row {
        let resource = format!("googleAdsFields/{name}");
        let all = json!({"resourceName": resource, "name": name, "selectable": true, "filterable": true});
        all.as_object().cloned().unwrap_or_default()
    };
    let rows = fields::all().into_iter().map(metadata);
    let rows = rows.filter(|row| query.conditions.iter().all(|condition| fields::holds(row, condition)));
    let results: Vec<Row> = rows.take(query.limit.unwrap_or(usize::MAX)).collect();
    Ok(json!({"totalResultsCount": results.len().to_string(), "results": results}))
}
