//! Other proxies in front of the same upstream: nginx and Envoy, each with and without a script in Lua. `tests/bench/proxies`
//! says where they are; where it does not, there are none.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use crate::upstream::{self, Upstream};

const NGINX: &str = include_str!("conf/nginx.conf");
const ENVOY: &str = include_str!("conf/envoy.yaml");
/// What they put in the place of the caller's.
const CREDENTIAL: &str = "Zoho-oauthtoken 1000.0123456789abcdef0123456789abcdef.0123456789abcdef0123456789abcdef";
/// How long one may take to listen.
const START_TIME: Duration = Duration::from_secs(30);

/// One of them.
#[derive(Debug)]
pub struct Proxy {
    pub name: &'static str,
    /// What it does with a request.
    pub does: &'static str,
    pub address: SocketAddr,
}

/// All that run; they end with this.
#[derive(Debug)]
pub struct Proxies {
    pub all: Vec<Proxy>,
    running: Vec<Child>,
    folder: TempDir,
}

impl Proxies {
    /// Starts those that the environment names.
    pub fn start(upstream: &Upstream) -> anyhow::Result<Self> {
        let mut proxies = Self { all: Vec::new(), running: Vec::new(), folder: tempfile::tempdir()? };
        std::fs::write(proxies.authority(), pem(&upstream.ca_der))?;
        if let Some(root) = std::env::var_os("WARDLOCK_BENCH_NGINX") {
            proxies.nginx(&PathBuf::from(root), upstream)?;
        }
        if let Some(program) = std::env::var_os("WARDLOCK_BENCH_ENVOY") {
            proxies.envoy(&PathBuf::from(program), upstream)?;
        }
        for proxy in &proxies.all {
            proxy.wait()?;
        }
        Ok(proxies)
    }

    fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// Starts nginx as Debian's packages unpack below a folder.
    fn nginx(&mut self, root: &Path, upstream: &Upstream) -> anyhow::Result<()> {
        let [plain, scripted] = [free_address()?, free_address()?];
        let libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"].map(|folder| root.join(folder));
        let text = filled(
            NGINX,
            &[
                ("modules", &root.join("usr/lib/nginx/modules").display().to_string()),
                ("lua", &root.join("usr/share/lua/5.1").display().to_string()),
                ("cores", &cores().to_string()),
                ("upstream", &upstream.address.to_string()),
                ("authority", &self.authority().display().to_string()),
                ("plain", &plain.to_string()),
                ("scripted", &scripted.to_string()),
            ],
        );
        let conf = self.write("nginx.conf", &text)?;
        let mut program = Command::new(root.join("usr/sbin/nginx"));
        program.arg("-p").arg(self.folder.path()).arg("-c").arg(conf).args(["-e", "stderr"]);
        program.env("LD_LIBRARY_PATH", std::env::join_paths(libraries)?);
        self.run(program)?;
        self.all.push(Proxy {
            name: "nginx",
            does: "proxy_pass, credential set; no policy, no audit",
            address: plain,
        });
        self.all.push(Proxy {
            name: "nginx, Lua",
            does: "the same by a script that reads method and headers; no audit",
            address: scripted,
        });
        Ok(())
    }

    fn envoy(&mut self, program: &Path, upstream: &Upstream) -> anyhow::Result<()> {
        let [plain, scripted] = [free_address()?, free_address()?];
        let text = filled(
            ENVOY,
            &[
                ("upstream", &upstream.address.port().to_string()),
                ("authority", &self.authority().display().to_string()),
                ("plain", &plain.port().to_string()),
                ("scripted", &scripted.port().to_string()),
            ],
        );
        let conf = self.write("envoy.yaml", &text)?;
        let mut program = Command::new(program);
        program.arg("--config-path").arg(conf).args(["--concurrency", &cores().to_string()]);
        program.args(["--disable-hot-restart", "--log-level", "error"]);
        self.run(program)?;
        self.all.push(Proxy { name: "Envoy", does: "credential set; no policy, no audit", address: plain });
        self.all.push(Proxy {
            name: "Envoy, Lua",
            does: "the same by a script that reads method and headers; no audit",
            address: scripted,
        });
        Ok(())
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text)?;
        Ok(path)
    }

    fn run(&mut self, mut program: Command) -> anyhow::Result<()> {
        let named = program.get_program().to_string_lossy().into_owned();
        let child = program.stdin(Stdio::null()).stdout(Stdio::null()).spawn().context(named)?;
        self.running.push(child);
        Ok(())
    }
}

impl Drop for Proxies {
    fn drop(&mut self) {
        for child in &mut self.running {
            end(child);
        }
    }
}

/// Asks it to end, so that nginx ends its workers; kills it where it does not.
fn end(child: &mut Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        // Who is gone already cannot be asked.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    for _ in 0..50 {
        if matches!(child.try_wait(), Ok(Some(_)) | Err(_)) {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    drop(child.kill());
    drop(child.wait());
}

impl Proxy {
    fn wait(&self) -> anyhow::Result<()> {
        let until = Instant::now() + START_TIME;
        while TcpStream::connect(self.address).is_err() {
            if Instant::now() > until {
                bail!("{} does not listen", self.name);
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

/// Puts values where their names stand between at signs.
fn filled(text: &str, values: &[(&str, &str)]) -> String {
    let always = [("host", upstream::HOST), ("credential", CREDENTIAL)];
    let all = values.iter().chain(&always);
    all.fold(text.to_owned(), |text, (name, value)| text.replace(&format!("@{name}@"), value))
}

/// An address that was free a moment ago.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<String> =
        text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
