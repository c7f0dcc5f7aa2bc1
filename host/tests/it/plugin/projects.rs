//! Projects: begun, built by their own toolchain, tested, checked. Rust's is real here; tests/authors has the others.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use wardlock_core::id::Digest;
use wardlock_tests::home::Output;

/// Whoever writes a plugin: a folder to work in, and the toolchains of this machine.
struct Author {
    folder: TempDir,
}

impl Author {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wardlock"));
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        // What cargo builds here is kept from test to test, and no flag of the tests' own build is in it.
        command.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugins"));
        for flag in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"] {
            command.env_remove(flag);
        }
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        output(&mut self.command(args))
    }

    /// Runs it where no toolchain is.
    fn run_without_tools(&self, args: &[&str]) -> Output {
        output(self.command(args).env("PATH", self.folder.path()))
    }

    fn edit(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(name)).expect("text");
        assert!(text.contains(from), "{name}:\n{text}");
        std::fs::write(self.path(name), text.replace(from, to)).expect("written");
    }
}

fn output(command: &mut Command) -> Output {
    let output = command.output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Output { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[test]
fn rust_project_builds_and_holds_its_cases() {
    let author = Author::new();
    let begun = author.run(&["plugin", "new", "one-policy", "--lang", "rust"]).ok().expect("begun");
    assert!(begun.stderr.contains("wardlock plugin build"), "{begun:?}");
    assert!(author.path("one-policy/wit/types.wit").is_file() && author.path("one-policy/README.md").is_file());

    let built =
        author.run(&["--json", "plugin", "build", "one-policy"]).ok().expect("built").json().expect("json");
    assert_eq!(built["component"], "one-policy/one-policy.wasm");
    let bytes = std::fs::read(author.path("one-policy/one-policy.wasm")).expect("a component");
    let digest = Digest::of(&bytes).to_string();
    assert_eq!((&built["sha256"], built["bytes"].as_u64()), (&digest.as_str().into(), Some(bytes.len() as u64)));
    assert_eq!(built["paste"], format!("sha256 = \"{digest}\""));

    let component = "one-policy/one-policy.wasm";
    let tested =
        author.run(&["plugin", "test", component, "--cases", "one-policy/cases"]).ok().expect("they hold");
    assert_eq!(tested.stdout, "3 cases hold\n");

    let checked = author.run(&["plugin", "check", component]).ok().expect("it loads");
    for line in [
        "contract: wardlock:policy@0.1.0",
        "exports wardlock:policy/request-hook@0.1.0: it judges requests",
        "capabilities: it asks for none",
        "settings: it takes `allow`; none of them must be given",
        "it loads\n",
    ] {
        assert!(checked.stdout.contains(line), "`{line}` is not told: {checked:?}");
    }

    author.edit("one-policy/src/lib.rs", "fn only_reads", "fn only reads");
    let broken = author.run(&["plugin", "build", "one-policy"]);
    assert_eq!((broken.code, broken.stdout.as_str()), (Some(1), ""), "{broken:?}");
    assert!(broken.stderr.contains("src/lib.rs") && broken.stderr.contains("hint: "), "{broken:?}");
}

#[test]
fn dev_builds_and_tests_again_after_a_change_until_it_is_stopped() {
    let author = Author::new();
    author.run(&["plugin", "new", "watched", "--lang", "rust"]).ok().expect("begun");
    let mut command = author.command(&["plugin", "dev", "watched", "--watch"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stderr.take().expect("standard error")).lines();
    let mut until_it_waits = || {
        let mut said = String::new();
        loop {
            let line = lines.next().expect("it goes on").expect("text");
            if line.contains("waiting for a change") {
                return said;
            }
            said.push_str(&line);
            said.push('\n');
        }
    };
    assert!(until_it_waits().contains("built watched/watched.wasm"));
    author.edit("watched/src/lib.rs", "\"effect_not_allowed\"", "\"not_here\"");
    assert!(until_it_waits().contains("built watched/watched.wasm"));
    author.edit("watched/src/lib.rs", "fn only_reads", "fn only reads");
    assert!(until_it_waits().contains("error: `cargo` ended with"));
    kill_process(Pid::from_child(&child), Signal::INT).expect("a signal");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    let mut said = String::new();
    child.stdout.take().expect("standard output").read_to_string(&mut said).expect("text");
    let differs = "  code: `effect_not_allowed` is expected, and it is `not_here`\n";
    assert!(said.starts_with("3 cases hold\n") && said.contains(differs), "{said}");
}

/// A script stands for npm: it runs what the project has.
#[test]
fn js_project_is_built_with_what_stands_above_it_and_an_old_component_is_not_what_was_built() {
    use std::os::unix::fs::PermissionsExt as _;
    let author = Author::new();
    author.run(&["plugin", "new", "mine", "--lang", "js", "--dir", "all/mine"]).ok().expect("begun");
    let npm = author.path("npm");
    std::fs::write(&npm, "#!/bin/sh\n[ \"$1\" = --version ] || . ./build.sh\n").expect("written");
    std::fs::set_permissions(&npm, std::fs::Permissions::from_mode(0o755)).expect("set");
    std::fs::write(author.path("all/mine/build.sh"), "echo made > mine.wasm\n").expect("written");
    let build = || author.run_without_tools(&["plugin", "build", "all/mine"]);
    let refused = build();
    assert!(refused.code == Some(1) && refused.stderr.contains("the project's `jco` is missing"), "{refused:?}");
    // Where npm puts it in a workspace.
    std::fs::create_dir_all(author.path("all/node_modules/.bin")).expect("a folder");
    std::fs::write(author.path("all/node_modules/.bin/jco"), "").expect("written");
    build().ok().expect("built");
    build().ok().expect("built anew");
    std::fs::write(author.path("all/mine/build.sh"), "echo made > other.wasm\n").expect("written");
    let refused = build();
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{refused:?}");
    assert!(refused.stderr.contains("`npm` did not write all/mine/mine.wasm"), "{refused:?}");
    assert!(author.path("all/mine/mine.wasm").is_file(), "it is not taken away");
}

#[test]
fn next_steps_are_what_a_shell_takes() {
    let author = Author::new();
    for (folder, says) in [("it's here/x", r"cd 'it'\''s here/x'"), ("-x", "cd ./-x"), ("plain", "cd plain\n")] {
        let begun = author.run(&["plugin", "new", "mine", "--lang", "c", &format!("--dir={folder}")]);
        let begun = begun.ok().expect("begun");
        assert!(begun.stderr.contains(says), "{begun:?}");
    }
}

#[test]
fn what_is_missing_is_told_with_the_way_to_get_it() {
    let author = Author::new();
    for (language, missing, way) in [
        ("rust", "`rustc` is missing", "rustup"),
        ("js", "`npm` is missing", "Node.js"),
        ("python", "`componentize-py` is missing", "pip install -r requirements.txt"),
    ] {
        author.run(&["plugin", "new", language, "--lang", language]).ok().expect("begun");
        let refused = author.run_without_tools(&["plugin", "build", language]);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.contains(missing) && refused.stderr.contains(way), "{refused:?}");
    }
    let nothing = author.run(&["plugin", "build"]);
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
    assert!(nothing.stderr.contains("plugin new NAME"), "{nothing:?}");
    let again = author.run(&["plugin", "new", "js", "--lang", "js"]);
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(again.stderr.contains("js is not empty"), "{again:?}");
}
