//! Proofs: each criterion fails by itself, and nothing enables writes without one that holds.

use serde_json::{Value, json};
use wardlock::admin::{Command, Failure};
use wardlock_core::connection::WriteMode;
use wardlock_simulator::{ApiAnswer, EchoToken};

use crate::world::{Left, Plan, World, plugin, workspace};

pub fn plan(region: &str, extra: &str) -> Plan {
    let plugins = plugin("probe", r#"{ mode = "allow" }"#);
    let file = workspace("acme", region, extra, &plugins);
    Plan { workspaces: vec![("acme", file)], guests: vec!["probe"], ..Plan::default() }
}

pub async fn prove(world: &World) -> Value {
    let place = Some(("acme".to_owned(), "zoho".to_owned()));
    let told = world.command(Command::Proof { place, agent: None }).await.expect("a proof");
    assert_eq!(told["passed"], told["proofs"][0]["passed"]);
    told["proofs"][0].clone()
}

pub async fn enable(world: &World, level: &str) -> Result<Value, Failure> {
    let command = |confirmed, basis: Option<String>| Command::Writes {
        workspace: "acme".to_owned(),
        connection: "zoho".to_owned(),
        agent: None,
        level: level.to_owned(),
        confirmed,
        basis,
    };
    let shown = world.command(command(false, None)).await?;
    world.command(command(true, shown["basis"].as_str().map(str::to_owned))).await
}

/// The names of the criteria that do not hold.
fn failing(proof: &Value) -> Vec<String> {
    let of = |value: &Value| value["criteria"].as_array().cloned().unwrap_or_default();
    let requests = proof["requests"].as_array().cloned().unwrap_or_default();
    let all = of(proof).into_iter().chain(requests.iter().flat_map(of));
    let failing = all.filter(|criterion| criterion["holds"] == false);
    failing.map(|criterion| criterion["criterion"].as_str().unwrap_or_default().to_owned()).collect()
}

fn raw(body: &Value) -> ApiAnswer {
    ApiAnswer::Raw {
        status: 200,
        content_type: "application/json".to_owned(),
        body: body.to_string().into_bytes(),
    }
}

async fn passes_in(region: &str) {
    let world = World::start(plan(region, "")).await;
    let proof = prove(&world).await;
    assert_eq!((failing(&proof), &proof["passed"]), (Vec::new(), &json!(true)), "{region}: {proof:#}");
    // The organisation, the modules, and one record of each module that is allowed.
    let asked: Vec<_> =
        proof["requests"].as_array().expect("requests").iter().map(|step| step["request"].clone()).collect();
    let expected = [
        "GET /crm/v8/org",
        "GET /crm/v8/settings/modules",
        "GET /crm/v8/Contacts?fields=id&per_page=1",
        "GET /crm/v8/Leads?fields=id&per_page=1",
    ];
    assert_eq!(asked, expected);
    let (workspace, connection) = ("acme".to_owned(), "zoho".to_owned());
    let shown =
        world.command(Command::ConnectionsShow { workspace, connection, agent: None }).await.expect("shown");
    let ready = &shown["readiness"];
    assert_eq!((&ready["verified"], &ready["writes_enabled"]), (&json!(true), &json!("off")), "{ready:#}");
    let items =
        ready["items"].as_array().expect("items").iter().map(|item| item["item"].as_str().expect("a name"));
    let expected = "redirect, grant, region, least-privilege scopes, proof, plugins, writes, audit, key, freeze";
    assert_eq!(items.collect::<Vec<_>>().join(", "), expected);
    let rows = |ready: &Value| {
        let words = ready["items"][7]["words"].as_str().expect("words");
        words.split(' ').next().expect("a number").parse::<u64>().expect("a number")
    };
    let before = rows(ready);
    world.get("/acme/zoho/crm/v8/Leads?fields=id&per_page=1").await;
    let command = Command::AuditVerify { heads: String::new(), public_key: None };
    world.command(command).await.expect("verified");
    let (workspace, connection) = ("acme".to_owned(), "zoho".to_owned());
    let shown =
        world.command(Command::ConnectionsShow { workspace, connection, agent: None }).await.expect("shown");
    assert!(rows(&shown["readiness"]) > before, "the newest verification is told");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_works_is_proved_in_the_eu() {
    passes_in("eu").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_works_is_proved_in_canada() {
    passes_in("ca").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_criterion_fails_by_itself() {
    let world = World::start(plan("eu", "")).await;
    let answer = |answer: ApiAnswer| world.simulator.switches().change(|it| it.api_answers.push_back(answer));
    answer(raw(&json!({ "org": [{ "zgid": "20079999999" }] })));
    assert_eq!(failing(&prove(&world).await), ["the pinned account"], "another organisation");
    answer(raw(&json!({ "code": "INTERNAL_ERROR", "status": "error", "message": "m", "details": {} })));
    let failed = failing(&prove(&world).await);
    assert!(failed.contains(&"no error in the body".to_owned()), "200 with an error: {failed:?}");
    answer(ApiAnswer::Internal);
    let failed = failing(&prove(&world).await);
    assert!(failed.contains(&"answered with 200 or 204".to_owned()), "500: {failed:?}");
    world.simulator.switches().change(|it| it.echo = EchoToken::Raw);
    let failed = failing(&prove(&world).await);
    assert!(!failed.is_empty() && failed.iter().all(|name| name == "nothing exposed"), "{failed:?}");
    world.simulator.switches().change(|it| it.echo = EchoToken::Off);
    world.simulator.switches().change(|it| it.api_access = false);
    let proof = prove(&world).await;
    assert!(failing(&proof).contains(&"no error in the body".to_owned()), "{proof:#}");
    world.simulator.switches().change(|it| it.api_access = true);
    assert_eq!(failing(&prove(&world).await), [""; 0], "and all is well again");
    world.end().await;
}

/// What each step says of whose account it is: whether that holds, and why nobody looked.
fn of_account(proof: &Value) -> Vec<(Value, Value)> {
    let rows = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let criteria = rows(proof, "requests").into_iter().flat_map(|step| rows(&step, "criteria"));
    let of_account = criteria.filter(|criterion| criterion["criterion"] == "the pinned account");
    of_account.map(|criterion| (criterion["holds"].clone(), criterion["note"].clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_no_answer_tells_is_not_called_the_pinned_one() {
    let world = World::start(plan("eu", "")).await;
    let proof = prove(&world).await;
    let untold = || (Value::Null, json!("not told by this answer"));
    let told = || (json!(true), Value::Null);
    assert_eq!(of_account(&proof), [told(), untold(), untold(), untold()], "{proof:#}");

    let path = world.folder().join("home/workspaces/acme.toml");
    let file = std::fs::read_to_string(&path).expect("the file");
    std::fs::write(&path, file.replace("\"metadata\", ", "")).expect("written");
    world.command(Command::Reload).await.expect("reloaded");
    let proof = prove(&world).await;
    assert_eq!(
        (failing(&proof), of_account(&proof)),
        (vec!["the pinned account".to_owned()], vec![untold(), untold()])
    );
    let criterion = proof["criteria"].as_array().expect("criteria").last().expect("one").clone();
    assert_eq!(criterion["problem"], "no answer tells whose account it is: `the organisation` was left out");
    assert_eq!(criterion["hint"], "add `org.get` to `operations` of the connection");

    // A service whose definition tells no account can show none, and is not blamed for it.
    let definition = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/services/zoho-crm.toml"));
    let definition = definition.expect("the definition").replace("name = \"zoho-crm\"", "name = \"mute\"");
    let lines = definition.lines().filter(|line| !line.starts_with("tenant_pointer"));
    let services = world.folder().join("home/services");
    std::fs::create_dir_all(&services).expect("a folder");
    std::fs::write(services.join("mute.toml"), lines.collect::<Vec<_>>().join("\n")).expect("written");
    std::fs::write(&path, file.replace("\"zoho-crm\"", "\"mute\"")).expect("written");
    let told = world.command(Command::Reload).await.expect("reloaded");
    assert_eq!(told["ok"], true, "{told:#}");
    // What the first service pinned nobody confirms any more.
    world.command(Command::Disconnect { grant: "acme-zoho".to_owned() }).await.expect("given up");
    world.connect("acme/zoho").await.expect("connected");
    let proof = prove(&world).await;
    assert_eq!((failing(&proof), &proof["passed"]), (Vec::new(), &json!(true)), "{proof:#}");
    let open = proof["criteria"].as_array().expect("criteria").last().expect("one").clone();
    assert_eq!(
        (&open["holds"], &open["note"]),
        (&Value::Null, &json!("service `mute` says not where an answer tells it"))
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_regions_and_plugins_are_criteria_too() {
    let narrow = "scopes = [\"ZohoCRM.org.READ\"]";
    let world = World::start(plan("eu", narrow)).await;
    let proof = prove(&world).await;
    assert!(failing(&proof).contains(&"scopes granted".to_owned()), "{proof:#}");
    // The same grant, and a file that says another region.
    let path = world.folder().join("home/workspaces/acme.toml");
    let file = std::fs::read_to_string(&path).expect("the file");
    std::fs::write(&path, file.replace("region = \"eu\"", "region = \"ca\"")).expect("written");
    world.command(Command::Reload).await.expect("reloaded");
    let before = world.api_calls();
    assert_eq!(failing(&prove(&world).await), ["connected"]);
    assert_eq!(world.api_calls(), before, "nothing is asked of the wrong region");
    world.end().await;

    let file = workspace("acme", "eu", "", &plugin("probe", r#"{ mode = "deny" }"#));
    let world =
        World::start(Plan { workspaces: vec![("acme", file)], guests: vec!["probe"], ..Plan::default() }).await;
    let failed = failing(&prove(&world).await);
    assert_eq!(failed, vec!["allowed"; 4]);
    world.end().await;

    let world = World::start(Plan { connect: Vec::new(), ..plan("eu", "") }).await;
    assert_eq!(failing(&prove(&world).await), ["connected"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_need_a_proof_that_holds_and_no_file_enables_them() {
    let world = World::start(plan("eu", "writes = \"draft\"")).await;
    let create = || async {
        let headers = "Accept: application/problem+json\r\nContent-Type: application/json\r\n";
        let body = r#"{"data":[{"Last_Name":"E","Company":"N"}]}"#;
        let said = world.ask("acme", "POST", "/acme/zoho/crm/v8/Leads", headers, body).await.json().expect("json");
        said["code"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(create().await, "writes_off", "the file alone enables nothing");
    let without = enable(&world, "draft").await.expect_err("no proof");
    assert_eq!(without.message, "writes need a proof that holds now, and none was made yet");
    assert_eq!(without.hint.as_deref(), Some("run `wardlock proof acme/zoho`"));

    world.simulator.switches().change(|it| it.api_answers.push_back(ApiAnswer::Internal));
    assert_eq!(prove(&world).await["passed"], false);
    let failed = enable(&world, "draft").await.expect_err("a failed proof");
    assert!(failed.message.contains("failed"), "{}", failed.message);

    assert_eq!(prove(&world).await["passed"], true);
    let (workspace, connection, level) = ("acme".to_owned(), "zoho".to_owned(), "draft".to_owned());
    let basis = Some("what was shown of other rules".to_owned());
    let other = Command::Writes { workspace, connection, agent: None, level, confirmed: true, basis };
    let other = world.command(other).await.expect_err("something else was confirmed");
    assert_eq!(other.message, "the rules or the grant are not those that were shown");
    let beyond = enable(&world, "on").await.expect_err("the ceiling");
    assert_eq!(beyond.message, "the workspace file allows `writes = \"draft\"` at most");
    enable(&world, "draft").await.expect("enabled");
    assert_eq!(create().await, "held");

    // So are other rules, and whoever changes them is told.
    let file = world.folder().join("home/workspaces/acme.toml");
    let before = std::fs::read_to_string(&file).expect("the file");
    let tighter = before.replace("writes = \"draft\"", "writes = \"draft\"\nmax_records = 1");
    assert_ne!(tighter, before);
    for (text, notes) in [(&tighter, 1), (&before, 0)] {
        std::fs::write(&file, text).expect("written");
        let told = world.command(Command::Reload).await.expect("reloaded");
        let problems = told["problems"].as_array().expect("problems");
        assert_eq!((problems.len(), told["ok"] == true), (notes, true), "{told}");
        assert!(
            problems
                .iter()
                .all(|it| it["message"].as_str().is_some_and(|said| said.starts_with("writes are off")))
        );
        assert_eq!(create().await, if notes == 1 { "writes_off" } else { "held" });
    }

    // A new consent is another credential: the level and the proof lapse with the old one.
    world.connect("acme/zoho").await.expect("connected anew");
    assert_eq!(create().await, "writes_off");
    let lapsed = enable(&world, "draft").await.expect_err("the proof's credential changed");
    assert!(lapsed.message.contains("lapsed"), "{}", lapsed.message);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_level_that_somebody_wrote_into_the_database_enables_nothing() {
    let world = World::start(plan("eu", "writes = \"on\"")).await;
    assert_eq!(prove(&world).await["passed"], true);
    let path = world.folder().join("home/state/state.db");
    let attach = format!("ATTACH '{}' AS beside", world.folder().join("kept.db").display());
    let state = || {
        let state = rusqlite::Connection::open(&path).expect("the state");
        state.execute_batch(&attach).expect("attached");
        state
    };
    enable(&world, "on").await.expect("enabled");
    state()
        .execute_batch("CREATE TABLE beside.kept AS SELECT * FROM write_levels")
        .expect("a copy of what is true now");
    enable(&world, "draft").await.expect("enabled");
    let changed = state().execute("UPDATE write_levels SET level = 'on'", []).expect("changed");
    let left = world.leave().await;
    assert_eq!((changed, level_after(&left).await), (1, WriteMode::Off), "changed by hand");
    let older = "DELETE FROM write_levels; INSERT INTO write_levels SELECT * FROM beside.kept";
    state().execute_batch(older).expect("put back");
    assert_eq!(level_after(&left).await, WriteMode::Off, "what was true once");
    left.canaries.scan_folder(left.folder.path(), &[]).expect("no canary in the home");
}

/// The level that a host finds that opens a home.
pub async fn level_after(left: &Left) -> WriteMode {
    let home = wardlock::home::Home::open(&left.folder.path().join("home")).expect("the home");
    let key = wardlock_egress::vault::KeySource::File { path: left.folder.path().join("home/state/vault.key") };
    let dialled = crate::world::dialled(&left.simulator);
    let host = wardlock::host::Host::open(home, &key, dialled, "test").await.expect("a host");
    let acme = wardlock_core::id::WorkspaceName::parse("acme").expect("a name");
    let serving = host.loaded().open(&acme, "zoho").expect("it serves");
    let open = serving.connection.clone();
    let generation = host.egress().grant_status(&open.grant).expect("read").map(|grant| grant.generation);
    assert!(generation.is_some());
    let level = host.write_level(&serving, &open, generation);
    drop(host);
    level
}

#[tokio::test(flavor = "multi_thread")]
async fn what_writes_mean_is_told_as_it_will_be_decided() {
    let more = "\"records.write\", \"mass.update\", \"mass.change_owner\", \"bulk.read.create\", \"mass.delete\"]";
    let file = workspace(
        "acme",
        "eu",
        "writes = \"on\"\nunattended = [\"mass.update\", \"records.update\"]\n[connections.zoho.limits.Leads]\nmax_records = 5\n\
         [connections.zoho.limits.\"records.update\"]\nmax_records = 9",
        &plugin("probe", r#"{ mode = "allow" }"#),
    );
    let file = file.replace("\"records.write\"]", more);
    let world =
        World::start(Plan { workspaces: vec![("acme", file)], guests: vec!["probe"], ..Plan::default() }).await;
    assert_eq!(prove(&world).await["passed"], true);
    let told = enable(&world, "on").await.expect("on");
    let row = |name: &str| {
        let rows = told["will_be_able_to"].as_array().expect("rows");
        rows.iter().find(|row| row["operation"] == name).unwrap_or_else(|| panic!("no {name} in {told:#}")).clone()
    };
    let uncounted = "held for a person: nobody can tell how many records it touches";
    assert_eq!(row("mass.change_owner")["how"], uncounted);
    assert_eq!(row("mass.delete")["how"], "held for a person: it destroys");
    assert_eq!(row("records.create")["how"], "passes, up to the limit of records");
    // A bound of a resource counts, too, where nobody need say yes.
    assert_eq!(row("records.update")["how"], "passes, up to 9 records; up to the limits of `Leads` on those");
    let some =
        "passes, however many records; held for a person on `Leads`: nobody can tell how many records it touches";
    assert_eq!(row("mass.update")["how"], some);
    let bounds: Vec<_> = told["limits"].as_array().expect("limits").iter().map(|row| &row["taken_for"]).collect();
    assert_eq!(bounds, [&json!("a resource"), &json!("an operation")], "{told:#}");
    let bulk = "passes, as a read; with `callback` in its body it destroys, and is held for a person";
    assert_eq!(
        (&row("bulk.read.create")["how"], &row("bulk.read.create")["effect"]),
        (&json!(bulk), &json!("read"))
    );
    assert!(told["scopes_granted"].as_array().is_some_and(|scopes| !scopes.is_empty()), "{told:#}");
    assert_eq!(
        (&told["enabled"], &enable(&world, "off").await.expect("off")["enabled"]),
        (&json!(true), &json!(false))
    );
    world.end().await;
}

/// An item of the readiness of a connection.
async fn item(world: &World, connection: &str, name: &str) -> Value {
    let (workspace, connection) = ("acme".to_owned(), connection.to_owned());
    let shown =
        world.command(Command::ConnectionsShow { workspace, connection, agent: None }).await.expect("shown");
    let items = shown["readiness"]["items"].as_array().expect("items").clone();
    let found = items.into_iter().find(|item| item["item"] == name).expect("the item");
    json!({ "holds": found["holds"], "words": found["words"], "verified": shown["readiness"]["verified"] })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_the_provider_took_back_is_neither_ready_nor_proved() {
    let world = World::start(plan("eu", "")).await;
    assert_eq!(prove(&world).await["passed"], true);
    assert_eq!(item(&world, "zoho", "grant").await, json!({ "holds": true, "words": "works", "verified": true }));
    world.simulator.revoke_user("owner@eu.acme.example");
    world.get("/acme/zoho/crm/v8/Leads?fields=id&per_page=1").await;
    let grant = item(&world, "zoho", "grant").await;
    assert_eq!((&grant["holds"], &grant["verified"]), (&json!(false), &json!(false)), "{grant}");
    assert!(grant["words"].as_str().is_some_and(|words| words.contains(" needs consent: ")), "{grant}");
    assert!(failing(&prove(&world).await).contains(&"connected".to_owned()));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_that_another_connection_of_the_grant_needs_are_none_too_many() {
    let plugins = plugin("probe", r#"{ mode = "allow" }"#);
    let wide = workspace("acme", "eu", "", &plugins);
    let narrow = "[connections.contacts]\nlabel = \"test\"\nservice = \"zoho-crm\"\nregion = \"eu\"\ngrant = \"acme-zoho\"\n\
                  resources = [\"Contacts\"]\noperations = [\"metadata\", \"records.read\"]\n";
    let file = format!("{wide}\n{narrow}\n{}", plugins.replace("connections.zoho", "connections.contacts"));
    let world =
        World::start(Plan { workspaces: vec![("acme", file)], guests: vec!["probe"], ..Plan::default() }).await;
    for connection in ["zoho", "contacts"] {
        let scopes = item(&world, connection, "least-privilege scopes").await;
        assert_eq!(scopes["holds"], true, "{connection}: {scopes}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_asks_for_no_scopes_of_another_environment() {
    let other = |environment: &str| {
        format!(
            "[connections.other]\nlabel = \"test\"\nservice = \"zoho-crm\"\nregion = \"eu\"\ngrant = \"acme-zoho\"\n\
             environment = \"{environment}\"\nresources = [\"Deals\"]\noperations = [\"records.read\"]\n"
        )
    };
    for (environment, is_asked_for) in [("production", true), ("sandbox", false)] {
        let file = format!("{}\n{}", workspace("acme", "eu", "", ""), other(environment));
        let world = World::start(Plan { workspaces: vec![("acme", file)], ..Plan::default() }).await;
        let (workspace, connection) = ("acme".to_owned(), "zoho".to_owned());
        let shown = world.command(Command::ConnectionsShow { workspace, connection, agent: None }).await;
        let shown = shown.expect("shown");
        let scopes = shown["scopes_of_consent"].to_string();
        assert!(scopes.contains("leads"), "{scopes}");
        assert_eq!(scopes.contains("deals"), is_asked_for, "{environment}: {scopes}");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_fails_ends_what_an_older_one_enabled() {
    let world = World::start(plan("eu", "writes = \"on\"")).await;
    assert_eq!(prove(&world).await["passed"], true);
    enable(&world, "on").await.expect("enabled");
    let show = || async {
        let (workspace, connection) = ("acme".to_owned(), "zoho".to_owned());
        world.command(Command::ConnectionsShow { workspace, connection, agent: None }).await.expect("shown")
    };
    assert_eq!((&show().await["writes"], &show().await["writes_at_most"]), (&json!("on"), &json!("on")));
    let again = prove(&world).await;
    assert_eq!((&again["passed"], &again["writes_ended"]), (&json!(true), &json!(false)));
    assert_eq!(show().await["writes"], "on", "a proof that passes takes nothing");

    world.simulator.switches().change(|it| it.api_answers.push_back(ApiAnswer::Internal));
    let failed = prove(&world).await;
    assert_eq!((&failed["passed"], &failed["writes_ended"]), (&json!(false), &json!(true)));
    let shown = show().await;
    assert_eq!((&shown["writes"], &shown["writes_at_most"]), (&json!("off"), &json!("on")));
    let items = &shown["readiness"]["items"];
    assert_eq!((&items[4]["item"], &items[4]["holds"]), (&json!("proof"), &json!(false)), "{items}");
    let words = "off: the newest proof failed, and ends whatever was enabled before it";
    assert_eq!(items[6]["words"], words, "{items}");
    let listed = world.command(Command::ConnectionsList).await.expect("listed");
    assert_eq!((&listed[0]["writes"], &listed[0]["writes_at_most"]), (&json!("off"), &json!("on")));
    assert_eq!(prove(&world).await["writes_ended"], false, "one that passes enables nothing by itself");
    assert_eq!(show().await["writes"], "off");
    let left = world.leave().await;
    assert_eq!(level_after(&left).await, WriteMode::Off);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_named_only_where_consents_are_its_own() {
    let world = World::start(plan("eu", "writes = \"draft\"")).await;
    assert_eq!(prove(&world).await["passed"], true);
    let agent = || Some("ghost".to_owned());
    let writes = |level: &str| Command::Writes {
        workspace: "acme".to_owned(),
        connection: "zoho".to_owned(),
        agent: agent(),
        level: level.to_owned(),
        confirmed: true,
        basis: None,
    };
    let place = || ("acme".to_owned(), "zoho".to_owned());
    let show =
        Command::ConnectionsShow { workspace: "acme".to_owned(), connection: "zoho".to_owned(), agent: agent() };
    for command in [writes("draft"), writes("off"), Command::Proof { place: Some(place()), agent: agent() }, show]
    {
        let refused = world.command(command).await.expect_err("nobody's own");
        assert_eq!(refused.exit, 2, "{refused:?}");
        assert!(refused.message.contains("the workspace's"), "{refused:?}");
        assert!(refused.hint.as_deref().is_some_and(|hint| hint.contains("leave `--agent` out")), "{refused:?}");
    }
    world.end().await;
}
