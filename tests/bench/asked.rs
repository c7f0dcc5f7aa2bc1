//! The request that is asked about, and the answer: the same for plugins here and for other engines (`peers`).

/// A list read, as it goes upstream.
pub const TARGET: &str = "/crm/v8/Leads?fields=Last_Name,Company,Email&per_page=200";
/// Its headers, as a plugin sees them.
pub const HEADERS: [(&str, &str); 12] = [
    ("accept", "application/json"),
    ("accept-language", "de-DE,de;q=0.9,en;q=0.8"),
    ("if-modified-since", "Mon, 05 Jan 2026 08:00:00 GMT"),
    ("x-application", "weekly-report"),
    ("x-application-version", "4.18.2"),
    ("x-correlation-id", "7f3c1e0a-52b5-4b0e-9b54-0b9cbb5b6a11"),
    ("x-environment", "production"),
    ("x-library", "http-client/2.7.0"),
    ("x-locale", "de_DE"),
    ("x-priority", "low"),
    ("x-team", "sales operations"),
    ("x-trace", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
];

/// The answer: two edits and a reason.
pub const PAGE: &str = "50";
pub const LANGUAGE: &str = "en";
pub const CODE: &str = "narrowed";
pub const MESSAGE: &str = "at most 50 records a page, in English";
