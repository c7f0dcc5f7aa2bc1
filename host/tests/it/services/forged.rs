//! Callbacks and token answers that lie, against every ready-made service that consents in a browser: nothing is sent but to the
//! provider's own hosts, and no lie is stored.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use url::Url;
use wardlock::admin::{Command, Failure, How, Page};
use wardlock::loaded::Services;
use wardlock::ops::Talk;
use wardlock_core::service::{GrantType, ServiceDefinition};
use wardlock_simulator::{Consent, Led, Recording, Simulator};
use wardlock_tests::raw;

use super::{ask, connection, workspace};
use crate::world::{Plan, World};

/// A service, what its connection wants besides, and a request that it takes: method, path and body.
struct Attacked {
    service: &'static str,
    more: &'static str,
    request: (&'static str, &'static str, &'static str),
}

const SERVICES: [Attacked; 7] = [
    Attacked {
        service: "zoho-crm",
        more: "resources = [\"Leads\"]\noperations = [\"records.read\"]",
        request: ("GET", "/crm/v8/Leads?fields=Last_Name&per_page=1", ""),
    },
    Attacked {
        service: "zoho-books",
        more: "tenant = \"1\"\nresources = [\"contacts\"]\noperations = [\"records.read\"]",
        request: ("GET", "/books/v3/contacts?per_page=1", ""),
    },
    Attacked {
        service: "zoho-desk",
        more: "resources = [\"tickets\"]\noperations = [\"records.read\"]",
        request: ("GET", "/api/v1/tickets?limit=1", ""),
    },
    Attacked {
        service: "zoho-workdrive",
        more: "resources = [\"files\"]\noperations = [\"files.read\"]",
        request: ("GET", "/workdrive/api/v1/files/a1b2c3", ""),
    },
    Attacked {
        service: "zoho-marketing-automation",
        more: "resources = [\"leads\", \"lists\"]\noperations = [\"leads.read\"]",
        request: ("GET", "/api/v1/getmailinglists?resfmt=JSON&range=1", ""),
    },
    Attacked {
        service: "google-ads",
        more: "tenant = \"1111111111\"\nresources = [\"campaign\"]\noperations = [\"ads.read\"]",
        request: (
            "POST",
            "/v26/customers/1111111111/googleAds:search",
            r#"{"query":"SELECT campaign.id FROM campaign LIMIT 1"}"#,
        ),
    },
    Attacked {
        service: "meta-ads",
        more: "tenant = \"111\"\nresources = [\"campaigns\"]\noperations = [\"ads.read\"]",
        request: ("GET", "/v26.0/act_111/campaigns?fields=id&limit=1", ""),
    },
];

const EVIL: &str = "accounts.evil.example";

/// Fields in which providers name the API's host in a token answer.
const HOST_FIELDS: [&str; 2] = ["api_domain", "instance_url"];

/// What a browser brings, by the true callback.
type Brings = dyn Fn(&Url) -> Vec<Url> + Send + Sync;

/// A person whose browser somebody tampers with.
struct Tampered {
    simulator: Arc<Simulator>,
    /// What the browser brings instead of the true callback.
    bring: Arc<Brings>,
    /// The statuses of the pages that it saw, once it has seen all.
    saw: mpsc::UnboundedSender<Vec<u16>>,
}

impl Talk for Tampered {
    fn say(&self, _text: String) {}

    fn open(&self, page: Page) {
        let (simulator, bring, saw) = (Arc::clone(&self.simulator), Arc::clone(&self.bring), self.saw.clone());
        tokio::spawn(async move {
            let led = Led::by(&page.url).await.expect("the provider's page");
            let target = simulator.decide(&led.page, &Consent::default()).await.expect("a callback");
            let mut target = Url::parse(&target).expect("a URL");
            // No browser sends it.
            target.set_fragment(None);
            let brought = bring(&target);
            let seen = tokio::task::spawn_blocking(move || {
                brought.iter().map(|url| visit(url, led.cookie.as_deref())).collect()
            });
            // Nobody waits for it where the consent has ended.
            let _ = saw.send(seen.await.expect("pages"));
        });
    }

