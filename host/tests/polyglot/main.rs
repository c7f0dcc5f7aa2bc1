//! One policy in five languages: the program behind `tests/polyglot/run`.
//!
//! `plugins/polyglot` has `field-mask` in JavaScript, Python, C and Zig beside the starter in Rust. All of them must give
//! the same answer to everything: verdict, code, message, hint, edits and notes, and the same problems to settings.
//!
//! - [`random`]: settings and requests out of a seed.

#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "all of it is tests: a failure is a failed test, files are looked at from outside, and the log is for people"
)]

mod random;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::OnceCell;
use wardlock::plugin::cases::{self, Found};
use wardlock_core::id::{Digest, PluginName};
use wardlock_core::plugin::{Answer, PluginFault, Verdict};
use wardlock_plugins::starter;
use wardlock_sandbox::{LoadSpec, Plugin, Sandbox, SandboxConfig};

use random::Dice;

/// The languages; the first is what the others are compared with.
const LANGUAGES: [&str; 5] = ["rust", "javascript", "python", "c", "zig"];
/// How many random requests there are, unless `WARDLOCK_POLYGLOT_REQUESTS` says otherwise.
const REQUESTS: u64 = 1000;
/// So many of them meet the same settings.
const REQUESTS_OF_SETTINGS: usize = 20;
/// The seed, unless `WARDLOCK_POLYGLOT_SEED` says otherwise.
const SEED: u64 = 20_260_105;

/// `field-mask`, as one language's tools built it.
struct Build {
    language: &'static str,
    spec: LoadSpec,
    /// Keeps what was compiled: another plugin of the same component finds it.
    loaded: Plugin,
}

struct Builds {
    sandbox: Sandbox,
    builds: Vec<Build>,
}

/// Compiles all of them, once.
async fn builds() -> &'static Builds {
    static BUILDS: OnceCell<Builds> = OnceCell::const_new();
    BUILDS.get_or_init(Builds::compile).await
}

impl Builds {
    async fn compile() -> Self {
        let folder =
            env::var("WARDLOCK_POLYGLOT").expect("the components' folder, which `tests/polyglot/run` gives");
        // Python's is nineteen megabytes, and the compiler may be built without much optimisation.
        let max_compile = Duration::from_mins(15);
        // Without snapshots each component compiles once, whatever the settings.
        let config = SandboxConfig { max_compile, snapshots: false, ..SandboxConfig::default() };
        let sandbox = Sandbox::new(config).expect("a sandbox");
        let mut builds = Vec::new();
        for language in LANGUAGES {
            let path = Path::new(&folder).join(format!("field-mask-{language}.wasm"));
            let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let (size, started) = (bytes.len(), Instant::now());
            let spec = LoadSpec {
                name: PluginName::parse("field-mask").expect("a name"),
                expected_digest: Some(Digest::of(&bytes)),
                bytes,
                settings: serde_json::json!({ "hide": ["Email"] }),
                granted: BTreeSet::from(["shape".to_owned()]),
                files: None,
                time: Duration::from_secs(5),
                memory_bytes: 32 << 20,
            };
            let loaded = sandbox.load(spec.clone()).await.unwrap_or_else(|e| panic!("{language}: {e}"));
            println!("{language}: {size} bytes, compiled in {:.1?}", started.elapsed());
            builds.push(Build { language, spec, loaded });
        }
        Self { sandbox, builds }
    }

