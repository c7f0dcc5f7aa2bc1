//! The service definitions of a home: those built in, and the operator's own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use wardlock_core::allowance::{Allowance, Records};
use wardlock_core::connection::Connection;
use wardlock_core::service::{ServiceDefinition, parse};

use crate::config::Keeping;
use crate::home::Home;

use super::{PolicyFiles, Problem, Severity};

/// The definitions that are built in: file name and text.
const BUILT_IN: [(&str, &str); 9] = [
    ("zoho-crm.toml", include_str!("../../services/zoho-crm.toml")),
    ("zoho-books.toml", include_str!("../../services/zoho-books.toml")),
    ("zoho-desk.toml", include_str!("../../services/zoho-desk.toml")),
    ("zoho-workdrive.toml", include_str!("../../services/zoho-workdrive.toml")),
    ("zoho-marketing-automation.toml", include_str!("../../services/zoho-marketing-automation.toml")),
    ("google-ads.toml", include_str!("../../services/google-ads.toml")),
    ("meta-ads.toml", include_str!("../../services/meta-ads.toml")),
    ("generic-oauth2.toml", include_str!("../../services/generic-oauth2.toml")),
    ("api-key.toml", include_str!("../../services/api-key.toml")),
];

/// What to do about a definition of which [`sent_elsewhere`] tells.
pub const ELSEWHERE_HINT: &str = "see that the provider's own documentation names these hosts: whoever has them has every token that is sent there";