    fn wait(&self, _text: String) {}
}

/// Opens a page in the browser that has this cookie, and returns its status.
fn visit(url: &Url, cookie: Option<&str>) -> u16 {
    let address = url.socket_addrs(|| None).expect("an address").pop().expect("an address");
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let cookie = cookie.unwrap_or_default();
    let request =
        format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
    raw::exchange(address, request.as_bytes()).expect("a page").status
}

/// Sets a parameter.
fn with(url: &Url, name: &str, value: &str) -> Url {
    let others = url.query_pairs().into_owned().filter(|(known, _)| known != name);
    let pairs: Vec<(String, String)> = others.chain([(name.to_owned(), value.to_owned())]).collect();
    let mut url = url.clone();
    url.query_pairs_mut().clear().extend_pairs(pairs);
    url
}

fn value_of(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// A service under attack.
struct Victim<'a> {
    world: &'a World,
    service: Arc<ServiceDefinition>,
    connection: String,
}

impl Victim<'_> {
    /// Connects with a browser that brings these instead; returns what came of it, and the pages' statuses.
    async fn connect(
        &self,
        bring: impl Fn(&Url) -> Vec<Url> + Send + Sync + 'static,
    ) -> (Result<Value, Failure>, Vec<u16>) {
        let (person, mut saw) = self.tampered(bring);
        let connecting = self.world.connect_by(&self.connection, How::Consent, &person);
        let ended = tokio::time::timeout(Duration::from_mins(1), connecting).await.expect("an end");
        (ended, saw.recv().await.expect("pages"))
    }

    /// The same, where the consent must wait on.
    async fn waits_on(&self, bring: impl Fn(&Url) -> Vec<Url> + Send + Sync + 'static) -> Vec<u16> {
        let (person, mut saw) = self.tampered(bring);
        tokio::select! {
            ended = self.world.connect_by(&self.connection, How::Consent, &person) => panic!("it ended: {ended:?}"),
            pages = saw.recv() => pages.expect("pages"),
        }
    }

    fn tampered(
        &self,
        bring: impl Fn(&Url) -> Vec<Url> + Send + Sync + 'static,
    ) -> (Tampered, mpsc::UnboundedReceiver<Vec<u16>>) {
        let (saw, seen) = mpsc::unbounded_channel();
        (Tampered { simulator: Arc::clone(&self.world.simulator), bring: Arc::new(bring), saw }, seen)
    }

    /// Fails if a lie got through: something was sent but by the browser, or there is a grant.
    #[track_caller]
    fn nothing_came_of(&self, what: &str) {
        let sent: Vec<_> =
            self.world.simulator.recordings().into_iter().filter(|seen| seen.sni.is_some()).collect();
        assert!(sent.is_empty(), "{} {what}: {} {}", self.service.name, sent[0].host, sent[0].path());
        self.nothing_is_stored(what);
    }

    #[track_caller]
    fn nothing_is_stored(&self, what: &str) {
        let grants = self.world.host.vault().grants().expect("grants");
        assert!(grants.is_empty(), "{} {what}: {grants:?}", self.service.name);
    }

    /// Fails if anything was sent but to hosts of the service's row.
    #[track_caller]
    fn only_its_own_hosts(&self, what: &str) {
        self.only_among_its_own_hosts(&self.world.simulator.recordings(), what);
    }

    #[track_caller]
    fn only_among_its_own_hosts(&self, received: &[Recording], what: &str) {
        let region = if self.service.regions.len() > 1 { "eu" } else { "everywhere" };
        let row = self.service.regions.iter().find(|(name, _)| name.as_str() == region).expect("a row").1;
        let api = row.hosts.values().flat_map(|hosts| hosts.values());
        let own: BTreeSet<&str> =
            api.map(String::as_str).chain([row.accounts.as_str(), row.token_host()]).collect();
        for seen in received.iter().filter(|seen| seen.sni.is_some()) {
            assert!(own.contains(seen.host.as_str()), "{} {what}: {} was called", self.service.name, seen.host);
        }
    }

    /// Has every token answer name this host in these fields; returns how many did before.
    fn lie(&self, fields: &[&str], host: &str) -> usize {
        let lies = fields.iter().map(|&name| (name.to_owned(), Value::from(host))).collect();
        self.world.simulator.switches().change(|switches| switches.token_answer_extra = lies);
        self.answered_with_lies()
    }

    fn answered_with_lies(&self) -> usize {
        self.world.simulator.switches().read().token_answers_extended
    }

    async fn disconnect(&self) {
        let grant = self.service.name.to_string();
        self.world.command(Command::Disconnect { grant }).await.expect("disconnected");
        self.world.simulator.clear_recordings();
    }
}

