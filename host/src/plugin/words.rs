//! What can be said of a component before it judges anything, in plain words.

use std::collections::BTreeSet;

use serde_json::Value;
use wardlock_sandbox::{About, Inspection};

use crate::config::DEFAULT_MEMORY_BYTES;

/// What each kind of import means for a plugin, by how its name begins. The first that fits counts.
const IMPORTS: [(&str, &str); 18] = [
    ("wardlock:policy/types", "the contract's records, which hold no credential"),
    ("wardlock:policy/log", "it writes into the plugin's log, which the host bounds"),
    ("wardlock:policy/quota", "it counts, in counters that the host keeps for it"),
    ("wardlock:policy/folder", "it reads files that the operator lets it read"),
    ("wardlock:policy/", "a part of the contract"),
    ("wasi:cli/environment", "it reads the environment, which is empty"),
    ("wasi:cli/exit", "it may end itself; a plugin that does has refused the request"),
    ("wasi:cli/stdin", "it reads standard input, which is empty"),
    ("wasi:cli/stdout", "it prints; that goes to the plugin's log"),
    ("wasi:cli/stderr", "it prints; that goes to the plugin's log"),
    ("wasi:cli/", "it asks about terminals; there is none"),
    ("wasi:clocks", "it reads the request's time, which stands still"),
    ("wasi:filesystem", "it looks for files; there are none"),
    ("wasi:io", "it reads and writes streams; waiting for one refuses the request"),
    (
        "wasi:random",
        "it draws a stream that the request's id and the component's digest determine; what its start code or `configure` draws, \
         such as the seed of a language's own generator, is the same for every request",
    ),
    ("wasi:sockets", "it could ask for sockets; every call is denied"),
    ("wasi:http", "it wants to send requests, and no plugin may"),
    ("", "no plugin gets it"),
];

/// What an import means for a plugin that does not ask for the capability of its name: a call refuses the request.
const UNASKED: [(&str, &str, &str); 2] = [
    ("wardlock:policy/quota", "quota", "it may want to count, and does not ask for `quota`: a call is a trap"),
    (
        "wardlock:policy/folder",
        "folder",
        "it may want to read files, and does not ask for `folder`: a call is a trap",
    ),
];

/// What each capability gives.
const CAPABILITIES: [(&str, &str); 5] = [
    ("body", "it sees the content of requests' bodies"),
    ("shape", "it changes requests; it can only narrow them"),
    ("response-body", "it sees the content of answers' bodies"),
    ("quota", "it takes of its quotas"),
    ("folder", "it reads the files of a folder that the operator names"),
];

/// Engines that read the clock through WASI whatever they were built with, by a text that their toolchain leaves in each
/// component: language, text, how a policy reads the clock, the flag without which it is one.
const ENGINES: [Engine; 2] = [
    Engine {
        language: "JavaScript",
        mark: b"componentize_qjs_runtime.wasm",
        reads: "`Date.now()`, `new Date()`",
        flag: "--backend-qjs-stub-wasi",
    },
    Engine {
        language: "Python",
        mark: b"libcomponentize_py_runtime.so",
        reads: "`time.time()`, `datetime.now()`",
        flag: "--stub-wasi",
    },
];

/// An engine of another language within a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Engine {
    language: &'static str,
    mark: &'static [u8],
    reads: &'static str,
    flag: &'static str,
}

impl Engine {
    /// Finds the engine that a component holds, if it is one that is known here.
    pub fn of(component: &[u8]) -> Option<Self> {
        ENGINES.into_iter().find(|engine| component.windows(engine.mark.len()).any(|part| part == engine.mark))
    }
}

/// The export of what judges answers.
const RESPONSE_HOOK: &str = "wardlock:policy/response-hook";

/// Something about a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// What of it: `contract`, `imports wasi:clocks`, …
    pub what: String,
    /// What that means.
    pub means: String,
}

