//! The recorder, through the whole product: what plugins see is kept sealed where a workspace wants it, asked again by `audit
//! replay` and made a case of by `plugin case`.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::Value;
use wardlock::admin::Command;
use wardlock_core::id::Digest;
use wardlock_egress::vault::Purpose;
use wardlock_tests::raw::RawReply;

use crate::answers::judge;
use crate::copies::{RECIPIENT, act, identity, run};
use crate::world::{Plan, World, plugin, workspace};

pub const LEADS: &str = "/acme/zoho/crm/v8/Leads?fields=Last_Name,Email&per_page=2";
const COQL: &str = "/acme/zoho/crm/v8/coql";
const QUERY: &str = r#"{"select_query":"select Last_Name from Leads where Last_Name is not null limit 2"}"#;
pub const RECORDER: &str = "\n[recorder]\nkeep = \"7d\"\n";

/// A world that records, with these plugins.
pub async fn recording(plugins: &str, recorder: &str) -> World {
    let file = workspace("acme", "eu", "", plugins) + recorder;
    let guests = vec!["judge", "probe"];
    World::start(Plan { workspaces: vec![("acme", file)], guests, ..Plan::default() }).await
}

fn state(world: &World) -> PathBuf {
    world.folder().join("home/state")
}

fn database(world: &World) -> Connection {
    Connection::open(state(world).join("recordings.db")).expect("the recordings")
}

/// Writes the workspace's file anew, as an operator does, and has it taken.
pub async fn change(world: &World, plugins: &str, recorder: &str) {
    let mut text = workspace("acme", "eu", "", plugins) + recorder;
    for guest in ["judge", "probe"] {
        let digest = Digest::of(wardlock_tests::guests::guest(guest));
        text = text.replace(&format!("\"@guest:{guest}\""), &format!("\"{digest}\""));
    }
    let text = wardlock::policy::with_digests(&text);
    fs::write(world.folder().join("home/workspaces/acme.toml"), text).expect("written");
    let reloaded = world.command(Command::Reload).await.expect("reloaded");
    assert_eq!(reloaded["ok"], true, "{reloaded}");
}

pub async fn replay(world: &World) -> Value {
    let command = Command::AuditReplay { workspace: None, request_id: None, limit: 100 };
    world.command(command).await.expect("a replay")
}

pub fn id(reply: &RawReply) -> String {
    reply.header("wardlock-request-id").expect("a request id").to_owned()
}

