//! Approving where operators have keys: a passkey's signature over exactly that, and nothing that is not.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use wardlock::admin::{Brought, Command, Failure};
use wardlock::ops;
use wardlock_egress::vault::Role;

use super::{Browser, acts, drafting, drafting_by, get, held, host, led_to, own, post, shown, state, text};
use crate::signed::{Operator, add, signed};
use crate::world::World;

/// An authenticator with one passkey.
struct Authenticator {
    key: EcdsaKeyPair,
    id: &'static [u8],
    counter: u32,
}

impl Authenticator {
    fn new(id: &'static [u8]) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random);
        Self { key: key.expect("a key"), id, counter: 0 }
    }

    fn says(&self, flags: u8, more: &[u8]) -> Vec<u8> {
        [&Sha256::digest("localhost")[..], &[flags], &self.counter.to_be_bytes(), more].concat()
    }

    /// The fields of a form that brings it.
    fn enrolment(&self, world: &World, challenge: &str) -> String {
        let point = self.key.public_key().as_ref();
        let begins = [0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 0x20];
        let cose = [&begins[..], &point[1..33], &[0x22, 0x58, 0x20], &point[33..]].concat();
        let length = u16::try_from(self.id.len()).expect("short").to_be_bytes();
        let attested = [&[0; 16][..], &length, self.id, &cose].concat();
        let client = client(world, "webauthn.create", challenge);
        format!("client={}&authenticator={}", encoded(&client), encoded(&self.says(0x45, &attested)))
    }

