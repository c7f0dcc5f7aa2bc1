//! The guides in docs/, done as they say: the files that they show are written, their commands run in order, and what they
//! show as printed is looked for. Nothing but what a guide names is replaced.
//!
//! - [`steps`]: a guide's steps, read off its Markdown.
//! - [`reader`]: somebody who does them.

mod reader;
mod steps;

use std::path::Path;

use reader::Reader;
use steps::{Step, sections, steps};
use wardlock_simulator::NotesConfig;
use wardlock_tests::home::Wardlock;
use wardlock_tests::programs;

use crate::program::{CLIENT_SECRET, program, run};

const SERVICES: &str = include_str!("../../../../docs/services.md");
const SECRETS: &str = include_str!("../../../../docs/secrets.md");

/// How somebody begins: one terminal of its own, which the tests' harness is.
const BEGINNING: &str =
    "export WARDLOCK_HOME=\"$HOME/wardlock-notes\"\nwardlock init\nwardlock serve --simulator\n";

#[test]
fn service_of_ones_own_works_as_its_guide_says() {
    let wardlock = program();
    wardlock.init().expect("a home");
    let steps = steps(SERVICES);
    let serving = wardlock.serve(&["--simulator"]).expect("it serves");
    let mut reader = Reader::new(&wardlock, CLIENT_SECRET);
    reader.keep("key.txt", NotesConfig::API_KEY);
    reader.keep("app-key.txt", NotesConfig::APP_KEY);
    let (mut begun, mut ran, mut shown) = (0, 0, 0);
    for step in &steps {
        match step {
            Step::Commands(commands) if commands == BEGINNING => begun += 1,
            Step::Commands(commands) => {
                reader.run(commands);
                ran += 1;
            }
            Step::File { name, text } => reader.write(name, text),
            Step::Shows(lines) => {
                reader.saw(lines);
                shown += 1;
            }
        }
    }
    assert!(begun == 1 && ran >= 11 && shown >= 10, "{begun} beginnings, {ran} commands, {shown} answers");

    // Run again, the program gives what it has then.
    let app = "curl -sS -H \"Authorization: Bearer $(wardlock agent add NAME --workspace others)\" http://127.0.0.1:7420/others/key/v1/app";
    for (key, agent, answer) in
        [("another", "third", "app_key_required"), (NotesConfig::APP_KEY, "fourth", "Simulated app")]
    {
        reader.keep("app-key.txt", key);
        reader.run("wardlock registration set-secret notes-key --name app-key --again");
        reader.run(&app.replace("NAME", agent));
        reader.saw(&[answer]);
    }
    run(&wardlock, &["audit", "verify"]).ok().expect("the audit is sound");
    serving.stop().expect("it ends");
}

