//! The command line's side of the admin socket.

use std::path::{Path, PathBuf};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::failure::Failure;
use super::protocol::{Command, Event, Question, VERSION};
use super::server::Brought;
use crate::home::is_held_by;
use crate::operators::{HomeIdentity, takes_signature, text_of};
use crate::ops::Talk;

/// A connection to the daemon that holds the home.
pub struct AdminClient {
    stream: UnixStream,
    /// The home that is meant.
    home: PathBuf,
    /// Whether who listens there holds the home; `None`: nobody can tell.
    holds_the_home: Option<bool>,
}

/// Why there is no daemon to talk to.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody serves this home.
    #[error("no daemon serves this home")]
    NotRunning,
    /// The socket failed.
    #[error("failed to talk to the daemon")]
    Io(#[from] std::io::Error),
}

impl AdminClient {
    /// Connects to the daemon of this home.
    pub async fn connect(socket: &Path) -> Result<Self, ClientError> {
        use std::io::ErrorKind::{ConnectionRefused, NotFound};

        match UnixStream::connect(socket).await {
            Ok(stream) => {
                let pid =
                    stream.peer_cred().ok().and_then(|peer| peer.pid()).and_then(|pid| u32::try_from(pid).ok());
                let lock = socket.with_file_name("lock");
                // The socket stands in the home's `state`.
                let home = socket.parent().and_then(Path::parent).unwrap_or(socket).to_owned();
                Ok(Self { stream, home, holds_the_home: pid.and_then(|pid| is_held_by(&lock, pid)) })
            }
            Err(error) if matches!(error.kind(), NotFound | ConnectionRefused) => Err(ClientError::NotRunning),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends one command and hears it to its end.
    pub async fn ask(
        self,
        command: Command,
        brought: &Brought,
        talk: &dyn Talk,
    ) -> Result<serde_json::Value, Failure> {
        let hint = hint_where_lost(&command);
        self.hear(command, brought, talk)
            .await
            .map_err(|error| Failure::no(format!("failed to talk to the daemon: {error}")).hint(hint))?
    }

    async fn hear(
        mut self,
        command: Command,
        brought: &Brought,
        talk: &dyn Talk,
    ) -> std::io::Result<Result<serde_json::Value, Failure>> {
        let is_secret = !matches!(brought, Brought::Nothing | Brought::File(_)) || command.tells_a_secret();
        let asked = command.clone();
        let signed_as = talk.signs_as().filter(|_| takes_signature(&command));
        if (is_secret || signed_as.is_some()) && self.holds_the_home == Some(false) {
            return Ok(Err(another_process()));
        }
        // One signature at most: whoever had a second one would do the same once more.
        let mut may_sign = signed_as.is_some();
        let secret_follows = matches!(brought, Brought::Secret(_) | Brought::Passphrase(_));
        let question = line_of(&Question { version: VERSION, command, secret_follows, signed_as })?;
        self.stream.write_all(&question).await?;
        // A second handle on the socket, for the one frame that only `vault` writes.
        let own = self.stream.into_std()?;
        let frames = own.try_clone()?;
        let mut lines = BufReader::new(UnixStream::from_std(own)?).lines();
        while let Some(line) = lines.next_line().await? {
            match serde_json::from_str::<Event>(&line)? {
                Event::Say { text } => talk.say(text),
                Event::Open { page } => talk.open(page),
                Event::Wait { text } => talk.wait(text),
                Event::SendSecret => {
                    // A frame is far smaller than the socket's buffer, so this does not wait.
                    brought.send_over(&frames).map_err(std::io::Error::other)?;
                }
                Event::SendFile => {
                    if let Brought::File(file) = brought {
                        UnixStream::from_std(frames.try_clone()?)?.write_all(file).await?;
                    }
                }
                Event::Sign { nonce, home } => {
                    if !std::mem::take(&mut may_sign) {
                        return Ok(Err(not_asked_for()));
                    }
                    let signature = match signed(&self.home, &home, &asked, brought, talk, &nonce) {
                        Ok(signature) => signature,
                        Err(failure) => return Ok(Err(failure)),
                    };
                    let line = line_of(&signature)?;
                    UnixStream::from_std(frames.try_clone()?)?.write_all(&line).await?;
                }
                Event::Done { result } => return Ok(Ok(result)),
                Event::Failed { failure } => return Ok(Err(failure)),
            }
        }
        Err(std::io::Error::other("it ended without an answer"))
    }
}

fn line_of(said: &impl serde::Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(said)?;
    line.push(b'\n');
    Ok(line)
}

/// Has a command signed with a nonce for the home that is meant, and for what goes along with it.
fn signed(
    meant: &Path,
    serving: &HomeIdentity,
    command: &Command,
    brought: &Brought,
    talk: &dyn Talk,
    nonce: &str,
) -> Result<String, Failure> {
    if !is_nonce(nonce) {
        return Err(its_own_words());
    }
    // By its files: what answers may carry the signature to another home's daemon.
    let home = HomeIdentity::of_files(meant)?;
    if home != *serving {
        return Err(home.is_not(serving));
    }
    let passphrase = brought.bound_to(nonce)?;
    talk.sign(&text_of(&home, command, nonce, passphrase.as_deref())).map_err(Failure::no)
}

/// What to do where the daemon ended before it answered: what it was told may be done.
fn hint_where_lost(command: &Command) -> String {
    match command {
        Command::DraftsApprove { id, .. } => format!(
            "the request may have been sent: start `wardlock serve`, and `wardlock drafts show {id}` tells what became of it, \
             `wardlock audit show` with its `request_id` what was recorded"
        ),
        _ => "see whether `wardlock serve` still runs".to_owned(),
    }
}

fn another_process() -> Failure {
    Failure::home("what answers at the admin socket is not the process that holds this home; nothing was signed, and nothing secret sent").hint(
        "something else may stand in the daemon's place: end `wardlock serve`, look who has `admin.sock`, and start it again",
    )
}

/// Whether it may stand in the text that is signed.
fn is_nonce(nonce: &str) -> bool {
    nonce.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_'))
}

fn its_own_words() -> Failure {
    Failure::home("what answers at the admin socket asks for a signature over its own words")
        .hint("nothing was signed; look who has `admin.sock`")
}

fn not_asked_for() -> Failure {
    Failure::home("what answers at the admin socket asks for a signature that this command does not need")
        .hint(
            "a command is signed once at most, and nothing more was signed; something else may stand in the daemon's place: look who \
             has `admin.sock`, and in `wardlock audit list --kind admin` what was done",
        )
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use wardlock_egress::vault::{KeySource, Vault};

    use super::super::protocol::Page;
    use super::*;
    use crate::home::Home;

    /// Somebody who signs whatever they are asked, and keeps what.
    #[derive(Default)]
    struct Willing(Mutex<Vec<String>>);

    impl Talk for Willing {
        fn say(&self, _text: String) {}

        fn open(&self, _page: Page) {}

        fn wait(&self, _text: String) {}

        fn signs_as(&self) -> Option<String> {
            Some("ada".to_owned())
        }

        fn sign(&self, text: &str) -> Result<String, String> {
            self.0.lock().map_err(|error| error.to_string())?.push(text.to_owned());
            Ok("a signature".to_owned())
        }
    }

    /// A home with a vault, and who it is.
    fn home() -> (tempfile::TempDir, HomeIdentity) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("home");
        let home = Home::create(&path).expect("a home");
        let key = KeySource::File { path: path.join("state/vault.key") };
        let vault = Vault::create(&home.state_folder(), &key).expect("a vault");
        // It stays open, as under a daemon.
        let identity = HomeIdentity::of(&home, &vault);
        assert_eq!(HomeIdentity::of_files(&path).expect("by its files"), identity);
        (folder, identity)
    }

    /// Has a command given to what only asks for signatures, and returns why it failed, and what was signed.
    async fn asked_to_sign(
        command: Command,
        home: &Path,
        serving: &HomeIdentity,
        nonces: &[&str],
    ) -> (Failure, Vec<String>) {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let mut events = Vec::new();
        for nonce in nonces {
            let event = Event::Sign { nonce: (*nonce).to_owned(), home: serving.clone() };
            events.extend(serde_json::to_vec(&event).expect("JSON"));
            events.push(b'\n');
        }
        theirs.write_all(&events).await.expect("asked");
        let willing = Willing::default();
        let client = AdminClient { stream: ours, home: home.to_owned(), holds_the_home: None };
        let failed = client.ask(command, &Brought::Nothing, &willing).await;
        (failed.expect_err("it is no daemon"), willing.0.into_inner().expect("unpoisoned"))
    }

    #[tokio::test]
    async fn a_command_is_signed_once_at_most_and_one_that_wants_none_never() {
        let thaw = || Command::Thaw { workspace: None };
        let (folder, own) = home();
        let path = folder.path().join("home");
        let (failed, signed) = asked_to_sign(thaw(), &path, &own, &["req_1", "req_2"]).await;
        assert_eq!(signed, [text_of(&own, &thaw(), "req_1", None)]);
        assert!(failed.message.contains("a signature that this command does not need"), "{failed:?}");
        let (failed, signed) = asked_to_sign(thaw(), &path, &own, &["req_1\n{}"]).await;
        assert!(signed.is_empty() && failed.message.contains("over its own words"), "{failed:?}");
        let (failed, signed) = asked_to_sign(Command::Status, &path, &own, &["req_1"]).await;
        assert!(signed.is_empty() && failed.message.contains("does not need"), "{failed:?}");
    }

    #[tokio::test]
    async fn a_command_is_signed_for_the_home_that_is_meant_whatever_serves_at_its_socket() {
        let thaw = || Command::Thaw { workspace: None };
        let ((folder, own), (_production, other)) = (home(), home());
        let path = folder.path().join("home");
        let (failed, signed) = asked_to_sign(thaw(), &path, &other, &["req_1"]).await;
        assert!(signed.is_empty() && failed.message.contains("serves another home"), "{failed:?}");
        // One that says that it is this home is given what is good for this home only.
        let (_, signed) = asked_to_sign(thaw(), &path, &own, &["req_1", "req_2"]).await;
        assert_ne!(signed, [text_of(&other, &thaw(), "req_1", None)]);
        assert!(signed[0].contains(&format!("home: \"{}\"\n", own.path)), "{signed:?}");
        assert!(signed[0].contains(&format!("vault: \"{}\"\n", own.vault)), "{signed:?}");
    }
}
