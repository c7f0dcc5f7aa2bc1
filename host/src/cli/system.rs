//! `wardlock init --system`: an installation under a user of its own, so that agents' processes cannot reach the
//! home, the key or the daemon's memory. The one way in which the wall holds against an agent with a shell.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use serde_json::json;

use super::args::Cli;
use super::{show, talk};
use crate::admin::Failure;
use crate::home;

/// The user that owns the home and runs the daemon.
const USER: &str = "wardlock";
/// Where its home is, unless `--home` says otherwise.
const HOME: &str = "/var/lib/wardlock";
/// Where the unit goes.
const UNIT: &str = "/etc/systemd/system/wardlock.service";

/// Makes the user, the folder and the unit. Says what it did, and starts nothing.
pub fn install(cli: &Cli) -> Result<ExitCode, Failure> {
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::no("only root can make a user and a unit").hint("run `sudo wardlock init --system`"));
    }
    let folder = cli.home.clone().unwrap_or_else(|| PathBuf::from(HOME));
    let program = std::env::current_exe().map_err(Failure::no)?;
    check_program(&program)?;
    make_user(&folder)?;
    make_home(&program, &folder)?;
    home::write_system_file(Path::new(UNIT), unit(&program, &folder).as_bytes()).map_err(Failure::home)?;
    let next = [
        "systemctl daemon-reload".to_owned(),
        "systemctl enable --now wardlock".to_owned(),
        format!("sudo -u {USER} {} --home {} doctor", program.display(), folder.display()),
    ];
    let result = json!({ "user": USER, "home": folder.display().to_string(), "unit": UNIT, "next": next });
    if cli.json {
        talk::data(&result);
    } else {
        show::show(&result);
    }
    Ok(ExitCode::SUCCESS)
}

/// A program that the agents' user can replace would undo the separation at the next start.
fn check_program(program: &Path) -> Result<(), Failure> {
    if program.starts_with("/home") || program.starts_with("/root") || program.starts_with("/tmp") {
        return Err(Failure::no(format!("{} stands in a folder of one user", program.display())).hint(
            "copy the program first: `install -o root -m 755 wardlock /usr/local/bin/`, and run it from there",
        ));
    }
    Ok(())
}

fn make_user(folder: &Path) -> Result<(), Failure> {
    if run("id", &["-u", USER]).is_ok() {
        return Ok(());
    }
    let folder = folder.display().to_string();
    run("useradd", &["--system", "--user-group", "--home-dir", &folder, "--shell", "/usr/sbin/nologin", USER])
}

/// The home is made by the user who will own it: modes and owners are right from the first byte.
fn make_home(program: &Path, folder: &Path) -> Result<(), Failure> {
    let text = folder.display().to_string();
    if home::Home::exists(folder) {
        return Ok(());
    }
    run("install", &["-d", "-m", "700", "-o", USER, "-g", USER, &text])?;
    let program = program.display().to_string();
    run("runuser", &["-u", USER, "--", &program, "--home", &text, "init", "--key", "file"])
}

fn run(program: &str, arguments: &[&str]) -> Result<(), Failure> {
    let ended = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| Failure::no(format!("failed to run `{program}`: {error}")))?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    Err(Failure::no(format!("`{program} {}` failed: {}", arguments.join(" "), said.trim())))
}

/// The unit: own user, nothing writable but the home, no new privileges, no core dumps, only the families it needs.
/// `MemoryDenyWriteExecute` stays off: plugins are compiled to machine code.
fn unit(program: &Path, folder: &Path) -> String {
    let (program, folder) = (program.display(), folder.display());
    format!(
        "[Unit]
Description=Wardlock, the credential broker for agents
After=network-online.target
Wants=network-online.target

[Service]
User={USER}
Group={USER}
ExecStart={program} --home {folder} serve --json-logs
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
UMask=0077
LimitCORE=0
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectProc=default
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictSUIDSGID=yes
LockPersonality=yes
CapabilityBoundingSet=
ReadWritePaths={folder}

[Install]
WantedBy=multi-user.target
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_runs_under_its_own_user_and_writes_its_home_only() {
        let unit = unit(Path::new("/usr/local/bin/wardlock"), Path::new("/var/lib/wardlock"));
        assert!(unit.contains("User=wardlock"));
        assert!(unit.contains("ReadWritePaths=/var/lib/wardlock\n"));
        assert!(unit.contains("ExecStart=/usr/local/bin/wardlock --home /var/lib/wardlock serve"));
    }

    #[test]
    fn a_program_that_a_user_can_replace_is_refused() {
        assert!(check_program(Path::new("/home/ann/wardlock")).is_err());
        assert!(check_program(Path::new("/usr/local/bin/wardlock")).is_ok());
    }
}
