//! Search and count. Both need the search scope beside the module's.

use http::Method;
use serde_json::{Value, json};

use super::compare::{Test, show};
use super::list::{number, project, wanted};
use super::route::only;
use super::{Ctx, Outcome, criteria, scope, settings};
use crate::schema::Module;
use crate::wire::{Call, Reply};
use crate::world::Record;

/// The records that a search reaches.
const SEARCH_WALL: usize = 2_000;

/// Answers `GET /{module}/search`.
pub(crate) fn search(ctx: &mut Ctx<'_>, call: &Call, module: &Module) -> Outcome {
    only(call, &Method::GET)?;
    need_search(ctx, module)?;
    let fields = wanted(call)?;
    let Some(rows) = matching(ctx, call, module)? else {
        let details = json!({"param_names": ["criteria", "email", "phone", "word"]});
        return Err(Reply::error(400, "EXPECTED_PARAM_MISSING", "expected param missing", details));
    };
    let per_page = number(call, "per_page", 200, 200)?;
    let page = number(call, "page", 1, usize::MAX / 200)?;
    if page * per_page > SEARCH_WALL {
        let details = json!({"limit": SEARCH_WALL});
        return Err(Reply::error(400, "LIMIT_REACHED", "You can only get the first 2000 records", details));
    }
    let skip = (page - 1) * per_page;
    let show =
        |row: &Record| fields.as_ref().map_or_else(|| Value::Object(row.clone()), |fields| project(row, fields));
    let shown: Vec<Value> = rows.iter().skip(skip).take(per_page).map(show).collect();
    if shown.is_empty() {
        return Ok(Reply::empty(204));
    }
    let more = skip + shown.len() < rows.len();
    let info = json!({"per_page": per_page, "count": shown.len(), "page": page, "sort_by": "id", "sort_order": "desc",
        "more_records": more});
    Ok(Reply::json(200, &json!({"data": shown, "info": info})))
}

/// Answers `GET /{module}/actions/count`.
pub(crate) fn count(ctx: &mut Ctx<'_>, call: &Call, module: &Module) -> Outcome {
    only(call, &Method::GET)?;
    need_search(ctx, module)?;
    let mut rows = match matching(ctx, call, module)? {
        Some(rows) => rows,
        None => ctx.org.modules.get(module.name).cloned().unwrap_or_default(),
    };
    if let Some(view) = call.parameter("cvid") {
        settings::apply_view(module, view, &mut rows)?;
    }
    Ok(Reply::json(200, &json!({"count": rows.len()})))
}

fn need_search(ctx: &Ctx<'_>, module: &Module) -> Result<(), Reply> {
    ctx.session.need(&[&[&scope::of_module(module.name, "READ"), "ZohoSearch.securesearch.READ"]])
}

/// Returns the records that one of the four parameters finds; none when there is no such parameter.
fn matching(ctx: &Ctx<'_>, call: &Call, module: &Module) -> Result<Option<Vec<Record>>, Reply> {
    let rows = ctx.org.modules.get(module.name).into_iter().flatten();
    if let Some(text) = call.parameter("criteria") {
        let test = criteria::parse(text)?;
        refuse_unknown(module, &test)?;
        return Ok(Some(rows.filter(|row| test.holds(ctx.org, module, row)).cloned().collect()));
    }
    let named = |names: &'static [&'static str], wanted: &str| {
        let wanted = wanted.to_lowercase();
        move |row: &&Record| {
            names.iter().any(|name| row.get(*name).is_some_and(|value| show(value).to_lowercase() == wanted))
        }
    };
    if let Some(email) = call.parameter("email") {
        return Ok(Some(rows.filter(named(&["Email", "Secondary_Email"], email)).cloned().collect()));
    }
    if let Some(phone) = call.parameter("phone") {
        return Ok(Some(rows.filter(named(&["Phone", "Mobile"], phone)).cloned().collect()));
    }
    let Some(word) = call.parameter("word").map(str::to_lowercase) else { return Ok(None) };
    let has_word = |row: &&Record| row.values().any(|value| show(value).to_lowercase().contains(&word));
    Ok(Some(rows.filter(has_word).cloned().collect()))
}

fn refuse_unknown(module: &Module, test: &Test) -> Result<(), Reply> {
    let is_known = |path: &&str| {
        let first = path.split('.').next().unwrap_or_default();
        first == "id" || module.field(first).is_some()
    };
    match test.paths().into_iter().find(|path| !is_known(path)) {
        None => Ok(()),
        Some(path) => {
            let details = json!({"api_name": path, "param_name": "criteria"});
            Err(Reply::error(400, "INVALID_QUERY", "Invalid query formed", details))
        }
    }
}
