//! What goes on the wire, and where to.

use std::collections::BTreeSet;
use std::sync::Arc;

use wardlock_core::answer::Outcome;
use wardlock_core::connection::Connection;
use wardlock_core::id::RegistrationName;
use wardlock_core::refusal::Code;
use wardlock_egress::vault::Secret;
use wardlock_egress::{ConnectPlan, SendFault};

use crate::fault::{Fault, answer};
use crate::support::{LEADS, World, hosts, registration};

#[tokio::test(flavor = "multi_thread")]
async fn each_region_reaches_only_its_own_hosts() {
    let table = [
        ("eu", ["accounts.zoho.eu", "www.zohoapis.eu"]),
        ("in", ["accounts.zoho.in", "www.zohoapis.in"]),
        ("ca", ["accounts.zohocloud.ca", "www.zohoapis.ca"]),
    ];
    for (region, expected) in table {
        let world = World::new().await;
        let connected = world.connect(region).await.expect("connected");
        assert!(connected.tenant.is_some_and(|tenant| !tenant.id.is_empty()));
        assert_eq!(connected.missing, Vec::<String>::new());
        let sent = world.read(region).await.expect("sent");
        assert_eq!((sent.answer.status(), sent.attempts), (200, 1));
        assert_eq!(sent.host, expected[1]);
        assert!(!sent.answer.exposed());
        assert_eq!(world.simulator.token_calls(), 1, "the code exchange only");
        let recorded = world.recorded();
        assert_eq!(hosts(&recorded), BTreeSet::from(expected), "{region}");
        world.assert_no_secret(&world.audit_bytes());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_judged_is_what_is_sent() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    world.simulator.clear_recordings();
    let json = br#"{"data":[{"Last_Name":"Moreau", "Company": "Atelier"}]}"#;
    let (permit, receipt, _guard) = world.permit("eu", "POST", "/crm/v8/Leads", json).await;
    let sent = world.egress.send(permit, receipt).await.expect("sent");
    assert_eq!(sent.answer.status(), 201);
    let recorded = world.recorded();
    let [recording] = recorded.as_slice() else { panic!("one request: {recorded:?}") };
    assert_eq!(recording.target, "/crm/v8/Leads");
    assert_eq!(recording.body, json);
    let names: Vec<&str> = recording.headers.iter().map(|(name, _)| name.as_str()).collect();
    let expected =
        ["accept", "content-length", "content-type", "host", "user-agent", "accept-encoding", "authorization"];
    assert_eq!(names, expected);
    assert_eq!(recording.header("content-type"), Some("application/json"));
    assert!(recording.header("authorization").is_some_and(|value| value.starts_with("Zoho-oauthtoken ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_for_another_permit_sends_nothing() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    let (permit, _receipt, _guard) = world.permit("eu", "GET", LEADS, b"").await;
    let (_permit, receipt, _guard) = world.permit("eu", "GET", LEADS, b"").await;
    let error = world.egress.send(permit, receipt).await.expect_err("refused");
    assert!(matches!(error.fault, SendFault::OtherReceipt));
    assert_eq!(world.api_calls(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_consent_ends_permits_of_the_old_one() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    let (permit, receipt, _guard) = world.permit("eu", "GET", LEADS, b"").await;
    world.connect("eu").await.expect("connected again");
    let error = world.egress.send(permit, receipt).await.expect_err("refused");
    assert!(matches!(error.fault, SendFault::GrantRenewed));
    assert_eq!(error.refusal().code, Code::TokenUnavailable);
    assert_eq!(world.api_calls(), 0);
    assert_eq!(world.read("eu").await.expect("sent").answer.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_surely_was_not_sent_is_told_apart() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    // A port where nobody listens, and one where nobody answers.
    let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let gone = deaf.local_addr().expect("an address");
    drop(deaf);
    for address in [gone, silent.local_addr().expect("an address")] {
        let egress = world.elsewhere(address);
        let error = world.read_with(&egress, "eu").await.expect_err("no answer");
        assert_eq!(error.refusal().code, Code::UpstreamUnreachable);
        assert_eq!((error.outcome(), error.attempts), (Outcome::Aborted, 1));
        assert_eq!(error.host, "www.zohoapis.eu");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u8_two_connections_never_share_a_socket() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    world.connect("in").await.expect("connected");
    for region in ["eu", "in", "eu", "in"] {
        assert_eq!(world.read(region).await.expect("sent").answer.status(), 200);
    }
    let leads = world.recorded().into_iter().filter(|recording| recording.path().ends_with("/Leads"));
    let by_socket: BTreeSet<(usize, String)> = leads.map(|r| (r.connection, r.host)).collect();
    assert_eq!(by_socket.len(), 2, "one socket each, kept alive: {by_socket:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn key_that_the_provider_refuses_is_sent_once() {
    let world = World::new().await;
    // At a host for which the faulty provider has a certificate.
    let text = include_str!("../../../services/api-key.toml").replace("api.provider.example", "www.zohoapis.eu");
    let service = Arc::new(wardlock_core::service::parse(&text, "api-key.toml").expect("a service"));
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    let mut connection = Connection::clone(&crate::home::connection(&service, "everywhere"));
    connection.resources = texts(&["items", "$identity"]);
    connection.operations = texts(&["account.get", "items.list"]);
    let fault = Fault::answering(|seen| {
        let (status, body) = if seen.head.starts_with("GET /v1/account ") {
            ("200 OK", r#"{"id":"acc_1","name":"Acme"}"#)
        } else {
            ("401 Unauthorized", r#"{"error":{"code":"invalid_api_key"}}"#)
        };
        answer(status, "Content-Type: application/json\r\n", body)
    })
    .await;
    let egress = world.api_at(&fault);
    let mut registration = registration(&world.redirect_uri());
    registration.name = RegistrationName::parse("api-key").expect("a name");
    registration.service = service.name.clone();
    registration.secret = None;
    egress.vault().add_registration(registration).expect("a registration");
    let plan = ConnectPlan {
        grant: connection.grant.clone(),
        registration: RegistrationName::parse("api-key").expect("a name"),
        service,
        region: connection.region.clone(),
        scopes: Vec::new(),
        ..world.plan("eu")
    };
    let key = Secret::from_bytes(b"canary-key-of-acme".to_vec().into()).expect("a secret");
    egress.connect_key(plan, key).await.expect("connected");

    let connection = Arc::new(connection);
    let target = "/v1/items?per_page=1";
    let (permit, receipt, _guard) =
        crate::home::permit(&egress, &world.audit, connection, "GET", target, b"").await;
    let sent = egress.send(permit, receipt).await.expect("an answer");
    assert_eq!((sent.answer.status(), sent.attempts), (401, 1));
    let items = fault.seen().into_iter().filter(|seen| seen.head.starts_with("GET /v1/items?"));
    let carried = items.map(|seen| seen.head.contains("x-api-key: canary-key-of-acme\r\n"));
    assert_eq!(carried.collect::<Vec<_>>(), [true], "there is no other key to try");
}
