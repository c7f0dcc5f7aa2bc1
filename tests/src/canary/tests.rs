//! A search that finds nothing proves something only if it would have found: each form is planted and must be caught.

use std::io::Read as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::*;

#[track_caller]
fn check(canaries: &Canaries, form: &str, bytes: impl AsRef<[u8]>) {
    let around = [b"before ".as_slice(), bytes.as_ref(), b" after"].concat();
    let leak = canaries.scan("a reply", &around);
    assert!(leak.is_err(), "a leak as {form} was not found");
}

#[test]
fn planted_leak_is_found_in_every_form() {
    let canaries = Canaries::new();
    for value in [canaries.token("refresh token"), canaries.phrase("client secret")] {
        check(&canaries, "raw", &value);
        check(&canaries, "upper case", value.to_uppercase());
        check(&canaries, "first half", &value[..value.len() / 2]);
        check(&canaries, "second half", &value[value.len() / 2..]);
        check(&canaries, "hex", hex::encode(&value));
        check(&canaries, "upper-case hex", hex::encode_upper(&value));
        check(&canaries, "percent where needed", utf8_percent_encode(&value, NON_ALPHANUMERIC).to_string());
        check(&canaries, "percent everywhere", every(&value, |byte| format!("%{byte:02x}")));
        check(&canaries, "percent twice", every(&value, |byte| format!("%25{byte:02X}")));
        check(&canaries, "JSON", serde_json::Value::from(value.as_str()).to_string());
        check(&canaries, "JSON everywhere", every(&value, |byte| format!("\\u{byte:04X}")));
        check(&canaries, "JSON in JSON", serde_json::Value::from(json_text(&value)).to_string());
        check(&canaries, "JSON with slashes", value.replace('/', "\\/"));
        check(&canaries, "decimal references", every(&value, |byte| format!("&#{byte};")));
        check(&canaries, "hexadecimal references", every(&value, |byte| format!("&#x{byte:x};")));
        check(&canaries, "UTF-16", value.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
        check(
            &canaries,
            "UTF-16, big end first",
            value.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>(),
        );
        for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
            for before in ["", "a", "ab", "abc"] {
                let encoded = engine.encode(format!("{before}{value} and more"));
                check(&canaries, "base64", &encoded);
                check(
                    &canaries,
                    "base64 in lines",
                    encoded.as_bytes().chunks(20).collect::<Vec<_>>().join(&b'\n'),
                );
                check(&canaries, "base64 at the end", engine.encode(format!("{before}{value}")));
            }
        }
    }
}

fn every(value: &str, spell: impl Fn(u8) -> String) -> String {
    value.bytes().map(spell).collect()
}

fn json_text(value: &str) -> String {
    serde_json::json!({ "token": value }).to_string()
}

#[test]
fn bytes_of_a_key_are_found_too() {
    let canaries = Canaries::new();
    let key: Vec<u8> = (0..32_u8).map(|n| n.wrapping_mul(7).wrapping_add(128)).collect();
    canaries.watch("vault key", &key);
    check(&canaries, "raw", &key);
    check(&canaries, "hex", hex::encode(&key));
    check(&canaries, "base64", STANDARD.encode([b"k".as_slice(), &key].concat()));
}

#[test]
fn nothing_is_found_where_nothing_is() {
    let canaries = Canaries::new();
    let other = Canaries::new().token("somebody else's token");
    assert_eq!(canaries.count(), 0);
    assert!(canaries.scan("an empty set", other.as_bytes()).is_ok());
    canaries.token("access token");
    assert!(canaries.scan("another token", other.as_bytes()).is_ok());
    assert!(canaries.scan("nothing", b"").is_ok());
    assert!(canaries.scan("broken escapes", b"%4 \\u00 &#x; %zz \\").is_ok());
}

#[test]
fn a_leak_says_where_and_never_what() {
    let canaries = Canaries::new();
    let value = canaries.token("access token");
    let leak = canaries.scan("audit.db", format!("xx{value}").as_bytes()).unwrap_err();
    assert_eq!(leak.to_string(), "the access token leaked (raw) into audit.db at byte 2");
    assert!(!format!("{leak:?}").contains(&value));
}

#[test]
fn tokens_of_the_simulator_are_canaries() {
    let canaries = Canaries::new();
    let factory = canaries.token_factory();
    let tokens = [factory(TokenKind::Code, 1), factory(TokenKind::Access, 2), factory(TokenKind::Refresh, 3)];
    assert_eq!(canaries.count(), 3);
    for token in tokens {
        check(&canaries, "raw", token);
    }
}

#[test]
fn planted_leak_in_a_folder_is_found() {
    let canaries = Canaries::new();
    let value = canaries.token("refresh token");
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    fs::create_dir(&state).unwrap();
    fs::write(state.join("vault.key"), &value).unwrap();
    fs::write(state.join("audit.db"), b"SQLite format 3\0").unwrap();
    canaries.scan_folder(folder.path(), &["state/vault.key"]).unwrap();
    fs::write(state.join("audit.db-wal"), [b"\0\0".as_slice(), value.as_bytes()].concat()).unwrap();
    let leak = canaries.scan_folder(folder.path(), &["state/vault.key"]).unwrap_err();
    assert!(leak.to_string().contains("state/audit.db-wal"), "{leak}");
    fs::remove_file(state.join("audit.db-wal")).unwrap();
    fs::write(state.join(&value), b"").unwrap();
    assert!(canaries.scan_folder(folder.path(), &["state/vault.key"]).is_err(), "a leak in a file name");
}

#[test]
fn planted_leak_in_a_process_list_is_found() {
    let canaries = Canaries::new();
    let value = canaries.token("client secret");
    canaries.scan_processes().unwrap();
    for (argument, variable) in [(value.as_str(), ""), ("", value.as_str())] {
        // It says that it runs, waits for a line that never comes, and ends with its input. What `spawn` returns may
        // still be without arguments: the kernel lets the parent go on before it has written the new process's stack.
        let mut waiting = Command::new("sh")
            .args(["-c", "echo; read line", argument])
            .env("PLANTED", variable)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        waiting.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
        let leak = canaries.scan_processes();
        drop(waiting.stdin.take());
        waiting.wait().unwrap();
        assert!(leak.is_err());
    }
}
