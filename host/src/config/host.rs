//! `wardlock.toml`: listeners, key source, durability, limits. The commented defaults stand in
//! `host/src/home/wardlock.toml`, and a test keeps the two equal.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use url::Url;
use wardlock_audit::{Durabilities, Rotation};
use wardlock_egress::{CallbackListener, vault};

use crate::admin::Failure;
use crate::home::{CONFIG_FILE, Home};

use super::ConfigError;
use super::audit::AuditFile;
use super::log::LogConfig;
use super::text_error::{Document, TextError};
use super::units::{Bytes, Rate, Span};

/// Where agents call.
const AGENTS: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7420));
/// Where consent comes back.
const CALLBACK: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7421));
/// The key file within the home.
const KEY_FILE: &str = "state/vault.key";
/// The credential's name within what systemd hands over.
const CREDENTIAL: &str = "wardlock-key";

/// Where the vault's key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A key file; relative paths are within the home.
    File {
        /// Where it is.
        path: PathBuf,
    },
    /// A passphrase that is asked for at start.
    Passphrase,
    /// The operating system's keychain.
    Keychain,
    /// A credential that systemd hands to the service.
    Credential {
        /// Its name.
        name: String,
    },
}

impl KeySource {
    /// Returns the key's place in the terms of the vault. A passphrase has none: it must be asked for.
    pub fn resolve(&self, home: &Home) -> Result<vault::KeySource, Failure> {
        match self {
            Self::File { path } => Ok(vault::KeySource::File { path: home.path().join(path) }),
            Self::Keychain => Ok(vault::KeySource::Keychain),
            Self::Credential { name } => handed_over(name),
            Self::Passphrase => Err(Failure::home("the passphrase is missing")),
        }
    }
}

/// Returns the credential of the usual name.
pub fn credential() -> Result<vault::KeySource, Failure> {
    handed_over(CREDENTIAL)
}

fn handed_over(name: &str) -> Result<vault::KeySource, Failure> {
    match std::env::var_os("CREDENTIALS_DIRECTORY") {
        Some(folder) => Ok(vault::KeySource::Credential { path: PathBuf::from(folder).join(name) }),
        None => Err(Failure::home("systemd handed no credentials to this process").hint(format!(
            "make one: `head -c 32 /dev/urandom | systemd-creds encrypt --name={name} - FILE`, put \
             `LoadCredentialEncrypted={name}:FILE` into the service's unit, and run commands by `systemd-run --pipe -p \
             LoadCredentialEncrypted={name}:FILE wardlock …`"
        ))),
    }
}

/// The settings of one home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostConfig {
    agents: SocketAddr,
    callback: SocketAddr,
    callback_url: Option<Url>,
    hosts: Vec<String>,
    operators: Option<SocketAddr>,
    operators_hosts: Vec<String>,
    key: KeySource,
    audit: AuditFile,
    limits: LimitsFile,
    recipients: Vec<String>,
    log: LogConfig,
}

impl HostConfig {
    /// Reads a home's settings; a missing `wardlock.toml` means the defaults.
    pub fn load(home: &Home) -> Result<Self, ConfigError> {
        Ok(Self::parse(CONFIG_FILE, &Self::text(home)?)?)
    }

    /// Reads the text of a home's `wardlock.toml`; a missing one is empty.
    pub fn text(home: &Home) -> Result<String, ConfigError> {
        Ok(home.read_text(CONFIG_FILE)?.unwrap_or_default())
    }

