//! Dotted names: which resources and fields they touch.
//!
//! `Phone` is a field of the resource at hand; `Account_Name.Phone` goes through the lookup field `Account_Name` to
//! the resource that the service's table names, and touches both. A lookup that the table does not know leads to
//! `$unknown`, which no rule allows.

use std::collections::BTreeSet;

use crate::plugin::{Field, FieldUse};
use crate::rules::UNKNOWN_RESOURCE;
use crate::service::ServiceDefinition;

/// What names touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Touched {
    pub(super) resources: BTreeSet<String>,
    pub(super) fields: BTreeSet<Field>,
}

impl Touched {
    /// Adds one field.
    pub(super) fn field(&mut self, of: &str, name: &str, how: FieldUse) {
        self.fields.insert(Field { of: of.to_owned(), name: name.to_owned(), how });
    }

    /// Adds a dotted name's fields and resources, seen from a resource.
    pub(super) fn path(&mut self, service: &ServiceDefinition, from: &str, parts: &[&str], how: FieldUse) {
        let Some((last, lookups)) = parts.split_last() else {
            return;
        };
        let mut at = from.to_owned();
        for lookup in lookups {
            self.field(&at, lookup, how);
            service.lookup(&at, lookup).unwrap_or(UNKNOWN_RESOURCE).clone_into(&mut at);
            self.resources.insert(at.clone());
        }
        self.field(&at, last, how);
    }
}

/// Splits a dotted name into its parts; `None` where it is not one. A leading `$` is a system field's (`$approved`).
pub(super) fn parts(name: &str) -> Option<Vec<&str>> {
    let is_part = |part: &&str| {
        let plain = part.strip_prefix('$').unwrap_or(part);
        plain.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && plain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let parts: Vec<&str> = name.split('.').collect();
    (parts.len() <= 8 && parts.iter().all(is_part)).then_some(parts)
}
