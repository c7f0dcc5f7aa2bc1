//! Which addresses a host name stands for, and whose certificates are believed.
//!
//! Every connection that egress opens goes through a [`Dialer`]: the pooled client, the token client, the tenant
//! look-up. `system()` resolves with the operating system and refuses every address that is not public;
//! `fixed()` knows a list of names and nothing else, and only the simulator's world builds it.

mod address;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::Name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;
use url::Url;

pub(crate) use address::is_public;

/// Why a dialer cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DialerError {
    /// The operating system's trust roots cannot be read, or a given root is no certificate.
    #[error("failed to set up TLS trust roots")]
    Tls(#[from] rustls::Error),
}

/// Resolves names and sets up TLS for everything that egress dials.
#[derive(Clone)]
pub struct Dialer {
    resolver: Resolver,
    tls: ClientConfig,
    show_url: Option<ShowUrl>,
}

type ShowUrl = Arc<dyn Fn(Url) -> Url + Send + Sync>;

impl Dialer {
    /// Resolves with the operating system, refuses addresses that are not public, trusts the system's roots.
    pub fn system() -> Result<Self, DialerError> {
        let tls = versions(provider())?.with_platform_verifier()?.with_no_client_auth();
        Ok(Self { resolver: Resolver::System, tls, show_url: None })
    }

    /// Knows only these hosts and trusts only these roots. Only `demo` and `serve --simulator` build it.
    pub fn fixed(hosts: BTreeMap<String, SocketAddr>, roots_der: Vec<Vec<u8>>) -> Result<Self, DialerError> {
        let mut roots = RootCertStore::empty();
        for root in roots_der {
            roots.add(CertificateDer::from(root))?;
        }
        let tls = versions(provider())?.with_root_certificates(roots).with_no_client_auth();
        Ok(Self { resolver: Resolver::Fixed(Arc::new(hosts)), tls, show_url: None })
    }

    /// Rewrites the URL shown to the browser: the simulator's consent page is plain http on loopback. Nothing else
    /// is rewritten, and a system dialer ignores it.
    #[must_use]
    pub fn showing(mut self, show_url: impl Fn(Url) -> Url + Send + Sync + 'static) -> Self {
        if matches!(self.resolver, Resolver::Fixed(_)) {
            self.show_url = Some(Arc::new(show_url));
        }
        self
    }

    /// Returns whether this is the simulator's world.
    pub fn is_fixed(&self) -> bool {
        matches!(self.resolver, Resolver::Fixed(_))
    }

    /// Returns the URL that the person's browser opens for an authorization URL.
    pub(crate) fn shown(&self, url: &Url) -> Url {
        match &self.show_url {
            Some(show_url) => show_url(url.clone()),
            None => url.clone(),
        }
    }

    /// Returns the resolver for a client.
    pub(crate) fn resolver(&self) -> Resolver {
        self.resolver.clone()
    }

    /// Returns a TLS configuration with a session cache of its own, so that two clients share no TLS session.
    pub(crate) fn tls(&self) -> ClientConfig {
        let mut tls = self.tls.clone();
        tls.resumption = rustls::client::Resumption::in_memory_sessions(16);
        tls
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").field("resolver", &self.resolver).finish_non_exhaustive()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn versions(
    provider: Arc<CryptoProvider>,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, rustls::Error> {
    ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
}

/// Turns a host name into addresses. Names of the service table come here; IP literals never do, because the
/// client refuses them before.
#[derive(Clone, Debug)]
pub(crate) enum Resolver {
    /// The operating system's, filtered.
    System,
    /// A list.
    Fixed(Arc<BTreeMap<String, SocketAddr>>),
}

impl Resolver {
    async fn addresses(self, host: String) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::Fixed(hosts) => match hosts.get(&host) {
                Some(address) => Ok(vec![*address]),
                None => Err(refused("the host is not in the fixed list")),
            },
            Self::System => public_only(tokio::net::lookup_host((host.as_str(), 0)).await?),
        }
    }
}

/// Keeps what may be dialled. A client dials what its resolver returns and asks nobody again, so a name that changes its
/// address between a check and the connection gains nothing.
fn public_only(found: impl Iterator<Item = SocketAddr>) -> io::Result<Vec<SocketAddr>> {
    let public: Vec<_> = found.filter(|found| is_public(found.ip())).collect();
    if public.is_empty() {
        return Err(refused("the host resolves to no public address"));
    }
    Ok(public)
}

fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

impl tower_service::Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let addresses = self.clone().addresses(name.as_str().to_owned());
        Box::pin(async move { Ok(addresses.await?.into_iter()) })
    }
}

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let addresses = self.clone().addresses(name.as_str().to_owned());
        Box::pin(async move { Ok(Box::new(addresses.await?.into_iter()) as reqwest::dns::Addrs) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a23_a_name_outside_the_fixed_list_resolves_to_nothing() {
        let listed: SocketAddr = "127.0.0.1:4".parse().expect("an address");
        let hosts = BTreeMap::from([("accounts.example".to_owned(), listed)]);
        let resolver = Resolver::Fixed(Arc::new(hosts));
        assert_eq!(resolver.clone().addresses("accounts.example".to_owned()).await.expect("listed"), vec![listed]);
        assert!(resolver.addresses("evil.example".to_owned()).await.is_err());
    }

    #[tokio::test]
    async fn a23_a_name_that_means_loopback_is_refused() {
        let error = Resolver::System.addresses("localhost".to_owned()).await.expect_err("loopback");
        assert!(!error.to_string().contains("127.0.0.1"), "{error}");
    }

    #[test]
    fn a23_of_a_name_with_private_addresses_only_the_public_ones_are_dialled() {
        let resolved = |addresses: &[&str]| {
            let found = addresses.iter().map(|address| SocketAddr::new(address.parse().expect("an address"), 443));
            public_only(found).map(|kept| kept.iter().map(|kept| kept.ip().to_string()).collect::<Vec<_>>())
        };
        let mixed = ["127.0.0.1", "8.8.8.8", "::ffff:169.254.169.254", "10.0.0.1", "2a00:1450:4001::1"];
        assert_eq!(resolved(&mixed).expect("two are public"), ["8.8.8.8", "2a00:1450:4001::1"]);
        for private in
            [&["169.254.169.254"][..], &["::1", "127.0.0.1"], &["fd00:ec2::254"], &["::ffff:10.0.0.1"], &[]]
        {
            let error = resolved(private).expect_err("none is public").to_string();
            assert!(private.iter().all(|address| !error.contains(address)), "{error}");
        }
    }

    #[test]
    fn only_a_fixed_dialer_rewrites_the_shown_url() {
        let url = Url::parse("https://accounts.example/auth").expect("a URL");
        let elsewhere = Url::parse("http://127.0.0.1:9/").expect("a URL");
        let fixed = Dialer::fixed(BTreeMap::new(), Vec::new()).expect("a dialer");
        assert_eq!(fixed.shown(&url), url);
        let target = elsewhere.clone();
        assert_eq!(fixed.showing(move |_| target.clone()).shown(&url), elsewhere);
    }
}
