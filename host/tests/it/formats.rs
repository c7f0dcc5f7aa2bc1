//! Upgrade and downgrade (promise R14): a home that a newer Wardlock wrote is refused by name, by the daemon and by every
//! command, and nothing in it is changed. That older ones open is tested beside each database, on what earlier versions left.

use std::path::Path;

use crate::program::{run, with_home};

/// Each database, and what it is called.
const DATABASES: [(&str, &str); 3] =
    [("vault.db", "the vault"), ("audit.db", "the audit"), ("state.db", "the state")];

fn format(path: &Path, format: i64) -> i64 {
    let database = rusqlite::Connection::open(path).expect("a database");
    let before = database.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a number");
    database.pragma_update(None, "user_version", format).expect("changed");
    before
}

#[test]
fn a_home_of_a_newer_format_is_refused_by_name_by_the_daemon_and_every_command() {
    let wardlock = with_home();
    // The databases are all there once it has served.
    assert!(wardlock.serve(&[]).expect("it serves").stop().expect("it ends").success());
    for (name, called) in DATABASES {
        let path = wardlock.home().join("state").join(name);
        let ours = format(&path, 99);
        let before = std::fs::read(&path).expect("its bytes");
        for args in [&["serve"][..], &["doctor"], &["agent", "list"], &["grants"], &["audit", "list"]] {
            let refused = run(&wardlock, args);
            assert!(refused.code.is_some_and(|code| code != 0), "{name}, {args:?}: {refused:?}");
            let told = &refused.stderr;
            assert!(told.contains(called) && told.contains("format 99"), "{name}, {args:?}: {told}");
            assert!(told.contains("newer"), "what to do: {name}, {args:?}: {told}");
        }
        assert_eq!(std::fs::read(&path).expect("its bytes"), before, "{name} was changed");
        format(&path, ours);
    }
    assert!(wardlock.serve(&[]).expect("it serves again").stop().expect("it ends").success());
}
