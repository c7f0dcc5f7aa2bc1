//! `wardlock doctor --look DIR`: finds stored secrets in a project folder, and prints places and never values.
//!
//! This process reads the files, because the daemon may be a user who cannot. The vault gives fingerprints, and is
//! shown only the few places at which one fits. Where this process cannot read them either, they come through standard
//! input.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};
use wardlock_egress::vault::Fingerprints;

use super::args::Cli;
use super::remote::Reach;
use super::talk::{self, Person};
use crate::admin::{Brought, Command, Failure};
use crate::home;
use crate::ops;
use crate::text::{encode_base64, for_terminal};

/// Stands for standard input.
const STDIN: &str = "-";
/// How much of a file is read at once, bytes.
const AT_ONCE: usize = 256 * 1024;
/// How much the vault is shown at once, bytes: far less than the longest question.
const SHOWN_AT_ONCE: usize = 1 << 20;
/// Places of one file that are shown to the vault; a file with more is made of beginnings of secrets.
const MOST_PLACES: usize = 1_000;
/// How a file begins that holds something compressed, in which nothing can be found: gzip, zip, zstd, xz, bzip2, git pack.
const COMPRESSED: [&[u8]; 6] = [b"\x1f\x8b", b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ", b"BZh", b"PACK"];

/// Looks through a folder, tells what was found, and says so by the exit code.
pub async fn run(cli: &Cli, folder: &Path) -> Result<ExitCode, Failure> {
    let reach = Reach::open(cli).await?;
    let mut look = Look::begin(&reach, &Person::new().signing(cli)).await?;
    let walk = if folder == Path::new(STDIN) {
        look.read(folder, std::io::stdin().lock()).await?;
        home::Walk::default()
    } else {
        home::walk(folder).map_err(Failure::usage)?
    };
    for path in &walk.files {
        match home::open_found(path) {
            Ok(file) => look.read(path, file).await?,
            Err(_) => look.unreadable.push(path.clone()),
        }
    }
    let found = look.told(walk);
    if cli.json {
        talk::data(&found);
    } else {
        tell(&found);
    }
    Ok(ExitCode::from(u8::from(found["ok"] == false)))
}

/// A look under way.
struct Look<'a> {
    reach: &'a Reach,
    /// By which the daemon knows it.
    handle: String,
    sieve: Fingerprints,
    /// Path, line, and whose it is.
    found: BTreeSet<(PathBuf, u64, String)>,
    unreadable: Vec<PathBuf>,
    unfinished: Vec<PathBuf>,
    compressed: Vec<PathBuf>,
    files: u64,
    bytes: u64,
}

/// A place at which a secret may begin.
struct Place {
    line: u64,
    piece: Vec<u8>,
}

impl<'a> Look<'a> {
    async fn begin(reach: &'a Reach, person: &Person) -> Result<Self, Failure> {
        let begun = reach.ask(Command::LookBegin, Brought::Nothing, person).await?;
        let (handle, sieve) = ops::sieve(&begun)?;
        let (found, unreadable) = (BTreeSet::new(), Vec::new());
        let (unfinished, compressed) = (Vec::new(), Vec::new());
        Ok(Self { reach, handle, sieve, found, unreadable, unfinished, compressed, files: 0, bytes: 0 })
    }

    async fn read(&mut self, path: &Path, file: impl Read) -> Result<(), Failure> {
        let Ok(places) = self.sift(path, file) else {
            self.unreadable.push(path.to_owned());
            return Ok(());
        };
        let mut shown = Vec::new();
        let mut size = 0;
        for place in places {
            size += place.piece.len();
            shown.push(place);
            if size >= SHOWN_AT_ONCE {
                self.show(path, std::mem::take(&mut shown)).await?;
                size = 0;
            }
        }
        self.show(path, shown).await
    }

    /// Reads a file in pieces, each with the end of the one before it, and returns where secrets could begin.
    fn sift(&mut self, path: &Path, mut file: impl Read) -> std::io::Result<Vec<Place>> {
        let carry = self.sieve.longest() - 1;
        let mut held: Vec<u8> = Vec::with_capacity(AT_ONCE + carry);
        let (mut places, mut line, mut first) = (Vec::new(), 1, true);
        loop {
            let read = file.by_ref().take(AT_ONCE as u64).read_to_end(&mut held)?;
            self.bytes += read as u64;
            if std::mem::take(&mut first) && is_compressed(path, &held) {
                self.compressed.push(path.to_owned());
            }
            let ended = read < AT_ONCE;
            // What begins later is looked at when all that may belong to it is here.
            let settled = if ended { held.len() } else { held.len().saturating_sub(carry) };
            let mut counted = 0;
            for at in self.sieve.places(&held).into_iter().take_while(|at| *at < settled) {
                if places.len() >= MOST_PLACES {
                    self.unfinished.push(path.to_owned());
                    self.files += 1;
                    return Ok(places);
                }
                line += lines(held.get(counted..at));
                counted = at;
                let end = held.len().min(at + self.sieve.longest());
                places.push(Place { line, piece: held.get(at..end).unwrap_or_default().to_vec() });
            }
            line += lines(held.get(counted..settled));
            held.drain(..settled);
            if ended {
                self.files += 1;
                return Ok(places);
            }
        }
    }

