//! A case gives a policy the files that it names and quotas of which nothing is taken, and is told what differs.

use super::*;
use crate::{Description, Problem, allow, deny, describe, folder, quota};

/// Allows the agents of `agents.txt`, one request an hour each.
struct Listed {
    agents: String,
}

impl Policy for Listed {
    type Settings = serde_json::Value;

    fn describe() -> Description {
        describe!("folder", "quota")
    }

    fn schema() -> &'static str {
        "{}"
    }

    fn configure(_settings: serde_json::Value) -> Result<Self, Vec<Problem>> {
        let agents = folder::read("agents.txt").ok_or_else(|| vec![Problem::at("", "there is no list")])?;
        Ok(Self { agents: String::from_utf8_lossy(&agents).into_owned() })
    }

    fn on_request(&self, request: &Request) -> Answer {
        let agent = &request.caller.agent;
        if !self.agents.lines().any(|listed| listed == agent) {
            return deny("unlisted", "the agent is not on the list");
        }
        let (first, second) = (quota::take(agent, 1, 3600), quota::take(agent, 1, 3600));
        assert!(first.granted && !second.granted, "a case starts from nothing taken");
        allow()
    }
}

fn check_case(text: &str, expected: Result<(), &str>) {
    let case = toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let found = run::<Listed>(case);
    match expected {
        Ok(()) => assert_eq!(found, Ok(()), "{text}"),
        Err(part) => assert!(found.as_ref().is_err_and(|told| told.contains(part)), "{text}: {found:?}"),
    }
}

#[test]
fn a_case_brings_its_files_and_its_own_quotas() {
    let listed = "[folder]\n\"agents.txt\" = \"one\\nreporter\"\n[expect]\nverdict = \"allow\"\n";
    check_case(listed, Ok(()));
    check_case(listed, Ok(()));
    check_case("[folder]\n\"agents.txt\" = \"one\"\n[expect]\nverdict = \"deny\"\ncode = \"unlisted\"\n", Ok(()));
    check_case("[folder]\n\"agents.txt\" = \"one\"\n[expect]\nverdict = \"allow\"\n", Err("the answer is"));
    check_case("[expect]\nproblems = [\"\"]\n", Ok(()));
    check_case("[expect]\nverdict = \"allow\"\n", Err("there is no list"));
}
