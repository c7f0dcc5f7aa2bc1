//! COQL: a read, though a POST. Needs the query scope beside the scope of every module touched.

use http::Method;
use serde_json::{Map, Value, json};

use super::compare::{Check, Test, lookup, show, sort_order};
use super::query::{self, Column, Query};
use super::route::only;
use super::write::no_data;
use super::{Ctx, Outcome, scope};
use crate::schema::{self, Kind, Module};
use crate::wire::{Call, Reply};
use crate::world::Record;

/// Rows per call.
const MAX_ROWS: usize = 2_000;
/// How far an offset reaches.
const ROW_WALL: usize = 10_000;

/// Answers `POST /coql`.
pub(crate) fn answer(ctx: &mut Ctx<'_>, call: &Call) -> Outcome {
    only(call, &Method::POST)?;
    let body = call.json()?;
    let text = body.get("select_query").and_then(Value::as_str).ok_or_else(|| no_data("select_query"))?;
    let query = query::parse(text)?;
    let modules = touched(&query)?;
    let mut needed: Vec<String> = modules.iter().map(|module| scope::of_module(module.name, "READ")).collect();
    needed.push("ZohoCRM.coql.READ".into());
    let needed: Vec<&str> = needed.iter().map(String::as_str).collect();
    ctx.session.need(&[&needed])?;
    for (limit, exceeded) in
        [(MAX_ROWS, query.limit > MAX_ROWS), (ROW_WALL, query.offset + query.limit > ROW_WALL)]
    {
        if exceeded {
            return Err(Reply::error(
                400,
                "LIMIT_EXCEEDED",
                "max records limit exceeded",
                json!({"limit": limit}),
            ));
        }
    }
    let (rows, more) = run(ctx, &query)?;
    if rows.is_empty() {
        return Ok(Reply::empty(204));
    }
    let info = json!({"count": rows.len(), "more_records": more});
    Ok(Reply::json(200, &json!({"data": rows, "info": info})))
}

fn module_of(query: &Query) -> Result<&'static Module, Reply> {
    let unknown = || invalid(&json!({"module": query.module}));
    schema::module(&query.module).ok_or_else(unknown)
}

/// Returns every module that the query reads: its own, those behind dots, those of subqueries.
fn touched(query: &Query) -> Result<Vec<&'static Module>, Reply> {
    let module = module_of(query)?;
    let mut modules = vec![module];
    let selected = query.columns.iter().map(|column| column.path.as_str());
    let ordered = query.order_by.iter().map(|(path, _)| path.as_str());
    let grouped = query.group_by.iter().map(String::as_str);
    for path in selected.chain(query.test.paths()).chain(grouped) {
        modules.extend(walk(module, path)?);
    }
    for path in ordered.filter(|path| !query.columns.iter().any(|column| column.alias == *path)) {
        modules.extend(walk(module, path)?);
    }
    for (_, subquery) in &query.subqueries {
        modules.extend(touched(subquery)?);
    }
    Ok(modules)
}