/// Says to which hosts a definition would send the tokens of accounts that a built-in service knows, where they belong to none of that
/// provider's domains. A definition that somebody else wrote may copy all of a provider's but where it sends.
pub fn sent_elsewhere(service: &ServiceDefinition) -> Option<String> {
    let built_in = Services::built_in();
    let logins: BTreeSet<&str> = logins(service).collect();
    let kin: Vec<_> =
        built_in.iter().filter(|known| self::logins(known).any(|host| logins.contains(host))).collect();
    let domain =
        |host: &str| host.split_once('.').map(|(_, rest)| rest.to_owned()).filter(|rest| rest.contains('.'));
    let domains: BTreeSet<String> = kin.iter().flat_map(|kin| kin.all_hosts()).filter_map(domain).collect();
    let is_known = |host: &str| {
        domains.iter().any(|domain| {
            host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    };
    let strange: Vec<&str> = service.all_hosts().into_iter().filter(|host| !is_known(host)).collect();
    let kin = kin.first().filter(|_| !strange.is_empty())?;
    let strange = strange.join(", ");
    Some(format!("tokens of {}'s accounts would be sent to {strange}", kin.display))
}

/// The hosts at which a service's accounts log in.
fn logins(service: &ServiceDefinition) -> impl Iterator<Item = &str> {
    service.regions.values().flat_map(|row| [row.accounts.as_str(), row.token_host()])
}

/// Every service that a connection may name.
#[derive(Debug, Clone, Default)]
pub struct Services {
    known: BTreeMap<String, Known>,
    /// Names whose definition does not load, and why.
    broken: BTreeMap<String, String>,
    problems: Vec<Problem>,
    files: PolicyFiles,
}

#[derive(Debug, Clone)]
struct Known {
    definition: Arc<ServiceDefinition>,
    built_in: bool,
}

impl Services {
    /// Returns the built-in services only. They are read once in the life of a process.
    pub fn built_in() -> Self {
        static READ: LazyLock<Services> = LazyLock::new(|| {
            let mut services = Services::default();
            for (file, text) in BUILT_IN {
                services.add(file, text, true);
            }
            services
        });
        READ.clone()
    }

    /// Returns the text of a built-in definition: to be copied under another name and changed.
    pub fn text_of_built_in(name: &str) -> Option<&'static str> {
        let file = format!("{name}.toml");
        BUILT_IN.iter().find(|(known, _)| *known == file).map(|(_, text)| *text)
    }

    /// Loads the built-in services and the home's own. One that does not load is a problem of its own, and closes
    /// the workspaces that name it.
    pub fn load(home: &Home) -> Self {
        let mut services = Self::built_in();
        let files = match home.list("services", "toml") {
            Ok(files) => files,
            Err(error) => {
                services.problems.push(Problem::from_home(None, &error));
                return services;
            }
        };
        for file in files {
            match home.read_text(&format!("services/{file}")) {
                Ok(Some(text)) => {
                    services.files.note(&format!("services/{file}"), &text);
                    services.add(&file, &text, false);
                }
                Ok(None) => {}
                Err(error) => services.refuse(&file, Problem::from_home(None, &error)),
            }
        }
        services
    }

    /// Returns a service.
    pub fn get(&self, name: &str) -> Option<&Arc<ServiceDefinition>> {
        self.known.get(name).map(|known| &known.definition)
    }

    /// Returns what a connection lets agents do. `scopes` are those that its file lists, if it does.
    pub fn allowance(
        &self,
        connection: &Connection,
        scopes: Option<&[String]>,
        recorder: Option<Keeping>,
    ) -> Allowance {
        let records = match recorder {
            None => Records::Nothing,
            Some(Keeping { answers: false, .. }) => Records::Requests,
            Some(Keeping { answers: true, .. }) => Records::Answers,
        };
        let known = self.known.get(connection.service.name.as_str());
        let own = Allowance::of(connection, known.is_some_and(|known| known.built_in), records);
        match scopes {
            Some(listed) => own.asking_for(listed),
            None => own,
        }
    }

    /// Returns every service, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<ServiceDefinition>> {
        self.known.values().map(|known| &known.definition)
    }

    /// Returns every service's name.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.known.keys().map(String::as_str)
    }

    /// Returns why the definition of that name does not load, if there is one that does not.
    pub fn broken(&self, name: &str) -> Option<&str> {
        self.broken.get(name).map(String::as_str)
    }

    /// Returns the operator's own files.
    pub fn files(&self) -> &PolicyFiles {
        &self.files
    }

    /// Returns what is wrong with the operator's own definitions.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    fn add(&mut self, file: &str, text: &str, built_in: bool) {
        let shown = if built_in { format!("built-in {file}") } else { format!("services/{file}") };
        let definition = match parse(text, &shown) {
            Ok(definition) => definition,
            Err(error) => return self.refuse(file, Problem::new(None, error.to_string())),
        };
        let name = definition.name.to_string();
        if self.known.get(&name).is_some_and(|known| known.built_in) {
            let message = format!("{shown}: a service `{name}` is built in, and a file may not take its place");
            let hint = "give your definition another name, and name that in the workspace files".to_owned();
            self.problems.push(Problem { hint: Some(hint), ..Problem::new(None, message) });
            return;
        }
        if self.known.contains_key(&name) {
            let message = format!("{shown}: another file defines the service `{name}` already");
            return self.refuse(file, Problem::new(None, message));
        }
        if let Some(message) = Some(&definition).filter(|_| !built_in).and_then(sent_elsewhere) {
            let note = Problem::new(None, format!("{shown}: {message}"));
            self.problems.push(Problem {
                severity: Severity::Note,
                hint: Some(ELSEWHERE_HINT.to_owned()),
                ..note
            });
        }
        self.known.insert(name, Known { definition: Arc::new(definition), built_in });
    }

    fn refuse(&mut self, file: &str, problem: Problem) {
        let name = file.strip_suffix(".toml").unwrap_or(file);
        self.broken.insert(name.to_owned(), problem.message.clone());
        self.problems.push(problem);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_definition_that_sends_a_providers_tokens_elsewhere_is_told_of() {
        let text = Services::text_of_built_in("zoho-crm").expect("built in");
        let told = |from: &str, to: &str| {
            let text = text.replacen("\nname = \"zoho-crm\"", "\nname = \"crm\"", 1).replace(from, to);
            sent_elsewhere(&parse(&text, "crm.toml").expect("it parses"))
        };
        assert_eq!(told("", ""), None);
        assert_eq!(told("www.zohoapis.eu", "projects.zohoapis.eu"), None, "another product of the same provider");
        for host in ["api.evil.eu", "www.evilzohoapis.eu", "zohoapis.eu.evil.example"] {
            let message = told("www.zohoapis.eu", host).unwrap_or_else(|| panic!("{host} is nobody's we know"));
            assert!(message.contains("Zoho") && message.ends_with(&format!("sent to {host}")), "{message}");
        }
        let own = told(".zoho", ".provider").map(|message| message.contains("provider"));
        assert_eq!(own, None, "accounts that no built-in service knows are nobody's business");
    }
}