    /// Shows places to the vault, and keeps those where it knows whose secret stands there.
    async fn show(&mut self, path: &Path, places: Vec<Place>) -> Result<(), Failure> {
        if places.is_empty() {
            return Ok(());
        }
        let pieces = places.iter().map(|place| encode_base64(&place.piece)).collect();
        let person = Person::new();
        let owners = self
            .reach
            .ask(Command::LookAt { look: self.handle.clone(), pieces }, Brought::Nothing, &person)
            .await?;
        for (place, owners) in places.iter().zip(owners.as_array().into_iter().flatten()) {
            for owner in owners.as_array().into_iter().flatten() {
                self.found.insert((path.to_owned(), place.line, owner.to_string()));
            }
        }
        Ok(())
    }

    fn told(mut self, walk: home::Walk) -> Value {
        self.unreadable.extend(walk.unreadable);
        let found = self.found.iter().map(|(path, line, owner)| {
            let owner: Value = serde_json::from_str(owner).unwrap_or_default();
            json!({ "path": shown(path), "line": line, "kind": owner["kind"], "of": owner["of"],
                    "name": owner["name"], "region": owner["region"] })
        });
        let paths = |paths: &[PathBuf]| paths.iter().map(|path| shown(path)).collect::<Vec<_>>();
        json!({
            "ok": self.found.is_empty(),
            "found": found.collect::<Vec<_>>(),
            "files": self.files,
            "bytes": self.bytes,
            "compressed": paths(&self.compressed),
            "unreadable": paths(&self.unreadable),
            "too_large": paths(&walk.too_large),
            "unfinished": paths(&self.unfinished),
            "links": walk.links,
            "special": walk.special,
            "cut_short": walk.cut_short,
        })
    }
}

/// Says whether nothing can be found in a file because of how it is packed. Git's loose objects are zlib streams.
fn is_compressed(path: &Path, beginning: &[u8]) -> bool {
    let in_git = path.to_string_lossy().contains("/.git/objects/") && beginning.first() == Some(&0x78);
    in_git || COMPRESSED.iter().any(|magic| beginning.starts_with(magic))
}

fn lines(bytes: Option<&[u8]>) -> u64 {
    bytes.unwrap_or_default().split(|byte| *byte == b'\n').skip(1).count() as u64
}

fn shown(path: &Path) -> String {
    for_terminal(&path.to_string_lossy())
}

/// Tells a person: places on standard output, the rest beside it.
fn tell(found: &Value) {
    for place in found["found"].as_array().into_iter().flatten() {
        let text = |key: &str| place[key].as_str().unwrap_or_default().to_owned();
        let region = place["region"].as_str().map(|region| format!(" (region {region})")).unwrap_or_default();
        let whose = format!("{} of {} `{}`{region}", text("kind"), text("of"), text("name"));
        talk::text(&format!("{}:{}  {whose}", text("path"), place["line"]));
    }
    talk::line(&format!("looked through {} files, {} bytes", found["files"], found["bytes"]));
    for (key, what) in [
        ("unreadable", "cannot be read"),
        ("too_large", "is too large and was not read"),
        ("unfinished", "holds too many beginnings of secrets and was not read to its end"),
        ("compressed", "is compressed, and what is in it was not looked at"),
    ] {
        for path in found[key].as_array().into_iter().flatten() {
            talk::line(&format!("{} {what}", path.as_str().unwrap_or_default()));
        }
    }
    for (key, what) in
        [("links", "symlinks were not followed"), ("special", "sockets, pipes and devices left alone")]
    {
        if found[key] != 0 {
            talk::line(&format!("{} {what}", found[key]));
        }
    }
    if found["cut_short"] == true {
        talk::line("there are more files than one look takes; look into its folders one by one");
    }
    if found["ok"] == false {
        talk::line(
            "take the secrets out; renew what somebody else may have seen: `wardlock connect`, or the client secret",
        );
    }
}
