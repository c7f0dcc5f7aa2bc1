//! What does not load closes what it is about, with the reason, and nothing else.

use wardlock_core::id::Digest;
use wardlock_sandbox::SandboxConfig;

use super::*;
use crate::policy::with_digests;

const HEAD: &str = "[connections.zoho]\nservice = \"zoho-crm\"\nregion = \"eu\"\ngrant = \"g\"\n\
                    resources = [\"Leads\"]\noperations = [\"records.read\"]\n";
const PLUGIN: &str = "[[connections.zoho.plugins]]\nname = \"read-only\"\nfile = \"read-only.wasm\"\n\
                      sha256 = \"@read-only\"\n";

struct Fixture {
    home: Home,
    sandbox: Sandbox,
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
        Self { home, sandbox, _folder: folder }
    }

    fn workspace(&self, name: &str, rest: &str) {
        let text = format!("workspace = \"{name}\"\n\n{}", with_digests(rest));
        self.home.write(&format!("workspaces/{name}.toml"), text.as_bytes()).expect("written");
    }

    async fn load(&self) -> Loaded {
        Loaded::load(&self.home, &self.sandbox, &Services::load(&self.home)).await
    }
}

/// Says `open`, or the refusal that agents get.
fn state(loaded: &Loaded, workspace: &str) -> String {
    let name = WorkspaceName::parse(workspace).expect("a name");
    loaded.open(&name, "zoho").map_or_else(|refusal| refusal.detail, |_| "open".to_owned())
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
