//! Judges a callback with a valid state: which code it brings, or why it stops here. Pure.

use std::collections::HashMap;

use wardlock_core::id::Region;
use wardlock_core::service::ServiceDefinition;
use zeroize::Zeroizing;

use crate::vault::Secret;

/// Why a callback stops before the exchange. Nothing was sent and nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallbackProblem {
    /// The provider sent an error.
    #[error("{0}")]
    Refused(String),
    /// The account lives in another data centre than the connection says.
    #[error("the account lives in region `{found}`, but the connection says `{expected}`")]
    RegionMismatch {
        /// The connection's region.
        expected: Region,
        /// The account's.
        found: Region,
    },
    /// The callback names a host or region that is not in the service's table.
    #[error("the callback names {what} that is not in the service's table, so nothing was sent to it")]
    NotInTable {
        /// What it names.
        what: &'static str,
    },
    /// The callback's region and accounts server are of different rows.
    #[error("the callback contradicts itself about the region")]
    Contradiction,
    /// The service announces that callbacks name their issuer, and this one names none or another (RFC 9207).
    #[error("the callback does not come from the provider that was asked: its `iss` is {0}")]
    OtherIssuer(&'static str),
    /// There is neither a code nor an error.
    #[error("the callback brings neither a code nor an error")]
    NoCode,
    /// It came after its time.
    #[error("the consent took longer than ten minutes, so its answer no longer counts")]
    Expired,
}

impl CallbackProblem {
    /// Says how to mend it.
    pub fn hint(&self) -> String {
        match self {
            Self::Refused(_) | Self::NoCode | Self::Expired => "Start again with `wardlock connect`.".to_owned(),
            Self::RegionMismatch { found, .. } => {
                format!("Set `region = \"{found}\"` for the connection and start again with `wardlock connect`.")
            }
            Self::NotInTable { .. } | Self::Contradiction | Self::OtherIssuer(_) => {
                "Look at the address in the browser: somebody may be in between. `wardlock service show` lists the \
                 hosts that are known."
                    .to_owned()
            }
        }
    }

    /// Says how to mend it to a person who was invited: they have no terminal, and no command to give.
    pub(super) fn hint_for_invited(&self) -> String {
        match self {
            Self::Refused(_) | Self::NoCode | Self::Expired => {
                "Ask whoever sent you the link for another.".to_owned()
            }
            Self::RegionMismatch { found, .. } => format!(
                "Tell whoever sent you the link that your account is in `{found}`; they set that, and send you another."
            ),
            Self::NotInTable { .. } | Self::Contradiction | Self::OtherIssuer(_) => {
                "Somebody may be in between: tell whoever sent you the link before you try again.".to_owned()
            }
        }
    }
}

/// The callback's parameters. A code stands among them, so they are wiped.
#[derive(Default)]
pub(super) struct Params(HashMap<String, Zeroizing<String>>);

impl Params {
    pub fn insert(&mut self, name: String, value: Zeroizing<String>) -> Option<Zeroizing<String>> {
        self.0.insert(name, value)
    }

    pub fn state(&self) -> Option<&str> {
        self.value("state")
    }

    pub fn error(&self) -> Option<&str> {
        self.value("error")
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// Returns the code, or why there is none to use.
pub(super) fn judge(
    service: &ServiceDefinition,
    expected: &Region,
    expires_at_ms: u64,
    now_ms: u64,
    mut params: Params,
) -> Result<Secret, CallbackProblem> {
    if now_ms > expires_at_ms {
        return Err(CallbackProblem::Expired);
    }
    // Before anything else of the callback counts: an error may be forged as well as a code (RFC 9207 section 2.4).
    check_issuer(service, expected, &params)?;
    if let Some(error) = params.error() {
        return Err(CallbackProblem::Refused(sentence(service, error)));
    }
    if let Some(found) = region(service, &params)?
        && found != expected
    {
        return Err(CallbackProblem::RegionMismatch { expected: expected.clone(), found: found.clone() });
    }
    let mut code = params.0.remove("code").ok_or(CallbackProblem::NoCode)?;
    let code = Zeroizing::new(std::mem::take(&mut *code).into_bytes());
    Secret::from_bytes(code).map_err(|_| CallbackProblem::NoCode)
}

fn check_issuer(service: &ServiceDefinition, region: &Region, params: &Params) -> Result<(), CallbackProblem> {
    let Some(row) = service.regions.get(region) else {
        return Ok(());
    };
    match (&row.issuer, params.value("iss")) {
        (Some(issuer), Some(named)) if named == issuer => Ok(()),
        (Some(_), None) => Err(CallbackProblem::OtherIssuer("missing")),
        // Whoever names one unannounced must at least name the host that was asked (RFC 9207 section 2.4).
        (None, Some(named)) if host_of(named).as_deref() == Some(row.accounts.as_str()) => Ok(()),
        (None, None) => Ok(()),
        (_, Some(_)) => Err(CallbackProblem::OtherIssuer("another one's")),
    }
}

/// Returns the host of an `https` address.
fn host_of(text: &str) -> Option<String> {
    let url = url::Url::parse(text).ok().filter(|url| url.scheme() == "https" && url.port().is_none())?;
    url.host_str().map(str::to_owned)
}

/// Returns what an error of the provider's means; its own text is shown only if the definition lists it.
pub(super) fn sentence(service: &ServiceDefinition, error: &str) -> String {
    match service.guide.callback_errors.get(error) {
        Some(meaning) => format!("{} answered `{error}`: {meaning}", service.display),
        None => format!("{} answered with an error that its service definition does not list", service.display),
    }
}

/// Returns the row that the callback selects, if it names one.
fn region<'a>(service: &'a ServiceDefinition, params: &Params) -> Result<Option<&'a Region>, CallbackProblem> {
    let by_name = match service.oauth.callback_region_param.as_deref().and_then(|name| params.value(name)) {
        Some(value) => Some(region_named(service, value).ok_or(CallbackProblem::NotInTable { what: "a region" })?),
        None => None,
    };
    let by_host = match service.oauth.callback_accounts_param.as_deref().and_then(|name| params.value(name)) {
        Some(value) => {
            Some(region_at(service, value).ok_or(CallbackProblem::NotInTable { what: "an accounts server" })?)
        }
        None => None,
    };
    match (by_name, by_host) {
        (Some(name), Some(host)) if name != host => Err(CallbackProblem::Contradiction),
        (Some(region), _) | (None, Some(region)) => Ok(Some(region)),
        (None, None) => Ok(None),
    }
}