/// A program that keeps secrets: its name, and by its arguments what it prints.
type Keeper = (&'static str, [(&'static str, &'static str); 3]);

const KEEPERS: [Keeper; 4] = [
    (
        "op",
        [
            ("read op://Work/notes/client-secret", CLIENT_SECRET),
            ("read op://Work/notes/api-key", NotesConfig::API_KEY),
            ("read op://Work/notes/app-key", NotesConfig::APP_KEY),
        ],
    ),
    (
        "vault",
        [
            ("kv get -field=client_secret secret/notes", CLIENT_SECRET),
            ("kv get -field=api_key secret/notes", NotesConfig::API_KEY),
            ("kv get -field=app_key secret/notes", NotesConfig::APP_KEY),
        ],
    ),
    (
        "infisical",
        [
            ("secrets get NOTES_CLIENT_SECRET --plain --silent", CLIENT_SECRET),
            ("secrets get NOTES_API_KEY --plain --silent", NotesConfig::API_KEY),
            ("secrets get NOTES_APP_KEY --plain --silent", NotesConfig::APP_KEY),
        ],
    ),
    (
        "doppler",
        [
            ("secrets get NOTES_CLIENT_SECRET --plain", CLIENT_SECRET),
            ("secrets get NOTES_API_KEY --plain", NotesConfig::API_KEY),
            ("secrets get NOTES_APP_KEY --plain", NotesConfig::APP_KEY),
        ],
    ),
];

/// Puts a stand-in into a folder: it prints a secret for the right arguments and an empty input, and fails else.
fn stand_in(folder: &Path, (name, secrets): &Keeper) {
    let case = |(arguments, secret): &(&str, &str)| format!("  '{arguments}') echo '{secret}' ;;");
    let cases = secrets.iter().map(case).collect::<Vec<_>>().join("\n");
    let script = format!(
        "[ -z \"$(cat)\" ] || exit 65\necho 'talk that nobody keeps' >&2\ncase \"$*\" in\n{cases}\n  *) exit 64 ;;\nesac\n"
    );
    programs::script(&folder.join(name), &script).expect("a program");
}

#[test]
fn programs_that_keep_secrets_give_them_as_the_guide_says() {
    let again = sections(SECRETS)[0].1.clone();
    for keeper in &KEEPERS {
        let programs = tempfile::tempdir().expect("a folder");
        stand_in(programs.path(), keeper);
        let wardlock = program().finding(programs.path());
        wardlock.init().expect("a home");
        let serving = wardlock.serve(&["--simulator"]).expect("it serves");
        let mut reader = Reader::new(&wardlock, "what nobody asks for");
        // The services and workspaces are those of the other guide.
        prepare(&mut reader);
        let text = sections(SECRETS).into_iter().find(|(_, text)| text.contains(&format!("-- {} ", keeper.0)));
        let (title, text) = text.unwrap_or_else(|| panic!("docs/secrets.md says nothing of `{}`", keeper.0));
        let commands = steps(&text).into_iter().find_map(Step::commands).expect("commands");
        for (arguments, _) in keeper.1 {
            assert!(commands.contains(&format!("-- {} {arguments}\n", keeper.0)), "{title}: {arguments}");
        }
        reader.run(&commands);
        reader.saw(&[
            "registration: notes",
            "grant: others-key",
            "account: Nora",
            "secret: app-key",
            "stored: yes",
        ]);
        reader.run("wardlock connect acme/notes");
        reader.saw(&["the account is Nora"]);
        reader.run(&steps(&again).into_iter().find_map(Step::commands).expect("a command"));
        reader.saw(&["proved: yes"]);
        reader.run(
            "token=$(wardlock agent add reporter --workspace others)\n\
             curl -sS -H \"Authorization: Bearer $token\" http://127.0.0.1:7420/others/key/v1/app",
        );
        reader.saw(&["Simulated app"]);
        fails_without_a_secret(&wardlock, keeper.0);
        serving.stop().expect("it ends");
    }
}

/// Writes what docs/services.md says into the home.
fn prepare(reader: &mut Reader<'_>) {
    for step in steps(SERVICES) {
        match step {
            Step::File { name, text } => reader.write(&name, &text),
            Step::Commands(commands) if commands.contains("notes-robot.toml") => reader.run(&commands),
            Step::Commands(_) | Step::Shows(_) => {}
        }
    }
    reader.run("wardlock reload");
    reader.saw(&["ok: yes"]);
}

/// What a program says when it fails is not taken for a secret, nor told.
fn fails_without_a_secret(wardlock: &Wardlock, name: &str) {
    for (args, expected) in [
        (["--", name, "another"].as_slice(), "ended with exit status: 64"),
        (&["--", "no-such-program"], "cannot be started"),
    ] {
        let set = ["registration", "set-secret", "notes-key", "--name", "app-key"];
        let refused = run(wardlock, &[set.as_slice(), args].concat());
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.contains(expected), "{refused:?}");
        assert!(!refused.stderr.contains("talk that nobody keeps"), "{refused:?}");
    }
    // The key is no client's secret.
    let key = run(wardlock, &["registration", "set-secret", "notes-key", "--", "echo", "another"]);
    assert_eq!(key.code, Some(2), "{key:?}");
    assert!(
        key.stderr.contains("has no client secret") && key.stderr.contains("hint: `wardlock connect`"),
        "{key:?}"
    );
    let listed = run(wardlock, &["--json", "registration", "list"]).json().expect("json").to_string();
    assert!(listed.contains(name) && !listed.contains("no-such-program"), "what works is remembered: {listed}");
}
