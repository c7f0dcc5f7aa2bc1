//! The ways into the vault besides a plain consent, and what becomes of what was there before.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use url::Url;
use wardlock_core::id::{RegistrationName, ServiceName};
use wardlock_core::service::TenantOf;
use wardlock_egress::vault::{NewGrant, Secret, Tenant};
use wardlock_egress::{ConnectError, ConnectPlan, Replaced, Revoked, Sharing, TokenError};
use wardlock_simulator::{ApiAnswer, Consent, Fault, Led};

use crate::support::World;

fn main() -> RegistrationName {
    RegistrationName::parse("main").expect("a name")
}

fn secret(text: &str) -> Secret {
    Secret::from_bytes(text.as_bytes().to_vec().into()).expect("a secret")
}

/// Fails the next look-ups of the account.
fn fail_lookups(world: &World, count: usize) {
    let answers = std::iter::repeat_n(ApiAnswer::Maintenance, count);
    world.simulator.switches().change(|switches| switches.api_answers.extend(answers));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconnect_gives_the_old_grant_up_once_the_new_one_works() {
    let world = World::new().await;
    let first = world.connect("eu").await.expect("connected");
    assert_eq!(first.replaced, None);
    let second = world.connect("eu").await.expect("connected");
    assert_eq!(second.replaced, Some(Replaced::Revoked(Revoked::Done)));
    assert_eq!(world.simulator.refresh_tokens().len(), 1, "the old one no longer counts at the provider");
    assert_eq!(world.read("eu").await.expect("sent").answer.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconnect_that_fails_leaves_the_old_grant_working() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    let before = world.simulator.refresh_tokens();
    fail_lookups(&world, 1);
    let error = world.connect("eu").await.expect_err("stopped");
    assert!(matches!(error, ConnectError::Lookup(_)), "{error:?}");
    assert_eq!(world.simulator.refresh_tokens(), before, "the new one is given back");
    assert_eq!(world.read("eu").await.expect("sent").answer.status(), 200);
}

/// Somebody of another company.
fn stranger() -> Consent {
    Consent { user: Some("owner@eu.other.example".to_owned()), ..Consent::default() }
}

/// The account that the grant of `eu` is for.
fn pinned(world: &World) -> Option<String> {
    world.egress.vault().grants().expect("a vault").pop().expect("a grant").tenant.map(|tenant| tenant.id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_account_gives_way_to_another_only_where_that_one_is_named() {
    let (own, other) = ("20071234567", "20079876543");
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    let before = world.simulator.refresh_tokens();
    let error = world.connect_as(world.plan("eu"), stranger()).await.0.expect_err("another account");
    assert!(matches!(&error, ConnectError::OtherAccount { pinned, found, .. } if pinned == own && found == other));
    assert!(error.hint().contains(&format!("--tenant {other}")), "{}", error.hint());
    assert_eq!(
        world.simulator.refresh_tokens(),
        before,
        "the new one is given back, and the old one is not revoked"
    );
    assert_eq!(pinned(&world).as_deref(), Some(own));
    assert_eq!(world.read("eu").await.expect("sent").answer.status(), 200);
    // An account that nobody can look up could be any.
    fail_lookups(&world, 1);
    let error = world.connect_as(world.plan("eu"), stranger()).await.0.expect_err("nobody knows whose it is");
    assert!(matches!(error, ConnectError::Lookup(_)), "{error:?}");

    let named = |account: &str| ConnectPlan { named_tenant: Some(account.to_owned()), ..world.plan("eu") };
    let error = world.connect_as(named(other), Consent::default()).await.0.expect_err("not the one that is named");
    assert!(matches!(error, ConnectError::NotAsked { .. }), "{error:?}");
    assert_eq!(world.simulator.refresh_tokens(), before);
    // What the file names is asked for only where the grant that is there gives way to it.
    world.simulator.clear_recordings();
    let filed = || ConnectPlan { tenant: Some(other.to_owned()), ..world.plan("eu") };
    let error = world.connect_as(filed(), stranger()).await.0.expect_err("other connections may use the grant");
    assert!(matches!(error, ConnectError::OtherAccount { .. }) && world.recorded().is_empty(), "{error:?}");
    let replaced =
        world.connect_as(ConnectPlan { named_tenant: Some(other.to_owned()), ..filed() }, stranger()).await.0;
    assert_eq!(replaced.expect("connected").replaced, Some(Replaced::Revoked(Revoked::Done)));
    assert_eq!(pinned(&world).as_deref(), Some(other));
    let audit = String::from_utf8_lossy(&world.audit_bytes()).into_owned();
    for word in ["refused", "named"] {
        assert!(audit.contains(&format!("{word}: {other} for {own}")), "{word}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_has_ended_keeps_its_account() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    world.simulator.revoke_user("owner@eu.acme.example");
    world.advance(2 * 60 * 60 * 1000);
    world.read("eu").await.expect_err("the login has ended");
    let error = world.connect_as(world.plan("eu"), stranger()).await.0.expect_err("another account");
    assert!(matches!(error, ConnectError::OtherAccount { .. }), "{error:?}");
    world.connect("eu").await.expect("the same account");
}

/// Has plans be for another service of the provider, whose ids are none of the first one's; returns how they ask that one, too.
fn other_service(world: &mut World, of: TenantOf) -> impl Fn(&World, bool) -> ConnectPlan + use<> {
    let crm = world.service();
    let mut service = (*crm).clone();
    service.name = ServiceName::parse("zoho-other").expect("a name");
    service.tenant.of = of;
    "/org/0/company_name".clone_into(&mut service.tenant.id_pointer);
    world.service = service.into();
    move |world, asks_first| {
        let own = (of == TenantOf::Grant).then(|| world.service().name.clone());
        let first = Sharing { service: Arc::clone(&crm), params: BTreeMap::new() };
        ConnectPlan {
            also_of: [crm.name.clone()].into(),
            sharing: if asks_first { vec![first] } else { Vec::new() },
            pinning: own.into_iter().chain([crm.name.clone()]).collect(),
            ..world.plan("eu")
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_service_pinned_holds_against_a_consent_for_another() {
    for of in [TenantOf::Grant, TenantOf::Connection] {
        let mut world = World::new().await;
        world.connect("eu").await.expect("connected");
        let (crm, before) = (world.service().name.clone(), world.simulator.refresh_tokens());
        let plan = other_service(&mut world, of);
        let error = world.connect_as(plan(&world, true), stranger()).await.0.expect_err("another account");
        let names = |error: &ConnectError| match error {
            ConnectError::OtherAccount { service, pinned, found, .. } => {
                (service.clone(), pinned.clone(), found.clone())
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(names(&error), (crm.clone(), "20071234567".to_owned(), "20079876543".to_owned()));
        let by = if of == TenantOf::Grant { "say so with `--tenant " } else { "by a connection of `zoho-crm`" };
        assert!(error.hint().contains(by), "{}", error.hint());
        // Nobody asks the first: it could be any account.
        for person in [stranger(), Consent::default()] {
            let error = world.connect_as(plan(&world, false), person).await.0.expect_err("nobody confirms it");
            assert!(matches!(&error, ConnectError::Unconfirmed { service, .. } if *service == crm), "{error:?}");
            assert!(error.hint().contains("start again once `zoho-crm` answers"), "{}", error.hint());
        }
        assert_eq!(world.simulator.refresh_tokens(), before, "each is given back");
        let shared = plan(&world, true);
        world.connect_as(shared, Consent::default()).await.0.expect("the same account, by the first one's word");
        let known = |world: &World| world.egress.vault().grants().expect("a vault").pop().expect("a grant");
        assert_eq!(known(&world).account_of(&crm).expect("pinned still").id, "20071234567");
        if of == TenantOf::Grant {
            // By its own word now; what the first one said of the same account stays.
            world.connect_as(plan(&world, false), Consent::default()).await.0.expect("the same account");
            assert_eq!(known(&world).account_of(&crm).expect("it stays").id, "20071234567");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_compared_with_what_stands_there_when_it_is_used() {
    let world = World::new().await;
    let plan = ConnectPlan { invite_ms: Some(60_000), ..world.plan("eu") };
    let invited = async |link: Url| {
        Box::pin(world.connect("eu")).await.expect("connected meanwhile");
        let (_, led) = browse("POST", &link).await;
        led.expect("the provider's page").consent(&stranger()).await.ok()
    };
    let error = world.connect_with(plan, invited).await.0.expect_err("another account by now");
    assert!(matches!(error, ConnectError::OtherAccount { .. }), "{error:?}");
    assert_eq!(pinned(&world).as_deref(), Some("20071234567"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_another_kind_is_not_taken_for_another_account() {
    let mut world = World::new().await;
    world.connect("eu").await.expect("connected");
    let crm = world.service();
    let mut service = (*crm).clone();
    service.name = ServiceName::parse("zoho-other").expect("a name");
    service.tenant.id_pointer = "/org/0/company_name".to_owned();
    world.service = service.into();
    let plan = ConnectPlan { also_of: [crm.name.clone()].into(), ..world.plan("eu") };
    world.connect_as(plan, Consent::default()).await.0.expect("connected for another service of the provider");
    let plan = ConnectPlan { also_of: [crm.name.clone()].into(), ..world.plan("eu") };
    let error = world.connect_as(plan, stranger()).await.0.expect_err("another account of the same service");
    assert!(matches!(error, ConnectError::OtherAccount { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_revoking_would_end_every_grant_the_old_one_is_spared_and_counted() {
    let mut world = World::new().await;
    let mut service = (*world.service).clone();
    service.oauth.revoking_spares_other_grants = false;
    world.service = service.into();
    world.connect("eu").await.expect("connected");
    assert_eq!(world.connect("eu").await.expect("connected").replaced, Some(Replaced::Spared));
    assert_eq!(world.simulator.refresh_tokens().len(), 2);
    assert_eq!(world.egress.vault().live_grants(&main()).expect("a vault").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_cannot_be_looked_up_is_stored_unpinned_and_pinned_without_a_new_consent() {
    let world = World::new().await;
    fail_lookups(&world, 1);
    let connected = world.connect("eu").await.expect("stored");
    assert_eq!(connected.tenant, None);
    let why = connected.unpinned.expect("a reason").to_string();
    assert!(why.contains("503"), "{why}");
    let status = world.egress.grant_status(&connected.grant).expect("a vault").expect("a grant");
    assert_eq!(status.tenant, None);

    let mut other = world.plan("eu");
    other.tenant = Some("20079876543".to_owned());
    assert!(matches!(world.egress.pin(other).await, Err(ConnectError::Tenant { .. })));
    let pinned = world.egress.pin(world.plan("eu")).await.expect("pinned");
    assert_eq!(pinned.tenant.map(|tenant| tenant.id).as_deref(), Some("20071234567"));
    assert_eq!(world.read("eu").await.expect("sent").answer.status(), 200);
    assert_eq!(world.simulator.token_calls(), 1, "the exchange only");
    let again = world.egress.pin(world.plan("eu")).await.expect_err("pinned already");
    assert!(matches!(again, ConnectError::NotUnpinned(_)));
}

/// Stores grants of one account that were never asked for anywhere.
fn store(world: &World, count: u64, user: Option<&str>) {
    let plan = world.plan("eu");
    for number in 0..count {
        let name = format!("other-{number}");
        let new = NewGrant {
            name: wardlock_core::id::GrantName::parse(&name).expect("a name"),
            registration: main(),
            service: plan.service.name.clone(),
            region: plan.region.clone(),
            environment: "production".to_owned(),
            scopes: Vec::new(),
            refresh_token: Some(secret(&format!("1000.canary-of-another-{number}")).into()),
            access: None,
            api_host: None,
            tenant: Some(Tenant {
                id: "20071234567".to_owned(),
                label: "Acme".to_owned(),
                environment: "production".to_owned(),
            }),
            accounts: BTreeMap::new(),
            user: user.map(str::to_owned),
            created_ms: number,
        };
        world.egress.vault().put_grant(new).expect("stored");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_would_make_the_provider_drop_another_is_refused_unless_that_is_accepted() {
    let world = World::new().await;
    store(&world, 15, None);
    let accept = async |url: Url| world.simulator.consent(url.as_str(), &Consent::default()).await.ok();
    let (connected, _, events) = world.connect_with(world.plan("eu"), accept).await;
    connected.expect("connected");
    assert!(events.iter().any(|event| event == "NearlyFull { live: 15, most: 20 }"), "{events:?}");

    store(&world, 20, None);
    world.simulator.clear_recordings();
    let error = world.connect("in").await.expect_err("full");
    let ConnectError::Full { live: 21, most: 20, oldest: Some(oldest) } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(oldest.as_str(), "other-0");
    assert!(error.hint().contains("--evict-oldest"), "{}", error.hint());
    assert_eq!(world.recorded().len(), 0, "nobody was sent anywhere");

    let plan = ConnectPlan { evict_oldest: true, ..world.plan("eu") };
    let accept = async |url: Url| world.simulator.consent(url.as_str(), &Consent::default()).await.ok();
    let (connected, _, events) = world.connect_with(plan, accept).await;
    connected.expect("connected");
    assert!(events.iter().any(|event| event.contains("Evicting")), "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_consented_is_known_where_the_scopes_allow_the_question() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    let user = |world: &World| world.egress.vault().grants().expect("a vault").pop().expect("a grant").user;
    assert_eq!(user(&world), None);
    let mut plan = world.plan("eu");
    plan.scopes.push("ZohoCRM.users.READ".to_owned());
    world.connect_as(plan, Consent::default()).await.0.expect("connected");
    assert_eq!(user(&world).as_deref(), Some("200712345677"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_could_not_be_revoked_is_still_counted() {
    let world = World::new().await;
    let connected = world.connect("eu").await.expect("connected");
    let nowhere: SocketAddr = "127.0.0.1:1".parse().expect("an address");
    let gone = world.elsewhere(nowhere).disconnect(&connected.grant, &world.service, "test").await;
    assert_eq!(gone.expect("removed").revoked, Revoked::Failed);
    let live = world.egress.vault().live_grants(&main()).expect("a vault");
    assert_eq!(live.len(), 1);
    assert_eq!((live[0].grant.as_ref(), live[0].tenant.as_deref()), (None, Some("20071234567")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connect_that_is_interrupted_gives_its_consent_back() {
    let world = World::new().await;
    world.simulator.switches().change(|switches| {
        switches.api_faults.push_back(Fault::Drip { pause: Duration::from_secs(5) });
    });
    let connecting = world.connect_as(world.plan("eu"), Consent::default());
    let interrupted = tokio::time::timeout(Duration::from_secs(1), connecting).await;
    assert!(interrupted.is_err(), "the look-up hangs");
    world.egress.finish().await;
    assert_eq!(world.simulator.refresh_tokens(), Vec::<String>::new(), "revoked");
    assert_eq!(world.egress.vault().grants().expect("a vault"), vec![]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connect_that_is_interrupted_once_it_is_stored_stays_stored() {
    let world = World::new().await;
    let first = world.connect("eu").await.expect("connected");
    let is_stored = async || {
        let generation = || world.egress.vault().grants().expect("a vault")[0].generation;
        while generation() == first.generation {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        () = is_stored() => {}
        _ = world.connect("eu") => {}
    }
    world.egress.finish().await;
    assert_eq!(world.simulator.refresh_tokens().len(), 1, "the old one is given up, and only that");
    assert_eq!(world.read("eu").await.expect("sent").answer.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pasted_refresh_token_is_proved_before_it_is_stored_and_marked_in_the_audit() {
    let world = World::new().await;
    let first = world.connect("eu").await.expect("connected");
    let token = world.simulator.refresh_tokens().pop().expect("a token");
    world.egress.vault().remove_grant(&first.grant).expect("removed");
    world.egress.forget(&first.grant);

    let wrong = world.egress.connect_pasted(world.plan("eu"), secret("1000.no-such-token")).await;
    let error = wrong.expect_err("refused");
    assert!(matches!(&error, ConnectError::Pasted(TokenError::Reconnect { .. })), "{error:?}");
    let mut other = world.plan("eu");
    other.tenant = Some("20079876543".to_owned());
    let other = world.egress.connect_pasted(other, secret(&token)).await;
    assert!(matches!(other, Err(ConnectError::Tenant { .. })));
    assert_eq!(world.egress.vault().grants().expect("a vault"), vec![]);

    let pasted = world.egress.connect_pasted(world.plan("eu"), secret(&token)).await.expect("stored");
    assert_eq!(pasted.tenant.map(|tenant| tenant.id).as_deref(), Some("20071234567"));
    assert_eq!(world.read("eu").await.expect("sent").answer.status(), 200);
    let audit = world.audit_bytes();
    assert!(String::from_utf8_lossy(&audit).contains("grant.connect.advanced-paste"));
    world.assert_no_secret(&audit);
}

/// Asks the listener as a browser does; returns the status, and the browser as it is led on.
async fn browse(method: &str, url: &Url) -> (u16, Option<Led>) {
    let (answer, _) = browse_with(method, url, "").await;
    answer
}

/// The same with a cookie; returns the one that is set, too.
async fn browse_with(method: &str, url: &Url, cookie: &str) -> ((u16, Option<Led>), Option<String>) {
    let address = url.socket_addrs(|| None).expect("an address")[0];
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("connected");
    let (path, cookie) = (url.path(), format!("Cookie: {cookie}\r\n"));
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{cookie}Content-Length: 0\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let header = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
    let cookie = header("set-cookie: ").and_then(|line| line.split(';').next().map(str::to_owned));
    ((status, header("location: ").map(|page| Led { page, cookie: cookie.clone() })), cookie)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_leads_through_the_same_checks_and_works_once() {
    let world = World::new().await;
    for foreign in [true, false] {
        let mut plan = ConnectPlan { invite_ms: Some(60_000), ..world.plan("eu") };
        if foreign {
            plan.tenant = Some("20079876543".to_owned());
        }
        let invited = async |link: Url| {
            // A chat's preview looks at the link, and does not use it up.
            for _ in 0..2 {
                let (status, led) = browse("GET", &link).await;
                assert!(status == 200 && led.is_none(), "{status} {led:?}");
            }
            let (status, led) = browse("POST", &link).await;
            assert_eq!(status, 303);
            assert_eq!(browse("POST", &link).await.0, 410);
            let led = led.expect("the provider's page");
            // Whoever was handed the provider's address on the way consents in another browser.
            let elsewhere =
                Led { cookie: None, ..led.clone() }.consent(&Consent::default()).await.expect("a page");
            assert_eq!(elsewhere.status, 403);
            led.consent(&Consent::default()).await.ok()
        };
        let (connected, approval, _) = world.connect_with(plan, invited).await;
        assert_eq!(approval.expect("a page").status, 200);
        match connected {
            Ok(connected) => assert!(!foreign && connected.tenant.is_some()),
            Err(error) => assert!(foreign && matches!(error, ConnectError::Tenant { .. }), "{error:?}"),
        }
    }
    assert_eq!(world.read("eu").await.expect("sent").answer.status(), 200);

    let plan = ConnectPlan { invite_ms: Some(50), ..world.plan("eu") };
    let (ended, _, _) = world.connect_with(plan, async |_| None).await;
    assert!(matches!(ended, Err(ConnectError::InviteEnded)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_click_on_an_invitation_leads_the_same_browser_to_the_same_consent() {
    let world = World::new().await;
    let plan = ConnectPlan { invite_ms: Some(60_000), ..world.plan("eu") };
    let invited = async |link: Url| {
        let (_, own) = browse_with("GET", &link, "").await;
        let own = own.expect("a cookie");
        let ((_, first), _) = browse_with("POST", &link, &own).await;
        assert_eq!(browse("POST", &link).await.0, 410, "another browser");
        let ((again, _), _) = browse_with("GET", &link, &own).await;
        assert_eq!(again, 200, "going back shows the button");
        let ((_, second), _) = browse_with("POST", &link, &own).await;
        let (first, second) = (first.expect("the provider's page"), second.expect("the provider's page"));
        assert_eq!((&first.page, &first.cookie), (&second.page, &second.cookie));
        let page = second.consent(&Consent::default()).await.ok();
        assert_eq!(browse_with("POST", &link, &own).await.0.0, 410, "the consent waits no more");
        page
    };
    let (connected, approval, _) = world.connect_with(plan, invited).await;
    assert_eq!((connected.is_ok(), approval.expect("a page").status), (true, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invited_person_is_told_to_ask_who_sent_the_link_and_sent_to_no_terminal() {
    fn look(page: &str) {
        for other in ["terminal", "wardlock connect", "Ctrl-C", "region ="] {
            assert!(!page.contains(other), "`{other}` in {page}");
        }
        assert!(page.to_lowercase().contains("whoever sent you the link"), "{page}");
    }
    let of_india = Consent { user: Some("owner@in.acme.example".to_owned()), ..Consent::default() };
    let refused = Consent { accept: false, ..Consent::default() };
    for (consent, status) in [(refused, 400), (of_india, 400), (Consent::default(), 200)] {
        let world = World::new().await;
        let plan = ConnectPlan { invite_ms: Some(60_000), ..world.plan("eu") };
        let invited = async |link: Url| {
            let led = browse("POST", &link).await.1.expect("the provider's page");
            let elsewhere = Led { cookie: None, ..led.clone() }.consent(&consent).await.expect("a page");
            assert_eq!(elsewhere.status, 403);
            look(&elsewhere.body);
            led.consent(&consent).await.ok()
        };
        let (_, approval, _) = world.connect_with(plan, invited).await;
        let approval = approval.expect("a page");
        assert_eq!(approval.status, status, "{}", approval.body);
        look(&approval.body);
    }
    // A provider that leaves the state out of its error: it ends nothing.
    let world = World::new().await;
    world.simulator.switches().change(|switches| switches.state_on_error = false);
    let plan = ConnectPlan { invite_ms: Some(60_000), ..world.plan("eu") };
    let (tell, told) = tokio::sync::oneshot::channel();
    let invited = async |link: Url| {
        let led = browse("POST", &link).await.1.expect("the provider's page");
        let page = led.consent(&Consent { accept: false, ..Consent::default() }).await.ok();
        tell.send(page).expect("somebody reads it");
        None
    };
    tokio::select! {
        page = told => look(&page.expect("sent").expect("a page").body),
        _ = world.connect_with(plan, invited) => panic!("it still waits"),
    }
}