/// Says what a component is, a line for each thing; `engine` is the one that it holds.
pub fn words(inspection: &Inspection, engine: Option<Engine>) -> Vec<Word> {
    let mut words = vec![contract(inspection)];
    words.extend(exports(inspection));
    words.extend(imports(&inspection.imports, inspection.about.as_ref().ok()));
    words.extend(engine.and_then(|engine| stubbed(&inspection.imports, engine)));
    if let Ok(about) = &inspection.about {
        words.extend(capabilities(about, &inspection.exports));
        words.extend(memory(about));
        words.push(settings(about));
    }
    words
}

fn word(what: impl Into<String>, means: impl Into<String>) -> Word {
    Word { what: what.into(), means: means.into() }
}

fn contract(inspection: &Inspection) -> Word {
    match &inspection.package_version {
        Some(version) => word("contract", format!("wardlock:policy@{version}")),
        None => word("contract", "none: it neither imports nor exports anything of wardlock:policy"),
    }
}

fn exports(inspection: &Inspection) -> Vec<Word> {
    let means = |name: &str| match bare(name) {
        "wardlock:policy/settings" => "it says what it is, and takes settings",
        "wardlock:policy/request-hook" => "it judges requests",
        RESPONSE_HOOK => "it judges answers, which are held for it; it can only take away",
        _ => "nobody calls it",
    };
    inspection.exports.iter().map(|name| word(format!("exports {name}"), means(name))).collect()
}

/// Imports that mean the same are one line: Python's toolchain imports seven of sockets alone.
fn imports(imports: &[String], about: Option<&About>) -> Vec<Word> {
    let asks_for = |capability| about.is_none_or(|about| about.description.capabilities.contains(capability));
    let mut lines: Vec<(&str, BTreeSet<&str>)> = Vec::new();
    for name in imports {
        let unasked =
            UNASKED.iter().find(|(begin, capability, _)| name.starts_with(begin) && !asks_for(*capability));
        let known = IMPORTS.iter().find(|(begin, _)| name.starts_with(begin)).map(|(_, means)| means);
        let means = unasked.map(|(_, _, means)| means).or(known).unwrap_or(&"no plugin gets it");
        let name = if name.starts_with("wasi:") { package(name) } else { bare(name) };
        match lines.iter_mut().find(|(known, _)| known == means) {
            Some((_, names)) => {
                names.insert(name);
            }
            None => lines.push((*means, BTreeSet::from([name]))),
        }
    }
    if lines.is_empty() {
        return vec![word("imports", "nothing: no clock, no randomness, no file, no socket")];
    }
    let line = |(means, names): (&str, BTreeSet<&str>)| {
        word(format!("imports {}", names.into_iter().collect::<Vec<_>>().join(", ")), means)
    };
    lines.into_iter().map(line).collect()
}

/// Says so where an engine was built without what it reads the clock through.
fn stubbed(imports: &[String], engine: Engine) -> Option<Word> {
    if imports.iter().any(|name| name.starts_with("wasi:clocks/")) {
        return None;
    }
    let Engine { language, reads, flag, .. } = engine;
    let means = format!(
        "its clock is a stub: it holds {language}'s engine and imports no `wasi:clocks`. As `{flag}` builds it, reading the clock \
         ({reads}) ends the request with `plugin_trap`, and so does printing and what nobody catches; build it without that flag"
    );
    Some(word("clock", means))
}

/// What a plugin leaves of an answer needs no capability.
fn capabilities(about: &About, exports: &[String]) -> Vec<Word> {
    if about.description.capabilities.is_empty() {
        let changes =
            if exports.iter().any(|name| bare(name) == RESPONSE_HOOK) { "no request" } else { "nothing" };
        return vec![word("capabilities", format!("it asks for none: it sees no body and changes {changes}"))];
    }
    let means = |name: &str| CAPABILITIES.iter().find(|(known, _)| *known == name).map(|(_, means)| *means);
    let each = |name: &String| {
        word(format!("asks for `{name}`"), means(name).unwrap_or("there is no such capability, so it never holds"))
    };
    about.description.capabilities.iter().map(each).collect()
}

