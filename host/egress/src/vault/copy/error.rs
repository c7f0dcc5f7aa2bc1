//! What can go wrong with a copy, and how to mend it. No variant holds a byte of what the copy holds.

use std::io;

use super::super::error::VaultError;
use super::super::prompt::PromptError;

/// Why a copy was not made, or not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// A word is no recipient that this version knows.
    #[error("`{word}` is not an age recipient")]
    BadRecipient {
        /// The word, escaped and cut.
        word: String,
    },
    /// Somebody's secret stands where a public recipient belongs.
    #[error("a recipient is wanted, and an age identity stands there, which is secret")]
    IdentityForRecipient,
    /// The passphrase for a new copy is too short.
    #[error("the passphrase is shorter than 12 characters")]
    ShortPassphrase,
    /// The identity file holds no identity that this version knows.
    #[error("`{path}` holds no age identity: lines that begin with `AGE-SECRET-KEY-1`")]
    BadIdentity {
        /// The file.
        path: String,
    },
    /// Nothing usable was typed.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// It is not an age file.
    #[error(
        "the file is not encrypted with age, so neither `vault export` nor `backup create` wrote it; or its beginning is damaged"
    )]
    Foreign,
    /// It opens, and holds something else.
    #[error("the file opens, but is not {wanted}")]
    OtherContent {
        /// What was wanted.
        wanted: &'static str,
    },
    /// The identity is not one of its recipients'.
    #[error("the identity does not open the file: it was made for other recipients, or its beginning was changed")]
    WrongIdentity,
    /// The passphrase is not the one.
    #[error("the passphrase does not open the file, or the file's beginning was changed")]
    WrongPassphrase,
    /// It was encrypted for recipients, and a passphrase was given.
    #[error("the file is encrypted for recipients, not by a passphrase")]
    IdentityWanted,
    /// It was encrypted by a passphrase, and an identity was given.
    #[error("the file is encrypted by a passphrase, not for recipients")]
    PassphraseWanted,
    /// It asks for more work than any copy of ours does.
    #[error("the file asks for absurd work before it opens")]
    AbsurdWork,
    /// The end is missing.
    #[error("the file is cut off: its end is missing")]
    Cut,
    /// Some byte is not as it was written.
    #[error("the file was changed or damaged since it was written")]
    Damaged,
    /// It opens and is whole, and its content is not what such a file holds.
    #[error("the file's content cannot be used: {what}")]
    BadContent {
        /// What is wrong with it.
        what: String,
    },
    /// A newer version wrote it.
    #[error("the file was written by a newer Wardlock")]
    Newer,
    /// More than fits.
    #[error("the vault holds more than fits into one export: {limit} bytes")]
    TooLarge {
        /// The most.
        limit: u64,
    },
    /// Reading or writing failed.
    #[error("the copy could not be read or written")]
    Io(#[source] io::Error),
    /// The vault has records of these names.
    #[error("the vault holds already: {names}")]
    NamesTaken {
        /// Each with its kind, separated by commas.
        names: String,
    },
    /// Grants that stay would be left with another OAuth client.
    #[error(
        "registration `{name}` is another OAuth client in the file, and grants here use the one that is stored: {grants}"
    )]
    OtherClient {
        /// The registration.
        name: String,
        /// The grants, separated by commas.
        grants: String,
    },
    /// A key that belongs to another vault is where the new one would go.
    #[error("there is a key already where this vault's would go, and it does not open this vault")]
    KeyTaken,
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl CopyError {
    /// Returns what to do about it, where there is something.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::BadRecipient { .. } => {
                "a recipient begins with `age1` and comes from `age-keygen`; those of ssh, plugins and `age1pq1` are not taken"
            }
            Self::IdentityForRecipient => {
                "give its public half: `age-keygen -y FILE` prints it; and make a new identity, for this one stood in a command line or a file"
            }
            Self::ShortPassphrase => "take four or five random words",
            Self::BadIdentity { .. } => {
                "`age-keygen -o FILE` makes one; decrypt one that is itself encrypted with `age -d` first"
            }
            Self::Prompt(error) => return error.hint().map(str::to_owned),
            Self::Foreign => "look whether this is the right file, and fetch it again",
            Self::OtherContent { .. } => {
                "`vault import` takes what `vault export` wrote, `backup restore` what `backup create` wrote"
            }
            Self::WrongIdentity => "give the identity that belongs to one of the recipients",
            Self::WrongPassphrase => "try again; upper and lower case count",
            Self::IdentityWanted => "name the identity's file: `--identity FILE`",
            Self::PassphraseWanted => "leave `--identity` out, and type the passphrase",
            Self::Cut | Self::Damaged => "nothing was taken from it; fetch it again, or use another copy",
            Self::Newer => "use the newer `wardlock`",
            Self::NamesTaken { .. } => {
                "nothing was imported; `--replace` puts the file's records in their place, and what was there is gone"
            }
            Self::OtherClient { .. } => {
                "`wardlock disconnect` those grants first, or rename one of the two registrations"
            }
            Self::KeyTaken => {
                "nothing was restored; choose another source for the key: `--key passphrase`, or move the old key away"
            }
            Self::Vault(error) => return error.hint(),
            Self::AbsurdWork | Self::BadContent { .. } => "no Wardlock wrote it so; ask where it comes from",
            Self::TooLarge { .. } | Self::Io(_) => return None,
        };
        Some(text.to_owned())
    }

    /// Says what an error of a stream from an age file means.
    pub fn of_stream(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Cut,
            io::ErrorKind::InvalidData => Self::Damaged,
            _ => Self::Io(error),
        }
    }
}

impl From<rusqlite::Error> for CopyError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Vault(error.into())
    }
}
