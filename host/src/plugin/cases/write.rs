//! Writes a case: a request as a plugin saw it, and what the plugin said.

use serde_json::Value as Json;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value, value};
use wardlock_core::canonical::{Header, Parameter};
use wardlock_core::plugin::{Caller, Field, FieldUse, OperationView, Payload, PluginRequest};

use super::format::DEFAULT_ID;
use super::request::DEFAULT_NOW_MS;
use super::update::rewrite;
use super::{Expected, Found};

/// Why a request becomes no case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// A case's texts are texts.
    #[error("the {what} is not UTF-8, and a case is a text")]
    NotText {
        /// `body` or `header`.
        what: &'static str,
    },
    /// TOML cannot say it.
    #[error("the settings hold `null` or a number that TOML cannot say")]
    Settings,
    /// No case can expect it.
    #[error("the plugin gave no verdict: {0}")]
    Fault(String),
}

/// Writes a case. `promise` is what it says of itself, a line.
pub fn write(
    promise: &str,
    settings: &Json,
    request: &PluginRequest,
    found: &Found,
) -> Result<String, WriteError> {
    let expected = match found {
        Found::Said(said, _) => Expected::Said(said.clone()),
        Found::Problems(found) => Expected::Problems(found.keys().cloned().collect()),
        Found::Fault(fault) | Found::Refused(fault) => return Err(WriteError::Fault(fault.clone())),
    };
    let mut document = DocumentMut::new();
    if let Json::Object(members) = settings
        && !members.is_empty()
    {
        let mut table = Table::new();
        for (key, member) in members {
            table.insert(key, Item::Value(of_json(member).ok_or(WriteError::Settings)?));
        }
        document.insert("settings", Item::Table(table));
    }
    document.insert("request", Item::Table(of_request(request)?));
    let mut expect = Table::new();
    rewrite(&mut expect, &expected);
    document.insert("expect", Item::Table(expect));
    Ok(format!("# {}\n{document}", promise.escape_debug()))
}

fn of_request(request: &PluginRequest) -> Result<Table, WriteError> {
    let mut table = Table::new();
    let text = |bytes: &[u8], what| String::from_utf8(bytes.to_vec()).map_err(|_| WriteError::NotText { what });
    if request.id != DEFAULT_ID {
        table.insert("id", value(&request.id));
    }
    if request.now_ms != DEFAULT_NOW_MS {
        let now: Option<toml_edit::Datetime> = crate::text::time(request.now_ms).parse().ok();
        table.extend(now.map(|now| ("now", value(now))));
    }
    table.insert("method", value(request.method));
    table.insert("path", value(&request.path));
    let query = request.query.iter().map(|Parameter { name, value }| pair(name, value)).collect::<Array>();
    if !query.is_empty() {
        table.insert("query", value(query));
    }
    let mut headers = Array::new();
    for Header { name, value } in &request.headers {
        headers.push(pair(name, &text(value, "header")?));
    }
    if !headers.is_empty() {
        table.insert("headers", value(headers));
    }
    if let Some(Payload { content, content_type, .. }) = &request.body {
        table.insert("body", value(text(content, "body")?));
        table.extend(content_type.as_ref().map(|kind| ("content_type", value(kind))));
    }
    table.extend(request.purpose.as_ref().map(|purpose| ("purpose", value(purpose))));
    if request.dry_run {
        table.insert("dry_run", value(true));
    }
    table.extend(request.approved_by.as_ref().map(|who| ("approved_by", value(who))));
    table.insert("caller", Item::Table(of_caller(&request.caller)));
    table.insert("operation", Item::Table(of_operation(&request.operation)));
    Ok(table)
}

fn of_caller(caller: &Caller) -> Table {
    let Caller { workspace, connection, agent, region, tenant } = caller;
    let mut table = Table::new();
    for (key, text) in [("workspace", workspace), ("connection", connection), ("agent", agent), ("region", region)]
    {
        table.insert(key, value(text));
    }
    table.extend(tenant.as_ref().map(|tenant| ("tenant", value(tenant))));
    table
}

fn of_operation(operation: &OperationView) -> Table {
    let mut table = Table::new();
    table.insert("service", value(&operation.service));
    table.insert("name", value(&operation.name));
    table.insert("effect", value(operation.effect.as_str()));
    table.insert("resources", value(operation.resources.iter().collect::<Array>()));
    if let Some(fields) = &operation.fields {
        let each = |Field { of, name, how }: &Field| {
            let how = match how {
                FieldUse::Read => "read",
                FieldUse::Filter => "filter",
                FieldUse::Write => "write",
            };
            Value::from([of.as_str(), name, how].into_iter().collect::<Array>())
        };
        table.insert("fields", value(fields.iter().map(each).collect::<Array>()));
    }
    table.extend(operation.breadth.map(|breadth| ("breadth", value(i64::from(breadth)))));
    table
}

fn pair(name: &str, value: &str) -> Value {
    Value::from([name, value].into_iter().collect::<Array>())
}

fn of_json(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => return None,
        Json::Bool(value) => (*value).into(),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => number.into(),
            (None, Some(number)) if number.is_finite() => number.into(),
            _ => return None,
        },
        Json::String(text) => text.as_str().into(),
        Json::Array(items) => items.iter().map(of_json).collect::<Option<Array>>()?.into(),
        Json::Object(members) => {
            let members = members.iter().map(|(key, member)| Some((key.as_str(), of_json(member)?)));
            members.collect::<Option<InlineTable>>()?.into()
        }
    })
}
