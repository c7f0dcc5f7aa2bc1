//! The table that puts a plugin into a chain: a new one, or the one of its name that stands there, with the new component in it.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use toml_edit::{ArrayOfTables, Document, DocumentMut, Item, Table as TomlTable, Value};
use wardlock_core::id::PluginName;

use super::Placed;
use crate::text::for_terminal;

/// A table to be put into a workspace file.
pub(super) struct Table {
    pub(super) toml: String,
    /// The line at which the table stands that it replaces; `None`: it goes behind the others.
    pub(super) replaces: Option<usize>,
    /// What the operator has to decide before it loads.
    pub(super) warnings: Vec<String>,
}

/// Writes the table. `text` is the workspace file as it stands.
pub(super) fn of(placed: &Placed<'_>, connection: Option<&str>, text: Option<&str>) -> Table {
    let there = connection.zip(text).and_then(|(connection, text)| Found::find(text, connection, name(placed)));
    match (there, connection) {
        (Some(found), Some(connection)) => updated(placed, connection, found),
        _ => Table { toml: new(placed, connection), replaces: None, warnings: Vec::new() },
    }
}

/// Writes only what tells the component, for a file in which nothing can be found as it stands.
pub(super) fn bare(placed: &Placed<'_>) -> Table {
    let toml = format!("file   = \"{}\"\nsha256 = \"{}\"\n", placed.file, placed.digest);
    Table { toml, replaces: None, warnings: Vec::new() }
}

/// Returns whether a workspace file, as it stands, has a connection of that name.
pub(super) fn names_connection(text: &str, connection: &str) -> bool {
    Document::parse(text).is_ok_and(|document| connection_of(&document, connection).is_some())
}

/// Returns what a plugin is called in a chain: what it calls itself may begin with a dash, which may not be.
fn name<'a>(placed: &'a Placed<'_>) -> &'a str {
    let name = &placed.about.description.name;
    if PluginName::parse(name).is_ok() { name } else { "plugin" }
}

fn connection_of<'a>(document: &'a Document<&str>, connection: &str) -> Option<&'a Item> {
    document.get("connections")?.get(connection)
}

/// A table that stands in a workspace file.
struct Found {
    table: TomlTable,
    line: usize,
}

impl Found {
    /// Finds the table of a plugin in a connection's chain.
    fn find(text: &str, connection: &str, name: &str) -> Option<Self> {
        let document = Document::parse(text).ok()?;
        let tables = connection_of(&document, connection)?.get("plugins")?.as_array_of_tables()?;
        let is_named = |table: &TomlTable| table.get("name").and_then(Item::as_str) == Some(name);
        let (at, span) = tables
            .iter()
            .enumerate()
            .find_map(|(at, table)| Some((at, is_named(table).then(|| table.span())?)))?;
        let before = text.get(..span?.start)?;
        let line = before.matches('\n').count() + 1;
        // Once more, as a document that can be changed: comments and order stay.
        let document = document.into_mut();
        let table =
            document.get("connections")?.get(connection)?.get("plugins")?.as_array_of_tables()?.get(at)?.clone();
        Some(Self { table, line })
    }
}

/// Puts the new component into the table that is there; all else stays.
fn updated(placed: &Placed<'_>, connection: &str, Found { mut table, line }: Found) -> Table {
    set(&mut table, "file", placed.file);
    set(&mut table, "sha256", &placed.digest.to_string());
    if let (None, Some(publisher)) = (table.get("publisher"), placed.standing.publisher()) {
        set(&mut table, "publisher", publisher.as_str());
    }
    let warnings = warnings(placed, &table);
    let mut list = ArrayOfTables::new();
    list.push(table);
    let implicit = |key: &str, item: Item| {
        let mut table = TomlTable::new();
        table.set_implicit(true);
        table.insert(key, item);
        Item::Table(table)
    };
    let mut document = DocumentMut::new();
    document.insert("connections", implicit(connection, implicit("plugins", Item::ArrayOfTables(list))));
    let toml = format!("{}\n", document.to_string().trim());
    Table { toml, replaces: Some(line), warnings }
}

/// Sets a text in the place of the one that is there.
fn set(table: &mut TomlTable, key: &str, text: &str) {
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(value) => {
            let decor = value.decor().clone();
            *value = Value::from(text);
            *value.decor_mut() = decor;
        }
        None => {
            table.insert(key, toml_edit::value(text));
        }
    }
}

/// Says what of the table that is there does not fit the new component.
fn warnings(placed: &Placed<'_>, table: &TomlTable) -> Vec<String> {
    let mut warnings = Vec::new();
    let granted: BTreeSet<&str> = table
        .get("capabilities")
        .and_then(Item::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let asked = &placed.about.description.capabilities;
    let more: Vec<String> =
        asked.iter().filter(|name| !granted.contains(name.as_str())).map(|name| format!("`{name}`")).collect();
    if !more.is_empty() {
        warnings.push(format!("it asks for {}, which the table does not grant", more.join(", ")));
    }
    let wanted = table.get("publisher").and_then(Item::as_str);
    if let Some(wanted) =
        wanted.filter(|wanted| placed.standing.publisher().is_none_or(|found| found.as_str() != *wanted))
    {
        let standing = placed.standing.words();
        warnings.push(format!("the table wants `{}`'s signature, and it is {standing}", for_terminal(wanted)));
    }
    warnings
}

/// Writes a table for a chain that has none of that name.
fn new(placed: &Placed<'_>, connection: Option<&str>) -> String {
    let Placed { about, file, digest, standing } = placed;
    let (description, name) = (&about.description, name(placed));
    let capabilities: Vec<&str> = description.capabilities.iter().map(String::as_str).collect();
    let mut table = format!(
        "[[connections.{}.plugins]]\nname         = \"{name}\"\nfile         = \"{file}\"\nsha256       = \"{digest}\"\n\
         capabilities = {}\nsettings     = {{}}\nlimits       = {{ time = \"20ms\", memory = \"32MiB\" }}\n",
        connection.unwrap_or("CONNECTION"),
        json!(capabilities),
    );
    if description.capabilities.contains("folder") {
        // Both or neither: a table that is pasted is to be taken.
        table.extend([
            "folder       = \"",
            name,
            "\"    # plugins/",
            name,
            " in the home: the files that it may read\n",
        ]);
    }
    if let Some(publisher) = standing.publisher() {
        table.extend(["publisher    = \"", publisher.as_str(), "\"\n"]);
    }
    let settings = about.schema.get("properties").and_then(Json::as_object);
    let required: Vec<&str> = match about.schema.get("required") {
        Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    };
    for (key, of) in settings.into_iter().flatten() {
        let must = if required.contains(&key.as_str()) { " (must be given)" } else { "" };
        let says = of.get("description").and_then(Json::as_str).unwrap_or_default();
        let line = format!("# settings.{key}{must}: {says}");
        // A plugin's own words: one line each, so that they stay a comment.
        table.push_str(&for_terminal(line.trim_end_matches([' ', ':'])));
        table.push('\n');
    }
    table
}
