//! What all of Zoho's services have in common: data centres, one grant, refusals.

use std::sync::Arc;

use wardlock_core::id::Region;
use wardlock_core::refusal::{Code, Refusal};
use wardlock_core::service::{ServiceDefinition, parse};

use crate::support;

const CRM: &str = include_str!("../../../services/zoho-crm.toml");

fn family() -> [Arc<ServiceDefinition>; 4] {
    [
        support::service(include_str!("../../../services/zoho-books.toml"), "zoho-books.toml"),
        support::service(include_str!("../../../services/zoho-desk.toml"), "zoho-desk.toml"),
        support::service(include_str!("../../../services/zoho-workdrive.toml"), "zoho-workdrive.toml"),
        support::service(include_str!("../../../services/zoho-marketing-automation.toml"), "zoho-ma.toml"),
    ]
}

#[test]
fn one_grant_serves_all_of_them_in_every_region() {
    let crm = parse(CRM, "zoho-crm.toml").expect("the CRM");
    for service in family() {
        assert_eq!(service.regions.len(), 11, "{}", service.name);
        for region in crm.regions.keys() {
            assert!(crm.shares_grants_with(&service, region), "{} in {region}", service.name);
            assert!(service.shares_grants_with(&crm, region), "{} in {region}", service.name);
        }
    }
}

#[test]
fn hosts_follow_the_product_and_canada_is_split() {
    let host = |service: &ServiceDefinition, region: &str| {
        let row = &service.regions[&Region::parse(region).expect(region)];
        row.host("api", "production").expect("a host").to_owned()
    };
    let [books, desk, workdrive, marketing] = family();
    for (region, gateway, own) in [
        ("us", "www.zohoapis.com", "zoho.com"),
        ("au", "www.zohoapis.com.au", "zoho.com.au"),
        ("cn", "www.zohoapis.com.cn", "zoho.com.cn"),
        ("ca", "www.zohoapis.ca", "zohocloud.ca"),
    ] {
        assert_eq!((host(&books, region), host(&workdrive, region)), (gateway.to_owned(), gateway.to_owned()));
        assert_eq!(host(&desk, region), format!("desk.{own}"));
        assert_eq!(host(&marketing, region), format!("marketingautomation.{own}"));
    }
}

#[test]
fn refusals_have_the_shape_of_the_product() {
    let refused = |service: &ServiceDefinition| {
        let refusal = Refusal::new(Code::TenantMismatch, "tenant", "no");
        let shape = service.refusal.as_ref().expect("a shape");
        (shape.content_type.clone(), refusal.in_shape(shape, "req_1"))
    };
    let [books, desk, workdrive, marketing] = family();
    let (_, body) = refused(&books);
    // A number, and none that Books' clients take for a stale token.
    assert_eq!((&body["code"], &body["reason"]), (&403.into(), &"TENANT_MISMATCH".into()));
    assert!(!books.answer.stale_token_codes.contains("403") && body["message"].is_string());
    let (_, body) = refused(&desk);
    assert_eq!(body["errorCode"], "TENANT_MISMATCH");
    let (content_type, body) = refused(&workdrive);
    assert_eq!(
        (content_type.as_str(), &body["errors"][0]["id"]),
        ("application/vnd.api+json", &"TENANT_MISMATCH".into())
    );
    let (_, body) = refused(&marketing);
    assert_eq!((&body["status"], &body["code"]), (&"error".into(), &"TENANT_MISMATCH".into()));
}

#[test]
fn scopes_have_names_for_people() {
    let crm = Arc::new(parse(CRM, "zoho-crm.toml").expect("the CRM"));
    for service in family().into_iter().chain([crm]) {
        let all = service.operations.iter().flat_map(|operation| operation.scopes.iter().flatten());
        for scope in all.chain(service.tenant.scopes.iter().flatten()) {
            let scope = scope.replace("{module}", "x");
            let product = scope.split('.').next().unwrap_or_default();
            // A resource's own scope is shown by its family, which `x` is none of.
            if scope.contains(".x.") {
                continue;
            }
            assert_ne!(service.scope_display(&scope), scope, "{} has no words for {product}", service.name);
        }
    }
}
