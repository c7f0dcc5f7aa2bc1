//! `[listen]`: where agents, consent, operators and the dashboard's visitors come, and under which names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};

use serde::Deserialize;
use url::Url;
use wardlock_egress::CallbackListener;

use super::text_error::{Document, TextError};

/// Where agents call.
const AGENTS: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7420));
/// Where consent comes back.
/// Where consent comes back, unless the file says otherwise.
pub const CALLBACK: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7421));
/// Where the dashboard is, where `serve --dashboard` turns it on and nothing else is said.
pub(super) const DASHBOARD: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7423));
/// How a name begins under which a proxy that speaks TLS leads here.
const HTTPS: &str = "https://";

/// Where agents, consent and operators come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listen {
    /// Where agents call.
    pub agents: SocketAddr,
    /// Where consent comes back.
    pub callback: SocketAddr,
    /// The redirect URI under which browsers of other machines reach the callback.
    pub callback_url: Option<Url>,
    /// The `Host` values that agents may use besides the listener's own address.
    pub hosts: Vec<String>,
    /// Those of them that stand for a proxy that speaks TLS.
    pub https_hosts: Vec<String>,
    /// Where operators ask, if anywhere.
    pub operators: Option<SocketAddr>,
    /// The `Host` values that operators may use besides the listener's own address.
    pub operators_hosts: Vec<String>,
    /// Where the dashboard is, where the file turns it on.
    pub dashboard: Option<SocketAddr>,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            agents: AGENTS,
            callback: CALLBACK,
            callback_url: None,
            hosts: Vec::new(),
            https_hosts: Vec::new(),
            operators: None,
            operators_hosts: Vec::new(),
            dashboard: None,
        }
    }
}

/// The table as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ListenFile {
    agents: String,
    callback: String,
    callback_url: Option<String>,
    hosts: Vec<String>,
    operators: Option<String>,
    operators_hosts: Vec<String>,
    dashboard: Option<String>,
}

impl Default for ListenFile {
    fn default() -> Self {
        Self {
            agents: AGENTS.to_string(),
            callback: CALLBACK.to_string(),
            callback_url: None,
            hosts: Vec::new(),
            operators: None,
            operators_hosts: Vec::new(),
            dashboard: None,
        }
    }
}

impl ListenFile {
    /// Checks what was written, and returns what it says.
    pub fn check(self, document: &Document<'_>) -> Result<Listen, TextError> {
        let agents = address(document, &["listen", "agents"], &self.agents)?;
        let callback = address(document, &["listen", "callback"], &self.callback)?;
        if agents == callback {
            let problem = "agents and the consent callback need two different addresses";
            return Err(document.error_at(&["listen", "callback"], problem));
        }
        if !callback.ip().is_loopback() {
            let problem = "the consent callback must be on this machine, such as \"127.0.0.1:7421\"";
            return Err(document.error_at(&["listen", "callback"], problem));
        }
        let operators = operators(document, self.operators.as_deref(), [agents, callback])?;
        let others = [Some(agents), Some(callback), operators];
        let dashboard = dashboard(document, self.dashboard.as_deref(), &others)?;
        let callback_url = callback_url(document, self.callback_url.as_deref())?;
        for (at, host) in self.hosts.iter().enumerate() {
            let name = host.strip_prefix(HTTPS).unwrap_or(host);
            check_host(
                document,
                &["listen", "hosts", &at.to_string()],
                name,
                "wardlock.internal:7420\", or \"https://agents.example.com",
            )?;
        }
        for (at, host) in self.operators_hosts.iter().enumerate() {
            let path = ["listen", "operators_hosts", &at.to_string()];
            check_host(document, &path, host, "wardlock.internal:7422")?;
        }
        let Self { hosts, operators_hosts, .. } = self;
        let https_hosts = hosts.iter().filter_map(|host| host.strip_prefix(HTTPS)).map(str::to_owned).collect();
        let hosts = hosts.iter().map(|host| host.strip_prefix(HTTPS).unwrap_or(host).to_owned()).collect();
        Ok(Listen { agents, callback, callback_url, hosts, https_hosts, operators, operators_hosts, dashboard })
    }
}

fn address(document: &Document<'_>, path: &[&str], text: &str) -> Result<SocketAddr, TextError> {
    text.parse().map_err(|_| {
        document
            .error_at(path, "an address and a port are wanted")
            .hint("such as \"127.0.0.1:7420\", or \"[::1]:7420\"; names are not looked up")
    })
}

/// Reads where operators ask. Their listener has other rules than the others, so it cannot be one of them.
fn operators(
    document: &Document<'_>,
    text: Option<&str>,
    others: [SocketAddr; 2],
) -> Result<Option<SocketAddr>, TextError> {
    let path = ["listen", "operators"];
    let Some(text) = text else {
        return Ok(None);
    };
    let operators = address(document, &path, text)?;
    if others.contains(&operators) {
        let problem = "operators need another address than agents and the consent callback";
        return Err(document.error_at(&path, problem));
    }
    Ok(Some(operators))
}

/// Reads where the dashboard is: on this machine, and at no other listener's address.
fn dashboard(
    document: &Document<'_>,
    text: Option<&str>,
    others: &[Option<SocketAddr>],
) -> Result<Option<SocketAddr>, TextError> {
    let path = ["listen", "dashboard"];
    let Some(text) = text else {
        return Ok(None);
    };
    let dashboard = address(document, &path, text)?;
    // What `localhost` means, and nothing else of loopback: that is the name under which browsers come.
    if ![IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()].contains(&dashboard.ip()) {
        let problem = "the dashboard must be on this machine: \"127.0.0.1:7423\", or another port there";
        return Err(document.error_at(&path, problem).hint(
            "from another machine, lead a port here: `ssh -N -L 7423:127.0.0.1:7423 HOST`, and open it there",
        ));
    }
    if others.contains(&Some(dashboard)) {
        let problem = "the dashboard needs an address of its own";
        return Err(document.error_at(&path, problem));
    }
    Ok(Some(dashboard))
}

/// Reads the public redirect URI. It must say the same to the provider, to the browser and to the proxy in between.
fn callback_url(document: &Document<'_>, text: Option<&str>) -> Result<Option<Url>, TextError> {
    let Some(text) = text else {
        return Ok(None);
    };
    let plain = |url: &Url| {
        url.scheme() == "https"
            && url.path() == CallbackListener::PATH
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
            && url.as_str() == text
    };
    match Url::parse(text).ok().filter(plain) {
        Some(url) => Ok(Some(url)),
        None => Err(document
            .error_at(
                &["listen", "callback_url"],
                "an https address is wanted whose path is `/callback`, and nothing after it",
            )
            .hint("such as \"https://connect.example.com/callback\"; a reverse proxy there leads to `callback`")),
    }
}

fn check_host(document: &Document<'_>, path: &[&str], host: &str, like: &str) -> Result<(), TextError> {
    let (name, port) = host.rsplit_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    let name_fits = !name.is_empty()
        && name.split('.').all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'))
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    if name_fits && port_fits {
        return Ok(());
    }
    let problem = "a host name is wanted, without a scheme, a path or a wildcard";
    Err(document.error_at(path, problem).hint(format!("such as \"{like}\"")))
}
