//! The same workspace file in another region reaches that region's hosts only.

use wardlock_simulator::{ApiDomain, CallbackField, Role};

use crate::world::{Plan, World, plugin, workspace};

#[tokio::test(flavor = "multi_thread")]
async fn each_region_reaches_its_own_hosts_only() {
    let hosts = [
        ("eu", "accounts.zoho.eu", "www.zohoapis.eu"),
        ("in", "accounts.zoho.in", "www.zohoapis.in"),
        // Canada's suffixes differ between accounts and API.
        ("ca", "accounts.zohocloud.ca", "www.zohoapis.ca"),
    ];
    for (region, accounts, api) in hosts {
        let file = workspace("acme", region, "", &plugin("read-only", "{}"));
        let world = World::start(Plan { workspaces: vec![("acme", file)], ..Plan::default() }).await;
        let reply = world.get("/acme/zoho/crm/v8/Leads?fields=Last_Name").await;
        assert_eq!(reply.status, 200, "{region}: {}", String::from_utf8_lossy(&reply.body));
        for seen in world.simulator.recordings() {
            match seen.role {
                Role::Accounts => assert_eq!(seen.host, accounts),
                Role::Api => assert_eq!(seen.host, api),
                // The person's browser, on loopback.
                Role::Consent => {}
                Role::Upload | Role::Console | Role::Unknown => panic!("{region} reached {}", seen.host),
            }
        }
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u10_callback_that_names_another_region_or_host_stops_before_the_exchange() {
    let world = World::start(Plan { connect: Vec::new(), ..Plan::default() }).await;
    for (accounts, location) in [
        (Some("https://accounts.evil.example"), None),
        (Some("https://accounts.zoho.in"), Some("in")),
        (None, Some("xx")),
    ] {
        world.simulator.switches().change(|switches| {
            switches.callback_accounts_server =
                accounts.map_or(CallbackField::Normal, |host| CallbackField::Override(host.to_owned()));
            switches.callback_location =
                location.map_or(CallbackField::Normal, |region| CallbackField::Override(region.to_owned()));
        });
        let failure = world.connect("acme/zoho").await.expect_err("a foreign callback");
        assert!(!failure.message.is_empty() && failure.hint.is_some(), "{failure:?}");
        assert_eq!(world.simulator.token_calls(), 0, "{accounts:?} {location:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u5_token_that_names_a_foreign_api_host_is_not_stored() {
    let world = World::start(Plan { connect: Vec::new(), ..Plan::default() }).await;
    for host in ["https://www.evil.example", "https://www.zohoapis.in"] {
        world.simulator.switches().change(|switches| {
            switches.api_domain = ApiDomain::Override(host.to_owned());
        });
        let failure = world.connect("acme/zoho").await.expect_err("a foreign API host");
        assert!(failure.hint.is_some(), "{failure:?}");
        assert!(world.host.vault().grants().expect("grants").is_empty());
        assert_eq!(world.api_calls(), 0);
    }
    world.end().await;
}
