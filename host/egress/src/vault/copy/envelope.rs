//! Whom a copy is encrypted for, and what opens it again. The form is age's (age-encryption.org/v1), so other programs
//! can open it, too.
//!
//! age says nothing about who made a file: whoever knows a recipient can make one for it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use age::secrecy::SecretString;
use age::stream::{StreamReader, StreamWriter};
use age::{DecryptError, Decryptor, EncryptError, Encryptor, IdentityFile, scrypt, x25519};

use super::super::files;
use super::super::prompt::Passphrase;
use super::error::CopyError;

/// The shortest passphrase for a new copy, in characters: the file may be tried offline for ever.
const SHORTEST_PASSPHRASE: usize = 12;
/// scrypt's work for a new copy, as the `age` command has it: 2^18 blocks, 256 MiB.
const WORK: u8 = 18;
/// The most work that a file may ask for: 2^20 blocks, 1 GiB.
const MOST_WORK: u8 = 20;
/// The longest identity file.
const LONGEST_IDENTITIES: u64 = 64 * 1024;
/// How every recipient and every identity begins.
const RECIPIENT: &str = "age1";
const IDENTITY: &str = "AGE-SECRET-KEY-";

/// What a copy holds, as its first line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Export,
    Backup,
    Key,
}

impl Content {
    fn line(self) -> &'static str {
        match self {
            Self::Export => "wardlock vault export 1\n",
            Self::Backup => "wardlock backup 1\n",
            Self::Key => "wardlock vault key 1\n",
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Export => "an export of a vault",
            Self::Backup => "a backup of a home",
            Self::Key => "the key of a backup",
        }
    }
}

/// Whom a copy is for: holders of identities, or whoever knows a passphrase.
pub struct Recipients(For);

enum For {
    Keys(Vec<x25519::Recipient>),
    Passphrase(SecretString),
}

impl Recipients {
    /// Takes recipients as `age-keygen` prints them, at least one.
    pub fn keys(words: &[String]) -> Result<Self, CopyError> {
        let keys: Vec<x25519::Recipient> = words.iter().map(|word| recipient(word)).collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Err(CopyError::BadRecipient { word: String::new() });
        }
        Ok(Self(For::Keys(keys)))
    }

    /// Checks one recipient, for files and arguments that name some.
    pub fn check(word: &str) -> Result<(), CopyError> {
        recipient(word).map(drop)
    }

    /// Takes a passphrase of at least 12 characters.
    pub fn passphrase(passphrase: &Passphrase) -> Result<Self, CopyError> {
        if passphrase.characters() < SHORTEST_PASSPHRASE {
            return Err(CopyError::ShortPassphrase);
        }
        Ok(Self(For::Passphrase(text_of(passphrase))))
    }

    /// Encrypts a backup's archive on its way into `output`.
    pub fn seal_backup<W: Write>(&self, output: W) -> Result<Sealing<W>, CopyError> {
        self.seal(Content::Backup, output)
    }

    pub(super) fn seal<W: Write>(&self, content: Content, output: W) -> Result<Sealing<W>, CopyError> {
        let encryptor = match &self.0 {
            For::Keys(keys) => Encryptor::with_recipients(keys.iter().map(|key| key as &dyn age::Recipient)),
            For::Passphrase(passphrase) => {
                let mut recipient = scrypt::Recipient::new(passphrase.clone());
                recipient.set_work_factor(WORK);
                Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient))
            }
        };
        let encryptor = encryptor.map_err(|error| match error {
            EncryptError::Io(error) => CopyError::Io(error),
            // Recipients of one kind always go together.
            _ => CopyError::Io(io::Error::other("age refused the recipients")),
        })?;
        let mut writer = encryptor.wrap_output(output).map_err(CopyError::Io)?;
        writer.write_all(content.line().as_bytes()).map_err(CopyError::Io)?;
        Ok(Sealing(writer))
    }
}

fn recipient(word: &str) -> Result<x25519::Recipient, CopyError> {
    if word.to_ascii_uppercase().starts_with(IDENTITY) {
        return Err(CopyError::IdentityForRecipient);
    }
    let shown: String = word.chars().take(80).collect::<String>().escape_debug().to_string();
    let bad = || CopyError::BadRecipient { word: shown };
    if !word.starts_with(RECIPIENT) {
        return Err(bad());
    }
    word.parse().map_err(|_| bad())
}

