//! What plugins logged: `plugin logs`, and what is kept of it.

use serde_json::Value;
use wardlock::admin::{Command, PluginLogFilter};

use super::text;
use crate::program::{run, with_home, with_workspace};
use crate::world::{Plan, World, plugin, workspace};

fn says(name: &str, message: &str) -> (&'static str, String) {
    let settings = format!("{{ mode = \"print\", message = \"{message}\" }}");
    let named = |name: &str| match name {
        "acme" => "acme",
        _ => "globex",
    };
    (named(name), workspace(name, "eu", "", &plugin("probe", &settings)))
}

async fn page(world: &World, filter: PluginLogFilter) -> (Vec<Value>, Value) {
    let page = world.command(Command::PluginLogs { filter, json: true }).await.expect("a page");
    let lines = page["lines"].as_array().expect("lines").iter();
    let rows = lines.map(|line| serde_json::from_str(line.as_str().expect("text")).expect("json"));
    (rows.collect(), page)
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_found_by_their_place_and_their_request() {
    let plan = Plan {
        workspaces: vec![says("acme", "of acme\\u001b[31m"), says("globex", "of globex")],
        guests: vec!["probe"],
        connect: vec!["acme/zoho", "globex/zoho"],
        ..Plan::default()
    };
    let world = World::start(plan).await;
    let first = world.get("/acme/zoho/crm/v8/Leads?fields=Last_Name").await;
    let id = first.header("wardlock-request-id").expect("an id").to_owned();
    world.ask("globex", "GET", "/globex/zoho/crm/v8/Leads?fields=Last_Name", "", "").await;

    let all = PluginLogFilter { limit: 100, ..PluginLogFilter::default() };
    let (rows, _) = page(&world, all.clone()).await;
    // Standard output and standard error, of one request each.
    assert_eq!(rows.len(), 4, "{rows:?}");
    let (rows, whole) = page(&world, PluginLogFilter { request: Some(id.clone()), ..all.clone() }).await;
    assert_eq!(rows.len(), 2, "{rows:?}");
    for row in &rows {
        assert_eq!(
            (&row["workspace"], &row["connection"], &row["plugin"]),
            (&"acme".into(), &"zoho".into(), &"probe".into())
        );
        assert_eq!((&row["request"], &row["text"]), (&id.as_str().into(), &"of acme\\u{1b}[31m".into()));
        assert!(row["time"].as_str().is_some_and(|time| time.ends_with('Z')) && row["level"].is_string(), "{row}");
    }
    let of = |workspace: &str| PluginLogFilter {
        workspace: Some(workspace.to_owned()),
        connection: Some("zoho".to_owned()),
        ..all.clone()
    };
    assert_eq!(page(&world, of("globex")).await.0.len(), 2);
    // What comes behind the last line is the next page.
    let newer = PluginLogFilter { after: whole["last"].as_u64(), ..all.clone() };
    assert_eq!(page(&world, newer.clone()).await.0.len(), 0);
    world.get("/acme/zoho/crm/v8/Leads?fields=Last_Name").await;
    assert_eq!(page(&world, newer).await.0.len(), 2);
    let nowhere =
        world.command(Command::PluginLogs { filter: of("acne"), json: false }).await.expect_err("no such place");
    assert!(nowhere.hint.is_some_and(|hint| hint.contains("acme/zoho")), "{}", nowhere.message);
    world.end().await;
}

#[test]
fn without_a_daemon_there_are_none_and_wrong_places_are_told() {
    let wardlock = with_home();
    // What the parser finds is told to programs as all else is.
    for wrong in [&["--json", "plugin", "logs", "--limit"][..], &["plugin", "lgos", "--json"]] {
        let refused = run(&wardlock, wrong);
        let told: Value = serde_json::from_str(&refused.stdout).expect("json");
        assert_eq!((refused.code, &told["exit"]), (Some(2), &2.into()), "{refused:?}");
        assert!(
            told["error"].as_str().is_some_and(|error| !error.starts_with("error:")) && told["hint"].is_string()
        );
    }
    let none = run(&wardlock, &["plugin", "logs"]);
    assert_eq!(none.code, Some(1), "{none:?}");
    assert!(
        none.stderr.contains("no daemon serves this home") && none.stderr.contains("wardlock serve"),
        "{none:?}"
    );
    for wrong in ["acme", "acme/", "a/b/c/d", "/zoho"] {
        let refused = run(&wardlock, &["plugin", "logs", wrong]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains("workspace/connection/plugin"), "{refused:?}");
    }
}

#[test]
fn daemon_tells_lines_of_explained_requests() {
    let wardlock = with_workspace();
    let file = wardlock.home().join("workspaces/acme.toml");
    let workspace = std::fs::read_to_string(&file).expect("text");
    let (head, _) = workspace.split_once("[[connections.zoho.plugins]]").expect("plugins");
    let probe = wardlock_tests::guests::guest("probe");
    std::fs::write(wardlock.home().join("plugins/probe.wasm"), probe).expect("written");
    let table = format!(
        "[[connections.zoho.plugins]]\nname = \"probe\"\nsha256 = \"{}\"\nsettings = {{ mode = \"print\", message = \"heard\" }}\n",
        wardlock_core::id::Digest::of(probe)
    );
    wardlock.write("workspaces/acme.toml", &format!("{head}{table}")).expect("written");
    let serving = wardlock.serve(&["--simulator"]).expect("it serves");
    let empty = run(&wardlock, &["plugin", "logs", "acme/zoho"]).ok().expect("nothing yet");
    assert_eq!((empty.stdout.as_str(), empty.stderr.as_str()), ("", "(none)\n"));
    let empty = run(&wardlock, &["--json", "plugin", "logs"]).ok().expect("nothing yet");
    assert_eq!(empty.stdout, "[]\n");
    run(&wardlock, &["policy", "explain", "acme/zoho", "GET", "/crm/v8/Leads?fields=Last_Name"]);
    let told = run(&wardlock, &["plugin", "logs", "acme/zoho/probe", "--limit", "1"]).ok().expect("a line");
    assert!(told.stdout.contains(" acme/zoho/probe ") && told.stdout.ends_with(" heard\n"), "{told:?}");
    let rows = run(&wardlock, &["--json", "plugin", "logs"]).ok().expect("lines").stdout;
    let rows: Vec<Value> = serde_json::from_str(&rows).expect("one document");
    assert!(rows.len() == 2 && rows[0]["text"] == "heard", "{rows:?}");
    let other = run(&wardlock, &["plugin", "logs", "acme/zoho/other"]);
    assert_eq!((other.code, other.stdout.as_str()), (Some(1), ""), "{}: {other:?}", text(&file));
    assert!(
        other.stderr.contains("no plugin `other`") && other.stderr.contains("plugins there: probe"),
        "{other:?}"
    );
    serving.stop().expect("it ends");
}
