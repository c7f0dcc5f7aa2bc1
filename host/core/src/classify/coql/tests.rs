//! Queries, and what they touch.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::service::{ServiceDefinition, parse as parse_service};

fn service() -> &'static ServiceDefinition {
    static SERVICE: LazyLock<ServiceDefinition> = LazyLock::new(|| {
        parse_service(include_str!("../../../../services/zoho-crm.toml"), "zoho-crm.toml").expect("the definition")
    });
    &SERVICE
}

fn show(query: &Query) -> String {
    let resources: Vec<&str> = query.touched.resources.iter().map(String::as_str).collect();
    let fields: Vec<String> = query
        .touched
        .fields
        .iter()
        .map(|field| format!("{}.{}{}", field.of, field.name, if field.how == FieldUse::Read { "" } else { "?" }))
        .collect();
    format!("{} | {} | {}", resources.join(" "), fields.join(" "), query.rows(200))
}

#[track_caller]
fn check(text: &str, expect: &str) {
    let got = read(service(), text).map_or("not understood".to_owned(), |query| show(&query));
    assert_eq!(got, expect, "{text}");
}

#[test]
fn plain_queries() {
    check("select Last_Name, Email from Leads limit 10", "Leads | Leads.Email Leads.Last_Name | 10");
    check("SELECT id FROM Leads WHERE Email IS NOT NULL", "Leads | Leads.Email? Leads.id | 200");
    check(
        "select Last_Name from Leads where (((Email = 'a') and (Phone in ('1','2'))) or City not like '%x') order by Rating desc limit 5 offset 10",
        "Leads | Leads.City? Leads.Email? Leads.Last_Name Leads.Phone? Leads.Rating? | 5",
    );
    check("select id from Leads where A between 1 and 2", "Leads | Leads.A? Leads.id | 200");
    check("select id from Leads where A != -1.5 and not (B >= 3)", "Leads | Leads.A? Leads.B? Leads.id | 200");
    check("select id from Leads limit 200, 50", "Leads | Leads.id | 200");
    check("\tselect\n id\r\nfrom Leads", "Leads | Leads.id | 200");
}

#[test]
fn aliases_are_resolved() {
    check("select l.Email from Leads as l", "Leads | Leads.Email | 200");
    check(
        "select l.Email e, l.Phone as p from Leads l order by e",
        "Leads | Leads.Email Leads.Email? Leads.Phone Leads.e? | 200",
    );
    check("select Leads.Email from Leads", "Leads | Leads.Email | 200");
    // An alias that is a lookup's name too may be read as either.
    check(
        "select Account_Name.Phone from Contacts as Account_Name",
        "Accounts Contacts | Accounts.Phone Contacts.Account_Name Contacts.Phone | 200",
    );
}

#[test]
fn quoted_columns_are_columns() {
    check(
        "select 'Email', \"Phone\" from Leads where 'City' = 'Rome'",
        "Leads | Leads.City? Leads.Email Leads.Phone | 200",
    );
    check(
        "select 'Account_Name.Parent_Account.Account_Name' from Contacts",
        "Accounts Contacts | Accounts.Account_Name Accounts.Parent_Account Contacts.Account_Name | 200",
    );
    check(
        "select 'What_Id->Leads.Last_Name' from Tasks where 'What_Id->Leads.id' in ('1')",
        "Leads Tasks | Leads.Last_Name Leads.id? Tasks.What_Id Tasks.What_Id? | 200",
    );
}

#[test]
fn other_modules_are_seen() {
    check(
        "select Account_Name.Phone from Contacts",
        "Accounts Contacts | Accounts.Phone Contacts.Account_Name | 200",
    );
    check("select Owner.email from Leads", "$users Leads | $users.email Leads.Owner | 200");
    check("select My_Lookup.Email from Leads", "$unknown Leads | $unknown.Email Leads.My_Lookup | 200");
    check(
        "select id from Leads where Email in (select Email from Contacts where City = 'x')",
        "Contacts Leads | Contacts.City? Contacts.Email Leads.Email? Leads.id | 200",
    );
    check(
        "select d.Amount, a.Phone from Deals as d left join Accounts a on d.Account_Name = a.id",
        "Accounts Deals | Accounts.Phone Accounts.id? Deals.Account_Name? Deals.Amount | 200",
    );
    check("select id from Leads, Contacts", "Contacts Leads | Contacts.id Leads.id | 200");
    check(
        "select id from Leads where a = (select max(id) from Deals)",
        "Deals Leads | Deals.id Leads.a? Leads.id | 200",
    );
}

