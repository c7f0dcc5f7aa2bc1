//! Plugins into a home, by the executable: `plugin add`.

use wardlock_core::id::Digest;
use wardlock_plugins::starter;
use wardlock_tests::home::{Output, Wardlock};

use super::folder;
use crate::program::{run, with_home, with_workspace};

fn add(wardlock: &Wardlock, args: &[&str]) -> Output {
    run(wardlock, &[&["plugin", "add"], args].concat())
}

fn read_only() -> &'static [u8] {
    starter("read-only").expect("a starter").bytes
}

#[test]
fn added_plugin_is_kept_and_its_table_loads() {
    let wardlock = with_workspace();
    // A chain that has none yet.
    let (head, _) = split(&wardlock, "# Denies whatever is not a read.");
    wardlock.write("workspaces/acme.toml", &head).expect("written");
    std::fs::remove_dir_all(wardlock.home().join("plugins")).expect("removed");
    let added = add(&wardlock, &["read-only", "--workspace", "acme", "--connection", "zoho"]).ok().expect("added");
    let digest = Digest::of(read_only());
    for line in [
        "\n[[connections.zoho.plugins]]\n",
        "name         = \"read-only\"\n",
        "file         = \"read-only.wasm\"\n",
        &format!("sha256       = \"{digest}\"\n"),
        "# settings.except: Operations that pass",
    ] {
        assert!(added.stdout.contains(line), "`{line}` is not printed: {added:?}");
    }
    assert!(
        added.stderr.contains("workspaces/acme.toml") && added.stderr.contains("wardlock reload"),
        "{added:?}"
    );
    for file in ["plugins/read-only.wasm".to_owned(), format!("state/plugins/{digest}.wasm")] {
        assert_eq!(std::fs::read(wardlock.home().join(&file)).expect("a file"), read_only(), "{file}");
    }
    // The table as it is printed, in a workspace of its own.
    let workspace = format!(
        "workspace = \"other\"\n[connections.zoho]\nlabel = \"Other\"\nservice = \"zoho-crm\"\nregion = \"eu\"\ngrant = \"other-zoho\"\n\
         resources = [\"Leads\"]\noperations = [\"records.list\"]\nwrites = \"off\"\n\n{}",
        added.stdout
    );
    wardlock.write("workspaces/other.toml", &workspace).expect("written");
    std::fs::remove_file(wardlock.home().join("workspaces/acme.toml")).expect("removed");
    run(&wardlock, &["policy", "check"]).ok().expect("it loads");
    let explained =
        run(&wardlock, &["--json", "policy", "explain", "other/zoho", "GET", "/crm/v8/Leads?fields=Email"]);
    assert_eq!(explained.ok().expect("allowed").json().expect("json")["plugins"][0]["digest"], digest.to_string());
}

/// Reads the workspace file in two parts.
fn split(wardlock: &Wardlock, at: &str) -> (String, String) {
    let text = std::fs::read_to_string(wardlock.home().join("workspaces/acme.toml")).expect("text");
    let (head, tail) = text.split_once(at).expect("it is there");
    (head.to_owned(), tail.to_owned())
}

#[test]
fn table_that_is_there_is_printed_with_the_new_component_and_all_else_as_it_stands() {
    let wardlock = with_workspace();
    let (head, tail) = split(&wardlock, "# One page of 200 records");
    let (_, agents) = tail.split_once("# Agents are made").expect("more");
    let old = "0".repeat(64);
    let table = format!(
        "# Ours.\n[[connections.zoho.plugins]]\nname = \"page-cap\"\nfile = \"page-cap.wasm\"\nsha256 = \"{old}\" # last year's\n\
         mode = \"monitor\"\ncapabilities = []\nlimits = {{ time = \"90ms\" }}\n[connections.zoho.plugins.settings]\nmax = 7\n\n"
    );
    let line = head.lines().count() + 2;
    wardlock.write("workspaces/acme.toml", &format!("{head}{table}# Agents are made{agents}")).expect("written");
    let added = add(&wardlock, &["page-cap", "--workspace", "acme", "--connection", "zoho"]).ok().expect("added");
    let digest = Digest::of(starter("page-cap").expect("a starter").bytes).to_string();
    assert_eq!(added.stdout, table.replace(&old, &digest).trim().to_owned() + "\n");
    let told = format!("replace the table of that name in workspaces/acme.toml, line {line}");
    assert!(added.stderr.contains(&told), "{told}: {added:?}");
    assert!(added.stderr.contains("it asks for `shape`, which the table does not grant"), "{added:?}");
    wardlock
        .write("workspaces/acme.toml", &format!("{head}{}\n# Agents are made{agents}", added.stdout))
        .expect("written");
    run(&wardlock, &["policy", "check"]).ok().expect("it loads");
}

