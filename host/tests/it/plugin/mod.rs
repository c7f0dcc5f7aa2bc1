//! What plugins' authors do, by the executable: cases and the contract here, the rest beside it.

mod components;
mod handed_on;
mod kept;
mod logs;
mod made;
mod projects;
mod signed;

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use wardlock_tests::home::Output;

use crate::program::{program, run};

const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The cases of a starter plugin.
fn cases_of(starter: &str) -> PathBuf {
    Path::new(CHECKOUT).join("plugins/guests").join(starter).join("cases")
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn test(args: &[&str], cases: &Path) -> Output {
    run(&program(), &[&["plugin", "test", "read-only", "--cases", text(cases)], args].concat())
}

const READ_PASSES: &str = "[expect]\nverdict = \"allow\"\n";
const WRITE_PASSES: &str = "# A promise that nobody keeps.\n[request.operation]\neffect = \"write\"\n\n[expect]\nverdict = \"allow\" # really\n";

/// The same files as the plugins' own tests run natively: here they go through workers, and through snapshots.
#[test]
fn golden_cases_of_every_starter_hold() {
    for starter in wardlock_plugins::STARTERS {
        let cases = cases_of(starter.name);
        let held = run(&program(), &["plugin", "test", starter.name, "--cases", text(&cases), "--json"]);
        let report = held.ok().expect("they hold").json().expect("json");
        let files = std::fs::read_dir(&cases).expect("a folder").count();
        assert_eq!((&report["ok"], &report["cases"]), (&true.into(), &files.into()), "{}: {report}", starter.name);
    }
}

#[test]
fn cases_that_hold_are_counted() {
    let held = test(&[], &cases_of("read-only")).ok().expect("they hold");
    assert!(held.stdout.ends_with(" cases hold\n"), "{held:?}");
    let report = test(&["--json"], &cases_of("read-only")).ok().expect("they hold").json().expect("json");
    assert_eq!((&report["ok"], &report["failed"]), (&true.into(), &0.into()), "{report}");
    assert!(report["cases"].as_u64() > Some(3), "{report}");
}

#[test]
fn case_that_does_not_hold_is_told_with_its_difference() {
    let cases = folder(&[("read-passes.toml", READ_PASSES), ("write-passes.toml", WRITE_PASSES)]);
    let failed = test(&[], cases.path());
    assert_eq!(failed.code, Some(1), "{failed:?}");
    for line in [
        "write-passes.toml\n",
        "  verdict: `allow` is expected, and it is `deny`\n",
        "  code: none is expected, and it is `read_only`\n",
        "2 cases, 1 of them failed\n",
    ] {
        assert!(failed.stdout.contains(line), "`{line}` is not told: {failed:?}");
    }
    let report = test(&["--json"], cases.path());
    assert_eq!(report.code, Some(1));
    let report = report.json().expect("json");
    assert_eq!(report["differing"][0]["case"], "write-passes");
    assert_eq!(report["differing"][0]["found"]["code"], "read_only");
}

#[test]
fn update_writes_what_the_plugin_says_and_keeps_comments() {
    let cases = folder(&[("read-passes.toml", READ_PASSES), ("write-passes.toml", WRITE_PASSES)]);
    let updated = test(&["--update"], cases.path()).ok().expect("updated");
    assert!(updated.stdout.ends_with("2 cases hold; 1 of them as updated\n"), "{updated:?}");
    let written = std::fs::read_to_string(cases.path().join("write-passes.toml")).expect("text");
    let expected = "# A promise that nobody keeps.\n[request.operation]\neffect = \"write\"\n\n[expect]\n\
                    verdict = \"deny\" # really\ncode = \"read_only\"\n";
    assert_eq!(written, expected);
    assert_eq!(std::fs::read_to_string(cases.path().join("read-passes.toml")).expect("text"), READ_PASSES);
    test(&[], cases.path()).ok().expect("it holds now");
}

#[test]
fn no_case_and_no_plugin_are_no_success() {
    let empty = folder(&[]);
    let output = test(&[], empty.path());
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(output.stderr.contains("holds no case"), "{output:?}");
    let cases = folder(&[("read-passes.toml", READ_PASSES), ("broken.toml", "[expect]\nverdict = \"no\"\n")]);
    let output = test(&[], cases.path());
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(output.stderr.contains("broken.toml:2:11"), "{output:?}");
    let output = run(
        &program(),
        &["plugin", "test", text(&cases.path().join("broken.toml")), "--cases", text(&cases_of("read-only"))],
    );
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains("not a component") && output.stderr.contains("hint:"), "{output:?}");
}

