//! Proofs of the ready-made services: each as a whole, and of several on one grant.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use wardlock::admin::{Brought, Command, Failure, How};
use wardlock::loaded::Services;
use wardlock_core::id::Digest;
use wardlock_simulator::{ApiAnswer, Consent};

use super::{ask, came, connection, workspace};
use crate::world::{Plan, World};

/// What the connection of each service wants, so that its proof leaves nothing out.
const WHOLE: [(&str, &str); 7] = [
    (
        "google-ads",
        "tenant = \"1111111111\"\nparams = { login-customer-id = \"1000000000\" }\n\
         resources = [\"customer\"]\noperations = [\"ads.read\"]",
    ),
    ("meta-ads", "tenant = \"111\"\nresources = [\"account\"]\noperations = [\"identity\", \"ads.read\"]"),
    ("zoho-books", "tenant = \"200712345672\"\nresources = [\"$identity\"]\noperations = [\"identity\"]"),
    ("zoho-crm", "resources = [\"Contacts\", \"Leads\"]\noperations = [\"identity\", \"records.read\"]"),
    ("zoho-desk", "resources = [\"$identity\"]\noperations = [\"identity\"]"),
    ("zoho-marketing-automation", "resources = [\"$identity\"]\noperations = [\"identity\"]"),
    ("zoho-workdrive", "resources = [\"$identity\"]\noperations = [\"identity\"]"),
];

/// The services that nobody plays: examples of a definition, for providers that are not there.
const PLAYED_BY_NOBODY: [&str; 2] = ["api-key", "generic-oauth2"];

/// The services of Zoho, and how their connections are called here.
const ZOHO: [(&str, &str); 5] = [
    ("books", "zoho-books"),
    ("crm", "zoho-crm"),
    ("desk", "zoho-desk"),
    ("drive", "zoho-workdrive"),
    ("marketing", "zoho-marketing-automation"),
];

fn whole(service: &str) -> &'static str {
    WHOLE.iter().find(|(name, _)| *name == service).expect("a service").1
}

/// A connection of a service on a grant, with `more` in its table.
fn on(grant: &str, name: &str, service: &str, more: &str) -> String {
    connection(name, service, &format!("grant = \"{grant}\"\n{}\n{more}", whole(service)))
}

/// Proves one connection of `acme`, or all.
async fn prove(world: &World, name: Option<&str>) -> Value {
    let place = name.map(|name| ("acme".to_owned(), name.to_owned()));
    world.command(Command::Proof { place, agent: None }).await.expect("told")
}

/// What does not hold in a proof: each criterion, with its problem and what mends it.
fn failing(told: &Value) -> Vec<[String; 3]> {
    let rows = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let of = |value: &Value| rows(value, "criteria");
    let proofs = rows(told, "proofs");
    let all = proofs.iter().flat_map(|proof| {
        let steps = rows(proof, "requests");
        of(proof).into_iter().chain(steps.iter().flat_map(of).collect::<Vec<_>>())
    });
    let word = |criterion: &Value, name: &str| criterion[name].as_str().unwrap_or_default().to_owned();
    let failing = all.filter(|criterion| criterion["holds"] == false);
    failing.map(|criterion| ["criterion", "problem", "hint"].map(|name| word(&criterion, name))).collect()
}