    /// Parses the text of a `wardlock.toml`.
    pub fn parse(file: &str, text: &str) -> Result<Self, TextError> {
        let document = Document::parse(file, text)?;
        let raw: ConfigFile = document.decode()?;
        let agents = address(&document, &["listen", "agents"], &raw.listen.agents)?;
        let callback = address(&document, &["listen", "callback"], &raw.listen.callback)?;
        if agents == callback {
            let problem = "agents and the consent callback need two different addresses";
            return Err(document.error_at(&["listen", "callback"], problem));
        }
        if !callback.ip().is_loopback() {
            let problem = "the consent callback must be on this machine, such as \"127.0.0.1:7421\"";
            return Err(document.error_at(&["listen", "callback"], problem));
        }
        let operators = operators(&document, raw.listen.operators.as_deref(), [agents, callback])?;
        let callback_url = callback_url(&document, raw.listen.callback_url.as_deref())?;
        for (at, host) in raw.listen.hosts.iter().enumerate() {
            check_host(&document, &["listen", "hosts", &at.to_string()], host, "wardlock.internal:7420")?;
        }
        for (at, host) in raw.listen.operators_hosts.iter().enumerate() {
            let path = ["listen", "operators_hosts", &at.to_string()];
            check_host(&document, &path, host, "wardlock.internal:7422")?;
        }
        let key = key_source(&document, raw.vault)?;
        raw.audit.check(&document)?;
        check_limits(&document, &raw.limits)?;
        for (at, word) in raw.backup.recipients.iter().enumerate() {
            vault::Recipients::check(word).map_err(|error| {
                let wrong = document.error_at(&["backup", "recipients", &at.to_string()], error.to_string());
                wrong.hint(error.hint().unwrap_or_default())
            })?;
        }
        let ConfigFile { listen, audit, limits, backup, log, .. } = raw;
        let ListenFile { hosts, operators_hosts, .. } = listen;
        let recipients = backup.recipients;
        Ok(Self {
            agents,
            callback,
            callback_url,
            hosts,
            operators,
            operators_hosts,
            key,
            audit,
            limits,
            recipients,
            log,
        })
    }

    /// Returns where agents call.
    pub fn agents(&self) -> SocketAddr {
        self.agents
    }

    /// Returns where consent comes back.
    pub fn callback(&self) -> SocketAddr {
        self.callback
    }

    /// Returns the redirect URI under which browsers of other machines reach the callback, where the operator made one.
    pub fn callback_url(&self) -> Option<&Url> {
        self.callback_url.as_ref()
    }

    /// Returns the one redirect URI of the home: registered at providers exactly so.
    pub fn redirect_uri(&self) -> String {
        match &self.callback_url {
            Some(url) => url.to_string(),
            None => format!("http://{}{}", self.callback, CallbackListener::PATH),
        }
    }

    /// Returns the `Host` values that agents may use besides the listener's own address.
    pub fn allowed_hosts(&self) -> &[String] {
        &self.hosts
    }

    /// Returns where operators ask for metrics and health, if anywhere.
    pub fn operators(&self) -> Option<SocketAddr> {
        self.operators
    }

    /// Returns the `Host` values that operators may use besides the listener's own address.
    pub fn operators_hosts(&self) -> &[String] {
        &self.operators_hosts
    }

    /// Returns where the vault's key comes from.
    pub fn key(&self) -> &KeySource {
        &self.key
    }

    /// Returns for whom every backup is made: age recipients.
    pub fn recipients(&self) -> &[String] {
        &self.recipients
    }

    /// Returns how much is logged, and in which form.
    pub fn log(&self) -> LogConfig {
        self.log
    }

    /// Returns what the records of requests survive.
    pub fn durabilities(&self) -> Durabilities {
        self.audit.durabilities()
    }

    /// Returns where every audit row is written once more; a relative path is within the home.
    pub fn audit_mirror(&self) -> Option<PathBuf> {
        self.audit.mirror()
    }

    /// Returns when the audit goes on in another file, and how long files are kept.
    pub fn audit_rotation(&self) -> Rotation {
        self.audit.rotation()
    }

    /// Returns the largest body that is buffered.
    pub fn body_bytes(&self) -> usize {
        usize::try_from(self.limits.body.0).unwrap_or(usize::MAX)
    }

    /// Returns within what time a request must have arrived.
    pub fn request_timeout(&self) -> Duration {
        self.limits.request_time.0
    }

    /// Returns within what time the provider must have answered.
    pub fn upstream_timeout(&self) -> Duration {
        self.limits.upstream_time.0
    }

    /// Returns how long a request may wait until the provider takes one more call.
    pub fn queue_timeout(&self) -> Duration {
        self.limits.queue_time.0
    }

    /// Returns how long requests under way may take to finish at shutdown.
    pub fn shutdown_timeout(&self) -> Duration {
        self.limits.shutdown_time.0
    }

    /// Returns how many connections of agents may be open.
    pub fn connections(&self) -> usize {
        self.limits.connections
    }

    /// Returns how many requests may be under way.
    pub fn requests(&self) -> usize {
        self.limits.requests
    }

    /// Returns how many requests of one agent may be under way.
    pub fn requests_per_agent(&self) -> usize {
        self.limits.requests_per_agent
    }

    /// Returns how often agents may ask, all together.
    pub fn rate(&self) -> Rate {
        self.limits.rate
    }

