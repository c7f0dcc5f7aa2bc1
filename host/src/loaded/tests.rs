//! What does not load closes what it is about, with the reason, and nothing else.

use minisign::KeyPair;
use wardlock_core::id::{Digest, PublisherName};
use wardlock_sandbox::SandboxConfig;

use super::*;
use crate::policy::with_digests;
use crate::trust::PublisherKey;

const HEAD: &str = "[connections.zoho]\nservice = \"zoho-crm\"\nregion = \"eu\"\ngrant = \"g\"\n\
                    resources = [\"Leads\"]\noperations = [\"records.read\"]\n";
const PLUGIN: &str = "[[connections.zoho.plugins]]\nname = \"read-only\"\nfile = \"read-only.wasm\"\n\
                      sha256 = \"@read-only\"\n";

struct Fixture {
    home: Home,
    sandbox: Sandbox,
    publishers: Publishers,
    _folder: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::create(&folder.path().join("home")).expect("a home");
        for starter in wardlock_plugins::STARTERS {
            home.write(&format!("plugins/{}.wasm", starter.name), starter.bytes).expect("written");
        }
        let sandbox = Sandbox::new(SandboxConfig::default()).expect("a sandbox");
        Self { home, sandbox, publishers: Publishers::default(), _folder: folder }
    }

    fn workspace(&self, name: &str, rest: &str) {
        let text = format!("workspace = \"{name}\"\n\n{}", with_digests(rest));
        self.home.write(&format!("workspaces/{name}.toml"), text.as_bytes()).expect("written");
    }

    async fn load(&self) -> Loaded {
        Loaded::load(Sources {
            home: &self.home,
            sandbox: &self.sandbox,
            services: &Services::load(&self.home),
            publishers: &self.publishers,
            accepted: None,
        })
        .await
    }
}

/// Says `open`, or the refusal that operators get; the one of agents says nothing of files.
fn state(loaded: &Loaded, workspace: &str) -> String {
    let name = WorkspaceName::parse(workspace).expect("a name");
    if let Err(refusal) = loaded.open(&name, "zoho") {
        assert_eq!(refusal.detail, "this connection is closed, and its operator must look why");
        assert!(!refusal.remedy().contains(workspace), "{}", refusal.remedy());
    }
    loaded.open_or_why(&name, "zoho").map_or_else(|refusal| refusal.detail, |_| "open".to_owned())
}

#[tokio::test]
async fn each_fault_closes_its_own_workspace_and_says_where() {
    let fixture = Fixture::new();
    fixture.workspace("good", &format!("{HEAD}{PLUGIN}"));
    let other = Digest::of(b"another file").to_string();
    for (name, rest, said) in [
        ("unknown-key", format!("{HEAD}colour = \"red\"\n{PLUGIN}"), "there is no key `colour`"),
        ("no-service", HEAD.replace("zoho-crm", "zoho-crn"), "zoho-crn"),
        ("no-region", HEAD.replace("\"eu\"", "\"mars\""), "mars"),
        ("no-operation", HEAD.replace("records.read", "records.raed"), "records.raed"),
        (
            "no-file",
            format!("{HEAD}{}", PLUGIN.replace("read-only.wasm", "gone.wasm").replace("@read-only", &other)),
            "gone.wasm",
        ),
        ("other-digest", format!("{HEAD}{}", PLUGIN.replace("@read-only", &other)), "sha256"),
        ("no-digest", format!("{HEAD}{}", PLUGIN.replace("sha256 = \"@read-only\"\n", "")), "sha256"),
        ("bad-settings", format!("{HEAD}{PLUGIN}settings = {{ except = 5 }}\n"), "except"),
        ("too-much", format!("{HEAD}{PLUGIN}capabilities = [\"everything\"]\n"), "everything"),
        ("recorder-key", format!("{HEAD}{PLUGIN}[recorder]\nrequest = 5\n"), "there is no key `request`"),
        ("recorder-time", format!("{HEAD}{PLUGIN}[recorder]\nkeep = \"91d\"\n"), "not between 1min and 90d"),
        ("recorder-no-time", format!("{HEAD}{PLUGIN}[recorder]\nkeep = \"for ever\"\n"), "is not a time"),
        ("recorder-none", format!("{HEAD}{PLUGIN}[recorder]\nrequests = 0\n"), "a number from 1 to 10000"),
        ("not-toml", "[connections".to_owned(), "not TOML"),
        ("wrong-name", String::new(), ""),
    ] {
        fixture.workspace(name, &rest);
        if name == "wrong-name" {
            fixture.home.write("workspaces/wrong-name.toml", b"workspace = \"other\"\n").expect("written");
        }
        let loaded = fixture.load().await;
        assert_eq!(state(&loaded, "good"), "open", "{name} closed its neighbour");
        let told = loaded.problems().iter().find(|problem| problem.workspace.as_deref() == Some(name));
        let told = told.unwrap_or_else(|| panic!("{name} is not told"));
        let whole = format!(
            "{} {} {}",
            told.message,
            told.hint.clone().unwrap_or_default(),
            told.shown.clone().unwrap_or_default()
        );
        assert!(whole.contains(said), "{name}: {whole}");
        assert!(whole.contains(&format!("{name}.toml:")), "{name}: no place: {whole}");
        assert_ne!(state(&loaded, name), "open", "{name}");
    }
}

