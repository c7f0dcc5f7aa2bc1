//! Somebody who does what a guide says: at a shell, and as the person at the provider's pages.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use wardlock_simulator::Consent;
use wardlock_tests::home::Wardlock;

/// The simulator's client.
const CLIENT_ID: &str = "simulator-notes-client";

/// Somebody who has a guide and a home.
pub struct Reader<'a> {
    wardlock: &'a Wardlock,
    folder: TempDir,
    secret: &'a str,
    digest: String,
    said: String,
    /// Where the simulator shows people's pages, once one was seen.
    pages: Option<String>,
}

impl<'a> Reader<'a> {
    /// Takes a served home, and the client secret that is typed where one is asked for.
    pub fn new(wardlock: &'a Wardlock, secret: &'a str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        symlink(env!("CARGO_BIN_EXE_wardlock"), folder.path().join("wardlock")).expect("a link");
        let mut reader =
            Self { wardlock, folder, secret, digest: String::new(), said: String::new(), pages: None };
        reader.run("wardlock plugin inspect read-only");
        let digest = reader.said.lines().find_map(|line| line.strip_prefix("sha256: "));
        reader.digest = digest.expect("a digest").to_owned();
        reader
    }

    /// Writes a file where commands run.
    pub fn keep(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("written");
    }

    /// Writes a file of the home.
    pub fn write(&self, name: &str, text: &str) {
        self.wardlock.write(name, &text.replace("DIGEST", &self.digest)).expect("written");
    }

    /// Runs commands, which succeed, and keeps what they print.
    pub fn run(&mut self, commands: &str) {
        let commands: String = commands.lines().map(|line| self.meant(line)).collect();
        let path = format!("{}:{}", self.folder.path().display(), self.wardlock.path());
        let mut shell = Command::new("sh")
            .args(["-c", &format!("exec 2>&1\nset -eu\n{commands}")])
            .current_dir(self.folder.path())
            .env_clear()
            // A browser that does nothing; the person reads the address off the terminal.
            .envs([("PATH", path.as_str()), ("BROWSER", "/bin/true"), ("NO_COLOR", "1")])
            .env("HOME", self.folder.path())
            .env("WARDLOCK_HOME", self.wardlock.home())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        // Commands that ask for nothing may be gone already.
        let _ = shell.stdin.take().expect("standard input").write_all(self.secret.as_bytes());
        self.said.clear();
        for line in BufReader::new(shell.stdout.take().expect("standard output")).lines() {
            let line = line.expect("text");
            self.said.push_str(&line);
            self.said.push('\n');
            if let Some(page) = consent(&line) {
                self.pages = page.split("/login.notes.example/").next().map(str::to_owned);
            }
        }
        self.wardlock.note("a guide's commands", self.said.as_bytes());
        let ended = shell.wait().expect("it ends");
        assert!(ended.success(), "{commands}\n{}", self.said);
    }

    /// Looks for lines in what the last commands have printed, in this order.
    pub fn saw<S: AsRef<str>>(&self, lines: &[S]) {
        let mut rest = self.said.as_str();
        for line in lines {
            let line = line.as_ref().replace("127.0.0.1:7421", &self.wardlock.callback().to_string());
            let (_, after) = rest
                .split_once(&line)
                .unwrap_or_else(|| panic!("`{line}` is not printed, or not in this order:\n{}", self.said));
            rest = after;
        }
    }

    /// Puts in what the guide leaves to whoever reads it: the client's id, where this home listens, and the way in for a
    /// secret that nobody types here.
    fn meant(&self, line: &str) -> String {
        let mut line = line
            .replace("--client-id ID", &format!("--client-id {CLIENT_ID}"))
            .replace("127.0.0.1:7420", &self.wardlock.agents().to_string());
        // The simulator is at no address of that name; it shows the same pages in plain http.
        if let Some(pages) = self.pages.as_ref().filter(|_| line.contains("curl")) {
            line = line.replace("https://login.notes.example", &format!("{pages}/login.notes.example"));
        }
        if line.contains("registration add") && !line.contains("--public") && !line.contains(" -- ") {
            line.push_str(" --secret-stdin");
        }
        line.push('\n');
        line
    }
}

/// Agrees at the provider's page, and returns its address, if the line leads to one.
fn consent(line: &str) -> Option<String> {
    let page = line.split_whitespace().find(|word| word.starts_with("http://127.0.0.1"))?;
    let agreed = Consent::default();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if page.contains("/start/") {
        let done = runtime.block_on(wardlock_simulator::consent(page, &agreed)).expect("a callback");
        assert_eq!(done.status, 200);
        return Some(done.page_url);
    } else if page.contains("/login.notes.example/device?") {
        runtime.block_on(wardlock_simulator::decide_device(page, &agreed)).expect("a device's page");
    } else {
        return None;
    }
    Some(page.to_owned())
}
