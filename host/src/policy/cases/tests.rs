//! Every ready-made workspace loads and holds its cases; a case that does not hold, or is none, is told.

use std::path::{Path, PathBuf};

use wardlock_sandbox::{Sandbox, SandboxConfig};

use crate::home::Home;
use crate::policy::ready_made::READY_MADE;
use crate::policy::{ReadyMade, check};

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/cases")
}

/// A home with every ready-made workspace, called as its policy is.
fn home(folder: &tempfile::TempDir) -> Home {
    let home = Home::create(&folder.path().join("home")).expect("a home");
    for (policy, _) in READY_MADE {
        ReadyMade::new(policy, policy, "eu").expect("a workspace").write(&home).expect("written");
    }
    home
}

fn sandbox() -> Sandbox {
    Sandbox::new(SandboxConfig::default()).expect("a sandbox")
}

#[tokio::test]
async fn every_ready_made_workspace_holds_its_cases() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = check(&home(&folder), &sandbox(), Some(&cases())).await.expect("checked");
    assert!(report.ok(), "{:#}", report.to_json());
    for (policy, _) in READY_MADE {
        let count = report.cases().iter().filter(|(workspace, _)| workspace.as_str() == policy).count();
        assert!(count >= 10, "{policy} has {count} cases");
    }
}

/// Checks one case on its own, given its text.
async fn check_one(text: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let home = home(&folder);
    let cases = cap_std::fs::Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).expect("a folder");
    cases.create_dir_all("cases/zoho-readonly").expect("a folder");
    cases.write("cases/zoho-readonly/one.toml", text).expect("written");
    match check(&home, &sandbox(), Some(&folder.path().join("cases"))).await {
        Ok(report) if report.ok() => "holds".to_owned(),
        Ok(report) => report.to_json()["failed"].to_string(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn case_that_does_not_hold_says_what_differs() {
    let text = |decision: &str| {
        format!(
            "[request]\nmethod = \"DELETE\"\ntarget = \"/crm/v8/Leads/1\"\n\n[expect]\ndecision = \"{decision}\"\n"
        )
    };
    assert_eq!(check_one(&text("deny")).await, "holds");
    let said = check_one(&text("allow")).await;
    assert!(said.contains("`allow` is expected, and it is `deny`"), "{said}");
}

#[tokio::test]
async fn broken_case_is_told_with_line_and_nearest_key() {
    let said = check_one("[request]\nmetod = \"GET\"\n\n[expect]\ndecision = \"deny\"\n").await;
    assert!(said.contains("one.toml:2") && said.contains("did you mean `method`"), "{said}");
}