#[tokio::test]
async fn a_problem_in_a_connections_table_is_that_connections() {
    let fixture = Fixture::new();
    let other = HEAD.replace("connections.zoho", "connections.other").replace("\"eu\"", "\"mars\"");
    fixture.workspace("two", &format!("{}{other}", HEAD.replace("\"eu\"", "\"venus\"")));
    let loaded = fixture.load().await;
    let of = |connection: &str| loaded.reasons("two", connection);
    assert!(of("zoho").iter().all(|reason| reason.contains("venus")), "{:?}", of("zoho"));
    assert!(of("other").iter().all(|reason| reason.contains("mars")), "{:?}", of("other"));
    assert_eq!((of("zoho").len(), of("other").len(), of("third").len()), (1, 1, 2), "{:?}", loaded.problems());
}

#[tokio::test]
async fn a_copy_that_serves_in_a_files_place_is_noted_of_its_workspace() {
    let fixture = Fixture::new();
    fixture.workspace("good", &format!("{HEAD}{PLUGIN}"));
    assert!(fixture.load().await.problems().is_empty());
    fixture.home.remove("plugins/read-only.wasm").expect("removed");
    let loaded = fixture.load().await;
    let [note] = loaded.problems() else { panic!("{:?}", loaded.problems()) };
    assert_eq!((note.workspace.as_deref(), note.connection.as_deref()), (Some("good"), Some("zoho")));
}

#[tokio::test]
async fn a_workspace_records_where_it_says_so_and_a_file_that_does_not_load_says_nothing() {
    let fixture = Fixture::new();
    fixture.workspace("silent", &format!("{HEAD}{PLUGIN}"));
    fixture.workspace("usual", &format!("{HEAD}{PLUGIN}[recorder]\n"));
    fixture.workspace("short", &format!("{HEAD}{PLUGIN}[recorder]\nkeep = \"1min\"\nrequests = 1\n"));
    fixture.workspace("broken", "[recorder");
    let loaded = fixture.load().await;
    let told =
        |(name, keeping): (&WorkspaceName, Keeping)| (name.to_string(), keeping.keep.as_secs(), keeping.requests);
    let recorders: Vec<_> = loaded.recorders().map(told).collect();
    assert_eq!(recorders, [("short".to_owned(), 60, 1), ("usual".to_owned(), 7 * 24 * 3600, 1000)]);
    assert_eq!(loaded.closed_workspaces().map(WorkspaceName::as_str).collect::<Vec<_>>(), ["broken"]);
    assert!(loaded.is_whole());
}

#[tokio::test]
async fn wrong_digest_prints_the_line_to_paste() {
    let fixture = Fixture::new();
    fixture.workspace("acme", &format!("{HEAD}{}", PLUGIN.replace("@read-only", &"0".repeat(64))));
    let loaded = fixture.load().await;
    let bytes = wardlock_plugins::starter("read-only").expect("a starter").bytes;
    let line = format!("sha256 = \"{}\"", Digest::of(bytes));
    let problem = loaded.problems().first().expect("a problem");
    assert!(problem.hint.as_ref().is_some_and(|hint| hint.contains(&line)), "{problem:?}");
}

#[tokio::test]
async fn plugin_file_that_is_gone_serves_from_the_kept_copy_of_its_digest() {
    let fixture = Fixture::new();
    fixture.workspace("acme", &format!("{HEAD}{PLUGIN}"));
    assert_eq!(state(&fixture.load().await, "acme"), "open");
    fixture.home.write("plugins/read-only.wasm", b"something else").expect("written");
    assert_ne!(state(&fixture.load().await, "acme"), "open", "another file under its name is not it");
    fixture.workspace("acme", &format!("{HEAD}{}", PLUGIN.replace("read-only.wasm", "gone.wasm")));
    assert_eq!(state(&fixture.load().await, "acme"), "open");
}

#[tokio::test]
async fn empty_home_serves_nothing_and_is_no_error() {
    let loaded = Fixture::new().load().await;
    assert_eq!(loaded.problems(), []);
    assert!(state(&loaded, "acme").contains("there is no file workspaces/acme.toml"));
}

fn trusting(pairs: &[(&str, &KeyPair)], signed: bool) -> Publishers {
    let keys = pairs.iter().map(|(name, pair)| {
        let name = PublisherName::parse(name).expect("a name");
        (name, PublisherKey::parse(&pair.pk.to_base64()).expect("a key"))
    });
    Publishers::new(keys, signed).expect("different keys")
}

fn sign(pair: &KeyPair, component: &[u8]) -> Vec<u8> {
    let signed = minisign::sign(Some(&pair.pk), &pair.sk, component, Some("release 7"), None);
    signed.expect("a signature").into_string().into_bytes()
}

