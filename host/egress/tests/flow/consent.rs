//! Consent, callback, exchange, look-up and disconnect.

use std::collections::BTreeSet;

use wardlock_egress::{CallbackProblem, ConnectError, Revoked, TokenError};
use wardlock_simulator::{ApiDomain, CallbackField, Consent, Led, RefreshIssue};

use crate::support::{World, hosts};

#[tokio::test(flavor = "multi_thread")]
async fn u10_a_callback_that_names_a_foreign_host_stops() {
    let attacks = [
        (CallbackField::Override("https://evil.example".to_owned()), CallbackField::Normal),
        (CallbackField::Override("https://accounts.zoho.eu@evil.example".to_owned()), CallbackField::Normal),
        (CallbackField::Override("http://accounts.zoho.eu".to_owned()), CallbackField::Normal),
        (CallbackField::Normal, CallbackField::Override("mars".to_owned())),
    ];
    for (accounts, location) in attacks {
        let world = World::new().await;
        world.simulator.switches().change(|switches| {
            switches.callback_accounts_server = accounts.clone();
            switches.callback_location = location.clone();
        });
        let (connected, approval) = world.connect_as(world.plan("eu"), Consent::default()).await;
        let problem = connected.expect_err("stopped");
        assert!(matches!(problem, ConnectError::Callback(CallbackProblem::NotInTable { .. })), "{problem:?}");
        let page = approval.expect("a page");
        assert_eq!(page.status, 400);
        assert!(!page.body.contains("evil"), "what a stranger sends is not echoed");
        assert_eq!(world.simulator.token_calls(), 0, "nothing was sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u5_a_callback_of_another_region_says_which_value_to_set() {
    let world = World::new().await;
    let consent = Consent { user: Some("owner@in.acme.example".to_owned()), ..Consent::default() };
    let (connected, approval) = world.connect_as(world.plan("eu"), consent).await;
    let error = connected.expect_err("stopped");
    assert!(error.hint().contains("region = \"in\""), "{}", error.hint());
    assert!(approval.expect("a page").body.contains("region = &quot;in&quot;"));
    assert_eq!(world.simulator.token_calls(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn u5_a_token_that_names_a_foreign_host_is_not_kept() {
    for named in ["https://evil.example", "https://www.zohoapis.in", "https://www.zohoapis.eu.evil.example"] {
        let world = World::new().await;
        world.simulator.switches().change(|s| s.api_domain = ApiDomain::Override(named.to_owned()));
        let error = world.connect("eu").await.expect_err("stopped");
        assert!(matches!(error, ConnectError::Exchange(TokenError::Misconfigured { .. })), "{error:?}");
        assert_eq!(world.egress.vault().grants().expect("a vault"), vec![]);
        assert_eq!(hosts(&world.recorded()), BTreeSet::from(["accounts.zoho.eu"]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_on_the_consent_page_is_told_in_plain_words() {
    for state_on_error in [true, false] {
        let world = World::new().await;
        world.simulator.switches().change(|switches| switches.state_on_error = state_on_error);
        let consent = Consent { accept: false, ..Consent::default() };
        let connecting = world.connect_as(world.plan("eu"), consent);
        if state_on_error {
            let (connected, approval) = connecting.await;
            assert!(connected.expect_err("refused").to_string().contains("somebody chose `Reject`"));
            assert!(approval.expect("a page").body.contains("somebody chose `Reject`"));
        } else {
            // Any web page could send an error without a state, so it ends nothing.
            let waited = tokio::time::timeout(std::time::Duration::from_secs(1), connecting).await;
            assert!(waited.is_err(), "still waiting");
        }
        assert_eq!(world.simulator.token_calls(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_without_refresh_token_says_why_and_stores_nothing() {
    let world = World::new().await;
    world.simulator.switches().change(|switches| switches.refresh_issue = RefreshIssue::Never);
    let error = world.connect("eu").await.expect_err("stopped");
    assert!(matches!(error, ConnectError::NoRefreshToken { most: Some(20) }));
    assert!(error.hint().contains("prompt=consent"));
    assert_eq!(world.egress.vault().grants().expect("a vault"), vec![]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_than_the_pinned_one_is_given_back() {
    let world = World::new().await;
    let mut plan = world.plan("eu");
    plan.tenant = Some("20071234567".to_owned());
    let consent = Consent { user: Some("owner@eu.other.example".to_owned()), ..Consent::default() };
    let (connected, _) = world.connect_as(plan, consent).await;
    let error = connected.expect_err("stopped");
    assert!(matches!(&error, ConnectError::Tenant { found, .. } if found == "20079876543"), "{error:?}");
    assert_eq!(world.egress.vault().grants().expect("a vault"), vec![]);
    assert_eq!(world.simulator.refresh_tokens(), Vec::<String>::new(), "revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sandbox_is_not_taken_for_production() {
    let world = World::new().await;
    let consent = Consent { environment: wardlock_simulator::Environment::Sandbox, ..Consent::default() };
    let (connected, _) = world.connect_as(world.plan("eu"), consent).await;
    let error = connected.expect_err("stopped");
    assert!(matches!(&error, ConnectError::Environment { found, .. } if found == "sandbox"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnect_revokes_and_removes() {
    let world = World::new().await;
    let connected = world.connect("eu").await.expect("connected");
    let gone = world.egress.disconnect(&connected.grant, &world.service, "test").await.expect("disconnected");
    assert_eq!(gone.revoked, Revoked::Done);
    assert_eq!(world.simulator.refresh_tokens(), Vec::<String>::new());
    assert!(world.egress.grant_status(&connected.grant).expect("a vault").is_none());
    world.assert_no_secret(&world.audit_bytes());
}

/// Opens the callback with this query, as a browser that did not begin the consent would.
async fn call_back(world: &World, query: &str) -> u16 {
    call_back_from("", world, query).await
}

/// Opens the callback with this query in the browser that has this cookie.
async fn call_back_from(cookie: &str, world: &World, query: &str) -> u16 {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let uri: url::Url = world.redirect_uri().parse().expect("a URL");
    let host = format!("{}:{}", uri.host_str().expect("a host"), uri.port().expect("a port"));
    let mut stream = tokio::net::TcpStream::connect(&host).await.expect("a listener");
    let request =
        format!("GET /callback?{query} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

#[tokio::test(flavor = "multi_thread")]
async fn u10_a_callback_without_the_state_of_this_consent_ends_and_brings_nothing() {
    let world = World::new().await;
    let waiting = world
        .connect_as(world.plan("eu"), Consent { user: Some("nobody@nowhere".to_owned()), ..Consent::default() });
    let foreign = async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let place = "location=eu&accounts-server=https%3A%2F%2Faccounts.zoho.eu";
        for query in [
            format!("code=1000.aaaa.bbbb&{place}"),
            format!("state=&code=1000.aaaa.bbbb&{place}"),
            format!("state=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA&code=1000.aaaa.bbbb&{place}"),
        ] {
            assert_eq!(call_back(&world, &query).await, 400, "{query}");
        }
        assert_eq!(world.simulator.token_calls(), 0, "no foreign code was exchanged");
    };
    tokio::select! {
        (connected, _) = waiting => panic!("it ended: {connected:?}"),
        () = foreign => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u10_a_state_holds_once_and_a_code_is_exchanged_once_with_its_verifier() {
    let world = World::new().await;
    let (connected, approval) = world.connect_as(world.plan("eu"), Consent::default()).await;
    connected.expect("connected");
    let calls = world.simulator.token_calls();
    let used: url::Url = approval.expect("a page").callback_url.parse().expect("a URL");
    assert_eq!(call_back(&world, used.query().expect("a query")).await, 400, "used twice");
    assert_eq!(world.simulator.token_calls(), calls, "the code was exchanged once");
    let recorded = world.recorded();
    let exchange = recorded.iter().find(|seen| seen.path().ends_with("/token")).expect("an exchange");
    let form = String::from_utf8_lossy(&exchange.body);
    assert!(form.contains("code_verifier="), "PKCE without a verifier proves nothing");
    let asked = world.simulator.recordings();
    let asked = asked.iter().find(|seen| seen.target.contains("code_challenge=")).expect("a challenge");
    assert!(asked.target.contains("code_challenge_method=S256"), "{}", asked.target);
}

#[tokio::test(flavor = "multi_thread")]
async fn u10_a_true_state_from_another_browser_is_turned_away_and_stays_for_the_one_that_began() {
    let world = World::new().await;
    let person = async |start: url::Url| {
        let led = Led::by(start.as_str()).await.expect("the provider's page");
        // Somebody who has seen the provider's address consents with an account of their own.
        let theirs = Consent { user: Some("owner@eu.other.example".to_owned()), ..Consent::default() };
        for cookie in [None, Some("wardlock-0123456789abcdef=x".to_owned())] {
            let elsewhere = Led { cookie, ..led.clone() };
            assert_eq!(elsewhere.consent(&theirs).await.expect("a page").status, 403);
        }
        // The start may be opened once more, in the same browser or in the right one.
        let again = Led::by(start.as_str()).await.expect("the provider's page");
        assert_eq!(again.page, led.page);
        again.consent(&Consent::default()).await.ok()
    };
    let (connected, approval, told) = world.connect_with(world.plan("eu"), person).await;
    assert_eq!(approval.expect("a page").status, 200);
    assert_eq!(connected.expect("connected").tenant.map(|tenant| tenant.id).as_deref(), Some("20071234567"));
    assert_eq!(world.simulator.token_calls(), 1, "no code of theirs was exchanged");
    let told: Vec<_> = told.iter().filter(|event| event.starts_with("Notice")).collect();
    assert!(told.len() == 1 && told[0].contains("was turned away"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn u10_a_flood_of_errors_without_a_state_tells_nobody_anything_but_once() {
    let world = World::new().await;
    let person = async |start: url::Url| {
        let led = Led::by(start.as_str()).await.expect("the provider's page");
        let own = led.cookie.clone().expect("a cookie");
        for number in 0..60 {
            let error = if number % 2 == 0 { "access_denied".to_owned() } else { format!("error-{number}") };
            let query = format!("error={error}");
            assert_eq!(call_back(&world, &query).await, 400);
            assert_eq!(call_back_from(&own, &world, &query).await, 400);
        }
        led.consent(&Consent::default()).await.ok()
    };
    let (connected, _, told) = world.connect_with(world.plan("eu"), person).await;
    connected.expect("connected");
    let told: Vec<_> = told.iter().filter(|event| event.starts_with("Notice")).collect();
    assert_eq!(told.len(), 2, "one for the error that is known, one for all that are not: {told:?}");
    assert!(told.iter().all(|event| event.contains("may not be the provider")), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn u10_connections_that_drip_keep_no_browser_from_the_callback() {
    use tokio::io::AsyncWriteExt as _;
    let world = World::new().await;
    let uri: url::Url = world.redirect_uri().parse().expect("a URL");
    let address = uri.socket_addrs(|| None).expect("an address")[0];
    let mut dripping = Vec::new();
    for _ in 0..300 {
        let mut stream = tokio::net::TcpStream::connect(address).await.expect("connected");
        stream.write_all(b"G").await.expect("sent");
        dripping.push(stream);
    }
    let asked = tokio::time::timeout(std::time::Duration::from_secs(15), call_back(&world, "state=x"));
    assert_eq!(asked.await.expect("an answer, long before those who drip have ended"), 400);
}