#[test]
fn copy_that_is_kept_serves_for_a_lost_file_and_a_damaged_one_is_never_offered() {
    let wardlock = with_workspace();
    run(&wardlock, &["policy", "check"]).ok().expect("it loads, and keeps what it loads");
    let file = wardlock.home().join("plugins/page-cap.wasm");
    std::fs::remove_file(&file).expect("removed");
    let problem = |code: i32| {
        let checked = run(&wardlock, &["--json", "policy", "check"]);
        assert_eq!(checked.code, Some(code), "{checked:?}");
        checked.json().expect("json")["problems"][0].clone()
    };
    let note = problem(0);
    assert_eq!(note["severity"], "note", "{note}");
    let says = note["message"].as_str().expect("text");
    assert!(says.contains("there is no file plugins/page-cap.wasm; the copy that is kept of it serves"), "{note}");

    let digest = Digest::of(starter("page-cap").expect("a starter").bytes);
    let copy = wardlock.home().join(format!("state/plugins/{digest}.wasm"));
    std::fs::write(&copy, b"torn").expect("written");
    let closes = problem(1);
    let says = closes["message"].as_str().expect("text");
    assert!(says.contains("there is no file plugins/page-cap.wasm") && says.contains("is damaged"), "{closes}");
    assert!(!closes["hint"].as_str().expect("a hint").contains("sha256"), "{closes}");

    add(&wardlock, &["page-cap"]).ok().expect("added");
    assert_eq!(problem(0), serde_json::Value::Null, "the hint's way mends both");
    assert_eq!(Digest::of(&std::fs::read(copy).expect("a copy")), digest);
}