    /// Loads every build with the same settings; fails where they do not refuse them alike.
    async fn load(&self, settings: &Value, seed: u64) -> Option<Vec<(&'static str, Plugin)>> {
        let mut loaded = Vec::new();
        let mut refused = Vec::new();
        for Build { language, spec, .. } in &self.builds {
            match self.sandbox.load(LoadSpec { settings: settings.clone(), ..spec.clone() }).await {
                Ok(plugin) => loaded.push((*language, plugin)),
                Err(error) => refused.push((*language, error)),
            }
        }
        let same = refused.iter().all(|(_, error)| *error == refused[0].1);
        let alike = refused.is_empty() || (loaded.is_empty() && same);
        assert!(alike, "seed {seed}: settings {settings}\nare refused: {refused:#?}\nand taken: {loaded:?}");
        refused.is_empty().then_some(loaded)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_language_describes_the_same_plugin() {
    let descriptions = builds().await.builds.iter().map(|build| build.loaded.description());
    let found: BTreeSet<String> = descriptions.map(|description| format!("{description:?}")).collect();
    assert_eq!(found.len(), 1, "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_others_are_compared_with_is_the_starter() {
    let starter = starter("field-mask").expect("the starter");
    assert!(builds().await.builds[0].spec.bytes == starter.bytes, "the component in Rust is another build");
}

#[tokio::test(flavor = "multi_thread")]
async fn golden_cases_hold_in_every_language() {
    let Builds { sandbox, builds } = builds().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/guests/field-mask/cases");
    let (cases, mut failures) = (cases::read(&folder).expect("cases"), Vec::new());
    for case in &cases {
        let mut first = None;
        for Build { language, spec, .. } in builds {
            let spec = LoadSpec { settings: case.settings.clone(), ..spec.clone() };
            let outcome = match sandbox.load(spec).await {
                Ok(plugin) => Ok(plugin.decide(&case.request).await),
                Err(error) => Err(error),
            };
            let found = Found::take(outcome.clone()).unwrap_or_else(|e| panic!("{language}: {e}"));
            failures.extend(
                case.differences(&found).into_iter().map(|line| format!("{language}: {}: {line}", case.name)),
            );
            let expected = first.get_or_insert_with(|| outcome.clone());
            if *expected != outcome {
                failures.push(format!("{language} says {outcome:?}, and {} {expected:?}", LANGUAGES[0]));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    println!("{} golden cases hold in {} languages", cases.len(), builds.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn random_requests_meet_the_same_answer_in_every_language() {
    let seed = number("WARDLOCK_POLYGLOT_SEED", SEED);
    let requests = number("WARDLOCK_POLYGLOT_REQUESTS", REQUESTS);
    let (mut dice, builds) = (Dice::new(seed), builds().await);
    let mut met = Met::default();
    while met.requests < requests {
        let settings = random::settings(&mut dice);
        let Some(plugins) = builds.load(&settings, seed).await else {
            met.refused_settings += 1;
            continue;
        };
        for _ in 0..REQUESTS_OF_SETTINGS {
            let request = random::request(&mut dice, met.requests);
            let mut answers = Vec::new();
            for (language, plugin) in &plugins {
                let started = Instant::now();
                answers.push((*language, plugin.decide(&request).await));
                *met.spent.entry(language).or_default() += started.elapsed();
            }
            let first = &answers[0].1;
            let alike = answers.iter().all(|(_, answer)| answer == first);
            let differing = || format!("settings: {settings}\nrequest: {request:#?}\nanswers: {answers:#?}");
            assert!(alike, "seed {seed}: the answers to request {} differ\n{}", met.requests, differing());
            *met.answers.entry(code(first)).or_default() += 1;
            met.requests += 1;
        }
    }
    met.report(seed);
}

/// What random requests have met.
#[derive(Default)]
struct Met {
    requests: u64,
    refused_settings: u64,
    answers: BTreeMap<String, u64>,
    spent: BTreeMap<&'static str, Duration>,
}

impl Met {
    /// Says it, and fails where it is too little: answers that are alike prove nothing where the requests are, too.
    fn report(&self, seed: u64) {
        let Self { requests, refused_settings, answers, spent } = self;
        println!(
            "seed {seed}: {requests} requests answered alike, {refused_settings} settings refused alike: {answers:?}"
        );
        for (language, spent) in spent {
            let each = spent.as_secs_f64() * 1e6 / f64::from(u32::try_from(*requests).expect("a count"));
            println!("{language}: {each:.0} µs a decision, in a fresh instance");
        }
        for code in
            ["allow", "field_hidden", "field_protected", "field_unclear", "fields_narrowed", "fields_unknown"]
        {
            assert!(answers.contains_key(code), "no request met `{code}`");
        }
        assert!(*refused_settings > 0, "no settings were refused");
    }
}

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |text| text.parse().unwrap_or_else(|e| panic!("{variable}: {e}")))
}

fn code(answer: &Result<Answer, PluginFault>) -> String {
    match answer {
        Err(fault) => fault.to_string(),
        Ok(Answer { verdict: Verdict::Allow, .. }) => "allow".to_owned(),
        Ok(Answer {
            verdict: Verdict::Deny(reason) | Verdict::Hold(reason) | Verdict::Shape(_, reason), ..
        }) => reason.code.clone(),
    }
}
