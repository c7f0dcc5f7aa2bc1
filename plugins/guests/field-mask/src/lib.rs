//! Hides and protects fields.
//!
//! A hidden field is not read, not filtered by and not written; a protected one is not written. The host has
//! parsed which fields a request touches, from query, COQL, criteria and bodies; where it could not tell,
//! nothing passes. A read that lists hidden fields in `fields=` is narrowed, everything else is refused.

use serde::Deserialize;
use wardlock_plugin::{
    Answer, Description, Field, FieldUse, Policy, Problem, Request, allow, deny, describe, edit, export, shape,
};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    hide: Vec<String>,
    protect: Vec<String>,
}

const NEITHER: &str = "is neither `Field` nor `Module.Field`, by API names";

struct FieldMask {
    hide: Vec<Entry>,
    protect: Vec<Entry>,
}

impl Policy for FieldMask {
    type Settings = Settings;

    fn describe() -> Description {
        describe!("shape")
    }

    fn schema() -> &'static str {
        include_str!("../schema.json")
    }

    fn configure(settings: Settings) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut entries = |key: &str, listed: &[String]| -> Vec<Entry> {
            let parsed = listed.iter().map(|text| Entry::parse(text)).enumerate();
            parsed
                .filter_map(|(at, entry)| {
                    if entry.is_none() {
                        problems.push(Problem::at(format!("/{key}/{at}"), NEITHER));
                    }
                    entry
                })
                .collect()
        };
        let policy =
            Self { hide: entries("hide", &settings.hide), protect: entries("protect", &settings.protect) };
        if settings.hide.is_empty() && settings.protect.is_empty() {
            problems.push(Problem::at("", "names no field: `hide` or `protect` must"));
        }
        if problems.is_empty() { Ok(policy) } else { Err(problems) }
    }

    fn on_request(&self, request: &Request) -> Answer {
        let Some(touched) = &request.operation.fields else {
            return deny("fields_unknown", "it cannot be told which fields this request touches")
                .hint("name the fields you need: `fields=` on a read, columns in COQL");
        };
        self.refusal(touched).unwrap_or_else(|| self.narrow(request, touched))
    }
}

impl FieldMask {
    /// What no edit can mend: names that cannot be judged, hidden filters, hidden or protected writes.
    fn refusal(&self, touched: &[Field]) -> Option<Answer> {
        touched.iter().find_map(|Field { of, name, how }| {
            let is_protected = || self.protect.iter().any(|entry| entry.covers(of, name));
            match how {
                _ if !is_plain(name) => Some(unclear(name)),
                FieldUse::Filter if self.hides(of, name) => {
                    Some(hidden(name).hint("leave it out of search criteria, conditions and sort order"))
                }
                FieldUse::Write if self.hides(of, name) || is_protected() => Some(
                    deny("field_protected", format!("may not be written: {name}"))
                        .hint("leave it out of the body"),
                ),
                FieldUse::Read | FieldUse::Filter | FieldUse::Write => None,
            }
        })
    }

    /// Takes hidden fields out of `fields=`, where all that is hidden stands there.
    fn narrow(&self, request: &Request, touched: &[Field]) -> Answer {
        let listed: Vec<&str> = request.query("fields").flat_map(|list| list.split(',')).map(str::trim).collect();
        if let Some(name) = listed.iter().find(|name| !name.is_empty() && !is_plain(name)) {
            return unclear(name);
        }
        let hidden_reads: Vec<&Field> = touched
            .iter()
            .filter(|field| field.how == FieldUse::Read && self.hides(&field.of, &field.name))
            .collect();
        let is_listed = |field: &Field| listed.iter().any(|name| name.eq_ignore_ascii_case(&field.name));
        if let Some(field) = hidden_reads.iter().find(|field| !is_listed(field)) {
            return hidden(&field.name).hint("leave it out of the columns");
        }
        // What the host has not reported is judged all the same, in every module that is touched.
        let is_hidden = |name: &str| {
            hidden_reads.iter().any(|field| field.name.eq_ignore_ascii_case(name))
                || request.operation.resources.iter().any(|of| self.hides(of, name))
        };
        let named = listed.into_iter().filter(|name| !name.is_empty());
        let (left_out, kept): (Vec<&str>, Vec<&str>) = named.partition(|name| is_hidden(name));
        if left_out.is_empty() {
            return allow();
        }
        if kept.is_empty() {
            return hidden(&left_out.join(", ")).hint("ask for other fields");
        }
        let message = format!("left out: {}", left_out.join(", "));
        shape(vec![edit::set_query("fields", kept.join(","))], "fields_narrowed", message)
    }

    fn hides(&self, of: &str, name: &str) -> bool {
        self.hide.iter().any(|entry| entry.covers(of, name))
    }
}

fn hidden(name: &str) -> Answer {
    deny("field_hidden", format!("hidden on this connection: {name}"))
}

/// Shows the name so that a look-alike shows: what is not printable ASCII is spelt `\u{…}`.
fn unclear(name: &str) -> Answer {
    let message = format!("not a plain field name: \"{}\"", name.escape_default());
    deny("field_unclear", message).hint("use the field's API name")
}

/// `Field`, or `Module.Field`.
struct Entry {
    module: Option<String>,
    field: String,
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        let (module, field) = match text.split_once('.') {
            Some((module, field)) => (Some(module), field),
            None => (None, text),
        };
        if field.contains('.') || !is_plain(field) || !module.is_none_or(is_plain) || text.contains('*') {
            return None;
        }
        Some(Self { module: module.map(str::to_owned), field: field.to_owned() })
    }

    /// A dotted name goes through lookups: `Account_Name.Phone` is a phone of some other module, so every
    /// part counts, and only the first is known to be the request's own module's.
    fn covers(&self, of: &str, name: &str) -> bool {
        name == "*"
            || name.split('.').enumerate().any(|(depth, segment)| {
                let known = depth == 0 && !of.is_empty();
                self.field.eq_ignore_ascii_case(segment)
                    && self.module.as_ref().is_none_or(|own| !known || own.eq_ignore_ascii_case(of))
            })
    }
}

/// Only plain names are compared: others might be folded to a hidden one behind our back.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_$.-:*".contains(c);
    !name.is_empty() && name.split('.').all(|segment| !segment.is_empty()) && name.chars().all(plain)
}

export!(FieldMask);

#[cfg(test)]
mod tests {
    use super::*;

    fn check(entry: &str, of: &str, name: &str, covered: &str) {
        let covers = Entry::parse(entry).map(|entry| entry.covers(of, name));
        assert_eq!(covers, Some(covered == "covered"), "{entry} on {of} / {name}");
    }

    #[test]
    fn an_entry_covers_every_spelling_of_its_field() {
        check("email", "Leads", "EMAIL", "covered");
        check("Email", "Leads", "Email_2", "not");
        check("Leads.Email", "leads", "email", "covered");
        check("Leads.Email", "Contacts", "Email", "not");
        check("Leads.Email", "", "Email", "covered");
        check("Email", "Leads", "*", "covered");
        check("Phone", "Leads", "Account_Name.Phone", "covered");
        check("Account_Name.Phone", "Leads", "Account_Name.Phone", "covered");
        check("Accounts.Phone", "Leads", "Account_Name.Phone", "covered");
        check("Account_Name", "Leads", "Account_Name.Phone", "covered");
        check("Leads.Account_Name", "Deals", "Account_Name.Phone", "not");
    }

    #[test]
    fn cases_hold() {
        wardlock_plugin::cases::check::<FieldMask>(env!("CARGO_MANIFEST_DIR"));
    }
}
