//! Registrations, grants and tokens: what is stored comes back, and nothing is lost or overwritten unasked.

use super::*;
use crate::vault::Tenant;

fn with_registration(home: &Home) -> Vault {
    let vault = home.create();
    vault.add_registration(new_registration("agency")).expect("stored");
    vault
}

#[test]
fn a_registration_is_stored_once_and_shows_no_secret() {
    let home = Home::new();
    let vault = with_registration(&home);
    let again = vault.add_registration(new_registration("agency")).expect_err("refused");
    assert!(matches!(again, VaultError::RegistrationExists(_)), "{again}");
    drop(vault);
    let vault = home.open().expect("opened");
    let info = vault.registration(&registration_name("agency")).expect("stored");
    assert_eq!(vault.registrations().expect("read"), std::slice::from_ref(&info));
    assert_eq!((info.client_id.as_str(), info.region_secrets.as_slice()), ("1000.CLIENTID", &[region("in")][..]));
    assert!(!format!("{info:?} {:?}", new_registration("agency")).contains("canary"));
    let missing = vault.registration(&registration_name("other")).expect_err("none");
    assert!(matches!(missing, VaultError::NoRegistration(_)), "{missing}");
}

#[test]
fn a_regions_own_secret_goes_before_the_common_one() {
    let home = Home::new();
    let vault = with_registration(&home);
    let of = |text| vault.client_material(&registration_name("agency"), &region(text)).expect("stored");
    assert!(holds(of("in").secrets.client_secret.as_ref(), "canary-client-secret-india"));
    assert!(holds(of("eu").secrets.client_secret.as_ref(), "canary-client-secret-common"));
}

#[test]
fn a_registration_in_use_is_not_removed() {
    let home = Home::new();
    let vault = with_registration(&home);
    vault.put_grant(new_grant("acme", "1000.canary-refresh")).expect("stored");
    let error = vault.remove_registration(&registration_name("agency")).expect_err("refused");
    assert!(error.to_string().ends_with("used by grants: acme"), "{error}");
    vault.remove_grant(&grant_name("acme")).expect("removed");
    vault.remove_registration(&registration_name("agency")).expect("removed");
    assert!(vault.registrations().expect("read").is_empty());
}

#[test]
fn a_grant_needs_its_registration() {
    let home = Home::new();
    let vault = home.create();
    let error = vault.put_grant(new_grant("acme", "1000.canary-refresh")).expect_err("refused");
    assert!(matches!(error, VaultError::NoRegistration(_)), "{error}");
    assert!(vault.grants().expect("read").is_empty());
}

#[test]
fn a_grant_comes_back_as_it_was_stored() {
    let home = Home::new();
    let vault = with_registration(&home);
    let name = grant_name("acme");
    assert_eq!(vault.put_grant(new_grant("acme", "1000.canary-refresh")).expect("stored"), 1);
    let tenant = Tenant { id: "2007".to_owned(), label: "Acme".to_owned(), environment: "production".to_owned() };
    let desk = ServiceName::parse("zoho-desk").expect("a name");
    let portal = Tenant { id: "7200".to_owned(), ..tenant.clone() };
    let of = |service: &str| ServiceName::parse(service).expect("a name");
    let found = BTreeMap::from([(of("zoho-crm"), tenant.clone()), (desk.clone(), portal.clone())]);
    vault.pin_accounts(&name, 1, found, None).expect("stored");
    let others = Tenant { id: "9".to_owned(), ..tenant.clone() };
    let again = BTreeMap::from([(of("zoho-crm"), others.clone()), (desk.clone(), others)]);
    vault.pin_accounts(&name, 1, again, None).expect("stored");
    drop(vault);
    let vault = home.open().expect("opened");
    let info = vault.grant_info(&name).expect("stored");
    assert_eq!(vault.grants().expect("read"), std::slice::from_ref(&info));
    assert_eq!(info.account_of(&desk), Some(&portal), "what is pinned stays");
    assert_eq!(info.account_of(&of("zoho-books")), None, "nobody asked it");
    assert_eq!((info.generation, info.tenant, info.access_expires_ms), (1, Some(tenant), Some(42)));
    let material = vault.refresh_material(&name).expect("stored");
    assert!(holds(material.refresh_token.as_ref(), "1000.canary-refresh"));
    assert!(holds(material.secrets.client_secret.as_ref(), "canary-client-secret-common"));
    assert!(!format!("{material:?}").contains("canary"));
}

#[test]
fn a_rotated_refresh_token_and_its_access_token_are_stored_together() {
    let home = Home::new();
    let vault = with_registration(&home);
    let name = grant_name("acme");
    vault.put_grant(new_grant("acme", "1000.canary-refresh")).expect("stored");
    let rotated = Some(secret("1000.canary-rotated").into());
    let host = Some("www.zohoapis.in".to_owned());
    vault.store_access_token(&name, 1, &secret("1000.canary-second").into(), 99, rotated, host).expect("stored");
    vault.store_access_token(&name, 1, &secret("1000.canary-third").into(), 100, None, None).expect("stored");
    drop(vault);
    let vault = home.open().expect("opened");
    let (token, expires) = vault.access_token(&name, 1).expect("read").expect("a token");
    assert!(token.same(&secret("1000.canary-third")) && expires == 100);
    let material = vault.refresh_material(&name).expect("stored");
    assert!(holds(material.refresh_token.as_ref(), "1000.canary-rotated"));
    let info = vault.grant_info(&name).expect("stored");
    assert_eq!(info.api_host.as_deref(), Some("www.zohoapis.in"), "a refresh without a host keeps it");
}