    /// The fields of a form that it signs.
    fn approval(&mut self, world: &World, question: &Value) -> String {
        self.counter += 1;
        let client = client(world, "webauthn.get", question["challenge"].as_str().expect("a challenge"));
        let says = self.says(0x05, &[]);
        let message = [&says[..], &Sha256::digest(&client)].concat();
        let signature = self.key.sign(&SystemRandom::new(), &message).expect("a signature");
        format!(
            "nonce={}&credential={}&client={}&authenticator={}&signature={}",
            question["nonce"].as_str().expect("a nonce"),
            encoded(self.id),
            encoded(&client),
            encoded(&says),
            encoded(signature.as_ref()),
        )
    }
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn client(world: &World, kind: &str, challenge: &str) -> Vec<u8> {
    let origin = format!("http://{}", host(world));
    json!({ "type": kind, "challenge": challenge, "origin": origin }).to_string().into_bytes()
}

/// A command for a link, and the secret of the link.
fn asked_link(world: &World, name: &str) -> (Command, String) {
    let mut bits = [0; 32];
    ring::rand::SecureRandom::fill(&SystemRandom::new(), &mut bits).expect("random bits");
    let secret = encoded(&bits);
    let secret_sha256 = hex::encode(Sha256::digest(&secret));
    let origin = format!("http://{}", host(world));
    (Command::OperatorPasskey { name: name.to_owned(), origin, secret_sha256 }, secret)
}

async fn passkey_link(world: &World, by: &Operator, name: &str) -> Result<String, Failure> {
    let (command, secret) = asked_link(world, name);
    signed(world, by, command).await?;
    Ok(format!("/passkey/{secret}"))
}

/// Brings a passkey by a link.
async fn enrol(world: &World, path: &str, authenticator: &Authenticator) -> u16 {
    let page = text(&get(world, path, "").await);
    let (_, rest) = page.split_once("data-new-passkey=\"").expect("a challenge");
    let challenge = rest.split('"').next().expect("its end");
    post(world, path, &own(world), &authenticator.enrolment(world, challenge)).await.status
}

async fn question(browser: &Browser<'_>, id: &str, hash: &str) -> Value {
    let asked = browser.post(&format!("/drafts/{id}/question"), &format!("request_sha256={hash}")).await;
    asked.json().expect("json")
}

async fn hash_of(world: &World, id: &str) -> String {
    shown(world, id).await["request_sha256"].as_str().expect("a hash").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_brought_by_a_link_that_its_operator_or_an_admin_signed() {
    let world = drafting().await;
    let (ada, bob) = (Operator::new("ada", 1), Operator::new("bob", 2));
    world.command(add(&ada, Role::Admin)).await.expect("added");
    signed(&world, &ada, add(&bob, Role::Approver)).await.expect("added");
    let unsigned = world.command(asked_link(&world, "ada").0).await;
    assert!(unsigned.expect_err("unsigned").message.contains("operator's signature"));
    let unsigned = world.command(asked_link(&world, "bob").0).await.expect_err("unsigned");
    assert!(
        unsigned.hint.as_deref().is_some_and(|hint| hint.ends_with("those who may: ada, bob")),
        "{unsigned:?}"
    );
    let of_another = passkey_link(&world, &bob, "ada").await.expect_err("an approver, for an admin");
    assert_eq!(of_another.message, "operator `bob` is approver, and this wants an admin");
    assert!(passkey_link(&world, &ada, "eve").await.is_err(), "there is no such operator");

    let key = Authenticator::new(b"bobs-key");
    let path = passkey_link(&world, &bob, "bob").await.expect("for oneself");
    assert_eq!(post(&world, &path.replace("/passkey/", "/login/"), &own(&world), "").await.status, 410);
    let path = passkey_link(&world, &ada, "bob").await.expect("by an admin");
    assert_eq!(enrol(&world, &path, &key).await, 200);
    assert_eq!(post(&world, &path, &own(&world), "").await.status, 410, "a link works once");
    let again = passkey_link(&world, &ada, "ada").await.expect("a link");
    assert_eq!(enrol(&world, &again, &key).await, 409, "one passkey is one person's");
    let wrong = passkey_link(&world, &ada, "ada").await.expect("a link");
    let forged = Authenticator::new(b"other").enrolment(&world, &encoded(&[1; 32]));
    assert_eq!(post(&world, &wrong, &own(&world), &forged).await.status, 400, "of another challenge");

    let listed = world.command(Command::OperatorList).await.expect("listed");
    assert_eq!((&listed[0]["passkeys"], &listed[1]["passkeys"]), (&json!(0), &json!(1)), "{listed}");
    assert!(acts(&world).contains(&("operator.passkey".to_owned(), "ada".to_owned(), "ok".to_owned())));
    signed(&world, &ada, Command::OperatorRevoke { name: "bob".to_owned() }).await.expect("revoked");
    let after = passkey_link(&world, &ada, "ada").await.expect("a link");
    assert_eq!(enrol(&world, &after, &key).await, 200, "revoking bob took his passkeys along");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_carries_the_command_for_a_passkey_learns_no_link() {
    let world = drafting().await;
    let ada = Operator::new("ada", 1);
    world.command(add(&ada, Role::Admin)).await.expect("added");
    let (command, secret) = asked_link(&world, "ada");
    let asked = serde_json::to_string(&command).expect("JSON");
    let said = signed(&world, &ada, command.clone()).await.expect("signed").to_string();
    assert!(!asked.contains(&secret) && !said.contains(&secret), "{asked} {said}");
    assert!(!said.contains("/passkey/"), "{said}");
    // What both carry opens nothing. A link that leads nowhere says what makes one of its kind.
    let Command::OperatorPasskey { name, secret_sha256, .. } = command else { unreachable!() };
    let nowhere = get(&world, &format!("/passkey/{secret_sha256}"), "").await;
    assert_eq!(nowhere.status, 410);
    assert!(text(&nowhere).contains("<code>wardlock operator passkey NAME</code>"), "{}", text(&nowhere));
    let nowhere = get(&world, &format!("/login/{secret_sha256}"), "").await;
    assert!(text(&nowhere).contains("<code>wardlock dashboard</code>"), "{}", text(&nowhere));
    assert_eq!(get(&world, &format!("/passkey/{secret}"), "").await.status, 200);
    // A link that would lead elsewhere, where somebody else takes its secret, is none here.
    let (_, secret) = asked_link(&world, "ada");
    let secret_sha256 = hex::encode(Sha256::digest(&secret));
    let elsewhere = Command::OperatorPasskey { name, origin: "http://localhost:1".to_owned(), secret_sha256 };
    let refused = signed(&world, &ada, elsewhere).await.expect_err("another address");
    assert!(refused.message.ends_with("the link would lead elsewhere"), "{refused:?}");
    assert_eq!(get(&world, &format!("/passkey/{secret}"), "").await.status, 410);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_for_a_passkey_ends_with_any_operator_who_is_revoked() {
    let world = drafting().await;
    let (ada, bob, eve) = (Operator::new("ada", 1), Operator::new("bob", 2), Operator::new("eve", 3));
    world.command(add(&ada, Role::Admin)).await.expect("added");
    signed(&world, &ada, add(&bob, Role::Admin)).await.expect("added");
    signed(&world, &ada, add(&eve, Role::Approver)).await.expect("added");
    // Bob's key was stolen: whoever has it makes a link for another before he is revoked.
    let path = passkey_link(&world, &bob, "eve").await.expect("a link");
    signed(&world, &ada, Command::OperatorRevoke { name: "bob".to_owned() }).await.expect("revoked");
    assert_eq!(get(&world, &path, "").await.status, 410);
    let link = passkey_link(&world, &ada, "eve").await.expect("a link");
    assert_eq!(enrol(&world, &link, &Authenticator::new(b"eve's")).await, 200);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_operators_only_a_passkey_over_exactly_this_approves() {
    let world = drafting().await;
    let (ada, bob) = (Operator::new("ada", 1), Operator::new("bob", 2));
    world.command(add(&ada, Role::Admin)).await.expect("added");
    signed(&world, &ada, add(&bob, Role::Approver)).await.expect("added");
    let mut key = Authenticator::new(b"bobs-key");
    let path = passkey_link(&world, &bob, "bob").await.expect("a link");
    assert_eq!(enrol(&world, &path, &key).await, 200);
    let id = held(&world).await;
    let hash = hash_of(&world, &id).await;
    let (browser, other) = (Browser::signed_in(&world).await, Browser::signed_in(&world).await);
    let approve = format!("/drafts/{id}/approve");
    let exactly = format!("request_sha256={hash}&confirm=acme/zoho&");
    let before = world.api_calls();
    let refused = async |browser: &Browser<'_>, fields: String, why: &str| {
        let reply = browser.post(&approve, &fields).await;
        assert_eq!(reply.status, 409, "{why}");
        assert_eq!(state(&world, &id).await, "held", "{why}");
        text(&reply)
    };
    let said = refused(&browser, exactly.clone(), "typed only").await;
    assert!(said.contains("passkey"), "{said}");

    // Of another session, of another request, of an old number, of a number that nobody made.
    let asked = question(&browser, &id, &hash).await;
    let fields = key.approval(&world, &asked);
    refused(&other, format!("{exactly}{fields}"), "asked of another session").await;
    let elsewhere = question(&browser, &id, &"0".repeat(64)).await;
    let fields_of_another = key.approval(&world, &elsewhere);
    refused(&browser, format!("{exactly}{fields_of_another}"), "signed for another request").await;
    let mut unasked = asked.clone();
    unasked["nonce"] = json!("req_00000000000000000000000000000000");
    let unasked = key.approval(&world, &unasked);
    refused(&browser, format!("{exactly}{unasked}"), "a number that was not made here").await;
    // By another key under that name.
    let mut forger = Authenticator::new(b"bobs-key");
    forger.counter = 10;
    let asked = question(&browser, &id, &hash).await;
    let by_another = forger.approval(&world, &asked);
    refused(&browser, format!("{exactly}{by_another}"), "another key").await;
    // The question is used up even so.
    let late = key.approval(&world, &asked);
    refused(&browser, format!("{exactly}{late}"), "an answer is taken once").await;
    assert_eq!(world.api_calls(), before, "nothing was sent");

    let asked = question(&browser, &id, &hash).await;
    assert_eq!(asked["passkeys"], json!([encoded(b"bobs-key")]));
    let fields = format!("{exactly}{}", key.approval(&world, &asked));
    let reply = browser.post(&approve, &fields).await;
    let page = led_to(&browser, &reply).await;
    assert!(page.contains("Approved and sent"), "{page}");
    let ended = shown(&world, &id).await;
    assert_eq!((&ended["state"], &ended["decided_by"]), (&json!("sent"), &json!("bob")));
    let rows = world.host.audit().show(ended["request_id"].as_str().expect("an id")).expect("rows");
    assert_eq!(rows[0].detail.request.as_ref().expect("a request").approved_by, ["bob"]);
    // A signature is used once: sent again, it leads its session to what came of it, and is no attempt; to others it is nothing.
    let attempts =
        || acts(&world).into_iter().filter(|(what, _, result)| what == "drafts.approve" && result != "ok").count();
    let (before, sent) = (attempts(), world.api_calls());
    assert_eq!((browser.post(&approve, &fields).await.status, attempts()), (303, before));
    assert_eq!(other.post(&approve, &fields).await.status, 409);
    assert_eq!(world.api_calls(), sent, "nothing was sent again");

    // What an approval signed is nothing on the command line, and a key that counts backwards is a copy.
    let id = held(&world).await;
    let hash = hash_of(&world, &id).await;
    key.counter = 0;
    let asked = question(&browser, &id, &hash).await;
    let copied = key.approval(&world, &asked);
    let reply = browser.post(&format!("/drafts/{id}/approve"), &format!("request_sha256={hash}&{copied}")).await;
    assert!(text(&reply).contains("counts fewer"), "{}", text(&reply));
    let unsigned = Command::DraftsApprove { id: id.clone(), request_sha256: hash, shown: None };
    assert!(ops::execute(&world.host, unsigned, Brought::Nothing, &crate::world::Silent).await.is_err());
    assert_eq!(state(&world, &id).await, "held");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_two_people_must_approve_each_does_by_a_passkey_of_their_own() {
    let world = drafting_by("writes = \"draft\"\napprovals = 2").await;
    let (ada, bob) = (Operator::new("ada", 1), Operator::new("bob", 2));
    world.command(add(&ada, Role::Admin)).await.expect("added");
    signed(&world, &ada, add(&bob, Role::Approver)).await.expect("added");
    let mut keys = [Authenticator::new(b"adas-key"), Authenticator::new(b"bobs-key")];
    for (name, key) in ["ada", "bob"].into_iter().zip(&keys) {
        let path = passkey_link(&world, &ada, name).await.expect("a link");
        assert_eq!(enrol(&world, &path, key).await, 200);
    }
    let id = held(&world).await;
    let hash = hash_of(&world, &id).await;
    let browser = Browser::signed_in(&world).await;
    let approve = format!("/drafts/{id}/approve");
    let before = world.api_calls();
    let mut said = Vec::new();
    for at in [0, 0, 1] {
        assert_eq!(state(&world, &id).await, "held");
        let asked = question(&browser, &id, &hash).await;
        let fields = format!("request_sha256={hash}&{}", keys[at].approval(&world, &asked));
        let reply = browser.post(&approve, &fields).await;
        said.push(if reply.status == 303 { led_to(&browser, &reply).await } else { text(&reply) });
        if at == 0 {
            assert_eq!(world.api_calls(), before, "one person is not enough, however often");
        }
    }
    assert!(said[0].contains("1 of 2: ada") && said[0].contains("more people must"), "{}", said[0]);
    assert!(said[1].contains("This was not done"), "{}", said[1]);
    assert!(said[2].contains("Approved and sent"), "{}", said[2]);
    assert_eq!(state(&world, &id).await, "sent");
    world.end().await;
}