fn text_of(passphrase: &Passphrase) -> SecretString {
    // Every constructor of a passphrase admits UTF-8 only, so this never falls back.
    SecretString::from(std::str::from_utf8(passphrase.open()).unwrap_or_default())
}

/// Encrypts what is written into it. Without [`Sealing::finish`] the result is cut off, and no reader takes it.
pub struct Sealing<W: Write>(StreamWriter<W>);

impl<W: Write> Sealing<W> {
    /// Writes the end, and returns the output.
    pub fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// What opens a copy: identities, or a passphrase.
pub struct Opening(By);

enum By {
    Identities(Vec<Box<dyn age::Identity + Send + Sync>>),
    Passphrase(SecretString),
}

impl Opening {
    /// Reads an identity file, as `age-keygen` writes it. It must be closed to others.
    pub fn identity_file(path: &Path) -> Result<Self, CopyError> {
        let bytes = files::read(path, LONGEST_IDENTITIES)?;
        let bad = || CopyError::BadIdentity { path: path.display().to_string() };
        let identities = IdentityFile::from_buffer(bytes.as_slice()).map_err(|_| bad())?;
        let identities = identities.into_identities().map_err(|_| bad())?;
        if identities.is_empty() {
            return Err(bad());
        }
        Ok(Self(By::Identities(identities)))
    }

    /// Takes a passphrase.
    pub fn passphrase(passphrase: &Passphrase) -> Self {
        Self(By::Passphrase(text_of(passphrase)))
    }

    /// Opens a backup's archive, and nothing else: what an export holds is not for the caller.
    pub fn open_backup<R: Read>(&self, input: R) -> Result<Opened<R>, CopyError> {
        self.open(Content::Backup, input)
    }

    pub(super) fn open<R: Read>(&self, content: Content, input: R) -> Result<Opened<R>, CopyError> {
        let decryptor = Decryptor::new_buffered(BufReader::new(input)).map_err(|error| match error {
            DecryptError::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => CopyError::Io(error),
            _ => CopyError::Foreign,
        })?;
        let by_passphrase = decryptor.is_scrypt();
        let reader = match &self.0 {
            By::Identities(_) if by_passphrase => return Err(CopyError::PassphraseWanted),
            By::Passphrase(_) if !by_passphrase => return Err(CopyError::IdentityWanted),
            By::Identities(identities) => {
                decryptor.decrypt(identities.iter().map(|identity| &**identity as &dyn age::Identity))
            }
            By::Passphrase(passphrase) => {
                let mut identity = scrypt::Identity::new(passphrase.clone());
                identity.set_max_work_factor(MOST_WORK);
                decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity))
            }
        };
        let reader = reader.map_err(|error| not_opened(error, by_passphrase))?;
        let mut opened = Opened(BufReader::new(reader));
        opened.take_line(content)?;
        Ok(opened)
    }
}

fn not_opened(error: DecryptError, by_passphrase: bool) -> CopyError {
    match error {
        DecryptError::NoMatchingKeys => CopyError::WrongIdentity,
        DecryptError::KeyDecryptionFailed | DecryptError::DecryptionFailed if by_passphrase => {
            CopyError::WrongPassphrase
        }
        DecryptError::ExcessiveWork { .. } => CopyError::AbsurdWork,
        DecryptError::Io(error) => CopyError::of_stream(error),
        _ => CopyError::Damaged,
    }
}

/// What a copy holds, decrypted and authenticated piece by piece. Only its end shows that it is whole.
pub struct Opened<R: Read>(BufReader<StreamReader<BufReader<R>>>);

impl<R: Read> Opened<R> {
    fn take_line(&mut self, content: Content) -> Result<(), CopyError> {
        let mut line = Vec::new();
        let most = u64::try_from(content.line().len()).unwrap_or(u64::MAX);
        self.by_ref().take(most).read_until(b'\n', &mut line).map_err(CopyError::of_stream)?;
        if line == content.line().as_bytes() {
            return Ok(());
        }
        // The same words with another number at the end.
        let words = content.line().trim_end_matches(|c: char| c.is_ascii_digit() || c == '\n');
        if line.starts_with(words.as_bytes()) {
            return Err(CopyError::Newer);
        }
        Err(CopyError::OtherContent { wanted: content.what() })
    }
}

impl<R: Read> Read for Opened<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read> BufRead for Opened<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.0.consume(amount);
    }
}
