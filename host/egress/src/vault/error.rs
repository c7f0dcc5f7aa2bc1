//! What can go wrong in the vault, and how to mend it. No variant holds a byte of a secret, a key or a row.

use std::path::PathBuf;

use super::key::KeyKind;
use super::keychain::KeychainProblem;
use super::needles::NeedlesError;

/// Why the vault did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// There is no vault here.
    #[error("there is no vault: `{db}` does not exist")]
    NoVault {
        /// Where it was looked for.
        db: PathBuf,
    },
    /// There is one already.
    #[error("there is a vault already: `{db}`")]
    VaultExists {
        /// Where it is.
        db: PathBuf,
    },
    /// The database is there, its key is not.
    #[error("vault key missing: `{db}` exists and its key file `{key}` does not")]
    KeyMissing {
        /// The database.
        db: PathBuf,
        /// Where the key was looked for.
        key: PathBuf,
    },
    /// The key is there, the database is not.
    #[error("`{db}` is missing while its key `{key}` exists")]
    VaultMissing {
        /// Where the database was looked for.
        db: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// The database is there, and the keychain has no key for it.
    #[error("vault key missing: the keychain has no item `wardlock` for vault `{vault}`")]
    KeychainEmpty {
        /// The vault's id.
        vault: String,
    },
    /// The keychain cannot be asked.
    #[error("the keychain {0}")]
    Keychain(KeychainProblem),
    /// The database is older than what was used last.
    #[error("`vault.db` is older than it was: it is at revision {found}, and {known} was used last")]
    RolledBack {
        /// Its revision.
        found: u64,
        /// The revision that stands beside the key.
        known: u64,
    },
    /// Nothing tells how new the database should be.
    #[error(
        "`vault.db` may be older than it was: it is at revision {found}, and the revision that was used last is missing"
    )]
    RevisionMissing {
        /// Its revision.
        found: u64,
    },
    /// The key would come from where it comes from already.
    #[error("the key comes from there already")]
    SameSource,
    /// The key file does not hold a key.
    #[error("`{key}` does not hold a key: 32 bytes, or 32 bytes as one line of base64, are expected")]
    BadKeyFile {
        /// The file.
        key: PathBuf,
    },
    /// The vault is locked by another kind of key than the one given.
    #[error("the vault's key comes from a {is}, not from a {given}")]
    OtherKeyKind {
        /// What locks the vault.
        is: KeyKind,
        /// What was given.
        given: KeyKind,
    },
    /// The key does not open this vault.
    #[error("wrong key: the {given} does not open this vault")]
    WrongKey {
        /// What was given.
        given: KeyKind,
    },
    /// The passphrase for a new vault is too short.
    #[error("the passphrase is shorter than 12 characters")]
    ShortPassphrase,
    /// A file or folder could be read or replaced by somebody else.
    #[error("`{path}` is not safe: {problem}")]
    Unsafe {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What to do.
        mend: String,
    },
    /// A file could not be used.
    #[error("`{path}` cannot be used")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// Another process has the vault open.
    #[error("the vault is in use by another process")]
    InUse,
    /// The vault was written by a newer version.
    #[error("the vault has format {found}, and this version reads up to {known}")]
    Newer {
        /// The format found.
        found: i64,
        /// The newest format known.
        known: i64,
    },
    /// Something in the database is not as this vault wrote it.
    #[error("the vault is damaged or was tampered with: {what}")]
    Damaged {
        /// What does not fit.
        what: String,
    },
    /// The database holds tables, views, triggers, indexes or statistics that this program did not make.
    #[error("the vault was tampered with: `vault.db` is not made of the tables and indexes that Wardlock makes")]
    OtherSchema,
    /// The database failed.
    #[error("the vault's database failed")]
    Database(#[source] rusqlite::Error),
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    NoRandomness(#[from] getrandom::Error),
    /// The passphrase could not be turned into a key.
    #[error("the passphrase could not be turned into a key")]
    KeyDerivation,
    /// A record could not be written down.
    #[error("a record could not be prepared for the vault")]
    NotWritten,
    /// The search for secrets could not be prepared.
    #[error(transparent)]
    Needles(#[from] NeedlesError),
    /// No such registration.
    #[error("there is no registration `{0}`")]
    NoRegistration(String),
    /// A registration of this name is stored already.
    #[error("registration `{0}` exists already")]
    RegistrationExists(String),
    /// There is no such operator.
    #[error("there is no operator `{0}`")]
    NoOperator(String),
    /// An operator of this name is stored already.
    #[error("operator `{0}` exists already")]
    OperatorExists(String),
    /// Without this one nobody could do what only an admin may.
    #[error("operator `{0}` is the last admin")]
    LastAdmin(String),
    /// Somebody has this passkey already.
    #[error("an operator has this passkey already")]
    PasskeyExists,
    /// As many passkeys as one operator may have.
    #[error("operator `{operator}` has {most} passkeys, and more are not kept")]
    TooManyPasskeys {
        /// The operator.
        operator: String,
        /// How many.
        most: usize,
    },
    /// Grants use this registration.
    #[error("registration `{name}` is used by grants: {grants}")]
    RegistrationInUse {
        /// The registration.
        name: String,
        /// The grants, separated by commas.
        grants: String,
    },
    /// No such grant.
    #[error("there is no grant `{0}`")]
    NoGrant(String),
    /// The grant was renewed or removed meanwhile.
    #[error("grant `{name}` was renewed meanwhile: generation {now}, not {asked}")]
    OtherGeneration {
        /// The grant.
        name: String,
        /// Its generation.
        now: u64,
        /// The generation for which something was to be done.
        asked: u64,
    },
}

impl VaultError {
    /// Returns what to do about it, where there is something.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NoVault { .. } => "`wardlock init` makes one",
            Self::VaultExists { .. } => "use it, or move its folder away first; it is never overwritten",
            Self::KeyMissing { .. } => {
                "put the key file back from your backup; without it nothing in the vault can be read"
            }
            Self::VaultMissing { .. } => {
                "put `vault.db` back from your backup; if there never was one, move the key file away and run `wardlock init`"
            }
            Self::KeychainEmpty { .. } => {
                "unlock the login keychain (one that was never unlocked looks empty), or restore it from the backup of \
                 the machine; the vault cannot be read without it"
            }
            Self::Keychain(KeychainProblem::Locked) => {
                "unlock the login keychain, then run `wardlock vault unlock`"
            }
            Self::Keychain(KeychainProblem::Absent) => {
                "start it (a session bus and a Secret Service such as gnome-keyring), or change the source while it is \
                 there: `wardlock vault rekey --key passphrase`"
            }
            Self::Keychain(KeychainProblem::Hung) => {
                "restart the keychain's daemon, then run `wardlock vault unlock`"
            }
            Self::Keychain(KeychainProblem::Several) => {
                "another program made an item of the same name; remove that one with the keychain's own tool"
            }
            Self::Keychain(KeychainProblem::Denied) => "allow Wardlock's item in the keychain's own settings",
            Self::RevisionMissing { .. } => {
                "put `vault.revision` back beside the key; if it was left behind on purpose, or an old `vault.db` was restored: \
                 `wardlock vault accept-older`, then connect again what says `reconnect`"
            }
            Self::RolledBack { .. } => {
                "put the newer `vault.db` back; if you restored an old one on purpose, tokens that were rotated since \
                 are dead: `wardlock vault accept-older`, then connect again what says `reconnect`"
            }
            Self::BadKeyFile { .. } => "put the key file back from your backup",
            Self::OtherKeyKind { .. } => "set `key` in wardlock.toml to what locks the vault",
            Self::WrongKey { given: KeyKind::Passphrase } => "try again; upper and lower case count",
            Self::WrongKey { given: KeyKind::Keychain } => {
                "the keychain's item belongs to another vault: put `vault.db` and the keychain back from one backup"
            }
            Self::WrongKey { given: KeyKind::File | KeyKind::Credential } => {
                "the key file belongs to another vault, or `vault.db` was changed: put both back from one backup"
            }
            Self::ShortPassphrase => "take four or five random words",
            Self::Unsafe { mend, .. } => mend,
            Self::InUse => {
                "stop the other `wardlock` process, or let it do the work: commands go through it while it runs"
            }
            Self::Newer { .. } => "use the newer `wardlock`, or restore the backup made before the upgrade",
            Self::Damaged { .. } => {
                "put `vault.db` back from your backup, or connect the accounts again in a new home"
            }
            Self::OtherSchema => "put `vault.db` back from your backup, and ask who changed it",
            Self::NoRegistration(_) => {
                "`wardlock registration list` shows those stored, `wardlock registration add` stores one"
            }
            Self::RegistrationExists(_) => "choose another name; a stored registration is never overwritten",
            Self::NoOperator(_) => "`wardlock operator list` shows them",
            Self::OperatorExists(_) => "choose another name, or revoke that one first",
            Self::LastAdmin(_) => "add another admin first, or revoke everybody else first",
            Self::PasskeyExists => "make the passkey on another device, or use the one that is there",
            Self::TooManyPasskeys { .. } => {
                "revoke the operator and add it anew with the passkeys that are in use"
            }
            Self::RegistrationInUse { .. } => "`wardlock disconnect` those grants first",
            Self::NoGrant(_) => "`wardlock connect` makes one, `wardlock grants` shows those stored",
            Self::SameSource => "name another source",
            Self::File { .. }
            | Self::Database(_)
            | Self::NoRandomness(_)
            | Self::KeyDerivation
            | Self::NotWritten
            | Self::Needles(_)
            | Self::OtherGeneration { .. } => return None,
        };
        Some(text.to_owned())
    }
}

impl From<rusqlite::Error> for VaultError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => Self::InUse,
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                Self::Damaged { what: "`vault.db` is not a sound database".to_owned() }
            }
            _ => Self::Database(error),
        }
    }
}