#[test]
fn nothing_is_stored_under_a_consent_that_was_renewed() {
    let home = Home::new();
    let vault = with_registration(&home);
    let name = grant_name("acme");
    vault.put_grant(new_grant("acme", "1000.canary-refresh")).expect("stored");
    assert_eq!(vault.put_grant(new_grant("acme", "1000.canary-renewed")).expect("stored"), 2);
    let stale = vault.store_access_token(&name, 1, &secret("1000.canary-late").into(), 9, None, None);
    assert!(matches!(stale, Err(VaultError::OtherGeneration { now: 2, asked: 1, .. })));
    assert!(matches!(vault.access_token(&name, 1), Err(VaultError::OtherGeneration { .. })));
    assert!(holds(vault.refresh_material(&name).expect("stored").refresh_token.as_ref(), "1000.canary-renewed"));
}

#[test]
fn a_generation_is_never_given_twice() {
    let home = Home::new();
    let vault = with_registration(&home);
    let first = vault.put_grant(new_grant("acme", "1000.canary-refresh")).expect("stored");
    vault.remove_grant(&grant_name("acme")).expect("removed");
    drop(vault);
    let vault = home.open().expect("opened");
    assert!(vault.put_grant(new_grant("acme", "1000.canary-refresh")).expect("stored") > first);
}

#[test]
fn every_stored_secret_is_looked_for_and_those_of_before() {
    let home = Home::new();
    let vault = with_registration(&home);
    let found = |text: &str| vault.all_needles().expect("needles").find_in(text.as_bytes());
    assert!(found("canary-client-secret-india") && found("canary-client-secret-common"));
    assert!(!found("1000.canary-refresh"));
    vault.put_grant(new_grant("acme", "1000.canary-refresh")).expect("stored");
    assert!(found("1000.canary-refresh") && found("1000.canary-access-first"));
    let rotated = Some(secret("1000.canary-rotated").into());
    vault
        .store_access_token(&grant_name("acme"), 1, &secret("1000.canary-second").into(), 9, rotated, None)
        .expect("stored");
    vault.put_grant(new_grant("acme", "1000.canary-renewed")).expect("stored");
    for text in ["1000.canary-refresh", "1000.canary-access-first", "1000.canary-rotated", "1000.canary-second"] {
        assert!(found(text), "{text}");
    }
    assert!(found("1000.canary-renewed"));
    vault.remove_grant(&grant_name("acme")).expect("removed");
    assert!(!found("1000.canary-renewed"));
}

#[test]
fn needles_are_kept_until_something_changes() {
    let home = Home::new();
    let vault = with_registration(&home);
    let first = vault.all_needles().expect("needles");
    assert!(std::sync::Arc::ptr_eq(&first, &vault.all_needles().expect("needles")));
    vault.put_grant(new_grant("acme", "1000.canary-refresh")).expect("stored");
    assert!(!std::sync::Arc::ptr_eq(&first, &vault.all_needles().expect("needles")));
}

#[test]
fn the_budget_of_token_calls_survives_a_restart() {
    let home = Home::new();
    let vault = with_registration(&home);
    let name = grant_name("acme");
    vault.put_grant(new_grant("acme", "1000.canary-refresh")).expect("stored");
    let day = 24 * 60 * 60 * 1000;
    for time in [0, 10 * day, 10 * day + 5, 10 * day + 5] {
        vault.note_token_call(&name, time).expect("noted");
    }
    vault.note_token_call(&grant_name("other"), 10 * day).expect("noted");
    drop(vault);
    let vault = home.open().expect("opened");
    let since = |time| vault.token_calls_since(&name, time).expect("read");
    assert_eq!(since(0), [10 * day, 10 * day + 5, 10 * day + 5]);
    assert_eq!(since(10 * day + 1).len(), 2);
    assert!(since(u64::MAX).is_empty());
}

#[test]
fn many_threads_may_use_it_at_once() {
    let home = Home::new();
    let vault = with_registration(&home);
    vault.put_grant(new_grant("acme", "1000.canary-refresh")).expect("stored");
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let vault = &vault;
            scope.spawn(move || {
                for round in 0..10 {
                    let token = secret(&format!("1000.canary-{thread}-{round}-token"));
                    vault
                        .store_access_token(&grant_name("acme"), 1, &token.into(), round, None, None)
                        .expect("stored");
                    vault.all_needles().expect("needles");
                }
            });
        }
    });
    let (token, _) = vault.access_token(&grant_name("acme"), 1).expect("read").expect("a token");
    assert!(!format!("{token:?}").contains("canary"));
}