#[test]
fn aggregates_touch_their_columns() {
    check("select COUNT(id) from Leads", "Leads | Leads.id | 200");
    check(
        "select count(*), sum(Amount) total from Deals group by Stage",
        "Deals | Deals.Amount Deals.Stage? | 200",
    );
    check(
        "select max(distinct Amount) from Deals having sum(Amount) > 3",
        "Deals | Deals.Amount Deals.Amount? | 200",
    );
    check("select sleep(5) from Leads", "not understood");
}

#[test]
fn quotes_within_texts_hide_nothing() {
    check("select id from Leads where A = 'it''s' and B = ''", "Leads | Leads.A? Leads.B? Leads.id | 200");
    check(
        r"select id from Leads where A = 'O\'Brien' and B = 'O\'Neil'",
        "Leads | Leads.A? Leads.B? Leads.id | 200",
    );
    check(r"select id from Leads where A = 'C:\\' and B = 'x'", "Leads | Leads.A? Leads.B? Leads.id | 200");
    // Read without escapes, a quote stays open at the end: only one reading is left.
    check(
        r"select id from Leads where A = 'x\' or B in (select Email from Contacts) or C = ' or D = 'y'",
        "Leads | Leads.A? Leads.D? Leads.id | 200",
    );
    // Read with escapes, a backslash stands outside quotes.
    check(
        r"select id from Leads where A in ('x\', 'y') or B in (select id from Contacts where C in ('\', 'z'))",
        "Contacts Leads | Contacts.C? Contacts.id Leads.A? Leads.B? Leads.id | 200",
    );
    // Neither reading is impossible, and one of them is outside the grammar.
    check(r"select id from Leads where A = '\' and B = ' and C = 'x' and D = '\' y 'z'", "not understood");
}

#[test]
fn everything_else_is_not_understood() {
    for bad in [
        "",
        "select",
        "select * from Leads",
        "select id from",
        "select id Leads",
        "select id from Leads limit",
        "select id from Leads limit -1",
        "select id from Leads limit 0",
        "select id from Leads limit 99999999999999",
        "select id from Leads limit 1.5",
        "select id from Leads; select id from Contacts",
        "select id from Leads union select id from Contacts",
        "select id from Leads -- x",
        "select id from Leads /* x */",
        "select id from Leads # x",
        "select id from Leads where",
        "select id from Leads where ()",
        "select id from Leads where A",
        "select id from Leads where A =",
        "select id from Leads where A = 'x",
        "select id from Leads where exists (select id from Contacts)",
        "select id from (select id from Contacts)",
        "select id from Leads.123",
        "select id from 123",
        "select case when 1 then 2 end from Leads",
        "select 1 from Leads",
        "select id from Leads where A = 'x' B = 'y'",
        "select id from Leads where \u{a0}A = 1",
        "select `id` from Leads",
        "select id from Leads where A = ${x}",
        "update Leads set A = 1",
        "delete from Leads",
    ] {
        check(bad, "not understood");
    }
    check(&"(".repeat(50_000), "not understood");
    check(&format!("select id from Leads where {}", "(".repeat(30_000)), "not understood");
    check(&"select id from Leads where A in (".repeat(1_500), "not understood");
}

proptest! {
    #[test]
    fn never_panics(text in "(select|from|where|in|limit|and|as|'|\"|\\\\|[ ,()*.=<>a-cA-C0-9é-]){0,40}") {
        let _ = read(service(), &text);
    }

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        let _ = read(service(), &text);
    }

    #[test]
    fn a_module_in_a_subquery_is_always_seen(module in "M[a-z]{1,8}", depth in 1_usize..8) {
        let mut query = format!("select id from {module}");
        for _ in 0..depth {
            query = format!("select id from Leads where (id in ({query}))");
        }
        let read = read(service(), &query).expect("understood");
        prop_assert!(read.touched.resources.contains(&module));
    }
}
