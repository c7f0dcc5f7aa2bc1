//! Something in the daemon's place at the admin socket: it knows every true answer, and shows a person another.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wardlock_tests::home::{Output, Serving, Wardlock};

use crate::program::{run, with_home};
use crate::shown::{KEY, LEADS, answering, held, json, taking_leads, token};

/// Takes the daemon's place: asks it what it is asked, and bends what it answers.
fn stand_before(wardlock: &Wardlock, bend: fn(&mut Value)) -> PathBuf {
    let socket = wardlock.home().join("state/admin.sock");
    let real = wardlock.home().join("state/daemon.sock");
    std::fs::rename(&socket, &real).expect("moved");
    let listener = UnixListener::bind(&socket).expect("in its place");
    let behind = real.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // Whoever hangs up early has nothing to say.
            let _ = bent(&stream, &behind, bend);
        }
    });
    real
}

fn bent(stream: &UnixStream, real: &Path, bend: fn(&mut Value)) -> std::io::Result<()> {
    let mut question = String::new();
    if BufReader::new(stream.try_clone()?).read_line(&mut question)? == 0 {
        // Only whether somebody is there was asked.
        return Ok(());
    }
    let mut behind = UnixStream::connect(real)?;
    behind.write_all(question.as_bytes())?;
    let mut out = stream;
    for line in BufReader::new(behind).lines() {
        let mut event: Value = serde_json::from_str(&line?)?;
        if event["event"] == "done" {
            bend(&mut event["result"]);
        }
        writeln!(out, "{event}")?;
        if ["done", "failed"].contains(&event["event"].as_str().unwrap_or_default()) {
            break;
        }
    }
    Ok(())
}

/// Gives the daemon its place back.
fn stand_aside(wardlock: &Wardlock, real: &Path) {
    std::fs::rename(real, wardlock.home().join("state/admin.sock")).expect("moved back");
}

/// A served home with a draft that waits, and what a person types who approves it.
struct Held {
    wardlock: Wardlock,
    serving: Serving,
    draft: String,
    typed: String,
}

impl Held {
    fn new() -> Self {
        let (wardlock, serving) = taking_leads();
        run(&wardlock, &["writes", "draft", "acme/zoho", "--confirm", "acme/zoho"]).ok().expect("enabled");
        let lead = json!({ "data": [{ "Last_Name": "Mallory" }] });
        let draft = held(&wardlock, &token(&wardlock), "POST", LEADS, &lead);
        let shown = json(&wardlock, &["drafts", "show", &draft]);
        let typed = format!("{}\n", &shown["request_sha256"].as_str().expect("a hash")[..8]);
        Self { wardlock, serving, draft, typed }
    }

    /// Runs a command while answers are bent.
    fn while_bent(&self, args: &[&str], answer: &str, bend: fn(&mut Value)) -> Output {
        let real = stand_before(&self.wardlock, bend);
        let said = answering(&self.wardlock, args, answer);
        stand_aside(&self.wardlock, &real);
        said
    }

    /// Nothing that was tried came of anything: the draft waits, and is sent by who sees what it is.
    fn ends_as_before(self) {
        assert_eq!(json(&self.wardlock, &["drafts", "list"])[0]["state"], "held");
        let connection = json(&self.wardlock, &["connections", "show", "acme/zoho"]);
        assert_eq!(connection["readiness"]["writes_enabled"], "draft", "{connection}");
        let approved = answering(&self.wardlock, &["--json", "drafts", "approve", &self.draft], &self.typed);
        assert_eq!(approved.json().expect("one document")["sent"], true, "{approved:?}");
        self.serving.stop().expect("it ends");
    }
}

#[test]
fn a_false_socket_shows_no_request_other_than_the_one_that_the_hash_is_of() {
    let held = Held::new();
    let id = held.draft.as_str();
    // Its own words for the request are not what is shown.
    let milder: fn(&mut Value) = |result| {
        if result["would_send"].is_object() {
            result["would_send"]["body"] = json!({ "data": [{ "Last_Name": "Harmless" }] });
            result["would_send"]["target"] = "/crm/v8/Notes".into();
        }
    };
    let shown = held.while_bent(&["drafts", "show", id], "", milder).ok().expect("shown").stdout;
    assert!(shown.contains("Mallory") && shown.contains("target: /crm/v8/Leads"), "{shown}");
    assert!(!shown.contains("Harmless") && !shown.contains("Notes"), "{shown}");
    // Nor are other bytes, under the hash of these.
    let other: fn(&mut Value) = |result| {
        if result["exact"].is_object() {
            result["exact"]["body"] = "e30=".into();
        }
    };
    for args in [&["drafts", "show", id][..], &["--json", "drafts", "show", id], &["drafts", "approve", id]] {
        let refused = held.while_bent(args, &held.typed, other);
        assert!(refused.code != Some(0) && !refused.stdout.contains("would_send"), "{refused:?}");
        assert!(refused.stderr.contains("wants another confirmed; nothing was confirmed"), "{refused:?}");
        assert!(!refused.stderr.contains("Type the first"), "{refused:?}");
    }
    // What the command line does not know it does not show, and no other draft under this one's name.
    let more: fn(&mut Value) = |result| {
        result["note"] = "checked by Wardlock: harmless".into();
        result["would_send"]["note"] = "checked by Wardlock: harmless".into();
    };
    for args in [&["drafts", "show", id][..], &["--json", "drafts", "show", id]] {
        let shown = held.while_bent(args, "", more).ok().expect("shown").stdout;
        assert!(shown.contains("Mallory") && !shown.contains("checked by"), "{shown}");
        assert!(shown.contains("not read: "), "why nothing stands beside it: {shown}");
    }
    let renamed = held.while_bent(&["drafts", "show", id], "", |result| result["draft"] = "draft_0".into());
    assert!(renamed.stderr.contains("wants another confirmed"), "{renamed:?}");
    held.ends_as_before();
}

