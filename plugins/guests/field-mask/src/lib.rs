//! Hides and protects fields.
//!
//! A hidden field is not read, not filtered by and not written; a protected one is not written. The host has
//! parsed which fields a request touches, from query, COQL, criteria and bodies; where it could not tell,
//! nothing passes. A read that lists hidden fields in `fields=` is narrowed, everything else is refused.

use serde::Deserialize;
use wardlock_plugin::{
    Answer, Description, Field, FieldUse, Policy, Problem, Request, allow, deny, describe, edit, export,
    shape,
};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    hide: Vec<String>,
    protect: Vec<String>,
}

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
            let parse = |(at, text): (usize, &String)| {
                Entry::parse(text)
                    .map_err(|message| problems.push(Problem::at(format!("/{key}/{at}"), message)))
            };
            listed.iter().enumerate().map(parse).filter_map(Result::ok).collect()
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
        match self.refusal(touched) {
            Some(refusal) => refusal,
            None => self.narrow(request, touched),
        }
    }
}

impl FieldMask {
    /// What no edit can mend: names that cannot be judged, hidden filters, hidden or protected writes.
    fn refusal(&self, touched: &[Field]) -> Option<Answer> {
        touched.iter().find_map(|field| {
            if !is_plain(&field.name) {
                let message = format!("{:?} is not a plain field name", field.name);
                return Some(deny("field_unclear", message).hint("use the field's API name"));
            }
            match field.how {
                FieldUse::Read => None,
                FieldUse::Filter => self.hides(&field.of, &field.name).then(|| {
                    deny("field_hidden", format!("`{}` is hidden on this connection", field.name))
                        .hint("leave it out of search criteria, sort order and conditions")
                }),
                FieldUse::Write => (self.hides(&field.of, &field.name) || self.protects(field)).then(|| {
                    deny("field_protected", format!("`{}` may not be written", field.name))
                        .hint("leave it out of the body")
                }),
            }
        })
    }

    /// Takes hidden fields out of `fields=`, where all that is hidden stands there.
    fn narrow(&self, request: &Request, touched: &[Field]) -> Answer {
        let listed: Vec<&str> =
            request.query("fields").flat_map(|list| list.split(',')).map(str::trim).collect();
        let hidden_reads = || {
            touched.iter().filter(|field| field.how == FieldUse::Read && self.hides(&field.of, &field.name))
        };
        let is_hidden = |name: &str| {
            let of_any = request.operation.resources.iter().any(|of| self.hides(of, name));
            of_any || hidden_reads().any(|field| field.name.eq_ignore_ascii_case(name))
        };
        let elsewhere =
            hidden_reads().find(|field| !listed.iter().any(|name| name.eq_ignore_ascii_case(&field.name)));
        if let Some(field) = elsewhere {
            return deny("field_hidden", format!("`{}` is hidden on this connection", field.name))
                .hint("leave it out of the columns");
        }
        let (hidden, mut kept): (Vec<&str>, Vec<&str>) = listed.iter().partition(|name| is_hidden(name));
        if hidden.is_empty() {
            return allow();
        }
        let mut seen: Vec<String> = Vec::new();
        kept.retain(|name| {
            let new = !name.is_empty() && !seen.contains(&name.to_ascii_lowercase());
            seen.push(name.to_ascii_lowercase());
            new
        });
        if kept.is_empty() {
            return deny("field_hidden", "every field that `fields` lists is hidden on this connection")
                .hint("ask for other fields");
        }
        let message = format!("left out: {}", hidden.join(", "));
        shape(vec![edit::set_query("fields", kept.join(","))], "fields_narrowed", message)
    }

    fn hides(&self, of: &str, name: &str) -> bool {
        self.hide.iter().any(|entry| entry.covers(of, name))
    }

    fn protects(&self, field: &Field) -> bool {
        self.protect.iter().any(|entry| entry.covers(&field.of, &field.name))
    }
}

/// `Field`, or `Module.Field`.
struct Entry {
    module: Option<String>,
    field: String,
}

impl Entry {
    fn parse(text: &str) -> Result<Self, String> {
        let (module, field) = match text.split_once('.') {
            Some((module, field)) => (Some(module), field),
            None => (None, text),
        };
        if field.contains('.') || !is_plain(field) || !module.is_none_or(is_plain) || text.contains('*') {
            return Err(format!("{text:?} is neither `Field` nor `Module.Field`, by API names"));
        }
        Ok(Self { module: module.map(str::to_owned), field: field.to_owned() })
    }

    /// A dotted name goes through lookups: `Account_Name.Phone` is a phone of some other module, so every
    /// part counts, and only the first is known to be the request's own module's.
    fn covers(&self, of: &str, name: &str) -> bool {
        name == "*"
            || name.split('.').enumerate().any(|(depth, segment)| {
                let module_fits = self
                    .module
                    .as_ref()
                    .is_none_or(|own| depth > 0 || of.is_empty() || own.eq_ignore_ascii_case(of));
                module_fits && self.field.eq_ignore_ascii_case(segment)
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
        assert_eq!(covers, Ok(covered == "covered"), "{entry} on {of} / {name}");
    }

    #[test]
    fn an_entry_covers_every_spelling_of_its_field() {
        check("Email", "Leads", "Email", "covered");
        check("email", "Leads", "EMAIL", "covered");
        check("Email", "Leads", "Email_2", "not");
        check("Leads.Email", "leads", "email", "covered");
        check("Leads.Email", "Contacts", "Email", "not");
        check("Leads.Email", "", "Email", "covered");
        check("Email", "Leads", "*", "covered");
    }

    #[test]
    fn an_entry_covers_fields_behind_a_lookup() {
        check("Phone", "Leads", "Account_Name.Phone", "covered");
        check("Account_Name.Phone", "Leads", "Account_Name.Phone", "covered");
        check("Leads.Phone", "Leads", "Account_Name.Phone", "covered");
        check("Accounts.Phone", "Leads", "Account_Name.Phone", "covered");
        check("Account_Name", "Leads", "Account_Name.Phone", "covered");
        check("Leads.Account_Name", "Deals", "Account_Name.Phone", "not");
    }

    #[test]
    fn cases_hold() {
        wardlock_plugin::cases::check::<FieldMask>(env!("CARGO_MANIFEST_DIR"));
    }
}
