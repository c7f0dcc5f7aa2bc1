//! How a secret or a passphrase comes in: hidden prompt, standard input, a descriptor, or the admin socket.
//!
//! The bytes are read here so that the command line never holds them. There is deliberately no way to take one
//! from an argument or from the environment, where every process of the user could read it.

use std::fmt;
use std::io::{self, IsTerminal as _, Read, Write as _};
use std::os::unix::net::UnixStream;

use zeroize::Zeroizing;

use super::files;
use super::secret::{LONGEST, NotASecret, Secret};

/// The longest passphrase, in bytes.
const LONGEST_PASSPHRASE: usize = 1024;

/// Why nothing usable came in. It never holds any of what came.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// Standard input is not a terminal, so nobody can be asked.
    #[error("standard input is not a terminal, so no secret can be asked for")]
    NoTerminal,
    /// The person gave up.
    #[error("the prompt was cancelled")]
    Cancelled,
    /// The two entries differ.
    #[error("the two entries differ")]
    Differ,
    /// Reading failed.
    #[error("reading from {from} failed")]
    Read {
        /// Where it was read from.
        from: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// What came is no secret.
    #[error(transparent)]
    NotASecret(#[from] NotASecret),
    /// What came is no passphrase.
    #[error("a passphrase is one line of 1 to 1024 bytes of UTF-8 without control characters")]
    NotAPassphrase,
    /// The other end of the admin socket sent something else.
    #[error("the admin socket carried something that is not a secret")]
    BadFrame,
}

impl PromptError {
    /// Returns what to do about it, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoTerminal => Some(
                "pipe it in with `--secret-stdin`, or name a descriptor with `--secret-fd`; never as an argument",
            ),
            Self::NotASecret(_) => {
                Some("copy it once more from the provider's console, without the spaces around it")
            }
            Self::Differ | Self::Cancelled => Some("run the command again; nothing was stored"),
            Self::Read { .. } | Self::NotAPassphrase | Self::BadFrame => None,
        }
    }
}

impl Secret {
    /// Asks on the terminal without showing what is typed.
    pub fn read_hidden(prompt: &str) -> Result<Self, PromptError> {
        Ok(Self::from_bytes(trimmed(typed(prompt)?))?)
    }

    /// Reads standard input to its end; one line break at the end is dropped.
    pub fn read_stdin() -> Result<Self, PromptError> {
        Ok(Self::from_bytes(line(&mut io::stdin().lock(), LONGEST, "standard input")?)?)
    }

    /// Reads an inherited descriptor to its end; one line break at the end is dropped.
    pub fn read_fd(number: u32) -> Result<Self, PromptError> {
        Ok(Self::from_bytes(descriptor(number, LONGEST)?)?)
    }

    /// Hands the secret to the daemon: four bytes of length, then the bytes.
    ///
    /// Only to a socket: a general `Write` could be a buffer, and that would open the secret to everybody.
    pub fn send_over(&self, socket: &UnixStream) -> Result<(), PromptError> {
        send_frame(socket, self.open())
    }

    /// Takes a secret that [`Secret::send_over`] sent.
    pub fn receive(socket: &UnixStream) -> Result<Self, PromptError> {
        Ok(Self::from_bytes(receive_frame(socket, LONGEST)?)?)
    }
}

/// What a person types to unlock the vault. Wiped when dropped; never printed.
pub struct Passphrase {
    bytes: Zeroizing<Vec<u8>>,
}

impl Passphrase {
    /// Wraps one line of UTF-8.
    pub fn from_bytes(bytes: Zeroizing<Vec<u8>>) -> Result<Self, PromptError> {
        let text = std::str::from_utf8(&bytes).map_err(|_| PromptError::NotAPassphrase)?;
        if text.is_empty() || text.len() > LONGEST_PASSPHRASE || text.chars().any(char::is_control) {
            return Err(PromptError::NotAPassphrase);
        }
        Ok(Self { bytes })
    }

    /// Asks on the terminal without showing what is typed.
    pub fn read_hidden(prompt: &str) -> Result<Self, PromptError> {
        Self::from_bytes(trimmed(typed(prompt)?))
    }

    /// Asks twice, for a new passphrase.
    pub fn read_hidden_twice(prompt: &str, again: &str) -> Result<Self, PromptError> {
        let (first, second) = (Self::read_hidden(prompt)?, Self::read_hidden(again)?);
        if first.bytes != second.bytes {
            return Err(PromptError::Differ);
        }
        Ok(first)
    }

    /// Reads standard input to its end; one line break at the end is dropped.
    pub fn read_stdin() -> Result<Self, PromptError> {
        Self::from_bytes(line(&mut io::stdin().lock(), LONGEST_PASSPHRASE, "standard input")?)
    }

    /// Reads an inherited descriptor to its end; one line break at the end is dropped.
    pub fn read_fd(number: u32) -> Result<Self, PromptError> {
        Self::from_bytes(descriptor(number, LONGEST_PASSPHRASE)?)
    }

    /// Hands the passphrase to the daemon.
    pub fn send_over(&self, socket: &UnixStream) -> Result<(), PromptError> {
        send_frame(socket, &self.bytes)
    }

    /// Takes a passphrase that [`Passphrase::send_over`] sent.
    pub fn receive(socket: &UnixStream) -> Result<Self, PromptError> {
        Self::from_bytes(receive_frame(socket, LONGEST_PASSPHRASE)?)
    }

    /// Returns its length in characters.
    pub(super) fn characters(&self) -> usize {
        std::str::from_utf8(&self.bytes).map_or(0, |text| text.chars().count())
    }

