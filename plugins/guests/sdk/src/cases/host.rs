//! A stand-in for the host: what it gives a plugin and what it refuses, in native tests.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::Plugin;
use crate::native::NOBODY;
use crate::quota::Taken;

/// The most bytes of a key.
const MAX_KEY: usize = 128;
/// The longest window, seconds: 366 days.
const MAX_WINDOW: u32 = 366 * 24 * 3600;
/// How often one decision may take.
const MAX_TAKES: u32 = 16;

/// A stand-in for the host, of which a policy takes quotas and reads files. Golden cases have one of their own; a test that
/// calls a policy itself makes one:
///
/// ```
/// use wardlock_plugin::cases::Host;
/// use wardlock_plugin::{folder, quota};
/// # use wardlock_plugin::{Answer, Description, Policy, Problem, Request, allow, describe};
/// # struct Mine;
/// # impl Policy for Mine {
/// #     type Settings = ();
/// #     fn describe() -> Description { describe!("quota", "folder") }
/// #     fn schema() -> &'static str { "{}" }
/// #     fn configure((): ()) -> Result<Self, Vec<Problem>> { Ok(Self) }
/// #     fn on_request(&self, _request: &Request) -> Answer { allow() }
/// # }
///
/// let mut host = Host::of::<Mine>().file("allowed.txt", "one\ntwo");
/// assert_eq!(host.outside_requests(folder::names), ["allowed.txt"]);
/// assert!(host.during_request(0, || quota::take("mails", 1, 3600)).granted);
/// assert!(!host.during_request(1_800_000, || quota::take("mails", 1, 3600)).granted);
/// ```
///
/// What is taken counts here whatever the verdict is, until the stand-in is dropped. A call that would end the plugin
/// panics, in the host's words.
#[derive(Debug, Default)]
pub struct Host {
    capabilities: Vec<String>,
    files: BTreeMap<String, Vec<u8>>,
    /// How many are gone, by key, window's length and window's end.
    counters: BTreeMap<(String, u32, u64), u32>,
    decision: Option<Decision>,
}

#[derive(Debug)]
struct Decision {
    now_ms: u64,
    takes: u32,
}

thread_local! {
    static HERE: RefCell<Option<Host>> = const { RefCell::new(None) };
}

impl Host {
    /// Grants a plugin every capability that it asks for. There is no file, and nothing is taken.
    pub fn of<P: Plugin>() -> Self {
        Self { capabilities: P::describe().capabilities, ..Self::default() }
    }

    /// Puts a file into the folder.
    #[must_use]
    pub fn file(mut self, name: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(name.into(), content.into());
        self
    }

    /// Stands in while one request is judged, at a time in milliseconds since 1970-01-01T00:00:00Z.
    pub fn during_request<T>(&mut self, now_ms: u64, judge: impl FnOnce() -> T) -> T {
        self.decision = Some(Decision { now_ms, takes: 0 });
        self.stand_in(judge)
    }

    /// Stands in while something else is done, as in `configure` and `on_response`: there are files, and no quotas.
    pub fn outside_requests<T>(&mut self, run: impl FnOnce() -> T) -> T {
        self.decision = None;
        self.stand_in(run)
    }

    fn stand_in<T>(&mut self, run: impl FnOnce() -> T) -> T {
        let before = HERE.replace(Some(std::mem::take(self)));
        let done = run();
        *self = HERE.replace(before).unwrap_or_default();
        done
    }

    fn has(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|name| name == capability)
    }

    fn take(&mut self, key: &str, limit: u32, window_seconds: u32) -> Result<Taken, &'static str> {
        if !self.has("quota") {
            return Err("is called without the capability `quota`");
        }
        let decision = self.decision.as_mut().ok_or("is called outside `on-request`")?;
        if key.is_empty() || key.len() > MAX_KEY || !key.chars().all(is_plain) {
            return Err("has a key that is not 1 to 128 bytes of plain text");
        }
        if window_seconds == 0 || window_seconds > MAX_WINDOW {
            return Err("has a window that is not 1 s to 366 days long");
        }
        decision.takes += 1;
        if decision.takes > MAX_TAKES {
            return Err("is called more than 16 times in one decision");
        }
        let length_ms = u64::from(window_seconds) * 1000;
        let resets_ms = (decision.now_ms - decision.now_ms % length_ms).saturating_add(length_ms);
        let used = self.counters.entry((key.to_owned(), window_seconds, resets_ms)).or_default();
        let granted = *used < limit;
        *used += u32::from(granted);
        Ok(Taken { granted, remaining: limit.saturating_sub(*used), resets_ms })
    }

    fn folder(&self) -> Result<&BTreeMap<String, Vec<u8>>, &'static str> {
        if self.has("folder") { Ok(&self.files) } else { Err("`folder` is used without the capability `folder`") }
    }
}

/// The host's own rule of what may stand in a key: no control characters, nothing that turns the direction of writing.
fn is_plain(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Takes of the stand-in's quotas.
pub(crate) fn take(key: &str, limit: u32, window_seconds: u32) -> Taken {
    ask(|host| host.take(key, limit, window_seconds)).unwrap_or_else(|what| panic!("`quota.take` {what}"))
}

/// Names the stand-in's files.
pub(crate) fn names() -> Vec<String> {
    ask(|host| host.folder().map(|files| files.keys().cloned().collect())).unwrap_or_else(|what| panic!("{what}"))
}

/// Reads one of the stand-in's files.
pub(crate) fn read(name: &str) -> Option<Vec<u8>> {
    ask(|host| host.folder().map(|files| files.get(name).cloned())).unwrap_or_else(|what| panic!("{what}"))
}

fn ask<T>(question: impl FnOnce(&mut Host) -> T) -> T {
    HERE.with_borrow_mut(|host| question(host.as_mut().unwrap_or_else(|| panic!("{NOBODY}"))))
}

#[cfg(test)]
mod tests;
