//! Which addresses may be dialled for a registry. Where the registry is, a person said; where it leads to, it says
//! itself. So it may lead only to places as public as its own.

use std::net::{IpAddr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::error::RegistryError;
use super::reference::{address, authority, is_loopback};
use crate::dialer::is_public;

/// Where a registry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// On this machine. Only there HTTP may be plain.
    Loopback,
    /// In a private network.
    Inside,
    /// On the internet: it leads nobody into a private network.
    Public,
}

impl Reach {
    /// Finds where a registry is.
    pub(super) async fn of(base: &Url) -> Result<Self, RegistryError> {
        if is_loopback(base) {
            return Ok(Self::Loopback);
        }
        let found: Vec<IpAddr> = match address(base) {
            Some(address) => vec![address],
            None => {
                let host = (base.host_str().unwrap_or_default(), base.port_or_known_default().unwrap_or_default());
                let found = tokio::net::lookup_host(host).await;
                let found = found.map_err(|_| RegistryError::Unreachable { host: authority(base) })?;
                found.map(|found| found.ip()).collect()
            }
        };
        Ok(if found.into_iter().any(is_public) { Self::Public } else { Self::Inside })
    }

    /// Checks a place before it is dialled; the error says what is wrong with it. Names are judged once more when they are
    /// resolved.
    pub(super) fn check(self, url: &Url) -> Result<(), &'static str> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err("names a user and password of its own");
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(url) && self == Self::Loopback => return Ok(()),
            "http" => return Err("is plain HTTP"),
            _ => return Err("is neither HTTPS nor HTTP"),
        }
        match address(url) {
            Some(address) if self == Self::Public && !is_public(address) => Err("lies in a private network"),
            _ => Ok(()),
        }
    }
}

/// Resolves with the operating system, private addresses included: for registries that are not on the internet.
#[derive(Debug)]
pub(super) struct Anywhere;

impl Resolve for Anywhere {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            // What is spoken to without TLS must be this machine (RFC 6761 section 6.3).
            let kept = found.into_iter().filter(move |found| host != "localhost" || found.ip().is_loopback());
            Ok(Box::new(kept) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(reach: Reach, url: &str, expect: bool) {
        let url = Url::parse(url).expect("a URL");
        assert_eq!(reach.check(&url).is_ok(), expect, "{reach:?} {url}");
    }

    #[test]
    fn plain_http_is_spoken_only_within_this_machine() {
        for reach in [Reach::Inside, Reach::Public] {
            check(reach, "http://127.0.0.1:5000/", false);
            check(reach, "http://localhost/", false);
            check(reach, "http://storage.example/", false);
        }
        check(Reach::Loopback, "http://127.0.0.1:5000/", true);
        check(Reach::Loopback, "http://localhost:1/", true);
        check(Reach::Loopback, "http://10.0.0.1/", false);
        check(Reach::Loopback, "http://localhost.example/", false);
        check(Reach::Loopback, "https://storage.example/", true);
    }

    #[test]
    fn a_public_registry_leads_nobody_into_a_private_network() {
        check(Reach::Public, "https://8.8.8.8/", true);
        check(Reach::Public, "https://storage.example/", true);
        for inside in ["10.0.0.1", "169.254.169.254", "127.0.0.1", "[::1]", "[fd00:ec2::254]", "[::ffff:10.0.0.1]"]
        {
            check(Reach::Public, &format!("https://{inside}/"), false);
            check(Reach::Inside, &format!("https://{inside}/"), true);
        }
        for other in ["file:///etc/passwd", "ftp://storage.example/", "https://user@storage.example/"] {
            check(Reach::Public, other, false);
            check(Reach::Loopback, other, false);
        }
    }

    #[tokio::test]
    async fn where_a_registry_is_shows_in_its_addresses() {
        let of = async |url: &str| Reach::of(&Url::parse(url).expect("a URL")).await.expect("found");
        assert_eq!(of("http://127.0.0.1:5000/").await, Reach::Loopback);
        assert_eq!(of("http://localhost:5000/").await, Reach::Loopback);
        assert_eq!(of("https://10.1.2.3/").await, Reach::Inside);
        assert_eq!(of("https://8.8.8.8/").await, Reach::Public);
    }
}
