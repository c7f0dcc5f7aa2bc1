//! Components as they are, by the executable: `plugin check` and `plugin bench`.

use super::{cases_of, folder, text};
use crate::program::{run, with_home};

#[test]
fn bench_measures_each_case() {
    let wardlock = with_home();
    let cases = cases_of("read-only");
    let args = ["--json", "plugin", "bench", "read-only", "--runs", "20"];
    let usual = run(&wardlock, &args).ok().expect("measured").json().expect("json");
    assert_eq!(usual[0]["case"], "usual");
    let rows = run(&wardlock, &[&args[..], &["--cases", text(&cases)]].concat());
    let rows = rows.ok().expect("measured").json().expect("json");
    let rows = rows.as_array().expect("rows");
    assert!(rows.len() > 3, "{rows:?}");
    for row in rows {
        let (median, p99) = (row["median_us"].as_u64().expect("a time"), row["p99_us"].as_u64().expect("a time"));
        assert!(0 < median && median <= p99, "{row}");
    }
    let refused = run(&wardlock, &[&args[..], &["--settings", "{\"exzept\":[]}"]].concat());
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stdout.contains("exzept"), "{refused:?}");
    let no_json = run(&wardlock, &[&args[..], &["--settings", "[]"]].concat());
    assert_eq!(no_json.code, Some(2), "{no_json:?}");
}

#[test]
fn check_says_what_is_imported_and_what_would_not_load() {
    let wardlock = with_home();
    let check = |file: &str| run(&wardlock, &["plugin", "check", file]);
    let loads = check("page-cap").ok().expect("it loads");
    for line in ["asks for `shape`", "must be given: `max`", "it loads once it is given `max`"] {
        assert!(loads.stdout.contains(line), "`{line}` is not told: {loads:?}");
    }
    let guests = folder(&[]);
    for (guest, told) in [
        ("wrong-version", "it would not load: the plugin targets"),
        ("no-hook", "it would not load: the plugin judges nothing"),
        ("bad-schema", "it would not load: the plugin's settings schema is not one"),
    ] {
        let file = guests.path().join(guest);
        std::fs::write(&file, wardlock_tests::guests::guest(guest)).expect("written");
        let refused = check(file.to_str().expect("text"));
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stdout.contains(told) && refused.stderr.contains("hint: "), "{refused:?}");
        let json = run(&wardlock, &["--json", "plugin", "check", file.to_str().expect("text")]);
        assert_eq!(json.json().expect("json")["ok"], false);
    }
    let probe = wardlock_tests::guests::guest("probe");
    let (schema, other) =
        (r#"{ "type": "object", "required": ["mode"] }"#, r#"{ "minProperties": 1                     }"#);
    let at = probe.windows(schema.len()).position(|part| part == schema.as_bytes()).expect("its schema");
    let probe = [&probe[..at], other.as_bytes(), &probe[at + schema.len()..]].concat();
    for (bytes, code, told) in [
        (probe.as_slice(), 0, "it loads only with settings; without any, the plugin does not take its settings: "),
        (
            wardlock_tests::guests::guest("listed"),
            0,
            "it loads only with settings and files; without any, the plugin does not take its settings: the folder has no text",
        ),
        (
            wardlock_tests::guests::guest("loop-in-settings"),
            1,
            "it would not load without settings: the plugin failed in `configure`: ",
        ),
    ] {
        let file = guests.path().join("unset");
        std::fs::write(&file, bytes).expect("written");
        let checked = check(text(&file));
        assert!(checked.code == Some(code) && checked.stdout.contains(told), "{told}: {checked:?}");
    }
    let judge = guests.path().join("judge");
    std::fs::write(&judge, wardlock_tests::guests::guest("judge")).expect("written");
    let checked = check(text(&judge)).ok().expect("it loads");
    for line in [
        "exports wardlock:policy/response-hook@0.1.0: it judges answers",
        "imports wardlock:policy/quota: it counts",
        "asks for `quota`: it takes of its quotas",
        "asks for `response-body`: it sees the content of answers",
    ] {
        assert!(checked.stdout.contains(line), "`{line}` is not told: {checked:?}");
    }
    let nosy = guests.path().join("nosy");
    std::fs::write(&nosy, wardlock_tests::guests::guest("nosy")).expect("written");
    let checked = check(nosy.to_str().expect("text"));
    assert!(
        checked.stdout.contains("imports wasi:clocks: it reads the request's time, which stands still"),
        "{checked:?}"
    );
}

#[test]
fn what_is_no_whole_file_is_told_with_what_mends_it() {
    let (wardlock, files) = (with_home(), folder(&[]));
    let torn = files.path().join("torn.wasm");
    let whole = wardlock_tests::guests::guest("judge");
    std::fs::write(&torn, &whole[..whole.len() / 2]).expect("written");
    let told = run(&wardlock, &["plugin", "check", text(&torn)]);
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.stderr.contains("hint: the file ends too early"), "{told:?}");

    let core = files.path().join("core.wasm");
    std::fs::write(&core, b"\0asm\x01\0\0\0").expect("written");
    let told = run(&wardlock, &["plugin", "check", text(&core)]);
    assert!(told.stderr.contains("core module") && told.stderr.contains("component new"), "{told:?}");
    let told = run(&wardlock, &["plugin", "check", "read-onyl"]);
    assert!(told.code == Some(2) && told.stderr.contains("a starter plugin: "), "{told:?}");
    let told = run(&wardlock, &["plugin", "bench", "read-only", "--runs", "0"]);
    assert!(told.code == Some(2) && told.stderr.contains("from 1 on is wanted"), "{told:?}");

    let pipe = files.path().join("pipe.wasm");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a pipe");
    for args in [["plugin", "check"], ["plugin", "inspect"], ["plugin", "add"], ["plugin", "test"]] {
        let told = run(&wardlock, &[args[0], args[1], text(&pipe)]);
        assert_eq!(told.code, Some(2), "{told:?}");
        assert!(told.stderr.contains("is not a regular file"), "{told:?}");
    }
}
