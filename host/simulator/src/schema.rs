//! Modules and their fields, with the metadata that Zoho's own SDKs read.

/// A module.
pub(crate) struct Module {
    pub name: &'static str,
    pub singular: &'static str,
    pub fields: &'static [Field],
}

/// A field: API name, data type, and what belongs to the type.
pub(crate) struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub mandatory: bool,
}

/// Zoho's `data_type`.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Text,
    TextArea,
    Email,
    Phone,
    Website,
    Integer,
    Currency,
    Boolean,
    Date,
    DateTime,
    Owner,
    Lookup(&'static str),
    Picklist(&'static [&'static str]),
}

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, mandatory: false }
}

const fn mandatory(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, mandatory: true }
}

/// What every module has.
const SYSTEM_FIELDS: &[Field] = &[
    field("Owner", Kind::Owner),
    field("Created_By", Kind::Owner),
    field("Modified_By", Kind::Owner),
    field("Created_Time", Kind::DateTime),
    field("Modified_Time", Kind::DateTime),
];

const STATUSES: &[&str] = &["-None-", "Not Contacted", "Contacted", "Pre-Qualified", "Lost Lead"];
const SOURCES: &[&str] = &["-None-", "Web Download", "Trade Show", "Cold Call"];
const STAGES: &[&str] = &["Qualification", "Needs Analysis", "Proposal/Price Quote", "Closed Won", "Closed Lost"];

const LEADS: &[Field] = &[
    field("First_Name", Kind::Text),
    mandatory("Last_Name", Kind::Text),
    field("Full_Name", Kind::Text),
    mandatory("Company", Kind::Text),
    field("Email", Kind::Email),
    field("Phone", Kind::Phone),
    field("Mobile", Kind::Phone),
    field("Website", Kind::Website),
    field("Lead_Status", Kind::Picklist(STATUSES)),
    field("Lead_Source", Kind::Picklist(SOURCES)),
    field("Annual_Revenue", Kind::Currency),
    field("No_of_Employees", Kind::Integer),
    field("City", Kind::Text),
    field("Country", Kind::Text),
    field("Email_Opt_Out", Kind::Boolean),
    field("Description", Kind::TextArea),
];
const CONTACTS: &[Field] = &[
    field("First_Name", Kind::Text),
    mandatory("Last_Name", Kind::Text),
    field("Full_Name", Kind::Text),
    field("Email", Kind::Email),
    field("Phone", Kind::Phone),
    field("Mobile", Kind::Phone),
    field("Department", Kind::Text),
    field("Account_Name", Kind::Lookup("Accounts")),
    field("Description", Kind::TextArea),
];
const ACCOUNTS: &[Field] = &[
    mandatory("Account_Name", Kind::Text),
    field("Industry", Kind::Text),
    field("Phone", Kind::Phone),
    field("Website", Kind::Website),
    field("Parent_Account", Kind::Lookup("Accounts")),
    field("Description", Kind::TextArea),
];
const DEALS: &[Field] = &[
    mandatory("Deal_Name", Kind::Text),
    mandatory("Stage", Kind::Picklist(STAGES)),
    field("Amount", Kind::Currency),
    field("Closing_Date", Kind::Date),
    field("Account_Name", Kind::Lookup("Accounts")),
    field("Contact_Name", Kind::Lookup("Contacts")),
    field("Description", Kind::TextArea),
];
const TASKS: &[Field] = &[
    mandatory("Subject", Kind::Text),
    field("Status", Kind::Picklist(&["Not Started", "In Progress", "Completed"])),
    field("Priority", Kind::Picklist(&["High", "Normal", "Low"])),
    field("Due_Date", Kind::Date),
    field("Who_Id", Kind::Lookup("Contacts")),
    field("Description", Kind::TextArea),
];
const NOTES: &[Field] = &[
    field("Note_Title", Kind::Text),
    mandatory("Note_Content", Kind::TextArea),
    field("Parent_Id", Kind::Lookup("Leads")),
];
const INVOICES: &[Field] = &[mandatory("Subject", Kind::Text), field("Grand_Total", Kind::Currency)];

/// The modules. Invoices are there, and empty, to be a module that no policy allows.
pub(crate) const MODULES: &[Module] = &[
    Module { name: "Leads", singular: "Lead", fields: LEADS },
    Module { name: "Contacts", singular: "Contact", fields: CONTACTS },
    Module { name: "Accounts", singular: "Account", fields: ACCOUNTS },
    Module { name: "Deals", singular: "Deal", fields: DEALS },
    Module { name: "Tasks", singular: "Task", fields: TASKS },
    Module { name: "Notes", singular: "Note", fields: NOTES },
    Module { name: "Invoices", singular: "Invoice", fields: INVOICES },
];

pub(crate) fn module_names() -> impl Iterator<Item = &'static str> {
    MODULES.iter().map(|module| module.name)
}

/// Returns a module by its API name, which Zoho reads without regard to case.
pub(crate) fn module(name: &str) -> Option<&'static Module> {
    MODULES.iter().find(|module| module.name.eq_ignore_ascii_case(name))
}

/// Returns the field that a lookup shows.
pub(crate) fn name_field(module: &str) -> &'static str {
    match module {
        "Leads" | "Contacts" => "Full_Name",
        "Accounts" => "Account_Name",
        "Deals" => "Deal_Name",
        "Notes" => "Note_Title",
        _ => "Subject",
    }
}

/// Returns the module's name as scopes write it: lower case, no underscore.
pub(crate) fn scope_name(module: &str) -> String {
    module.to_ascii_lowercase().replace('_', "")
}

impl Module {
    /// Returns all fields, the system's own last.
    pub fn all_fields(&self) -> impl Iterator<Item = &'static Field> + use<> {
        self.fields.iter().chain(SYSTEM_FIELDS)
    }

    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.all_fields().find(|field| field.name == name)
    }

    /// Returns an id that stays the same for the module's metadata; the last three digits are free for its parts.
    pub fn metadata_id(&self) -> String {
        let index = MODULES.iter().position(|module| module.name == self.name).unwrap_or_default();
        (5_000_000_000_000_010_000 + index as u64 * 1_000).to_string()
    }

    /// Returns the id of a part of the module's metadata.
    pub fn part_id(&self, part: usize) -> String {
        format!("{}{part:03}", &self.metadata_id()[..16])
    }
}

impl Field {
    /// Whether the provider itself writes the field.
    pub fn is_system(&self) -> bool {
        SYSTEM_FIELDS.iter().any(|system| system.name == self.name)
    }
}

impl Kind {
    pub fn data_type(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::TextArea => "textarea",
            Kind::Email => "email",
            Kind::Phone => "phone",
            Kind::Website => "website",
            Kind::Integer => "integer",
            Kind::Currency => "currency",
            Kind::Boolean => "boolean",
            Kind::Date => "date",
            Kind::DateTime => "datetime",
            Kind::Owner => "ownerlookup",
            Kind::Lookup(_) => "lookup",
            Kind::Picklist(_) => "picklist",
        }
    }

    pub fn json_type(self) -> &'static str {
        match self {
            Kind::Integer => "integer",
            Kind::Currency => "double",
            Kind::Boolean => "boolean",
            Kind::Owner | Kind::Lookup(_) => "jsonobject",
            _ => "string",
        }
    }
}
