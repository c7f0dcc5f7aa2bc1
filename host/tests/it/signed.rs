//! Operators with keys: what widens wants a signature over exactly that, and the audit says whose it was.

use std::sync::Arc;

use serde_json::{Value, json};
use ssh_key::private::{Ed25519Keypair, PrivateKey};
use ssh_key::{HashAlg, LineEnding};
use wardlock::admin::{Brought, Command, Failure, Page};
use wardlock::ops::{self, HomeIdentity, Talk};
use wardlock_audit::Filter;
use wardlock_egress::vault::{Passphrase, Role};

use crate::proofs::{enable, prove};
use crate::world::{Plan, World, explain, plugin, workspace};

/// An operator at a terminal, with a key.
pub struct Operator {
    pub name: &'static str,
    key: PrivateKey,
    namespace: &'static str,
    /// What is signed in the place of what was asked.
    instead: Option<&'static str>,
}

impl Operator {
    pub fn new(name: &'static str, seed: u8) -> Self {
        let key = PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]));
        Self { name, key, namespace: "wardlock", instead: None }
    }

    fn public_key(&self) -> String {
        self.key.public_key().to_openssh().expect("a public key")
    }
}

impl Talk for Operator {
    fn say(&self, _text: String) {}

    fn open(&self, _page: Page) {}

    fn wait(&self, _text: String) {}

    fn signs_as(&self) -> Option<String> {
        Some(self.name.to_owned())
    }

    fn sign(&self, text: &str) -> Result<String, String> {
        let text = self.instead.unwrap_or(text);
        let signature = self.key.sign(self.namespace, HashAlg::Sha512, text.as_bytes()).expect("a signature");
        Ok(signature.to_pem(LineEnding::LF).expect("armour"))
    }
}

pub async fn signed(world: &World, by: &Operator, command: Command) -> Result<Value, Failure> {
    ops::execute(&world.host, command, Brought::Nothing, by).await
}

pub fn add(operator: &Operator, role: Role) -> Command {
    Command::OperatorAdd { name: operator.name.to_owned(), role, public_key: operator.public_key() }
}

fn agent(name: &str) -> Command {
    Command::AgentAdd { name: name.to_owned(), workspace: "acme".to_owned(), expires: None }
}