/// Returns the modules that a path goes through; refuses an unknown column.
fn walk(module: &'static Module, path: &str) -> Result<Vec<&'static Module>, Reply> {
    let mut modules = Vec::new();
    let mut here = module;
    let mut parts = path.split('.').peekable();
    while let Some(part) = parts.next() {
        if part == "id" {
            continue;
        }
        let field =
            here.field(part).ok_or_else(|| invalid(&json!({"column_name": path, "module": module.name})))?;
        match field.kind {
            Kind::Lookup(target) if parts.peek().is_some() => {
                here = schema::module(target).unwrap_or(here);
                modules.push(here);
            }
            // The owner's own fields are the user's, which is no module.
            Kind::Owner => break,
            _ => {}
        }
    }
    Ok(modules)
}

fn run(ctx: &Ctx<'_>, query: &Query) -> Result<(Vec<Value>, bool), Reply> {
    let module = module_of(query)?;
    let test = resolve(ctx, &query.test, &query.subqueries)?;
    let rows = ctx.org.modules.get(module.name).into_iter().flatten();
    let mut rows: Vec<&Record> = rows.filter(|row| test.holds(ctx.org, module, row)).collect();
    rows.sort_by(|left, right| {
        let orders = query.order_by.iter().map(|(path, descending)| {
            let value = |row: &Record| lookup(ctx.org, module, row, path);
            let order = sort_order(&value(left), &value(right));
            if *descending { order.reverse() } else { order }
        });
        orders.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
    });
    let aggregates = query.columns.iter().any(|column| column.aggregate.is_some());
    let all = if aggregates { grouped(ctx, module, query, &rows) } else { plain(ctx, module, query, &rows) };
    let more = all.len() > query.offset + query.limit;
    Ok((all.into_iter().skip(query.offset).take(query.limit).collect(), more))
}

/// Puts the answers of the subqueries in the place of their marks.
fn resolve(ctx: &Ctx<'_>, test: &Test, subqueries: &[(String, Query)]) -> Result<Test, Reply> {
    let each =
        |tests: &[Test]| tests.iter().map(|test| resolve(ctx, test, subqueries)).collect::<Result<Vec<_>, _>>();
    Ok(match test {
        Test::All(tests) => Test::All(each(tests)?),
        Test::Any(tests) => Test::Any(each(tests)?),
        Test::Field { path, check } => {
            Test::Field { path: path.clone(), check: resolve_check(ctx, check, subqueries)? }
        }
    })
}

fn resolve_check(ctx: &Ctx<'_>, check: &Check, subqueries: &[(String, Query)]) -> Result<Check, Reply> {
    let marked = match check {
        Check::Not(inner) => return Ok(Check::Not(Box::new(resolve_check(ctx, inner, subqueries)?))),
        Check::In(values) => values.first().and_then(|value| value.strip_prefix("\u{0}subquery ")),
        _ => None,
    };
    let subquery = marked.and_then(|mark| mark.parse::<usize>().ok()).and_then(|index| subqueries.get(index));
    let Some((_, query)) = subquery else { return Ok(check.clone()) };
    let alias = query.columns.first().map(|column| column.alias.clone()).unwrap_or_default();
    let (rows, _) = run(ctx, query)?;
    let text =
        |row: &Value| row.get(&alias).map(|value| value["id"].as_str().map_or_else(|| show(value), str::to_owned));
    Ok(Check::In(rows.iter().filter_map(text).collect()))
}

fn plain(ctx: &Ctx<'_>, module: &Module, query: &Query, rows: &[&Record]) -> Vec<Value> {
    let row = |row: &&Record| {
        let mut shown = Map::new();
        for column in &query.columns {
            let value = lookup(ctx.org, module, row, &column.path);
            shown.insert(column.alias.clone(), lookup_id_only(value));
        }
        shown.insert("id".into(), row.get("id").cloned().unwrap_or(Value::Null));
        Value::Object(shown)
    };
    rows.iter().map(row).collect()
}

/// COQL shows a lookup as its id alone.
fn lookup_id_only(value: Value) -> Value {
    match value.get("id") {
        Some(id) => json!({"id": id}),
        None => value,
    }
}

fn grouped(ctx: &Ctx<'_>, module: &Module, query: &Query, rows: &[&Record]) -> Vec<Value> {
    let key = |row: &Record| -> Vec<String> {
        query.group_by.iter().map(|path| show(&lookup(ctx.org, module, row, path))).collect()
    };
    let mut groups: Vec<(Vec<String>, Vec<&Record>)> = Vec::new();
    for row in rows {
        let key = key(row);
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, members)) => members.push(row),
            None => groups.push((key, vec![row])),
        }
    }
    let row = |members: &[&Record]| {
        let columns =
            query.columns.iter().map(|column| (column.alias.clone(), cell(ctx, module, column, members)));
        Value::Object(columns.collect())
    };
    groups.iter().map(|(_, members)| row(members)).collect()
}

fn cell(ctx: &Ctx<'_>, module: &Module, column: &Column, members: &[&Record]) -> Value {
    let values: Vec<Value> = members.iter().map(|row| lookup(ctx.org, module, row, &column.path)).collect();
    let numbers: Vec<f64> = values.iter().filter_map(Value::as_f64).collect();
    let sum: f64 = numbers.iter().sum();
    let present = values.iter().filter(|value| !value.is_null());
    match column.aggregate.as_deref() {
        None => values.into_iter().next().unwrap_or(Value::Null),
        Some("count") => json!(present.count()),
        Some("sum") => json!(sum),
        Some("avg") => json!(sum / f64::from(u32::try_from(numbers.len().max(1)).unwrap_or(u32::MAX))),
        Some("min") => present.min_by(|left, right| sort_order(left, right)).cloned().unwrap_or(Value::Null),
        Some("max") => present.max_by(|left, right| sort_order(left, right)).cloned().unwrap_or(Value::Null),
        Some(_) => Value::Null,
    }
}

fn invalid(details: &Value) -> Reply {
    Reply::error(400, "INVALID_QUERY", "the query given seems to be invalid", details.clone())
}
