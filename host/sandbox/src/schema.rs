//! A plugin's settings against the JSON Schema that it exports.

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use crate::error::{LoadError, SettingsProblem};
use crate::text::escaped;

/// The most problems that are shown.
const MAX_PROBLEMS: usize = 16;

/// A plugin's schema, ready to check settings. References to other documents do not resolve.
pub(crate) struct Schema {
    value: Value,
    validator: Validator,
}

impl Schema {
    /// Parses what a plugin exports.
    pub(crate) fn parse(text: &str) -> Result<Self, LoadError> {
        let refused = |what: String| LoadError::Schema { what: escaped(&what, 300) };
        let value: Value = serde_json::from_str(text).map_err(|error| refused(format!("not JSON: {error}")))?;
        // The linear-time engine: a schema comes from a guest.
        let options = jsonschema::options().with_pattern_options(PatternOptions::regex());
        let validator = options.build(&value).map_err(|error| refused(error.to_string()))?;
        Ok(Self { value, validator })
    }

    /// Returns the schema as JSON.
    pub(crate) fn into_value(self) -> Value {
        self.value
    }

    /// Lists what is wrong with settings.
    pub(crate) fn problems(&self, settings: &Value) -> Vec<SettingsProblem> {
        let errors = self.validator.iter_errors(settings).take(MAX_PROBLEMS);
        errors.map(|error| problem(error.instance_path().as_str(), &error.to_string())).collect()
    }
}

/// Makes a problem that is fit to be shown.
pub(crate) fn problem(path: &str, message: &str) -> SettingsProblem {
    SettingsProblem { path: escaped(path, 200), message: escaped(message, 500) }
}

/// Shows the problems that a plugin's `configure` found.
pub(crate) fn found(problems: &[crate::bindings::exports::wardlock::policy::settings::Problem]) -> LoadError {
    let shown = problems.iter().take(MAX_PROBLEMS);
    LoadError::Settings { problems: shown.map(|found| problem(&found.path, &found.message)).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn problems_name_the_settings_path() {
        let schema = json!({
            "type": "object",
            "additionalProperties": false,
            "properties": { "hide": { "type": "array", "items": { "type": "string" } } },
        });
        let schema = Schema::parse(&schema.to_string()).expect("a schema");
        assert_eq!(schema.problems(&json!({ "hide": ["Email"] })), []);
        let problems = schema.problems(&json!({ "hide": ["Email", 7] }));
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].path, "/hide/1");
        assert_eq!(schema.problems(&json!({ "hid": [] }))[0].path, "");
    }

    #[test]
    fn a_schema_stands_alone() {
        for schema in [
            "{ this is no JSON",
            r#"{ "type": 7 }"#,
            r#"{ "$ref": "file:///etc/passwd" }"#,
            r#"{ "$ref": "https://example.com/schema.json" }"#,
            r#"{ "pattern": "(a+)+\\1" }"#,
        ] {
            assert!(matches!(Schema::parse(schema), Err(LoadError::Schema { .. })), "{schema}");
        }
    }
}
