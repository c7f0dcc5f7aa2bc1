//! The JSON Schema of definitions, for editors. It is derived from the types that read them, so the two cannot part.
//!
//! A schema says what a key may hold; how keys hang together is checked by `check` alone.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, ReplaceConstValue, Transform as _};
use serde_json::Value;

use super::raw::RawService;

/// Returns the JSON Schema of service definitions: draft 7, in words that draft 4 has too.
pub fn json_schema() -> Value {
    // In one piece, because the names of our types mean nothing to whoever writes a definition.
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    // Some editors know draft 4 only, which has no `const`; nothing else of draft 7 is used.
    let settings = settings.with_transform(ReplaceConstValue::default());
    let mut schema = settings.into_generator().into_root_schema_for::<RawService>();
    RecursiveTransform(without_null).transform(&mut schema);
    schema.insert("title".to_owned(), Value::from("A service definition of Wardlock"));
    schema.to_value()
}

/// TOML has no null: what may be left out is left out.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    let Some(Value::Array(all)) = schema.get_mut("anyOf") else { return };
    all.retain(|one| one.get("type").is_none_or(|name| name != "null"));
    if let [Value::Object(only)] = all.as_slice() {
        let only = only.clone();
        schema.remove("anyOf");
        for (key, value) in only {
            // What the key's own comment says wins over what its type's says.
            if schema.get(&key).is_none() {
                schema.insert(key, value);
            }
        }
    }
}
