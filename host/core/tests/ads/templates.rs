//! The templates that operators copy.

use std::sync::Arc;

use super::{Row, check_all_are_listed, check_rows, clean, row};

#[test]
fn the_template_with_oauth_is_whole() {
    let text = include_str!("../../../services/generic-oauth2.toml");
    let service = Arc::new(clean(text, "generic-oauth2.toml"));
    let rows: [Row; 7] = [
        row("GET /v1/me", "", "me.get read $identity 0"),
        row("GET /v1/items?page=2&per_page=500", "", "items.list read items 100"),
        row("GET /v1/items/1", "", "items.get read items 1"),
        row("POST /v1/items", "{}", "items.create write items 1"),
        row("PATCH /v1/items/1", r#"{"name":"x"}"#, "items.update write items 1"),
        row("PATCH /v1/items/1", r#"{"status":"Deleted"}"#, "items.update destructive items 1"),
        row("DELETE /v1/items/1", "", "items.delete destructive items 1"),
    ];
    check_rows(&service, &rows);
    check_all_are_listed(&service, &rows);
}

#[test]
fn the_template_with_a_key_is_whole() {
    let text = include_str!("../../../services/api-key.toml");
    let service = Arc::new(clean(text, "api-key.toml"));
    let rows: [Row; 4] = [
        row("GET /v1/account", "", "account.get read $identity 0"),
        row("GET /v1/items", "", "items.list read items 20"),
        row("POST /v1/items", "{}", "items.create write items 1"),
        row("DELETE /v1/items/1", "", "items.delete destructive items 1"),
    ];
    check_rows(&service, &rows);
    check_all_are_listed(&service, &rows);
    assert!(service.key.is_some() && service.oauth.is_key());
}

#[test]
fn no_template_names_a_host_that_could_exist() {
    for text in
        [include_str!("../../../services/generic-oauth2.toml"), include_str!("../../../services/api-key.toml")]
    {
        let service = clean(text, "template.toml");
        for row in service.regions.values() {
            let api = row.hosts.values().flat_map(|hosts| hosts.values());
            for host in [&row.accounts, &row.console].into_iter().chain(api).chain(&row.token) {
                assert!(host.ends_with(".example"), "{host}");
            }
        }
    }
}
