//! `wardlock.toml`: listeners, key source, durability, limits. The commented defaults stand in
//! `host/src/home/wardlock.toml`, and a test keeps the two equal.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Uri;
use serde::Deserialize;
use url::Url;
use wardlock_audit::{Durabilities, Rotation};
use wardlock_egress::{CallbackListener, vault};
use wardlock_sandbox::Runs;

use crate::home::{CONFIG_FILE, Home};
use crate::trust::Publishers;

use super::ConfigError;
use super::approvers::{ApproversConfig, ApproversFile};
use super::audit::AuditFile;
use super::key::{KeySource, VaultFile};
use super::limits::LimitsFile;
use super::listen::{DASHBOARD, Listen, ListenFile};
use super::log::LogConfig;
use super::plugins::{Plugins, PluginsFile};
use super::telemetry::TelemetryFile;
use super::text_error::{Document, TextError};
use super::units::Rate;

/// The settings of one home.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostConfig {
    listen: Listen,
    key: KeySource,
    audit: AuditFile,
    limits: LimitsFile,
    recipients: Vec<String>,
    log: LogConfig,
    otlp: Option<Uri>,
    approvers: ApproversConfig,
    plugins: Plugins,
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
        let listen = raw.listen.check(&document)?;
        let key = raw.vault.check(&document)?;
        raw.audit.check(&document)?;
        raw.limits.check(&document)?;
        let plugins = raw.plugins.check(&document)?;
        for (at, word) in raw.backup.recipients.iter().enumerate() {
            vault::Recipients::check(word).map_err(|error| {
                let wrong = document.error_at(&["backup", "recipients", &at.to_string()], error.to_string());
                wrong.hint(error.hint().unwrap_or_default())
            })?;
        }
        let otlp = raw.telemetry.traces(&document)?;
        let approvers = raw.approvers.check(&document)?;
        let ConfigFile { audit, limits, backup, log, .. } = raw;
        Ok(Self { listen, key, audit, limits, recipients: backup.recipients, log, otlp, approvers, plugins })
    }

    /// Returns where agents call.
    pub fn agents(&self) -> SocketAddr {
        self.listen.agents
    }

    /// Returns where consent comes back.
    pub fn callback(&self) -> SocketAddr {
        self.listen.callback
    }

    /// Returns the redirect URI under which browsers of other machines reach the callback, where the operator made one.
    pub fn callback_url(&self) -> Option<&Url> {
        self.listen.callback_url.as_ref()
    }

    /// Returns the one redirect URI of the home: registered at providers exactly so.
    pub fn redirect_uri(&self) -> String {
        match &self.listen.callback_url {
            Some(url) => url.to_string(),
            None => format!("http://{}{}", self.listen.callback, CallbackListener::PATH),
        }
    }

    /// Returns the `Host` values that agents may use besides the listener's own address.
    pub fn allowed_hosts(&self) -> &[String] {
        &self.listen.hosts
    }

    /// Returns the scheme of an address at which agents reach the host under a name.
    pub fn scheme_of(&self, host: &str) -> &'static str {
        let is_tls = self.listen.https_hosts.iter().any(|known| known.eq_ignore_ascii_case(host));
        if is_tls { "https" } else { "http" }
    }

    /// Returns where operators ask for metrics and health, if anywhere.
    pub fn operators(&self) -> Option<SocketAddr> {
        self.listen.operators
    }

    /// Returns the `Host` values that operators may use besides the listener's own address.
    pub fn operators_hosts(&self) -> &[String] {
        &self.listen.operators_hosts
    }

    /// Returns where the dashboard is, if anywhere; `asked` says that the command line turns it on.
    pub fn dashboard(&self, asked: bool) -> Option<SocketAddr> {
        self.listen.dashboard.or(asked.then_some(DASHBOARD))
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

    /// Returns where spans are told, if anywhere.
    pub fn otlp(&self) -> Option<&Uri> {
        self.otlp.as_ref()
    }

    /// Returns how people are told that a request waits for them.
    pub fn approvers(&self) -> &ApproversConfig {
        &self.approvers
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

    /// Returns within what time a request's body must have arrived.
    pub fn request_timeout(&self) -> Duration {
        self.limits.request_time.0
    }

    /// Returns within what time a request's head must have arrived.
    pub fn head_timeout(&self) -> Duration {
        self.limits.head_time.0
    }

    /// Returns how long an agent may leave an answer unread.
    pub fn unread_timeout(&self) -> Duration {
        self.limits.unread_time.0
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

    /// Returns where plugins run; `program` is what a worker executes.
    pub fn plugin_runs(&self, program: &Path) -> Runs {
        self.plugins.runs(program)
    }

    /// Returns who is trusted to sign plugins.
    pub fn publishers(&self) -> &Publishers {
        &self.plugins.publishers
    }

    /// Returns how many plugin decisions may run.
    pub fn plugin_concurrency(&self) -> u32 {
        self.limits.plugins
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
    telemetry: TelemetryFile,
    approvers: ApproversFile,
    plugins: PluginsFile,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct BackupFile {
    recipients: Vec<String>,
}

#[cfg(test)]
mod tests;
