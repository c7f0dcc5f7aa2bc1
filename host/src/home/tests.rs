//! What a home is, who may own it, and what it refuses.

use std::os::unix::fs::symlink;

use super::*;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("metadata").permissions().mode() & 0o777
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
}

#[test]
fn l1_a_new_home_is_closed_to_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a/home");
    let home = Home::create(&path).expect("a home");
    assert_eq!(mode(&path), 0o700);
    for name in FOLDERS {
        assert_eq!(mode(&path.join(name)), 0o700, "{name}");
    }
    assert_eq!(mode(&path.join(CONFIG_FILE)), 0o600);
    assert!(!home.is_simulator());
    Home::open(&path).expect("it opens again");
}

#[test]
fn a_home_is_made_in_an_empty_folder_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("docs");
    std::fs::create_dir(&path).expect("mkdir");
    std::fs::write(path.join("thesis.txt"), "mine").expect("write");
    let before = mode(&path);
    let error = Home::create(&path).expect_err("foreign");
    assert!(matches!(error, HomeError::Foreign { .. }), "{error}");
    assert_eq!(mode(&path), before, "a foreign folder is left as it was");

    let home = folder.path().join("home");
    std::fs::create_dir(&home).expect("mkdir");
    Home::create(&home).expect("an empty folder becomes one");
    let error = Home::create(&home).expect_err("twice");
    assert!(matches!(error, HomeError::Exists { .. }), "{error}");
}

#[test]
fn l1_what_others_could_change_is_not_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("home");
    Home::create(&path).expect("a home");

    chmod(&path, 0o755);
    let error = Home::open(&path).expect_err("open to others");
    assert_eq!(error.hint(), Some(format!("run `chmod 700 {}`", path.display())));
    chmod(&path, 0o700);

    chmod(&path.join("state"), 0o770);
    let error = Home::open(&path).expect_err("state open to others");
    assert_eq!(error.hint(), Some(format!("run `chmod 700 {}/state`", path.display())));
    chmod(&path.join("state"), 0o700);

    chmod(&path.join(CONFIG_FILE), 0o666);
    let error = Home::open(&path).expect_err("configuration open to others");
    assert_eq!(error.hint(), Some(format!("run `chmod 600 {}/wardlock.toml`", path.display())));
    chmod(&path.join(CONFIG_FILE), 0o600);

    let link = folder.path().join("link");
    symlink(&path, &link).expect("symlink");
    assert!(matches!(Home::open(&link), Err(HomeError::Symlink { .. })));

    let open = folder.path().join("open");
    std::fs::create_dir(&open).expect("mkdir");
    Home::create(&open.join("home")).expect("a home");
    chmod(&open, 0o777);
    assert!(matches!(Home::open(&open.join("home")), Err(HomeError::OpenParent { .. })));
}

#[test]
fn a_missing_home_and_a_foreign_folder_are_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("none");
    let error = Home::open(&path).expect_err("missing");
    assert_eq!(error.to_string(), format!("there is no Wardlock home at {}", path.display()));
    assert_eq!(error.hint(), Some(format!("make one with `wardlock --home {} init`", path.display())));

    chmod(folder.path(), 0o700);
    std::fs::write(folder.path().join("x"), "").expect("write");
    assert!(matches!(Home::open(folder.path()), Err(HomeError::Foreign { .. })));
}

#[test]
fn l7_a_second_daemon_is_told_who_holds_the_home() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("home");
    let home = Home::create(&path).expect("a home");
    assert_eq!(home.holder().expect("readable"), None);
    let lock = home.lock("serve").expect("the first");
    let error = Home::open(&path).expect("opens").lock("serve").expect_err("the second");
    let text = error.to_string();
    assert!(text.contains(&format!("process {} (`wardlock serve`) since 2", std::process::id())), "{text}");
    let holder = home.holder().expect("readable").expect("held");
    assert_eq!(holder.command.as_deref(), Some("serve"));
    drop(lock);
    let _lock = home.lock("serve").expect("free again");
}