#[track_caller]
fn passes_whole(told: &Value) {
    assert_eq!((failing(told), &told["passed"]), (Vec::new(), &json!(true)), "{told:#}");
    assert_eq!(told["not_proved"], json!([]), "{told:#}");
    for proof in told["proofs"].as_array().expect("proofs") {
        let steps = proof["requests"].as_array().expect("requests");
        assert!(!steps.is_empty() && steps.iter().all(|step| step["left_out"].is_null()), "{proof:#}");
        let told = steps.iter().flat_map(|step| step["criteria"].as_array().expect("criteria"));
        let told = told.filter(|one| one["criterion"] == "the pinned account" && one["holds"] == true);
        assert!(told.count() > 0, "no answer told whose account it is: {proof:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_proof_of_every_ready_made_service_passes_at_a_provider_that_is_played() {
    let played: BTreeSet<&str> = WHOLE.iter().map(|(service, _)| *service).collect();
    let known = Services::built_in();
    let known: BTreeSet<&str> = known.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(
        known,
        played.iter().copied().chain(PLAYED_BY_NOBODY).collect(),
        "each is played, or said not to be"
    );

    let tables: Vec<String> = played.iter().map(|service| on(service, service, service, "")).collect();
    let names: Vec<String> = played.iter().map(|service| format!("acme/{service}")).collect();
    let plan = Plan {
        workspaces: vec![("acme", workspace("acme", &tables))],
        services: played.into_iter().collect(),
        connect: Vec::new(),
        ..Plan::default()
    };
    let world = World::start(plan).await;
    for name in names {
        world.connect(&name).await.expect("connected");
    }
    passes_whole(&prove(&world, None).await);
    world.end().await;
}

/// All of Zoho on the grant `z`.
async fn zoho(connect: Vec<&'static str>) -> World {
    let tables = ZOHO.map(|(name, service)| on("z", name, service, ""));
    let workspaces = vec![("acme", workspace("acme", &tables))];
    World::start(Plan { workspaces, services: vec!["zoho-crm"], connect, ..Plan::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_consent_is_proved_for_each_service_that_shares_it_whichever_it_was_given_for() {
    let world = zoho(Vec::new()).await;
    for (name, service) in ZOHO {
        let told = world.connect(&format!("acme/{name}")).await.expect("connected");
        let others = told["accounts_of_other_services"].as_array().expect("accounts");
        let asked: BTreeSet<&str> = others.iter().map(|row| row["service"].as_str().expect("a service")).collect();
        // Of Books the file names the organisation, so there is nothing to ask.
        let expected =
            ZOHO.iter().map(|(_, other)| *other).filter(|other| ![service, "zoho-books"].contains(other));
        assert_eq!(asked, expected.collect(), "{told:#}");
        assert!(others.iter().all(|row| row["tenant"].is_string() && row["unpinned"].is_null()), "{told:#}");
        passes_whole(&prove(&world, None).await);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_fails_the_proof_of_whichever_service_tells_of_it() {
    let world = zoho(vec!["acme/crm"]).await;
    passes_whole(&prove(&world, None).await);
    // Marketing Automation's user is told by the accounts server, which plays no answer but its own.
    let answers = [
        ("crm", json!({ "org": [{ "zgid": "9" }] })),
        ("books", json!({ "code": 0, "organization": { "organization_id": "9" } })),
        // What another service calls the same account is none of its ids.
        ("desk", json!({ "id": "20071234567" })),
        ("drive", json!({ "data": { "id": "20071234567" } })),
    ];
    for (name, answer) in answers {
        let body = answer.to_string().into_bytes();
        let raw = ApiAnswer::Raw { status: 200, content_type: "application/json".to_owned(), body };
        world.simulator.switches().change(|it| it.api_answers.push_back(raw));
        let told = prove(&world, Some(name)).await;
        let [problem] = failing(&told).try_into().expect("one");
        let [criterion, problem, _] = problem;
        let expected = ["the pinned account", "the answer is about another account than the pinned one"];
        assert_eq!([criterion.as_str(), problem.as_str()], expected, "{name}: {told:#}");
    }
    passes_whole(&prove(&world, None).await);
    world.end().await;
}

/// Writes the workspace's file anew, and reloads.
async fn change(world: &World, tables: &[String]) {
    let path = world.folder().join("home/workspaces/acme.toml");
    let starter = wardlock_plugins::starter("require-purpose").expect("a starter");
    let digest = format!("\"{}\"", Digest::of(starter.bytes));
    std::fs::write(path, workspace("acme", tables).replace("\"@require-purpose\"", &digest)).expect("written");
    let told = world.command(Command::Reload).await.expect("reloaded");
    assert_eq!(told["ok"], true, "{told:#}");
}

async fn look_up(world: &World, name: &str) -> Result<Value, Failure> {
    let command = Command::Connect {
        workspace: "acme".to_owned(),
        connection: name.to_owned(),
        registration: None,
        agent: None,
        how: How::LookUp,
        evict_oldest: false,
        tenant: None,
        scopes: None,
    };
    world.command_as(command, Brought::Nothing, Consent::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_was_never_asked_is_not_proved_until_it_is() {
    // One consent for all three, given before two of them are there.
    let scopes = "scopes = [\"ZohoCRM.coql.READ\", \"ZohoCRM.modules.attachments.READ\", \
                  \"ZohoCRM.modules.contacts.READ\", \"ZohoCRM.modules.leads.READ\", \"ZohoCRM.org.READ\", \
                  \"ZohoCRM.settings.modules.READ\", \"ZohoCRM.users.READ\", \"ZohoSearch.securesearch.READ\", \
                  \"WorkDrive.users.READ\", \"WorkDrive.team.READ\", \"Desk.basic.READ\"]";
    let crm = on("z", "crm", "zoho-crm", scopes);
    let plan = Plan {
        workspaces: vec![("acme", workspace("acme", std::slice::from_ref(&crm)))],
        services: vec!["zoho-crm"],
        connect: vec!["acme/crm"],
        ..Plan::default()
    };
    let world = World::start(plan).await;
    // As in a vault of before: the grant is older than what shares it.
    let drive = on("z", "drive", "zoho-workdrive", "");
    let desk = on("z", "desk", "zoho-desk", "");
    change(&world, &[crm.clone(), drive.clone(), desk.clone()]).await;
    let me = "/acme/drive/workdrive/api/v1/users/me";
    let user = came(&ask(&world, "acme", "GET", me, "").await, 200, "ok")["data"]["id"].clone();
    let (calls, tokens) = (world.api_calls(), world.simulator.token_calls());
    for (name, criterion, service) in
        [("drive", "the pinned account", "zoho-workdrive"), ("desk", "connected", "zoho-desk")]
    {
        let told = prove(&world, Some(name)).await;
        let [problem] = failing(&told).try_into().expect("one");
        assert_eq!(problem[0], criterion, "{told:#}");
        assert!(problem[1].contains(&format!("`{service}` never told")), "{told:#}");
        assert!(problem[2].contains(&format!("`wardlock connect acme/{name} --look-up`")), "{told:#}");
    }
    assert_eq!(world.api_calls(), calls, "with nothing to compare an answer with, nothing is asked");

    let told = look_up(&world, "drive").await.expect("looked up");
    assert_eq!(told["tenant"], user, "{told:#}");
    passes_whole(&prove(&world, Some("drive")).await);
    // All that shares the grant was asked at once.
    passes_whole(&prove(&world, Some("desk")).await);
    passes_whole(&prove(&world, Some("crm")).await);
    let again = look_up(&world, "drive").await.expect_err("it is pinned");
    assert!(again.hint.is_some(), "{again:?}");
    assert_eq!(world.simulator.token_calls(), tokens, "and nobody consented anew");

    // What the file names is compared with what its own service told.
    let named = |tenant: &str| on("z", "drive", "zoho-workdrive", &format!("tenant = \"{tenant}\""));
    change(&world, &[crm.clone(), named(user.as_str().expect("an id")), desk.clone()]).await;
    passes_whole(&prove(&world, Some("drive")).await);
    change(&world, &[crm, named("20071234567"), desk]).await;
    let told = prove(&world, Some("drive")).await;
    assert!(
        failing(&told).iter().any(|[name, problem, _]| name == "connected" && problem.contains("another account"))
    );
    world.end().await;
}