    /// Returns how often one agent may ask.
    pub fn rate_per_agent(&self) -> Rate {
        self.limits.rate_per_agent
    }

    /// Returns how many plugin decisions may run.
    pub fn plugin_concurrency(&self) -> u32 {
        self.limits.plugins
    }
}

impl Default for HostConfig {
    fn default() -> Self {
        let ConfigFile { audit, limits, .. } = ConfigFile::default();
        Self {
            agents: AGENTS,
            callback: CALLBACK,
            callback_url: None,
            hosts: Vec::new(),
            operators: None,
            operators_hosts: Vec::new(),
            key: KeySource::File { path: KEY_FILE.into() },
            audit,
            limits,
            recipients: Vec::new(),
            log: LogConfig::default(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ConfigFile {
    listen: ListenFile,
    vault: VaultFile,
    audit: AuditFile,
    limits: LimitsFile,
    backup: BackupFile,
    log: LogConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct BackupFile {
    recipients: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ListenFile {
    agents: String,
    callback: String,
    callback_url: Option<String>,
    hosts: Vec<String>,
    operators: Option<String>,
    operators_hosts: Vec<String>,
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
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct VaultFile {
    key: KeyWord,
    path: Option<String>,
    credential: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KeyWord {
    #[default]
    File,
    Passphrase,
    Keychain,
    Credential,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LimitsFile {
    body: Bytes,
    request_time: Span,
    upstream_time: Span,
    queue_time: Span,
    shutdown_time: Span,
    connections: usize,
    requests: usize,
    requests_per_agent: usize,
    rate: Rate,
    rate_per_agent: Rate,
    plugins: u32,
}

impl Default for LimitsFile {
    fn default() -> Self {
        Self {
            body: Bytes(4 << 20),
            request_time: Span(Duration::from_secs(30)),
            upstream_time: Span(Duration::from_mins(1)),
            queue_time: Span(Duration::from_secs(10)),
            shutdown_time: Span(Duration::from_secs(10)),
            connections: 1024,
            requests: 256,
            requests_per_agent: 64,
            rate: Rate::per_second(2000),
            rate_per_agent: Rate::per_second(200),
            plugins: 32,
        }
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

fn key_source(document: &Document<'_>, vault: VaultFile) -> Result<KeySource, TextError> {
    let unfit = |key: &str, owner: &str| {
        let problem = format!("this key belongs to `key = \"{owner}\"`");
        document.error_at(&["vault", key], problem).hint(format!("take it out, or set `key = \"{owner}\"`"))
    };
    if vault.credential.is_some() && vault.key != KeyWord::Credential {
        return Err(unfit("credential", "credential"));
    }
    match (vault.key, vault.path) {
        (KeyWord::Passphrase, None) => Ok(KeySource::Passphrase),
        (KeyWord::Keychain, None) => Ok(KeySource::Keychain),
        (KeyWord::Credential, None) => {
            let name = vault.credential.unwrap_or_else(|| CREDENTIAL.to_owned());
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            if name.is_empty() || name.starts_with('.') || !name.bytes().all(plain) {
                let problem = "the name of a credential is wanted: letters, digits, `-`, `_` and `.`";
                return Err(document.error_at(&["vault", "credential"], problem));
            }
            Ok(KeySource::Credential { name })
        }
        (KeyWord::Passphrase | KeyWord::Keychain | KeyWord::Credential, Some(_)) => Err(unfit("path", "file")),
        (KeyWord::File, None) => Ok(KeySource::File { path: KEY_FILE.into() }),
        (KeyWord::File, Some(path)) if path.is_empty() => {
            Err(document.error_at(&["vault", "path"], "a path is wanted"))
        }
        (KeyWord::File, Some(path)) => Ok(KeySource::File { path: path.into() }),
    }
}

fn check_limits(document: &Document<'_>, limits: &LimitsFile) -> Result<(), TextError> {
    let counts = [
        ("connections", limits.connections, 65_536),
        ("requests", limits.requests, 65_536),
        ("requests_per_agent", limits.requests_per_agent, 65_536),
        ("plugins", limits.plugins as usize, 1024),
    ];
    for (key, count, most) in counts {
        if !(1..=most).contains(&count) {
            return Err(document.error_at(&["limits", key], format!("a number from 1 to {most} is wanted")));
        }
    }
    if limits.body.0 > 64 << 20 {
        let problem = "bodies are kept in memory, so \"64MiB\" is the most";
        return Err(document.error_at(&["limits", "body"], problem));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