#[test]
fn files_are_written_whole_and_closed_to_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("home");
    let home = Home::create(&path).expect("a home");
    home.write("workspaces/acme.toml", b"one").expect("write");
    home.write("workspaces/acme.toml", b"two").expect("write again");
    assert_eq!(home.read_text("workspaces/acme.toml").expect("read").as_deref(), Some("two"));
    assert_eq!(mode(&path.join("workspaces/acme.toml")), 0o600);
    assert_eq!(home.list("workspaces", "toml").expect("list"), ["acme.toml"]);
    assert_eq!(home.read("plugins/none.wasm").expect("read"), None);
    home.mark_simulator().expect("mark");
    assert!(home.is_simulator());
}

#[test]
fn names_lead_nowhere_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::create(&folder.path().join("home")).expect("a home");
    for name in ["../x", "plugins/../../x", "/etc/passwd", "", "plugins//x", ".hidden", "plugins/a b", "a\0b"] {
        assert!(matches!(home.read(name), Err(HomeError::Name { .. })), "{name:?}");
        assert!(matches!(home.write(name, b""), Err(HomeError::Name { .. })), "{name:?}");
    }
    assert!(matches!(home.state_path("../x"), Err(HomeError::Name { .. })));
    symlink("/etc/hostname", home.path().join("plugins/link.wasm")).expect("symlink");
    assert!(matches!(home.read("plugins/link.wasm"), Err(HomeError::Symlink { .. })));
}

#[test]
fn the_home_is_found_in_the_documented_order() {
    fn check(named: Option<&str>, environment: &[(&str, &str)], expected: &str) {
        let found = locate_in(named.map(Path::new), |variable| {
            environment.iter().find(|(name, _)| *name == variable).map(|(_, value)| value.into())
        });
        let found = found.map_or_else(|error| error.to_string(), |path| path.display().to_string());
        assert_eq!(found, expected);
    }
    let all = [("WARDLOCK_HOME", "/w"), ("XDG_CONFIG_HOME", "/x"), ("HOME", "/h")];
    check(Some("/n"), &all, "/n");
    check(None, &all, "/w");
    check(None, &all[1..], "/x/wardlock");
    if cfg!(target_os = "linux") {
        check(None, &all[2..], "/h/.config/wardlock");
    }
    check(None, &[("HOME", "h")], "the environment variable `HOME` is not an absolute path");
    check(None, &[], "no home folder is named, and neither `XDG_CONFIG_HOME` nor `HOME` says where one would be");
}

#[test]
fn a_pipe_that_takes_a_files_place_keeps_nobody_waiting() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::create(&folder.path().join("home")).expect("a home");
    home.write("workspaces/acme.toml", b"it").expect("written");
    let at = |name: &str| home.path().join("workspaces").join(name);
    let (file, other) = (at("acme.toml"), at("other"));
    rustix::fs::mknodat(rustix::fs::CWD, &other, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a pipe");
    let (ended, told) = std::sync::mpsc::channel::<()>();
    let swapping = std::thread::spawn(move || {
        let exchange = rustix::fs::RenameFlags::EXCHANGE;
        while matches!(told.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty)) {
            rustix::fs::renameat_with(rustix::fs::CWD, &file, rustix::fs::CWD, &other, exchange).expect("swapped");
        }
    });
    let (done, read) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for _ in 0..20_000 {
            match home.read("workspaces/acme.toml") {
                Ok(Some(bytes)) => assert_eq!(bytes, b"it"),
                Ok(None) => panic!("it is there at any instant"),
                Err(error) => assert!(matches!(error, HomeError::NotFile { .. }), "{error}"),
            }
        }
        done.send(()).expect("somebody waits");
    });
    read.recv_timeout(std::time::Duration::from_mins(1)).expect("no reading waits for a writer");
    drop(ended);
    swapping.join().expect("it swapped");
}