/// Says what its start takes, where that is more than it is given without a word in the workspace file.
fn memory(about: &About) -> Option<Word> {
    let takes = about.start_bytes.div_ceil(1 << 20);
    (about.start_bytes > DEFAULT_MEMORY_BYTES).then(|| {
        let given = DEFAULT_MEMORY_BYTES >> 20;
        word(
            "memory",
            format!(
                "its start takes {takes}MiB: give it more than that in `limits.memory`, or it gets {given}MiB"
            ),
        )
    })
}

fn settings(about: &About) -> Word {
    let known: Vec<String> = match about.schema.get("properties") {
        Some(Value::Object(members)) => members.keys().map(|name| format!("`{name}`")).collect(),
        _ => Vec::new(),
    };
    let required = required(about);
    let means = match (known.is_empty(), required.is_empty()) {
        (true, true) => "its schema names none".to_owned(),
        (_, true) => format!("it takes {}; none of them must be given", known.join(", ")),
        (_, false) => format!("it takes {}; must be given: {}", known.join(", "), required.join(", ")),
    };
    word("settings", means)
}

/// Returns the settings that must be given, as its schema names them.
pub fn required(about: &About) -> Vec<String> {
    match about.schema.get("required") {
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).map(|name| format!("`{name}`")).collect()
        }
        _ => Vec::new(),
    }
}

/// `wasi:cli/exit@0.2.0` → `wasi:cli/exit`.
fn bare(name: &str) -> &str {
    name.split('@').next().unwrap_or(name)
}

/// `wasi:clocks/wall-clock@0.2.0` → `wasi:clocks`; of `wasi:cli`, which is many things, the interface too.
fn package(name: &str) -> &str {
    let bare = bare(name);
    match bare.split_once('/') {
        Some((package, _)) if package != "wasi:cli" => package,
        _ => bare,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(component: &[u8], imports: &[&str], says: Option<&str>) {
        let imports: Vec<String> = imports.iter().map(|&name| name.to_owned()).collect();
        let word = Engine::of(component).and_then(|engine| stubbed(&imports, engine));
        match (word, says) {
            (Some(word), Some(says)) => assert!(word.means.contains(says), "{}", word.means),
            (word, says) => assert_eq!(word.map(|word| word.means), says.map(str::to_owned)),
        }
    }

    #[test]
    fn capabilities_that_are_not_asked_for_are_told() {
        let asking = |capabilities: &[&str]| About {
            description: wardlock_sandbox::Description {
                name: "a".to_owned(),
                version: "1".to_owned(),
                capabilities: capabilities.iter().map(|&name| name.to_owned()).collect(),
                attributes: Vec::new(),
            },
            schema: Value::Null,
            start_bytes: 0,
            unset: None,
        };
        let quota = ["wardlock:policy/quota@0.1.0".to_owned()];
        let means = |about: Option<&About>| imports(&quota, about)[0].means.clone();
        assert!(means(Some(&asking(&[]))).contains("does not ask for `quota`"));
        assert!(
            [means(Some(&asking(&["quota"]))), means(None)].iter().all(|means| means.starts_with("it counts"))
        );
        let changes = |export: &str| capabilities(&asking(&[]), &[export.to_owned()])[0].means.clone();
        assert!(changes("wardlock:policy/response-hook@0.1.0").ends_with("changes no request"));
        assert!(changes("wardlock:policy/request-hook@0.1.0").ends_with("changes nothing"));
    }

    #[test]
    fn stubbed_clock_is_told_of_engines_that_are_known_and_of_no_other() {
        let js = b"..componentize_qjs_runtime.wasm..";
        check(js, &["wardlock:policy/types@0.1.0"], Some("`Date.now()`"));
        check(b"..libcomponentize_py_runtime.so..", &[], Some("`time.time()`"));
        check(js, &["wasi:clocks/wall-clock@0.2.12"], None);
        check(b"..a component in C..", &[], None);
    }
}