async fn count(world: &World, of: &str) -> String {
    world.host.recorder().flush();
    let name = format!("wardlock_recordings_total{{result=\"{of}\"}}");
    world.series().await.get(&name).map_or_else(String::new, f64::to_string)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_recorded_without_the_table() {
    let world = World::start(Plan::default()).await;
    assert_eq!(world.get(LEADS).await.status, 200);
    let told = replay(&world).await;
    assert_eq!(
        (&told["requests"], &told["recording"], &told["ok"]),
        (&0.into(), &Value::Array(vec![]), &true.into())
    );
    assert!(!state(&world).join("recordings.db").exists());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_recorded_is_sealed_and_says_the_same_again() {
    let world = recording(&(plugin("probe", "{ mode = \"allow\" }") + &plugin("read-only", "{}")), RECORDER).await;
    let purpose = "Wardlock-Purpose: MARKED-PURPOSE\r\n";
    let reply =
        world.ask("acme", "POST", COQL, &format!("{purpose}Content-Type: application/json\r\n"), QUERY).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    let dry = world.ask("acme", "GET", LEADS, "Wardlock-Dry-Run: true\r\n", "").await;
    assert_eq!((dry.status, dry.header("wardlock-decision")), (200, Some("allow")), "{dry:?}");
    let told = replay(&world).await;
    assert_eq!(
        (&told["requests"], &told["decisions"], &told["same"]),
        (&1.into(), &2.into(), &2.into()),
        "{told}"
    );
    assert_eq!(act(&world.host, "audit.replay"), "ok");
    for file in ["recordings.db", "recordings.db-wal"] {
        let bytes = fs::read(state(&world).join(file)).unwrap_or_default();
        for hidden in ["MARKED-PURPOSE", "select_query", "Last_Name", "agent-acme", "probe", "allow"] {
            let is_in = bytes.windows(hidden.len()).any(|found| found == hidden.as_bytes());
            assert!(!is_in, "`{hidden}` is readable in {file}");
        }
    }
    // The bytes of the body are there for the plugin that saw them.
    assert!(opened(&world, &id(&reply)).contains("eyJzZWxlY3RfcXVlcnki"));
    world.end().await;
}

/// Where a record is sealed for: its workspace and request, each preceded by its length.
fn aad(workspace: &str, request_id: &str) -> Vec<u8> {
    let mut aad = b"wardlock/recording/1".to_vec();
    for part in [workspace, request_id] {
        aad.extend((part.len() as u64).to_be_bytes());
        aad.extend(part.as_bytes());
    }
    aad
}

/// What is in a record, as somebody with the vault's key reads it.
pub fn opened(world: &World, request_id: &str) -> String {
    world.host.recorder().flush();
    let sql = "SELECT sealed FROM recordings WHERE request_id = ?1";
    let sealed: Vec<u8> = database(world).query_row(sql, [request_id], |row| row.get(0)).expect("a record");
    let opened = world.host.vault().keys().open(Purpose::Recordings, &aad("acme", request_id), &sealed);
    String::from_utf8(opened.expect("it opens").to_vec()).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_bounded_and_expires_and_goes_with_its_table_and_into_no_backup() {
    let world = recording(&plugin("read-only", "{}"), "\n[recorder]\nkeep = \"1h\"\nrequests = 3\n").await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(id(&world.get(LEADS).await));
    }
    assert_eq!(replay(&world).await["requests"], 3);
    let one = |id: &str| Command::AuditReplay { workspace: None, request_id: Some(id.to_owned()), limit: 1 };
    assert_eq!(world.command(one(&ids[4])).await.expect("a replay")["same"], 1);
    let gone = world.command(one(&ids[1])).await.expect_err("it was the second oldest");
    assert!(gone.message.contains("there is no record"), "{gone:?}");

    let doctor = world.command(Command::Doctor).await.expect("checks").to_string();
    assert!(doctor.contains("`acme` has 3 of at most 3 requests"), "{doctor}");

    let (home, file, copy) =
        (world.folder().join("home"), world.folder().join("b.age"), world.folder().join("copy"));
    let path = |path: &Path| path.to_str().expect("text").to_owned();
    let create = ["backup", "create", &path(&file), "--recipient", RECIPIENT];
    run(&world.canaries, &home, &create, "").await.ok().expect("a backup");
    let identity = identity(world.folder());
    let restore = ["backup", "restore", &path(&file), "--identity", &identity];
    run(&world.canaries, &copy, &restore, "").await.ok().expect("a home");
    assert!(copy.join("state/state.db").exists() && !copy.join("state/recordings.db").exists());

    let hour_ms = 3_600_000;
    world.host.recorder().settle(&world.host.loaded(), world.host.now_ms() + hour_ms);
    assert_eq!(replay(&world).await["requests"], 0, "they have expired");
    world.get(LEADS).await;
    assert_eq!(replay(&world).await["requests"], 1);
    change(&world, &plugin("read-only", "{}"), "").await;
    let left: i64 =
        database(&world).query_row("SELECT count(*) FROM recordings", [], |row| row.get(0)).expect("a count");
    assert_eq!(left, 0, "the recorder was switched off");
    world.get(LEADS).await;
    assert_eq!(replay(&world).await["requests"], 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_says_the_same_of_every_kind_of_verdict_and_tells_what_a_changed_chain_would_say() {
    let takes = r#"{ takes = [{ key = "reads", limit = 2, window = 31536000 }] }"#;
    let mask = plugin("field-mask", r#"{ hide = ["Email"] }"#);
    let chain = |purpose: &str, mask: &str| {
        plugin("read-only", "{}")
            + mask
            + &judge("limiter", "\"quota\"", takes)
            + &plugin("require-purpose", purpose)
    };
    let world = recording(&chain("{ broad_above = 1 }", &mask), RECORDER).await;
    let purpose = "Wardlock-Purpose: the weekly report of new leads\r\n";
    for headers in ["", purpose, purpose, purpose] {
        world.ask("acme", "GET", LEADS, headers, "").await;
    }
    // Denied by the last, allowed twice, and used up; what is asked of answers is not recorded.
    let told = replay(&world).await;
    assert_eq!(
        (&told["requests"], &told["decisions"], &told["ok"]),
        (&4.into(), &15.into(), &true.into()),
        "{told}"
    );
    assert_eq!((&told["same"], &told["rows"]), (&15.into(), &Value::Array(vec![])), "{told}");
    // Nothing was sent or taken by that.
    assert_eq!(world.api_calls(), 2);

    change(&world, &chain("{ broad_above = 1000 }", ""), RECORDER).await;
    let told = replay(&world).await;
    assert_eq!(
        (&told["ok"], &told["same"], &told["otherwise_now"]),
        (&true.into(), &15.into(), &1.into()),
        "{told}"
    );
    let rows = told["rows"].as_array().expect("rows");
    let of = |plugin: &str| rows.iter().filter(|row| row["plugin"] == plugin).cloned().collect::<Vec<_>>();
    assert!(of("field-mask").iter().all(|row| row["now"]["changed"][0] == "gone"), "{told}");
    assert_eq!((of("field-mask").len(), of("read-only").len(), of("limiter").len()), (4, 0, 0), "{told}");
    let changed = of("require-purpose");
    assert!(changed.iter().all(|row| row["now"]["changed"][0] == "settings"), "{told}");
    let denied = changed.iter().find(|row| row["recorded"] != "allow").expect("the denied one");
    assert_eq!(denied["now"]["says"], "allow", "{denied}");
    assert!(denied["now"]["differences"][0].as_str().is_some_and(|line| line.contains("now `allow`")), "{denied}");
    // As a person reads it, with its exit code: a change is no defect.
    let shown = shown(&world, &["audit", "replay"]).await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(shown.stdout.contains("now with other settings: says `allow`"), "{shown:?}");
    assert!(
        shown.stdout.contains("15 of 15 decisions in 4 requests say the same; 1 would be decided otherwise now")
    );
    world.end().await;
}

/// Runs the executable on the world's home, for a person.
pub async fn shown(world: &World, args: &[&str]) -> wardlock_tests::home::Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_wardlock"));
    command.arg("--home").arg(world.folder().join("home")).args(args);
    let output = tokio::task::spawn_blocking(move || command.output().expect("it runs")).await.expect("a thread");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    world.canaries.scan("what a command said", &output.stdout).expect("no canary");
    wardlock_tests::home::Output {
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_that_is_not_met_again_is_a_defect_and_a_record_elsewhere_is_not_opened() {
    let world = recording(&plugin("read-only", "{}"), RECORDER).await;
    let ids = [id(&world.get(LEADS).await), id(&world.get(LEADS).await), id(&world.get(LEADS).await)];
    // Somebody with the vault's key writes another verdict than the plugin's.
    let forged = opened(&world, &ids[0]).replace("\"verdict\":\"allow\"", "\"verdict\":\"deny\"");
    let sealed = world.host.vault().keys().seal(Purpose::Recordings, &aad("acme", &ids[0]), forged.as_bytes());
    let database = database(&world);
    let update = "UPDATE recordings SET sealed = ?2 WHERE request_id = ?1";
    database.execute(update, rusqlite::params![ids[0], sealed.expect("sealed")]).expect("written");
    // And somebody without it puts one record in another's place.
    let swap = "UPDATE recordings SET sealed = (SELECT sealed FROM recordings WHERE request_id = ?2) WHERE request_id = ?1";
    database.execute(swap, [&ids[1], &ids[2]]).expect("written");
    let told = replay(&world).await;
    assert_eq!(
        (&told["defects"], &told["unreadable"], &told["same"]),
        (&1.into(), &1.into(), &1.into()),
        "{told}"
    );
    let rows = told["rows"].as_array().expect("rows");
    let of = |id: &str| rows.iter().find(|row| row["request"] == id).expect("a row");
    assert_eq!(of(&ids[0])["differences"][0], "verdict: recorded `deny`, now `allow`");
    assert!(of(&ids[1])["why"].as_str().is_some_and(|why| why.contains("do not open here")), "{told}");
    assert_eq!(act(&world.host, "audit.replay"), "defects");
    let shown = shown(&world, &["audit", "replay"]).await;
    assert_eq!(shown.code, Some(1), "{shown:?}");
    assert!(shown.stdout.contains("DEFECT") && shown.stdout.contains("UNREADABLE"), "{shown:?}");
    database.execute("UPDATE recordings SET workspace = 'other'", []).expect("written");
    assert_eq!(replay(&world).await["unreadable"], 3, "a record opens in its own workspace only");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_reads_a_folder_is_replayed_as_long_as_its_files_are_those() {
    let world = recording(&plugin("read-only", "{}"), RECORDER).await;
    let home = world.folder().join("home");
    fs::write(home.join("plugins/reader.wasm"), wardlock_tests::guests::guest("reader")).expect("written");
    fs::create_dir(home.join("plugins/lists")).expect("a folder");
    fs::write(home.join("plugins/lists/allowed.txt"), "report\n").expect("written");
    let digest = Digest::of(wardlock_tests::guests::guest("reader"));
    let reader = format!(
        "[[connections.zoho.plugins]]\nname = \"reader\"\nsha256 = \"{digest}\"\ncapabilities = [\"folder\"]\nfolder = \"lists\"\n"
    );
    change(&world, &reader, RECORDER).await;
    let reply = world.ask("acme", "GET", LEADS, "Wardlock-Purpose: report\r\n", "").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let told = replay(&world).await;
    assert_eq!((&told["same"], &told["ok"]), (&1.into(), &true.into()), "{told}");
    fs::write(home.join("plugins/lists/allowed.txt"), "audit\n").expect("written");
    change(&world, &reader, RECORDER).await;
    // The files are not recorded: it is said so, and what the new ones would decide.
    let told = replay(&world).await;
    assert_eq!((&told["not_replayed"], &told["otherwise_now"]), (&1.into(), &1.into()), "{told}");
    let row = &told["rows"][0];
    assert!(row["why"].as_str().is_some_and(|why| why.contains("not recorded")), "{row}");
    assert_eq!(row["now"]["changed"], serde_json::json!(["settings"]), "{row}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_request_becomes_a_case_that_holds() {
    let takes = r#"{ takes = [{ key = "reads", limit = 1, window = 31536000 }] }"#;
    let mask = plugin("field-mask", r#"{ hide = ["Email"] }"#);
    let chain = plugin("read-only", "{}") + &mask + &judge("limiter", "\"quota\"", takes);
    let world = recording(&chain, RECORDER).await;
    let (first, second) = (id(&world.get(LEADS).await), id(&world.get(LEADS).await));
    let cases = world.folder().join("cases");
    fs::create_dir(&cases).expect("made");
    let file = cases.join("email-is-left-out.toml");
    let out = file.to_str().expect("text");
    let args =
        ["plugin", "case", &first, "--plugin", "field-mask", "--promise", "Email is left out.", "--out", out];
    let made = shown(&world, &args).await.ok().expect("made");
    assert!(made.stdout.contains("verdict: shape"), "{made:?}");
    let text = fs::read_to_string(&file).expect("the case");
    assert!(text.starts_with("# Email is left out.\n[settings]\nhide = [\"Email\"]\n"), "{text}");
    assert!(text.contains(&format!("id = \"{first}\"\n")) && text.contains("agent = \"agent-acme\"\n"), "{text}");
    let held = ["plugin", "test", "field-mask", "--cases", cases.to_str().expect("text")];
    assert_eq!(shown(&world, &held).await.ok().expect("it holds").stdout, "1 case holds\n");
    assert_eq!(act(&world.host, "plugin.case"), "ok");

    let told = |output: wardlock_tests::home::Output, code: i32, says: &str| {
        assert_eq!(output.code, Some(code), "{output:?}");
        assert!(output.stderr.contains(says) && output.stdout.is_empty(), "{output:?}");
    };
    told(
        shown(&world, &["plugin", "case", &first]).await,
        2,
        "plugins that were asked of the request: read-only, field-mask, limiter",
    );
    told(shown(&world, &["plugin", "case", &first, "--plugin", "other"]).await, 1, "was not asked");
    told(
        shown(&world, &["plugin", "case", &second, "--plugin", "limiter"]).await,
        1,
        "a case starts from nothing taken",
    );
    // A body that no plugin saw is not recorded; a case of one that does not look at it holds all the same.
    let query = world.ask("acme", "POST", COQL, "Content-Type: application/json\r\n", QUERY).await;
    let made = shown(&world, &["plugin", "case", &id(&query), "--plugin", "read-only"]).await.ok().expect("made");
    assert!(made.stdout.contains(&format!("body = \"{}\"", " ".repeat(QUERY.len()))), "{made:?}");
    assert!(made.stdout.contains("spaces stand for it") && !made.stdout.contains("select"), "{made:?}");
    let none = format!("req_{}", "0".repeat(32));
    told(shown(&world, &["plugin", "case", &none]).await, 1, "there is no record of request `req_0");
    told(shown(&world, &["plugin", "case", "none"]).await, 2, "REQUEST-ID");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_traps_traps_again_and_a_replay_trips_nothing_that_serves() {
    let world = recording(&judge("fragile", "", r#"{ request = "trap-on-purpose" }"#), RECORDER).await;
    let trap = "Accept: application/problem+json\r\nWardlock-Purpose: trap\r\n";
    let trapped =
        [world.ask("acme", "GET", LEADS, trap, "").await, world.ask("acme", "GET", LEADS, trap, "").await];
    assert!(trapped.iter().all(|reply| reply.json().expect("a refusal")["code"] == "plugin_trap"), "{trapped:?}");
    for _ in 0..4 {
        let told = replay(&world).await;
        assert_eq!((&told["same"], &told["ok"]), (&2.into(), &true.into()), "{told}");
    }
    assert_eq!(world.get(LEADS).await.status, 200, "eight more traps would have tripped it");
    let case = shown(&world, &["plugin", "case", &id(&trapped[0])]).await;
    assert_eq!(case.code, Some(1), "{case:?}");
    assert!(case.stderr.contains("gave no verdict"), "{case:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_store_refuses_no_request() {
    let world = World::start(Plan::default()).await;
    let file = state(&world).join("recordings.db");
    let mut open = fs::OpenOptions::new();
    let mut broken = open.write(true).create_new(true).mode(0o600).open(&file).expect("made");
    broken.write_all(&[b'x'; 8192]).expect("written");
    change(&world, &plugin("read-only", "{}"), RECORDER).await;
    assert_eq!(world.get(LEADS).await.status, 200);
    assert_eq!(count(&world, "failed").await, "1");
    let doctor = world.command(Command::Doctor).await.expect("checks");
    let checks = doctor["checks"].as_array().expect("checks").iter();
    let check = checks.clone().find(|check| check["check"] == "recorder").expect("the recorder's check");
    assert_eq!(check["state"], "red", "{check}");
    let command = Command::AuditReplay { workspace: None, request_id: None, limit: 1 };
    let failed = world.command(command).await.expect_err("it cannot be read");
    assert!(failed.hint.is_some_and(|hint| hint.contains("recordings.db")), "{}", failed.message);
    // Moved away, it is made anew.
    fs::remove_file(&file).expect("removed");
    change(&world, &plugin("read-only", "{}"), RECORDER).await;
    assert_eq!(world.get(LEADS).await.status, 200);
    assert_eq!(count(&world, "kept").await, "1");
    // And one that breaks while it is used: its file ends in the middle.
    let pages = fs::OpenOptions::new().write(true).open(&file).expect("the file");
    let beside = fs::OpenOptions::new().write(true).open(state(&world).join("recordings.db-wal"));
    beside.expect("the log beside it").set_len(0).expect("cut");
    pages.set_len(600).expect("cut");
    for _ in 0..3 {
        assert_eq!(world.get(LEADS).await.status, 200);
    }
    world.end().await;
}
