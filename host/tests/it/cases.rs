//! Cases of workspaces, by the executable: `policy test`.

use wardlock_tests::home::{Output, Wardlock};

use crate::program::{run, with_workspace};

const READ_PASSES: &str = "[request]\nmethod = \"GET\"\ntarget = \"/crm/v8/Leads?fields=Last_Name&per_page=2\"\n[expect]\ndecision = \"allow\"\n";
const DELETE_PASSES: &str =
    "[request]\nmethod = \"DELETE\"\ntarget = \"/crm/v8/Leads?ids=1\"\n[expect]\ndecision = \"allow\"\n";

/// A folder of cases beside the home, a folder for each workspace.
fn write(wardlock: &Wardlock, name: &str, text: &str) -> String {
    let folder = wardlock.home().with_file_name("cases");
    let file = folder.join(name);
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
    std::fs::write(file, text).expect("written");
    folder.to_str().expect("text").to_owned()
}

fn test(wardlock: &Wardlock, args: &[&str]) -> Output {
    run(wardlock, &[&["--json", "policy", "test"], args].concat())
}

#[test]
fn cases_of_the_named_workspaces_run_as_policy_check_runs_them() {
    let wardlock = with_workspace();
    let text = std::fs::read_to_string(wardlock.home().join("workspaces/acme.toml")).expect("text");
    wardlock
        .write("workspaces/globex.toml", &text.replace("workspace = \"acme\"", "workspace = \"globex\""))
        .expect("written");
    let folder = write(&wardlock, "acme/read-passes.toml", READ_PASSES);
    write(&wardlock, "globex/delete-passes.toml", DELETE_PASSES);
    let folder = folder.as_str();

    let held = test(&wardlock, &["acme", "--cases", folder]).ok().expect("it holds").json().expect("json");
    assert_eq!((&held["ok"], &held["cases"], &held["workspaces"]), (&true.into(), &1.into(), &1.into()), "{held}");
    let failed = test(&wardlock, &["globex", "--cases", folder]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    let failed = failed.json().expect("json");
    assert_eq!(
        (&failed["failed"][0]["workspace"], &failed["failed"][0]["case"]),
        (&"globex".into(), &"delete-passes".into())
    );
    // All of them, and the same by the flag.
    let all = test(&wardlock, &["--cases", folder]);
    assert_eq!(all.code, Some(1), "{all:?}");
    let checked = run(&wardlock, &["--json", "policy", "check", "--cases", folder]);
    assert_eq!((all.code, all.json().expect("json")), (checked.code, checked.json().expect("json")));
    // What is wrong with another workspace is not this one's.
    wardlock.write("workspaces/globex.toml", "workspace = \"other\"\n").expect("written");
    test(&wardlock, &["acme", "--cases", folder]).ok().expect("it holds");
    assert_eq!(test(&wardlock, &["--cases", folder]).code, Some(1));
}

#[test]
fn no_case_and_no_workspace_are_no_success() {
    let wardlock = with_workspace();
    let folder = write(&wardlock, "acme/read-passes.toml", READ_PASSES);
    let nobody = test(&wardlock, &["acne", "--cases", &folder]);
    assert_eq!(nobody.code, Some(2), "{nobody:?}");
    assert!(
        nobody.stderr.contains("there is no workspace `acne`") && nobody.stderr.contains("workspaces here: acme"),
        "{nobody:?}"
    );
    let nowhere = test(&wardlock, &["acne", "--cases", "/nowhere"]);
    assert!(nowhere.stderr.contains("there is no workspace `acne`"), "{nowhere:?}");
    let nowhere = test(&wardlock, &["acme", "--cases", "/nowhere"]);
    assert!(
        nowhere.stderr.contains("/nowhere") && nowhere.stderr.contains("hint: `--cases` names"),
        "{nowhere:?}"
    );
    std::fs::remove_file(wardlock.home().with_file_name("cases").join("acme/read-passes.toml")).expect("removed");
    for args in [&["acme", "--cases", &folder][..], &["--cases", &folder]] {
        let none = test(&wardlock, args);
        assert_eq!(none.code, Some(2), "{none:?}");
        assert!(none.stderr.contains("holds no case"), "{none:?}");
    }
    // One workspace's cases may stand in the folder itself.
    std::fs::remove_dir(wardlock.home().with_file_name("cases").join("acme")).expect("removed");
    write(&wardlock, "read-passes.toml", READ_PASSES);
    test(&wardlock, &["acme", "--cases", &folder]).ok().expect("it holds");
}