#[test]
fn contract_is_written_as_it_stands_in_the_checkout() {
    let folder = folder(&[]);
    let wit = folder.path().join("deep/wit");
    let written = run(&program(), &["--json", "plugin", "wit", text(&wit)]).ok().expect("written");
    assert_eq!(written.json().expect("json")["world"], "request-plugin");
    let names = |folder: &Path| {
        let entries = std::fs::read_dir(folder).expect("a folder");
        let names = entries.map(|entry| PathBuf::from(entry.expect("an entry").file_name()));
        let mut names: Vec<PathBuf> =
            names.filter(|name| name.extension().is_some_and(|end| end == "wit")).collect();
        names.sort();
        names
    };
    let checkout = Path::new(CHECKOUT).join("wit");
    assert_eq!(names(&wit), names(&checkout));
    for name in names(&wit) {
        let read = |folder: &Path| std::fs::read(folder.join(&name)).expect("a file");
        assert_eq!(read(&wit), read(&checkout), "{}", name.display());
    }
}

#[test]
fn cases_know_nothing_of_each_others_failures() {
    let trap = "[settings]\nmode = \"trap\"\n[expect]\nverdict = \"allow\"\n";
    let files: Vec<String> = (1..8).map(|number| format!("trap-{number}.toml")).collect();
    let cases = folder(&files.iter().map(|file| (file.as_str(), trap)).collect::<Vec<_>>());
    let component = cases.path().join("probe.wasm");
    std::fs::write(&component, wardlock_tests::guests::guest("probe")).expect("written");
    let args = ["--json", "plugin", "test", text(&component), "--update", "--cases", text(cases.path())];
    let report = run(&program(), &args);
    assert_eq!(report.code, Some(1), "no case can expect a trap: {report:?}");
    let report = report.json().expect("json");
    assert_eq!((&report["failed"], &report["updated"]), (&7.into(), &0.into()), "{report}");
    for differing in report["differing"].as_array().expect("rows") {
        let fault = differing["found"]["fault"].as_str().expect("a fault");
        assert!(fault.contains("trapped"), "in a chain it would not be run any more: {fault}");
    }
}

/// Cases for a guest that does what its settings say.
fn of_probe(modes: &[(&str, &str)]) -> (TempDir, PathBuf) {
    let case = |settings: &str| format!("[settings]\n{settings}\n[expect]\nverdict = \"allow\"\n");
    let files: Vec<(&str, String)> = modes.iter().map(|(file, settings)| (*file, case(settings))).collect();
    let cases = folder(&files.iter().map(|(file, text)| (*file, text.as_str())).collect::<Vec<_>>());
    let component = cases.path().join("probe.wasm");
    std::fs::write(&component, wardlock_tests::guests::guest("probe")).expect("written");
    (cases, component)
}

#[test]
fn settings_that_a_plugin_fails_over_fail_their_case_and_no_other() {
    let modes = [("a-trap.toml", "mode = \"trap-in-configure\""), ("b-passes.toml", "mode = \"allow\"")];
    let (cases, component) = of_probe(&modes);
    let args = ["plugin", "test", text(&component), "--cases", text(cases.path())];
    let told = run(&program(), &args);
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(
        told.stdout.contains("a-trap.toml\n  verdict: there is none: the plugin failed in `configure`"),
        "{told:?}"
    );
    assert!(told.stdout.ends_with("2 cases, 1 of them failed\n"), "{told:?}");
    let report = run(&program(), &[&["--json"], &args[..]].concat()).json().expect("json");
    let rows: Vec<(&str, bool)> = report["results"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| (row["case"].as_str().expect("text"), row["holds"].as_bool().expect("a word")))
        .collect();
    assert_eq!(rows, [("a-trap", false), ("b-passes", true)]);

    let args = ["--json", "plugin", "bench", text(&component), "--cases", text(cases.path()), "--runs", "3"];
    let measured = run(&program(), &args);
    assert_eq!(measured.code, Some(1), "{measured:?}");
    let rows = measured.json().expect("json");
    assert!(rows[0]["case"] == "b-passes" && rows[0]["median_us"].is_u64(), "{rows}");
    assert!(rows[1]["case"] == "a-trap" && rows[1]["fault"].is_string(), "{rows}");
}

#[test]
fn case_that_fails_shows_what_the_plugin_logged_and_slow_ones_are_warned_of() {
    let (cases, component) =
        of_probe(&[("panics.toml", "mode = \"trap\""), ("takes-long.toml", "mode = \"log-spam\"\nsize = 50000")]);
    let args = ["plugin", "test", text(&component), "--cases", text(cases.path())];
    let told = run(&program(), &args);
    assert!(told.stdout.contains("\n  it logged (warn): the probe was told to\n"), "{told:?}");
    assert!(!told.stdout.contains("takes-long"), "it holds: {told:?}");
    assert!(told.stderr.contains("takes-long.toml took longer than 20 ms"), "{told:?}");
    assert!(!told.stderr.contains("panics.toml"), "{told:?}");
    let report = run(&program(), &[&["--json"], &args[..]].concat()).json().expect("json");
    let lines = report["differing"][0]["log"].as_array().expect("lines").clone();
    assert!(
        lines.iter().any(|line| line["level"] == "warn" && line["text"] == "the probe was told to"),
        "{report}"
    );
}
