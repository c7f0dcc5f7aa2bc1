//! The daemon's side of the admin socket.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use wardlock_egress::vault::{Passphrase, PromptError, Secret, VaultError};

use super::failure::Failure;
use super::protocol::{Command, Event, Page, Question, VERSION};
use crate::gate::Gate;
use crate::ids::random;
use crate::logs::OnceAMinute;
use crate::operators::{HomeIdentity, Signature, Signed};
use crate::ops::{self, Talk};

/// Longest question in bytes; a body to explain is the largest part of one.
const MAX_QUESTION: usize = 8 << 20;

/// The longest file that follows a question; no component is longer that loads.
const MAX_FILE: u64 = 64 << 20;

/// How long a signature is waited for: a person types a passphrase, or touches a key. One that somebody kept back comes too late.
const SIGNED_WITHIN: Duration = Duration::from_mins(2);

/// How much is kept for a command line that does not listen just now. No command tells a hundredth of it at once.
const MOST_EVENTS: usize = 1024;

/// A pause after a failed accept, so that a lasting fault does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Serves the socket until dropped.
pub async fn serve(listener: UnixListener, gate: Arc<Gate>) {
    let mut told = OnceAMinute::default();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // Out of descriptors, perhaps: the socket must outlive it.
            Err(error) => {
                if told.is_due() {
                    tracing::warn!(%error, "accepting admin connections fails");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let own = rustix::process::geteuid().as_raw();
        let allowed = stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0);
        if !allowed {
            tracing::warn!("a process of another user tried the admin socket");
            continue;
        }
        let gate = Arc::clone(&gate);
        tokio::spawn(async move {
            if let Err(error) = answer(stream, gate).await {
                tracing::debug!(%error, "an admin connection ended early");
            }
        });
    }
}

/// Binds the socket. The home's lock must be held: a socket that is there is a leftover.
pub fn bind(path: &Path) -> std::io::Result<UnixListener> {
    crate::home::remove_leftover_socket(path)?;
    // The folder is 0700, so nobody else can reach the socket between bind and chmod.
    let listener = UnixListener::bind(path)?;
    crate::home::make_private(path)?;
    Ok(listener)
}

async fn answer(mut stream: UnixStream, gate: Arc<Gate>) -> std::io::Result<()> {
    let line = read_line(&mut stream).await?;
    let question = match serde_json::from_slice::<Question>(&line) {
        Ok(question) if question.version == VERSION => question,
        Ok(question) => {
            let message = format!("this daemon speaks admin protocol {VERSION}, the command {}", question.version);
            let failure = Failure::no(message).hint("restart the daemon with the same version of wardlock");
            return write_event(&mut stream, &Event::Failed { failure }).await;
        }
        Err(error) => {
            let failure = Failure::no(format!("the daemon does not understand the command: {error}"));
            return write_event(&mut stream, &Event::Failed { failure }).await;
        }
    };
    let brought = if let Some(length) = question.command.file_follows() {
        match read_file(&mut stream, length).await? {
            Some(file) => Brought::File(file),
            None => {
                let failure = Failure::no(format!("the file is {length} bytes long, and {MAX_FILE} is the most"));
                return write_event(&mut stream, &Event::Failed { failure }).await;
            }
        }
    } else if question.secret_follows {
        write_event(&mut stream, &Event::SendSecret).await?;
        let passphrase = question.command.brings_passphrase();
        let (back, brought) = receive(stream, passphrase).await?;
        stream = back;
        brought
    } else {
        Brought::Nothing
    };
    let signed = match question.signed_as.zip(gate.opened()) {
        Some((operator, host)) => {
            let home = HomeIdentity::of(host.home(), host.vault());
            // Nobody holds the host while a person takes their time.
            drop(host);
            sign(&mut stream, home, operator, SIGNED_WITHIN).await?.map(Some)
        }
        None => Ok(None),
    };
    let (mut reader, writer) = stream.into_split();
    let (sender, events) = mpsc::channel(MOST_EVENTS);
    let talk = Caller { events: sender, signed };
    let teller = tokio::spawn(tell(writer, events));
    let ended = tokio::select! {
        ended = ops::at_the_gate(&gate, question.command, brought, &talk) => ended,
        // The person pressed ctrl-C: whatever was under way is dropped, nothing half-written stays.
        () = gone(&mut reader) => return Ok(()),
    };
    let last = match ended {
        Ok(result) => Event::Done { result },
        Err(failure) => Event::Failed { failure },
    };
    // The teller ends when every sender is gone; a closed channel means the person is gone too.
    let _ = talk.events.send(last).await;
    drop(talk);
    teller.await.map_err(std::io::Error::other)?
}

/// Reads one line and not a byte more: a secret's frame may follow, and only `vault` reads that.
async fn read_line(stream: &mut UnixStream) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    loop {
        match stream.read_u8().await? {
            b'\n' => return Ok(line),
            byte => line.push(byte),
        }
        if line.len() > MAX_QUESTION {
            return Err(std::io::Error::other("the question is too long"));
        }
    }
}