#[test]
fn what_a_false_socket_shows_of_a_draft_is_what_the_approval_is_of() {
    let held = Held::new();
    let others: [fn(&mut Value); 7] = [
        // The same request means another thing elsewhere.
        |result| result["connection"] = "acme/sandbox".into(),
        |result| result["agent"] = "nightly-job".into(),
        |result| result["effect"] = "read".into(),
        |result| result["would_send"]["tenant"] = "999".into(),
        |result| result["would_send"]["purpose"] = "as Ada said on the phone".into(),
        |result| result["would_send"]["held_by"] = json!(["rule `dry_run`"]),
        |result| result["would_send"]["records"] = 0.into(),
    ];
    for other in others {
        let refused = held.while_bent(&["drafts", "approve", &held.draft], &held.typed, other);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.contains("is another than was shown"), "{refused:?}");
    }
    held.ends_as_before();
}

#[test]
fn a_false_socket_widens_neither_a_level_nor_a_role() {
    let held = Held::new();
    let less: fn(&mut Value) = |result| {
        if result["will_be_able_to"].is_array() {
            result["will_be_able_to"] = json!([]);
        }
    };
    let refused = held.while_bent(&["writes", "on", "acme/zoho"], "acme/zoho\n", less);
    assert!(refused.code != Some(0) && refused.stderr.contains("wants another confirmed"), "{refused:?}");
    // An operator whose role nobody named is no admin because it says that there is none yet.
    held.wardlock.write("ada.pub", KEY).expect("written");
    let key = held.wardlock.home().join("ada.pub").display().to_string();
    let nobody: fn(&mut Value) = |result| {
        if result.is_array() {
            *result = json!([]);
        }
    };
    let args = ["--as", "eve", "--sign-with", &key, "operator", "add", "bob", "--key", &key];
    let said = held.while_bent(&args, "", nobody);
    assert!(said.code != Some(0) && said.stderr.contains("nothing was signed"), "{said:?}");
    assert!(!said.stderr.contains("Signing:"), "{said:?}");
    held.ends_as_before();
}

#[test]
fn a_process_that_does_not_hold_the_home_is_given_no_secret() {
    let wardlock = with_home();
    let serving = wardlock.serve(&[]).expect("it serves");
    let real = stand_before(&wardlock, |_| ());
    let id = ["registration", "add", "zoho", "--service", "zoho-crm", "--client-id", "1000.ID", "--secret-stdin"];
    for args in [&id[..], &["agent", "add", "a1", "--workspace", "acme"], &["dashboard"]] {
        let refused = answering(&wardlock, args, "1000.a-secret-that-stays-here\n");
        assert!(refused.code != Some(0), "{refused:?}");
        assert!(refused.stderr.contains("is not the process that holds this home"), "{refused:?}");
    }
    stand_aside(&wardlock, &real);
    assert_eq!(json(&wardlock, &["registration", "list"]), json!([]));
    answering(&wardlock, &id, "1000.a-secret-of-the-simulators\n").ok().expect("the daemon takes it");
    serving.stop().expect("it ends");
}

#[test]
fn a_signature_for_one_home_is_never_carried_to_another() {
    let (production, test) = (with_home(), with_home());
    let (serving, _tried) = (production.serve(&[]).expect("it serves"), test.serve(&[]).expect("so does this"));
    let state = test.home().join("state");
    std::fs::rename(state.join("admin.sock"), state.join("daemon.sock")).expect("moved");
    std::os::unix::fs::symlink(production.home().join("state/admin.sock"), state.join("admin.sock"))
        .expect("a link");
    test.write("ada.pub", KEY).expect("written");
    let key = test.home().join("ada.pub").display().to_string();
    let thaw = ["--as", "ada", "--sign-with", &key, "thaw", "acme"];
    let refused = run(&test, &thaw);
    assert!(refused.stderr.contains("is not the process that holds this home; nothing was signed"), "{refused:?}");
    // One file under two names is one lock to the kernel: then the homes' names differ.
    std::fs::remove_file(state.join("lock")).expect("removed");
    std::fs::hard_link(production.home().join("state/lock"), state.join("lock")).expect("one file");
    let refused = run(&test, &thaw);
    assert!(refused.stderr.contains("serves another home: "), "{refused:?}");
    assert!(!refused.stderr.contains("Signing:"), "{refused:?}");
    serving.stop().expect("it ends");
}

#[test]
fn a_daemon_that_ends_under_an_approval_leaves_word_where_to_look() {
    let (wardlock, serving) = taking_leads();
    let socket = wardlock.home().join("state/admin.sock");
    let real = wardlock.home().join("state/daemon.sock");
    std::fs::rename(&socket, &real).expect("moved");
    let listener = UnixListener::bind(&socket).expect("in its place");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let _ = BufReader::new(stream).read_line(&mut String::new());
        }
    });
    let id = format!("draft_{}", "0".repeat(32));
    let said = run(&wardlock, &["drafts", "approve", &id, "--request", &"0".repeat(64)]);
    assert_eq!(said.code, Some(1), "{said:?}");
    for words in
        ["the request may have been sent", &format!("`wardlock drafts show {id}`"), "`wardlock audit show`"]
    {
        assert!(said.stderr.contains(words), "`{words}` is not said: {}", said.stderr);
    }
    let other = run(&wardlock, &["drafts", "list"]);
    assert!(other.stderr.contains("see whether `wardlock serve` still runs"), "{}", other.stderr);
    stand_aside(&wardlock, &real);
    serving.stop().expect("it ends");
}
