//! Standard output and standard error: the only place that writes to either.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use wardlock_audit::escape_json;
use wardlock_egress::{Awaited, Pasted, hand_over_pasted};

use super::args::Cli;
use super::opener::Opener;
use crate::admin::Page;
use crate::home::Home;
use crate::operators::NAMESPACE;
use crate::ops::Talk;

/// Prints data, harmless on a terminal, too. A closed pipe ends quietly.
pub fn data(value: &Value) {
    let text = escape_json(&serde_json::to_string_pretty(value).unwrap_or_default());
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints lines of data that are already text, for long output; returns whether somebody still reads.
pub fn lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> bool {
    let mut stdout = std::io::stdout().lock();
    let written = lines.into_iter().try_for_each(|line| writeln!(stdout, "{line}"));
    written.and_then(|()| stdout.flush()).is_ok()
}

/// Prints a line of data that is already text.
pub fn text(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Says a line to the person.
pub fn line(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Asks the person for one line; empty where nobody is there to ask.
pub fn ask(question: &str) -> String {
    if std::io::stdin().is_terminal() { answer(question) } else { String::new() }
}

/// Asks for one line of standard input, whoever is behind it.
pub fn answer(question: &str) -> String {
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "{question}");
    let _ = stderr.flush();
    let mut answer = String::new();
    match std::io::stdin().read_line(&mut answer) {
        Ok(_) => answer.trim().to_owned(),
        Err(_) => String::new(),
    }
}

/// Talks to a person at this terminal, and opens pages in their browser.
#[derive(Default)]
pub struct Person {
    /// What opens pages here; `None`: they are printed only.
    browser: Option<Opener>,
    /// Who signs, and with which key.
    signer: Option<(String, PathBuf)>,
    waiting: Mutex<Option<ProgressBar>>,
}

impl Person {
    /// Talks, and opens no browser.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens pages in a browser, too, by way of files in this home.
    #[must_use]
    pub fn with_browser(mut self, home: Home) -> Self {
        self.browser = Some(Opener::new(home));
        self
    }

    /// Signs as the command line says.
    #[must_use]
    pub fn signing(mut self, cli: &Cli) -> Self {
        self.signer = cli.operator.clone().zip(cli.sign_with.clone());
        self
    }

    fn spinner(&self, message: &str) {
        if !std::io::stderr().is_terminal() {
            return;
        }
        let bar = ProgressBar::new_spinner().with_style(ProgressStyle::default_spinner());
        bar.set_message(message.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        if let Ok(mut waiting) = self.waiting.lock() {
            *waiting = Some(bar);
        }
    }

    fn stop_spinner(&self) {
        if let Ok(mut waiting) = self.waiting.lock()
            && let Some(bar) = waiting.take()
        {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        self.stop_spinner();
    }
}

impl Talk for Person {
    fn say(&self, text: String) {
        self.stop_spinner();
        line(&crate::text::for_terminal_lines(&text));
    }

    fn open(&self, page: Page) {
        self.stop_spinner();
        line("\nOpen this address in the browser of the person whose account it is:\n");
        line(&format!("  {}\n", crate::text::for_terminal(&page.url)));
        match &self.browser {
            None => take_pasted(page),
            Some(browser) => match browser.open(&page.url) {
                Ok(()) => line(
                    "(if no browser shows the provider's page, copy the address: not every browser may read a file of the home)",
                ),
                Err(error) => line(&format!("(no browser could be opened here: {error}; copy the address)")),
            },
        }
        self.spinner("waiting for the consent; ctrl-C stops and leaves nothing behind");
    }

    fn wait(&self, text: String) {
        self.stop_spinner();
        self.spinner(&crate::text::for_terminal(&text));
    }

    fn signs_as(&self) -> Option<String> {
        self.signer.as_ref().map(|(operator, _)| operator.clone())
    }

    fn sign(&self, text: &str) -> Result<String, String> {
        let (_, key) = self.signer.as_ref().ok_or("nobody signs here")?;
        self.stop_spinner();
        line(&format!("Signing:\n{}", crate::text::for_terminal_lines(text)));
        ssh_sign(key, text).map_err(|error| format!("`{}` did not sign: {error}", key.display()))
    }
}

/// Has OpenSSH sign a text: it asks for the key's passphrase by itself, and reaches keys of its agent and of hardware.
fn ssh_sign(key: &Path, text: &str) -> std::io::Result<String> {
    // On a terminal it speaks for itself: it asks for a touch there.
    let on_terminal = std::io::stderr().is_terminal();
    let mut signing = std::process::Command::new("ssh-keygen")
        .args(["-q", "-Y", "sign", "-n", NAMESPACE, "-f"])
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(if on_terminal { Stdio::inherit() } else { Stdio::piped() })
        .spawn()?;
    if let Some(mut stdin) = signing.stdin.take() {
        // Where it has ended already, it says why.
        let _ = stdin.write_all(text.as_bytes());
    }
    let signed = signing.wait_with_output()?;
    if signed.status.success() {
        return String::from_utf8(signed.stdout).map_err(std::io::Error::other);
    }
    let said = crate::text::for_terminal(String::from_utf8_lossy(&signed.stderr).trim());
    let said = if said.is_empty() { "it says why above" } else { &said };
    Err(std::io::Error::other(format!(
        "`ssh-keygen` failed: {said}. `--sign-with` takes the private key's file, which nobody else may read, or the public one if the \
         key is in ssh-agent"
    )))
}

/// Says how a browser on another machine comes back, and takes the address that it ended at on standard input, on a thread
/// of its own: the consent may also come back by itself.
fn take_pasted(page: Page) {
    let Page { url: start, provider_url, redirect_uri, listener } = page;
    if redirect_uri.starts_with("http://") {
        let port = listener.port();
        line(&format!(
            "That is on this machine, and so is {redirect_uri}, where the browser goes in the end. If it runs on another one, either\n\
             lead it here first, with this in a terminal there:\n\n  ssh -N -L {port}:{listener} {}\n\n\
             or open the provider's own page, let the browser fail in the end, copy the whole address that it shows then, and paste\n\
             it here:\n\n  {}\n",
            here(),
            crate::text::for_terminal(&provider_url)
        ));
    }
    let awaited = Awaited { redirect_uri, start, listener };
    std::thread::spawn(move || {
        loop {
            match hand_over_pasted(&awaited) {
                Ok(Pasted::Taken | Pasted::Ended) | Err(_) => return,
                Ok(Pasted::OtherAddress) => {
                    line(&format!(
                        "That is not the address: it begins with {}? . Paste it once more:",
                        awaited.redirect_uri
                    ));
                }
                Ok(Pasted::NotWaitedFor) => {
                    line("That address does not lead to an account: it was used before, cut short, or says no.");
                }
                Ok(Pasted::NoListener) => return line("Nothing waits for it any more."),
            }
        }
    });
}

/// Who and where this is, as `ssh` wants it.
fn here() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("YOU@{}", crate::text::for_terminal(&host))
}
