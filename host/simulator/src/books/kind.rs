//! The kinds of records.

/// A kind of records, with the names that Books uses for it.
#[derive(Debug)]
pub(crate) struct Kind {
    /// In paths, and the list's key.
    pub plural: &'static str,
    /// One record's key.
    pub singular: &'static str,
    /// In messages.
    pub title: &'static str,
    pub id: &'static str,
    /// The family of its scopes; items belong to the settings.
    pub scope: &'static str,
    /// What a new record must have.
    pub required: &'static str,
}

const KINDS: [Kind; 3] = [
    Kind {
        plural: "contacts",
        singular: "contact",
        title: "Contact",
        id: "contact_id",
        scope: "contacts",
        required: "contact_name",
    },
    Kind {
        plural: "invoices",
        singular: "invoice",
        title: "Invoice",
        id: "invoice_id",
        scope: "invoices",
        required: "customer_id",
    },
    Kind { plural: "items", singular: "item", title: "Item", id: "item_id", scope: "settings", required: "name" },
];

impl Kind {
    /// Returns the kind of a path's name.
    pub fn named(plural: &str) -> Option<&'static Kind> {
        KINDS.iter().find(|kind| kind.plural == plural)
    }

    /// Returns the shelf of its records in an organization.
    pub fn shelf(&self, organization: &str) -> String {
        format!("books/{organization}/{}", self.plural)
    }
}