/// Who did an act, by the newest row of that kind.
pub fn who_did(world: &World, what: &str) -> Option<String> {
    let rows = world.host.audit().list(&Filter::newest(1000)).expect("rows");
    let mut acts = rows.iter().filter_map(|row| row.detail.act.as_ref());
    acts.rfind(|act| act.what == what).map(|act| act.who.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_widens_wants_the_signature_of_somebody_who_may() {
    let world = World::start(Plan::default()).await;
    let (ada, bob, eve) = (Operator::new("ada", 1), Operator::new("bob", 2), Operator::new("eve", 3));
    let first = world.command(add(&bob, Role::Approver)).await.expect_err("an approver alone could add nobody");
    assert_eq!(first.message, "the first operator must be an admin, or nobody could add another");
    for name in ["operator", "wardlock", "dashboard"] {
        let nobody = add(&Operator::new(name, 3), Role::Admin);
        let refused = world.command(nobody).await.expect_err("what the audit says where nobody signed");
        assert_eq!(refused.message, format!("`{name}` is what the audit says where nobody signed"));
    }
    world.command(add(&ada, Role::Admin)).await.expect("the first one needs nobody");

    let unsigned = world.command(agent("a1")).await.expect_err("unsigned");
    assert_eq!(unsigned.message, "this wants an operator's signature, because operators have keys here");
    assert!(unsigned.hint.as_deref().is_some_and(|hint| hint.ends_with("those who may: ada")), "{unsigned:?}");
    assert!(world.command(add(&bob, Role::Approver)).await.is_err(), "nobody adds himself");
    signed(&world, &ada, add(&bob, Role::Approver)).await.expect("by an admin");
    signed(&world, &ada, agent("a1")).await.expect("by an admin");
    assert_eq!(who_did(&world, "agent.add").as_deref(), Some("ada"));

    let role = signed(&world, &bob, agent("a2")).await.expect_err("an approver makes no agents");
    assert_eq!(role.message, "operator `bob` is approver, and this wants an admin");
    let stranger = signed(&world, &eve, agent("a2")).await.expect_err("a stranger");
    assert_eq!(stranger.message, "there is no operator `eve`");
    for forged in [
        Operator { name: "ada", ..Operator::new("ada", 3) },
        Operator { namespace: "file", ..Operator::new("ada", 1) },
        Operator { instead: Some("Wardlock: do exactly this, once.\n"), ..Operator::new("ada", 1) },
    ] {
        let refused = signed(&world, &forged, agent("a2")).await.expect_err("forged");
        assert_eq!(refused.message, "this is no signature of operator `ada` over this");
    }
    let request_id = || "req_1".to_owned();
    for showing in [
        Command::PluginCase { request_id: request_id(), plugin: None, promise: String::new() },
        Command::PolicyExplainRequest { request_id: request_id() },
    ] {
        let shows = world.command(showing.clone()).await.expect_err("it shows what others asked");
        assert!(shows.message.contains("wants an operator's signature"), "{shows:?}");
        let approver = signed(&world, &bob, showing).await.expect_err("an approver is shown none");
        assert!(approver.message.ends_with("and this wants an admin"), "{approver:?}");
    }
    // What narrows is done at once, whoever asks.
    world.command(Command::AgentRevoke { name: "a1".to_owned() }).await.expect("revoked");
    world.command(Command::Freeze { workspace: Some("acme".to_owned()) }).await.expect("frozen");
    // Signed, it names who did it, whatever their role; a signature that is none is refused and not left out.
    signed(&world, &bob, Command::Freeze { workspace: Some("acme".to_owned()) }).await.expect("frozen");
    assert_eq!(who_did(&world, "freeze").as_deref(), Some("bob"));
    let off = Command::Writes {
        workspace: "acme".to_owned(),
        connection: "zoho".to_owned(),
        agent: None,
        level: "off".to_owned(),
        confirmed: true,
        basis: None,
    };
    signed(&world, &bob, off).await.expect("off");
    assert_eq!(who_did(&world, "writes.off").as_deref(), Some("bob"));
    signed(&world, &eve, Command::Freeze { workspace: None }).await.expect_err("a stranger");
    assert!(world.command(Command::Thaw { workspace: Some("acme".to_owned()) }).await.is_err());
    signed(&world, &ada, Command::Thaw { workspace: Some("acme".to_owned()) }).await.expect("thawed");

    let last =
        signed(&world, &ada, Command::OperatorRevoke { name: "ada".to_owned() }).await.expect_err("the last");
    assert_eq!(last.message, "operator `ada` is the last admin");
    signed(&world, &ada, Command::OperatorRevoke { name: "bob".to_owned() }).await.expect("revoked");
    world.end().await;
}

/// The acts of that kind that were refused, and why.
pub fn refused(world: &World, what: &str) -> Vec<(String, String)> {
    let rows = world.host.audit().list(&Filter::newest(1000)).expect("rows");
    let acts = rows.into_iter().filter_map(|row| row.detail.act);
    let refused = acts.filter(|act| act.what == what && act.result.starts_with("refused"));
    refused.map(|act| (act.target, act.result)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_tries_without_a_word_that_counts_is_seen_in_the_audit_and_fills_none() {
    let world = World::start(Plan::default()).await;
    let (ada, bob, eve) = (Operator::new("ada", 1), Operator::new("bob", 2), Operator::new("eve", 3));
    world.command(add(&ada, Role::Admin)).await.expect("the first one needs nobody");
    signed(&world, &ada, add(&bob, Role::Approver)).await.expect("by an admin");
    let approve =
        |id: &str| Command::DraftsApprove { id: id.to_owned(), request_sha256: "0".repeat(64), shown: None };
    for at in 0..20 {
        world.command(approve(&format!("draft_{at}"))).await.expect_err("unsigned");
    }
    let forged = Operator { name: "ada", ..Operator::new("ada", 3) };
    signed(&world, &forged, approve("a sentence\nof whoever asks")).await.expect_err("forged");
    signed(&world, &bob, agent("a1")).await.expect_err("an approver makes no agents");
    signed(&world, &eve, agent("a1")).await.expect_err("a stranger");
    let told = |target: &str, result: &str| (target.to_owned(), result.to_owned());
    assert_eq!(
        refused(&world, "drafts.approve"),
        [
            told("draft_0", "refused: unsigned"),
            told("what is no name", "refused: a wrong signature, in the name of `ada`"),
        ]
    );
    assert_eq!(
        refused(&world, "agent.add"),
        [
            told("a1", "refused: beyond the operator's role, in the name of `bob`"),
            told("a1", "refused: signed by no operator"),
        ]
    );
    let sums: Vec<String> = world.host.sums().take().into_iter().map(|act| act.result).collect();
    assert_eq!(sums, ["19 more refused: unsigned"]);
    assert_eq!(who_did(&world, "drafts.approve").as_deref(), Some("operator"), "nobody's whose name was given");
    world.end().await;
}

/// An explanation of a change to the first lead.
fn explaining(world: &World, agent: &str) -> Command {
    let lead = world.simulator.records("20071234567", "Leads")[0]["id"].clone();
    let body = json!({ "data": [{ "id": lead, "Last_Name": "Renamed" }] }).to_string();
    explain(agent, "PUT", "/crm/v8/Leads", &body)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explanation_that_nobody_signs_reads_nothing_of_the_account() {
    let file = workspace("acme", "eu", "writes = \"draft\"", &plugin("probe", r#"{ mode = "allow" }"#));
    let plan = Plan { workspaces: vec![("acme", file)], guests: vec!["probe"], ..Plan::default() };
    let world = World::start(plan).await;
    assert_eq!(prove(&world).await["passed"], true);
    enable(&world, "draft").await.expect("enabled");
    let (ada, bob, eve) = (Operator::new("ada", 1), Operator::new("bob", 2), Operator::new("eve", 3));
    world.command(add(&ada, Role::Admin)).await.expect("added");
    signed(&world, &ada, add(&bob, Role::Approver)).await.expect("added");
    let before = world.api_calls();
    let explain = explaining(&world, "agent-acme");
    let told = world.command(explain.clone()).await.expect("it decides as ever");
    assert_eq!((&told["decision"], world.api_calls()), (&json!("hold"), before), "{told}");
    let why = told["changes_note"].as_str().expect("why nothing was read");
    assert!(why.ends_with("for an operator who signs: --as NAME --sign-with KEY"), "{why}");
    signed(&world, &eve, explain.clone()).await.expect_err("a stranger");
    assert_eq!(world.api_calls(), before);
    let told = signed(&world, &bob, explain).await.expect("signed by any operator");
    assert_eq!(told["changes"][0]["fields"][0]["proposed"], "Renamed", "{told}");
    assert_eq!(world.api_calls(), before + 1);
    let nobody = world.command(explaining(&world, "nobody")).await.expect("explained");
    let note = nobody["agent_note"].as_str().expect("a note");
    assert!(note.starts_with("there is no agent `nobody` in workspace `acme`"), "{note}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_a_key_can_neither_approve_nor_enable() {
    let hold = plugin("probe", r#"{ mode = "hold" }"#);
    let file = workspace("acme", "eu", "writes = \"on\"", &hold);
    let world =
        World::start(Plan { workspaces: vec![("acme", file)], guests: vec!["probe"], ..Plan::default() }).await;
    let (ada, bob) = (Operator::new("ada", 1), Operator::new("bob", 2));
    world.command(add(&ada, Role::Admin)).await.expect("added");
    signed(&world, &ada, add(&bob, Role::Approver)).await.expect("added");
    let vic = Operator::new("vic", 3);
    signed(&world, &ada, add(&vic, Role::Viewer)).await.expect("added");
    let headers = "Accept: application/problem+json\r\n";
    let path = "/acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=2";
    let said = world.ask("acme", "GET", path, headers, "").await.json().expect("json");
    let id = said["draft"].as_str().expect("a draft").to_owned();
    let shown = world.command(Command::DraftsShow { id: id.clone() }).await.expect("anybody here may look");
    let request_sha256 = shown["request_sha256"].as_str().expect("a hash").to_owned();
    let approve =
        || Command::DraftsApprove { id: id.clone(), request_sha256: request_sha256.clone(), shown: None };
    let before = world.api_calls();
    assert!(world.command(approve()).await.is_err(), "unsigned");
    let other = Command::DraftsApprove { id: id.clone(), request_sha256: "0".repeat(64), shown: None };
    let here = HomeIdentity::of(world.host.home(), world.host.vault());
    let elsewhere = HomeIdentity { path: "/srv/test".to_owned(), ..here.clone() };
    let restored = HomeIdentity { vault: "0".repeat(32), ..here.clone() };
    for (home, command, what) in [
        (&here, other, "of another command"),
        (&elsewhere, approve(), "for a home at another place"),
        (&restored, approve(), "for another vault at this place"),
    ] {
        let signed = bob.signed(home, &command, &Brought::Nothing).expect("signed").expect("a signature");
        let replayed = Replayed(Arc::new(signed));
        let refused = ops::execute(&world.host, approve(), Brought::Nothing, &replayed).await.expect_err(what);
        assert_eq!(refused.message, "this is no signature of operator `bob` over this", "{what}");
    }
    let viewer = signed(&world, &vic, approve()).await.expect_err("a viewer looks");
    assert_eq!(viewer.message, "operator `vic` is viewer, and this wants an approver");
    assert_eq!(world.api_calls(), before);
    let level = |confirmed| Command::Writes {
        workspace: "acme".to_owned(),
        connection: "zoho".to_owned(),
        agent: None,
        level: "on".to_owned(),
        confirmed,
        basis: None,
    };
    let refused = world.command(level(true)).await.expect_err("unsigned");
    assert!(refused.message.starts_with("this wants an operator's signature"), "{}", refused.message);

    let ended = signed(&world, &bob, approve()).await.expect("by an approver");
    assert_eq!((&ended["sent"], who_did(&world, "drafts.approve").as_deref()), (&json!(true), Some("bob")));
    let rows = world.host.audit().show(ended["request_id"].as_str().expect("an id")).expect("rows");
    let request = rows[0].detail.request.as_ref().expect("a request");
    assert_eq!(request.approved_by, ["bob"]);
    world.end().await;
}

/// Somebody who has a signature that was made for something else.
struct Replayed(Arc<wardlock::ops::Signed>);

impl Talk for Replayed {
    fn say(&self, _text: String) {}

    fn open(&self, _page: Page) {}

    fn wait(&self, _text: String) {}

    fn signed(
        &self,
        _home: &HomeIdentity,
        _command: &Command,
        _brought: &Brought,
    ) -> Result<Option<wardlock::ops::Signed>, String> {
        Ok(Some((*self.0).clone()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_two_people_are_wanted_one_releases_nothing_however_often() {
    let file = workspace("acme", "eu", "approvals = 2", &plugin("probe", r#"{ mode = "hold" }"#));
    let world =
        World::start(Plan { workspaces: vec![("acme", file)], guests: vec!["probe"], ..Plan::default() }).await;
    let path = "/acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=2";
    let said =
        world.ask("acme", "GET", path, "Accept: application/problem+json\r\n", "").await.json().expect("json");
    let id = said["draft"].as_str().expect("a draft").to_owned();
    let shown =
        async || world.command(Command::DraftsShow { id: id.clone() }).await.expect("anybody here may look");
    let request_sha256 = shown().await["request_sha256"].as_str().expect("a hash").to_owned();
    let approve =
        || Command::DraftsApprove { id: id.clone(), request_sha256: request_sha256.clone(), shown: None };
    let nobody = world.command(approve()).await.expect_err("nobody can be told apart");
    assert!(nobody.message.contains("2 people must approve this, and there are no operators"), "{nobody:?}");

    let (ada, bob, eve) = (Operator::new("ada", 1), Operator::new("bob", 2), Operator::new("eve", 3));
    world.command(add(&ada, Role::Admin)).await.expect("added");
    signed(&world, &ada, add(&bob, Role::Approver)).await.expect("added");
    signed(&world, &ada, add(&eve, Role::Approver)).await.expect("added");
    let before = world.api_calls();
    let first = signed(&world, &bob, approve()).await.expect("his word");
    assert_eq!(
        (&first["sent"], &first["state"], &first["approved_by"]),
        (&json!(false), &json!("held"), &json!(["bob"]))
    );
    let again = signed(&world, &bob, approve()).await.expect_err("the same person");
    assert!(again.message.contains("operator `bob` has approved"), "{again:?}");
    assert!(again.hint.is_some_and(|hint| hint.contains("another operator must")));
    assert_eq!((&shown().await["approved_by"], &shown().await["approvals_wanted"]), (&json!(["bob"]), &json!(2)));

    // Whoever writes the state can repeat a word in another's name, and put an old one back: neither is one.
    let state = rusqlite::Connection::open(world.folder().join("home/state/state.db")).expect("the state");
    let copy =
        "INSERT INTO draft_approvals SELECT draft, 'eve', sealed FROM draft_approvals WHERE operator = 'bob'";
    assert_eq!(state.execute(copy, []).expect("written"), 1);
    assert_eq!(shown().await["approved_by"], json!(["bob"]));
    // Nor is that of somebody who is no operator any more, or is one anew.
    signed(&world, &ada, Command::OperatorRevoke { name: "bob".to_owned() }).await.expect("revoked");
    assert_eq!(shown().await["approved_by"], json!([]));
    signed(&world, &ada, add(&bob, Role::Approver)).await.expect("added");
    assert_eq!(shown().await["approved_by"], json!([]), "it is another bob's");
    assert_eq!(world.api_calls(), before, "nothing was sent");

    let first = signed(&world, &eve, approve()).await.expect("her word");
    state
        .execute_batch(
            "CREATE TABLE kept AS SELECT * FROM drafts; CREATE TABLE words AS SELECT * FROM draft_approvals",
        )
        .expect("a copy of what is true now");
    assert_eq!(first["approved_by"], json!(["eve"]));
    let ended = signed(&world, &ada, approve()).await.expect("the second");
    assert_eq!((&ended["sent"], world.api_calls()), (&json!(true), before + 1), "{ended}");
    let rows = world.host.audit().show(ended["request_id"].as_str().expect("an id")).expect("rows");
    assert_eq!(rows[0].detail.request.as_ref().expect("a request").approved_by, ["ada", "eve"]);
    let late = signed(&world, &bob, approve()).await.expect_err("it was used");
    assert!(late.message.contains("can no longer be approved"), "{late:?}");
    // Put back as it was, with the word of then: that was used up.
    let older = "DELETE FROM drafts; INSERT INTO drafts SELECT * FROM kept; INSERT INTO draft_approvals SELECT * FROM words";
    state.execute_batch(older).expect("put back");
    assert_eq!(shown().await["approved_by"], json!([]));
    let again = signed(&world, &ada, approve()).await.expect_err("it was sent");
    assert!(again.message.contains("was decided already"), "{again:?}");
    assert_eq!((&shown().await["approved_by"], world.api_calls()), (&json!([]), before + 1));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_that_is_decided_is_not_decided_anew_by_putting_its_row_back() {
    let file = workspace("acme", "eu", "", &plugin("probe", r#"{ mode = "hold" }"#));
    let world =
        World::start(Plan { workspaces: vec![("acme", file)], guests: vec!["probe"], ..Plan::default() }).await;
    let ada = Operator::new("ada", 1);
    world.command(add(&ada, Role::Admin)).await.expect("added");
    let mut drafts = Vec::new();
    for page in [1, 2] {
        let path = format!("/acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=2&page={page}");
        let said = world.ask("acme", "GET", &path, "Accept: application/problem+json\r\n", "").await;
        let id = said.json().expect("json")["draft"].as_str().expect("a draft").to_owned();
        let shown = world.command(Command::DraftsShow { id: id.clone() }).await.expect("shown");
        let request_sha256 = shown["request_sha256"].as_str().expect("a hash").to_owned();
        drafts.push(Command::DraftsApprove { id: id.clone(), request_sha256, shown: None });
        drafts.push(Command::DraftsReject { id });
    }
    let state = rusqlite::Connection::open(world.folder().join("home/state/state.db")).expect("the state");
    state.execute_batch("CREATE TEMP TABLE kept AS SELECT * FROM drafts").expect("a copy of what is true now");
    let ended = signed(&world, &ada, drafts[0].clone()).await.expect("approved");
    assert_eq!(ended["sent"], true, "{ended}");
    world.command(drafts[3].clone()).await.expect("rejected");
    let before = world.api_calls();
    let request = ended["request_id"].as_str().expect("its request").to_owned();
    let refused = async |at: usize, hint: &str| {
        let refused = signed(&world, &ada, drafts[at].clone()).await.expect_err("it was decided");
        assert!(refused.message.contains("was decided already"), "{refused:?}");
        assert!(refused.hint.as_deref().is_some_and(|told| told.contains(hint)), "{refused:?}");
        assert_eq!(world.api_calls(), before, "nothing was sent");
    };
    state.execute_batch("DELETE FROM drafts; INSERT INTO drafts SELECT * FROM kept").expect("put back");
    refused(0, &format!("`wardlock audit show {request}`")).await;
    refused(2, "it was rejected").await;
    world.end().await;
}

/// Somebody who signed for another passphrase than the one that arrives.
struct ForAnother<'a>(&'a Operator, Brought);

impl Talk for ForAnother<'_> {
    fn say(&self, _text: String) {}

    fn open(&self, _page: Page) {}

    fn wait(&self, _text: String) {}

    fn signed(
        &self,
        home: &HomeIdentity,
        command: &Command,
        _brought: &Brought,
    ) -> Result<Option<wardlock::ops::Signed>, String> {
        self.0.signed(home, command, &self.1)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_opens_by_the_passphrase_that_was_signed_and_by_no_other() {
    let world = World::start(Plan::default()).await;
    let ada = Operator::new("ada", 1);
    world.command(add(&ada, Role::Admin)).await.expect("added");
    let phrase = |text: &str| {
        let bytes = zeroize::Zeroizing::new(text.as_bytes().to_vec());
        Brought::Passphrase(Passphrase::from_bytes(bytes).expect("a passphrase"))
    };
    let export = || Command::VaultExport { recipients: Vec::new() };
    for command in [export(), Command::BackupCreate { recipients: Vec::new(), configured: Vec::new() }] {
        let signed_for = ForAnother(&ada, phrase("what ada chose"));
        let exchanged =
            ops::execute(&world.host, command.clone(), phrase("mallory chose this"), &signed_for).await;
        assert_eq!(
            exchanged.expect_err("another passphrase").message,
            "this is no signature of operator `ada` over this"
        );
        let left_out = ForAnother(&ada, Brought::Nothing);
        let unsigned = ops::execute(&world.host, command, phrase("mallory chose this"), &left_out).await;
        assert!(unsigned.is_err(), "a passphrase that nobody signed for");
    }
    ops::execute(&world.host, export(), phrase("what ada chose"), &ada).await.expect("exported");
    world.end().await;
}
