//! The scopes of modules (facts section 4).

use crate::schema;

/// Returns the scope of an operation on a module.
pub(crate) fn of_module(module: &str, operation: &str) -> String {
    format!("ZohoCRM.modules.{}.{operation}", schema::scope_name(module))
}