/// A service that consents in a browser and is not among these would go unattacked.
#[test]
fn every_ready_made_service_that_consents_in_a_browser_is_attacked() {
    let services = Services::built_in();
    let consents = |service: &&Arc<ServiceDefinition>| service.oauth.allows(GrantType::AuthorizationCode);
    let all: BTreeSet<&str> = services.iter().filter(consents).map(|service| service.name.as_str()).collect();
    let attacked: BTreeSet<&str> = SERVICES.iter().map(|attacked| attacked.service).collect();
    // The template for an operator's own service has hosts of nobody.
    assert_eq!(all, attacked.into_iter().chain(["generic-oauth2"]).collect());
}

/// A world with every service, none of them connected, and a trap where the foreign hosts are.
async fn start() -> (World, TcpListener) {
    let trap = TcpListener::bind("127.0.0.1:0").expect("a trap");
    trap.set_nonblocking(true).expect("a trap that can be asked");
    let table = |attacked: &Attacked| {
        let Attacked { service, more, .. } = attacked;
        connection(service, service, &format!("grant = \"{service}\"\n{more}"))
    };
    let connections: Vec<String> = SERVICES.iter().map(table).collect();
    let plan = Plan {
        workspaces: vec![("acme", workspace("acme", &connections))],
        services: SERVICES.iter().map(|attacked| attacked.service).collect(),
        connect: Vec::new(),
        elsewhere: [EVIL, "www.evil.example", "accounts.zoho.eu.evil.example"]
            .map(|host| (host.to_owned(), trap.local_addr().expect("an address")))
            .into(),
        ..Plan::default()
    };
    (World::start(plan).await, trap)
}

