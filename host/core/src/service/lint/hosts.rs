//! Regions and their hosts.

use std::collections::BTreeMap;

use toml::Spanned;

use super::Lint;
use crate::service::raw::{RawRegion, RawService};

impl Lint<'_> {
    pub(super) fn hosts(&mut self, raw: &RawService) {
        for (name, row) in &raw.regions {
            self.issuer(name.get_ref(), row);
            self.one_host(name.get_ref(), row);
            self.halves(name.get_ref(), row);
        }
        self.regions(raw);
        self.lonely(raw);
    }

    fn issuer(&mut self, name: &str, row: &Spanned<RawRegion>) {
        let RawRegion { accounts, issuer, .. } = row.get_ref();
        let host = issuer.as_deref().and_then(|issuer| issuer.strip_prefix("https://")?.split('/').next());
        if host.is_some_and(|host| host != accounts) {
            let problem = format!("the callback must name another issuer than `{accounts}`");
            let mend = "make sure of it: callbacks with another `iss` are refused (RFC 9207)";
            self.find(&row.span(), format!("regions.{name}.issuer"), problem, mend);
        }
    }

    /// A row whose halves end otherwise than those of the other rows do was often put together from two.
    fn regions(&mut self, raw: &RawService) {
        for (name, row) in &raw.regions {
            let ending = |host: &str| host.rsplit('.').next().map(str::to_owned);
            let accounts = ending(&row.get_ref().accounts);
            let api = row.get_ref().hosts.get("api").and_then(|hosts| hosts.get("production"));
            let Some(api) = api.filter(|api| ending(api) != accounts) else { continue };
            // Where one accounts host serves all rows, its ending says nothing.
            let alone =
                raw.regions.values().filter(|other| other.get_ref().accounts == row.get_ref().accounts).count()
                    == 1;
            if alone && raw.regions.len() > 1 {
                let problem = format!(
                    "`{}` and `{api}` end differently: do they belong to one data centre?",
                    row.get_ref().accounts
                );
                self.find(
                    &row.span(),
                    format!("regions.{}", name.get_ref()),
                    problem,
                    "look both up in the provider's table",
                );
            }
        }
    }

    /// One host for two environments: what is meant for the sandbox reaches production.
    fn one_host(&mut self, name: &str, row: &Spanned<RawRegion>) {
        let mut seen: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
        for (role, hosts) in &row.get_ref().hosts {
            for (environment, host) in hosts {
                let (first_role, first) = *seen.entry(host).or_insert((role, environment));
                if first != environment {
                    let problem = format!(
                        "`{host}` is `{first_role}` of {first} and `{role}` of {environment}, so nothing keeps the two apart"
                    );
                    let mend = "look the host up, or leave the environment out";
                    self.find(&row.span(), format!("regions.{name}.hosts"), problem, mend);
                }
            }
        }
    }

    /// An environment that another role has, and `api` has not, can be reached by no connection.
    fn halves(&mut self, name: &str, row: &Spanned<RawRegion>) {
        let hosts = &row.get_ref().hosts;
        let has = |environment: &str| hosts.get("api").is_some_and(|api| api.contains_key(environment));
        for (role, environments) in hosts {
            for environment in environments.keys().filter(|environment| !has(environment)) {
                let problem = format!("`{role}` has a host for {environment}, and `api` has none");
                self.find(
                    &row.span(),
                    format!("regions.{name}.hosts"),
                    problem,
                    format!("add it to `api`, or take it out of `{role}`"),
                );
            }
        }
    }

    /// What all rows but one have was most likely forgotten there.
    fn lonely(&mut self, raw: &RawService) {
        let mut had: BTreeMap<String, usize> = BTreeMap::new();
        for row in raw.regions.values() {
            for part in parts(row.get_ref()) {
                *had.entry(part).or_default() += 1;
            }
        }
        // Of two rows neither is the odd one.
        let rows = raw.regions.len();
        had.retain(|_, count| rows > 2 && *count + 1 == rows);
        for part in had.into_keys() {
            let without = raw.regions.iter().find(|(_, row)| !parts(row.get_ref()).contains(&part));
            if let Some((name, row)) = without {
                let problem = format!("every other region has `{part}`");
                let mend = "add it, or leave the row out until it is known";
                self.find(&row.span(), format!("regions.{}", name.get_ref()), problem, mend);
            }
        }
    }
}

/// Returns what a row has, each by its key.
fn parts(row: &RawRegion) -> Vec<String> {
    let hosts = row.hosts.iter().flat_map(|(role, environments)| {
        environments.keys().map(move |environment| format!("hosts.{role}.{environment}"))
    });
    let single = [("token", row.token.is_some()), ("issuer", row.issuer.is_some())];
    hosts.chain(single.into_iter().filter(|(_, there)| *there).map(|(part, _)| part.to_owned())).collect()
}