/// Asks for a file and reads it; `None` where it is too long.
async fn read_file(stream: &mut UnixStream, length: u64) -> std::io::Result<Option<Vec<u8>>> {
    if length > MAX_FILE {
        return Ok(None);
    }
    write_event(stream, &Event::SendFile).await?;
    let mut file = Vec::new();
    stream.take(length).read_to_end(&mut file).await?;
    if file.len() as u64 == length { Ok(Some(file)) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
}

/// What came with a command besides its words.
#[derive(Debug)]
pub enum Brought {
    /// Nothing.
    Nothing,
    /// A client secret.
    Secret(Secret),
    /// The vault's passphrase.
    Passphrase(Passphrase),
    /// A file that holds no secret.
    File(Vec<u8>),
}

impl Brought {
    /// Returns the secret, if that is what came.
    pub fn secret(self) -> Option<Secret> {
        match self {
            Self::Secret(secret) => Some(secret),
            Self::Nothing | Self::Passphrase(_) | Self::File(_) => None,
        }
    }

    /// Returns the file, if that is what came.
    pub fn file(self) -> Option<Vec<u8>> {
        match self {
            Self::File(file) => Some(file),
            Self::Nothing | Self::Secret(_) | Self::Passphrase(_) => None,
        }
    }

    /// Returns what stands for the passphrase that came, if one did, in the text that is signed with this nonce: nobody who carries the
    /// command has another taken in its place. It is slow.
    pub fn bound_to(&self, nonce: &str) -> Result<Option<String>, VaultError> {
        match self {
            Self::Passphrase(passphrase) => passphrase.stretched_for(nonce).map(Some),
            Self::Nothing | Self::Secret(_) | Self::File(_) => Ok(None),
        }
    }

    /// Sends it over the socket, as one frame that only `vault` writes and reads.
    pub(super) fn send_over(&self, socket: &std::os::unix::net::UnixStream) -> Result<(), PromptError> {
        match self {
            Self::Nothing | Self::File(_) => Ok(()),
            Self::Secret(secret) => secret.send_over(socket),
            Self::Passphrase(passphrase) => passphrase.send_over(socket),
        }
    }
}

async fn receive(stream: UnixStream, passphrase: bool) -> std::io::Result<(UnixStream, Brought)> {
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    let received = tokio::task::spawn_blocking(move || {
        let brought = if passphrase {
            Passphrase::receive(&stream).map(Brought::Passphrase)
        } else {
            Secret::receive(&stream).map(Brought::Secret)
        };
        brought.map(|brought| (stream, brought))
    });
    let (stream, brought) = received.await.map_err(std::io::Error::other)?.map_err(std::io::Error::other)?;
    stream.set_nonblocking(true)?;
    Ok((UnixStream::from_std(stream)?, brought))
}

async fn write_event(writer: &mut (impl tokio::io::AsyncWrite + Unpin), event: &Event) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    writer.write_all(&line).await
}

async fn gone(reader: &mut (impl tokio::io::AsyncRead + Unpin)) {
    let mut byte = [0];
    // Nothing follows a question; whatever arrives, or the end, means that nobody waits any more.
    let _ = reader.read(&mut byte).await;
}

async fn tell(mut writer: OwnedWriteHalf, mut events: mpsc::Receiver<Event>) -> std::io::Result<()> {
    while let Some(event) = events.recv().await {
        write_event(&mut writer, &event).await?;
    }
    writer.shutdown().await
}

/// Has a command signed: the nonce is of this connection, so no signature serves twice. The inner error says why there is none.
async fn sign(
    stream: &mut UnixStream,
    home: HomeIdentity,
    operator: String,
    within: Duration,
) -> std::io::Result<Result<Signed, String>> {
    let nonce = match random() {
        Ok(nonce) => nonce,
        Err(error) => return Ok(Err(error.to_string())),
    };
    write_event(stream, &Event::Sign { nonce: nonce.clone(), home }).await?;
    let Ok(line) = tokio::time::timeout(within, read_line(stream)).await else {
        return Ok(Err(format!("no signature came within {} seconds", within.as_secs())));
    };
    let signature = Signature::Ssh(serde_json::from_slice(&line?)?);
    Ok(Ok(Signed { operator, nonce, signature }))
}

/// Who gave a command, at the other end of the socket.
struct Caller {
    events: mpsc::Sender<Event>,
    signed: Result<Option<Signed>, String>,
}

impl Caller {
    /// Whoever does not listen, or is gone, is told no more for now; how the command ended is kept for them.
    fn tell(&self, event: Event) {
        let _ = self.events.try_send(event);
    }
}

impl Talk for Caller {
    fn say(&self, text: String) {
        self.tell(Event::Say { text });
    }

    fn open(&self, page: Page) {
        self.tell(Event::Open { page });
    }

    fn wait(&self, text: String) {
        self.tell(Event::Wait { text });
    }

    fn signed(
        &self,
        _home: &HomeIdentity,
        _command: &Command,
        _brought: &Brought,
    ) -> Result<Option<Signed>, String> {
        self.signed.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_listens_to_is_not_kept_without_end() {
        let (sender, events) = mpsc::channel(MOST_EVENTS);
        let talk = Caller { events: sender, signed: Ok(None) };
        (0..100_000).for_each(|number| talk.say(number.to_string()));
        assert_eq!(events.len(), MOST_EVENTS);
    }

    #[tokio::test]
    async fn a_signature_is_waited_for_only_so_long() {
        let (mut ours, mut theirs) = UnixStream::pair().expect("a pair");
        let within = Duration::from_millis(50);
        let home = || HomeIdentity { path: "/home".to_owned(), vault: "v".to_owned() };
        let late = sign(&mut ours, home(), "ada".to_owned(), within).await.expect("no fault of the socket's");
        assert_eq!(late, Err("no signature came within 0 seconds".to_owned()));
        theirs.write_all(b"\"a signature\"\n").await.expect("sent");
        let came = sign(&mut ours, home(), "ada".to_owned(), SIGNED_WITHIN).await;
        let came = came.expect("a socket").expect("in time");
        assert_eq!(came.signature, Signature::Ssh("a signature".to_owned()));
    }
}
