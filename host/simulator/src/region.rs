//! The data centres (facts section 1) and which host plays which role in them.

use std::fmt;
use std::str::FromStr;

use crate::config::Environment;

/// A Zoho data centre with documented CRM hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Region {
    /// United States.
    Us,
    /// Europe.
    Eu,
    /// India.
    In,
    /// Australia.
    Au,
    /// Japan.
    Jp,
    /// China: separately run, and absent from `serverinfo`.
    Cn,
    /// Canada: its accounts host and its API host have different suffixes.
    Ca,
    /// Saudi Arabia.
    Sa,
}

/// What a host is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The OAuth server.
    Accounts,
    /// An API: the CRM's host, which Books and `WorkDrive` share, or the host of a product that has its own.
    Api,
    /// The file upload host.
    Upload,
    /// The API console, where clients are registered.
    Console,
    /// The plain consent page on loopback, which stands in for the accounts host in the browser.
    Consent,
    /// No host of ours was named.
    Unknown,
}

/// Whose API a host fronts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    /// Several products, told apart by path.
    Gateway,
    /// Desk alone.
    Desk,
    /// Marketing Automation alone.
    Marketing,
}

/// A host name with its place in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub role: Role,
    pub front: Front,
    pub region: Region,
    pub environment: Environment,
}

impl Region {
    /// Every region, in the order of Zoho's own table.
    pub const ALL: [Region; 8] =
        [Region::Us, Region::Eu, Region::In, Region::Au, Region::Jp, Region::Cn, Region::Ca, Region::Sa];

    /// Returns the `location` code, such as `eu`.
    pub fn code(self) -> &'static str {
        match self {
            Region::Us => "us",
            Region::Eu => "eu",
            Region::In => "in",
            Region::Au => "au",
            Region::Jp => "jp",
            Region::Cn => "cn",
            Region::Ca => "ca",
            Region::Sa => "sa",
        }
    }

    /// Returns the OAuth host.
    pub fn accounts_host(self) -> String {
        self.product_host("accounts")
    }

    /// Returns the API host of an environment.
    pub fn api_host(self, environment: Environment) -> String {
        format!("{}.zohoapis.{}", environment.api_label(), self.suffix())
    }

    /// Returns the host of Desk.
    pub fn desk_host(self) -> String {
        self.product_host("desk")
    }

    /// Returns the host of Marketing Automation.
    pub fn marketing_host(self) -> String {
        self.product_host("marketingautomation")
    }

    /// Returns the bulk-write upload host.
    pub fn upload_host(self) -> String {
        match self {
            Region::Ca => "upload.zohocloud.ca".into(),
            Region::Sa => "files.zoho.sa".into(),
            other => format!("content.zohoapis.{}", other.suffix()),
        }
    }

    /// Returns the API console's host.
    pub fn console_host(self) -> String {
        self.product_host("api-console")
    }

    /// In Canada the products are at `zohocloud.ca`, the gateway alone is at `zohoapis.ca`.
    fn product_host(self, product: &str) -> String {
        match self {
            Region::Ca => format!("{product}.zohocloud.ca"),
            other => format!("{product}.zoho.{}", other.suffix()),
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Region::Us => "com",
            Region::Au => "com.au",
            Region::Cn => "com.cn",
            Region::Eu | Region::In | Region::Jp | Region::Ca | Region::Sa => self.code(),
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

impl FromStr for Region {
    type Err = String;

    fn from_str(text: &str) -> Result<Region, String> {
        Region::ALL
            .into_iter()
            .find(|region| region.code() == text)
            .ok_or_else(|| format!("no such region: {text}"))
    }
}

/// Returns every host name with its place.
pub(crate) fn table() -> Vec<(String, Place)> {
    let mut rows = Vec::new();
    for region in Region::ALL {
        let production = |role, front| Place { role, front, region, environment: Environment::Production };
        rows.push((region.accounts_host(), production(Role::Accounts, Front::Gateway)));
        rows.push((region.upload_host(), production(Role::Upload, Front::Gateway)));
        rows.push((region.console_host(), production(Role::Console, Front::Gateway)));
        rows.push((region.desk_host(), production(Role::Api, Front::Desk)));
        rows.push((region.marketing_host(), production(Role::Api, Front::Marketing)));
        for environment in Environment::ALL {
            let place = Place { role: Role::Api, front: Front::Gateway, region, environment };
            rows.push((region.api_host(environment), place));
        }
    }
    rows
}

/// Returns the place of a host name.
pub(crate) fn place(host: &str) -> Option<Place> {
    table().into_iter().find(|(name, _)| name.eq_ignore_ascii_case(host)).map(|(_, place)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canada_is_split() {
        assert_eq!(Region::Ca.accounts_host(), "accounts.zohocloud.ca");
        assert_eq!(Region::Ca.api_host(Environment::Production), "www.zohoapis.ca");
        assert_eq!(Region::Ca.desk_host(), "desk.zohocloud.ca");
        assert_eq!(Region::Ca.marketing_host(), "marketingautomation.zohocloud.ca");
        assert_eq!(place("accounts.zoho.ca"), None);
        assert_eq!(place("desk.zoho.ca"), None);
    }

    #[test]
    fn no_host_has_two_places() {
        let mut names: Vec<String> = table().into_iter().map(|(name, _)| name).collect();
        let before = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), before);
    }
}
