//! The daemon's side of the admin socket.

use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use wardlock_egress::vault::Secret;

use super::protocol::{Event, Failure, Question, VERSION};
use crate::host::Host;
use crate::ops::{self, Talk};

/// Longest question in bytes; a body to explain is the largest part of one.
const MAX_QUESTION: u64 = 8 << 20;

/// Binds the socket (the home's lock must be held: a socket that is there is a leftover) and serves it until
/// dropped.
pub async fn serve(path: &Path, host: Arc<Host>) -> std::io::Result<()> {
    let listener = bind(path)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let own = rustix::process::geteuid().as_raw();
        let allowed = stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0);
        if !allowed {
            tracing::warn!("a process of another user tried the admin socket");
            continue;
        }
        let host = Arc::clone(&host);
        tokio::spawn(async move {
            if let Err(error) = answer(stream, host).await {
                tracing::debug!(%error, "an admin connection ended early");
            }
        });
    }
}

fn bind(path: &Path) -> std::io::Result<UnixListener> {
    crate::home::remove_leftover_socket(path)?;
    // The folder is 0700, so nobody else can reach the socket between bind and chmod.
    let listener = UnixListener::bind(path)?;
    crate::home::make_private(path)?;
    Ok(listener)
}

async fn answer(stream: UnixStream, host: Arc<Host>) -> std::io::Result<()> {
    let (reader, writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let mut line = String::new();
    (&mut reader).take(MAX_QUESTION).read_line(&mut line).await?;
    let question = serde_json::from_str::<Question>(&line);
    let (talk, events) = mpsc::unbounded_channel();
    let teller = tokio::spawn(tell(writer, events));
    let ended = match question {
        Ok(question) if question.version == VERSION => {
            let secret = read_secret(&mut reader, question.secret_bytes).await?;
            let work = ops::execute(&host, question.command, secret, &talk);
            tokio::select! {
                ended = work => ended,
                // The person pressed ctrl-C: whatever was under way is dropped, nothing half-written stays.
                _ = gone(&mut reader) => return Ok(()),
            }
        }
        Ok(question) => {
            let message = format!("this daemon speaks admin protocol {VERSION}, the command {}", question.version);
            Err(Failure::no(message).hint("restart the daemon with the same version of wardlock"))
        }
        Err(error) => Err(Failure::no(format!("the daemon does not understand the command: {error}"))),
    };
    let last = match ended {
        Ok(result) => Event::Done { result },
        Err(failure) => Event::Failed { failure },
    };
    // The teller ends when every sender is gone; a closed channel means the person is gone too.
    let _ = talk.send(last);
    drop(talk);
    teller.await.map_err(std::io::Error::other)?
}

async fn read_secret(
    reader: &mut (impl tokio::io::AsyncRead + Unpin),
    bytes: u32,
) -> std::io::Result<Option<Secret>> {
    if bytes == 0 {
        return Ok(None);
    }
    Secret::receive(reader, bytes as usize).await.map(Some)
}

async fn gone(reader: &mut (impl tokio::io::AsyncRead + Unpin)) {
    let mut byte = [0];
    // Nothing follows a question; whatever arrives, or the end, means that nobody waits any more.
    let _ = reader.read(&mut byte).await;
}

async fn tell(mut writer: OwnedWriteHalf, mut events: mpsc::UnboundedReceiver<Event>) -> std::io::Result<()> {
    while let Some(event) = events.recv().await {
        let mut line = serde_json::to_vec(&event)?;
        line.push(b'\n');
        writer.write_all(&line).await?;
    }
    writer.shutdown().await
}

impl Talk for mpsc::UnboundedSender<Event> {
    fn say(&self, text: String) {
        let _ = self.send(Event::Say { text });
    }

    fn open(&self, url: String) {
        let _ = self.send(Event::Open { url });
    }
}