    /// Opens it. Visible in `vault` only.
    pub(super) fn open(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

fn typed(prompt: &str) -> Result<Zeroizing<Vec<u8>>, PromptError> {
    if !io::stdin().is_terminal() {
        return Err(PromptError::NoTerminal);
    }
    match rpassword::prompt_password(prompt) {
        Ok(text) => Ok(Zeroizing::new(text.into_bytes())),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(PromptError::Cancelled),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(PromptError::Cancelled),
        Err(source) => Err(PromptError::Read { from: "the terminal".to_owned(), source }),
    }
}

fn descriptor(number: u32, limit: usize) -> Result<Zeroizing<Vec<u8>>, PromptError> {
    let from = format!("descriptor {number}");
    match files::open_descriptor(number) {
        Ok(mut file) => line(&mut file, limit, &from),
        Err(source) => Err(PromptError::Read { from, source }),
    }
}

fn line(reader: &mut impl Read, limit: usize, from: &str) -> Result<Zeroizing<Vec<u8>>, PromptError> {
    // Two more for the line break; one that is longer still is then refused as too long.
    let limit = u64::try_from(limit + 2).unwrap_or(u64::MAX);
    let bytes = files::read_bounded(reader, limit);
    bytes.map(trimmed).map_err(|source| PromptError::Read { from: from.to_owned(), source })
}

fn trimmed(mut bytes: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    bytes
}

fn send_frame(mut socket: &UnixStream, bytes: &[u8]) -> Result<(), PromptError> {
    let length = u32::try_from(bytes.len()).map_err(|_| PromptError::BadFrame)?;
    let sent = socket.write_all(&length.to_be_bytes()).and_then(|()| socket.write_all(bytes));
    sent.and_then(|()| socket.flush()).map_err(socket_failed)
}

fn receive_frame(mut socket: &UnixStream, limit: usize) -> Result<Zeroizing<Vec<u8>>, PromptError> {
    let mut length = [0_u8; 4];
    socket.read_exact(&mut length).map_err(socket_failed)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > limit {
        return Err(PromptError::BadFrame);
    }
    let mut bytes = Zeroizing::new(vec![0_u8; length]);
    socket.read_exact(&mut bytes).map_err(socket_failed)?;
    Ok(bytes)
}

fn socket_failed(source: io::Error) -> PromptError {
    PromptError::Read { from: "the admin socket".to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use super::*;
    use crate::vault::secret::tests::secret;

    fn read(bytes: &[u8]) -> Result<Secret, PromptError> {
        Ok(Secret::from_bytes(line(&mut &bytes[..], LONGEST, "a test")?)?)
    }

    #[test]
    fn one_line_break_at_the_end_is_dropped() {
        for bytes in [b"canary".as_slice(), b"canary\n", b"canary\r\n"] {
            assert!(read(bytes).expect("a secret").same(&secret("canary")));
        }
        for bytes in [b"canary\n\n".as_slice(), b"canary\nsecond\n", b" canary", b"\n"] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn the_longest_secret_fits_and_no_longer_one() {
        let mut bytes = vec![b'a'; LONGEST];
        bytes.extend_from_slice(b"\r\n");
        assert_eq!(read(&bytes).expect("a secret").open().len(), LONGEST);
        let error = read(&vec![b'a'; LONGEST * 4]).expect_err("too long");
        assert!(matches!(error, PromptError::NotASecret(NotASecret::TooLong)), "{error}");
    }

    #[test]
    fn a_descriptor_is_read_by_its_number() {
        let (reader, mut writer) = io::pipe().expect("a pipe");
        writer.write_all(b"1000.canary\n").expect("written");
        drop(writer);
        let number = u32::try_from(reader.as_raw_fd()).expect("a number");
        assert!(Secret::read_fd(number).expect("a secret").same(&secret("1000.canary")));
        let error = Secret::read_fd(987_654).expect_err("no such descriptor");
        assert!(error.to_string().contains("descriptor 987654"), "{error}");
    }

    #[test]
    fn a_secret_crosses_the_admin_socket() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        secret("1000.canary").send_over(&ours).expect("sent");
        assert!(Secret::receive(&theirs).expect("received").same(&secret("1000.canary")));
        let phrase = Passphrase::from_bytes(Zeroizing::new("vier Wörter hier".into())).expect("a passphrase");
        phrase.send_over(&ours).expect("sent");
        assert_eq!(Passphrase::receive(&theirs).expect("received").open(), phrase.open());
    }

    #[test]
    fn a_bad_frame_is_refused_before_it_is_read() {
        let (mut ours, theirs) = UnixStream::pair().expect("a pair");
        ours.write_all(&u32::MAX.to_be_bytes()).expect("sent");
        assert!(matches!(Secret::receive(&theirs), Err(PromptError::BadFrame)));
        drop(ours);
        assert!(matches!(Secret::receive(&theirs), Err(PromptError::Read { .. })));
    }

    #[test]
    fn without_a_terminal_nobody_is_asked() {
        if !io::stdin().is_terminal() {
            assert!(matches!(Secret::read_hidden("? "), Err(PromptError::NoTerminal)));
        }
    }

    #[test]
    fn a_passphrase_is_one_line_of_text() {
        for bad in [b"".as_slice(), b"a\nb", b"a\0", b"\xff", &[b'a'; 1025]] {
            assert!(Passphrase::from_bytes(Zeroizing::new(bad.to_vec())).is_err());
        }
        let phrase = Passphrase::from_bytes(Zeroizing::new("Wörter".into())).expect("a passphrase");
        assert_eq!((phrase.characters(), format!("{phrase:?}").as_str()), (6, "Passphrase(..)"));
    }
}
