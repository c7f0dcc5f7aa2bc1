//! An authorization server in a process of its own, with a certificate for its names and a door for the test.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde_json::{Value, json};
use tempfile::TempDir;
use wardlock_tests::raw;

/// What a server is to be.
pub struct Plan<'a> {
    /// Its script in `tests/providers`.
    pub script: &'a str,
    /// Its names.
    pub hosts: &'a [&'a str],
    /// What it reads from `plan.json`, besides its client and redirect URI.
    pub more: Value,
    pub client_id: &'a str,
    pub client_secret: &'a str,
    pub redirect_uri: &'a str,
}

/// A running server. It ends with its standard input.
pub struct Peer {
    hosts: BTreeMap<String, SocketAddr>,
    authority: Vec<u8>,
    control: SocketAddr,
    folder: TempDir,
    child: Child,
    _held: ChildStdin,
}

impl Peer {
    pub fn start(plan: &Plan<'_>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = certificates(folder.path(), plan.hosts);
        let mut told = json!({
            "client_id": plan.client_id,
            "client_secret": plan.client_secret,
            "redirect_uri": plan.redirect_uri,
        });
        let more = plan.more.as_object().expect("an object").clone();
        told.as_object_mut().expect("an object").extend(more);
        std::fs::write(folder.path().join("plan.json"), told.to_string()).expect("written");
        let mut child = Command::new("node")
            .arg(script(plan.script))
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is needed, and what tests/providers/run installs");
        let held = child.stdin.take().expect("a pipe");
        let mut said = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        output.read_line(&mut said).expect("a line");
        let ports: Value =
            serde_json::from_str(&said).unwrap_or_else(|_| panic!("{} said: {said:?}", plan.script));
        // What it says later is read away, so that it never waits.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        let address = |name: &str| {
            let port = ports[name].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
            SocketAddr::from(([127, 0, 0, 1], port))
        };
        let hosts = plan.hosts.iter().map(|host| ((*host).to_owned(), address("tls"))).collect();
        Self { hosts, authority, control: address("control"), folder, child, _held: held }
    }

    /// Where its names lead.
    pub fn hosts(&self) -> BTreeMap<String, SocketAddr> {
        self.hosts.clone()
    }

    /// The authority of its certificate, DER.
    pub fn authority(&self) -> Vec<u8> {
        self.authority.clone()
    }

    /// Opens one of the server's doors.
    pub fn door(&self, name: &str) {
        let reply = self.control(&format!("POST /{name} HTTP/1.1\r\nContent-Length: 0\r\n"));
        assert_eq!(reply.status, 200, "{name}");
    }

    /// Everything that it received on a host, oldest first.
    pub fn seen(&self, host: &str) -> Vec<Value> {
        let reply = self.control("GET /seen HTTP/1.1\r\n");
        let seen: Vec<Value> = serde_json::from_slice(&reply.body).expect("json");
        seen.into_iter().filter(|request| request["host"] == host).collect()
    }

    /// A person at a browser, who signs in and agrees. Ends when the callback was called; `Err` says why it was not.
    pub fn consent(&self, url: &str) -> Result<(), String> {
        let port = self.hosts.values().next().expect("a host").port();
        let done = Command::new("node")
            .arg(script("consent.mjs"))
            .arg(url)
            .arg(port.to_string())
            .arg(self.folder.path().join("ca.pem"))
            .output()
            .expect("node");
        if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).into_owned()) }
    }

    fn control(&self, head: &str) -> raw::RawReply {
        let request = format!("{head}Host: {}\r\nConnection: close\r\n\r\n", self.control);
        raw::exchange(self.control, request.as_bytes()).expect("a reply")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A script where `tests/providers/run` has put it, beside the packages that it needs.
fn script(name: &str) -> PathBuf {
    let folder =
        std::env::var_os("WARDLOCK_PROVIDERS").expect("run tests/providers/run, which installs the servers");
    Path::new(&folder).join(name)
}

/// Writes a certificate for these names into a folder, and returns the authority that vouches for it.
fn certificates(folder: &Path, names: &[&str]) -> Vec<u8> {
    let authority_key = KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
    authority.distinguished_name.push(DnType::CommonName, "authority of one test");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let certificate = authority.self_signed(&authority_key).expect("a certificate");
    let key = KeyPair::generate().expect("a key");
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut leaf = CertificateParams::new(names).expect("parameters");
    leaf.distinguished_name.push(DnType::CommonName, "server of one test");
    leaf.use_authority_key_identifier_extension = true;
    let signed = leaf.signed_by(&key, &Issuer::new(authority, authority_key)).expect("a certificate");
    std::fs::write(folder.join("ca.pem"), certificate.pem()).expect("written");
    std::fs::write(folder.join("cert.pem"), signed.pem()).expect("written");
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).expect("written");
    certificate.der().to_vec()
}