#[test]
fn connection_that_is_not_loaded_yet_is_told_with_the_reload_that_it_wants() {
    let wardlock = with_workspace();
    let serving = wardlock.serve(&["--simulator"]).expect("it serves");
    let text = std::fs::read_to_string(wardlock.home().join("workspaces/acme.toml")).expect("text");
    wardlock.write("workspaces/globex.toml", &text.replace("acme", "globex")).expect("written");
    let refused = add(&wardlock, &["page-cap", "--workspace", "globex", "--connection", "zoho"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("run `wardlock reload` first"), "{refused:?}");
    let nowhere = add(&wardlock, &["page-cap", "--workspace", "globex", "--connection", "other"]);
    assert!(nowhere.stderr.contains("connections here: acme/zoho"), "{nowhere:?}");
    serving.stop().expect("it ends");
}

#[test]
fn another_component_of_the_name_keeps_its_file() {
    let wardlock = with_home();
    wardlock.write("plugins/read-only.wasm", "what somebody pinned").expect("written");
    let added = add(&wardlock, &["--json", "read-only"]).ok().expect("added").json().expect("json");
    let digest = Digest::of(read_only()).to_string();
    let file = format!("read-only-{}.wasm", &digest[..8]);
    assert_eq!((&added["file"], &added["sha256"]), (&file.as_str().into(), &digest.as_str().into()));
    assert!(added["toml"].as_str().expect("a table").contains("[[connections.CONNECTION.plugins]]"), "{added}");
    let kept = |file: &str| std::fs::read(wardlock.home().join("plugins").join(file)).expect("a file");
    assert_eq!((kept("read-only.wasm"), kept(&file)), (b"what somebody pinned".to_vec(), read_only().to_vec()));

    // Another one may call itself what this one would be kept as.
    wardlock.write(&format!("plugins/{file}"), "pinned, too").expect("written");
    let added = add(&wardlock, &["--json", "read-only"]).ok().expect("added").json().expect("json");
    let longer = format!("read-only-{digest}.wasm");
    assert_eq!(added["file"], longer.as_str(), "{added}");
    assert_eq!((kept(&file), kept(&longer)), (b"pinned, too".to_vec(), read_only().to_vec()));
}

#[test]
fn add_goes_through_the_daemon_that_holds_the_home() {
    let wardlock = with_workspace();
    let serving = wardlock.serve(&["--simulator"]).expect("it serves");
    // Longer than any socket's buffer.
    let component = folder(&[]);
    let file = component.path().join("large.wasm");
    let mut bytes = read_only().to_vec();
    bytes.extend(custom_section(3 << 20));
    std::fs::write(&file, &bytes).expect("written");
    let added =
        add(&wardlock, &["--json", file.to_str().expect("text")]).ok().expect("added").json().expect("json");
    let digest = Digest::of(&bytes).to_string();
    assert_eq!(added["sha256"], digest);
    let kept = wardlock.home().join("state/plugins").join(format!("{digest}.wasm"));
    assert_eq!(std::fs::read(kept).expect("a file"), bytes);
    let acts = run(&wardlock, &["--json", "audit", "list", "--act", "plugin.add"]).ok().expect("rows");
    assert!(acts.stdout.contains("plugin.add plugins/read-only-"), "{acts:?}");

    let nowhere = add(&wardlock, &["read-only", "--workspace", "acme", "--connection", "zohoo"]);
    assert_eq!(nowhere.code, Some(1), "{nowhere:?}");
    assert!(nowhere.stderr.contains("connections here: acme/zoho"), "{nowhere:?}");
    serving.stop().expect("it ends");
}

#[test]
fn one_component_added_by_several_at_once_is_kept_whole_for_each() {
    let wardlock = with_workspace();
    let serving = wardlock.serve(&["--simulator"]).expect("it serves");
    let args = ["--json", "read-only", "--workspace", "acme", "--connection", "zoho"];
    let added: Vec<Output> = std::thread::scope(|scope| {
        let adding: Vec<_> = (0..6).map(|_| scope.spawn(|| add(&wardlock, &args))).collect();
        adding.into_iter().map(|adding| adding.join().expect("it ran")).collect()
    });
    let (digest, added_first) = (Digest::of(read_only()).to_string(), added[0].stdout.clone());
    for added in &added {
        assert_eq!((added.code, &added.stdout), (Some(0), &added_first), "{added:?}");
    }
    let told = added[0].json().expect("json");
    assert_eq!((&told["file"], &told["sha256"]), (&"read-only.wasm".into(), &digest.as_str().into()), "{told}");
    for folder in ["plugins", "state/plugins"] {
        for file in std::fs::read_dir(wardlock.home().join(folder)).expect("a folder") {
            let path = file.expect("a file").path();
            assert_eq!(path.extension().and_then(|end| end.to_str()), Some("wasm"), "a leftover: {path:?}");
        }
    }
    let kept = wardlock.home().join(format!("state/plugins/{digest}.wasm"));
    assert_eq!(std::fs::read(kept).expect("a file"), read_only());
    serving.stop().expect("it ends");
}

#[test]
fn components_of_one_name_added_at_once_each_have_their_file() {
    let wardlock = with_home();
    let serving = wardlock.serve(&["--simulator"]).expect("it serves");
    let component = folder(&[]);
    let files: Vec<String> = (1..6)
        .map(|length| {
            let file = component.path().join(format!("{length}.wasm"));
            std::fs::write(&file, [read_only(), &custom_section(length)].concat()).expect("written");
            file.to_str().expect("text").to_owned()
        })
        .collect();
    let added: Vec<Output> = std::thread::scope(|scope| {
        let adding: Vec<_> =
            files.iter().map(|file| scope.spawn(|| add(&wardlock, &["--json", file.as_str()]))).collect();
        adding.into_iter().map(|adding| adding.join().expect("it ran")).collect()
    });
    for added in added {
        let told = added.ok().expect("added").json().expect("json");
        let file = wardlock.home().join("plugins").join(told["file"].as_str().expect("a name"));
        let digest = Digest::of(&std::fs::read(file).expect("a file")).to_string();
        assert_eq!(told["sha256"], digest, "another one has its file: {told}");
    }
    serving.stop().expect("it ends");
}

#[test]
fn component_added_beside_a_file_that_does_not_parse_is_kept_and_only_its_digest_is_printed() {
    let wardlock = with_workspace();
    let serving = wardlock.serve(&["--simulator"]).expect("it serves");
    let path = wardlock.home().join("workspaces/acme.toml");
    let text = std::fs::read_to_string(&path).expect("text");
    let broken = format!("{text}\n[connections.zoho\n");
    wardlock.write("workspaces/acme.toml", &broken).expect("written");
    let args = ["read-only", "--workspace", "acme", "--connection", "zoho"];
    let added = add(&wardlock, &args).ok().expect("added");
    let digest = Digest::of(read_only());
    assert_eq!(added.stdout, format!("file   = \"read-only.wasm\"\nsha256 = \"{digest}\"\n"));
    let place = format!("workspaces/acme.toml:{}:", broken.lines().count());
    for says in ["workspaces/acme.toml does not parse", &place, "Mend it, put this into the plugin's table"] {
        assert!(added.stderr.contains(says), "`{says}` is not said: {added:?}");
    }
    let kept = wardlock.home().join(format!("state/plugins/{digest}.wasm"));
    assert_eq!(std::fs::read(kept).expect("a file"), read_only());
    assert_eq!(std::fs::read_to_string(&path).expect("text"), broken, "nobody mends it but its owner");
    serving.stop().expect("it ends");
}

#[test]
fn what_is_no_plugin_is_not_added() {
    let wardlock = with_home();
    let file = folder(&[("no.wasm", "(component)")]);
    let refused = add(&wardlock, &[file.path().join("no.wasm").to_str().expect("text")]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("not a component that runs here"), "{refused:?}");
    assert!(!wardlock.home().join("state/plugins").exists());
}

/// A custom section of that many zeros, which changes a component's bytes and nothing else.
fn custom_section(length: usize) -> Vec<u8> {
    let leb = |mut value: usize| {
        let mut bytes = Vec::new();
        loop {
            let more = value > 0x7f;
            bytes.push(u8::try_from(value & 0x7f).expect("seven bits") | if more { 0x80 } else { 0 });
            value >>= 7;
            if !more {
                return bytes;
            }
        }
    };
    let name = b"\x03pad";
    [&[0], leb(name.len() + length).as_slice(), name, &vec![0; length]].concat()
}