fn region_named<'a>(service: &'a ServiceDefinition, value: &str) -> Option<&'a Region> {
    service.regions.keys().find(|region| region.as_str() == value)
}

fn region_at<'a>(service: &'a ServiceDefinition, value: &str) -> Option<&'a Region> {
    let host = value.strip_prefix("https://")?;
    let host = host.strip_suffix('/').unwrap_or(host);
    service.regions.iter().find(|(_, row)| row.accounts == host).map(|(region, _)| region)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(now_ms: u64, pairs: &[(&str, &str)]) -> Result<(), CallbackProblem> {
        let text = include_str!("../../../../services/zoho-crm.toml");
        let service = wardlock_core::service::parse(text, "zoho-crm.toml").expect("a service");
        let mut params = Params::default();
        for &(name, value) in pairs {
            params.insert(name.to_owned(), Zeroizing::new(value.to_owned()));
        }
        judge(&service, &Region::parse("eu").expect("a region"), 100, now_ms, params).map(|_| ())
    }

    #[test]
    fn a_callback_may_only_select_the_connections_own_row() {
        let eu = ("accounts-server", "https://accounts.zoho.eu");
        assert_eq!(judged(0, &[("code", "c"), ("location", "eu"), eu]), Ok(()));
        assert_eq!(judged(0, &[("code", "c")]), Ok(()));
        assert_eq!(judged(0, &[("code", "c"), ("location", "in"), eu]), Err(CallbackProblem::Contradiction));
        let row = judged(0, &[("code", "c"), ("location", "in")]);
        assert!(matches!(row, Err(CallbackProblem::RegionMismatch { .. })), "{row:?}");
        for host in
            ["https://accounts.zoho.eu:444", "https://www.zohoapis.eu", "accounts.zoho.eu", "https://evil/"]
        {
            let row = judged(0, &[("code", "c"), ("accounts-server", host)]);
            assert!(matches!(row, Err(CallbackProblem::NotInTable { .. })), "{host}: {row:?}");
        }
    }

    #[test]
    fn an_unannounced_issuer_is_the_host_that_was_asked_or_another_one() {
        assert_eq!(judged(0, &[("code", "c"), ("iss", "https://accounts.zoho.eu")]), Ok(()));
        for iss in [
            "https://accounts.zoho.in",
            "http://accounts.zoho.eu",
            "https://accounts.zoho.eu:444",
            "accounts.zoho.eu",
        ] {
            let other = Err(CallbackProblem::OtherIssuer("another one's"));
            assert_eq!(judged(0, &[("code", "c"), ("iss", iss)]), other, "{iss}");
        }
    }

    #[test]
    fn an_announced_issuer_must_be_named_by_codes_and_errors_alike() {
        let text = include_str!("../../../../services/zoho-crm.toml");
        let mut service = wardlock_core::service::parse(text, "zoho-crm.toml").expect("a service");
        let eu = Region::parse("eu").expect("a region");
        service.regions.get_mut(&eu).expect("a row").issuer = Some("https://accounts.zoho.eu".to_owned());
        for what in ["code", "error"] {
            let judged = |iss: Option<&str>| {
                let mut params = Params::default();
                params.insert(what.to_owned(), Zeroizing::new("x".to_owned()));
                if let Some(iss) = iss {
                    params.insert("iss".to_owned(), Zeroizing::new(iss.to_owned()));
                }
                judge(&service, &eu, 100, 0, params).map(|_| ())
            };
            assert_eq!(judged(None), Err(CallbackProblem::OtherIssuer("missing")));
            for other in ["https://accounts.zoho.eu/", "https://accounts.zoho.com", ""] {
                assert!(matches!(judged(Some(other)), Err(CallbackProblem::OtherIssuer(_))), "{other}");
            }
            let ours = judged(Some("https://accounts.zoho.eu"));
            assert!(!matches!(ours, Err(CallbackProblem::OtherIssuer(_))), "{ours:?}");
        }
    }

    #[test]
    fn a_late_empty_or_refused_callback_brings_no_code() {
        assert_eq!(judged(101, &[("code", "c")]), Err(CallbackProblem::Expired));
        assert_eq!(judged(0, &[]), Err(CallbackProblem::NoCode));
        assert_eq!(judged(0, &[("code", "with space")]), Err(CallbackProblem::NoCode));
        let refused = judged(0, &[("error", "access_denied"), ("code", "c")]).expect_err("refused").to_string();
        assert!(refused.contains("`access_denied`"), "{refused}");
        let stranger = judged(0, &[("error", "<script>")]).expect_err("refused").to_string();
        assert!(!stranger.contains("script"), "{stranger}");
    }
}
