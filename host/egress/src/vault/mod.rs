//! Holds every credential, and is the only code that can open one.
//!
//! [`Secret`] has no public way to its bytes: [`secret`] keeps them in a private field, and only the modules in
//! this folder may call `Secret::open`. Whatever turns a secret into bytes for somebody else therefore stands
//! here. In reading order:
//!
//! - [`secret`]: the type, and the rule that its bytes follow.
//! - [`prompt`]: how a secret or a passphrase comes in: hidden prompt, standard input, descriptor, admin socket.
//! - [`wire`]: how a secret goes out to a provider.
//! - [`answer`], [`member`]: how a token answer is read.
//! - [`needles`], [`stream`]: find stored secrets in other bytes and cut them out, across chunks too.
//! - [`spelling`]: the encodings in which they are looked for.
//! - [`look`]: finds them in other people's files.
//! - [`key`], [`held`], [`keychain`]: where the vault's key comes from, and how it lies there.
//! - [`beside`]: the revision that is kept beside the key.
//! - [`keys`]: keys derived from it, each bound to one purpose.
//! - [`files`]: the only code that touches the file system; checks owner, mode and symlinks as ssh does.
//! - [`record`], [`kept`]: what is kept, and its form inside a sealed row.
//! - [`rows`], [`database`]: the sealed rows of `vault.db`, and the file itself.
//! - [`store`], [`rekey`]: makes, opens and holds the vault; changes where its key comes from.
//! - [`registrations`], [`grants`], [`operators`], [`accepted`], [`admitted`], [`marks`]: what can be done with each.
//! - [`copy`]: exports, and the vault in a backup.
//! - [`error`]: what can go wrong, and how to mend it.

mod accepted;
mod admitted;
mod answer;
mod beside;
mod copy;
mod database;
mod device;
mod error;
#[expect(clippy::disallowed_methods, reason = "the one module for the vault's files; see its documentation")]
mod files;
mod grants;
mod held;
mod kept;
mod key;
mod keychain;
mod keys;
mod look;
mod marks;
mod member;
mod needles;
mod operators;
mod program;
mod prompt;
mod recipients;
mod record;
mod registrations;
mod rekey;
mod rows;
mod secret;
mod spelling;
mod store;
mod stream;
#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at the files from outside")]
mod tests;
pub(crate) mod wire;

pub use accepted::Accepted;
pub use copy::{
    CopyError, Existing, Exported, Imported, Opened, Opening, Recipients, Restored, SealedKey, Sealing,
};
pub use error::VaultError;
pub use key::{KeyKind, KeySource};
pub use keychain::KeychainProblem;
pub use keys::{Keys, NotOpened, Purpose};
pub use look::{Fingerprints, Owner};
pub use marks::{Decided, DraftMark, DraftTime, WriteMark};
pub use needles::{Needles, NeedlesError, Redacted};
pub use operators::{Operator, Passkey, PasskeyKind, Role};
pub use program::ProgramError;
pub use prompt::{Passphrase, PromptError};
pub(crate) use record::{Begun, ClientMaterial, ClientSecrets, RefreshMaterial, Settled};
pub use record::{
    CLIENT_SECRET, Condition, Copied, GrantInfo, LiveGrant, NewAccess, NewGrant, NewRegistration,
    RegistrationInfo, Tenant,
};
#[cfg(test)]
pub(crate) use secret::tests::secret;
pub use secret::{NotASecret, Secret};
pub use store::Vault;
pub use stream::StreamScan;