fn victim<'a>(world: &'a World, name: &str) -> Victim<'a> {
    let service = Services::built_in().get(name).cloned().expect("a service");
    Victim { world, service, connection: format!("acme/{name}") }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_callback_and_no_token_answer_leads_to_a_foreign_host() {
    let (world, trap) = start().await;
    for Attacked { service, .. } in SERVICES {
        let victim = victim(&world, service);
        world.simulator.clear_recordings();
        lying_callbacks(&victim).await;
        foreign_states(&victim).await;
        replays(&victim).await;
        lying_tokens(&victim).await;
    }
    assert!(trap.accept().is_err(), "somebody dialled a foreign host");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_follows_a_host_that_a_token_answer_named() {
    let (world, trap) = start().await;
    for Attacked { service, request: (method, path, body), .. } in SERVICES {
        let victim = victim(&world, service);
        // Where a field is read, a lie in it ends the consent; one that it does not know is the attack that is left.
        let is_read = |name: &&str| victim.service.oauth.token_api_host_field.as_deref() == Some(*name);
        let unread: Vec<&str> = HOST_FIELDS.iter().copied().filter(|name| !is_read(name)).collect();
        assert!(!unread.is_empty());
        let answered = victim.lie(&unread, "https://www.evil.example");
        let before = world.simulator.recordings().len();
        let (connected, _) = victim.connect(|url| vec![url.clone()]).await;
        connected.expect(service);
        assert!(victim.answered_with_lies() > answered, "{service}: no token answer named the foreign host");

        let reply = ask(&world, "acme", method, &format!("/acme/{service}{path}"), body).await;
        let text = String::from_utf8_lossy(&reply.bytes).into_owned();
        assert_eq!(reply.header("wardlock-decision"), Some("allow"), "{service}: {text}");
        // The recordings stay: at its end the world compares them with the audit.
        let received = world.simulator.recordings().split_off(before);
        assert!(received.iter().any(|seen| !crate::recorded::is_own(seen)), "{service}: nothing was sent");
        victim.only_among_its_own_hosts(&received, "a token answer that lies");
    }
    assert!(trap.accept().is_err(), "somebody dialled a foreign host");
    world.end().await;
}

/// What a callback may name beside its code: another accounts server, region or issuer.
async fn lying_callbacks(victim: &Victim<'_>) {
    let oauth = &victim.service.oauth;
    let (server, region) = (oauth.callback_accounts_param.clone(), oauth.callback_region_param.clone());
    let lies: [(&str, &str, bool); 9] = [
        ("accounts-server", "https://accounts.evil.example", server.is_some()),
        ("accounts-server", "https://accounts.zoho.eu@accounts.evil.example", server.is_some()),
        ("accounts-server", "https://accounts.zoho.eu.evil.example", server.is_some()),
        ("accounts-server", "https://accounts.zoho.in", server.is_some()),
        ("location", "in", region.is_some()),
        ("location", "accounts.evil.example", region.is_some()),
        ("iss", "https://accounts.evil.example", true),
        ("iss", "http://accounts.evil.example", true),
        ("instance_url", "https://www.evil.example", false),
    ];
    for (name, lie, is_read) in lies {
        let what = format!("{name}={lie}");
        let (ended, pages) = victim.connect(move |url| vec![with(url, name, lie)]).await;
        if is_read {
            let failure = ended.expect_err(&what);
            assert!(failure.hint.is_some() && !failure.message.contains("evil"), "{what}: {failure:?}");
            assert_eq!(pages, [400], "{what}");
            victim.nothing_came_of(&what);
        } else {
            // The provider's callbacks have no such parameter, so it means nothing.
            ended.expect(&what);
            victim.only_its_own_hosts(&what);
            victim.disconnect().await;
        }
        victim.world.simulator.clear_recordings();
    }
}

/// What belongs to no consent ends none and is not exchanged.
async fn foreign_states(victim: &Victim<'_>) {
    let pages = victim
        .waits_on(|url| {
            let twice = format!("{url}&code=another").parse().expect("a URL");
            let mut without = url.clone();
            let pairs: Vec<_> = url.query_pairs().into_owned().filter(|(name, _)| name != "state").collect();
            without.query_pairs_mut().clear().extend_pairs(pairs);
            vec![
                with(url, "state", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
                with(url, "state", ""),
                without,
                twice,
            ]
        })
        .await;
    assert_eq!(pages, [400; 4], "{}", victim.service.name);
    victim.nothing_came_of("a foreign state");
}

/// A callback counts once, and so does its code.
async fn replays(victim: &Victim<'_>) {
    let used = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&used);
    let (connected, pages) = victim
        .connect(move |url| {
            *keep.lock().expect("a lock") = Some(url.clone());
            vec![url.clone(), url.clone()]
        })
        .await;
    connected.expect("connected");
    // The second may meet a listener that has ended already.
    assert_eq!(pages[0], 200);
    assert_ne!(pages[1], 200);
    let exchanged = |victim: &Victim<'_>| {
        let seen = victim.world.simulator.recordings();
        seen.iter().filter(|seen| String::from_utf8_lossy(&seen.body).contains("code_verifier=")).count()
    };
    assert_eq!(exchanged(victim), 1, "{}: the code was exchanged once", victim.service.name);
    victim.only_its_own_hosts("a true callback");
    victim.disconnect().await;

    let used: Url = used.lock().expect("a lock").take().expect("a callback");
    let again = used.clone();
    assert_eq!(victim.waits_on(move |_| vec![again.clone()]).await, [400]);
    victim.nothing_came_of("a used callback");
    let code = value_of(&used, "code");
    let (ended, _) = victim.connect(move |url| vec![with(url, "code", &code)]).await;
    ended.expect_err("a used code");
    assert_eq!(exchanged(victim), 1, "it is the provider that says no");
    victim.only_its_own_hosts("a used code");
    victim.nothing_is_stored("a used code");
    victim.world.simulator.clear_recordings();
}

/// What a token answer may name: another API host.
async fn lying_tokens(victim: &Victim<'_>) {
    let world = victim.world;
    for host in ["https://www.evil.example", "https://www.zohoapis.in", "https://www.zohoapis.eu@www.evil.example"]
    {
        let answered = victim.lie(&HOST_FIELDS, host);
        let (ended, _) = victim.connect(|url| vec![url.clone()]).await;
        assert!(victim.answered_with_lies() > answered, "{}: no token answer named {host}", victim.service.name);
        if victim.service.oauth.token_api_host_field.is_some() {
            let failure = ended.expect_err(host);
            assert!(failure.hint.is_some() && !failure.message.contains("evil"), "{failure:?}");
            victim.only_its_own_hosts(host);
            victim.nothing_is_stored(host);
        } else {
            ended.expect(host);
            victim.only_its_own_hosts(host);
            victim.disconnect().await;
        }
        world.simulator.clear_recordings();
    }
    victim.lie(&[], "");
}