#[tokio::test]
async fn p16_signature_that_is_wanted_is_there_and_holds_or_nothing_loads() {
    let pair = || KeyPair::generate_unencrypted_keypair().expect("a key pair");
    let (acme, globex, stranger) = (pair(), pair(), pair());
    let bytes = wardlock_plugins::starter("read-only").expect("a starter").bytes;
    let mut fixture = Fixture::new();
    fixture.publishers = trusting(&[("acme", &acme), ("globex", &globex)], false);
    fixture.workspace("acme", &format!("{HEAD}{PLUGIN}publisher = \"acme\"\n"));
    fixture.workspace("free", &format!("{HEAD}{PLUGIN}"));
    let torn = sign(&acme, bytes)[..90].to_vec();
    // What stands beside the component; what is said where `acme` is wanted, and where nobody is.
    for (signature, wanted, free) in [
        (None, "it is not signed, and `acme`'s signature is wanted", "open"),
        (Some(sign(&acme, bytes)), "open", "open"),
        (Some(sign(&globex, bytes)), "it is signed by `globex`, and `acme` is wanted", "open"),
        (Some(sign(&stranger, bytes)), "which no publisher in wardlock.toml has", "open"),
        (Some(sign(&acme, b"another component")), "is not of this component", "is not of this component"),
        (Some(torn), "is no whole minisign signature", "is no whole minisign signature"),
    ] {
        let beside = "plugins/read-only.wasm.minisig";
        if let Some(signature) = signature {
            fixture.home.write(beside, &signature).expect("written");
        }
        let loaded = fixture.load().await;
        for (workspace, said, key) in [("acme", wanted, "publisher = "), ("free", free, "file = ")] {
            let found = state(&loaded, workspace);
            assert!(found.contains(said), "{workspace}: `{said}` is not said: {found}");
            let problem = loaded.problems().iter().find(|problem| problem.workspace.as_deref() == Some(workspace));
            let line = problem.and_then(|problem| problem.line.clone()).unwrap_or_default();
            assert!(said == "open" || line.starts_with(key), "{workspace}, {said}: {line}");
        }
    }
}

#[tokio::test]
async fn where_only_signed_plugins_load_an_unsigned_one_does_not() {
    let acme = KeyPair::generate_unencrypted_keypair().expect("a key pair");
    let bytes = wardlock_plugins::starter("read-only").expect("a starter").bytes;
    let mut fixture = Fixture::new();
    fixture.publishers = trusting(&[("acme", &acme)], true);
    fixture.workspace("acme", &format!("{HEAD}{PLUGIN}"));
    let found = state(&fixture.load().await, "acme");
    assert!(
        found.contains("it is not signed, and a publisher's signature (`signed = true` in wardlock.toml)"),
        "{found}"
    );
    fixture.home.write("plugins/read-only.wasm.minisig", &sign(&acme, bytes)).expect("written");
    let loaded = fixture.load().await;
    assert_eq!(state(&loaded, "acme"), "open");
    // The signature is kept with the component, so that a lost file does not lose its publisher.
    for file in ["plugins/read-only.wasm", "plugins/read-only.wasm.minisig"] {
        fixture.home.remove(file).expect("removed");
    }
    assert_eq!(state(&fixture.load().await, "acme"), "open");
}

#[tokio::test]
async fn digest_stays_pinned_whoever_signed() {
    let acme = KeyPair::generate_unencrypted_keypair().expect("a key pair");
    let mut fixture = Fixture::new();
    fixture.publishers = trusting(&[("acme", &acme)], false);
    let other = wardlock_plugins::starter("page-cap").expect("a starter").bytes;
    fixture.home.write("plugins/read-only.wasm", other).expect("written");
    fixture.home.write("plugins/read-only.wasm.minisig", &sign(&acme, other)).expect("written");
    fixture.workspace("acme", &format!("{HEAD}{PLUGIN}publisher = \"acme\"\n"));
    let loaded = fixture.load().await;
    assert_ne!(state(&loaded, "acme"), "open");
    let line = loaded.problems().first().and_then(|problem| problem.line.clone());
    assert!(line.is_some_and(|line| line.starts_with("sha256")), "{:?}", loaded.problems());
}

#[tokio::test]
async fn publisher_that_nobody_trusts_is_named_with_the_nearest() {
    let acme = KeyPair::generate_unencrypted_keypair().expect("a key pair");
    let mut fixture = Fixture::new();
    fixture.publishers = trusting(&[("acme", &acme)], false);
    for (written, hint) in [("acne", "did you mean `acme`?"), ("globex", "wardlock plugin trust globex KEY")] {
        fixture.workspace("acme", &format!("{HEAD}{PLUGIN}publisher = \"{written}\"\n"));
        let found = state(&fixture.load().await, "acme");
        assert!(found.contains(&format!("wardlock.toml trusts no publisher `{written}`")), "{found}");
        assert!(found.contains(hint), "{found}");
    }
}
