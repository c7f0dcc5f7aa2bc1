//! One plugin's entry in a chain: names and settings. Capabilities and limits are checked when the component is
//! loaded, against what it asks for.

use std::collections::BTreeSet;

use wardlock_core::connection::LinkMode;
use wardlock_core::id::{PluginName, PublisherName};

use super::PluginPlan;
use super::check::Checker;
use super::names::json_of;
use super::raw::{Mode, PluginFile};

impl Checker<'_, '_> {
    /// Checks a chain's entries; `None` where something is wrong with one.
    pub(super) fn plugins(&mut self, connection: &str, listed: &[PluginFile]) -> Option<Vec<PluginPlan>> {
        let mut seen = BTreeSet::new();
        let mut plans = Vec::new();
        for (position, raw) in listed.iter().enumerate() {
            let position = position.to_string();
            let place = ["connections", connection, "plugins", &position];
            let plan = self.plugin(&place, raw);
            if !seen.insert(raw.name.as_str()) {
                let problem = format!("this chain has a plugin called `{}` already", raw.name);
                let hint = "the same component may stand in a chain twice, under two names".to_owned();
                self.wrong(&[&place[..], &["name"]].concat(), problem, Some(hint));
            }
            plans.extend(plan);
        }
        (plans.len() == listed.len()).then_some(plans)
    }

    fn plugin(&mut self, place: &[&str], raw: &PluginFile) -> Option<PluginPlan> {
        let at = |last: &'static str| [place, &[last]].concat();
        let name = self.name(&at("name"), PluginName::parse(&raw.name));
        let publisher = match raw.publisher.as_deref() {
            Some(publisher) => Some(self.name(&at("publisher"), PublisherName::parse(publisher))?),
            None => None,
        };
        self.no_duplicates(&at("capabilities"), &raw.capabilities);
        let settings = match json_of(&raw.settings) {
            Ok(settings) => Some(settings),
            Err(key) => {
                let path = [place, &["settings", &key]].concat();
                self.wrong(
                    &path,
                    "settings become JSON, which has no dates and no `nan` or `inf`",
                    Some("write it in quotes".to_owned()),
                );
                None
            }
        };
        let is_folder_well = self.folder(place, raw);
        Some(PluginPlan {
            name: name?,
            file: raw.file.clone().unwrap_or_else(|| format!("{}.wasm", raw.name)),
            sha256: raw.sha256.clone(),
            publisher,
            capabilities: raw.capabilities.iter().cloned().collect(),
            folder: is_folder_well.then(|| raw.folder.clone())?,
            settings: settings?,
            time: raw.limits.time.0,
            memory_bytes: raw.limits.memory.0,
            mode: match raw.mode {
                Mode::Enforce => LinkMode::Enforce,
                Mode::Monitor => LinkMode::Monitor,
            },
        })
    }

    /// Checks that a folder is named where the capability is given, and only there; says whether it is.
    fn folder(&mut self, place: &[&str], raw: &PluginFile) -> bool {
        let is_given = raw.capabilities.iter().any(|capability| capability == "folder");
        let (key, problem, hint) = match &raw.folder {
            Some(folder) if folder.is_empty() || folder.starts_with('.') || folder.contains(['/', '\\', '\0']) => {
                let hint = "`folder = \"lists\"` is plugins/lists in the home";
                ("folder", "a plugin's folder stands in plugins/, and is named without a path", hint.to_owned())
            }
            Some(folder) if !is_given => {
                let problem = "a folder is named, and the capability is not given";
                (
                    "folder",
                    problem,
                    format!("add \"folder\" to `capabilities`, or take `folder = \"{folder}\"` out"),
                )
            }
            None if is_given => {
                let hint = "add `folder = \"NAME\"`, with its files in plugins/NAME of the home";
                ("capabilities", "the capability `folder` is given, and no folder is named", hint.to_owned())
            }
            Some(_) | None => return true,
        };
        self.wrong(&[place, &[key]].concat(), problem, Some(hint));
        false
    }
}
