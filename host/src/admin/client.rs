//! The command line's side of the admin socket.

use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::failure::Failure;
use super::protocol::{Command, Event, Question, VERSION};
use super::server::Brought;
use crate::operators::{takes_signature, text_of};
use crate::ops::Talk;

/// A connection to the daemon that holds the home.
pub struct AdminClient {
    stream: UnixStream,
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
            Ok(stream) => Ok(Self { stream }),
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
        let asked = command.clone();
        let signed_as = talk.signs_as().filter(|_| takes_signature(&command));
        let mut line = serde_json::to_vec(&Question {
            version: VERSION,
            command,
            secret_follows: matches!(brought, Brought::Secret(_) | Brought::Passphrase(_)),
            signed_as,
        })?;
        line.push(b'\n');
        self.stream.write_all(&line).await?;
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
                Event::Sign { nonce } => {
                    let is_one = nonce.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
                    if !is_one {
                        // It would stand in the text that is signed.
                        return Ok(Err(Failure::home(
                            "what answers at the admin socket asks for a signature over its own words",
                        )
                        .hint("nothing was signed; look who has `admin.sock`")));
                    }
                    let signature = match talk.sign(&text_of(&asked, &nonce)) {
                        Ok(signature) => signature,
                        Err(problem) => return Ok(Err(Failure::no(problem))),
                    };
                    let mut line = serde_json::to_vec(&signature)?;
                    line.push(b'\n');
                    UnixStream::from_std(frames.try_clone()?)?.write_all(&line).await?;
                }
                Event::Done { result } => return Ok(Ok(result)),
                Event::Failed { failure } => return Ok(Err(failure)),
            }
        }
        Err(std::io::Error::other("it ended without an answer"))
    }
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
