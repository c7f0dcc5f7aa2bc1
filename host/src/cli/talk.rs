//! Standard output and standard error: the only place that writes to either.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::ops::Talk;

/// Prints data. A closed pipe ends quietly.
pub fn data(value: &Value) {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    let _ = writeln!(std::io::stdout().lock(), "{text}");
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
    if !std::io::stdin().is_terminal() {
        return String::new();
    }
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
pub struct Person {
    browser: bool,
    waiting: Mutex<Option<ProgressBar>>,
}

impl Person {
    /// Talks; `browser` says whether pages are opened or only printed.
    pub fn new(browser: bool) -> Self {
        Self { browser, waiting: Mutex::new(None) }
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

    fn open(&self, url: String) {
        self.stop_spinner();
        line("\nOpen this address in the browser of the person whose account it is:\n");
        line(&format!("  {}\n", crate::text::for_terminal(&url)));
        if self.browser && webbrowser::open(&url).is_err() {
            line("(no browser could be opened here; copy the address)");
        }
        self.spinner("waiting for the consent; ctrl-C stops and leaves nothing behind");
    }
}
