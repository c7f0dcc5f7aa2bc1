//! Plugins that attack, through the whole product: each costs its own request a refusal with its own code, its row
//! says which plugin it was and how long it took, and nothing is sent.

use std::fmt::Write as _;
use std::fs;

use wardlock::admin::Command;
use wardlock_core::id::Digest;
use wardlock_tests::guests::guest;

use crate::world::{Plan, World, plugin, workspace};

const LEADS: &str = "/acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=2";
const PROBLEM: &str = "Accept: application/problem+json\r\n";

/// A plugin, its settings, and what comes of a request: code, status, the verdict in its row.
type Attack = (&'static str, &'static str, &'static str, u16, &'static str);

const ATTACKS: [Attack; 28] = [
    ("loop-in-request", "{}", "plugin_timeout", 503, "fault"),
    ("loop-after-answer", "{}", "plugin_timeout", 503, "fault"),
    ("loop-of-fills", "{}", "plugin_timeout", 503, "fault"),
    ("memory-grows", "{}", "plugin_memory", 503, "fault"),
    ("table-grows", "{}", "plugin_memory", 503, "fault"),
    ("recurses", "{}", "plugin_trap", 503, "fault"),
    ("unreachable", "{}", "plugin_trap", 503, "fault"),
    ("reads-beyond-memory", "{}", "plugin_trap", 503, "fault"),
    ("probe", r#"{ mode = "exit" }"#, "plugin_trap", 503, "fault"),
    ("much-from-little", "{}", "plugin_nonsense", 503, "fault"),
    ("many-empty-notes", "{}", "plugin_nonsense", 503, "fault"),
    ("string-beyond-memory", "{}", "plugin_nonsense", 503, "fault"),
    ("answer-misaligned", "{}", "plugin_nonsense", 503, "fault"),
    ("code-not-utf8", "{}", "plugin_nonsense", 503, "fault"),
    ("verdict-of-no-kind", "{}", "plugin_nonsense", 503, "fault"),
    ("probe", r#"{ mode = "many-edits", size = 65 }"#, "plugin_nonsense", 503, "fault"),
    ("probe", r#"{ mode = "deny", message = "two\nlines" }"#, "plugin_nonsense", 503, "fault"),
    ("probe", r#"{ mode = "deny" }"#, "policy_denied", 403, "deny"),
    ("probe", r#"{ mode = "hold" }"#, "held", 403, "hold"),
    ("probe", r#"{ mode = "shape", edits = [["set-header", "host", "evil"]] }"#, "shape_widened", 403, "shape"),
    (
        "probe",
        r#"{ mode = "shape", edits = [["set-header", "authorization", "x"]] }"#,
        "shape_widened",
        403,
        "shape",
    ),
    ("probe", r#"{ mode = "shape", edits = [["set-header", "cookie", "a=b"]] }"#, "shape_widened", 403, "shape"),
    ("probe", r#"{ mode = "shape", edits = [["set-header", "connection", "x"]] }"#, "shape_widened", 403, "shape"),
    (
        "probe",
        r#"{ mode = "shape", edits = [["set-header", "wardlock-purpose", "x"]] }"#,
        "shape_widened",
        403,
        "shape",
    ),
    (
        "probe",
        r#"{ mode = "shape", edits = [["set-header", "if-modified-since", "a\r\nHost: evil"]] }"#,
        "shape_widened",
        403,
        "shape",
    ),
    ("probe", r#"{ mode = "shape", edits = [["set-query", "authtoken", "x"]] }"#, "shape_widened", 403, "shape"),
    ("probe", r#"{ mode = "shape", edits = [["set-query", "per_page", "200"]] }"#, "shape_widened", 403, "shape"),
    ("probe", r#"{ mode = "shape", edits = [["replace-body", "{}"]] }"#, "shape_widened", 403, "shape"),
];

/// A workspace with a connection for each attack, `a0` and on, and an honest one.
fn attacked() -> Plan {
    let mut file = workspace("acme", "eu", "", &plugin("read-only", "{}"));
    for (at, (name, settings, ..)) in ATTACKS.iter().enumerate() {
        let _ = write!(
            file,
            "\n[connections.a{at}]\nlabel = \"t\"\nservice = \"zoho-crm\"\nregion = \"eu\"\ngrant = \"acme-zoho\"\n\
             resources = [\"Leads\"]\noperations = [\"records.read\"]\n{}\
             limits = {{ time = \"100ms\", memory = \"32MiB\" }}\n",
            plugin(name, settings).replace("connections.zoho", &format!("connections.a{at}"))
        );
    }
    let mut guests: Vec<&str> = ATTACKS.iter().map(|attack| attack.0).collect();
    guests.sort_unstable();
    guests.dedup();
    Plan { workspaces: vec![("acme", file)], guests, ..Plan::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_each_attack_has_its_own_refusal_and_row_and_sends_nothing() {
    let world = World::start(attacked()).await;
    let before = world.api_calls();
    for (at, (name, settings, code, status, verdict)) in ATTACKS.iter().enumerate() {
        let what = format!("{name} {settings}");
        let path = format!("/acme/a{at}/crm/v8/Leads?fields=Last_Name&per_page=2");
        let reply = world.ask("acme", "GET", &path, PROBLEM, "").await;
        let said = reply.json().expect("json");
        assert_eq!((reply.status, said["code"].as_str()), (*status, Some(*code)), "{what}: {said}");
        assert_eq!(said["plugin"], *name, "{what}");
        let rows = world.rows(&reply);
        assert_eq!(rows.len(), 1, "{what}");
        let detail = &rows[0].detail;
        assert_eq!(detail.refusal.as_ref().map(|refusal| refusal.code.as_str()), Some(*code), "{what}");
        let judged = &detail.request.as_ref().expect("a request").plugins[0];
        assert_eq!((judged.name.as_str(), judged.verdict.as_str()), (*name, *verdict), "{what}");
        assert_eq!(judged.sha256, Digest::of(guest(name)).to_string(), "{what}");
        assert!(judged.micros > 0, "{what}: {judged:?}");
        if *code == "plugin_timeout" {
            assert!((100_000..10_000_000).contains(&judged.micros), "{what}: {judged:?}");
        }
    }
    assert_eq!(world.api_calls(), before, "something was sent");
    assert_eq!(world.get(LEADS).await.status, 200, "an honest plugin after them");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_nothing_of_one_request_is_left_for_the_next_of_another_workspace() {
    // It traps where it finds anything that an earlier request left.
    let [acme, globex] = ["acme", "globex"].map(|name| workspace(name, "eu", "", &plugin("remembers", "{}")));
    let plan = Plan {
        workspaces: vec![("acme", acme), ("globex", globex)],
        guests: vec!["remembers"],
        connect: vec!["acme/zoho", "globex/zoho"],
        ..Plan::default()
    };
    let world = World::start(plan).await;
    for name in ["acme", "globex", "acme", "globex"] {
        let path = format!("/{name}/zoho/crm/v8/Leads?fields=Last_Name&per_page=2");
        let reply = world.ask(name, "GET", &path, "", "").await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_a_file_that_is_swapped_torn_or_linked_never_runs() {
    let world = World::start(Plan { guests: vec!["probe"], ..Plan::default() }).await;
    let file = world.folder().join("home/plugins/read-only.wasm");
    let honest = fs::read(&file).expect("the plugin");
    let digest = Digest::of(&honest).to_string();
    let ran = |reply: &wardlock_tests::raw::RawReply| {
        let request = world.rows(reply)[0].detail.request.clone().expect("a request");
        request.plugins[0].sha256.clone()
    };
    let elsewhere = world.folder().join("elsewhere.wasm");
    fs::write(&elsewhere, guest("allows")).expect("written");
    for swap in ["another", "torn", "linked"] {
        match swap {
            "another" => fs::write(&file, guest("allows")).expect("written"),
            "torn" => fs::write(&file, &honest[..honest.len() / 2]).expect("written"),
            _ => {
                fs::remove_file(&file).expect("removed");
                std::os::unix::fs::symlink(&elsewhere, &file).expect("linked");
            }
        }
        let reply = world.get(LEADS).await;
        assert_eq!((reply.status, ran(&reply)), (200, digest.clone()), "{swap}: what was loaded runs on");
        // Requests go on while it is loaded anew: each is judged by the pinned plugin or by nobody.
        let (reloaded, during) = tokio::join!(world.command(Command::Reload), world.get(LEADS));
        assert_eq!(reloaded.expect("reloaded")["ok"], false, "{swap}");
        if during.status == 200 {
            assert_eq!(ran(&during), digest, "{swap}");
        }
        let reply = world.get(LEADS).await;
        assert_eq!((reply.status, ran(&reply)), (200, digest.clone()), "{swap}: what was loaded goes on");
        let _ = fs::remove_file(&file);
        fs::write(&file, &honest).expect("written");
        assert_eq!(world.command(Command::Reload).await.expect("reloaded")["ok"], true, "{swap}");
        let reply = world.get(LEADS).await;
        assert_eq!((reply.status, ran(&reply)), (200, digest.clone()), "{swap}: put back");
    }
    world.end().await;
}
